//! Parallel work on an appropriate number of threads.

use rayon::prelude::*;

/// Multiplications below which a second thread costs more than it brings.
const WORTH_A_THREAD: usize = 1 << 20;

/// Returns the number of threads for a number of multiplications.
pub(super) fn threads_for(multiplications: usize) -> usize {
    (multiplications / WORTH_A_THREAD).clamp(1, rayon::current_num_threads())
}

/// `work` on every item, by at most `threads` threads.
pub(super) fn for_each<T: Send>(
    threads: usize,
    items: impl IntoIterator<Item = T>,
    work: impl Fn(T) + Sync + Send,
) {
    if threads < 2 {
        items.into_iter().for_each(work);
    } else {
        let items: Vec<T> = items.into_iter().collect();
        items.into_par_iter().for_each(work);
    }
}

/// Runs work that has many chunks for several threads, on one of them: from outside, every chunk
/// would wake the threads and wait to be woken.
pub(crate) fn among_threads<T: Send>(multiplications: usize, work: impl FnOnce() -> T + Send) -> T {
    match threads_for(multiplications) {
        1 => work(),
        _ => rayon::scope(|_| work()),
    }
}
