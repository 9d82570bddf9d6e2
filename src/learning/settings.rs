//! How a training run goes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AugmentationSettings, LearningError, SacSettings};
use crate::environment::Task;

/// Most units of a hidden layer.
const MOST_HIDDEN: usize = 4096;

/// Most transitions of an update, real or imagined.
const MOST_BATCH: usize = 65_536;

/// How a run goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingSettings {
    /// Name of the task.
    pub task: String,
    /// Steps in the environment.
    pub steps: usize,
    /// Seed of everything that is random.
    pub seed: u64,
    /// Transitions that are kept, and imagined ones.
    pub capacity: usize,
    /// Transitions of an update.
    pub batch: usize,
    /// Steps of random actions before the first update.
    pub learning_starts: usize,
    /// Steps from one round of updates, of which there are as many, to the next.
    pub update_every: usize,
    /// Steps from one evaluation to the next.
    pub evaluate_every: usize,
    /// Episodes of an evaluation.
    pub evaluation_episodes: usize,
    /// How the agent learns.
    pub agent: SacSettings,
    /// What is added to its transitions.
    pub augmentation: Option<AugmentationSettings>,
}

impl TrainingSettings {
    /// What suits a task: small networks where they are enough.
    pub fn of_task(task: &str) -> Self {
        let small = matches!(task, "pendulum" | "mountain-car" | "cart-pole-swing-up");
        Self {
            task: task.to_owned(),
            steps: 10_000,
            seed: 1,
            capacity: 1_000_000,
            batch: 256,
            learning_starts: if small { 1_000 } else { 5_000 },
            update_every: 1,
            evaluate_every: 500,
            evaluation_episodes: 20,
            agent: SacSettings {
                hidden: if small { 64 } else { 256 },
                ..SacSettings::default()
            },
            augmentation: None,
        }
    }

    /// What Benechehab et al. trained with (arXiv 2410.11711, table 3), on the tasks that they did: rounds
    /// of updates once an episode, small batches. `None` for other tasks.
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

    /// The first setting in which these differ from others, in words.
    pub(super) fn difference(&self, others: &Self) -> String {
        let algorithm = |settings: &Self| match settings.augmentation {
            Some(_) => "dicl-sac",
            None => "sac",
        };
        let (own, other) = (algorithm(self), algorithm(others));
        if own != other {
            return format!("its algorithm is {own}, not {other}");
        }
        let value = |settings: &Self| serde_json::to_value(settings).unwrap_or_default();
        difference(&value(self), &value(others)).unwrap_or_else(|| "it is another".to_owned())
    }

    /// Whether a run can begin with these.
    ///
    /// # Errors
    /// [`LearningError`] for counts of zero, rates and shares that cannot be, sizes that take too much memory,
    /// and imagined transitions that the task or each other rules out.
    pub fn check(&self) -> Result<(), LearningError> {
        let task = Task::named(&self.task)?;
        let counts = [
            ("steps", self.steps),
            ("batch", self.batch),
            ("update-every", self.update_every),
            ("evaluate-every", self.evaluate_every),
            ("evaluation-episodes", self.evaluation_episodes),
            ("hidden", self.agent.hidden),
            ("actor-every", self.agent.actor_every),
            ("capacity", self.capacity),
        ];
        if let Some((name, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return Err(LearningError::Setting(name));
        }
        let agent = &self.agent;
        let shares = [f64::from(agent.discount), f64::from(agent.follow)];
        let rates = [agent.actor_rate, agent.critic_rate];
        if !shares.iter().all(|share| (0.0..=1.0).contains(share))
            || !rates.iter().all(|rate| (1e-9..=1.0).contains(rate))
        {
            return Err(LearningError::Rates);
        }
        let mut batch = self.batch;
        if let Some(augmentation) = &self.augmentation {
            augmentation.check(task)?;
            batch = batch.saturating_add(augmentation.rows(self.batch));
        }
        // Settings also come from files, and networks of any size would take all memory.
        match self.agent.hidden <= MOST_HIDDEN && batch <= MOST_BATCH {
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
        let told = || (own != other).then(|| told(name, own, other));
        difference(own, other).or_else(told)
    })
}

fn told(name: &str, own: &Value, other: &Value) -> String {
    let plain = |value: &Value| value.to_string().replace('"', "");
    let name = name.replace('_', "-");
    format!("its {name} is {}, not {}", plain(own), plain(other))
}

#[cfg(test)]
mod tests {
    use super::super::Source;
    use super::*;

    #[test]
    fn a_difference_is_named_however_deep_it_lies() {
        let settings = TrainingSettings::of_task("pendulum");
        let mut other = settings.clone();
        other.agent.hidden = 5;
        assert_eq!(settings.difference(&other), "its hidden is 64, not 5");
        let augmented = |source| TrainingSettings {
            augmentation: Some(AugmentationSettings::of_task("pendulum", source)),
            ..settings.clone()
        };
        let (truth, replay) = (augmented(Source::Truth), augmented(Source::Replay));
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
            let source = Source::Forecaster("builtin vicl".to_owned());
            settings.augmentation = Some(AugmentationSettings::of_task(task.name, source));
            settings.check().unwrap();
            if let Some(published) = TrainingSettings::published(task.name) {
                published.check().unwrap();
            }
        }
    }
}
