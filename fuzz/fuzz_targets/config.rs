//! config.json of any family.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::config(bytes));
