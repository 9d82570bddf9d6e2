//! Threads and memory of the whole process, settled before anything else runs.

#![allow(unsafe_code)]

use std::num::NonZeroUsize;

use crate::kernel::{self, Features};

/// Threads of the tensor library, but for its products of dense matrices.
const TENSOR_THREADS: &str = "CANDLE_NUM_THREADS";

/// A thread takes memory, and more than there are cores only take turns.
const MAX_THREADS: usize = 1024;

/// Refuses values of environment variables that would be passed over or end the program.
pub(super) fn check_environment() -> Result<(), String> {
    for name in ["RAYON_NUM_THREADS", TENSOR_THREADS] {
        let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) else {
            continue;
        };
        let count = value.to_str().and_then(|text| text.parse::<usize>().ok());
        if count.is_none_or(|count| count > MAX_THREADS) {
            return Err(format!(
                "{name}={}: a number of threads, at most {MAX_THREADS}",
                value.display()
            ));
        }
    }
    kernel::check_switch()
}

/// Sets the number of threads, and keeps memory that was freed for the next forecast step instead of
/// giving it back to the system and asking for it again: page faults would take a tenth of the time.
///
/// To be called first in `main`, while there is one thread only.
pub fn prepare_process(threads: Option<NonZeroUsize>) {
    if let Some(threads) = threads {
        // SAFETY: there is no other thread yet that could read the environment. Rayon and the tensor
        // library take their numbers of threads from it.
        unsafe { std::env::set_var("RAYON_NUM_THREADS", threads.to_string()) };
    }
    // The tensor library's own threads would spin between the products of the kernels, which have
    // those of rayon, and take their time.
    if kernel::features() != Features::Plain && std::env::var_os(TENSOR_THREADS).is_none() {
        // SAFETY: as above.
        unsafe { std::env::set_var(TENSOR_THREADS, "1") };
    }
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: sets two numbers of the C library's allocator.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 16 << 20);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 1 << 30);
    }
}
