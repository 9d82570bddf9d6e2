//! An ensemble of small neural networks, trained on the context.

use std::sync::Arc;

use candle_core::{Device, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::joint::{Joint, JointRule, ROWS, Tail};
use crate::codec::BIN_WIDTH;
use crate::density::{Mass, normal_quantile};
use crate::forecast::{Continuation, ForecastError, Predictor, Start, Variables};

const MEMBERS: usize = 5;
const HIDDEN: usize = 32;
/// Bounds of the training steps; there is one for every two rows.
const STEPS: std::ops::Range<usize> = 200..2000;
const BATCH: usize = 64;

/// Rows before the first training; the network is retrained whenever they have doubled.
const FIRST_TRAINING: usize = 32;

/// A probabilistic ensemble (Chua et al., NeurIPS 2018): five networks with one hidden layer of 32
/// units from the last three rows and the last actions to the mean and spread of every channel's
/// next increment. It is retrained on the context whenever the rows have doubled, so that rows are
/// predicted by networks that have not seen them. Other recordings of the system are learned before
/// the context. A path keeps one network.
#[derive(Debug, Clone, Default)]
pub(super) struct Mlp {
    pub(super) training: Arc<[Variables]>,
}

impl Predictor for Mlp {
    fn name(&self) -> String {
        "mlp".to_owned()
    }

    fn start(&self, start: Start) -> Result<Box<dyn Continuation>, ForecastError> {
        let (channels, actions) = (start.channels(), start.units.len());
        let ensemble = Ensemble {
            channels,
            inputs: ROWS * channels + actions,
            members: Arc::default(),
            features: Vec::new(),
            targets: Vec::new(),
            trained_on: 0,
            waits: true,
        };
        let mut joint = Joint::new(ensemble, channels, start.outcomes);
        for recording in self.training.iter() {
            let values = recording.values.as_standard_layout();
            joint.learn(start.positions(values.view()), recording.actions.view())?;
        }
        joint.change(|ensemble| ensemble.begin())?;
        Ok(Box::new(joint))
    }

    fn needs_actions(&self) -> bool {
        true
    }
}

#[derive(Debug, Clone)]
struct Ensemble {
    channels: usize,
    inputs: usize,
    members: Arc<Vec<Network>>,
    /// Past inputs and increments, row by row.
    features: Vec<f32>,
    targets: Vec<f32>,
    trained_on: usize,
    /// True while rows are collected without training.
    waits: bool,
}

/// Weights of two layers, and the spread of each target before training.
#[derive(Debug)]
struct Network {
    input: Var,
    input_bias: Var,
    output: Var,
    output_bias: Var,
    scale: Tensor,
}

impl Network {
    fn new(inputs: usize, scale: &Tensor, random: &mut ChaCha8Rng) -> candle_core::Result<Self> {
        let channels = scale.elem_count();
        let mut weights = |rows: usize, columns: usize| {
            let size = 1.0 / (rows as f64).sqrt();
            let draw = |_| (size * normal_quantile(random.random())) as f32;
            let values: Vec<f32> = (0..rows * columns).map(draw).collect();
            Var::from_vec(values, (rows, columns), &Device::Cpu)
        };
        let zeros = |width: usize| Var::zeros(width, candle_core::DType::F32, &Device::Cpu);
        Ok(Self {
            input: weights(inputs, HIDDEN)?,
            input_bias: zeros(HIDDEN)?,
            output: weights(HIDDEN, 2 * channels)?,
            output_bias: zeros(2 * channels)?,
            scale: scale.clone(),
        })
    }

    /// Means and logarithms of the spreads, in units of the targets' scale, `[rows, channels]`.
    fn forward(&self, features: &Tensor) -> candle_core::Result<(Tensor, Tensor)> {
        let hidden = features
            .matmul(&self.input)?
            .broadcast_add(&self.input_bias)?
            .silu()?;
        let out = hidden
            .matmul(&self.output)?
            .broadcast_add(&self.output_bias)?;
        let channels = self.scale.elem_count();
        // Softly bounded to a factor of e^4 on either side.
        let spread = ((out.narrow(1, channels, channels)? / 4.0)?.tanh()? * 4.0)?;
        Ok((out.narrow(1, 0, channels)?.contiguous()?, spread))
    }

    /// Means and spreads of the increments, `[rows][channels]`.
    fn predict(&self, features: &Tensor) -> candle_core::Result<Vec<Vec<(f64, f64)>>> {
        let (mean, spread) = self.forward(features)?;
        let mean = mean.broadcast_mul(&self.scale)?.to_vec2::<f32>()?;
        let spread = spread.exp()?.broadcast_mul(&self.scale)?.to_vec2::<f32>()?;
        let row = |(m, s): (Vec<f32>, Vec<f32>)| {
            let pairs = m.into_iter().zip(s);
            pairs.map(|(m, s)| (f64::from(m), f64::from(s))).collect()
        };
        Ok(mean.into_iter().zip(spread).map(row).collect())
    }

    fn train(
        &self,
        features: &Tensor,
        targets: &Tensor,
        random: &mut ChaCha8Rng,
    ) -> candle_core::Result<()> {
        let variables = [
            &self.input,
            &self.input_bias,
            &self.output,
            &self.output_bias,
        ];
        let settings = ParamsAdamW {
            lr: 0.01,
            weight_decay: 1e-3,
            ..ParamsAdamW::default()
        };
        let mut optimizer = AdamW::new(variables.map(Var::clone).to_vec(), settings)?;
        let rows = features.dim(0)?;
        let targets = targets.broadcast_div(&self.scale)?;
        let steps = (rows / 2).clamp(STEPS.start, STEPS.end);
        for step in 0..steps {
            optimizer.set_learning_rate(0.01 * (1.0 - step as f64 / steps as f64));
            let picked = (0..BATCH.min(rows)).map(|_| random.random_range(0..rows) as u32);
            let picked = Tensor::from_iter(picked, &Device::Cpu)?;
            let (mean, spread) = self.forward(&features.index_select(&picked, 0)?)?;
            let error = (targets.index_select(&picked, 0)? - mean)?;
            let squares = (error / spread.exp()?)?.sqr()?;
            let loss = ((squares / 2.0)? + spread)?.mean_all()?;
            optimizer.backward_step(&loss)?;
        }
        Ok(())
    }
}

/// Means and spreads, `[member][row][channel]`.
type MemberDistributions = Vec<Vec<Vec<(f64, f64)>>>;

impl Ensemble {
    fn features(&self, tail: &Tail) -> Option<Vec<f32>> {
        let actions = self.inputs - ROWS * self.channels;
        let complete = tail.rows.len() == ROWS && tail.actions.len() == actions;
        let values = tail.rows.iter().flatten().chain(&tail.actions);
        complete.then(|| values.map(|&x| x as f32).collect())
    }

    /// Trains on the collected rows, if any.
    fn begin(&mut self) -> Result<(), ForecastError> {
        self.waits = false;
        match self.targets.is_empty() {
            true => Ok(()),
            false => Ok(self.train()?),
        }
    }

    fn train(&mut self) -> candle_core::Result<()> {
        let rows = self.targets.len() / self.channels;
        let device = &Device::Cpu;
        let features = Tensor::from_slice(&self.features, (rows, self.inputs), device)?;
        let targets = Tensor::from_slice(&self.targets, (rows, self.channels), device)?;
        let scale = (targets.sqr()?.mean(0)?.sqrt()? + 0.3 * BIN_WIDTH)?;
        let member = |seed: usize| {
            let mut random = ChaCha8Rng::seed_from_u64(seed as u64);
            let network = Network::new(self.inputs, &scale, &mut random)?;
            network.train(&features, &targets, &mut random)?;
            Ok(network)
        };
        let members: candle_core::Result<Vec<Network>> = (0..MEMBERS).map(member).collect();
        self.members = Arc::new(members?);
        self.trained_on = rows;
        Ok(())
    }

    /// Returns the distributions of the increments after each tail; `None` before the first
    /// training.
    fn distributions(&self, tails: &[Tail]) -> Result<Option<MemberDistributions>, ForecastError> {
        let features: Option<Vec<Vec<f32>>> =
            tails.iter().map(|tail| self.features(tail)).collect();
        let Some(features) = features.filter(|_| !self.members.is_empty()) else {
            return Ok(None);
        };
        let shape = (tails.len(), self.inputs);
        let features = Tensor::from_vec(features.concat(), shape, &Device::Cpu)?;
        let distributions: candle_core::Result<_> =
            self.members.iter().map(|m| m.predict(&features)).collect();
        Ok(Some(distributions?))
    }
}

fn last(tail: &Tail, channel: usize) -> f64 {
    tail.rows.last().map_or(0.0, |row| row[channel])
}

impl JointRule for Ensemble {
    type Path = usize;

    fn learn(&mut self, tail: &Tail, row: &[f64]) -> Result<(), ForecastError> {
        let Some(features) = self.features(tail) else {
            return Ok(());
        };
        self.features.extend(features);
        let increments = row
            .iter()
            .enumerate()
            .map(|(c, y)| (y - last(tail, c)) as f32);
        self.targets.extend(increments);
        let rows = self.targets.len() / self.channels;
        if !self.waits && rows >= FIRST_TRAINING.max(2 * self.trained_on) {
            self.train()?;
        }
        Ok(())
    }

    fn densities(&self, tails: &[Tail]) -> Result<Vec<Vec<Mass>>, ForecastError> {
        let distributions = self.distributions(tails)?;
        let of_tail = |(i, tail): (usize, &Tail)| {
            let channel = |c: usize| {
                let mut mass = Mass::default();
                match &distributions {
                    Some(distributions) => distributions.iter().for_each(|member| {
                        let (mean, spread) = member[i][c];
                        let centre = 5.0 + last(tail, c) + mean;
                        mass.add_normal(1.0, centre, spread.max(0.3 * BIN_WIDTH));
                    }),
                    None if !tail.rows.is_empty() => mass.add_normal(1.0, 5.0 + last(tail, c), 1.0),
                    None => {}
                }
                mass
            };
            (0..self.channels).map(channel).collect()
        };
        Ok(tails.iter().enumerate().map(of_tail).collect())
    }

    fn path(&self, random: &mut ChaCha8Rng) -> Self::Path {
        random.random_range(0..MEMBERS)
    }

    fn draw(
        &self,
        paths: &[Self::Path],
        tails: &[Tail],
        levels: &[Vec<f64>],
    ) -> Result<Vec<Vec<f64>>, ForecastError> {
        let distributions = self.distributions(tails)?;
        let of_path = |(i, (&member, tail)): (usize, (&usize, &Tail))| {
            let channel = |c: usize| {
                let (mean, spread) = distributions
                    .as_ref()
                    .map_or((0.0, 1.0), |distributions| distributions[member][i][c]);
                last(tail, c) + mean + spread * normal_quantile(levels[i][c])
            };
            (0..self.channels).map(channel).collect()
        };
        Ok(paths.iter().zip(tails).enumerate().map(of_path).collect())
    }
}
