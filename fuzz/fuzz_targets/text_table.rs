//! Text tables whose roles are guessed.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::text_table(bytes));
