//! A learned one-step model as a forecaster of channels.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array1, Array2, Array3, ArrayView1, aview1, s};
use rand::RngExt;

use crate::codec::{BIN_COUNT, BIN_WIDTH};
use crate::density::{Mass, normal_quantile};
use crate::dynamics::{Dynamics, NormalDistributions};
use crate::forecast::{
    Continuation, Densities, Encoding, ForecastError, Observed, Paths, Point, Predictor, Start,
};

/// Smallest standard deviation of a density, in axis units: differences within a bin are not
/// resolved.
const MIN_STD: f64 = 0.3 * BIN_WIDTH;

/// A fixed one-step model that does not learn from the context. The variables are the states and,
/// if there is one more, the reward of the step before. A path keeps one member of the model.
#[derive(Clone)]
pub(super) struct OneStepModel {
    pub(super) dynamics: Arc<dyn Dynamics>,
    /// Number of the model's states.
    pub(super) states: usize,
}

impl Predictor for OneStepModel {
    fn name(&self) -> String {
        self.dynamics.name().to_owned()
    }

    fn start(&self, start: Start) -> Result<Box<dyn Continuation>, ForecastError> {
        Ok(Box::new(OneStepPaths {
            dynamics: self.dynamics.clone(),
            states: self.states,
            encoding: start.encoding.clone(),
            active: start.active.to_vec(),
            tails: vec![Tail::default()],
            members: Vec::new(),
        }))
    }

    fn needs_actions(&self) -> bool {
        true
    }
}

/// The last row of a path.
#[derive(Debug, Clone, Default)]
struct Tail {
    /// States; empty before the first row.
    states: Vec<f64>,
    actions: Vec<f64>,
}

struct OneStepPaths {
    dynamics: Arc<dyn Dynamics>,
    states: usize,
    encoding: Encoding,
    active: Vec<usize>,
    tails: Vec<Tail>,
    /// One per path after a fork.
    members: Vec<usize>,
}

/// Normal distributions of the channels in axis units, `[rows, active channels]`.
struct OnAxes {
    centre: Array2<f64>,
    spread: Array2<f64>,
}

impl OneStepPaths {
    /// Returns the states for positions of the active channels.
    fn states_of(&self, positions: impl Iterator<Item = f64>) -> Vec<f64> {
        let axes = self.encoding.axes();
        let mut channels: Array1<f64> = axes.iter().map(|axis| axis.value(0.0)).collect();
        for (&channel, position) in self.active.iter().zip(positions) {
            channels[channel] = axes[channel].value(position);
        }
        let variables = self.encoding.variables(channels.view());
        variables.iter().take(self.states).copied().collect()
    }

    /// Maps distributions of the variables to the axes of the channels, an affine map.
    fn on_axes(&self, distributions: &NormalDistributions) -> OnAxes {
        let disentangler = self.encoding.disentangler();
        let variables = disentangler.variables();
        let mean = distributions.mean.slice(s![.., ..variables]);
        let variance = distributions.std.slice(s![.., ..variables]).mapv(|d| d * d);
        let channels = disentangler.to_channels(mean);
        let squared = disentangler.unmixing().mapv(|f| f * f);
        let variance = variance.dot(&squared.t());
        let shape = (mean.nrows(), self.active.len());
        let axis = |i: usize| &self.encoding.axes()[self.active[i]];
        OnAxes {
            centre: Array2::from_shape_fn(shape, |(row, i)| {
                axis(i).position(channels[[row, self.active[i]]])
            }),
            spread: Array2::from_shape_fn(shape, |(row, i)| {
                let std = variance[[row, self.active[i]]].sqrt();
                (std / axis(i).unit()).max(MIN_STD)
            }),
        }
    }

    /// Predicts the rows after some tails by one member.
    fn distributions(&self, member: usize, tails: &[&Tail]) -> OnAxes {
        let actions = tails.first().map_or(0, |tail| tail.actions.len());
        let states = Array2::from_shape_fn((tails.len(), self.states), |(i, j)| tails[i].states[j]);
        let actions = Array2::from_shape_fn((tails.len(), actions), |(i, j)| tails[i].actions[j]);
        let distributions = self
            .dynamics
            .distributions(member, states.view(), actions.view());
        self.on_axes(&distributions)
    }

