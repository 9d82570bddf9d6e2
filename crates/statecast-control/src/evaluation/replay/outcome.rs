//! Errors of forecast rewards.

use std::path::Path;

use serde::Serialize;

use crate::evaluation::{RewardBaseline, RewardForecastErrors, RewardForecastScores};
use crate::output::{Column, OutputError, Table};

/// Errors of one estimator's forecasts.
#[derive(Debug, Clone, Serialize)]
pub struct ReplayEstimate {
    /// Name of the estimator.
    pub name: String,
    /// Errors of each run.
    pub errors: Vec<RewardForecastErrors>,
    /// Means over runs; differences are those to the mean reward, or to the first estimator without it.
    pub scores: RewardForecastScores,
    /// Number of values on the paths of all runs that were clipped to the range of their context.
    pub clipped: usize,
    /// Seconds that all runs took.
    pub seconds: f64,
}

/// What one estimator forecast for all runs.
pub(super) struct EstimatorRun {
    pub name: String,
    pub errors: Vec<RewardForecastErrors>,
    pub clipped: usize,
    pub seconds: f64,
}

/// Errors of all estimators' forecasts of remaining rewards.
#[derive(Debug, Clone, Serialize)]
pub struct ReplayOutcome {
    /// Numbers of steps after which sums are compared, in order.
    pub steps: Vec<usize>,
    /// The estimators.
    pub estimates: Vec<ReplayEstimate>,
}

impl ReplayOutcome {
    pub(super) fn of(found: Vec<EstimatorRun>, steps: &[usize]) -> Self {
        let mean = |run: &&EstimatorRun| run.name == RewardBaseline::Mean.name();
        let baseline = found.iter().find(mean).or(found.first());
        let baseline = baseline.map(|run| run.errors.clone()).unwrap_or_default();
        let estimates = found.into_iter().map(|run| ReplayEstimate {
            scores: RewardForecastScores::of(&run.errors, &baseline, steps),
            name: run.name,
            errors: run.errors,
            clipped: run.clipped,
            seconds: run.seconds,
        });
        Self {
            steps: steps.to_vec(),
            estimates: estimates.collect(),
        }
    }

    /// Says which paths were clipped, one line each.
    pub fn notes(&self) -> Vec<String> {
        let clipped = self
            .estimates
            .iter()
            .filter(|estimate| estimate.clipped > 0);
        let note = |estimate: &ReplayEstimate| {
            format!(
                "{}: {} value(s) were clipped to the range of their context",
                estimate.name, estimate.clipped
            )
        };
        clipped.map(note).collect()
    }

    /// Returns the number of runs.
    pub fn runs(&self) -> usize {
        self.estimates.first().map_or(0, |e| e.errors.len())
    }

    /// Returns the table with one row per estimator, run and number of steps.
    pub fn table(&self) -> Table {
        let (mut names, mut runs, mut after, mut percents) = (vec![], vec![], vec![], vec![]);
        for estimate in &self.estimates {
            for (run, errors) in estimate.errors.iter().enumerate() {
                for &step in &self.steps {
                    names.push(estimate.name.clone());
                    runs.push(run as f64);
                    after.push(step as f64);
                    percents.push(errors.error[step - 1]);
                }
            }
        }
        let columns = vec![
            ("forecast".to_owned(), Column::Text(names)),
            ("run".to_owned(), Column::Real(runs)),
            ("steps".to_owned(), Column::Real(after)),
            ("error_percent".to_owned(), Column::Real(percents)),
        ];
        Table::new(columns).expect("every column has a value per row")
    }

    /// Writes the [table](Self::table): .csv, .json or .parquet.
    ///
    /// # Errors
    /// [`OutputError`] if the ending is unknown or the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), OutputError> {
        self.table().write(path.as_ref())
    }
}
