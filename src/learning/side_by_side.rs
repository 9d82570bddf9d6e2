//! Training runs side by side, each on a thread of its own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};

use super::{Evaluation, LearningError, TrainingRun, TrainingSettings};
use crate::forecast::Forecaster;

/// A run that is to be made. Runs may share a forecaster, whose model is then in memory once.
#[derive(Clone)]
pub struct PlannedRun {
    /// Its folder.
    pub folder: PathBuf,
    /// Its settings.
    pub settings: TrainingSettings,
    /// What imagines its transitions, if a forecaster does.
    pub forecaster: Option<Forecaster>,
}

/// What is told of runs while they train.
#[derive(Debug)]
pub enum RunProgress {
    /// A run was opened, and these checkpoints could not be used.
    Refused(PathBuf, Vec<String>),
    /// So many more steps of a run were trained.
    Steps(usize),
}

/// Trains all runs, `at_once` at a time and one thread each, those that are there from their checkpoints on; the
/// evaluations of each.
/// What is trained does not depend on how many there are at a time. If one run fails, the others end behind
/// their next checkpoint.
///
/// ```
/// use statecast::learning::{PlannedRun, SacSettings, TrainingSettings, train_side_by_side};
/// let folder = std::env::temp_dir().join(format!("statecast-runs-{}", std::process::id()));
/// let runs: Vec<PlannedRun> = (1..=2)
///     .map(|seed| PlannedRun {
///         folder: folder.join(format!("seed-{seed}")),
///         settings: TrainingSettings {
///             seed,
///             steps: 50,
///             batch: 8,
///             learning_starts: 40,
///             evaluate_every: 50,
///             evaluation_episodes: 1,
///             agent: SacSettings { hidden: 8, ..SacSettings::default() },
///             ..TrainingSettings::of_task("pendulum")
///         },
///         forecaster: None,
///     })
///     .collect();
/// let found = train_side_by_side(&runs, 2, &mut |_| ())?;
/// assert_eq!(found[1].last().unwrap().step, 50);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`LearningError::Run`], which names the folder, of the first run that fails.
pub fn train_side_by_side(
    runs: &[PlannedRun],
    at_once: usize,
    progress: &mut dyn FnMut(RunProgress),
) -> Result<Vec<Vec<Evaluation>>, LearningError> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (told, tells) = mpsc::channel();
    let mut found: Vec<Vec<Evaluation>> = vec![Vec::new(); runs.len()];
    let mut failed = None;
    std::thread::scope(|scope| {
        for _ in 0..at_once.clamp(1, runs.len().max(1)) {
            let worker = Worker {
                runs,
                next: &next,
                stop: &stop,
                told: told.clone(),
            };
            scope.spawn(move || worker.work());
        }
        drop(told);
        for said in tells {
            match said {
                Said::Progress(said) => progress(said),
                Said::Done(run, evaluations) => found[run] = evaluations,
                Said::Failed(error) => {
                    stop.store(true, Ordering::Relaxed);
                    failed.get_or_insert(error);
                }
            }
        }
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(found),
    }
}

enum Said {
    Progress(RunProgress),
    Done(usize, Vec<Evaluation>),
    Failed(LearningError),
}

struct Worker<'r> {
    runs: &'r [PlannedRun],
    /// Number of the run that nobody has taken.
    next: &'r AtomicUsize,
    /// Whether one has failed.
    stop: &'r AtomicBool,
    told: Sender<Said>,
}

impl Worker<'_> {
    /// Makes runs until there are no more.
    fn work(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(run) = self.runs.get(number) else {
                return;
            };
            let said = match self.train(run) {
                Ok(evaluations) => Said::Done(number, evaluations),
                Err(source) => Said::Failed(LearningError::Run {
                    folder: run.folder.clone(),
                    source: Box::new(source),
                }),
            };
            self.tell(said);
        }
    }

    /// One run. What is computed in it stays on one thread: others have theirs.
    fn train(&self, run: &PlannedRun) -> Result<Vec<Evaluation>, LearningError> {
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let alone = alone.map_err(|error| LearningError::Other(error.to_string()))?;
        alone.install(|| {
            let mut training = TrainingRun::open(&run.folder, run.settings.clone())?;
            let refused = training.refused();
            if !refused.is_empty() {
                let refused = RunProgress::Refused(run.folder.clone(), refused.to_vec());
                self.tell(Said::Progress(refused));
            }
            let mut step = 0;
            loop {
                let steps = training.training().step() - step;
                self.tell(Said::Progress(RunProgress::Steps(steps)));
                step += steps;
                if training.training().is_done() || self.stop.load(Ordering::Relaxed) {
                    return Ok(training.training().evaluations().to_vec());
                }
                training.advance(run.forecaster.as_ref())?;
            }
        })
    }

    fn tell(&self, said: Said) {
        // Who listens waits for all workers.
        let _ = self.told.send(said);
    }
}
