//! The index of a model's weights.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::weights_index(bytes));
