//! Forecasts of a recorded run's remaining rewards from its first steps: the published protocol of
//! in-context policy evaluation (Benechehab et al., arXiv 2410.11711, section 5).

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};

use super::{EvaluationError, Logged, RecordedRun, RolloutSpec};
use crate::metrics::{Estimate, block_bootstrap, quantile};
use crate::recording::EndFlag;

/// Number of rewards that [`RewardBaseline::Recent`] averages.
const RECENT: usize = 100;

/// Level of the intervals whose coverage is counted.
const LEVEL: f64 = 0.9;

/// A recorded run, split into a context and the steps to forecast.
#[derive(Debug, Clone)]
pub struct PrefixSplit {
    /// The first steps, as a recording of their own.
    pub context: Logged,
    /// Recorded actions after the context, `[horizon, actions]`.
    pub actions: Array2<f64>,
    /// Recorded rewards after the context, `[horizon]`.
    pub rewards: Array1<f64>,
    /// Return of the whole run.
    pub total: f64,
}

impl PrefixSplit {
    /// Splits a run after `context` steps; `None` if fewer than `horizon` steps remain.
    ///
    /// ```
    /// use ndarray::{Array1, Array2};
    /// use statecast::evaluation::{PrefixSplit, RecordedRun};
    ///
    /// let run = RecordedRun {
    ///     source: 0,
    ///     states: Array2::zeros((11, 2)),
    ///     actions: Array2::zeros((10, 1)),
    ///     rewards: Array1::ones(10),
    ///     terminated: false,
    ///     log_probabilities: None,
    /// };
    /// let split = PrefixSplit::of(&run, 6, 4).unwrap();
    /// assert_eq!((split.context.runs[0].steps(), split.rewards.len()), (6, 4));
    /// assert!(PrefixSplit::of(&run, 6, 5).is_none());
    /// ```
    pub fn of(run: &RecordedRun, context: usize, horizon: usize) -> Option<Self> {
        if context == 0 || horizon == 0 || context + horizon > run.steps() {
            return None;
        }
        let shown = RecordedRun {
            source: 0,
            states: run.states.slice(s![..=context, ..]).to_owned(),
            actions: run.actions.slice(s![..context, ..]).to_owned(),
            rewards: run.rewards.slice(s![..context]).to_owned(),
            terminated: false,
            log_probabilities: None,
        };
        let rest = context..context + horizon;
        Some(Self {
            context: Logged {
                runs: vec![shown],
                end_flags: vec![EndFlag::Terminated],
            },
            actions: run.actions.slice(s![rest.clone(), ..]).to_owned(),
            rewards: run.rewards.slice(s![rest]).to_owned(),
            total: run.rewards.sum(),
        })
    }

    /// Returns the spec of rollouts from the state after the context, undiscounted.
    ///
    /// # Errors
    /// [`EvaluationError::TooFew`] if that state is not known.
    pub fn spec(&self, paths: usize, seed: u64) -> Result<RolloutSpec, EvaluationError> {
        let run = &self.context.runs[0];
        let states = run.states.slice(s![run.steps().., ..]);
        if states.is_empty() {
            return Err(EvaluationError::TooFew(0, 1));
        }
        Ok(RolloutSpec {
            starts: states.to_owned(),
            paths,
            horizon: self.rewards.len(),
            discount: 1.0,
            rules: super::Rules::default(),
            termination: None,
            failure: None,
            support: None,
            seed,
        })
    }
}

/// Baseline forecasts of rewards from past rewards alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RewardBaseline {
    /// Zero.
    Zero,
    /// Mean of the context.
    Mean,
    /// Mean of the last 100 steps.
    Recent,
    /// First-order autoregression.
    Regression,
    /// The last period repeated; the period maximises the autocorrelation.
    Seasonal,
}

impl RewardBaseline {
    /// All baselines.
    pub const ALL: [Self; 5] = [
        Self::Zero,
        Self::Mean,
        Self::Recent,
        Self::Regression,
        Self::Seasonal,
    ];

    /// Returns the name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zero => "zero",
            Self::Mean => "mean reward",
            Self::Recent => "mean of 100",
            Self::Regression => "ar(1)",
            Self::Seasonal => "seasonal",
        }
    }

    /// Forecasts `horizon` rewards after a context of at least one.
    ///
    /// ```
    /// use ndarray::array;
    /// use statecast::evaluation::RewardBaseline;
    ///
    /// let seen = array![0.0, 1.0, 2.0, 0.0, 1.0, 2.0, 0.0, 1.0, 2.0, 0.0];
    /// assert_eq!(RewardBaseline::Seasonal.rewards(seen.view(), 4), array![1.0, 2.0, 0.0, 1.0]);
    /// assert_eq!(RewardBaseline::Mean.rewards(seen.view(), 1), array![0.9]);
    /// ```
    pub fn rewards(self, seen: ArrayView1<f64>, horizon: usize) -> Array1<f64> {
        let mean = seen.mean().unwrap_or(0.0);
        match self {
            Self::Zero => Array1::zeros(horizon),
            Self::Mean => Array1::from_elem(horizon, mean),
            Self::Recent => {
                let recent = seen.slice(s![seen.len().saturating_sub(RECENT)..]);
                Array1::from_elem(horizon, recent.mean().unwrap_or(0.0))
            }
            Self::Regression => {
                let slope = autocorrelation(seen, 1);
                let last = seen.last().copied().unwrap_or(mean) - mean;
                Array1::from_shape_fn(horizon, |h| mean + slope.powi(h as i32 + 1) * last)
            }
            Self::Seasonal => {
                let period = period(seen);
                let from = seen.len() - period;
                Array1::from_shape_fn(horizon, |h| seen[from + h % period])
            }
        }
    }
}

