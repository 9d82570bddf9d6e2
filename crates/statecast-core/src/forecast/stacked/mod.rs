//! Forecasters whose sample paths are pooled by how good they were along paths inside the context.
//!
//! One-step densities say little about whose paths are best many steps ahead: errors add up, and
//! what is drawn leads a forecaster to where nothing was observed. So paths are tried from origins
//! inside the context, with the actions that were taken there, and the pool has the weights of
//! least CRPS (stacking: Wolpert 1992; of the CRPS: Thorey, Mallet & Baudin 2017). One-step
//! densities are those of the first forecaster.

mod backtests;
mod context;
mod pool;
mod rows;
mod trial;
mod weights;

use std::sync::Arc;

use crate::density::{normal_cdf, normal_quantile};

use super::{Continuation, ForecastError, Predictor, Start};
use context::Context;
use weights::Distances;

/// How wide around their medians forecasters draw the steps of paths, see [`Sampler`]: those of the trusted one, more, and fewer.
const SPREADS: [f64; 3] = [1.0, 0.5, 0.2];
const MORE_SPREADS: [f64; 4] = [2.0, 1.0, 0.5, 0.2];
const FEW_SPREADS: [f64; 2] = [1.0, 0.2];

/// What a sampler is expected to be worth before any backtest, if the densities of the trusted
/// forecaster as they are have one.
const PRIOR: f64 = 0.2;

/// Forecasters whose paths are pooled; densities of one step are those of the first.
///
/// The others read the context when the first paths are sampled, and not before.
#[derive(Clone)]
pub struct Stacked {
    first: Arc<dyn Predictor>,
    others: Vec<Arc<dyn Predictor>>,
    /// Names of all, the first one's first.
    names: Vec<String>,
    /// More, for channels that no action drives.
    undriven: Vec<Arc<dyn Predictor>>,
    /// Number of the one whose paths are trusted before any backtest; if it is not the first, the first draws
    /// none.
    trusted: usize,
    judging: Judging,
}

/// The weight of a sampler among those whose paths are pooled.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct PathWeight {
    /// Name of the forecaster whose paths they are.
    pub forecaster: String,
    /// How wide around their medians its steps are drawn: at 1 its densities as they are.
    pub spread: f64,
    /// Share of the paths.
    pub weight: f64,
}

/// How the samplers of a pool are judged.
#[derive(Debug, Clone, Copy)]
struct Judging {
    steps: Steps,
    /// Origins of backtests at least, of few channels.
    origins: usize,
    /// Last rows that the others read, unless one needs more.
    rows: usize,
    /// How strongly the weights are drawn to their prior, in units of the least CRPS of one sampler.
    caution: f64,
    /// Weight, as a share of the largest, below which a sampler draws no paths.
    least_weight: f64,
    /// What the densities of the others, as they are, are expected to be worth.
    prior_of_others: f64,
    /// Widths of the others' draws; the trusted forecaster has all.
    spreads_of_others: &'static [f64],
}

impl Judging {
    const FORECASTS: Self = Self {
        steps: Steps::Alike,
        origins: backtests::ORIGINS,
        rows: 1 << 13,
        caution: 0.05,
        least_weight: 0.02,
        prior_of_others: PRIOR,
        spreads_of_others: &FEW_SPREADS,
    };

    /// Of paths on which a policy acts. Contexts serve many policies, and a policy's values are averaged: few bad paths are
    /// worse for a mean than for a quantile.
    const POLICIES: Self = Self {
        steps: Steps::Relative,
        origins: 4,
        rows: usize::MAX,
        least_weight: 0.2,
        ..Self::FORECASTS
    };

    /// Of paths that no action drives. Forecasters of many kinds can be right there, none more likely than another: which of
    /// them is takes more origins to tell, and two kinds that were right so far are safer than one.
    const UNDRIVEN: Self = Self {
        origins: 6,
        caution: 0.1,
        prior_of_others: 1.0,
        spreads_of_others: &MORE_SPREADS,
        ..Self::FORECASTS
    };
}

/// What the errors of a step count for in the weights of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Steps {
    /// What they are.
    Alike,
    /// Their ratio to those of the best at that step.
    Relative,
}

impl Steps {
    /// Distances of backtests, given by origin and step, as they count. Origins count alike, however
    /// hard the rows after them were to forecast.
    fn distances(self, by_origin: &[Vec<Distances>], samplers: usize) -> Distances {
        let relative: Vec<Distances> = match self {
            Self::Alike => {
                let of_origin = by_origin
                    .iter()
                    .map(|steps| Distances::sum(steps, samplers));
                of_origin.filter_map(|sum| sum.relative()).collect()
            }
            Self::Relative => {
                let steps = by_origin.first().map_or(0, Vec::len);
                let of_step = |t: usize| {
                    let of_origins = by_origin.iter().map(|steps| steps[t].clone());
                    Distances::sum(&of_origins.collect::<Vec<_>>(), samplers)
                };
                (0..steps).filter_map(|t| of_step(t).relative()).collect()
            }
        };
        Distances::sum(&relative, samplers)
    }
}

