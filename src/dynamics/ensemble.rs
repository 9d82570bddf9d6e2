//! Ensembles of networks that predict one step.

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate, s};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::{Dynamics, Laws, Steps};
use crate::network::{Activation, Adam, AdamSettings, Network, Tape};

/// Bounds of the log of a standard deviation, in units of the target's: softly kept.
const LOG_SPREAD: (f32, f32) = (-6.0, 1.0);

/// How an ensemble is made and trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EnsembleSettings {
    /// Networks.
    pub members: usize,
    /// Units of each of two hidden layers.
    pub width: usize,
    /// Steps of training.
    pub updates: usize,
    /// Transitions of a step.
    pub batch: usize,
    /// Learning rate at the start; it falls to nothing.
    pub rate: f64,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for EnsembleSettings {
    fn default() -> Self {
        Self {
            members: 4,
            width: 128,
            updates: 12_000,
            batch: 128,
            rate: 2e-3,
            seed: 0,
        }
    }
}

/// A probabilistic ensemble (Chua et al., NeurIPS 2018): networks with two hidden layers of swish
/// units from state and action to mean and spread of the change of state and of the reward. They differ
/// by where they start and what they are shown when (Lakshminarayanan et al., NeurIPS 2017): runs
/// drawn with replacement would leave a third of the recordings unseen.
#[derive(Debug, Clone)]
pub struct Ensemble {
    networks: Vec<Network>,
    inputs: Standard,
    changes: Standard,
}

/// Means and standard deviations of columns.
#[derive(Debug, Clone)]
struct Standard {
    mean: Array1<f32>,
    deviation: Array1<f32>,
}

impl Standard {
    fn of(values: &Array2<f32>) -> Self {
        let rows = values.nrows().max(1) as f32;
        let mean = values.sum_axis(Axis(0)) / rows;
        let squares = (values - &mean).mapv(|x| x * x).sum_axis(Axis(0)) / rows;
        Self {
            mean,
            deviation: squares.mapv(|v| if v > 0.0 { v.sqrt() } else { 1.0 }),
        }
    }

    fn apply(&self, values: &Array2<f32>) -> Array2<f32> {
        (values - &self.mean) / &self.deviation
    }
}

fn joined(states: ArrayView2<f64>, actions: ArrayView2<f64>) -> Array2<f32> {
    concatenate(Axis(1), &[states, actions])
        .expect("states and actions of the same rows")
        .mapv(|x| x as f32)
}

impl Ensemble {
    /// Learns from steps, at least one; `progress` is told which share of the work is done.
    pub fn fit(steps: &Steps, settings: EnsembleSettings, progress: &dyn Fn(f64)) -> Self {
        let raw = joined(steps.states.view(), steps.actions.view());
        let changes = steps.changes.mapv(|x| x as f32);
        let (standard, targets) = (Standard::of(&raw), Standard::of(&changes));
        let (inputs, outputs) = (standard.apply(&raw), targets.apply(&changes));
        let rows = inputs.nrows();
        let member = |number: usize| {
            let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
            random.set_stream(number as u64);
            let widths = [
                inputs.ncols(),
                settings.width,
                settings.width,
                2 * outputs.ncols(),
            ];
            let mut network = Network::new(&widths, Activation::Silu, &mut random)
                .expect("a state, an action, hidden units and outputs are no empty layers");
            let parameters = network.parameters().len();
            let mut adam = Adam::new(parameters, AdamSettings::with_rate(settings.rate));
            let (mut tape, mut gradients) = (Tape::default(), vec![0.0; parameters]);
            for step in 0..settings.updates {
                let left = 1.0 - step as f64 / settings.updates as f64;
                adam.settings.learning_rate = settings.rate * left;
                let picked: Vec<usize> = (0..settings.batch)
                    .map(|_| random.random_range(0..rows))
                    .collect();
                let shown: Vec<f32> = inputs.select(Axis(0), &picked).into_iter().collect();
                let wanted = outputs.select(Axis(0), &picked);
                let gradient = likelihood_gradient(network.forward(&shown, &mut tape), &wanted);
                network.backward(&mut tape, &gradient, &mut gradients);
                adam.step(network.parameters_mut(), &gradients);
                if step % 100 == 0 {
                    let done = number as f64 + step as f64 / settings.updates as f64;
                    progress(done / settings.members as f64);
                }
            }
            network
        };
        Self {
            networks: (0..settings.members.max(1)).map(member).collect(),
            inputs: standard,
            changes: targets,
        }
    }
}

