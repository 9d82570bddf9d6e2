//! A simulator, asked in the recording's units about positions on axes.

use std::sync::{Arc, Mutex, PoisonError};

use ndarray::Array2;

use super::{ForecastError, Start};
use crate::codec::Axis;
use crate::experts::{CENTRE, Simulated, Simulator, ask};

/// A simulator and the channels that it is asked about.
#[derive(Clone)]
pub(super) struct AxisSimulator {
    simulator: Arc<Mutex<dyn Simulator>>,
    names: Vec<String>,
    axes: Vec<Axis>,
    /// Indices of the channels that are forecast; the others are constant.
    active: Vec<usize>,
    actions: usize,
}

impl AxisSimulator {
    pub(super) fn new(
        simulator: &Arc<Mutex<dyn Simulator>>,
        start: &Start,
    ) -> Result<Self, ForecastError> {
        if !start.encoding.disentangler().is_identity() {
            return Err(ForecastError::SimulatedComponents);
        }
        Ok(Self {
            simulator: Arc::clone(simulator),
            names: start.encoding.channel_names().to_vec(),
            axes: start.encoding.axes().to_vec(),
            active: start.active.to_vec(),
            actions: start.taken(),
        })
    }

    /// Predictions of what follows rows of positions and actions, of the channels that are
    /// forecast, as experts have them. `row` is the number of the row that is predicted.
    pub(super) fn next(
        &self,
        row: usize,
        rows: &[(&[f64], &[f64])],
    ) -> Result<Vec<Vec<Option<Simulated>>>, ForecastError> {
        let middle = self.axes.iter().map(|axis| axis.value(CENTRE));
        let middle: Vec<f64> = middle.collect();
        let mut states = Array2::from_shape_fn((rows.len(), middle.len()), |(_, c)| middle[c]);
        for (i, (positions, _)) in rows.iter().enumerate() {
            for (&c, &position) in self.active.iter().zip(*positions) {
                states[[i, c]] = self.axes[c].value(position);
            }
        }
        let actions = Array2::from_shape_fn((rows.len(), self.actions), |(i, a)| {
            rows[i].1.get(a).copied().unwrap_or(0.0)
        });
        let simulator = &mut *self
            .simulator
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let said = ask(simulator, &self.names, states.view(), actions.view());
        let said = said.map_err(|source| ForecastError::Simulator { row, source })?;
        Ok(said.iter().map(|row| self.positions(row)).collect())
    }

    fn positions(&self, row: &[Option<Simulated>]) -> Vec<Option<Simulated>> {
        let of = |&c: &usize| {
            let axis = &self.axes[c];
            row[c].map(|said| Simulated {
                mean: axis.position(said.mean) - CENTRE,
                std: said.std.map(|std| std / axis.unit()),
            })
        };
        self.active.iter().map(of).collect()
    }
}
