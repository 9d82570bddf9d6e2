//! Minima that runs reach from unseen starts.

use std::path::Path;

use serde::Serialize;

use super::settings::check_reading;
use super::{
    ConvergenceStudyError, NamedForecaster, OptimisationRun, OptimisationRuns, Simulation,
};
use crate::analysis::total_variation;
use crate::convergence::{TransitionKernel, minima_of_ends, nearest};
use crate::forecast::Settings;
use crate::forecasters::{Combining, Forecasters};
use crate::metrics::{Estimate, block_bootstrap};
use crate::output::{Column, OutputError, Table};
use crate::study::Observer;

/// Simulated runs per unseen start, for the true distribution.
pub const TRUE_RUNS: usize = 400;

/// Rows of a run in the context of a forecaster.
const CONTEXT: usize = 100;

/// Largest number of steps over all simulated runs.
const MAX_STEPS: usize = 500_000_000;

/// Least probability in a log score.
const MIN_PROBABILITY: f64 = 1e-9;

/// Which runs forecasters read, and where the minima are.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MinimaSettings {
    /// Runs in the context, the first ones; the others give unseen starts and their actual minima.
    pub context_runs: usize,
    /// Positions of the minima; by default those of the simulated function, or where the context
    /// runs end.
    pub at: Vec<f64>,
    /// Seed of the intervals.
    pub seed: u64,
    /// How predictors read: their temperature and tolerance. The method is `vicl`, the axis that of
    /// the values.
    pub forecast: Settings,
    /// How densities are mixed and corrected.
    pub combining: Combining,
}

impl Default for MinimaSettings {
    /// Ten runs in the context.
    fn default() -> Self {
        Self {
            context_runs: 10,
            at: Vec::new(),
            seed: 0,
            forecast: Settings::default(),
            combining: Combining::default(),
        }
    }
}

impl MinimaSettings {
    /// Checks what can be checked before anything is read.
    ///
    /// # Errors
    /// [`ConvergenceStudyError`] for the first setting that cannot be.
    pub fn check(&self) -> Result<(), ConvergenceStudyError> {
        check_reading(self.forecast)
    }
}

/// Forecasts of the minima that runs of a parameter reach from unseen starts.
///
/// ```
/// use statecast::convergence::Landscape;
/// use statecast::forecasters::{ForecasterName, Forecasters};
/// use statecast::study::convergence::{MinimaSettings, MinimaStudy, NamedForecaster, Simulation};
/// let mut simulation = Simulation::new(Landscape::DoubleWell);
/// simulation.descent.steps = 100;
/// simulation.runs = 12;
/// let runs = simulation.run("x")?.into_runs();
/// let study = MinimaStudy::new(&runs, MinimaSettings::default(), &())?;
/// let names = NamedForecaster::list(Some(&["knn".to_owned()]), &[])?;
/// let forecasters = Forecasters::new(&[names[0].name.clone()], Vec::new())?;
/// let minima = study.run(&forecasters, &names, &())?;
/// assert_eq!((minima.minima.as_slice(), minima.starts.len()), (&[-1.0, 1.0][..], 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MinimaStudy<'r> {
    runs: &'r OptimisationRuns,
    settings: MinimaSettings,
    shown: Vec<Vec<f64>>,
    /// Runs that are not shown, with their numbers.
    unseen: Vec<(usize, &'r OptimisationRun)>,
    minima: Vec<f64>,
}

/// Which minimum runs reach, by unseen start and forecaster.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Minima {
    /// Name of the parameter.
    pub parameter: String,
    /// Positions of the minima, ascending.
    pub minima: Vec<f64>,
    /// Runs in the context.
    pub context_runs: usize,
    /// Rows of the log per step of the kernels.
    pub stride: usize,
    /// Rows of the longest unseen run.
    pub rows: usize,
    /// The unseen starts.
    pub starts: Vec<MinimaStart>,
    /// Scores of the forecasters.
    pub scores: Vec<MinimaScore>,
}

/// An unseen start.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MinimaStart {
    /// The run's label, or its number.
    pub run: String,
    /// Position of the start.
    pub start: f64,
    /// Fraction of the runs from there that end at each minimum: over many simulated ones, or of
    /// the logged one.
    pub actual: Vec<f64>,
    /// Forecast probabilities of the minima, `[forecaster][minimum]`.
    pub forecast: Vec<Vec<f64>>,
}

/// Scores of a forecaster over the unseen starts.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MinimaScore {
    /// Name of the forecaster.
    pub name: String,
    /// Mean total variation from the actual fractions.
    pub total_variation: Estimate,
    /// Mean log probability of the reached minimum, in nats.
    pub log_score: Estimate,
}

impl<'r> MinimaStudy<'r> {
    /// Rows of a run that a forecaster reads at most.
    pub const CONTEXT: usize = CONTEXT;

