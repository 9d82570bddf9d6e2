//! Matrix products and attention for processors with AVX-512, and with AMX.
//!
//! The tensor library packs a weight anew at every product and has no product of BF16 weights on
//! CPUs, and its attention goes through several large temporaries. A forecast is thousands of
//! products of the same weights with few rows, so weights are packed once for the registers here,
//! and attention reads each key and value once for all the queries that share them. What is not
//! here (other processors, other devices, odd shapes) goes through the tensor library; the tests
//! hold both ways to the same numbers.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
mod attention;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod elementwise;
mod integers;
mod keys;
mod packed;
mod pages;
mod parallel;
#[cfg(any(test, not(all(target_arch = "x86_64", target_os = "linux"))))]
#[cfg_attr(
    all(target_arch = "x86_64", not(test)),
    allow(
        dead_code,
        reason = "where only the matrix unit is missing, only that is plain"
    )
)]
mod plain;
mod tiles;

use std::sync::OnceLock;

pub(crate) use attention::{Attention, Keys, Visible, supports, supports_bf16};
pub(crate) use elementwise::{Angles, Heads, log_sums, norm_rows, swiglu};
pub use elementwise::{LogSum, exponentials};
pub(crate) use integers::Integers;
pub(crate) use keys::{KeyBlock, KeyPrecision};
pub(crate) use packed::{Activations, PackedMatrix};
pub(crate) use parallel::among_threads;

/// What the processor offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Features {
    /// Nothing that the kernels here need.
    Plain,
    /// AVX-512 with products of F32.
    F32,
    /// Products of BF16 as well.
    Bf16,
    /// Those of a matrix unit.
    Amx,
}

/// Setting this variable to `plain`, `f32` or `bf16` switches the features beyond off, to compare and to test.
const SWITCH: &str = "STATECAST_KERNEL";

/// Refuses a value of `STATECAST_KERNEL` that switches nothing off.
pub fn check_switch() -> Result<(), String> {
    match std::env::var_os(SWITCH) {
        Some(value)
            if !["", "plain", "f32", "bf16"]
                .iter()
                .any(|known| value == *known) =>
        {
            Err(format!(
                "{SWITCH}={}: plain, f32 or bf16, or not set",
                value.display()
            ))
        }
        _ => Ok(()),
    }
}

/// Found once.
pub fn features() -> Features {
    static FOUND: OnceLock<Features> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let allowed = match std::env::var(SWITCH).as_deref() {
            Ok("plain") => Features::Plain,
            Ok("f32") => Features::F32,
            Ok("bf16") => Features::Bf16,
            _ => Features::Amx,
        };
        detected().min(allowed)
    })
}

#[cfg(target_arch = "x86_64")]
fn detected() -> Features {
    if !(is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")) {
        Features::Plain
    } else if !is_x86_feature_detected!("avx512bf16") {
        Features::F32
    } else if !has_matrix_unit() {
        Features::Bf16
    } else {
        Features::Amx
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn has_matrix_unit() -> bool {
    amx::is_available()
}

#[cfg(all(target_arch = "x86_64", not(target_os = "linux")))]
fn has_matrix_unit() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn detected() -> Features {
    Features::Plain
}
