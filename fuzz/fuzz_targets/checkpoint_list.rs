//! The list of a training's checkpoints.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::checkpoint_list(bytes));
