//! Rewards of a recorded run's rest, forecast from its beginning: the published protocol of policy
//! evaluation in context (Benechehab et al., arXiv 2410.11711, section 5).

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};

use super::{EvaluationError, Logged, Run, Walk};
use crate::metrics::{Estimate, block_bootstrap, quantile};
use crate::recording::EndFlag;

/// Rewards that [`Rule::Recent`] is the mean of.
const RECENT: usize = 100;

/// Level of the intervals whose coverage is counted.
const LEVEL: f64 = 0.9;

/// A recorded run, cut in what is shown and what is to be forecast.
#[derive(Debug, Clone)]
pub struct Cut {
    /// The beginning, as if nothing else had been recorded.
    pub context: Logged,
    /// Actions taken afterwards, `[horizon, actions]`.
    pub actions: Array2<f64>,
    /// What they earned, `[horizon]`.
    pub rewards: Array1<f64>,
    /// What the whole recorded run earned.
    pub total: f64,
}

impl Cut {
    /// Cuts a run after `context` steps; `None` if it has fewer than `horizon` steps more.
    ///
    /// ```
    /// use ndarray::{Array1, Array2};
    /// use statecast::evaluation::{Cut, Run};
    ///
    /// let run = Run {
    ///     source: 0,
    ///     states: Array2::zeros((11, 2)),
    ///     actions: Array2::zeros((10, 1)),
    ///     rewards: Array1::ones(10),
    ///     terminated: false,
    ///     log_probabilities: None,
    /// };
    /// let cut = Cut::of(&run, 6, 4).unwrap();
    /// assert_eq!((cut.context.runs[0].steps(), cut.rewards.len()), (6, 4));
    /// assert!(Cut::of(&run, 6, 5).is_none());
    /// ```
    pub fn of(run: &Run, context: usize, horizon: usize) -> Option<Self> {
        if context == 0 || horizon == 0 || context + horizon > run.steps() {
            return None;
        }
        let shown = Run {
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

    /// How the rest is walked through a model: from the state behind the context, undiscounted.
    ///
    /// # Errors
    /// [`EvaluationError::TooFew`] if that state is not known.
    pub fn walk(&self, paths: usize, seed: u64) -> Result<Walk, EvaluationError> {
        let run = &self.context.runs[0];
        let states = run.states.slice(s![run.steps().., ..]);
        if states.is_empty() {
            return Err(EvaluationError::TooFew(0, 1));
        }
        Ok(Walk {
            starts: states.to_owned(),
            paths,
            horizon: self.rewards.len(),
            discount: 1.0,
            rules: super::Rules::default(),
            ends: None,
            seed,
        })
    }
}

/// Forecasts of rewards that look at no state and no action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Nothing.
    Zero,
    /// The mean of the context.
    Mean,
    /// The mean of its last 100 steps.
    Recent,
    /// An autoregression of the first order, from the last reward back to the mean.
    Regression,
    /// The last period again, the one at which the context is most like itself.
    Seasonal,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 5] = [
        Self::Zero,
        Self::Mean,
        Self::Recent,
        Self::Regression,
        Self::Seasonal,
    ];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zero => "zero",
            Self::Mean => "mean reward",
            Self::Recent => "mean of 100",
            Self::Regression => "ar(1)",
            Self::Seasonal => "seasonal",
        }
    }

    /// Rewards of so many steps behind those of a context, at least one.
    ///
    /// ```
    /// use ndarray::array;
    /// use statecast::evaluation::Rule;
    ///
    /// let seen = array![0.0, 1.0, 2.0, 0.0, 1.0, 2.0, 0.0, 1.0, 2.0, 0.0];
    /// assert_eq!(Rule::Seasonal.rewards(seen.view(), 4), array![1.0, 2.0, 0.0, 1.0]);
    /// assert_eq!(Rule::Mean.rewards(seen.view(), 1), array![0.9]);
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

/// Correlation of a series with itself some steps before, 0 for a constant one.
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