    /// Returns the densities `[rows, active channels, 1000]` of the rows after some tails.
    fn densities(&self, tails: &[&Tail]) -> Array3<f32> {
        let known: Vec<&Tail> = tails
            .iter()
            .copied()
            .filter(|t| !t.states.is_empty())
            .collect();
        let distributions: Vec<OnAxes> = match known.is_empty() {
            true => Vec::new(),
            false => (0..self.dynamics.members())
                .map(|m| self.distributions(m, &known))
                .collect(),
        };
        let mut densities = Array3::zeros((tails.len(), self.active.len(), BIN_COUNT));
        let mut row = 0;
        for (i, tail) in tails.iter().enumerate() {
            for c in 0..self.active.len() {
                let mut mass = Mass::default();
                if !tail.states.is_empty() {
                    for distribution in &distributions {
                        mass.add_normal(
                            1.0,
                            distribution.centre[[row, c]],
                            distribution.spread[[row, c]],
                        );
                    }
                }
                let mass: Vec<f32> = mass.density().collect();
                densities.slice_mut(s![i, c, ..]).assign(&aview1(&mass));
            }
            row += usize::from(!tail.states.is_empty());
        }
        densities
    }

    fn tail(&self, positions: impl Iterator<Item = f64>, actions: ArrayView1<f64>) -> Tail {
        Tail {
            states: self.states_of(positions),
            actions: actions.to_vec(),
        }
    }
}

impl Continuation for OneStepPaths {
    fn batch(&self) -> usize {
        self.active.len() * self.tails.len()
    }

    fn observe(
        &mut self,
        rows: Observed,
        wanted: Range<usize>,
    ) -> Result<Densities, ForecastError> {
        let of_row = |t: usize| {
            let positions = rows.positions.row(t);
            let positions = positions.iter().map(|&y| Point::of(y).position());
            self.tail(positions, rows.actions.row(t))
        };
        let before: Vec<Tail> = std::iter::once(self.tails[0].clone())
            .chain((0..rows.len()).map(of_row))
            .collect();
        let asked: Vec<&Tail> = before[wanted].iter().collect();
        let densities = self.densities(&asked);
        self.tails[0] = before.last().cloned().unwrap_or_default();
        Ok(densities.into())
    }

    fn next_densities(&mut self) -> Result<Densities, ForecastError> {
        let tails: Vec<&Tail> = self.tails.iter().collect();
        let densities = self.densities(&tails);
        let by_channel = densities.permuted_axes([1, 0, 2]);
        Ok(Densities::of_row(by_channel.iter().copied().collect()))
    }

    fn draw(&mut self, levels: &[f64]) -> Result<Vec<Point>, ForecastError> {
        let paths = self.tails.len();
        let mut drawn = vec![Point::of(0.0); self.batch()];
        for member in 0..self.dynamics.members() {
            let of_member: Vec<usize> = (0..paths)
                .filter(|&path| self.members[path] == member)
                .collect();
            let tails: Vec<&Tail> = of_member.iter().map(|&path| &self.tails[path]).collect();
            if tails.is_empty() || tails[0].states.is_empty() {
                continue;
            }
            let distributions = self.distributions(member, &tails);
            for (row, &path) in of_member.iter().enumerate() {
                for c in 0..self.active.len() {
                    let at = c * paths + path;
                    let z = normal_quantile(levels[at]);
                    drawn[at] = Point::of(
                        distributions.centre[[row, c]] + distributions.spread[[row, c]] * z,
                    );
                }
            }
        }
        Ok(drawn)
    }

    fn advance(&mut self, values: &[Point], actions: &[f64]) -> Result<(), ForecastError> {
        let paths = self.tails.len();
        let width = self.tails.first().map_or(0, |tail| tail.actions.len());
        let tails = (0..paths).map(|path| {
            let positions = (0..self.active.len()).map(|c| values[c * paths + path].position());
            // Without future actions, those of the last row are held.
            let taken = actions.get(path * width..(path + 1) * width);
            let taken = taken.unwrap_or(&self.tails[path].actions);
            self.tail(positions, aview1(taken))
        });
        self.tails = tails.collect();
        Ok(())
    }

    fn fork(&self, paths: Paths, _steps: usize) -> Result<Box<dyn Continuation>, ForecastError> {
        let member = |path: usize| {
            paths
                .random(path, 0)
                .random_range(0..self.dynamics.members())
        };
        Ok(Box::new(Self {
            dynamics: self.dynamics.clone(),
            states: self.states,
            encoding: self.encoding.clone(),
            active: self.active.clone(),
            tails: vec![self.tails[0].clone(); paths.count],
            members: (paths.first..paths.first + paths.count)
                .map(member)
                .collect(),
        }))
    }
}
