//! Series of the Monash archive.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::tsf(bytes));
