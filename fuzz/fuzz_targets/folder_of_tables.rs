//! Folders of recordings.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::folder_of_tables(bytes));
