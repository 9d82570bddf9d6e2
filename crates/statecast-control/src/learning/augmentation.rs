//! Settings of imagined transitions: their source, their number and their weight.

use serde::{Deserialize, Serialize};

use super::LearningError;
use crate::environment::Task;

/// Longest imagined rollout, in steps.
const MAX_STEPS: usize = 1000;

/// Longest episode segment that a forecaster reads, in transitions.
const MAX_CONTEXT: usize = 100_000;

/// Most imagined rollouts per segment.
const MAX_PATHS: usize = 4096;

/// Most networks of an ensemble.
const MAX_MEMBERS: usize = 100;

/// Largest penalty per unit of uncertainty.
const MAX_PENALTY: f64 = 1e6;

/// Source of additional transitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AugmentationSource {
    /// A forecaster that reads segments of the replay buffer, by its name.
    Forecaster(String),
    /// The simulator itself, the upper bound: a forecaster without error.
    Truth,
    /// As many additional real transitions from the replay buffer.
    Replay,
    /// An ensemble of this number of networks, fitted once to the recordings of an offline run (Chua
    /// et al., NeurIPS 2018).
    Networks(usize),
}

/// The actions of imagined transitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImaginedActions {
    /// The recorded actions. The reward is the task's reward function at the imagined step, or the
    /// recorded reward where that function is unknown.
    #[serde(alias = "taken")]
    Recorded,
    /// Drawn from the current policy. The reward is the task's reward function or, where that is unknown and actions
    /// are taken along paths, predicted with the states.
    Policy,
}

/// How imagined transitions are generated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Imagination {
    /// One step from every row of a segment, given the rows up to it.
    #[serde(alias = "rows")]
    OneStep,
    /// Rollouts under the current policy. A forecaster's start after a prefix of the segment, the
    /// simulator's at states of the segment.
    #[serde(alias = "paths")]
    Rollouts {
        /// Steps per rollout.
        steps: usize,
        /// Rollouts per segment.
        count: usize,
    },
    /// Short rollouts under the current policy from states of the whole replay buffer (Janner et
    /// al., arXiv 1906.08253), by a forecaster that has read the latest
    /// [`context`](AugmentationSettings::context) transitions.
    Branches(BranchSettings),
}

/// Settings of branches. Each round of branches replaces the one before it.
///
/// ```
/// use statecast::learning::{AugmentationSettings, AugmentationSource, BranchSettings};
/// let branches = BranchSettings { steps: 20, max_variance: Some(0.1), ..BranchSettings::default() };
/// let simulator = AugmentationSource::Truth;
/// let settings = AugmentationSettings::of_branches("pendulum", simulator, branches);
/// assert_eq!(settings.branches(), Some(branches));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BranchSettings {
    /// Most steps per branch.
    pub steps: usize,
    /// Branches per round.
    pub count: usize,
    /// Environment steps between rounds.
    pub every: usize,
    /// A branch stops before a step whose forecast variance is larger than this, in units of the
    /// mean squared step, averaged over the state variables; persistence has about 1. `None` does
    /// not stop.
    pub max_variance: Option<f64>,
    /// Fraction of the branches that start at states of the round before, so that the states at the
    /// ends of branches are trained, too: they have targets' values otherwise, but none of their own
    /// (Sims et al., arXiv 2402.12527).
    pub imagined_starts: f64,
    /// Penalty on the reward of a step per unit of its forecast standard deviation, the root of that
    /// variance (Yu et al., arXiv 2005.13239).
    pub penalty: f64,
}

impl Default for BranchSettings {
    fn default() -> Self {
        Self {
            steps: 3,
            count: 400,
            every: 100,
            max_variance: None,
            imagined_starts: 0.0,
            penalty: 0.0,
        }
    }
}

/// Point of the forecast density that becomes the next state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NextState {
    /// Its mean.
    Mean,
    /// A draw from it.
    Sampled,
}

/// Weighting of imagined samples by the forecaster's uncertainty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SampleWeighting {
    /// All samples have weight 1.
    #[serde(alias = "even")]
    Uniform,
    /// Weight `1 / (1 + v)`, where `v` is the forecast variance over the mean squared step of the
    /// segment.
    Weighted,
    /// Only the half of a segment with the lower forecast variance is kept.
    #[serde(alias = "surer-half")]
    LowVarianceHalf,
}

