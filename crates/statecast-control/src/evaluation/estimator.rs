//! Estimators by name: of policies' values, and of recorded runs' remaining rewards.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::forecast::Method;

/// A model in which a policy, or recorded actions, are rolled out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RolloutModel {
    /// The recalibrated language model, mixed with learned models.
    Mixture,
    /// The language model, by the method of the settings.
    Builtin,
    /// The language model, each variable separately.
    Vicl,
    /// The language model on principal components of the states.
    DiclS,
    /// The language model on principal components of states and actions.
    DiclSa,
    /// A linear model.
    Linear,
    /// An ensemble of neural networks.
    Mlp,
}

impl RolloutModel {
    const ALL: [Self; 7] = [
        Self::Mixture,
        Self::Builtin,
        Self::Vicl,
        Self::DiclS,
        Self::DiclSa,
        Self::Linear,
        Self::Mlp,
    ];

    /// Returns the name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mixture => "mixture",
            Self::Builtin => "builtin",
            Self::Vicl => "vicl",
            Self::DiclS => "dicl-s",
            Self::DiclSa => "dicl-sa",
            Self::Linear => "linear",
            Self::Mlp => "mlp",
        }
    }

    /// Returns the method of the language model, if one takes part; `chosen` is that of the settings.
    pub fn method(self, chosen: Method) -> Option<Method> {
        match self {
            Self::Mixture | Self::Builtin => Some(chosen),
            Self::Vicl => Some(Method::Vicl),
            Self::DiclS => Some(Method::DiclS),
            Self::DiclSa => Some(Method::DiclSa),
            Self::Linear | Self::Mlp => None,
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|model| model.name() == name)
    }
}

/// An estimator of a policy's value.
///
/// ```
/// use statecast::evaluation::{Estimator, RolloutModel};
/// assert_eq!("dicl-s".parse(), Ok(Estimator::Rollouts(RolloutModel::DiclS)));
/// assert_eq!(Estimator::OnPolicy.to_string(), "on-policy");
/// # Ok::<(), statecast::evaluation::UnknownEstimator>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Estimator {
    /// Rollouts in a model that is fitted to the recordings or reads them.
    Rollouts(RolloutModel),
    /// The others, weighted by their precisions.
    Combined,
    /// Rollouts in the networks with on-policy corrections: every step with their error at the step of a recorded run.
    Corrected,
    /// Fitted Q evaluation.
    Fqe,
    /// Weighted per-decision importance sampling.
    Is,
    /// Doubly robust: the values of fitted Q evaluation, corrected by importance sampling.
    Dr,
    /// The policy's own recorded returns, with rollouts in the networks as control variate.
    OnPolicy,
    /// Mean return of the recordings.
    Behaviour,
}

/// What an estimator learns from the recordings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EstimatorKind {
    /// A model of the system.
    Rollouts,
    /// A value function.
    Values,
    /// Ratios of action probabilities.
    Ratios,
    /// The policy's own returns, or those of all policies.
    Returns,
}

impl Estimator {
    /// Returns what it learns.
    pub fn kind(self) -> EstimatorKind {
        match self {
            Self::Rollouts(_) | Self::Corrected => EstimatorKind::Rollouts,
            Self::Fqe | Self::Dr => EstimatorKind::Values,
            Self::Is => EstimatorKind::Ratios,
            Self::Combined | Self::OnPolicy | Self::Behaviour => EstimatorKind::Returns,
        }
    }

    /// Returns the name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rollouts(model) => model.name(),
            Self::Combined => "combined",
            Self::Corrected => "corrected",
            Self::Fqe => "fqe",
            Self::Is => "is",
            Self::Dr => "dr",
            Self::OnPolicy => "on-policy",
            Self::Behaviour => "behaviour",
        }
    }

    /// Returns the model that it rolls out in, if it does.
    pub fn model(self) -> Option<RolloutModel> {
        match self {
            Self::Rollouts(model) => Some(model),
            _ => None,
        }
    }

    /// True if it evaluates any policy by itself, so that its error for the recorded policies is known and it takes part
    /// in the combination.
    pub fn is_checked(self) -> bool {
        !matches!(self, Self::OnPolicy | Self::Behaviour | Self::Combined)
    }

    /// True if it needs recorded episodes that cover the horizon.
    pub fn counts_recorded(self) -> bool {
        self.weighs() || matches!(self, Self::OnPolicy | Self::Behaviour)
    }

    /// True for importance sampling, which evaluates a recorded policy on the recordings of the
    /// others.
    pub fn weighs(self) -> bool {
        matches!(self, Self::Is | Self::Dr)
    }
}

/// A forecast of a recorded run's remaining rewards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RewardEstimator {
    /// Rollouts in a model that is fitted to the run's first steps or reads them.
    Rollouts(RolloutModel),
    /// All [`RewardBaseline`](super::RewardBaseline)s: zero, means, an autoregression and the last period of the
    /// rewards.
    Baselines,
}

/// A name that is no estimator's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown estimator '{0}'")]
pub struct UnknownEstimator(String);

impl FromStr for Estimator {
    type Err = UnknownEstimator;

    fn from_str(name: &str) -> Result<Self, UnknownEstimator> {
        if let Some(model) = RolloutModel::named(name) {
            return Ok(Self::Rollouts(model));
        }
        let others = [
            Self::Combined,
            Self::Corrected,
            Self::Fqe,
            Self::Is,
            Self::Dr,
            Self::OnPolicy,
            Self::Behaviour,
        ];
        let found = others.into_iter().find(|other| other.name() == name);
        found.ok_or_else(|| UnknownEstimator(name.to_owned()))
    }
}

impl FromStr for RewardEstimator {
    type Err = UnknownEstimator;

    fn from_str(name: &str) -> Result<Self, UnknownEstimator> {
        match (RolloutModel::named(name), name) {
            (Some(model), _) => Ok(Self::Rollouts(model)),
            // `rules` is its former name.
            (None, "baselines" | "rules") => Ok(Self::Baselines),
            _ => Err(UnknownEstimator(name.to_owned())),
        }
    }
}

impl Serialize for Estimator {
    /// Its name.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl fmt::Display for Estimator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
