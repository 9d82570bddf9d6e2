//! Roles that a user names, and the table that they are of.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::roles(bytes));
