//! Tables of true values and of actions to come.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::tables(bytes));
