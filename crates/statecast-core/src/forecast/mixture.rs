//! Mixtures of forecasters by what they have predicted so far.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, Array3, Axis, aview1, s};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::{Continuation, Densities, ForecastError, Observed, Paths, Point, Predictor, Start};
use crate::codec::{BIN_COUNT, BIN_WIDTH, Grid};
use crate::density::density;
use crate::experts::Leadership;

/// Rows that are observed at once where every density is needed for a moment only.
pub(super) const CHUNK: usize = 64;

/// Sets the draws of the followed forecasters apart from those of the values.
const FOLLOWED: u64 = 0xf0_1104;

/// Probability below which an observed bin's is not taken for less.
const MIN_PROBABILITY: f64 = 1e-30;

/// A Bayesian mixture of forecasters: each channel's density is the average of theirs, weighted by
/// the probability that each has given to everything the channel has shown.
///
/// On any series its total logarithmic score is within the logarithm of the number of forecasters
/// of the best one's. With an alpha above zero (fixed share, Herbster & Warmuth 1998) every step
/// moves that much of the weights evenly to all, and the mixture follows the best forecaster of
/// each regime.
///
/// A path of a rollout draws the forecaster that it follows, each channel for itself, and keeps it
/// but for changes at the rate of the alpha: paths, too, have the distribution of the mixture.
pub struct Mixture {
    experts: Vec<Arc<dyn Predictor>>,
    alpha: f64,
}

impl Mixture {
    /// A mixture of at least one forecaster, with an alpha from 0 to 1.
    ///
    /// # Errors
    /// [`ForecastError::Mixture`] otherwise.
    pub fn new(experts: Vec<Arc<dyn Predictor>>, alpha: f64) -> Result<Self, ForecastError> {
        if experts.is_empty() || !(0.0..=1.0).contains(&alpha) {
            return Err(ForecastError::Mixture {
                experts: experts.len(),
                alpha,
            });
        }
        Ok(Self { experts, alpha })
    }
}

impl Predictor for Mixture {
    fn name(&self) -> String {
        "mixture".to_owned()
    }

    fn start(&self, start: Start) -> Result<Box<dyn Continuation>, ForecastError> {
        let states = self.experts.iter().map(|expert| expert.start(start));
        let states = states.collect::<Result<_, _>>()?;
        Ok(mixed(states, self.alpha, start.channels()))
    }

    fn window(&self) -> usize {
        let windows = self.experts.iter().map(|expert| expert.window());
        windows.min().unwrap_or(usize::MAX)
    }

    fn longest_context(&self, horizon: usize) -> usize {
        let longest = self.experts.iter().map(|e| e.longest_context(horizon));
        longest.min().unwrap_or(usize::MAX)
    }

    fn check(&self, context: usize, horizon: usize) -> Result<(), ForecastError> {
        self.experts
            .iter()
            .try_for_each(|expert| expert.check(context, horizon))
    }

    fn needs_actions(&self) -> bool {
        self.experts.iter().any(|expert| expert.needs_actions())
    }

    fn is_bounded(&self) -> bool {
        self.experts.iter().all(|expert| expert.is_bounded())
    }

    fn reads_calendar(&self) -> bool {
        self.experts.iter().any(|expert| expert.reads_calendar())
    }

    fn rows_needed(&self) -> usize {
        let needed = self.experts.iter().map(|expert| expert.rows_needed());
        needed.max().unwrap_or(0)
    }
}

/// A mixture of at least one forecaster of so many channels.
pub(super) fn mixed(
    experts: Vec<Box<dyn Continuation>>,
    alpha: f64,
    channels: usize,
) -> Box<dyn Continuation> {
    Box::new(State {
        weights: vec![MixtureWeights::even(experts.len()); channels],
        experts,
        alpha,
        paths: None,
    })
}

/// Weights of the experts for one channel, summing to one.
///
/// ```
/// use statecast::forecast::MixtureWeights;
/// let mut weights = MixtureWeights::even(2);
/// weights.learn(&[0.9, 0.3], 0.0);
/// assert!((weights.get()[0] - 0.75).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MixtureWeights(Vec<f64>);

impl MixtureWeights {
    /// Equal weights.
    pub fn even(experts: usize) -> Self {
        Self(vec![1.0 / experts as f64; experts])
    }

    /// The weights.
    pub fn get(&self) -> &[f64] {
        &self.0
    }

    /// Learns which probability each expert gave to the observed bin; then an alpha of the weights is
    /// spread evenly.
    pub fn learn(&mut self, probabilities: &[f64], alpha: f64) {
        let products = self.0.iter_mut().zip(probabilities);
        products.for_each(|(weight, p)| *weight *= p.max(MIN_PROBABILITY));
        let total: f64 = self.0.iter().sum();
        let even = alpha / self.0.len() as f64;
        // A weight must be able to come back when its expert is right again.
        self.0.iter_mut().for_each(|weight| {
            *weight = (1.0 - alpha) * (*weight / total).max(MIN_PROBABILITY) + even
        });
    }