/// The lag of two steps or more, at most half of the series, at which it is most like itself.
fn period(series: ArrayView1<f64>) -> usize {
    let lags = 2..=series.len() / 2;
    let best = lags.max_by(|&a, &b| {
        // Longer lags sum fewer products.
        let like = |lag: usize| {
            autocorrelation(series, lag) * series.len() as f64 / (series.len() - lag) as f64
        };
        // Of equally good ones the shortest.
        like(a).total_cmp(&like(b)).then(b.cmp(&a))
    });
    best.unwrap_or(1)
}

/// How well the rewards of a run's rest were forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct Continued {
    /// `100 |Σ (r - r̂)| / |return of the whole run|` after each step, in percent.
    pub error: Vec<f64>,
    /// The difference of the sums over all steps, forecast less earned, in units of the steps' number times the
    /// rewards' standard deviation.
    pub bias: f64,
    /// Whether the 90 % interval of the sum over all steps holds what was earned; `None` for a forecast
    /// without spread.
    pub covered: Option<bool>,
}

impl Continued {
    /// Holds forecasts `[paths, horizon]` against what a run earned.
    ///
    /// ```
    /// use ndarray::{Array2, array};
    /// # use ndarray::Array1;
    /// # use statecast::evaluation::Run;
    /// use statecast::evaluation::{Continued, Cut};
    /// # let run = Run {
    /// #     source: 0,
    /// #     states: Array2::zeros((5, 1)),
    /// #     actions: Array2::zeros((4, 1)),
    /// #     rewards: array![1.0, 1.0, 1.0, 2.0],
    /// #     terminated: false,
    /// #     log_probabilities: None,
    /// # };
    /// // A run that earned 1, 1, 1, 2, of which the first two are shown.
    /// let cut = Cut::of(&run, 2, 2).unwrap();
    /// let continued = Continued::new(&cut, array![[1.0, 1.0]].view());
    /// assert_eq!(continued.error, [0.0, 20.0]);
    /// ```
    pub fn new(cut: &Cut, forecast: ArrayView2<f64>) -> Self {
        let mean = forecast
            .mean_axis(Axis(0))
            .unwrap_or_else(|| Array1::zeros(0));
        let mut sum = 0.0;
        let differences: Vec<f64> = (mean.iter().zip(&cut.rewards))
            .map(|(forecast, earned)| {
                sum += forecast - earned;
                sum
            })
            .collect();
        let all = (cut.context.runs[0].rewards.iter()).chain(&cut.rewards);
        let all: Array1<f64> = all.copied().collect();
        let unit = all.std(0.0) * cut.rewards.len() as f64;
        let mut sums = forecast.sum_axis(Axis(1)).to_vec();
        sums.sort_by(f64::total_cmp);
        let spread = sums.len() > 1 && sums[0] < sums[sums.len() - 1];
        let covered = || {
            let (low, high) = (
                quantile(&sums, 0.5 - LEVEL / 2.0),
                quantile(&sums, 0.5 + LEVEL / 2.0),
            );
            (low..=high).contains(&cut.rewards.sum())
        };
        let percent = |difference: &f64| 100.0 * difference.abs() / cut.total.abs();
        Self {
            error: differences.iter().map(percent).collect(),
            bias: differences.last().copied().unwrap_or(0.0) / unit,
            covered: spread.then(covered),
        }
    }
}

/// Scores of several runs.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Continuations {
    /// Percent of the return, one a number of steps that was asked for.
    pub error: Vec<Estimate>,
    /// Less that of another forecaster, run by run.
    pub less: Vec<Estimate>,
    /// Mean of the errors' size after all steps, in units of the steps' number times the rewards' standard deviation.
    pub size: Estimate,
    /// Mean of the signed errors, in the same unit.
    pub bias: Estimate,
    /// Runs whose 90 % interval holds the truth, and runs with an interval.
    pub covered: (usize, usize),
}

