//! Parallel training runs, one thread each.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};

use super::{Evaluation, LearningError, TrainingRun, TrainingSettings};
use crate::forecast::Forecaster;

/// A planned run. Runs may share a forecaster, whose model is then in memory once.
#[derive(Clone)]
pub struct PlannedRun {
    /// Its folder.
    pub folder: PathBuf,
    /// Its settings.
    pub settings: TrainingSettings,
    /// Forecaster of its imagined transitions, if any.
    pub forecaster: Option<Forecaster>,
}

/// Progress of parallel runs.
#[derive(Debug)]
pub enum RunProgress {
    /// A run was opened; these checkpoints were refused.
    Refused(PathBuf, Vec<String>),
    /// A run advanced by this number of steps.
    Steps(usize),
}

/// Trains all runs, `at_once` at a time with one thread each, and returns the evaluations of each.
/// Existing runs resume from their checkpoints.
///
/// Results do not depend on `at_once`. If one run fails, the others stop after their next
/// checkpoint.
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
    let (sender, receiver) = mpsc::channel();
    let mut found: Vec<Vec<Evaluation>> = vec![Vec::new(); runs.len()];
    let mut failed = None;
    std::thread::scope(|scope| {
        for _ in 0..at_once.clamp(1, runs.len().max(1)) {
            let worker = Worker {
                runs,
                next: &next,
                stop: &stop,
                sender: sender.clone(),
            };
            scope.spawn(move || worker.work());
        }
        drop(sender);
        for message in receiver {
            match message {
                WorkerMessage::Progress(message) => progress(message),
                WorkerMessage::Done(run, evaluations) => found[run] = evaluations,
                WorkerMessage::Failed(error) => {
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

enum WorkerMessage {
    Progress(RunProgress),
    Done(usize, Vec<Evaluation>),
    Failed(LearningError),
}

struct Worker<'r> {
    runs: &'r [PlannedRun],
    /// Number of the next unassigned run.
    next: &'r AtomicUsize,
    /// Whether a run has failed.
    stop: &'r AtomicBool,
    sender: Sender<WorkerMessage>,
}

impl Worker<'_> {
    /// Trains runs until none is left.
    fn work(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(run) = self.runs.get(number) else {
                return;
            };
            let message = match self.train(run) {
                Ok(evaluations) => WorkerMessage::Done(number, evaluations),
                Err(source) => WorkerMessage::Failed(LearningError::Run {
                    folder: run.folder.clone(),
                    source: Box::new(source),
                }),
            };
            self.send(message);
        }
    }

    /// Trains one run, on one thread: the other cores belong to the other runs.
    fn train(&self, run: &PlannedRun) -> Result<Vec<Evaluation>, LearningError> {
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let alone = alone.map_err(|error| LearningError::Other(error.to_string()))?;
        alone.install(|| {
            let mut training = TrainingRun::open(&run.folder, run.settings.clone())?;
            let refused = training.refused();
            if !refused.is_empty() {
                let refused = RunProgress::Refused(run.folder.clone(), refused.to_vec());
                self.send(WorkerMessage::Progress(refused));
            }
            let mut step = 0;
            loop {
                let steps = training.training().step() - step;
                self.send(WorkerMessage::Progress(RunProgress::Steps(steps)));
                step += steps;
                if training.training().is_done() || self.stop.load(Ordering::Relaxed) {
                    return Ok(training.training().evaluations().to_vec());
                }
                training.advance(run.forecaster.as_ref())?;
            }
        })
    }

    fn send(&self, message: WorkerMessage) {
        // The receiver outlives all workers.
        let _ = self.sender.send(message);
    }
}