    /// The expert at a level in `[0, 1)` of the cumulated weights.
    fn at(&self, level: f64) -> usize {
        let mut below = 0.0;
        let reached = |&weight: &f64| {
            below += weight;
            below > level
        };
        let found = self.0.iter().position(reached);
        found.unwrap_or(self.0.len() - 1)
    }
}

/// The experts that paths follow.
struct Followed {
    /// One a sequence.
    experts: Vec<usize>,
    /// One a path.
    random: Vec<ChaCha8Rng>,
}

struct State {
    experts: Vec<Box<dyn Continuation>>,
    alpha: f64,
    /// One a channel.
    weights: Vec<MixtureWeights>,
    paths: Option<Followed>,
}

impl State {
    /// Averages the experts' densities of a row, sequence by sequence: grids, and masses
    /// `[sequences, 1000]` on them. Where one expert's bins are those of a residual, all are
    /// brought to them.
    fn average(&self, densities: &[Densities], row: usize) -> (Vec<Grid>, Array2<f32>) {
        let sequences = densities[0].grids.ncols();
        let of = |i: usize, e: usize| match &self.paths {
            Some(paths) => f64::from(u8::from(paths.experts[i] == e)),
            None => self.weights[i].0[e],
        };
        let mut average = Array2::zeros((sequences, BIN_COUNT));
        let mut grids = Vec::with_capacity(sequences);
        for i in 0..sequences {
            let mut given = densities.iter().map(|d| d.grids[[row, i]]);
            let grid = given.find(|&g| g != Grid::Digits).unwrap_or_default();
            for (e, density) in densities.iter().enumerate() {
                let mass = density.masses.slice(s![row, i, ..]);
                let from = density.grids[[row, i]];
                match from == grid {
                    true => average.row_mut(i).scaled_add(of(i, e) as f32, &mass),
                    false => {
                        let mass = grid.project(&density.mass(row, i), from);
                        let mass = aview1(&mass);
                        average.row_mut(i).scaled_add(of(i, e) as f32, &mass);
                    }
                }
            }
            grids.push(grid);
        }
        (grids, average)
    }
}

impl Continuation for State {
    fn batch(&self) -> usize {
        self.experts[0].batch()
    }

    fn observe(
        &mut self,
        rows: Observed,
        wanted: Range<usize>,
    ) -> Result<Densities, ForecastError> {
        let channels = self.weights.len();
        let mut mixed: Densities = Array3::zeros((wanted.len(), channels, BIN_COUNT)).into();
        for start in (0..rows.len()).step_by(CHUNK) {
            let chunk = start..rows.len().min(start + CHUNK);
            let part = rows.rows(chunk.clone());
            let read = self
                .experts
                .iter_mut()
                .map(|e| e.observe(part, 0..chunk.len()));
            let read: Vec<Densities> = read.collect::<Result<_, _>>()?;
            for t in chunk.clone() {
                if wanted.contains(&t) {
                    let (grids, masses) = self.average(&read, t - start);
                    let to = t - wanted.start;
                    mixed.masses.slice_mut(s![to, .., ..]).assign(&masses);
                    mixed.grids.row_mut(to).assign(&aview1(&grids));
                }
                if rows.begins[t] {
                    continue;
                }
                for c in 0..channels {
                    // Cells differ from grid to grid: densities do not depend on them.
                    let given = read.iter().map(|e| {
                        let cell = rows.cell(t, c, e.grids[[t - start, c]]);
                        BIN_WIDTH * density(&e.mass(t - start, c), cell)
                    });
                    let given: Vec<f64> = given.collect();
                    self.weights[c].learn(&given, self.alpha);
                }
            }
        }
        Ok(mixed)
    }

    fn pass(&mut self, rows: Observed) -> Result<(), ForecastError> {
        self.experts.iter_mut().try_for_each(|e| e.pass(rows))
    }

    fn next_densities(&mut self) -> Result<Densities, ForecastError> {
        let read = self.experts.iter_mut().map(|e| e.next_densities());
        let read: Vec<Densities> = read.collect::<Result<_, _>>()?;
        let (grids, masses) = self.average(&read, 0);
        Ok(Densities {
            masses: masses.insert_axis(Axis(0)),
            grids: Array2::from_shape_fn((1, grids.len()), |(_, i)| grids[i]),
        })
    }

    fn couple(&self, levels: &mut [f64]) {
        // Those of one expert: which of them a channel follows is drawn for each by itself.
        if let [only] = &self.experts[..] {
            only.couple(levels);
        }
    }

