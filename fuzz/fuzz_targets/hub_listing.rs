//! A hub's listing of a repository.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::hub_listing(bytes));
