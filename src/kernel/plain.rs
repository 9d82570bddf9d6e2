//! What the inner loops compute, written plainly: for other processors to compile, and for the tests
//! to compare with.

#![cfg_attr(target_arch = "x86_64", allow(dead_code))]
