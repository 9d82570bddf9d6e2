//! Large pages for what is read again and again.

#![allow(unsafe_code)]

/// Bytes of a large page.
#[cfg(target_os = "linux")]
const PAGE: usize = 2 << 20;

/// Asks the system for large pages: reading weights in pages of four kilobytes takes a third
/// longer, for want of places in the processor's page tables. To be called before the memory is
/// written.
pub(super) fn prefer_large<T>(memory: &[T]) {
    #[cfg(target_os = "linux")]
    {
        let bytes = size_of_val(memory);
        let start = memory.as_ptr() as usize;
        let (from, to) = (start / PAGE * PAGE, (start + bytes).next_multiple_of(PAGE));
        if bytes >= PAGE / 4 {
            // SAFETY: this is advice on how to back the pages; it changes nothing that they hold.
            // That its neighbours on the first and last page are advised, too, does no harm.
            unsafe { libc::madvise(from as *mut libc::c_void, to - from, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}