/// Log of the standard deviation of a raw output, and its slope.
fn log_spread(raw: f32) -> (f32, f32) {
    let (low, high) = LOG_SPREAD;
    let (middle, half) = (0.5 * (low + high), 0.5 * (high - low));
    let bent = ((raw - middle) / half).tanh();
    (middle + half * bent, 1.0 - bent * bent)
}

/// Gradient of the mean negative log likelihood of the targets `[rows, targets]` with respect to
/// outputs `[rows, 2 targets]`, row by row.
fn likelihood_gradient(output: &[f32], targets: &Array2<f32>) -> Vec<f32> {
    let (rows, width) = targets.dim();
    let mut gradient = vec![0.0; output.len()];
    let share = 1.0 / (rows * width) as f32;
    for row in 0..rows {
        for c in 0..width {
            let (at, at_spread) = (2 * row * width + c, (2 * row + 1) * width + c);
            let (log, slope) = log_spread(output[at_spread]);
            let precision = (-2.0 * log).exp();
            let error = output[at] - targets[[row, c]];
            gradient[at] = share * precision * error;
            gradient[at_spread] = share * slope * (1.0 - precision * error * error);
        }
    }
    gradient
}

impl Dynamics for Ensemble {
    fn name(&self) -> &'static str {
        "mlp"
    }

    fn members(&self) -> usize {
        self.networks.len()
    }

    fn laws(&self, member: usize, states: ArrayView2<f64>, actions: ArrayView2<f64>) -> Laws {
        let inputs = self.inputs.apply(&joined(states, actions));
        let inputs: Vec<f32> = inputs.into_iter().collect();
        let width = self.changes.mean.len();
        let mut tape = Tape::default();
        let output = self.networks[member].forward(&inputs, &mut tape);
        let output = ArrayView2::from_shape((states.nrows(), 2 * width), output)
            .expect("a network has as many outputs as it was made with");
        let mean = &output.slice(s![.., ..width]) * &self.changes.deviation + &self.changes.mean;
        let deviation = output
            .slice(s![.., width..])
            .mapv(|raw| log_spread(raw).0.exp());
        let mut mean = mean.mapv(f64::from);
        let mut next = mean.slice_mut(s![.., ..states.ncols()]);
        next += &states;
        Laws {
            mean,
            deviation: (deviation * &self.changes.deviation).mapv(f64::from),
        }
    }
}

#[cfg(test)]
mod tests {
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
            width: 32,
            updates: 1500,
            ..EnsembleSettings::default()
        };
        let error = |dynamics: &dyn Dynamics| {
            let laws = dynamics.laws(0, held.states.view(), held.actions.view());
            let reward = &laws.mean.column(2) - &held.changes.column(2);
            reward.mapv(|e| e * e).mean().unwrap().sqrt()
        };
        let ensemble = Ensemble::fit(&seen, settings, &|_| ());
        let line = super::super::Ridge::fit(&seen, 2, 0);
        assert!(error(&ensemble) < 0.05, "{}", error(&ensemble));
        assert!(error(&line) > 0.2, "{}", error(&line));
    }

    #[test]
    fn the_gradient_is_that_of_the_likelihood() {
        let output = [0.3f32, -0.5, 0.2, -1.0];
        let target = ndarray::array![[0.1f32, 0.4]];
        let loss = |output: &[f32]| -> f64 {
            let terms = (0..2).map(|c| {
                let (log, _) = log_spread(output[2 + c]);
                let error = f64::from(output[c] - target[[0, c]]);
                f64::from(log) + 0.5 * error * error * f64::from((-2.0 * log).exp())
            });
            terms.sum::<f64>() / 2.0
        };
        let gradient = likelihood_gradient(&output, &target);
        for c in 0..4 {
            let at = |step: f32| {
                let mut moved = output;
                moved[c] += step;
                loss(&moved)
            };
            let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
            let found = f64::from(gradient[c]);
            assert!(
                (slope - found).abs() < 2e-3 * (1.0 + slope.abs()),
                "{c}: {slope} {found}"
            );
        }
    }
}