/// Settings of the augmentation (Benechehab et al., arXiv 2410.11711, algorithm 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AugmentationSettings {
    /// Source of the transitions.
    pub source: AugmentationSource,
    /// Agent updates between passes of the forecaster.
    pub every: usize,
    /// Environment step of the first pass.
    #[serde(alias = "starts")]
    pub start_step: usize,
    /// Imagined transitions per real transition of an update.
    #[serde(alias = "share")]
    pub fraction: f64,
    /// Transitions per segment.
    pub context: usize,
    /// Fewest transitions per segment, used while no episode has `context` transitions.
    #[serde(alias = "shortest")]
    pub min_context: usize,
    /// Segments per pass.
    #[serde(alias = "stretches")]
    pub segments: usize,
    /// Actions of imagined transitions.
    #[serde(alias = "acting")]
    pub actions: ImaginedActions,
    /// How imagined transitions are generated.
    #[serde(alias = "imagining")]
    pub imagination: Imagination,
    /// Mean or draw.
    pub next: NextState,
    /// Weights of imagined samples.
    #[serde(alias = "trust")]
    pub weighting: SampleWeighting,
}

impl AugmentationSettings {
    /// Returns the default settings for a task.
    pub fn of_task(task: &str, source: AugmentationSource) -> Self {
        let (every, start_step, context) = match task {
            "pendulum" => (16, 1_000, 200),
            "mountain-car" | "cart-pole-swing-up" => (32, 1_000, 200),
            _ => (256, 10_000, 500),
        };
        Self {
            source,
            every,
            start_step,
            fraction: 0.25,
            context,
            min_context: 50.min(context),
            segments: 1,
            actions: ImaginedActions::Recorded,
            imagination: Imagination::OneStep,
            next: NextState::Mean,
            weighting: SampleWeighting::Uniform,
        }
    }

    /// Returns the default settings of branches, whose forecaster reads all transitions.
    pub fn of_branches(task: &str, source: AugmentationSource, branches: BranchSettings) -> Self {
        Self {
            imagination: Imagination::Branches(branches),
            actions: ImaginedActions::Policy,
            next: NextState::Sampled,
            start_step: 0,
            context: MAX_CONTEXT,
            fraction: 1.0,
            ..Self::of_task(task, source)
        }
    }

    /// Returns the settings of branches, if transitions are imagined in branches.
    pub fn branches(&self) -> Option<BranchSettings> {
        match self.imagination {
            Imagination::Branches(branches) => Some(branches),
            _ => None,
        }
    }

    /// Returns the settings of Benechehab et al. (arXiv 2410.11711, table 3), with the middle one
    /// of their fractions of 5, 10 and 25 %. `None` for tasks that are not in the paper.
    ///
    /// Imagined transitions keep the recorded actions and their rewards. The paper pairs a reward
    /// with an action that did not earn it.
    pub fn published(task: &str, source: AugmentationSource) -> Option<Self> {
        let (every, start_step, context) = match task {
            "pendulum" => (16, 2_000, 198),
            "hopper" | "half-cheetah" => (256, 10_000, 500),
            _ => return None,
        };
        Some(Self {
            every,
            start_step,
            context,
            fraction: 0.1,
            ..Self::of_task(task, source)
        })
    }

    /// Returns the number of imagined transitions in an update of `batch` real ones.
    pub fn rows(&self, batch: usize) -> usize {
        (self.fraction * batch as f64).round() as usize
    }