impl Continuations {
    /// Sums up runs, after so many steps each, beside the same runs by another forecaster. Intervals
    /// are of a bootstrap over the runs.
    ///
    /// # Panics
    /// If a number of steps is zero or beyond the horizon, or the other has fewer runs.
    pub fn of(runs: &[Continued], other: &[Continued], steps: &[usize]) -> Self {
        let mean = |values: Vec<f64>| block_bootstrap(&values, 1, 0);
        let error = |step: usize| mean(runs.iter().map(|run| run.error[step - 1]).collect());
        let less = |step: usize| {
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
            less: steps.iter().map(|&step| less(step)).collect(),
            size: mean(runs.iter().map(|run| run.bias.abs()).collect()),
            bias: mean(runs.iter().map(|run| run.bias).collect()),
            covered: (known.iter().filter(|&&held| held).count(), known.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn run(rewards: Array1<f64>) -> Run {
        let steps = rewards.len();
        Run {
            source: 3,
            states: Array2::from_shape_fn((steps + 1, 1), |(t, _)| t as f64),
            actions: Array2::from_shape_fn((steps, 1), |(t, _)| 10.0 * t as f64),
            rewards,
            terminated: true,
            log_probabilities: None,
        }
    }

    #[test]
    fn a_cut_shows_the_beginning_and_nothing_else() {
        let cut = Cut::of(&run(array![1.0, 2.0, 3.0, 4.0, 5.0]), 2, 2).unwrap();
        assert_eq!(cut.context.runs[0].states, array![[0.0], [1.0], [2.0]]);
        assert_eq!(cut.context.runs[0].rewards, array![1.0, 2.0]);
        assert_eq!(cut.actions, array![[20.0], [30.0]]);
        assert_eq!((cut.rewards.to_vec(), cut.total), (vec![3.0, 4.0], 15.0));
        assert_eq!(cut.walk(3, 0).unwrap().starts, array![[2.0]]);
        assert!(Cut::of(&run(array![1.0, 2.0]), 0, 1).is_none());
    }

    /// By hand: rewards 3, 4; forecasts 2, 2 and 4, 4 on two paths, so 3, 3 on average.
    #[test]
    fn errors_are_shares_of_the_whole_return() {
        let cut = Cut::of(&run(array![1.0, 2.0, 3.0, 4.0]), 2, 2).unwrap();
        let continued = Continued::new(&cut, array![[2.0, 2.0], [4.0, 4.0]].view());
        assert_eq!(continued.error, [0.0, 10.0]);
        assert!((continued.bias + 1.0 / (2.0 * 1.25f64.sqrt())).abs() < 1e-12);
        assert_eq!(continued.covered, Some(true));
        assert_eq!(
            Continued::new(&cut, array![[3.0, 3.0]].view()).covered,
            None
        );
        let far = Continued::new(&cut, array![[0.0, 1.0], [1.0, 1.0]].view());
        assert_eq!(far.covered, Some(false));
        let both = Continuations::of(
            &[continued.clone(), far.clone()],
            &[far.clone(), far],
            &[1, 2],
        );
        assert_eq!(both.covered, (1, 2));
        // Means 0.5, 1 against 3, 4: off by 2.5 and 5.5 of 10.
        assert!((both.error[1].mean - 32.5).abs() < 1e-12);
        assert!((both.less[1].mean + 22.5).abs() < 1e-12);
    }

    #[test]
    fn rules_go_on_as_they_say() {
        let seen = Array1::from_shape_fn(150, |t| f64::from(u8::from(t >= 50)));
        assert_eq!(Rule::Recent.rewards(seen.view(), 2), array![1.0, 1.0]);
        assert_eq!(Rule::Zero.rewards(seen.view(), 2), array![0.0, 0.0]);
        let ar = Rule::Regression.rewards(seen.view(), 500);
        assert!(ar[0] > ar[1] && ar[0] < 1.0);
        assert!((ar[499] - seen.mean().unwrap()).abs() < 1e-3);
        for rule in Rule::ALL {
            assert_eq!(rule.rewards(array![2.0].view(), 3).len(), 3);
        }
    }
}
