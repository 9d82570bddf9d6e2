//! A policy as JSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::policy_json(bytes));
