//! Jobs on a bounded number of threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs jobs, each worker a contiguous chunk in order, so that a server continues from
/// what it read last; a job is told its number. The first error ends all workers after the job each
/// is at.
pub(super) fn run<J: Sync, E: Send>(
    jobs: &[J],
    workers: usize,
    job: impl Fn(&J, usize) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let (failed, stop) = (Mutex::new(None), AtomicBool::new(false));
    let stretch = jobs.len().div_ceil(workers.max(1)).max(1);
    let work = |first: usize, jobs: &[J]| {
        for (number, one) in (first..).zip(jobs) {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            if let Err(error) = job(one, number) {
                stop.store(true, Ordering::Relaxed);
                if let Ok(mut failed) = failed.lock() {
                    failed.get_or_insert(error);
                }
            }
        }
    };
    match jobs.len() <= stretch {
        true => work(0, jobs),
        false => std::thread::scope(|scope| {
            for (worker, jobs) in jobs.chunks(stretch).enumerate() {
                let work = &work;
                scope.spawn(move || work(worker * stretch, jobs));
            }
        }),
    }
    match failed.into_inner() {
        Ok(Some(error)) => Err(error),
        // No worker panics while it holds the lock.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::run;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn all_jobs_run_once_and_an_error_comes_back() {
        let sum = AtomicUsize::new(0);
        let jobs: Vec<usize> = (1..=100).collect();
        let add = |&job: &usize, number: usize| {
            assert_eq!(number + 1, job);
            sum.fetch_add(job, Ordering::Relaxed);
            Ok::<(), usize>(())
        };
        run(&jobs, 7, add).unwrap();
        assert_eq!(sum.into_inner(), 5050);
        let fail = |&job: &usize, _| if job == 41 { Err(job) } else { Ok(()) };
        assert_eq!(run(&jobs, 3, fail), Err(41));
    }
}
