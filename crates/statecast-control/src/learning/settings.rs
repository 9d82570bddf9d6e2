//! Settings of a training run.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    AugmentationSettings, AugmentationSource, LearningError, OfflineSettings, SacSettings,
};
use crate::environment::{EnvironmentSource, RewardExpression, TerminationExpression};

/// Largest hidden layer, in units.
const MAX_HIDDEN: usize = 4096;

/// Largest update, in real and imagined transitions.
const MAX_BATCH: usize = 65_536;

/// Most updates of a round.
const MAX_ROUND: usize = 10_000_000;

/// Highest dropout rate.
const MAX_DROPOUT: f32 = 0.9;

/// Settings of a training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingSettings {
    /// The environment: a task by name, or `command:PROGRAM`.
    pub task: String,
    /// Reward in place of the environment's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward: Option<RewardExpression>,
    /// Terminal observations in place of the environment's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminated: Option<TerminationExpression>,
    /// Environment steps.
    pub steps: usize,
    /// Random seed.
    pub seed: u64,
    /// Capacity of the buffer of real transitions and of that of imagined ones.
    pub capacity: usize,
    /// Real transitions per update.
    pub batch: usize,
    /// Steps with uniformly random actions before the first update.
    pub learning_starts: usize,
    /// Steps between rounds of updates.
    pub update_every: usize,
    /// Updates per environment step, on average: a round has as many times its steps.
    #[serde(default = "one")]
    pub updates_per_step: usize,
    /// Steps between evaluations.
    pub evaluate_every: usize,
    /// Episodes per evaluation; training on recordings also goes without, and without a simulator.
    pub evaluation_episodes: usize,
    /// Hyperparameters of the agent.
    pub agent: SacSettings,
    /// Imagined transitions; `None` is plain soft actor-critic.
    pub augmentation: Option<AugmentationSettings>,
    /// Recordings instead of the environment; a step is then a round of updates. `None` is training
    /// in the environment.
    #[serde(default)]
    pub offline: Option<OfflineSettings>,
}

fn one() -> usize {
    1
}

impl TrainingSettings {
    /// Returns the default settings for a task, with small networks where they suffice.
    pub fn of_task(task: &str) -> Self {
        let small = matches!(task, "pendulum" | "mountain-car" | "cart-pole-swing-up");
        Self {
            task: task.to_owned(),
            reward: None,
            terminated: None,
            steps: 10_000,
            seed: 1,
            capacity: 1_000_000,
            batch: 256,
            learning_starts: if small { 1_000 } else { 5_000 },
            update_every: 1,
            updates_per_step: one(),
            evaluate_every: 500,
            evaluation_episodes: 20,
            agent: SacSettings {
                hidden: if small { 64 } else { 256 },
                ..SacSettings::default()
            },
            augmentation: None,
            offline: None,
        }
    }

    /// Returns the settings of Benechehab et al. (arXiv 2410.11711, table 3): rounds of updates
    /// once an episode, small batches. `None` for tasks that are not in the paper.
    pub fn published(task: &str) -> Option<Self> {
        let (update_every, learning_starts, batch) = match task {
            "pendulum" => (200, 1_000, 64),
            "hopper" | "half-cheetah" => (1_000, 5_000, 128),
            _ => return None,
        };
        Some(Self {
            batch,
            learning_starts,
            update_every,
            agent: SacSettings::default(),
            ..Self::of_task(task)
        })
    }

    /// Returns the environment with these rewards and ends.
    ///
    /// # Errors
    /// [`LearningError::Environment`] for an unknown name.
    pub fn environment(&self) -> Result<EnvironmentSource, LearningError> {
        let source: EnvironmentSource = self.task.parse()?;
        Ok(source.with_rules(self.reward.clone(), self.terminated.clone()))
    }

    /// Describes the first setting that differs from those of `others`.
    pub(super) fn difference(&self, others: &Self) -> String {
        let algorithm = |settings: &Self| match settings.augmentation {
            _ if settings.agent.state_weight.is_some() => "prdc",
            _ if settings.agent.value_weight.is_some() => "td3-bc",
            Some(_) => "dicl-sac",
            None => "sac",
        };
        let (own, other) = (algorithm(self), algorithm(others));
        if own != other {
            return format!("its algorithm is {own}, not {other}");
        }
        let value = |settings: &Self| serde_json::to_value(settings).unwrap_or_default();
        difference(&value(self), &value(others)).unwrap_or_else(|| "its settings differ".to_owned())
    }