impl Stacked {
    /// The paths of a forecaster, pooled with those of others.
    pub fn new(first: Arc<dyn Predictor>, others: Vec<Arc<dyn Predictor>>) -> Self {
        let names = std::iter::once(&first).chain(&others);
        Self {
            names: names.map(|forecaster| forecaster.name()).collect(),
            first,
            others,
            undriven: Vec::new(),
            trusted: 0,
            judging: Judging::FORECASTS,
        }
    }

    /// The same, where the first has the densities of one step only. Paths are drawn from the others, of
    /// which one, by its number among them, is trusted before any backtest.
    ///
    /// Of a mixture: weights learned from densities of one step do not say whose paths are good, and its own
    /// paths win few backtests narrowly that do not hold beyond the context.
    pub fn with_paths_of_others(self, trusted: usize) -> Self {
        Self {
            trusted: 1 + trusted,
            ..self
        }
    }

    /// The same, with one more that is called by a name of its own.
    pub fn with(mut self, name: &str, other: Arc<dyn Predictor>) -> Self {
        self.names.push(name.to_owned());
        self.others.push(other);
        self
    }

    /// The same, with more where there are no actions: forecasters that read no action.
    pub fn with_undriven(mut self, more: Vec<Arc<dyn Predictor>>) -> Self {
        self.undriven.extend(more);
        self
    }

    /// Last rows of a long context that are kept for the others.
    fn rows(&self) -> usize {
        let needed = self.others.iter().map(|other| other.rows_needed()).max();
        self.judging.rows.max(needed.unwrap_or(0))
    }

    /// The samplers of so many forecasters. Without backtests the trusted one is.
    fn samplers(&self, forecasters: usize, are_backtested: bool) -> Vec<Sampler> {
        let judging = match are_backtested {
            true => self.judging,
            false => Judging::FORECASTS,
        };
        Sampler::all(forecasters, self.trusted, judging)
    }

    /// The forecasters of a context.
    fn of_context(&self, start: &Start) -> Self {
        let mut all = self.clone();
        let undriven = std::mem::take(&mut all.undriven);
        if undriven.is_empty() || start.taken() > 0 {
            return all;
        }
        all.judging = Judging::UNDRIVEN;
        let reads =
            |other: &Arc<dyn Predictor>| start.calendar.is_some() || !other.reads_calendar();
        let undriven = undriven.into_iter().filter(reads);
        let with = |all: Self, other: Arc<dyn Predictor>| all.with(&other.name(), other);
        undriven.fold(all, with)
    }

    /// The same for paths on which a policy reacts. It mends errors that add up where nobody reacts, so
    /// that steps count alike of which some are far harder to forecast than others.
    pub fn for_policies(self) -> Self {
        Self {
            judging: Judging::POLICIES,
            ..self
        }
    }
}

impl Predictor for Stacked {
    fn name(&self) -> String {
        self.first.name()
    }

    fn start(&self, start: Start) -> Result<Box<dyn Continuation>, ForecastError> {
        Ok(Box::new(Context::new(self.of_context(&start), start)?))
    }

    fn window(&self) -> usize {
        self.first.window()
    }

    fn longest_context(&self, horizon: usize) -> usize {
        self.first.longest_context(horizon)
    }

    fn check(&self, context: usize, horizon: usize) -> Result<(), ForecastError> {
        self.first.check(context, horizon)
    }

    fn needs_actions(&self) -> bool {
        self.first.needs_actions()
    }

    fn is_bounded(&self) -> bool {
        self.first.is_bounded()
    }

    fn reads_calendar(&self) -> bool {
        let others = self.others.iter().chain(&self.undriven);
        self.first.reads_calendar() || others.into_iter().any(|other| other.reads_calendar())
    }
}

/// A forecaster of the pool, by its number, and how wide around their medians it draws the steps of
/// paths: at 1 its densities as they are.
///
/// What a density is uncertain about may be what has not been learned of the system. That is the
/// same at every step, so that a path of independent draws is too wide.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sampler {
    forecaster: usize,
    spread: f64,
    /// What it is expected to be worth before any backtest: a weight that need not sum to one.
    prior: f64,
}

impl Sampler {
    /// Those of a pool of so many forecasters; the first draws paths only if it is the trusted one.
    fn all(forecasters: usize, trusted: usize, judging: Judging) -> Vec<Self> {
        let of = |forecaster: usize| {
            let spreads = match forecaster == trusted {
                true => &SPREADS,
                false => judging.spreads_of_others,
            };
            let sampler = move |&spread: &f64| Self {
                forecaster,
                spread,
                prior: match (spread == 1.0, forecaster == trusted) {
                    (true, true) => 1.0,
                    (true, false) => judging.prior_of_others,
                    (false, _) => PRIOR,
                },
            };
            spreads.iter().map(sampler)
        };
        let first = if trusted == 0 { 0 } else { 1 };
        (first..forecasters).flat_map(of).collect()
    }

    /// The level at which it draws in place of another.
    fn level(self, level: f64) -> f64 {
        match self.spread == 1.0 {
            true => level,
            false => normal_cdf(self.spread * normal_quantile(level)),
        }
    }
}

#[cfg(test)]
mod tests;
