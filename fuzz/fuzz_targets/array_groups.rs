//! Arrays of NPZ files whose keys may name episodes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::array_groups(bytes));