    /// Checks that a run can start with these settings.
    ///
    /// # Errors
    /// [`LearningError`] for counts of zero, values out of range, sizes that take too much memory, and
    /// augmentation settings that are incompatible with the task or each other.
    pub fn check(&self) -> Result<(), LearningError> {
        let task = self.environment()?.task()?;
        let counts = [
            ("steps", self.steps),
            ("batch", self.batch),
            ("update-every", self.update_every),
            ("updates-per-step", self.updates_per_step),
            ("evaluate-every", self.evaluate_every),
            ("hidden", self.agent.hidden),
            ("policy-frequency", self.agent.policy_frequency),
            ("critics", self.agent.critics),
            ("capacity", self.capacity),
        ];
        if let Some((name, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return Err(LearningError::Setting(name));
        }
        if self.evaluation_episodes == 0 && self.offline.is_none() {
            return Err(LearningError::Setting("evaluation-episodes"));
        }
        let agent = &self.agent;
        let shares = [f64::from(agent.discount), f64::from(agent.tau)];
        let rates = [agent.actor_rate, agent.critic_rate];
        if !shares.iter().all(|share| (0.0..=1.0).contains(share))
            || !rates.iter().all(|rate| (1e-9..=1.0).contains(rate))
        {
            return Err(LearningError::Rates);
        }
        if !(0.0..=MAX_DROPOUT).contains(&agent.dropout) {
            return Err(LearningError::Dropout);
        }
        if let Some(offline) = &self.offline {
            offline.check()?;
        }
        let networks =
            |a: &AugmentationSettings| matches!(a.source, AugmentationSource::Networks(_));
        if self.offline.is_none() && self.augmentation.as_ref().is_some_and(networks) {
            return Err(LearningError::Augmentation(
                "an ensemble of networks is fitted to recordings (`offline=`)",
            ));
        }
        if agent
            .value_weight
            .is_some_and(|weight| !(0.0..=1e6).contains(&weight))
        {
            return Err(LearningError::Rates);
        }
        let near = agent.state_weight.is_none_or(|weight| {
            (0.0..=100.0).contains(&weight)
                && agent.value_weight.is_some()
                && self.offline.is_some()
        });
        if !near {
            return Err(LearningError::StateWeight);
        }
        let mut batch = self.batch;
        if let Some(augmentation) = &self.augmentation {
            augmentation.check(&task)?;
            batch = batch.saturating_add(augmentation.rows(self.batch));
        }
        // Settings also come from files, whose networks could take all memory.
        let updates = self.updates_per_step.saturating_mul(self.update_every);
        let units = agent.hidden.saturating_mul(agent.hidden);
        let units = units.saturating_mul(agent.critics.max(2));
        let small = agent.hidden <= MAX_HIDDEN && units <= 2 * MAX_HIDDEN * MAX_HIDDEN;
        match small && batch <= MAX_BATCH && updates <= MAX_ROUND {
            true => Ok(()),
            false => Err(LearningError::Large),
        }
    }
}

fn difference(own: &Value, other: &Value) -> Option<String> {
    let (Value::Object(own), Value::Object(other)) = (own, other) else {
        return None;
    };
    own.iter().find_map(|(name, own)| {
        let other = other.get(name).unwrap_or(&Value::Null);
        let here = || (own != other).then(|| described(name, own, other));
        difference(own, other).or_else(here)
    })
}

fn described(name: &str, own: &Value, other: &Value) -> String {
    let plain = |value: &Value| value.to_string().replace('"', "");
    let name = name.replace('_', "-");
    format!("its {name} is {}, not {}", plain(own), plain(other))
}

#[cfg(test)]
mod tests {
    use super::super::AugmentationSource;
    use super::*;
    use crate::environment::Task;

    #[test]
    fn nested_differences_are_named() {
        let settings = TrainingSettings::of_task("pendulum");
        let mut other = settings.clone();
        other.agent.hidden = 5;
        assert_eq!(settings.difference(&other), "its hidden is 64, not 5");
        let augmented = |source| TrainingSettings {
            augmentation: Some(AugmentationSettings::of_task("pendulum", source)),
            ..settings.clone()
        };
        let (truth, replay) = (
            augmented(AugmentationSource::Truth),
            augmented(AugmentationSource::Replay),
        );
        assert_eq!(truth.difference(&replay), "its source is truth, not replay");
        assert_eq!(
            settings.difference(&truth),
            "its algorithm is sac, not dicl-sac"
        );
    }

    #[test]
    fn settings_of_all_tasks_are_valid() {
        for task in Task::all() {
            let mut settings = TrainingSettings::of_task(task.name);
            settings.check().unwrap();
            let source = AugmentationSource::Forecaster("builtin vicl".to_owned());
            settings.augmentation = Some(AugmentationSettings::of_task(task.name, source));
            settings.check().unwrap();
            if let Some(published) = TrainingSettings::published(task.name) {
                published.check().unwrap();
            }
        }
    }
}
