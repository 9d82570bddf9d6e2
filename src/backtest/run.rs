//! Forecasts and their scores, window by window.

use std::num::NonZeroUsize;
use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView1, Axis, s};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::Windows;
use crate::forecast::{
    ForecastError, Forecaster, Futures, KnownFuture, Levels, OneStep, Role, Rollout,
    RolloutSettings, Variables,
};
use crate::metrics::{JointScores, Pit, crps, density_crps, interval_score};

/// How a backtest is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BacktestSettings {
    /// Contexts, horizons, origins.
    pub windows: Windows,
    /// Sample paths of a forecast, at least 2.
    pub samples: NonZeroUsize,
    /// Seed of all draws.
    pub seed: u64,
}

/// One variable at one step of a sampled forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Number of the series.
    pub series: usize,
    /// First forecast row.
    pub origin: usize,
    /// Number of the method.
    pub method: usize,
    /// Index of the variable.
    pub variable: usize,
    /// Steps ahead, from 1.
    pub step: usize,
    /// What came.
    pub observed: f64,
    /// Mean of the paths.
    pub mean: f64,
    /// Their median.
    pub median: f64,
    /// Ends of the central 90 % of the paths.
    pub interval: (f64, f64),
    /// Score of the paths; lower is better.
    pub crps: f64,
    /// Score of the interval; lower is better.
    pub interval_score: f64,
    /// Where the observation fell among the paths, uniform on `[0, 1]` if they are calibrated.
    pub pit: f64,
    /// Standard deviation of the variable over the context.
    pub spread: f64,
    /// Mean size of the variable's increments over the context.
    pub increment: f64,
}

/// All variables at one step of a sampled forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct Joint {
    /// Number of the series.
    pub series: usize,
    /// First forecast row.
    pub origin: usize,
    /// Number of the method.
    pub method: usize,
    /// Steps ahead, from 1.
    pub step: usize,
    /// Scores of the variables in units of their spreads, and of the same paths with independent
    /// variables.
    pub scores: JointScores,
}

/// One channel's density of one row, given the rows before it.
#[derive(Debug, Clone, PartialEq)]
pub struct OneStepScore {
    /// Number of the series.
    pub series: usize,
    /// First forecast row of the window.
    pub origin: usize,
    /// Row that was predicted.
    pub row: usize,
    /// Number of the method.
    pub method: usize,
    /// Index of the channel.
    pub channel: usize,
    /// Logarithm of the density per unit of the axis at what came; higher is better.
    pub log_score: f64,
    /// Score of the density in units of the axis; lower is better.
    pub crps: f64,
    /// Where the observation fell in the density.
    pub pit: f64,
    /// Standard deviation of the density in units of the axis.
    pub sharpness: f64,
}

/// All scores of a backtest.
#[derive(Debug, Clone, Default)]
pub struct Results {
    /// Names of the methods.
    pub methods: Vec<String>,
    /// Names of the series.
    pub series: Vec<String>,
    /// Rows of the series.
    pub rows: Vec<usize>,
    /// Names of the variables that are scored: all but the actions.
    pub variables: Vec<String>,
    /// Names of the channels.
    pub channels: Vec<String>,
    /// Scores of sampled forecasts.
    pub steps: Vec<Step>,
    /// Their joint scores.
    pub joint: Vec<Joint>,
    /// Scores of one-step densities.
    pub one_step: Vec<OneStepScore>,
    /// Values that lay off the axis of their context and were moved to its end.
    pub saturated: usize,
    /// Seconds that each method took.
    pub seconds: Vec<f64>,
}

/// Backtests methods on named series. All see the same windows. `progress` is told which share of
/// the work is done.
///
/// # Errors
/// What a forecaster reports.
///
/// ```
/// use ndarray::Array2;
/// use statecast::backtest::{BacktestSettings, Windows, run};
/// use statecast::baselines::named;
/// use statecast::forecast::{Forecaster, Role, Settings, Variables};
///
/// let wave = Array2::from_shape_fn((120, 1), |(t, _)| (0.3 * t as f64).sin());
/// let series = Variables::new(vec!["x".to_owned()], vec![Role::State], wave);
/// let methods: Vec<Forecaster> = ["ar", "persistence"]
///     .map(|name| Forecaster::of(named(name).unwrap(), Settings::default()))
///     .into();
/// let settings = BacktestSettings {
///     windows: Windows::new(60, 5.try_into()?, 4.try_into()?)?,
///     samples: 20.try_into()?,
///     seed: 0,
/// };
/// let results = run(&[("wave".to_owned(), series)], &methods, &settings, &|_| ())?;
/// assert_eq!(results.steps.len(), 2 * 4 * 5);
/// let mean = |method| {
///     let of: Vec<f64> = results.steps.iter().filter(|s| s.method == method).map(|s| s.crps).collect();
///     of.iter().sum::<f64>() / of.len() as f64
/// };
/// assert!(mean(0) < mean(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn run(
    series: &[(String, Variables)],
    methods: &[Forecaster],
    settings: &BacktestSettings,
    progress: &dyn Fn(f64),
) -> Result<Results, ForecastError> {
    let mut results = Results {
        methods: methods.iter().map(Forecaster::name).collect(),
        series: series.iter().map(|(name, _)| name.clone()).collect(),
        rows: series.iter().map(|(_, values)| values.rows()).collect(),
        variables: series.first().map_or(vec![], |(_, v)| v.forecast_names()),
        seconds: vec![0.0; methods.len()],
        ..Results::default()
    };
    let origins = |values: &Variables| settings.windows.origins(values.rows());
    let total: usize = series.iter().map(|(_, values)| origins(values).len()).sum();
    let total = total * methods.len();
    let mut done = 0;
    for (number, (_, values)) in series.iter().enumerate() {
        for origin in origins(values) {
            for (method, forecaster) in methods.iter().enumerate() {
                let started = std::time::Instant::now();
                let window = Window {
                    values,
                    series: number,
                    origin,
                    method,
                };
                window.forecast(forecaster, settings, &mut results)?;
                results.seconds[method] += started.elapsed().as_secs_f64();
                done += 1;
                progress(done as f64 / total as f64);
            }
        }
    }
    Ok(results)
}

