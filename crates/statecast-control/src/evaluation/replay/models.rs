//! What forecasts the remaining rewards of a run.

use std::sync::Arc;

use crate::baselines;
use crate::dynamics::{Dynamics, Ensemble, EnsembleSettings, Ridge, Steps};
use crate::evaluation::{
    ContextSegment, Contexts, EvaluationStudyError, Logged, RewardBaseline, RolloutModel,
};
use crate::forecast::{Forecaster, Method, Recalibrated, Settings};
use crate::forecasters::Forecasters;
use crate::network::FitSettings;

/// A named forecaster of rewards.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// True if the policy acts instead of the recorded actions.
    pub(super) acts: bool,
}

#[derive(Clone)]
pub(super) enum Kind {
    Language(RolloutModel, Method),
    /// Fitted to the context.
    Fitted(RolloutModel),
    /// Fitted to other recordings.
    Trained(Arc<dyn Dynamics>),
    Baseline(RewardBaseline),
}

/// Fits a learned model.
pub(super) fn fitted(model: RolloutModel, steps: &Steps, seed: u64) -> Arc<dyn Dynamics> {
    match model {
        RolloutModel::Mlp => {
            let settings = EnsembleSettings {
                fit: FitSettings::for_rows(steps.run.len()),
                seed,
                ..EnsembleSettings::default()
            };
            Arc::new(Ensemble::fit(steps, settings, &|_| ()))
        }
        _ => Arc::new(Ridge::fit(steps, 1, seed)),
    }
}

/// Reads the whole context by a language model, alone or mixed with in-context learned models.
pub(super) fn contexts(
    model: RolloutModel,
    forecasters: &Forecasters,
    settings: Settings,
    context: &Logged,
    with_reward: bool,
) -> Result<Contexts, EvaluationStudyError> {
    let predictor = match model {
        RolloutModel::Mixture => {
            let language = Arc::new(Recalibrated::new(forecasters.only(settings)?));
            let names = ["ar", "linear", "knn", "mlp"].into_iter();
            let learned = names.filter_map(baselines::named).collect();
            forecasters.mixed_for_policies(settings, language, learned)?
        }
        _ => forecasters.alone(settings)?,
    };
    let segment = ContextSegment {
        run: 0,
        first: 0,
        rows: context.runs[0].steps(),
    };
    let forecaster = Forecaster::of(predictor, settings);
    let segments = [vec![segment]];
    let contexts = Contexts::read(&[forecaster], context, &segments, with_reward, &|_| ())?;
    Ok(contexts)
}
