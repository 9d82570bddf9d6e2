//! What the user knows about a system.

use std::sync::{Arc, Mutex, PoisonError};

use crate::experts::{Simulator, SimulatorError, SimulatorProgram};
use crate::forecast::Knowledge;

/// What the user knows about a system, for the experts of those who read residuals: a simulator of it, the
/// period of its season.
#[derive(Clone, Default)]
pub struct System {
    simulator: Option<Arc<Mutex<SimulatorProgram>>>,
    period: Option<usize>,
}

impl System {
    /// Rows after a first period until its expert counts: it learns from two errors.
    pub const ROWS_AFTER_PERIOD: usize = 3;

    /// The same, with a program that predicts next states.
    pub fn with_simulator(mut self, program: SimulatorProgram) -> Self {
        self.simulator = Some(Arc::new(Mutex::new(program)));
        self
    }

    /// The same, with a season of so many rows.
    pub fn with_period(mut self, rows: usize) -> Self {
        self.period = Some(rows);
        self
    }

    /// Rows of the season, if they are known.
    pub fn period(&self) -> Option<usize> {
        self.period
    }

    /// Whether there is a simulator. It is not asked about backtests, and other forecasters do not know it, so
    /// that paths are not pooled.
    pub fn simulates(&self) -> bool {
        self.simulator.is_some()
    }

    /// Ends the simulator.
    ///
    /// # Errors
    /// [`SimulatorError`] if it has written more answers than it was asked for.
    pub fn finish(&self) -> Result<(), SimulatorError> {
        match &self.simulator {
            Some(simulator) => {
                let mut simulator = simulator.lock().unwrap_or_else(PoisonError::into_inner);
                simulator.finish()
            }
            None => Ok(()),
        }
    }

    /// What it says, for experts.
    pub(super) fn knowledge(&self) -> Knowledge {
        let mut knowledge = Knowledge::default();
        if let Some(simulator) = &self.simulator {
            let simulator: Arc<Mutex<dyn Simulator>> = simulator.clone();
            knowledge = knowledge.with_simulator(simulator);
        }
        match self.period {
            Some(period) => knowledge.with_period(period),
            None => knowledge,
        }
    }
}
