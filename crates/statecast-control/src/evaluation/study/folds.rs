//! Models of the folds of the recordings, each fitted without the runs of its fold.

use std::collections::HashSet;
use std::sync::Arc;

use super::{EvaluationSettings, EvaluationStudyError};
use crate::baselines::of_dynamics;
use crate::dynamics::{Dynamics, Ensemble, EnsembleSettings, Ridge};
use crate::evaluation::{Estimator, Logged, RolloutModel};
use crate::forecast::{Forecaster, Recalibrated, Settings};
use crate::forecasters::Forecasters;
use crate::network::FitSettings;

/// Members of learned models, over all folds.
const MEMBERS: usize = 8;

/// Learned models, one per fold, where an estimator needs them.
pub(super) struct FoldModels {
    linear: Vec<Arc<Ridge>>,
    networks: Vec<Arc<Ensemble>>,
    pub(super) folds: usize,
}

/// Returns the number of folds: that of the contexts, or of the runs of the shortest recording.
pub(super) fn folds(logged: &Logged, contexts: usize) -> usize {
    let runs = |source| logged.runs.iter().filter(move |run| run.source == source);
    let fewest = (0..logged.sources())
        .map(|source| runs(source).count())
        .min();
    contexts.min(fewest.unwrap_or(1).max(1))
}

impl FoldModels {
    /// Fits the models that the estimators need.
    pub(super) fn fit(
        settings: &EvaluationSettings,
        logged: &Logged,
        progress: &(dyn Fn(f64) + Sync),
    ) -> Result<Self, EvaluationStudyError> {
        let rolls_out = |model: RolloutModel| {
            let wanted = Estimator::Rollouts(model);
            settings.estimators.contains(&wanted)
        };
        let mixes = rolls_out(RolloutModel::Mixture);
        let lines = mixes || rolls_out(RolloutModel::Linear);
        let corrects = [Estimator::OnPolicy, Estimator::Corrected];
        let corrects = corrects.iter().any(|of| settings.estimators.contains(of));
        let nets = mixes || rolls_out(RolloutModel::Mlp) || corrects;
        let folds = folds(logged, settings.contexts);
        let members = MEMBERS.div_ceil(folds).max(2);
        let (mut linear, mut networks) = (Vec::new(), Vec::new());
        for fold in 0..folds {
            let left_out: HashSet<usize> = match folds {
                1 => HashSet::new(),
                _ => logged.fold_runs(fold, folds).map(|(run, _)| run).collect(),
            };
            let steps = logged.steps(|run| !left_out.contains(&run))?;
            let seed = settings.seed.wrapping_add(fold as u64);
            if lines {
                linear.push(Arc::new(Ridge::fit(&steps, members, seed)));
            }
            if nets {
                let of_ensemble = EnsembleSettings {
                    members,
                    fit: FitSettings::for_rows(steps.run.len()),
                    seed,
                };
                let shown = |share| progress((fold as f64 + share) / folds as f64);
                networks.push(Arc::new(Ensemble::fit(&steps, of_ensemble, &shown)));
            }
        }
        Ok(Self {
            linear,
            networks,
            folds,
        })
    }

    pub(super) fn linear(&self) -> Vec<&dyn Dynamics> {
        self.linear
            .iter()
            .map(|of| &**of as &dyn Dynamics)
            .collect()
    }

    pub(super) fn networks(&self) -> Vec<&dyn Dynamics> {
        let networks = self.networks.iter();
        networks.map(|of| &**of as &dyn Dynamics).collect()
    }

    /// Returns the forecasters of the contexts, one per fold: the language model, mixed with the learned models of
    /// the fold or alone.
    pub(super) fn forecasters(
        &self,
        model: RolloutModel,
        forecasters: &Forecasters,
        settings: Settings,
        states: usize,
    ) -> Result<Vec<Forecaster>, EvaluationStudyError> {
        let of_fold = |fold: usize| {
            let predictor = match model {
                RolloutModel::Mixture => {
                    let language = Arc::new(Recalibrated::new(forecasters.only(settings)?));
                    let learned = vec![
                        of_dynamics(self.linear[fold].clone(), states),
                        of_dynamics(self.networks[fold].clone(), states),
                    ];
                    forecasters.mixed_for_policies(settings, language, learned)?
                }
                _ => forecasters.for_policies(settings)?,
            };
            Ok(Forecaster::of(predictor, settings))
        };
        (0..self.folds).map(of_fold).collect()
    }
}
