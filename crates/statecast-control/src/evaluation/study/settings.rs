//! How policies are evaluated.

use super::EvaluationStudyError;
use super::estimation::MIN_CONTEXT;
use crate::environment::{FailureExpression, RewardExpression, TerminationExpression};
use crate::evaluation::{Estimator, RolloutModel};
use crate::forecast::{Method, Settings};

/// Termination of imagined episodes before the horizon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Termination {
    /// Where the nearest recorded steps terminated.
    Recorded,
    /// No termination.
    Never,
    /// By the rule of the task, or that of the settings.
    Task,
}

/// How policies are evaluated.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EvaluationSettings {
    /// Estimators, in the order of the result.
    pub estimators: Vec<Estimator>,
    /// Reward in place of the recorded or the task's one, of the recordings' columns.
    pub reward: Option<RewardExpression>,
    /// Terminal states in place of the recorded or the task's ones, of the recordings' columns.
    pub terminated: Option<TerminationExpression>,
    /// States that are failures, of the columns of the task or the recordings: the probability that an episode reaches one is
    /// estimated.
    pub failure: Option<FailureExpression>,
    /// Termination of imagined episodes; by default the task's rule, or as recorded.
    pub termination: Option<Termination>,
    /// Steps of an episode; by default the task's time limit, or the longest recorded episode.
    pub horizon: Option<usize>,
    /// Discount factor per step, above 0 and at most 1.
    pub discount: f64,
    /// Imagined paths per policy, at least 1.
    pub paths: usize,
    /// Recorded rows per context of a language model, at least 10.
    pub context: usize,
    /// Contexts, of different episodes, at least 1. Learned models are never fitted to the context that they are
    /// used with.
    pub contexts: usize,
    /// Seed of all draws.
    pub seed: u64,
    /// How language models read; by default as the program reads the bundled one.
    pub forecast: Settings,
}

impl Default for EvaluationSettings {
    /// Rollouts in the language model, the mixture, the linear model and the networks, plain and corrected, fitted Q evaluation,
    /// and their combination.
    fn default() -> Self {
        let models = [
            RolloutModel::Builtin,
            RolloutModel::Mixture,
            RolloutModel::Linear,
            RolloutModel::Mlp,
        ];
        let mut estimators = vec![Estimator::Combined];
        estimators.extend(models.map(Estimator::Rollouts));
        estimators.extend([Estimator::Corrected, Estimator::Fqe]);
        Self::new(estimators)
    }
}

impl EvaluationSettings {
    /// Some estimators with all else as it is by default.
    pub fn new(estimators: Vec<Estimator>) -> Self {
        Self {
            estimators,
            reward: None,
            terminated: None,
            failure: None,
            termination: None,
            horizon: None,
            discount: 0.99,
            paths: 50,
            context: 400,
            contexts: 4,
            seed: 0,
            forecast: Settings::builtin(),
        }
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`EvaluationStudyError::Setting`] outside of a range, [`EvaluationStudyError::MixedActions`] for a mixture by
    /// [`Method::DiclSa`].
    pub fn check(&self) -> Result<(), EvaluationStudyError> {
        let fail = |setting, value: String, range: &str| {
            Err(EvaluationStudyError::Setting {
                setting,
                value,
                range: range.to_owned(),
            })
        };
        if !(self.discount > 0.0 && self.discount <= 1.0) {
            let range = "must be above 0 and at most 1";
            return fail("discount", self.discount.to_string(), range);
        }
        if let (Some(rule), Some(Termination::Recorded | Termination::Never)) =
            (&self.terminated, self.termination)
        {
            let range = "excludes `termination=recorded` and `termination=never`";
            return fail("terminated-expr", rule.to_string(), range);
        }
        if self.context < MIN_CONTEXT {
            return fail("context", self.context.to_string(), "at least 10 rows");
        }
        let counts = [
            ("paths", self.paths, 100_000),
            ("contexts", self.contexts, 10_000),
            ("horizon", self.horizon.unwrap_or(1), 100_000),
        ];
        for (setting, count, most) in counts {
            if count == 0 {
                return fail(setting, "0".to_owned(), "at least 1");
            }
            // Beyond, memory ends before the estimate does.
            if count > most {
                return fail(setting, count.to_string(), &format!("at most {most}"));
            }
        }
        let imagines = |e: &Estimator| matches!(e, Estimator::Rollouts(_) | Estimator::Corrected);
        if let Some(failure) = &self.failure
            && !self.estimators.iter().any(imagines)
        {
            let range = "needs an estimator that imagines episodes, such as linear";
            return fail("failure-expr", failure.to_string(), range);
        }
        let combined = self.estimators.contains(&Estimator::Combined);
        if combined
            && !self
                .estimators
                .iter()
                .any(|estimator| estimator.is_checked())
        {
            let range = "needs other estimators to combine, such as linear,fqe";
            return fail("estimators", "combined".to_owned(), range);
        }
        let twice = |(place, estimator): (usize, &Estimator)| {
            self.estimators[..place]
                .contains(estimator)
                .then_some(*estimator)
        };
        if let Some(estimator) = self.estimators.iter().enumerate().find_map(twice) {
            return fail("estimators", estimator.to_string(), "is named twice");
        }
        let mixture = Estimator::Rollouts(RolloutModel::Mixture);
        match self.estimators.contains(&mixture) && self.forecast.method == Method::DiclSa {
            true => Err(EvaluationStudyError::MixedActions),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linear() -> EvaluationSettings {
        EvaluationSettings::new(vec![Estimator::Rollouts(RolloutModel::Linear)])
    }

    #[test]
    fn settings_are_checked_by_their_names() {
        let said = |change: &dyn Fn(&mut EvaluationSettings)| {
            let mut settings = linear();
            change(&mut settings);
            settings.check().unwrap_err().to_string()
        };
        assert_eq!(
            said(&|s| s.discount = 1.5),
            "`discount=1.5`: must be above 0 and at most 1"
        );
        assert_eq!(said(&|s| s.context = 9), "`context=9`: at least 10 rows");
        assert_eq!(said(&|s| s.paths = 0), "`paths=0`: at least 1");
        assert_eq!(
            said(&|s| s.horizon = Some(1_000_000)),
            "`horizon=1000000`: at most 100000"
        );
        assert_eq!(said(&|s| s.horizon = Some(0)), "`horizon=0`: at least 1");
        let mut mixture = EvaluationSettings::new(vec!["mixture".parse().unwrap()]);
        assert!(mixture.check().is_ok());
        mixture.forecast.method = Method::DiclSa;
        assert!(matches!(
            mixture.check(),
            Err(EvaluationStudyError::MixedActions)
        ));
    }
}
