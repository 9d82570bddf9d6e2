//! The reply of a policy program.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::policy_reply(bytes));