    fn draw(&mut self, levels: &[f64]) -> Result<Vec<Point>, ForecastError> {
        let Some(paths) = &self.paths else {
            return Ok(self.next_densities()?.points(levels));
        };
        let mut points = vec![None; levels.len()];
        for (e, expert) in self.experts.iter_mut().enumerate() {
            if paths.experts.contains(&e) {
                let drawn = expert.draw(levels)?;
                let mut left = Vec::new();
                for (i, point) in drawn.into_iter().enumerate() {
                    match paths.experts[i] == e {
                        true => points[i] = Some(point),
                        false => left.push(i),
                    }
                }
                expert.discard(&left);
            }
        }
        let known = |point: Option<Point>| point.expect("every path follows one of the experts");
        Ok(points.into_iter().map(known).collect())
    }

    fn advance(&mut self, values: &[Point], actions: &[f64]) -> Result<(), ForecastError> {
        if let Some(Followed { experts, random }) = &mut self.paths {
            let paths = random.len();
            let count = self.experts.len();
            for (i, expert) in experts.iter_mut().enumerate() {
                let random = &mut random[i % paths];
                let (moves, to): (f64, usize) = (random.random(), random.random_range(0..count));
                if moves < self.alpha {
                    *expert = to;
                }
            }
        }
        // With an alpha any path may come to follow any expert; without, some are followed by none.
        let followed = |e: usize| match &self.paths {
            Some(paths) if self.alpha == 0.0 => paths.experts.contains(&e),
            _ => true,
        };
        for e in 0..self.experts.len() {
            if followed(e) {
                self.experts[e].advance(values, actions)?;
            }
        }
        Ok(())
    }

    fn fork(&self, paths: Paths, steps: usize) -> Result<Box<dyn Continuation>, ForecastError> {
        let mut random: Vec<ChaCha8Rng> = (paths.first..paths.first + paths.count)
            .map(|path| {
                let mut random = ChaCha8Rng::seed_from_u64(paths.seed ^ FOLLOWED);
                random.set_stream(path as u64);
                random
            })
            .collect();
        let mut experts = Vec::with_capacity(self.weights.len() * paths.count);
        for weights in &self.weights {
            experts.extend(random.iter_mut().map(|r| weights.at(r.random())));
        }
        let states = self.experts.iter().map(|e| e.fork(paths, steps));
        Ok(Box::new(Self {
            experts: states.collect::<Result<_, _>>()?,
            alpha: self.alpha,
            weights: self.weights.clone(),
            paths: Some(Followed { experts, random }),
        }))
    }

    fn detach(&mut self, paths: &[usize]) {
        for expert in &mut self.experts {
            expert.detach(paths);
        }
    }

    fn begin(&mut self, paths: &[usize]) {
        for expert in &mut self.experts {
            expert.begin(paths);
        }
    }

    fn clipped(&self) -> usize {
        // Each reads the same values.
        let clipped = self.experts.iter().map(|expert| expert.clipped());
        clipped.max().unwrap_or(0)
    }

    fn leaders(&self) -> Vec<Leadership> {
        let mut of_experts = self.experts.iter().map(|expert| expert.leaders());
        let found = of_experts.find(|leaders| !leaders.is_empty());
        found.unwrap_or_default()
    }

    fn paths_at_once(&self, steps: usize) -> usize {
        let at_once = self.experts.iter().map(|e| e.paths_at_once(steps));
        at_once.min().unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The guarantee, on any series: total log score within ln(experts) of the best expert's.
        #[test]
        fn the_mixture_is_within_its_bound_of_the_best_expert(
            given in prop::collection::vec(prop::collection::vec(1e-6..1.0f64, 3), 1..300),
        ) {
            let mut weights = MixtureWeights::even(3);
            let mut mixed = 0.0;
            for probabilities in &given {
                let sum = weights.get().iter().zip(probabilities).map(|(w, p)| w * p);
                mixed += sum.sum::<f64>().ln();
                weights.learn(probabilities, 0.0);
            }
            let best = (0..3)
                .map(|e| given.iter().map(|p| p[e].ln()).sum::<f64>())
                .fold(f64::NEG_INFINITY, f64::max);
            prop_assert!(mixed >= best - 3f64.ln() - 1e-6, "{mixed} {best}");
        }
    }

    #[test]
    fn with_a_share_the_weights_follow_a_change_of_regime() {
        let after = |alpha: f64| {
            let mut weights = MixtureWeights::even(2);
            (0..200).for_each(|_| weights.learn(&[0.5, 0.1], alpha));
            (0..10).for_each(|_| weights.learn(&[0.1, 0.5], alpha));
            weights.get()[1]
        };
        assert!(after(0.01) > 0.9 && after(0.0) < 0.01);
    }

    #[test]
    fn an_impossible_outcome_leaves_weights() {
        let mut weights = MixtureWeights::even(2);
        weights.learn(&[0.0, 0.0], 0.0);
        assert!((weights.get()[0] - 0.5).abs() < 1e-12);
    }
}
