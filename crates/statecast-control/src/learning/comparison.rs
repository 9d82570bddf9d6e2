//! Comparison of training arms: learning curves over seeds, and steps to a threshold.

use std::path::Path;

use serde::Serialize;

use super::{Evaluation, LearningError, PlannedRun, RunProgress, train_side_by_side};
use crate::environment::Task;
use crate::metrics::{Estimate, interquartile_over_runs, mean_over_series};
use crate::output::{Column, OutputError, Table};

/// A training configuration with its planned runs, one per seed.
#[derive(Clone)]
pub struct PlannedArm {
    /// Name.
    pub name: String,
    /// Runs, in the order of the seeds.
    pub runs: Vec<PlannedRun>,
}

/// A training configuration with its runs, one per seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
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

/// Training arms compared. The first one is the reference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The arms with all evaluations of their runs.
    pub arms: Vec<Arm>,
    /// Seeds of every arm's runs.
    pub seeds: Vec<u64>,
    /// Return that counts as learned.
    pub threshold: f64,
    /// A summary of each arm.
    pub summaries: Vec<ArmSummary>,
}

impl Comparison {
    /// Trains all unfinished runs, seed by seed over the arms, `at_once` at a time, and compares the arms. Without a
    /// threshold it is -200 for the pendulum, for other tasks the return at 90 % of the first arm's improvement.
    ///
    /// ```
    /// use statecast::learning::{Comparison, PlannedArm, PlannedRun, SacSettings, TrainingSettings};
    /// let folder = std::env::temp_dir().join(format!("statecast-arms-{}", std::process::id()));
    /// let arms = [8, 16].map(|hidden| PlannedArm {
    ///     name: format!("hidden-{hidden}"),
    ///     runs: vec![PlannedRun {
    ///         folder: folder.join(hidden.to_string()),
    ///         settings: TrainingSettings {
    ///             steps: 50,
    ///             batch: 8,
    ///             learning_starts: 40,
    ///             evaluate_every: 50,
    ///             evaluation_episodes: 1,
    ///             agent: SacSettings { hidden, ..SacSettings::default() },
    ///             ..TrainingSettings::of_task("pendulum")
    ///         },
    ///         forecaster: None,
    ///     }],
    /// });
    /// let comparison = Comparison::train(&arms, None, 2, &mut |_| ())?;
    /// assert_eq!((comparison.threshold, comparison.summaries.len()), (-200.0, 2));
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`LearningError::Run`] of the first run that fails; [`LearningError::Runs`] if arms have no runs, or runs of other
    /// seeds or tasks than the first.
    pub fn train(
        arms: &[PlannedArm],
        threshold: Option<f64>,
        at_once: usize,
        progress: &mut dyn FnMut(RunProgress),
    ) -> Result<Self, LearningError> {
        let first = arms.first().ok_or(LearningError::Runs)?;
        let planned = |arm: &PlannedArm| -> Vec<(u64, String)> {
            let runs = arm.runs.iter().map(|run| &run.settings);
            runs.map(|of| (of.seed, of.task.clone())).collect()
        };
        let common = planned(first);
        if arms.iter().any(|arm| planned(arm) != common) {
            return Err(LearningError::Runs);
        }
        let in_turn: Vec<PlannedRun> = (0..common.len())
            .flat_map(|seed| arms.iter().map(move |arm| arm.runs[seed].clone()))
            .collect();
        let found = train_side_by_side(&in_turn, at_once, progress)?;
        let of_arm = |arm| found.iter().skip(arm).step_by(arms.len()).cloned();
        let trained = arms.iter().enumerate().map(|(number, arm)| Arm {
            name: arm.name.clone(),
            runs: of_arm(number).collect(),
        });
        let own = first.runs.first();
        let own = own.filter(|run| run.settings.reward.is_none());
        let task = own.map(|run| Task::named(&run.settings.task));
        let is_pendulum = matches!(task, Some(Ok(task)) if task.name == "pendulum");
        let learned = is_pendulum.then_some(-200.0);
        let seeds = common.into_iter().map(|(seed, _)| seed).collect();
        Self::of(trained.collect(), seeds, threshold.or(learned))
    }

    /// Compares trained arms, with a run per seed. Without a threshold it is the return at 90 % of the first arm's
    /// improvement.
    ///
    /// # Errors
    /// [`LearningError::Runs`] if there is no run, not one per seed, or runs were evaluated at different steps.
    pub fn of(
        arms: Vec<Arm>,
        seeds: Vec<u64>,
        threshold: Option<f64>,
    ) -> Result<Self, LearningError> {
        let first = arms.first().ok_or(LearningError::Runs)?;
        if first.runs.len() != seeds.len() {
            return Err(LearningError::Runs);
        }
        let threshold = threshold.unwrap_or_else(|| nearly_there(first));
        let summaries = compare(&arms, threshold)?;
        Ok(Self {
            arms,
            seeds,
            threshold,
            summaries,
        })
    }

    /// Returns the table of all evaluations.
    pub fn table(&self) -> Table {
        let rows = || {
            self.arms.iter().flat_map(|arm| {
                let runs = arm.runs.iter().zip(&self.seeds);
                runs.flat_map(move |(run, &seed)| run.iter().map(move |e| (arm, seed, e)))
            })
        };
        let real = |of: fn(&Evaluation) -> f64| Column::Real(rows().map(|(.., e)| of(e)).collect());
        let names = rows().map(|(arm, ..)| arm.name.clone());
        let seeds = rows().map(|(_, seed, _)| seed as f64);
        let columns = [
            ("arm", Column::Text(names.collect())),
            ("seed", Column::Real(seeds.collect())),
            ("step", real(|e| e.step as f64)),
            ("return_mean", real(|e| e.mean)),
            ("return_deviation", real(|e| e.std)),
            ("overestimation", real(|e| e.overestimation)),
            ("temperature", real(|e| e.entropy_coefficient)),
            ("seconds", real(|e| e.seconds)),
        ];
        let columns = columns
            .into_iter()
            .map(|(name, column)| (name.to_owned(), column));
        Table::new(columns.collect()).expect("every column has a value per evaluation")
    }

    /// Writes the [table](Self::table): .csv, .json or .parquet.
    ///
    /// # Errors
    /// [`OutputError`] if the ending is unknown or the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), OutputError> {
        self.table().write(path.as_ref())
    }
}

/// Returns 90 % of the way from an arm's first to its last mean return.
fn nearly_there(arm: &Arm) -> f64 {
    let mean_at = |of: fn(&[Evaluation]) -> Option<&Evaluation>| {
        let found: Vec<f64> = arm
            .runs
            .iter()
            .filter_map(|run| Some(of(run)?.mean))
            .collect();
        found.iter().sum::<f64>() / found.len().max(1) as f64
    };
    let (first, last) = (mean_at(|run| run.first()), mean_at(|run| run.last()));
    last - 0.1 * (last - first)
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

    /// Fault: runs were numbered from 1 in the table, whatever their seeds.
    #[test]
    fn the_table_has_the_seeds_of_the_runs() {
        let arms = vec![arm("a", &[&[1.0], &[2.0]])];
        let found = Comparison::of(arms.clone(), vec![7, 9], Some(0.0)).unwrap();
        let mut csv = Vec::new();
        let format = crate::output::TableFormat::Csv;
        found.table().write_to(format, &mut csv).unwrap();
        let csv = String::from_utf8(csv).unwrap();
        assert!(csv.contains("\na,7,") && csv.contains("\na,9,"), "{csv}");
        assert!(Comparison::of(arms, vec![7], None).is_err());
    }
}
