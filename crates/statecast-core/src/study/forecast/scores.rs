//! Scores of forecasts whose truth was held back, beside persistence.

use ndarray::{Array2, Array3, Axis, s};

use super::{Forecast, HeldOut};
use crate::forecast::WholePaths;
use crate::metrics::{JointScores, crps, quantile, rmse};

/// Paths of which joint scores are computed at most: they take every pair of paths.
const MAX_PATHS: usize = 500;

/// Scores of steps that were held back, over all episodes.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct HeldOutScores {
    /// One a variable and derived quantity.
    pub names: Vec<NameScores>,
    /// Means over the variables, each in standard deviations of its context; nothing if none varies.
    pub mean: Option<NameScores>,
    /// Joint scores of the states' rows; nothing of a single state.
    pub joint: Option<JointScores>,
}

/// Scores of a variable or derived quantity. `NaN` where it is nowhere defined.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct NameScores {
    /// Its name.
    pub name: String,
    /// Mean CRPS.
    pub crps: f64,
    /// The same of persistence with the context's own increments.
    pub persistence_crps: f64,
    /// Root mean squared error of the median.
    pub rmse: f64,
    /// The same of persistence.
    pub persistence_rmse: f64,
    /// Share of the steps in the 90 % interval.
    pub coverage_90: f64,
    /// Share of the paths of which the simultaneous band holds every step.
    pub whole: f64,
}

/// Scores of the first future of each forecast that has something held back; nothing if none has. Equal seeds
/// give equal joint scores of independent draws.
///
/// ```
/// use statecast::baselines::named;
/// use statecast::forecast::{Forecaster, Settings};
/// use statecast::recording::Recording;
/// use statecast::study::forecast::{ForecastSettings, ForecastStudy, held_out_scores};
/// let recording = Recording::read("examples/pendulum.csv")?;
/// let forecaster = Forecaster::of(named("linear").unwrap(), Settings::default());
/// let mut settings = ForecastSettings::new(20);
/// settings.holdout = true;
/// let forecasts = ForecastStudy::new(&forecaster, &recording, settings).run(&())?;
/// let scores = held_out_scores(&forecasts, 0).unwrap();
/// assert!(scores.names[0].crps < scores.names[0].persistence_crps);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn held_out_scores(forecasts: &[Forecast], seed: u64) -> Option<HeldOutScores> {
    let first = forecasts
        .iter()
        .find(|forecast| forecast.held_out.is_some())?;
    let whole = whole_paths(forecasts).shares();
    let names = first.names.iter().enumerate();
    let scored: Vec<(NameScores, f64)> = names
        .map(|(v, name)| of_name(forecasts, v, name, whole[v]))
        .collect();
    let varying = scored[..first.variables].iter();
    let varying: Vec<_> = varying.filter(|(_, spread)| *spread > 0.0).collect();
    let count = varying.len() as f64;
    let mean = |of: fn(&NameScores) -> f64| {
        varying
            .iter()
            .map(|(score, spread)| of(score) / spread)
            .sum::<f64>()
            / count
    };
    let mean = (!varying.is_empty()).then(|| NameScores {
        name: "mean / std".to_owned(),
        crps: mean(|s| s.crps),
        persistence_crps: mean(|s| s.persistence_crps),
        rmse: mean(|s| s.rmse),
        persistence_rmse: mean(|s| s.persistence_rmse),
        coverage_90: varying.iter().map(|(s, _)| s.coverage_90).sum::<f64>() / count,
        whole: whole[..first.variables].iter().sum::<f64>() / first.variables as f64,
    });
    Some(HeldOutScores {
        names: scored.into_iter().map(|(score, _)| score).collect(),
        mean,
        joint: joint(forecasts, seed),
    })
}

/// Scores of a name, and its mean standard deviation over the contexts.
fn of_name(forecasts: &[Forecast], v: usize, name: &str, whole: f64) -> (NameScores, f64) {
    let (mut ours, mut simple) = (Score::default(), Score::default());
    let mut spread = 0.0;
    for forecast in forecasts {
        let Some(HeldOut { truth, persistence }) = &forecast.held_out else {
            continue;
        };
        let last = forecast.observed[[forecast.observed.nrows() - 1, v]];
        ours.add(forecast.paths(), truth, v, None);
        simple.add(&persistence.paths, truth, v, Some(last));
        spread += forecast.observed.column(v).std(0.0) / forecasts.len() as f64;
    }
    let scores = NameScores {
        name: name.to_owned(),
        crps: ours.crps(),
        persistence_crps: simple.crps(),
        rmse: ours.rmse(),
        persistence_rmse: simple.rmse(),
        coverage_90: ours.coverage(),
        whole,
    };
    (scores, spread)
}