/// Returns the autocorrelation at a lag, 0 for a constant series.
fn autocorrelation(series: ArrayView1<f64>, lag: usize) -> f64 {
    let mean = series.mean().unwrap_or(0.0);
    let centred = series.mapv(|x| x - mean);
    let energy = centred.dot(&centred);
    let earlier = centred.slice(s![..series.len() - lag]);
    match energy > 0.0 {
        true => centred.slice(s![lag..]).dot(&earlier) / energy,
        false => 0.0,
    }
}

/// Returns the lag of the largest autocorrelation, from 2 to half of the series.
fn period(series: ArrayView1<f64>) -> usize {
    let lags = 2..=series.len() / 2;
    let best = lags.max_by(|&a, &b| {
        // Longer lags sum fewer products.
        let like = |lag: usize| {
            autocorrelation(series, lag) * series.len() as f64 / (series.len() - lag) as f64
        };
        // Ties go to the shortest lag.
        like(a).total_cmp(&like(b)).then(b.cmp(&a))
    });
    best.unwrap_or(1)
}

/// Errors of a forecast of a run's remaining rewards.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct RewardForecastErrors {
    /// `100 |Σ (r - r̂)| / |return of the whole run|` after each step, in percent.
    pub error: Vec<f64>,
    /// Error of the sum over all steps, forecast minus actual, in units of the number of steps
    /// times the rewards' standard deviation.
    pub bias: f64,
    /// Whether the 90 % interval of the sum over all steps covers the actual sum; `None` for a
    /// point forecast.
    pub covered: Option<bool>,
}

impl RewardForecastErrors {
    /// Scores forecasts `[paths, horizon]` against the recorded rewards.
    ///
    /// ```
    /// use ndarray::{Array2, array};
    /// # use ndarray::Array1;
    /// # use statecast::evaluation::RecordedRun;
    /// use statecast::evaluation::{RewardForecastErrors, PrefixSplit};
    /// # let run = RecordedRun {
    /// #     source: 0,
    /// #     states: Array2::zeros((5, 1)),
    /// #     actions: Array2::zeros((4, 1)),
    /// #     rewards: array![1.0, 1.0, 1.0, 2.0],
    /// #     terminated: false,
    /// #     log_probabilities: None,
    /// # };
    /// // A run that earned 1, 1, 1, 2, of which the first two are shown.
    /// let split = PrefixSplit::of(&run, 2, 2).unwrap();
    /// let errors = RewardForecastErrors::new(&split, array![[1.0, 1.0]].view());
    /// assert_eq!(errors.error, [0.0, 20.0]);
    /// ```
    pub fn new(split: &PrefixSplit, forecast: ArrayView2<f64>) -> Self {
        let mean = forecast
            .mean_axis(Axis(0))
            .unwrap_or_else(|| Array1::zeros(0));
        let mut sum = 0.0;
        let differences: Vec<f64> = (mean.iter().zip(&split.rewards))
            .map(|(forecast, earned)| {
                sum += forecast - earned;
                sum
            })
            .collect();
        let all = (split.context.runs[0].rewards.iter()).chain(&split.rewards);
        let all: Array1<f64> = all.copied().collect();
        let unit = all.std(0.0) * split.rewards.len() as f64;
        let mut sums = forecast.sum_axis(Axis(1)).to_vec();
        sums.sort_by(f64::total_cmp);
        let spread = sums.len() > 1 && sums[0] < sums[sums.len() - 1];
        let covered = || {
            let (low, high) = (
                quantile(&sums, 0.5 - LEVEL / 2.0),
                quantile(&sums, 0.5 + LEVEL / 2.0),
            );
            (low..=high).contains(&split.rewards.sum())
        };
        let percent = |difference: &f64| 100.0 * difference.abs() / split.total.abs();
        Self {
            error: differences.iter().map(percent).collect(),
            bias: differences.last().copied().unwrap_or(0.0) / unit,
            covered: spread.then(covered),
        }
    }
}

