//! Networks trained on other recordings of the system.

use std::sync::{Arc, Mutex};

use ndarray::{Array2, ArrayView2, Axis};

use super::of_dynamics;
use crate::dynamics::{Dynamics, Ensemble, EnsembleSettings, NormalDistributions, Steps};
use crate::experts::{Simulated, Simulator, SimulatorError};
use crate::forecast::{Predictor, Variables};
use crate::network::FitSettings;

/// Fewest training steps.
const MIN_STEPS: usize = 200;

/// Updates of a training: at most, and per training step.
const UPDATES: (usize, usize) = (8_000, 4);

/// An ensemble of networks that predicts the next row from a row and its actions, trained on
/// recordings. It is an expert in addition to the online ones, and a forecaster whose paths can be
/// pooled.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use ndarray::Array2;
/// use statecast::baselines::{Learned, named};
/// use statecast::forecast::{Forecaster, Knowledge, Residual, Role, Settings, Variables};
/// // A map that online experts do not learn from twenty rows.
/// let run = |first: f64, rows: usize| {
///     let mut x = Array2::from_elem((rows, 1), first);
///     (1..rows).for_each(|t| x[[t, 0]] = 0.5 + 0.45 * (9.0 * x[[t - 1, 0]]).sin());
///     Variables::new(vec!["x".to_owned()], vec![Role::State], x)
/// };
/// let learned = Learned::fit(&[run(0.2, 300)], 0).unwrap();
/// let knowledge = Knowledge::default().with_learned(learned.simulator());
/// let score = |residual: Residual| -> Result<f64, statecast::forecast::ForecastError> {
///     let forecaster = Forecaster::of(Arc::new(residual), Settings::default());
///     Ok(forecaster.read(&run(0.4, 20))?.one_step().log_scores().sum())
/// };
/// let blank = || Residual::new(named("mean").unwrap());
/// assert!(score(blank().knowing(knowledge))? > score(blank())? + 10.0);
/// # Ok::<(), statecast::forecast::ForecastError>(())
/// ```
#[derive(Clone)]
pub struct Learned {
    ensemble: Arc<Ensemble>,
    channels: usize,
}

impl Learned {
    /// Trains on recordings of the same variables and actions; `None` if they have fewer than 200
    /// steps. The seed determines all draws.
    pub fn fit(recordings: &[Variables], seed: u64) -> Option<Self> {
        let steps = steps(recordings)?;
        let rows = steps.run.len();
        if rows < MIN_STEPS {
            return None;
        }
        let (most, of_a_step) = UPDATES;
        let settings = EnsembleSettings {
            fit: FitSettings {
                width: 64,
                batch: 64,
                updates: rows.saturating_mul(of_a_step).min(most),
                ..FitSettings::default()
            },
            seed,
            ..EnsembleSettings::default()
        };
        Some(Self {
            channels: steps.states.ncols(),
            ensemble: Arc::new(Ensemble::fit(&steps, settings, &|_| ())),
        })
    }

    /// Returns it as an expert for models that read hints or residuals.
    pub fn simulator(&self) -> Arc<Mutex<dyn Simulator>> {
        Arc::new(Mutex::new(self.clone()))
    }

    /// Returns it as a forecaster.
    pub fn predictor(&self) -> Arc<dyn Predictor> {
        of_dynamics(self.ensemble.clone(), self.channels)
    }
}

impl Simulator for Learned {
    fn next(
        &mut self,
        states: ArrayView2<f64>,
        actions: ArrayView2<f64>,
    ) -> Result<Vec<Vec<Option<Simulated>>>, SimulatorError> {
        let members = 0..self.ensemble.members();
        let distributions: Vec<NormalDistributions> = members
            .map(|member| self.ensemble.distributions(member, states, actions))
            .collect();
        let at = |row, channel| Some(pooled(&distributions, [row, channel]));
        let row = |row| (0..states.ncols()).map(|c| at(row, c)).collect();
        Ok((0..states.nrows()).map(row).collect())
    }
}

/// Returns the mean and standard deviation of an equally weighted mixture of normal distributions,
/// if finite.
fn pooled(distributions: &[NormalDistributions], at: [usize; 2]) -> Simulated {
    let count = distributions.len() as f64;
    let mean = distributions
        .iter()
        .map(|distribution| distribution.mean[at])
        .sum::<f64>()
        / count;
    let variance = distributions
        .iter()
        .map(|distribution| distribution.std[at].powi(2) + (distribution.mean[at] - mean).powi(2));
    Simulated {
        mean,
        std: Some((variance.sum::<f64>() / count).sqrt()),
    }
}

/// Returns rows and next rows of concatenated recordings; `None` if there are none.
fn steps(recordings: &[Variables]) -> Option<Steps> {
    let first = recordings.first()?;
    let (mut states, mut actions) = (
        Array2::zeros((0, first.values.ncols())),
        Array2::zeros((0, first.actions.ncols())),
    );
    let (mut changes, mut run) = (states.clone(), Vec::new());
    for (number, recording) in recordings.iter().enumerate() {
        let rows = recording.rows();
        let follows: Vec<usize> = (1..rows).filter(|&t| !recording.begins[t]).collect();
        let before: Vec<usize> = follows.iter().map(|t| t - 1).collect();
        let (at, next) = (
            recording.values.select(Axis(0), &before),
            recording.values.select(Axis(0), &follows),
        );
        let taken = recording.actions.select(Axis(0), &before);
        let like = "variables and actions are those of the first recording";
        changes.append(Axis(0), (&next - &at).view()).expect(like);
        states.append(Axis(0), at.view()).expect(like);
        actions.append(Axis(0), taken.view()).expect(like);
        run.extend(follows.iter().map(|_| number));
    }
    Some(Steps {
        states,
        actions,
        changes,
        run,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::Role;

    fn recording(values: Vec<f64>, begins: &[usize]) -> Variables {
        let rows = values.len();
        let values = Array2::from_shape_vec((rows, 1), values).unwrap();
        let mut recording = Variables::new(vec!["x".to_owned()], vec![Role::State], values);
        begins.iter().for_each(|&t| recording.begins[t] = true);
        recording
    }

    #[test]
    fn no_step_leads_from_one_run_to_the_next() {
        let runs = [
            recording(vec![0.0, 1.0, 7.0, 9.0], &[2]),
            recording(vec![5.0, 4.0], &[]),
        ];
        let steps = steps(&runs).unwrap();
        assert_eq!(steps.states.into_raw_vec_and_offset().0, [0.0, 7.0, 5.0]);
        assert_eq!(steps.changes.into_raw_vec_and_offset().0, [1.0, 2.0, -1.0]);
        assert_eq!(steps.run, [0, 0, 1]);
    }

    #[test]
    fn from_few_steps_nothing_is_learned() {
        assert!(Learned::fit(&[], 0).is_none());
        assert!(Learned::fit(&[recording(vec![0.0; 200], &[])], 0).is_none());
    }

    #[test]
    fn members_that_differ_widen_what_they_say_together() {
        let distribution = |mean: f64| NormalDistributions {
            mean: Array2::from_elem((1, 1), mean),
            std: Array2::from_elem((1, 1), 3.0),
        };
        let said = pooled(&[distribution(-4.0), distribution(4.0)], [0, 0]);
        assert_eq!((said.mean, said.std), (0.0, Some(5.0)));
    }
}