/// Which held-out paths the simultaneous bands have held.
fn whole_paths(forecasts: &[Forecast]) -> WholePaths {
    let mut whole = WholePaths::default();
    for forecast in forecasts {
        if let Some(held_out) = &forecast.held_out {
            whole.add(&forecast.band().holds(held_out.truth.view()));
        }
    }
    whole
}

/// Joint scores of rows, beside those of independent channels; nothing of a single state.
fn joint(forecasts: &[Forecast], seed: u64) -> Option<JointScores> {
    let of_episode = |forecast: &Forecast| {
        let Some(held_out) = &forecast.held_out else {
            return Vec::new();
        };
        let spreads = forecast.observed.std_axis(Axis(0), 0.0);
        let moving = forecast.states.iter().copied();
        let moving: Vec<usize> = moving.filter(|&v| spreads[v] > 0.0).collect();
        if moving.len() < 2 {
            return Vec::new();
        }
        let paths = forecast.paths();
        let scored = paths.slice(s![..paths.dim().0.min(MAX_PATHS), .., ..]);
        let paths = scored.select(Axis(2), &moving);
        let truth = held_out.truth.select(Axis(1), &moving);
        let scales = spreads.select(Axis(0), &moving);
        JointScores::of_paths(paths.view(), truth.view(), scales.view(), seed)
    };
    let scores: Vec<JointScores> = forecasts.iter().flat_map(of_episode).collect();
    (!scores.is_empty()).then(|| JointScores::mean(&scores))
}

/// Scores of one variable, gathered over steps and episodes.
#[derive(Default)]
struct Score {
    crps: Vec<f64>,
    points: Vec<(f64, f64)>,
    inside: Vec<bool>,
}

impl Score {
    /// `point` is the point forecast; without one it is the paths' median. Steps at which the
    /// quantity is not defined (`NaN`) do not count.
    fn add(&mut self, paths: &Array3<f64>, truth: &Array2<f64>, v: usize, point: Option<f64>) {
        for h in 0..truth.nrows() {
            let mut sample = paths.slice(s![.., h, v]).to_vec();
            sample.retain(|x| !x.is_nan());
            let observed = truth[[h, v]];
            if sample.is_empty() || observed.is_nan() {
                continue;
            }
            self.crps.push(crps(&mut sample, observed));
            // `crps` has put the sample in order.
            let at = |level: f64| quantile(&sample, level);
            self.points
                .push((point.unwrap_or_else(|| at(0.5)), observed));
            self.inside.push((at(0.05)..=at(0.95)).contains(&observed));
        }
    }

    /// `NaN` where no step counts.
    fn crps(&self) -> f64 {
        self.crps.iter().sum::<f64>() / self.crps.len() as f64
    }

    fn rmse(&self) -> f64 {
        rmse(self.points.iter().copied())
    }

    fn coverage(&self) -> f64 {
        let inside = self.inside.iter().filter(|&&inside| inside).count();
        inside as f64 / self.inside.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::{Levels, Rollout};

    /// Fault: coverage was counted by other quantiles than those of the table.
    #[test]
    fn coverage_is_that_of_the_table() {
        let paths = Array3::from_shape_fn((30, 200, 1), |(i, h, _)| {
            (7.3 * (i * i + 11 * h) as f64).sin() + 0.01 * h as f64
        });
        let truth = Array2::from_shape_fn((200, 1), |(h, _)| 1.1 * (3.7 * h as f64).sin());
        let mut score = Score::default();
        score.add(&paths, &truth, 0, None);
        let levels = Levels::new(vec![0.05, 0.95]).unwrap();
        let rollout = Rollout { paths, clipped: 0 };
        let summary = rollout.summary(&levels);
        let inside = (0..200).filter(|&h| {
            let at = |q: usize| summary.quantiles[q][[h, 0]];
            (at(0)..=at(1)).contains(&truth[[h, 0]])
        });
        assert_eq!(score.coverage(), inside.count() as f64 / 200.0);
    }
}
