//! What is added to real transitions: by whom it is imagined, how much, and how it is trusted.

use serde::{Deserialize, Serialize};

use super::LearningError;
use crate::environment::Task;

/// Most imagined steps from one start.
const MOST_STEPS: usize = 1000;

/// Most transitions of a stretch.
const MOST_CONTEXT: usize = 100_000;

/// Most imagined paths of a stretch.
const MOST_PATHS: usize = 4096;

/// Who knows what follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A forecaster that reads stretches of the replay, by its name.
    Forecaster(String),
    /// The simulator itself: what a forecaster without error would bring.
    Truth,
    /// Nobody: as many real transitions more, from the replay.
    Replay,
}

/// The actions of imagined transitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acting {
    /// Those that were taken. What they earn the task's reward function says of the imagined step; where it is not
    /// known, they keep what they earned.
    Taken,
    /// Drawn from the policy as it is; the task's reward function says what they earn.
    Policy,
}

/// Where imagined transitions come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Imagining {
    /// From every row of a stretch: what follows it, given the rows up to it.
    Rows,
    /// From paths of so many steps on which the policy acts. A forecaster's go on behind a part of the
    /// stretch, the simulator's begin at states of it.
    Paths {
        /// Steps of a path.
        steps: usize,
        /// Paths of a stretch.
        count: usize,
    },
}

/// Which state of a density is the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NextState {
    /// Its mean.
    Mean,
    /// One that is drawn from it.
    Sampled,
}

/// What the forecaster's own uncertainty does to imagined transitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// Nothing.
    Even,
    /// Weights in the loss: 1 where the forecaster is sure, 1/2 where it knows no more than how far
    /// states move in a step.
    Weighted,
    /// The half of a stretch that it is least sure of is thrown away.
    SurerHalf,
}

/// How training is augmented (Benechehab et al., arXiv 2410.11711, algorithm 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AugmentationSettings {
    /// Who imagines.
    pub source: Source,
    /// Updates from one pass to the next.
    pub every: usize,
    /// Step of the first pass.
    pub starts: usize,
    /// Imagined transitions of an update, as a share of its real ones.
    pub share: f64,
    /// Transitions of a stretch.
    pub context: usize,
    /// Fewest, where no episode is long enough yet.
    pub shortest: usize,
    /// Stretches of a pass.
    pub stretches: usize,
    /// Their actions.
    pub acting: Acting,
    /// From rows or paths.
    pub imagining: Imagining,
    /// Mean or sample.
    pub next: NextState,
    /// What uncertainty does.
    pub trust: Trust,
}

impl AugmentationSettings {
    /// What suits a task.
    pub fn of_task(task: &str, source: Source) -> Self {
        let (every, starts, context) = match task {
            "pendulum" => (16, 1_000, 200),
            "mountain-car" | "cart-pole-swing-up" => (32, 1_000, 200),
            _ => (256, 10_000, 500),
        };
        Self {
            source,
            every,
            starts,
            share: 0.25,
            context,
            shortest: 50.min(context),
            stretches: 1,
            acting: Acting::Taken,
            imagining: Imagining::Rows,
            next: NextState::Mean,
            trust: Trust::Even,
        }
    }

    /// What Benechehab et al. augmented with (arXiv 2410.11711, table 3), on the tasks that they did; of their
    /// shares of 5, 10 and 25 % the middle one. `None` for other tasks.
    ///
    /// Imagined transitions keep the actions that were taken, with what they earned: in the paper a
    /// reward stands beside another action than the one that earned it.
    pub fn published(task: &str, source: Source) -> Option<Self> {
        let (every, starts, context) = match task {
            "pendulum" => (16, 2_000, 198),
            "hopper" | "half-cheetah" => (256, 10_000, 500),
            _ => return None,
        };
        Some(Self {
            every,
            starts,
            context,
            share: 0.1,
            ..Self::of_task(task, source)
        })
    }

    /// Imagined transitions of an update of so many real ones.
    pub fn rows(&self, batch: usize) -> usize {
        (self.share * batch as f64).round() as usize
    }

