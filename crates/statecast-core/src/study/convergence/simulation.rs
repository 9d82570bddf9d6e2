//! Simulated runs.

use super::{ConvergenceStudyError, OptimisationRun, OptimisationRuns};
use crate::convergence::{Descent, DescentRun, Landscape};
use crate::output::{Column, Table};

/// Name of the metric of simulated runs.
const LOSS: &str = "loss";

/// Runs of gradient descent on a function with known minima.
///
/// ```
/// use statecast::convergence::Landscape;
/// use statecast::study::convergence::Simulation;
/// let mut simulation = Simulation::new(Landscape::DoubleWell);
/// simulation.descent.steps = 50;
/// let simulated = simulation.run("x")?;
/// let runs = simulated.into_runs();
/// assert_eq!((runs.runs.len(), runs.runs[0].values.len()), (20, 50));
/// # Ok::<(), statecast::study::ConvergenceStudyError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Simulation {
    /// Function, step size, noise and steps.
    pub descent: Descent,
    /// Number of runs.
    pub runs: usize,
    /// Seed of starts and noise.
    pub seed: u64,
}

/// Simulated runs, with all that they log.
#[derive(Debug, Clone)]
pub struct SimulatedRuns {
    simulation: Simulation,
    column: String,
    /// Number of the parameter that is the column; none if it is the loss.
    parameter: Option<usize>,
    runs: Vec<DescentRun>,
}

impl Simulation {
    /// Twenty runs of 1000 steps of 0.02, with a noise of 0.5.
    pub fn new(landscape: Landscape) -> Self {
        Self {
            descent: Descent {
                landscape,
                step_size: 0.02,
                noise: 0.5,
                floor: 0.0,
                steps: 1000,
            },
            runs: 20,
            seed: 0,
        }
    }

    /// Simulates the runs, of which a column is going to be forecast: `loss` or a parameter.
    ///
    /// # Errors
    /// [`ConvergenceStudyError::NoRuns`], [`ConvergenceStudyError::Convergence`] for settings of
    /// the descent that cannot be, [`ConvergenceStudyError::NoColumn`] for another column.
    pub fn run(self, column: &str) -> Result<SimulatedRuns, ConvergenceStudyError> {
        if self.runs == 0 {
            return Err(ConvergenceStudyError::NoRuns);
        }
        let descent = self.descent.checked(self.runs)?;
        let parameter = self.parameter(column);
        if parameter.is_none() && column != LOSS {
            let parameters = descent.landscape.parameters().iter();
            return Err(ConvergenceStudyError::NoColumn {
                column: column.to_owned(),
                parameters: parameters.map(|&name| name.to_owned()).collect(),
            });
        }
        let run = |number| {
            let start = descent.start(self.seed, number);
            descent.run(&start, self.seed, number)
        };
        Ok(SimulatedRuns {
            simulation: self,
            column: column.to_owned(),
            parameter,
            runs: (0..self.runs as u64).map(run).collect(),
        })
    }

    /// Returns the number of a parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<usize> {
        let parameters = self.descent.landscape.parameters();
        parameters.iter().position(|known| *known == name)
    }
}

impl SimulatedRuns {
    /// Returns all that the runs log: one row per run and step.
    pub fn table(&self) -> Table {
        let steps = self.simulation.descent.steps;
        let count = self.runs.len();
        let numbers = (0..count).flat_map(|run| std::iter::repeat_n(run as i64, steps));
        let rows = (0..count).flat_map(|_| 0..steps as i64);
        let loss = self.runs.iter().flat_map(|run| run.loss.clone());
        let mut columns = vec![
            ("run_id".to_owned(), Column::Integer(numbers.collect())),
            ("step".to_owned(), Column::Integer(rows.collect())),
            (LOSS.to_owned(), Column::Real(loss.collect())),
        ];
        let parameters = self.simulation.descent.landscape.parameters();
        for (p, name) in parameters.iter().enumerate() {
            let runs = self.runs.iter();
            let values = runs.flat_map(|run| run.parameters.column(p).to_vec());
            columns.push(((*name).to_owned(), Column::Real(values.collect())));
        }
        Table::new(columns).expect("every step has an entry in each column")
    }

    /// Returns the column that is going to be forecast.
    pub fn into_runs(self) -> OptimisationRuns {
        let values = |run: DescentRun| match self.parameter {
            Some(parameter) => run.parameters.column(parameter).to_vec(),
            None => run.loss,
        };
        let runs = self.runs.into_iter().enumerate();
        let runs = runs.map(|(number, run)| OptimisationRun::new(number.to_string(), values(run)));
        OptimisationRuns {
            runs: runs.collect(),
            column: self.column,
            simulation: Some(self.simulation),
        }
    }
}
