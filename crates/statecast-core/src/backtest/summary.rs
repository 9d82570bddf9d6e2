//! Summaries of backtests.

use serde::Serialize;

use super::{OneStepScore, Results, StepScore, Windows};
use crate::metrics::{
    Calibration, Estimate, JointScores, Pit, block_bootstrap, correlation, mean_over_series,
    r_squared, rmse, smape, valid_prediction_time,
};

/// Error threshold of the valid prediction time, in standard deviations.
const VALID_ERROR: f64 = 0.4;

/// Correlation of channel residuals above which joint forecasts are unreliable.
const DEPENDENT: f64 = 0.3;

/// Summary of a backtest.
#[derive(Debug, Clone, Serialize)]
pub struct BacktestSummary {
    /// Summaries of the methods, in their order.
    pub methods: Vec<MethodSummary>,
    /// Names of the variables.
    pub variables: Vec<String>,
    /// Names of the channels.
    pub channels: Vec<String>,
    /// True if channels are mixtures of variables.
    pub mixed: bool,
    /// Number of windows over all series.
    pub windows: usize,
    /// Number of values that were clipped to the axis of their context.
    pub clipped: usize,
}

/// Scores of one method, means over windows with 95 % intervals.
#[derive(Debug, Clone, Serialize)]
pub struct MethodSummary {
    /// Name.
    pub name: String,
    /// Logarithmic score of one-step densities, nats per unit of the axis; higher is better.
    pub log_score: Estimate,
    /// Difference in log score to the first method, paired by window.
    pub log_score_difference: Estimate,
    /// CRPS of one-step densities, axis units.
    pub one_step_crps: Estimate,
    /// Mean standard deviation of the one-step densities, axis units.
    pub sharpness: f64,
    /// Calibration of the one-step densities.
    pub one_step_calibration: Calibration,
    /// PIT values of the one-step densities, of all channels.
    #[serde(skip)]
    pub one_step_pit: Pit,
    /// CRPS of the sampled forecasts, in standard deviations of the context (nCRPS).
    pub crps: Estimate,
    /// Difference in CRPS to the first method, paired by window.
    pub crps_difference: Estimate,
    /// Energy score in the same units.
    pub energy: Estimate,
    /// Energy score of the same paths with independent variables.
    pub independent_energy: Estimate,
    /// Variogram score in the same units; zero for a single variable.
    pub variogram: Estimate,
    /// Variogram score of the same paths with independent variables.
    pub independent_variogram: Estimate,
    /// Interval score of the 90 % interval in the same units.
    pub interval_score: Estimate,
    /// Mean absolute scaled error of the median.
    pub mase: f64,
    /// Symmetric mean absolute percentage error of the median.
    pub smape: f64,
    /// Valid prediction time: steps until the error of the median is 0.4 standard deviations.
    pub valid_steps: Estimate,
    /// Calibration of the sampled forecasts.
    pub calibration: Calibration,
    /// PIT values of the sampled forecasts.
    #[serde(skip)]
    pub pit: Pit,
    /// Scores by steps ahead, from 1.
    pub by_step: Vec<StepSummary>,
    /// CRPS of each variable, in standard deviations of the context.
    pub by_variable: Vec<f64>,
    /// Coverage of 90 % intervals of each variable.
    pub coverage_by_variable: Vec<f64>,
    /// Correlations of the channels' one-step residuals.
    pub residuals: Residuals,
    /// Run time in seconds.
    pub seconds: f64,
}

/// Scores at one step ahead, over all variables, in standard deviations of the context.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StepSummary {
    /// CRPS.
    pub crps: f64,
    /// Root mean squared error of the mean.
    pub rmse: f64,
    /// Coefficient of determination of the mean, averaged over the variables.
    pub r_squared: f64,
    /// Coverage of 90 % intervals.
    pub coverage_90: f64,
    /// Width of the 90 % intervals.
    pub width: f64,
    /// Energy score.
    pub energy: f64,
}

/// Correlations between the channels' one-step residuals, as normal scores of PIT values. One-step
/// densities are those of each channel alone, which is exact if these vanish.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Residuals {
    /// Correlations, `[channel][channel]`.
    pub correlations: Vec<Vec<f64>>,
    /// Largest correlation: indices of both channels and the value.
    pub largest: Option<(usize, usize, f64)>,
}

impl BacktestSummary {
    /// True if several variables are scored, so that joint scores are informative.
    pub fn is_joint(&self) -> bool {
        self.variables.len() > 1
    }
}

impl Residuals {
    /// True if correlations are so large that joint events (sums, differences, extremes of several
    /// variables) are unreliable.
    pub fn matter(&self) -> bool {
        self.largest.is_some_and(|(_, _, r)| r.abs() > DEPENDENT)
    }
}