    /// Separates the runs in the context from unseen ones. Unseen runs that diverge are left out
    /// with a warning.
    ///
    /// # Errors
    /// [`ConvergenceStudyError`] if the settings cannot be.
    pub fn new(
        runs: &'r OptimisationRuns,
        settings: MinimaSettings,
        observer: &dyn Observer,
    ) -> Result<Self, ConvergenceStudyError> {
        settings.check()?;
        let all = &runs.runs;
        if !(1..all.len()).contains(&settings.context_runs) {
            return Err(ConvergenceStudyError::ContextRuns {
                context: settings.context_runs,
                runs: all.len(),
            });
        }
        let shown = all[..settings.context_runs].iter();
        let shown: Vec<Vec<f64>> = shown.map(|run| run.values.clone()).collect();
        let unseen = all.iter().enumerate().skip(settings.context_runs);
        let unseen: Vec<_> = unseen.filter(|(_, run)| run.is_finite()).collect();
        let diverging = all.len() - settings.context_runs - unseen.len();
        if diverging > 0 {
            observer.warning(&format!(
                "{diverging} unseen run(s) diverge and are left out"
            ));
        }
        if let Some(simulation) = &runs.simulation {
            let steps = simulation.descent.steps;
            let work = TRUE_RUNS.saturating_mul(unseen.len());
            if work.saturating_mul(steps) > MAX_STEPS {
                let starts = unseen.len();
                return Err(ConvergenceStudyError::TooManySteps { starts, steps });
            }
        }
        let minima = positions(runs, &settings.at, &shown)?;
        Ok(Self {
            runs,
            settings,
            shown,
            unseen,
            minima,
        })
    }

    /// Forecasts the minima from all unseen starts; `forecasters` has the predictors of the names.
    ///
    /// # Errors
    /// [`ConvergenceStudyError`] if a name makes no forecaster, a forecaster fails, or no run is
    /// left to forecast.
    pub fn run(
        &self,
        forecasters: &Forecasters,
        names: &[NamedForecaster],
        observer: &dyn Observer,
    ) -> Result<Minima, ConvergenceStudyError> {
        let MinimaSettings {
            forecast,
            combining,
            ..
        } = self.settings;
        let mut kernels = Vec::new();
        for NamedForecaster { name, .. } in names {
            let predictor = forecasters.predictor(name, forecast, combining)?;
            let kernel = TransitionKernel::infer(&predictor, forecast, &self.shown, CONTEXT)?;
            kernels.push(kernel);
            observer.progress(kernels.len() as f64 / (names.len() + 1) as f64);
        }
        let mut starts = Vec::new();
        for &(number, run) in &self.unseen {
            let (Some(&start), Some(&end)) = (run.values.first(), run.values.last()) else {
                continue;
            };
            let actual = match &self.runs.simulation {
                Some(simulation) => self.true_shares(simulation, number)?,
                None => {
                    let mut actual = vec![0.0; self.minima.len()];
                    actual[nearest(end, &self.minima)] = 1.0;
                    actual
                }
            };
            let rows = run.values.len() - 1;
            let forecast = kernels.iter();
            starts.push(MinimaStart {
                run: run.name.clone(),
                start,
                actual,
                forecast: forecast
                    .map(|kernel| kernel.minima(start, rows, &self.minima))
                    .collect(),
            });
        }
        if starts.is_empty() {
            return Err(ConvergenceStudyError::NothingLeft);
        }
        let rows = self.unseen.iter().map(|(_, run)| run.values.len());
        let scores = names.iter().enumerate();
        let scores = scores.map(|(number, of)| {
            MinimaScore::of(of.label.clone(), number, &starts, self.settings.seed)
        });
        Ok(Minima {
            parameter: self.runs.column.clone(),
            minima: self.minima.clone(),
            context_runs: self.settings.context_runs,
            stride: kernels.first().map_or(1, TransitionKernel::stride),
            rows: rows.max().unwrap_or(0),
            scores: scores.collect(),
            starts,
        })
    }

    /// Returns the fractions of runs from the start of a simulated one that end at each minimum.
    fn true_shares(
        &self,
        simulation: &Simulation,
        run: usize,
    ) -> Result<Vec<f64>, ConvergenceStudyError> {
        let index = parameter(simulation, &self.runs.column)?;
        let Simulation { descent, seed, .. } = *simulation;
        let start = descent.start(seed, run as u64);
        let mut shares = vec![0.0; self.minima.len()];
        for other in 0..TRUE_RUNS {
            let number = (run * TRUE_RUNS + other) as u64;
            let end = descent.end(&start, seed.wrapping_add(1), number)[index];
            if !end.is_finite() {
                return Err(ConvergenceStudyError::Diverges(run));
            }
            shares[nearest(end, &self.minima)] += 1.0 / TRUE_RUNS as f64;
        }
        Ok(shares)
    }
}

fn parameter(simulation: &Simulation, name: &str) -> Result<usize, ConvergenceStudyError> {
    let index = simulation.parameter(name);
    index.ok_or_else(|| ConvergenceStudyError::NoParameter(name.to_owned()))
}