/// Mean errors over several runs.
#[derive(Debug, Clone, serde::Serialize)]
pub struct RewardForecastScores {
    /// Error in percent of the return, after each requested number of steps.
    pub error: Vec<Estimate>,
    /// Difference in error to another forecaster, paired by run.
    pub difference: Vec<Estimate>,
    /// Mean absolute error of the sum over all steps, in units of the number of steps times the
    /// rewards' standard deviation.
    pub absolute_error: Estimate,
    /// Mean signed error, in the same unit.
    pub bias: Estimate,
    /// Number of runs whose 90 % interval covers the actual sum, and number of runs with an
    /// interval.
    pub covered: (usize, usize),
}

impl RewardForecastScores {
    /// Averages the errors of runs after each number of steps, with differences to another
    /// forecaster on the same runs. Intervals are those of a bootstrap over the runs.
    ///
    /// # Panics
    /// If a number of steps is zero or beyond the horizon, or the other has fewer runs.
    pub fn of(
        runs: &[RewardForecastErrors],
        other: &[RewardForecastErrors],
        steps: &[usize],
    ) -> Self {
        let mean = |values: Vec<f64>| block_bootstrap(&values, 1, 0);
        let error = |step: usize| mean(runs.iter().map(|run| run.error[step - 1]).collect());
        let difference = |step: usize| {
            let pairs = runs.iter().zip(other);
            mean(
                pairs
                    .map(|(run, other)| run.error[step - 1] - other.error[step - 1])
                    .collect(),
            )
        };
        let known: Vec<bool> = runs.iter().filter_map(|run| run.covered).collect();
        Self {
            error: steps.iter().map(|&step| error(step)).collect(),
            difference: steps.iter().map(|&step| difference(step)).collect(),
            absolute_error: mean(runs.iter().map(|run| run.bias.abs()).collect()),
            bias: mean(runs.iter().map(|run| run.bias).collect()),
            covered: (known.iter().filter(|&&held| held).count(), known.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn run(rewards: Array1<f64>) -> RecordedRun {
        let steps = rewards.len();
        RecordedRun {
            source: 3,
            states: Array2::from_shape_fn((steps + 1, 1), |(t, _)| t as f64),
            actions: Array2::from_shape_fn((steps, 1), |(t, _)| 10.0 * t as f64),
            rewards,
            terminated: true,
            log_probabilities: None,
        }
    }

    #[test]
    fn the_context_holds_the_first_steps_only() {
        let split = PrefixSplit::of(&run(array![1.0, 2.0, 3.0, 4.0, 5.0]), 2, 2).unwrap();
        assert_eq!(split.context.runs[0].states, array![[0.0], [1.0], [2.0]]);
        assert_eq!(split.context.runs[0].rewards, array![1.0, 2.0]);
        assert_eq!(split.actions, array![[20.0], [30.0]]);
        assert_eq!(
            (split.rewards.to_vec(), split.total),
            (vec![3.0, 4.0], 15.0)
        );
        assert_eq!(split.spec(3, 0).unwrap().starts, array![[2.0]]);
        assert!(PrefixSplit::of(&run(array![1.0, 2.0]), 0, 1).is_none());
    }

    /// Computed by hand: rewards 3, 4; forecasts 2, 2 and 4, 4 on two paths, so 3, 3 on average.
    #[test]
    fn errors_are_relative_to_the_return() {
        let split = PrefixSplit::of(&run(array![1.0, 2.0, 3.0, 4.0]), 2, 2).unwrap();
        let errors = RewardForecastErrors::new(&split, array![[2.0, 2.0], [4.0, 4.0]].view());
        assert_eq!(errors.error, [0.0, 10.0]);
        assert!((errors.bias + 1.0 / (2.0 * 1.25f64.sqrt())).abs() < 1e-12);
        assert_eq!(errors.covered, Some(true));
        assert_eq!(
            RewardForecastErrors::new(&split, array![[3.0, 3.0]].view()).covered,
            None
        );
        let far = RewardForecastErrors::new(&split, array![[0.0, 1.0], [1.0, 1.0]].view());
        assert_eq!(far.covered, Some(false));
        let both =
            RewardForecastScores::of(&[errors.clone(), far.clone()], &[far.clone(), far], &[1, 2]);
        assert_eq!(both.covered, (1, 2));
        // Means 0.5, 1 against 3, 4: off by 2.5 and 5.5 of 10.
        assert!((both.error[1].mean - 32.5).abs() < 1e-12);
        assert!((both.difference[1].mean + 22.5).abs() < 1e-12);
    }

    #[test]
    fn baselines_match_their_definitions() {
        let seen = Array1::from_shape_fn(150, |t| f64::from(u8::from(t >= 50)));
        assert_eq!(
            RewardBaseline::Recent.rewards(seen.view(), 2),
            array![1.0, 1.0]
        );
        assert_eq!(
            RewardBaseline::Zero.rewards(seen.view(), 2),
            array![0.0, 0.0]
        );
        let ar = RewardBaseline::Regression.rewards(seen.view(), 500);
        assert!(ar[0] > ar[1] && ar[0] < 1.0);
        assert!((ar[499] - seen.mean().unwrap()).abs() < 1e-3);
        for rule in RewardBaseline::ALL {
            assert_eq!(rule.rewards(array![2.0].view(), 3).len(), 3);
        }
    }
}