    pub(super) fn check(&self, task: &Task) -> Result<(), LearningError> {
        let counts = [
            ("llm-every", self.every),
            ("context", self.context),
            ("min-context", self.min_context),
            ("segments", self.segments),
        ];
        if let Some((name, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return Err(LearningError::Setting(name));
        }
        let refuse = |reason: &'static str| Err(LearningError::Augmentation(reason));
        if !(0.0..=10.0).contains(&self.fraction) {
            return refuse("alpha is a number from 0 to 10");
        }
        if self.min_context > self.context || self.min_context < 2 {
            return refuse("min-context is from 2 to the context");
        }
        if self.context > MAX_CONTEXT {
            return refuse("context is at most 100000");
        }
        let as_is = self.weighting == SampleWeighting::Uniform && self.next == NextState::Mean;
        let rows = self.imagination == Imagination::OneStep;
        match self.source {
            AugmentationSource::Replay
                if !(as_is && rows && self.actions == ImaginedActions::Recorded) =>
            {
                return refuse(
                    "`control=replay`: real transitions take no `actions=`, `rollout=`, `branch=`, `next=` or `weighting=`",
                );
            }
            AugmentationSource::Truth
                if self.weighting != SampleWeighting::Uniform || (rows && !as_is) =>
            {
                return refuse(
                    "`control=truth`: the simulator has no uncertainty to draw from or to weight by",
                );
            }
            AugmentationSource::Truth
                if self
                    .branches()
                    .is_some_and(|of| of.max_variance.is_some() || of.penalty > 0.0) =>
            {
                return refuse(
                    "`control=truth`: the simulator has no uncertainty to stop at or to pay for",
                );
            }
            AugmentationSource::Networks(members) if !(1..=MAX_MEMBERS).contains(&members) => {
                return refuse("an ensemble has from 1 to 100 networks");
            }
            AugmentationSource::Networks(_) if self.branches().is_none() => {
                return refuse("an ensemble of networks imagines branches only (`branch=`)");
            }
            _ => {}
        }
        if self.actions == ImaginedActions::Policy
            && rows
            && task.reward.is_none()
            && matches!(self.source, AugmentationSource::Forecaster(_))
        {
            return refuse(
                "`actions=policy`: the task has no reward function; give one with `reward-expr=`",
            );
        }
        let policy = self.actions == ImaginedActions::Policy || !rows;
        if policy && task.terminated.is_none() && self.source != AugmentationSource::Truth {
            return refuse(
                "`actions=policy`: it is not known which states end an episode; say so with `terminated-expr=` ('0' for none)",
            );
        }
        let (steps, count) = match self.imagination {
            Imagination::OneStep => return Ok(()),
            Imagination::Rollouts { steps, count } => (steps, count),
            Imagination::Branches(branches) => {
                branches.check()?;
                (branches.steps, branches.count)
            }
        };
        if !(1..=MAX_STEPS).contains(&steps) || !(1..=MAX_PATHS).contains(&count) {
            return refuse("a rollout or branch is from 1 to 1000 steps, of 1 to 4096 paths");
        }
        if self.actions == ImaginedActions::Recorded {
            return refuse("`rollout=`, `branch=`: the policy chooses the actions");
        }
        if self.next == NextState::Mean && self.source != AugmentationSource::Truth {
            return refuse("`rollout=`, `branch=`: states are drawn, not means");
        }
        match self.weighting {
            SampleWeighting::Uniform => Ok(()),
            _ => refuse(
                "`weighting=`: applies to one-step transitions, not to `rollout=` or `branch=`",
            ),
        }
    }
}

impl BranchSettings {
    fn check(&self) -> Result<(), LearningError> {
        match self.max_variance {
            _ if self.every == 0 => Err(LearningError::Setting("branch-every")),
            _ if !(0.0..=1.0).contains(&self.imagined_starts) => Err(LearningError::Augmentation(
                "imagined-starts is a number from 0 to 1",
            )),
            _ if !(0.0..=MAX_PENALTY).contains(&self.penalty) => Err(LearningError::Augmentation(
                "penalty is a number from 0 to 1e6",
            )),
            Some(most) if !(most > 0.0 && most.is_finite()) => Err(LearningError::Augmentation(
                "max-variance is a number above 0",
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incompatible_settings_are_refused() {
        let forecaster = || AugmentationSource::Forecaster("builtin vicl".to_owned());
        let of =
            |task: &str, source: AugmentationSource, change: &dyn Fn(&mut AugmentationSettings)| {
                let mut settings = AugmentationSettings::of_task(task, source);
                change(&mut settings);
                let checked = settings.check(Task::named(task).unwrap());
                checked.err().map(|error| error.to_string())
            };
        let paths = Imagination::Rollouts { steps: 3, count: 4 };
        let policy = |s: &mut AugmentationSettings| {
            s.imagination = paths;
            s.actions = ImaginedActions::Policy;
            s.next = NextState::Sampled;
        };
        assert_eq!(of("pendulum", forecaster(), &policy), None);
        let refused = |task, source, change: &dyn Fn(&mut AugmentationSettings), word: &str| {
            let error = of(task, source, change).unwrap();
            assert!(error.contains(word), "{error}");
        };
        refused("pendulum", forecaster(), &|s| s.every = 0, "llm-every");
        refused(
            "pendulum",
            forecaster(),
            &|s| s.fraction = f64::NAN,
            "alpha",
        );
        refused(
            "pendulum",
            forecaster(),
            &|s| s.min_context = 201,
            "min-context",
        );
        // The reward of a path is predicted with its states, that of a recorded row is known.
        assert_eq!(of("hopper", forecaster(), &policy), None);
        let other_actions = |s: &mut AugmentationSettings| s.actions = ImaginedActions::Policy;
        refused("hopper", forecaster(), &other_actions, "no reward function");
        refused(
            "pendulum",
            AugmentationSource::Replay,
            &policy,
            "real transitions",
        );
        refused(
            "pendulum",
            AugmentationSource::Truth,
            &|s| s.weighting = SampleWeighting::LowVarianceHalf,
            "no uncertainty",
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
            &|s| s.imagination = paths,
            "policy chooses",
        );
        let mean = |s: &mut AugmentationSettings| {
            policy(s);
            s.next = NextState::Mean;
        };
        refused("pendulum", forecaster(), &mean, "not means");
        let weighted = |s: &mut AugmentationSettings| {
            policy(s);
            s.weighting = SampleWeighting::Weighted;
        };
        refused("pendulum", forecaster(), &weighted, "one-step");
    }

    #[test]
    fn imagined_rows_are_a_fraction_of_the_batch() {
        let mut settings = AugmentationSettings::of_task("pendulum", AugmentationSource::Replay);
        assert_eq!(settings.rows(64), 16);
        settings.fraction = 0.05;
        assert_eq!(settings.rows(64), 3);
    }
}
