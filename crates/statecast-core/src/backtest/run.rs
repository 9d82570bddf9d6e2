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

/// Settings of a backtest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BacktestSettings {
    /// Contexts, horizons and origins.
    pub windows: Windows,
    /// Sample paths per forecast, at least 2.
    pub samples: NonZeroUsize,
    /// Seed of all draws.
    pub seed: u64,
}

/// Scores of one variable at one step of a sampled forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct StepScore {
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
    /// Observed value.
    pub observed: f64,
    /// Mean of the paths.
    pub mean: f64,
    /// Median of the paths.
    pub median: f64,
    /// Central 90 % interval of the paths.
    pub interval: (f64, f64),
    /// Whether the outcome lies in the central intervals of 50, 80 and 90 %.
    pub covered: [bool; 3],
    /// CRPS of the paths; lower is better.
    pub crps: f64,
    /// Interval score; lower is better.
    pub interval_score: f64,
    /// PIT value of the observation, uniform on `[0, 1]` for calibrated paths.
    pub pit: f64,
    /// Standard deviation of the variable over the context.
    pub spread: f64,
    /// Mean absolute increment of the variable over the context.
    pub increment: f64,
}

/// Joint scores of all variables at one step of a sampled forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct JointStepScore {
    /// Number of the series.
    pub series: usize,
    /// First forecast row.
    pub origin: usize,
    /// Number of the method.
    pub method: usize,
    /// Steps ahead, from 1.
    pub step: usize,
    /// Scores in units of the standard deviations over the context, and those of the same paths
    /// with independent variables.
    pub scores: JointScores,
}

/// Scores of one channel's density of one row, given the rows before it.
#[derive(Debug, Clone, PartialEq)]
pub struct OneStepScore {
    /// Number of the series.
    pub series: usize,
    /// First forecast row of the window.
    pub origin: usize,
    /// Predicted row.
    pub row: usize,
    /// Number of the method.
    pub method: usize,
    /// Index of the channel.
    pub channel: usize,
    /// Log density per unit of the axis at the observation; higher is better.
    pub log_score: f64,
    /// CRPS of the density in units of the axis; lower is better.
    pub crps: f64,
    /// PIT value of the observation.
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
    /// Number of rows of each series.
    pub rows: Vec<usize>,
    /// Names of the scored variables: all but actions.
    pub variables: Vec<String>,
    /// Names of the channels.
    pub channels: Vec<String>,
    /// Scores of sampled forecasts.
    pub steps: Vec<StepScore>,
    /// Joint scores of sampled forecasts.
    pub joint: Vec<JointStepScore>,
    /// Scores of one-step densities.
    pub one_step: Vec<OneStepScore>,
    /// Number of values that were clipped to the axis of their context.
    pub clipped: usize,
    /// Seconds per method.
    pub seconds: Vec<f64>,
}

/// Backtests methods on named series, with the same windows for all. `progress` receives the
/// finished fraction.
///
/// # Errors
/// Errors of a forecaster.
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
        let actual = part(rows);
        let future = KnownFuture(actual.actions.clone());
        let paths = RolloutSettings {
            horizon,
            samples: settings.samples,
            seed: settings.seed.wrapping_add(self.origin as u64),
            paths_at_once: None,
            max_steps: None,
        };
        let known = (actual.actions.ncols() > 0).then_some(&future);
        let futures = Futures::of(known);
        let forecast = forecaster.rollouts(&context, 0, &paths, futures, &|_| ())?;
        self.score_paths(
            &context,
            &actual,
            &forecast.rollouts[0],
            paths.seed,
            results,
        );
        let mut reading = forecast.reading;
        let before = reading.clipped();
        let one_step = reading.observe(&actual)?;
        if results.channels.is_empty() {
            results.channels = reading.encoding().channel_names().to_vec();
        }
        if self.method == 0 {
            results.clipped += reading.clipped() - before;
        }
        self.score_densities(&one_step, paths.seed, results);
        Ok(())
    }

    fn score_paths(
        &self,
        context: &Variables,
        actual: &Variables,
        rollout: &Rollout,
        seed: u64,
        results: &mut Results,
    ) {
        let levels = Levels::new(vec![0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
            .expect("levels between 0 and 1");
        let summary = rollout.summary(&levels);
        let spreads: Array1<f64> = columns(&context.values, |column| column.std(0.0));
        let increments: Array1<f64> = columns(&context.values, |column| {
            let moves = column.windows(2).into_iter().map(|w| (w[1] - w[0]).abs());
            moves.sum::<f64>() / (column.len() - 1) as f64
        });
        // All methods share the randomisation of ties.
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        // Recorded actions are inputs and not scored.
        let forecast = |v: &usize| actual.roles[*v] != Role::Action;
        let scored: Vec<usize> = (0..spreads.len()).filter(forecast).collect();
        let moving: Vec<usize> = scored
            .iter()
            .copied()
            .filter(|&v| spreads[v] > 0.0)
            .collect();
        for h in 0..actual.rows() {
            for (number, &v) in scored.iter().enumerate() {
                let observed = actual.values[[h, v]];
                let at = |q: usize| summary.quantiles[q][[h, v]];
                let mut sample = rollout.paths.slice(s![.., h, v]).to_vec();
                let mut pit = Pit::new();
                pit.add_sample(&sample, observed, random.random());
                results.steps.push(StepScore {
                    series: self.series,
                    origin: self.origin,
                    method: self.method,
                    variable: number,
                    step: h + 1,
                    observed,
                    mean: summary.mean[[h, v]],
                    median: at(3),
                    interval: (at(0), at(6)),
                    covered: [(2, 4), (1, 5), (0, 6)]
                        .map(|(low, high)| (at(low)..=at(high)).contains(&observed)),
                    crps: crps(&mut sample, observed),
                    interval_score: interval_score((at(0), at(6)), 0.9, observed),
                    pit: pit.values()[0],
                    spread: spreads[v],
                    increment: increments[v],
                });
            }
        }
        if !moving.is_empty() {
            let draws = rollout.paths.select(Axis(2), &moving);
            let observed = actual.values.select(Axis(1), &moving);
            let scales = spreads.select(Axis(0), &moving);
            let scores = JointScores::of_paths(draws.view(), observed.view(), scales.view(), seed);
            let joint = scores
                .into_iter()
                .enumerate()
                .map(|(h, scores)| JointStepScore {
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
        // Of switches the PIT value is mostly drawn: series with the same draws would confirm one another.
        random.set_stream(self.series as u64);
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
