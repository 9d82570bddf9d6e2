//! Rows, columns or episodes as JSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::json_table(bytes));