/// Returns the positions of the minima, ascending.
fn positions(
    runs: &OptimisationRuns,
    given: &[f64],
    shown: &[Vec<f64>],
) -> Result<Vec<f64>, ConvergenceStudyError> {
    let mut positions = match &runs.simulation {
        _ if !given.is_empty() => given.to_vec(),
        Some(simulation) => {
            let index = parameter(simulation, &runs.column)?;
            let minima = simulation.descent.landscape.minima().iter();
            minima.map(|minimum| minimum[index]).collect()
        }
        None => minima_of_ends(shown),
    };
    if positions.is_empty() || !positions.iter().all(|position| position.is_finite()) {
        return Err(ConvergenceStudyError::At);
    }
    positions.sort_by(f64::total_cmp);
    Ok(positions)
}

impl MinimaScore {
    fn of(name: String, number: usize, starts: &[MinimaStart], seed: u64) -> Self {
        let mean = |score: &dyn Fn(&[f64], &[f64]) -> f64| {
            let scores = starts
                .iter()
                .map(|start| score(&start.forecast[number], &start.actual));
            block_bootstrap(&scores.collect::<Vec<_>>(), 1, seed)
        };
        let log_score = |forecast: &[f64], actual: &[f64]| -> f64 {
            let each = forecast.iter().zip(actual);
            each.map(|(p, share)| share * p.max(MIN_PROBABILITY).ln())
                .sum()
        };
        Self {
            name,
            total_variation: mean(&total_variation),
            log_score: mean(&log_score),
        }
    }
}

impl Minima {
    /// Returns the forecasts: one row per start, forecaster and minimum.
    pub fn table(&self) -> Table {
        let (mut runs, mut names) = (Vec::new(), Vec::new());
        let [mut starts, mut minima, mut probabilities, mut actual] = [const { Vec::new() }; 4];
        for start in &self.starts {
            for (score, forecast) in self.scores.iter().zip(&start.forecast) {
                for (m, &minimum) in self.minima.iter().enumerate() {
                    runs.push(start.run.clone());
                    names.push(score.name.clone());
                    starts.push(start.start);
                    minima.push(minimum);
                    probabilities.push(forecast[m]);
                    actual.push(start.actual[m]);
                }
            }
        }
        let columns = [
            ("run", Column::Text(runs)),
            ("start", Column::Real(starts)),
            ("forecaster", Column::Text(names)),
            ("minimum", Column::Real(minima)),
            ("probability", Column::Real(probabilities)),
            ("actual", Column::Real(actual)),
        ];
        let named = columns.map(|(name, column)| (name.to_owned(), column));
        Table::new(named.into()).expect("every forecast has an entry in each column")
    }

    /// Writes the [table](Self::table): .csv, .json or .parquet. All numbers are written by
    /// [`write_json`](crate::output::write_json).
    ///
    /// # Errors
    /// [`OutputError`] if the ending is unknown or the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), OutputError> {
        self.table().write(path.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(ends: &[f64]) -> OptimisationRuns {
        let run = |(number, &end): (usize, &f64)| {
            let value = |t: usize| end * (1.0 - (-(t as f64) / 10.0).exp());
            OptimisationRun::new(number.to_string(), (0..60).map(value).collect())
        };
        OptimisationRuns {
            column: "x".to_owned(),
            runs: ends.iter().enumerate().map(run).collect(),
            simulation: None,
        }
    }

    #[test]
    fn logged_runs_end_at_the_nearest_minimum() {
        let runs = runs(&[-1.0, 1.0, -1.1, 0.9, f64::NAN]);
        let mut settings = MinimaSettings {
            context_runs: 2,
            ..MinimaSettings::default()
        };
        let study = MinimaStudy::new(&runs, settings.clone(), &()).unwrap();
        let names = NamedForecaster::list(Some(&["knn".to_owned()]), &[]).unwrap();
        let forecasters = Forecasters::new(&[names[0].name.clone()], Vec::new()).unwrap();
        let found = study.run(&forecasters, &names, &()).unwrap();
        let actual: Vec<&[f64]> = found.starts.iter().map(|s| s.actual.as_slice()).collect();
        assert_eq!(actual, [[1.0, 0.0], [0.0, 1.0]]);
        assert_eq!((found.rows, found.scores.len()), (60, 1));
        settings.context_runs = 5;
        let refused = MinimaStudy::new(&runs, settings.clone(), &())
            .err()
            .unwrap();
        assert!(
            refused.to_string().starts_with("`context-runs=5`: 5 runs"),
            "{refused}"
        );
        settings.context_runs = 2;
        settings.at = vec![f64::INFINITY];
        let refused = MinimaStudy::new(&runs, settings, &()).err().unwrap();
        assert!(refused.to_string().starts_with("`at=`"), "{refused}");
    }
}
