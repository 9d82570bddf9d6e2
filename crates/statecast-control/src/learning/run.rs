//! A training run in its own folder. Every evaluation writes policies, evaluations and a
//! checkpoint.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Evaluation, LearningError, Training, TrainingSettings};
use crate::evaluation::Logged;
use crate::forecast::Forecaster;
use crate::output::{Column, ScalarEvent, Table, write_atomically, write_events};

const EVALUATIONS: &str = "evaluations.csv";
const EVENTS: &str = "events.out.tfevents.statecast";
const BEST: &str = "best.safetensors";
const LAST: &str = "last.safetensors";
const LOCK: &str = "lock";

/// A training run and its folder, locked against other processes.
///
/// The folder has `evaluations.csv`, an event file for TensorBoard, the policies `best.safetensors`
/// and `last.safetensors`, and the last checkpoints.
///
/// ```
/// use statecast::learning::{SacSettings, TrainingRun, TrainingSettings};
/// let folder = std::env::temp_dir().join(format!("statecast-run-{}", std::process::id()));
/// let settings = TrainingSettings {
///     steps: 60,
///     batch: 8,
///     learning_starts: 40,
///     evaluate_every: 30,
///     evaluation_episodes: 1,
///     agent: SacSettings { hidden: 8, ..SacSettings::default() },
///     ..TrainingSettings::of_task("pendulum")
/// };
/// let mut run = TrainingRun::open(&folder, settings.clone())?;
/// run.advance(None)?;
/// drop(run);
/// // Opened again, it resumes after its last checkpoint.
/// let mut run = TrainingRun::open(&folder, settings)?;
/// assert_eq!(run.resumed_at(), Some(30));
/// while !run.training().is_done() {
///     run.advance(None)?;
/// }
/// assert!(run.best_policy().exists());
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TrainingRun {
    training: Training,
    folder: PathBuf,
    resumed_at: Option<usize>,
    refused: Vec<String>,
    _lock: File,
}

impl TrainingRun {
    /// Resumes the run of a folder, or starts one there.
    ///
    /// # Errors
    /// [`LearningError::Busy`] if another process trains there, [`LearningError::Other`] if the folder holds a
    /// run with other settings, [`LearningError::Checkpoint`] if the folder or none of its
    /// checkpoints can be used.
    pub fn open(folder: &Path, settings: TrainingSettings) -> Result<Self, LearningError> {
        Self::open_with(folder, settings, None)
    }

    /// Resumes the run of a folder on recordings alone, or starts one there.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`LearningError::Recordings`] if the recordings are not of the task.
    pub fn open_offline(
        folder: &Path,
        settings: TrainingSettings,
        logged: &Logged,
    ) -> Result<Self, LearningError> {
        Self::open_with(folder, settings, Some(logged))
    }

    fn open_with(
        folder: &Path,
        settings: TrainingSettings,
        logged: Option<&Logged>,
    ) -> Result<Self, LearningError> {
        std::fs::create_dir_all(folder).map_err(failed(folder))?;
        let lock = lock(folder)?;
        let (training, refused, resumed_at) = match Training::resume(folder)? {
            Some(resumed) => {
                let mut training = resumed.training;
                training
                    .extend_to(&settings)
                    .map_err(|reason| LearningError::Another {
                        folder: folder.to_owned(),
                        reason: reason.to_string(),
                    })?;
                let step = training.step();
                (training, resumed.refused, Some(step))
            }
            None => {
                let training = match logged {
                    Some(logged) => Training::offline(settings, logged)?,
                    None => Training::new(settings)?,
                };
                (training, Vec::new(), None)
            }
        };
        Ok(Self {
            training,
            folder: folder.to_owned(),
            resumed_at,
            refused,
            _lock: lock,
        })
    }

    /// Returns the run.
    pub fn training(&self) -> &Training {
        &self.training
    }

    /// Returns the step after which it resumed; `None` if it is new.
    pub fn resumed_at(&self) -> Option<usize> {
        self.resumed_at
    }

    /// Returns why newer checkpoints than the resumed one were refused.
    pub fn refused(&self) -> &[String] {
        &self.refused
    }

