//! Off-policy evaluation: values of policies from recorded trajectories.
//!
//! An [`EvaluationStudy`] evaluates policies by several [`Estimator`]s, a [`ReplayStudy`] forecasts the remaining
//! rewards of recorded runs.
//!
//! [`Logged`] holds the recorded runs. A policy's value is estimated by rollouts in a model of the
//! system ([`in_context`], [`learned`]), by fitted Q evaluation ([`FittedQ`]), by importance
//! sampling ([`importance`]), or by combinations; each gives a [`Value`] with an interval.

mod action_source;
mod combined;
mod correction;
mod distribution;
mod estimator;
mod fitted;
mod imagined;
mod importance;
mod in_context;
mod learned;
mod logged;
mod one_step;
mod own_recording;
mod policy_steps;
mod ranking_metrics;
mod recommended;
mod recorded_support;
mod recording;
mod replay;
mod return_accumulator;
mod reward_forecast;
mod selection;
mod simulated;
mod study;
mod support;
mod termination;
mod truth;
mod value;

pub use action_source::{ActionSource, PolicyActions, PolicyControl};
pub use combined::{Combined, EstimateOfKind};
pub use correction::{RecordedReturn, misspecification_error, on_policy, recorded_return};
pub use distribution::{ReturnDistribution, ReturnStatistics};
pub use estimator::{Estimator, EstimatorKind, RewardEstimator, RolloutModel, UnknownEstimator};
pub use fitted::{FittedQ, FittedSettings};
pub use imagined::{ImaginedRollouts, RolloutSpec};
pub use importance::{CriticValues, ImportanceEstimate, behaviour_mean, doubly_robust, importance};
pub(crate) use in_context::run_variables;
pub use in_context::{ContextSegment, Contexts, context_segments, in_context};
pub use learned::{DynamicsModels, corrected, learned};
pub use logged::{Logged, RecordedRun, Transitions};
use own_recording::nearest_recording;
pub use own_recording::recording_of;
pub use ranking_metrics::{RankingMetrics, ranking_metrics};
pub use recommended::{RecommendedEstimator, leading};
pub use recorded_support::RecordedSupport;
pub use recording::{Agent, RecordingFormat, SimulatedEpisodes};
pub use replay::{ReplayEstimate, ReplayOutcome, ReplaySettings, ReplayStudy};
pub use return_accumulator::StepsOutside;
pub use reward_forecast::{
    PrefixSplit, RewardBaseline, RewardForecastErrors, RewardForecastScores,
};
pub use selection::{Difference, Selection};
pub use simulated::{SimulatedReturn, simulated, simulated_returns};
pub use study::{
    EvaluationSettings, EvaluationStudy, EvaluationStudyError, NamedPolicy, PolicyEstimate,
    PolicyValues, RecordedPolicy, Termination, check_names,
};
pub use support::{UnsupportedActions, unsupported_actions};
pub use termination::{TerminationModel, TimeLimit, time_limit};
pub use truth::read_truth;
pub use value::{Path, Value};

use std::path::PathBuf;

use crate::environment::{
    RewardExpression, RewardRule, Task, TerminationExpression, TerminationRule,
};
use crate::recording::Recording;

/// Known reward and termination of a system.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Reward of a step; rewards are predicted if it is unknown.
    pub reward: Option<RewardRule>,
    /// Termination rule; `None` for no termination by a rule.
    pub terminated: Option<TerminationRule>,
}

impl Rules {
    /// Returns the rules of a task.
    pub fn of(task: &Task) -> Self {
        Self {
            reward: task.reward.clone(),
            terminated: task.terminated.clone(),
        }
    }

    /// Returns the same with expressions of the columns of recordings in their place, where these are given.
    ///
    /// # Errors
    /// [`EvaluationError::Environment`] for a name that is no column.
    pub fn with(
        self,
        reward: Option<&RewardExpression>,
        terminated: Option<&TerminationExpression>,
        recordings: &[Recording],
    ) -> Result<Self, EvaluationError> {
        let first = recordings.first().ok_or(EvaluationError::NoRuns(0))?;
        let (states, actions) = (first.state_names(), first.action_names());
        let reward = reward.map(|reward| reward.bind(states, actions));
        let terminated = terminated.map(|terminated| terminated.bind(states));
        Ok(Self {
            reward: reward.transpose()?.or(self.reward),
            terminated: terminated.transpose()?.or(self.terminated),
        })
    }
}

/// Errors of policy evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// A recording has other columns than the first.
    #[error("recording {0} (counted from 0) has other states or actions than the first")]
    Recordings(usize),
    /// No action column.
    #[error("the recordings have no action columns; choose them with `action=`")]
    NoActions,
    /// No run is long enough to be split.
    #[error("no episode has {0} steps and {1} more")]
    TooShort(usize, usize),
    /// Rewards are neither recorded nor computable.
    #[error(
        "the recordings have no reward column and no environment gives the reward; give it as an expression with `reward-expr=`"
    )]
    NoReward,
    /// A rule that is not defined at a recorded step.
    #[error(
        "recording {recording} (counted from 0), episode {episode}, row {row}: `{setting}=` is not defined (a division by \
         zero, a root of a negative number)"
    )]
    Undefined {
        /// The setting, such as `reward-expr`.
        setting: &'static str,
        /// The recording, from 0.
        recording: usize,
        /// Name of the episode.
        episode: String,
        /// Row of the episode, from 0.
        row: usize,
    },
    /// A recording without a step.
    #[error("recording {0} (counted from 0) has no step, or none whose next state is known")]
    NoRuns(usize),
    /// Too few steps to learn a model from.
    #[error("{0} recorded steps with a next state; a model needs at least {1}")]
    TooFew(usize, usize),
    /// An invalid table of true values.
    #[error("{}: {reason}", file.display())]
    Truth {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An observation of another system.
    #[error("an observation of {found} values; the recordings have {expected} states")]
    Observation {
        /// Its values.
        found: usize,
        /// States of the recordings.
        expected: usize,
    },
    /// An action of another system.
    #[error("an action of {found} values; the recordings have {expected}")]
    Action {
        /// Its values.
        found: usize,
        /// Actions of the recordings.
        expected: usize,
    },
    /// A reward that is not finite.
    #[error("the reward of a step is {0}")]
    Reward(f64),
    /// A failure of the policy.
    #[error(transparent)]
    Policy(#[from] crate::policy::PolicyError),
    /// A failure of the environment.
    #[error(transparent)]
    Environment(#[from] crate::environment::EnvironmentError),
    /// A failure of the forecast.
    #[error(transparent)]
    Forecast(#[from] crate::forecast::ForecastError),
}
