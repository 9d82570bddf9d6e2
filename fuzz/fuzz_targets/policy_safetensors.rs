//! A policy as safetensors.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::policy_safetensors(bytes));
