//! Probabilistic ensembles of networks.

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};

use ndarray::{Array2, ArrayView2, Axis, concatenate, s};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rayon::prelude::*;

use super::{Dynamics, NormalDistributions, Steps};
use crate::network::{FitSettings, NormalNetwork};

/// Settings of an ensemble.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EnsembleSettings {
    /// Number of networks.
    pub members: usize,
    /// Training of each network.
    pub fit: FitSettings,
    /// Random seed.
    pub seed: u64,
}

impl Default for EnsembleSettings {
    fn default() -> Self {
        Self {
            members: 4,
            fit: FitSettings::default(),
            seed: 0,
        }
    }
}

/// A probabilistic ensemble (Chua et al., NeurIPS 2018): networks from state and action to the mean
/// and standard deviation of the change of state and of the reward. Members differ by
/// initialisation and batch order (Lakshminarayanan et al., NeurIPS 2017): a bootstrap would leave
/// a third of the recordings unused.
#[derive(Debug, Clone)]
pub struct Ensemble {
    members: Vec<NormalNetwork>,
}

fn concat(states: ArrayView2<f64>, actions: ArrayView2<f64>) -> Array2<f32> {
    concatenate(Axis(1), &[states, actions])
        .expect("states and actions of the same rows")
        .mapv(|x| x as f32)
}

impl Ensemble {
    /// Fits the networks to at least one step, in parallel; `progress` receives the finished
    /// fraction.
    pub fn fit(steps: &Steps, settings: EnsembleSettings, progress: &(dyn Fn(f64) + Sync)) -> Self {
        let inputs = concat(steps.states.view(), steps.actions.view());
        let changes = steps.changes.mapv(|x| x as f32);
        let members = settings.members.max(1);
        let done = Mutex::new(0.0);
        let member = |number: usize| {
            let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
            random.set_stream(number as u64);
            let last = Cell::new(0.0);
            let done = |share: f64| {
                let mut all = done.lock().unwrap_or_else(PoisonError::into_inner);
                *all += (share - last.replace(share)) / members as f64;
                progress(*all);
            };
            NormalNetwork::fit(&inputs, &changes, settings.fit, &mut random, &done)
        };
        Self {
            members: (0..members).into_par_iter().map(member).collect(),
        }
    }
}

impl Dynamics for Ensemble {
    fn name(&self) -> &'static str {
        "mlp"
    }

    fn members(&self) -> usize {
        self.members.len()
    }

    fn distributions(
        &self,
        member: usize,
        states: ArrayView2<f64>,
        actions: ArrayView2<f64>,
    ) -> NormalDistributions {
        let (mut mean, std) = self.members[member].distributions(&concat(states, actions));
        let mut next = mean.slice_mut(s![.., ..states.ncols()]);
        next += &states;
        NormalDistributions { mean, std }
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    fn spring(rows: usize) -> Steps {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let states = Array2::from_shape_fn((rows, 2), |_| 2.0 * random.random::<f64>() - 1.0);
        let actions = Array2::from_shape_fn((rows, 1), |_| 2.0 * random.random::<f64>() - 1.0);
        let changes = Array2::from_shape_fn((rows, 3), |(i, c)| {
            let (x, v, u) = (states[[i, 0]], states[[i, 1]], actions[[i, 0]]);
            [0.1 * v, 0.1 * (u - x * x * x), -x * x][c]
        });
        Steps {
            states,
            actions,
            changes,
            run: (0..rows).map(|i| i / 20).collect(),
        }
    }

    #[test]
    fn an_ensemble_learns_a_nonlinear_spring_that_a_line_cannot() {
        let (seen, held) = (spring(600), spring(60));
        let settings = EnsembleSettings {
            members: 2,
            fit: FitSettings {
                width: 32,
                updates: 1500,
                ..FitSettings::default()
            },
            seed: 0,
        };
        let error = |dynamics: &dyn Dynamics| {
            let distributions = dynamics.distributions(0, held.states.view(), held.actions.view());
            let reward = &distributions.mean.column(2) - &held.changes.column(2);
            reward.mapv(|e| e * e).mean().unwrap().sqrt()
        };
        let ensemble = Ensemble::fit(&seen, settings, &|_| ());
        let line = super::super::Ridge::fit(&seen, 2, 0);
        assert!(error(&ensemble) < 0.05, "{}", error(&ensemble));
        assert!(error(&line) > 0.2, "{}", error(&line));
    }
}