    /// Returns the first of the best evaluations, whose policy is kept; `None` if there are no
    /// evaluation episodes.
    pub fn best(&self) -> Option<&Evaluation> {
        let better = |best: &Evaluation, found: &Evaluation| found.mean > best.mean;
        let all = self.training.evaluations().iter();
        let mut all = all.filter(|found| !found.mean.is_nan());
        let first = all.next()?;
        Some(all.fold(
            first,
            |best, found| if better(best, found) { found } else { best },
        ))
    }

    /// Returns the path of the best policy so far.
    pub fn best_policy(&self) -> PathBuf {
        self.folder.join(BEST)
    }

    /// Returns the folder of the run.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the path of the policy after a step of a run on recordings.
    pub(super) fn policy_at(&self, step: usize) -> PathBuf {
        self.folder.join(format!("policy-{step:09}.safetensors"))
    }

    /// Trains until the next evaluation and writes its results. The forecaster is that of the
    /// [source](super::AugmentationSource) of imagined transitions, if any.
    ///
    /// # Errors
    /// As [`Training::advance`], and [`LearningError::Checkpoint`] if a file cannot be written.
    pub fn advance(
        &mut self,
        forecaster: Option<&Forecaster>,
    ) -> Result<Evaluation, LearningError> {
        let best = self.best().map(|best| best.mean);
        let found = self.training.advance(forecaster)?;
        let policy = self.training.agent().actor().policy();
        policy
            .write(&self.folder.join(LAST))
            .map_err(failed(&self.folder))?;
        if !found.mean.is_nan() && best.is_none_or(|best| found.mean > best) {
            policy
                .write(&self.best_policy())
                .map_err(failed(&self.folder))?;
        }
        if self.training.settings().offline.is_some() {
            let path = self.policy_at(found.step);
            policy.write(&path).map_err(failed(&path))?;
        }
        let evaluations = self.training.evaluations();
        let path = self.folder.join(EVALUATIONS);
        table(evaluations).write(&path).map_err(failed(&path))?;
        let (path, events) = (self.folder.join(EVENTS), events(evaluations));
        write_atomically(&path, |file| write_events(file, &events)).map_err(failed(&path))?;
        self.training.save(&self.folder)?;
        Ok(found)
    }
}

pub(super) fn failed<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> LearningError {
    |error| LearningError::Checkpoint {
        file: path.display().to_string(),
        reason: error.to_string(),
    }
}

/// Locks a folder against other processes while the file is open.
fn lock(folder: &Path) -> Result<File, LearningError> {
    let path = folder.join(LOCK);
    let file = File::create(&path).map_err(failed(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LearningError::Busy(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(&path)(error)),
    }
}

/// Returns evaluations as TensorBoard scalars, at the times at which they were made.
fn events(evaluations: &[Evaluation]) -> Vec<ScalarEvent> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0.0, |since| since.as_secs_f64());
    let end = evaluations.last().map_or(0.0, |last| last.seconds);
    let event = |found: &Evaluation| ScalarEvent {
        step: found.step,
        time: now - (end - found.seconds),
        scalars: vec![
            ("evaluation/return".to_owned(), found.mean),
            ("evaluation/return_deviation".to_owned(), found.std),
            ("evaluation/overestimation".to_owned(), found.overestimation),
            ("agent/temperature".to_owned(), found.entropy_coefficient),
        ],
    };
    evaluations.iter().map(event).collect()
}

fn table(evaluations: &[Evaluation]) -> Table {
    let column = |of: fn(&Evaluation) -> f64| Column::Real(evaluations.iter().map(of).collect());
    let columns = [
        ("step", column(|e| e.step as f64)),
        ("return_mean", column(|e| e.mean)),
        ("return_deviation", column(|e| e.std)),
        ("overestimation", column(|e| e.overestimation)),
        ("temperature", column(|e| e.entropy_coefficient)),
        ("seconds", column(|e| e.seconds)),
    ];
    let named = columns.map(|(name, values)| (name.to_owned(), values));
    Table::new(named.into()).expect("every column has one value per evaluation")
}