/// Summarises a backtest.
pub fn summarise(results: &Results, windows: &Windows, seed: u64) -> BacktestSummary {
    let mut all: Vec<(usize, usize)> = results.joint.iter().map(|j| (j.series, j.origin)).collect();
    all.extend(results.one_step.iter().map(|o| (o.series, o.origin)));
    all.sort_unstable();
    all.dedup();
    let builder = SummaryBuilder {
        results,
        windows,
        seed,
        all: &all,
    };
    let methods = (0..results.methods.len()).map(|m| builder.method(m));
    BacktestSummary {
        methods: methods.collect(),
        variables: results.variables.clone(),
        channels: results.channels.clone(),
        mixed: !results.variables.starts_with(&results.channels),
        windows: all.len(),
        clipped: results.clipped,
    }
}

struct SummaryBuilder<'g> {
    results: &'g Results,
    windows: &'g Windows,
    seed: u64,
    /// Series and origin of every window, in order.
    all: &'g [(usize, usize)],
}

/// One value per window, in the order of all windows; `NaN` for none.
type PerWindow = Vec<f64>;

impl SummaryBuilder<'_> {
    fn method(&self, method: usize) -> MethodSummary {
        let steps: Vec<&StepScore> = self.of(&self.results.steps, method, |s| s.method);
        let one_step: Vec<&OneStepScore> = self.of(&self.results.one_step, method, |s| s.method);
        let joint = self.of(&self.results.joint, method, |s| s.method);
        let log_score = |method| {
            let of = self.of(&self.results.one_step, method, |s| s.method);
            self.per_window(of.iter().map(|s| (s.series, s.origin, s.log_score)))
        };
        let crps = |method| {
            let of = self.of(&self.results.steps, method, |s| s.method);
            self.per_window(relative(&of, |s| s.crps))
        };
        let joint_score = |of: fn(&JointScores) -> f64| {
            let scores = joint.iter().map(|j| (j.series, j.origin, of(&j.scores)));
            self.estimate(&self.per_window(scores))
        };
        let (mut one_step_pit, mut pit) = (Pit::new(), Pit::new());
        one_step.iter().for_each(|s| one_step_pit.push(s.pit));
        let moving = steps.iter().filter(|s| s.spread > 0.0);
        moving.clone().for_each(|s| pit.push(s.pit));
        // Of the intervals that are written, not of places drawn between the paths.
        let held = |level: usize| share(moving.clone().map(|s| s.covered[level]));
        let calibration = Calibration {
            coverage_50: held(0),
            coverage_80: held(1),
            coverage_90: held(2),
            coverage_99: None,
            coverage_999: None,
            ..pit.calibration()
        };
        MethodSummary {
            name: self.results.methods[method].clone(),
            log_score: self.estimate(&log_score(method)),
            log_score_difference: self.difference(&log_score(method), &log_score(0)),
            one_step_crps: self
                .estimate(&self.per_window(one_step.iter().map(|s| (s.series, s.origin, s.crps)))),
            sharpness: mean(one_step.iter().map(|s| s.sharpness)),
            one_step_calibration: one_step_pit.calibration(),
            crps: self.estimate(&crps(method)),
            crps_difference: self.difference(&crps(method), &crps(0)),
            energy: joint_score(|s| s.energy),
            independent_energy: joint_score(|s| s.independent_energy),
            variogram: joint_score(|s| s.variogram),
            independent_variogram: joint_score(|s| s.independent_variogram),
            interval_score: self.estimate(&self.per_window(relative(&steps, |s| s.interval_score))),
            mase: mean(
                steps
                    .iter()
                    .filter(|s| s.increment > 0.0)
                    .map(|s| (s.median - s.observed).abs() / s.increment),
            ),
            smape: smape(steps.iter().map(|s| (s.median, s.observed))),
            valid_steps: self.estimate(&self.per_window(valid_steps(&steps).into_iter())),
            calibration,
            by_step: self.by_step(&steps, method),
            by_variable: self.by_variable(&steps, |s| s.crps / s.spread),
            coverage_by_variable: self.by_variable(&steps, |s| f64::from(u8::from(s.covered[2]))),
            residuals: residuals(&one_step, self.results.channels.len()),
            seconds: self.results.seconds[method],
            one_step_pit,
            pit,
        }
    }

    fn of<'r, T>(&self, all: &'r [T], method: usize, of: impl Fn(&T) -> usize) -> Vec<&'r T> {
        all.iter().filter(|x| of(x) == method).collect()
    }

    /// Averages the values of each window.
    fn per_window(&self, values: impl Iterator<Item = (usize, usize, f64)>) -> PerWindow {
        let mut sums = vec![(0.0, 0usize); self.all.len()];
        for (series, origin, value) in values {
            if let Ok(i) = self.all.binary_search(&(series, origin)) {
                sums[i].0 += value;
                sums[i].1 += 1;
            }
        }
        sums.into_iter().map(|(sum, n)| sum / n as f64).collect()
    }

    /// Bootstraps over series if there are several, over time otherwise.
    fn estimate(&self, values: &PerWindow) -> Estimate {
        let series = self.results.series.len();
        if series > 1 {
            let mut by_series = vec![Vec::new(); series];
            let known = self.all.iter().zip(values).filter(|(_, v)| v.is_finite());
            known.for_each(|((series, _), value)| by_series[*series].push(*value));
            return mean_over_series(&by_series, self.seed);
        }
        let known: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        let rows = self.results.rows.first().copied().unwrap_or(0);
        block_bootstrap(&known, self.windows.block(rows), self.seed)
    }

    fn difference(&self, of: &PerWindow, from: &PerWindow) -> Estimate {
        self.estimate(&of.iter().zip(from).map(|(a, b)| a - b).collect())
    }

    fn by_step(&self, steps: &[&StepScore], method: usize) -> Vec<StepSummary> {
        let at_step = |h: usize| {
            let at: Vec<&StepScore> = steps
                .iter()
                .copied()
                .filter(|s| s.step == h && s.spread > 0.0)
                .collect();
            let variables = (0..self.results.variables.len()).map(|v| {
                let of = at.iter().filter(|s| s.variable == v);
                r_squared(&of.map(|s| (s.mean, s.observed)).collect::<Vec<_>>())
            });
            let joint = self.results.joint.iter();
            let joint = joint.filter(|j| j.method == method && j.step == h);
            StepSummary {
                crps: mean(at.iter().map(|s| s.crps / s.spread)),
                rmse: rmse(
                    at.iter()
                        .map(|s| (s.mean / s.spread, s.observed / s.spread)),
                ),
                r_squared: mean(variables.filter(|r| r.is_finite())),
                coverage_90: share(at.iter().map(|s| s.covered[2])),
                width: mean(at.iter().map(|s| (s.interval.1 - s.interval.0) / s.spread)),
                energy: mean(joint.map(|j| j.scores.energy)),
            }
        };
        (1..=self.windows.horizon.get()).map(at_step).collect()
    }

    fn by_variable(&self, steps: &[&StepScore], value: impl Fn(&StepScore) -> f64) -> Vec<f64> {
        let variables = 0..self.results.variables.len();
        let of = |v: usize| {
            let of = steps.iter().filter(|s| s.variable == v && s.spread > 0.0);
            mean(of.map(|s| value(s)))
        };
        variables.map(of).collect()
    }
}

