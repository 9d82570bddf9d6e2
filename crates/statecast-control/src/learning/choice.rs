//! The choice among the policies of a run on recordings.

use std::path::PathBuf;

use super::run::failed;
use super::{LearningError, TrainingRun};
use crate::evaluation::{FittedQ, FittedSettings, Logged, RolloutSpec, Rules, Value};
use crate::policy::{self, PolicySource, Widths};

const CHOSEN: &str = "chosen.safetensors";

/// Estimated value of a stored policy.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyValue {
    /// Step after which it was stored.
    pub step: usize,
    /// Its file.
    pub file: PathBuf,
    /// Discounted return of its mean actions from the recorded starts until the time limit, by
    /// fitted Q evaluation.
    pub value: Value,
}

impl TrainingRun {
    /// Estimates the values of at most `count` of the policies of a run on recordings, the last ones
    /// of its second half, by fitted Q evaluation on the same recordings, and copies the one whose
    /// interval has the highest lower end to `chosen.safetensors`. No step is taken in a simulator.
    /// `progress` receives the finished fraction.
    ///
    /// # Errors
    /// [`LearningError::Evaluation`] if values cannot be fitted, [`LearningError::Checkpoint`] if a
    /// policy cannot be read or copied.
    pub fn choose_policy(
        &self,
        logged: &Logged,
        count: usize,
        progress: &dyn Fn(f64),
    ) -> Result<Vec<PolicyValue>, LearningError> {
        let settings = self.training().settings();
        let task = settings.environment()?.task()?;
        let half = self.training().step() / 2;
        let evaluations = self.training().evaluations().iter();
        let steps = evaluations
            .map(|found| found.step)
            .filter(|&step| step > half);
        let steps: Vec<usize> = steps.collect();
        let steps = &steps[steps.len().saturating_sub(count)..];
        let widths = Widths {
            observations: task.observation.len(),
            actions: task.action.len(),
        };
        let starts = logged.distinct_starts();
        let spec = RolloutSpec {
            paths: starts.nrows(),
            starts,
            horizon: task.time_limit,
            discount: f64::from(settings.agent.discount),
            rules: Rules::of(&task),
            termination: None,
            failure: None,
            support: None,
            seed: settings.seed,
        };
        let mut found: Vec<PolicyValue> = Vec::with_capacity(steps.len());
        for (number, &step) in steps.iter().enumerate() {
            let file = self.policy_at(step);
            let source = PolicySource::File {
                path: file.clone(),
                mean: true,
            };
            let space = Some(task.action_space);
            let mut policy = policy::read(&source, widths, space).map_err(failed(&file))?;
            let policy = &mut *policy;
            let done = |share: f64| progress((number as f64 + share) / steps.len() as f64);
            let fit = FittedSettings::default();
            let fitted = FittedQ::fit(logged, policy, &spec, fit, &done)?;
            let value = fitted.value(policy)?;
            found.push(PolicyValue { step, file, value });
        }
        let lower = |a: &&PolicyValue, b: &&PolicyValue| a.value.low.total_cmp(&b.value.low);
        if let Some(best) = found.iter().max_by(lower) {
            std::fs::copy(&best.file, self.chosen_policy()).map_err(failed(&best.file))?;
        }
        Ok(found)
    }

    /// Returns the path of the chosen policy.
    pub fn chosen_policy(&self) -> PathBuf {
        self.folder().join(CHOSEN)
    }
}
