//! Arguments of training on recordings.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;

use crate::cli::progress::Progress;
use crate::cli::terminal::{show, tell};
use crate::environment::Task;
use crate::evaluation::{Logged, Rules, time_limit};
use crate::learning::{OfflineSettings, PolicyValue, TrainingRun, TrainingSettings};
use crate::recording::Recording;

/// Recordings instead of the environment.
#[derive(Debug, Args)]
#[command(next_help_heading = "Recordings")]
pub(super) struct Offline {
    /// Learn from these recordings of the task alone; the simulator serves evaluations only
    #[arg(long = "offline", value_delimiter = ',', num_args = 1.., value_name = "FILES")]
    files: Vec<PathBuf>,
    /// Draw the transitions of recorded runs by their return: in proportion to exp(g / TEMPERATURE),
    /// where g is 0 for the lowest return and 1 for the highest [default: all alike]
    #[arg(long, value_name = "TEMPERATURE", requires = "files")]
    return_temperature: Option<f64>,
    /// Weight of the values against the distance to recorded actions, for td3-bc and prdc [default: 2.5]
    #[arg(long, value_name = "WEIGHT", requires = "files")]
    pub(super) value_weight: Option<f32>,
    /// Weight of states against actions in the distance of recorded pairs, for prdc [default: 2]
    #[arg(long, value_name = "WEIGHT", requires = "files")]
    pub(super) state_weight: Option<f32>,
    /// Policies of the run's second half that are compared by fitted Q evaluation on the recordings,
    /// the one with the highest lower end of its 90 % interval being copied to chosen.safetensors;
    /// 0 for none [default: 5]
    #[arg(long, value_name = "COUNT", requires = "files")]
    candidates: Option<usize>,
}

impl Offline {
    /// True if there are recordings.
    pub(super) fn is_given(&self) -> bool {
        !self.files.is_empty()
    }

    fn read(&self, task: &Task) -> anyhow::Result<Logged> {
        let read = |file: &PathBuf| {
            Recording::read(file).with_context(|| format!("--offline {}", file.display()))
        };
        let recordings = self.files.iter().map(read);
        let recordings = recordings.collect::<anyhow::Result<Vec<_>>>()?;
        for (recording, file) in recordings.iter().zip(&self.files) {
            let names: Vec<&str> = task.observation.iter().map(|of| of.name).collect();
            ensure!(
                !task.is_in_other_order(recording.state_names()),
                "--offline {}: its states are {}; {} observes {}, in this order",
                file.display(),
                recording.state_names().join(", "),
                task.name,
                names.join(", ")
            );
        }
        let logged = Logged::new(&recordings, &Rules::of(task))?;
        let Some(limit) = time_limit(&logged) else {
            return Ok(logged);
        };
        tell!(
            "{} of {} episodes are done after {} steps: they count as truncated by a time limit",
            limit.runs.len(),
            logged.runs.len(),
            limit.steps
        );
        Ok(logged.truncated_at(&limit))
    }

    /// Refuses settings of steps in the environment, which there are none of.
    pub(super) fn check(&self, of_steps: &[(&str, bool)]) -> anyhow::Result<()> {
        let given = of_steps.iter().find(|(_, is_given)| *is_given);
        match given.filter(|_| self.is_given()) {
            Some((flag, _)) => {
                bail!("--{flag}: there are no steps in the environment with --offline")
            }
            None => Ok(()),
        }
    }

    /// Returns the settings of training on recordings, if there are any.
    pub(super) fn settings(&self, task: &Task) -> anyhow::Result<Option<OfflineSettings>> {
        if !self.is_given() {
            return Ok(None);
        }
        let name = |file: &PathBuf| {
            let name = file.file_name().unwrap_or(file.as_os_str());
            name.to_string_lossy().into_owned()
        };
        let names = self.files.iter().map(name).collect();
        let settings = OfflineSettings::new(names, &self.read(task)?);
        Ok(Some(OfflineSettings {
            return_temperature: self.return_temperature,
            ..settings
        }))
    }

    /// Compares the policies of a finished run, and prints their values.
    pub(super) fn choose(&self, run: &TrainingRun) -> anyhow::Result<()> {
        let count = self.candidates.unwrap_or(5);
        if !self.is_given() || count == 0 {
            return Ok(());
        }
        let logged = self.read(&run.training().settings().environment()?.task()?)?;
        let progress = Progress::new("fitted Q evaluation".to_owned());
        let found = run.choose_policy(&logged, count, &|share| progress.show(share))?;
        drop(progress);
        let line = |found: &PolicyValue| {
            let value = found.value;
            format!(
                "step {:>8}  value {:>9.1} [{:.1}, {:.1}]\n",
                found.step, value.mean, value.low, value.high
            )
        };
        let lines: String = found.iter().map(line).collect();
        show(&format!(
            "{lines}chosen: {}\n",
            run.chosen_policy().display()
        ))
    }

    /// Resumes the run of a folder, or starts one there.
    pub(super) fn open(
        &self,
        folder: &Path,
        settings: TrainingSettings,
    ) -> anyhow::Result<TrainingRun> {
        Ok(match &settings.offline {
            Some(_) => {
                let logged = self.read(&settings.environment()?.task()?)?;
                TrainingRun::open_offline(folder, settings, &logged)?
            }
            None => TrainingRun::open(folder, settings)?,
        })
    }
}