    pub(super) fn check(&self, task: &Task) -> Result<(), LearningError> {
        let counts = [
            ("llm-every", self.every),
            ("context", self.context),
            ("shortest-context", self.shortest),
            ("stretches", self.stretches),
        ];
        if let Some((name, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return Err(LearningError::Setting(name));
        }
        let refuse = |reason: &'static str| Err(LearningError::Augmentation(reason));
        if !(0.0..=10.0).contains(&self.share) {
            return refuse("alpha is a number from 0 to 10");
        }
        if self.shortest > self.context || self.shortest < 2 {
            return refuse("shortest-context is from 2 to the context");
        }
        if self.context > MOST_CONTEXT {
            return refuse("context is at most 100000");
        }
        let as_is = self.trust == Trust::Even && self.next == NextState::Mean;
        let rows = self.imagining == Imagining::Rows;
        match self.source {
            Source::Replay if !(as_is && rows && self.acting == Acting::Taken) => {
                return refuse(
                    "what the replay holds came as it did: no other actions, paths, draws or weights",
                );
            }
            Source::Truth if self.trust != Trust::Even || (rows && !as_is) => {
                return refuse("the simulator is sure: no draws, no weights");
            }
            _ => {}
        }
        let known = task.reward.is_some();
        if self.acting == Acting::Policy && !known && self.source != Source::Truth {
            return refuse("what other actions earn is not known: the task has no reward function");
        }
        let Imagining::Paths { steps, count } = self.imagining else {
            return Ok(());
        };
        if !(1..=MOST_STEPS).contains(&steps) || !(1..=MOST_PATHS).contains(&count) {
            return refuse("rollout is from 1 to 1000 steps, of 1 to 4096 paths");
        }
        if self.acting == Acting::Taken {
            return refuse("on imagined paths the policy acts");
        }
        if self.next == NextState::Mean && self.source != Source::Truth {
            return refuse("imagined paths are drawn: their states are no means");
        }
        match self.trust {
            Trust::Even => Ok(()),
            _ => refuse("weights by uncertainty are those of rows, not of paths"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_go_together_is_refused() {
        let forecaster = || Source::Forecaster("builtin vicl".to_owned());
        let of = |task: &str, source: Source, change: &dyn Fn(&mut AugmentationSettings)| {
            let mut settings = AugmentationSettings::of_task(task, source);
            change(&mut settings);
            let checked = settings.check(Task::named(task).unwrap());
            checked.err().map(|error| error.to_string())
        };
        let paths = Imagining::Paths { steps: 3, count: 4 };
        let policy = |s: &mut AugmentationSettings| {
            s.imagining = paths;
            s.acting = Acting::Policy;
            s.next = NextState::Sampled;
        };
        assert_eq!(of("pendulum", forecaster(), &policy), None);
        let refused = |task, source, change: &dyn Fn(&mut AugmentationSettings), word: &str| {
            let error = of(task, source, change).unwrap();
            assert!(error.contains(word), "{error}");
        };
        refused("pendulum", forecaster(), &|s| s.every = 0, "llm-every");
        refused("pendulum", forecaster(), &|s| s.share = f64::NAN, "alpha");
        refused("pendulum", forecaster(), &|s| s.shortest = 201, "shortest");
        refused("hopper", forecaster(), &policy, "no reward function");
        refused("pendulum", Source::Replay, &policy, "came as it did");
        refused(
            "pendulum",
            Source::Truth,
            &|s| s.trust = Trust::SurerHalf,
            "is sure",
        );
        refused(
            "pendulum",
            forecaster(),
            &|s| s.context = usize::MAX,
            "context",
        );
        refused(
            "pendulum",
            forecaster(),
            &|s| s.imagining = paths,
            "policy acts",
        );
        let mean = |s: &mut AugmentationSettings| {
            policy(s);
            s.next = NextState::Mean;
        };
        refused("pendulum", forecaster(), &mean, "no means");
        let trusted = |s: &mut AugmentationSettings| {
            policy(s);
            s.trust = Trust::Weighted;
        };
        refused("pendulum", forecaster(), &trusted, "uncertainty");
    }

    #[test]
    fn shares_are_of_the_batch() {
        let mut settings = AugmentationSettings::of_task("pendulum", Source::Replay);
        assert_eq!(settings.rows(64), 16);
        settings.share = 0.05;
        assert_eq!(settings.rows(64), 3);
    }
}
