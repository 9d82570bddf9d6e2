//! A prompt format.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::prompt(bytes));