/// One method at one origin of a series.
struct Window<'w> {
    values: &'w Variables,
    series: usize,
    origin: usize,
    method: usize,
}

impl Window<'_> {
    fn forecast(
        &self,
        forecaster: &Forecaster,
        settings: &BacktestSettings,
        results: &mut Results,
    ) -> Result<(), ForecastError> {
        let horizon = settings.windows.horizon;
        let rows: Range<usize> = self.origin..self.origin + horizon.get();
        let method = forecaster.settings().method;
        let part = |rows: Range<usize>| self.values.slice(rows).of_method(method);
        let context = part(self.origin - settings.windows.context..self.origin);
        let came = part(rows);
        let future = KnownFuture(came.actions.clone());
        let paths = RolloutSettings {
            horizon,
            samples: settings.samples,
            seed: settings.seed.wrapping_add(self.origin as u64),
            paths_at_once: None,
            max_steps: None,
        };
        let known = (came.actions.ncols() > 0).then_some(&future);
        let futures = Futures::of(known);
        let forecast = forecaster.rollouts(&context, 0, &paths, futures, &|_| ())?;
        self.score_paths(&context, &came, &forecast.rollouts[0], paths.seed, results);
        let mut reading = forecast.reading;
        let before = reading.saturated();
        let one_step = reading.observe(&came)?;
        if results.channels.is_empty() {
            results.channels = reading.encoding().channel_names().to_vec();
        }
        if self.method == 0 {
            results.saturated += reading.saturated() - before;
        }
        self.score_densities(&one_step, paths.seed, results);
        Ok(())
    }

    fn score_paths(
        &self,
        context: &Variables,
        came: &Variables,
        rollout: &Rollout,
        seed: u64,
        results: &mut Results,
    ) {
        let levels = Levels::new(vec![0.05, 0.5, 0.95]).expect("levels between 0 and 1");
        let summary = rollout.summary(&levels);
        let spreads: Array1<f64> = columns(&context.values, |column| column.std(0.0));
        let increments: Array1<f64> = columns(&context.values, |column| {
            let moves = column.windows(2).into_iter().map(|w| (w[1] - w[0]).abs());
            moves.sum::<f64>() / (column.len() - 1) as f64
        });
        // The same randomness of ties for all methods.
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        // Actions are given where they were recorded: there is nothing to score.
        let forecast = |v: &usize| came.roles[*v] != Role::Action;
        let scored: Vec<usize> = (0..spreads.len()).filter(forecast).collect();
        let moving: Vec<usize> = scored
            .iter()
            .copied()
            .filter(|&v| spreads[v] > 0.0)
            .collect();
        for h in 0..came.rows() {
            for (number, &v) in scored.iter().enumerate() {
                let observed = came.values[[h, v]];
                let at = |q: usize| summary.quantiles[q][[h, v]];
                let mut sample = rollout.paths.slice(s![.., h, v]).to_vec();
                let mut pit = Pit::new();
                pit.add_sample(&sample, observed, random.random());
                results.steps.push(Step {
                    series: self.series,
                    origin: self.origin,
                    method: self.method,
                    variable: number,
                    step: h + 1,
                    observed,
                    mean: summary.mean[[h, v]],
                    median: at(1),
                    interval: (at(0), at(2)),
                    crps: crps(&mut sample, observed),
                    interval_score: interval_score((at(0), at(2)), 0.9, observed),
                    pit: pit.values()[0],
                    spread: spreads[v],
                    increment: increments[v],
                });
            }
        }
        if !moving.is_empty() {
            let draws = rollout.paths.select(Axis(2), &moving);
            let observed = came.values.select(Axis(1), &moving);
            let scales = spreads.select(Axis(0), &moving);
            let scores = JointScores::of_paths(draws.view(), observed.view(), scales.view(), seed);
            let joint = scores.into_iter().enumerate().map(|(h, scores)| Joint {
                series: self.series,
                origin: self.origin,
                method: self.method,
                step: h + 1,
                scores,
            });
            results.joint.extend(joint);
        }
    }

    fn score_densities(&self, one_step: &OneStep, seed: u64, results: &mut Results) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for t in 0..one_step.rows() {
            for channel in 0..one_step.channels() {
                let density = one_step.density(t, channel);
                let cell = one_step.cells()[[t, channel]];
                let place: f64 = random.random();
                if density.axis().is_constant() {
                    continue;
                }
                let unit = density.axis().unit();
                let value = one_step.value(t, channel);
                results.one_step.push(OneStepScore {
                    series: self.series,
                    origin: self.origin,
                    row: self.origin + t,
                    method: self.method,
                    channel,
                    log_score: density.log_score(cell),
                    crps: density_crps(&density, value) / unit,
                    pit: density.pit(cell, place),
                    sharpness: density.std() / unit,
                });
            }
        }
    }
}

fn columns(values: &Array2<f64>, of: impl Fn(ArrayView1<f64>) -> f64) -> Array1<f64> {
    values.columns().into_iter().map(of).collect()
}
