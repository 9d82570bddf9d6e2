//! Standard output, and whether it was closed before the program began.
//!
//! The runtime puts `/dev/null` in the place of a standard output that is closed, so that what is
//! written there is lost without an error. Whether it was closed can be seen only before `main`.

use std::io::{self, Stdout};

/// Standard output, to be written to.
///
/// # Errors
/// It was closed before the program began.
pub fn standard_output() -> io::Result<Stdout> {
    match before_main::was_closed() {
        true => Err(io::Error::other("is closed")),
        false => Ok(io::stdout()),
    }
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
mod before_main {
    use std::sync::atomic::{AtomicBool, Ordering};

    static CLOSED: AtomicBool = AtomicBool::new(false);

    // SAFETY: the loader calls the functions of this section once each, before `main`.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static LOOK: extern "C" fn() = look;

    extern "C" fn look() {
        // SAFETY: asks for the flags of a descriptor, which changes nothing.
        let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
        CLOSED.store(flags == -1, Ordering::Relaxed);
    }

    pub(super) fn was_closed() -> bool {
        CLOSED.load(Ordering::Relaxed)
    }
}

/// Other systems do not say.
#[cfg(not(target_os = "linux"))]
mod before_main {
    pub(super) fn was_closed() -> bool {
        false
    }
}
