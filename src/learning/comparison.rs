//! Comparison of training arms: learning curves over seeds, and steps to a threshold.

use serde::Serialize;

use super::{Evaluation, LearningError};
use crate::metrics::{Estimate, interquartile_over_runs, mean_over_series};

/// A training configuration with its runs, one per seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    /// Name.
    pub name: String,
    /// Evaluations of every run, in the order of the seeds.
    pub runs: Vec<Vec<Evaluation>>,
}

/// A point of an arm's learning curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CurvePoint {
    /// The step.
    pub step: usize,
    /// Interquartile mean of the evaluations' returns over the seeds.
    pub returns: Estimate,
    /// Interquartile mean of the critics' overestimation over the seeds.
    pub overestimation: Estimate,
}

/// Summary of an arm. Intervals are those of a bootstrap over seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArmSummary {
    /// Its name.
    pub name: String,
    /// The learning curve.
    pub curve: Vec<CurvePoint>,
    /// Interquartile mean of the last evaluations' returns.
    pub last: Estimate,
    /// Interquartile mean of the runs' mean returns over all evaluations.
    pub mean: Estimate,
    /// Mean difference of `mean` to the first arm, paired by seed.
    pub gain: Estimate,
    /// First step of every run whose evaluation reaches the threshold.
    pub reached: Vec<Option<usize>>,
    /// Interquartile mean of the critics' overestimation in the last evaluations.
    pub overestimation: Estimate,
    /// Mean seconds per run.
    pub seconds: f64,
}

impl ArmSummary {
    /// Returns the median of the steps to the threshold; `None` if half of the runs do not reach
    /// it.
    pub fn steps_to_threshold(&self) -> Option<f64> {
        let mut steps: Vec<usize> = self.reached.iter().flatten().copied().collect();
        steps.sort_unstable();
        let middle = self.reached.len() / 2;
        let upper = steps.get(middle).copied()? as f64;
        match self.reached.len() % 2 {
            1 => Some(upper),
            _ => Some(0.5 * (steps[middle - 1] as f64 + upper)),
        }
    }
}

/// Summarises arms. The first one is the reference.
///
/// # Errors
/// [`LearningError::Runs`] if there is no run, or runs were evaluated at different steps.
pub fn compare(arms: &[Arm], threshold: f64) -> Result<Vec<ArmSummary>, LearningError> {
    let steps = |run: &[Evaluation]| -> Vec<usize> { run.iter().map(|e| e.step).collect() };
    let first = arms.first().and_then(|arm| Some((arm, arm.runs.first()?)));
    let Some((first, run)) = first.filter(|(_, run)| !run.is_empty()) else {
        return Err(LearningError::Runs);
    };
    let common = steps(run);
    let alike = |arm: &Arm| {
        arm.runs.len() == first.runs.len() && arm.runs.iter().all(|run| steps(run) == common)
    };
    if !arms.iter().all(alike) {
        return Err(LearningError::Runs);
    }
    Ok(arms
        .iter()
        .map(|arm| summary(arm, first, threshold))
        .collect())
}

fn summary(arm: &Arm, first: &Arm, threshold: f64) -> ArmSummary {
    let over = |of: &dyn Fn(&[Evaluation]) -> f64| -> Vec<f64> {
        arm.runs.iter().map(|run| of(run)).collect()
    };
    let at = |i: usize, of: fn(&Evaluation) -> f64| {
        interquartile_over_runs(&over(&|run| of(&run[i])), 0)
    };
    let curve: Vec<CurvePoint> = (0..arm.runs[0].len())
        .map(|i| CurvePoint {
            step: arm.runs[0][i].step,
            returns: at(i, |e| e.mean),
            overestimation: at(i, |e| e.overestimation),
        })
        .collect();
    let last = arm.runs[0].len() - 1;
    let pairs = arm.runs.iter().zip(&first.runs);
    let gains: Vec<Vec<f64>> = pairs
        .map(|(own, other)| vec![mean(own) - mean(other)])
        .collect();
    let reached = arm.runs.iter().map(|run| {
        let there = run.iter().find(|e| e.mean >= threshold);
        there.map(|e| e.step)
    });
    let seconds = over(&|run| run[last].seconds);
    ArmSummary {
        name: arm.name.clone(),
        last: at(last, |e| e.mean),
        mean: interquartile_over_runs(&over(&mean), 0),
        gain: mean_over_series(&gains, 0),
        reached: reached.collect(),
        overestimation: at(last, |e| e.overestimation),
        seconds: seconds.iter().sum::<f64>() / seconds.len() as f64,
        curve,
    }
}

/// Returns the mean return over a run's evaluations.
fn mean(run: &[Evaluation]) -> f64 {
    run.iter().map(|e| e.mean).sum::<f64>() / run.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(returns: &[f64]) -> Vec<Evaluation> {
        let evaluation = |(i, &mean): (usize, &f64)| Evaluation {
            step: 100 * (i + 1),
            mean,
            std: 1.0,
            overestimation: mean / 10.0,
            entropy_coefficient: 1.0,
            seconds: 7.0,
        };
        returns.iter().enumerate().map(evaluation).collect()
    }

    fn arm(name: &str, runs: &[&[f64]]) -> Arm {
        Arm {
            name: name.to_owned(),
            runs: runs.iter().map(|returns| run(returns)).collect(),
        }
    }

    #[test]
    fn arms_are_compared_with_the_first_seed_by_seed() {
        let arms = [
            arm("a", &[&[0.0, 10.0], &[2.0, 4.0], &[1.0, 30.0]]),
            arm("b", &[&[1.0, 11.0], &[4.0, 6.0], &[2.0, 31.0]]),
        ];
        let found = compare(&arms, 10.0).unwrap();
        assert_eq!(found[0].gain.mean, 0.0);
        assert!((found[1].gain.mean - 4.0 / 3.0).abs() < 1e-12);
        assert!(found[1].gain.low >= 1.0 && found[1].gain.high <= 2.0);
        assert_eq!(found[0].reached, [Some(200), None, Some(200)]);
        assert_eq!(found[0].steps_to_threshold(), Some(200.0));
        assert_eq!(compare(&arms, 31.0).unwrap()[1].steps_to_threshold(), None);
        let last = found[0].curve[1];
        assert_eq!((last.step, last.returns.mean), (200, 44.0 / 3.0));
        assert!((last.overestimation.mean - 4.4 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn incomparable_runs_are_refused() {
        let long = arm("a", &[&[0.0, 10.0]]);
        for other in [
            arm("b", &[&[0.0]]),
            arm("b", &[]),
            arm("b", &[&[0.0, 1.0], &[0.0, 1.0]]),
        ] {
            assert!(compare(&[long.clone(), other], 0.0).is_err());
        }
        assert!(compare(&[], 0.0).is_err());
        assert!(compare(&[arm("a", &[&[]])], 0.0).is_err());
    }
}