fn share(held: impl Iterator<Item = bool>) -> f64 {
    mean(held.map(|held| f64::from(u8::from(held))))
}

fn relative(
    steps: &[&StepScore],
    value: impl Fn(&StepScore) -> f64,
) -> impl Iterator<Item = (usize, usize, f64)> {
    let moving = steps.iter().filter(|s| s.spread > 0.0);
    let all: Vec<_> = moving
        .map(|s| (s.series, s.origin, value(s) / s.spread))
        .collect();
    all.into_iter()
}

/// Returns the valid steps of every variable of every window; takes steps in order.
fn valid_steps(steps: &[&StepScore]) -> Vec<(usize, usize, f64)> {
    let mut paths: std::collections::BTreeMap<(usize, usize, usize), Vec<&StepScore>> =
        Default::default();
    for step in steps.iter().filter(|s| s.spread > 0.0) {
        let key = (step.series, step.origin, step.variable);
        paths.entry(key).or_default().push(step);
    }
    let valid = |((series, origin, _), path): ((usize, usize, usize), Vec<&StepScore>)| {
        let median: Vec<f64> = path.iter().map(|s| s.median).collect();
        let observed: Vec<f64> = path.iter().map(|s| s.observed).collect();
        let steps = valid_prediction_time(&median, &observed, path[0].spread, VALID_ERROR);
        (series, origin, steps as f64)
    };
    paths.into_iter().map(valid).collect()
}

fn residuals(scores: &[&OneStepScore], channels: usize) -> Residuals {
    use statrs::distribution::{ContinuousCDF, Normal};
    let normal = Normal::standard();
    let mut rows: std::collections::BTreeMap<(usize, usize, usize), Vec<f64>> = Default::default();
    for score in scores {
        let key = (score.series, score.origin, score.row);
        let row = rows.entry(key).or_insert_with(|| vec![f64::NAN; channels]);
        row[score.channel] = normal.inverse_cdf(score.pit.clamp(1e-4, 1.0 - 1e-4));
    }
    let pair = |a: usize, b: usize| {
        let both = rows.values().map(|row| (row[a], row[b]));
        let both = both.filter(|(x, y)| x.is_finite() && y.is_finite());
        let (x, y): (Vec<f64>, Vec<f64>) = both.unzip();
        correlation(&x, &y)
    };
    let correlations: Vec<Vec<f64>> = (0..channels)
        .map(|a| (0..channels).map(|b| pair(a, b)).collect())
        .collect();
    let pairs = (0..channels).flat_map(|a| (0..a).map(move |b| (b, a)));
    let largest = pairs
        .map(|(a, b)| (a, b, correlations[a][b]))
        .filter(|(_, _, r)| r.is_finite())
        .max_by(|x, y| x.2.abs().total_cmp(&y.2.abs()));
    Residuals {
        correlations,
        largest,
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, n), x| (sum + x, n + 1));
    sum / count as f64
}
