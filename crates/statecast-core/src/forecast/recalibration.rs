//! Online recalibration: what a forecaster's own past says about its probabilities.
//!
//! Every observed value tells where in its density it fell. If the densities are right, these places
//! are uniform on `[0, 1]`; if they are not, their law `G` is what mends them: the recalibrated
//! distribution function is `G(F(x))` (Dawid 1984; Kuleshov et al., ICML 2018). `G` is learned from
//! the past only, as a Bayesian mixture of the identity, a beta law and histograms of three
//! resolutions, each shrunk towards the identity: with little evidence, or where nothing is wrong,
//! it stays close to it. Its logarithmic score can fall behind that of the untouched densities by
//! `ln 2` in total, whatever comes.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array3, aview1, s};
use statrs::function::beta::beta_reg;

use super::mixture::CHUNK;
use super::{Continuation, Densities, ForecastError, Observed, Paths, Point, Predictor, Start};
use crate::codec::BIN_COUNT;
use crate::density::{below, probability};
use crate::experts::Leadership;

/// Equal parts of `[0, 1]` on which a map is linear.
const PARTS: usize = 60;

/// Uniform outcomes that the beta law's moments are mixed with before any is observed.
const BETA_PRIOR: f64 = 20.0;

/// Parts of the histograms, and how many uniform outcomes each part is given beforehand.
const HISTOGRAMS: [(usize, f64); 3] = [(4, 10.0), (10, 5.0), (20, 4.0)];

/// Prior weights: the identity, the beta law, the histograms.
const PRIOR: [f64; 5] = [0.5, 0.2, 0.1, 0.1, 0.1];

/// A monotone map of `[0, 1]` to itself, linear between `PARTS` equal parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Map([f64; PARTS + 1]);

impl Map {
    /// The map that changes nothing.
    pub fn identity() -> Self {
        Self(std::array::from_fn(|i| i as f64 / PARTS as f64))
    }

    /// `G(u)`.
    pub fn apply(&self, u: f64) -> f64 {
        let at = u.clamp(0.0, 1.0) * PARTS as f64;
        let i = (at as usize).min(PARTS - 1);
        self.0[i] + (at - i as f64) * (self.0[i + 1] - self.0[i])
    }

    /// The `u` with `G(u) = v`.
    pub fn invert(&self, v: f64) -> f64 {
        let v = v.clamp(0.0, 1.0);
        let above = self.0.partition_point(|&g| g < v).clamp(1, PARTS);
        let (low, high) = (self.0[above - 1], self.0[above]);
        let share = if high > low {
            (v - low) / (high - low)
        } else {
            0.0
        };
        (above as f64 - 1.0 + share.clamp(0.0, 1.0)) / PARTS as f64
    }

    /// Recalibrated masses of a density's bins.
    pub fn masses(&self, masses: &[f32]) -> Vec<f32> {
        let total: f64 = masses.iter().map(|&p| f64::from(p)).sum();
        let (mut below, mut mapped) = (0.0, 0.0);
        let step = |&p: &f32| {
            below += f64::from(p) / total;
            let up_to = self.apply(below);
            let mass = up_to - mapped;
            mapped = up_to;
            mass.max(0.0) as f32
        };
        masses.iter().map(step).collect()
    }
}

/// The law of the places at which outcomes fell, learned outcome by outcome.
///
/// ```
/// use statecast::forecast::Places;
///
/// let mut places = Places::new();
/// // Densities that are twice too wide: all outcomes in the middle half.
/// (0..200).for_each(|i| places.learn(0.25 + 0.5 * f64::from(i % 50) / 50.0, 0.26 + 0.5 * f64::from(i % 50) / 50.0));
/// assert!(places.map().apply(0.25) < 0.05 && places.map().apply(0.75) > 0.95);
/// ```
#[derive(Debug, Clone)]
pub struct Places {
    outcomes: f64,
    /// Sums of the places and of their squares.
    sums: (f64, f64),
    counts: [Vec<f64>; HISTOGRAMS.len()],
    /// Logarithms of the laws' weights.
    weights: [f64; PRIOR.len()],
    laws: [Map; PRIOR.len()],
    map: Map,
}

impl Default for Places {
    fn default() -> Self {
        Self::new()
    }
}

impl Places {
    /// Nothing observed: the identity.
    pub fn new() -> Self {
        Self {
            outcomes: 0.0,
            sums: (0.0, 0.0),
            counts: HISTOGRAMS.map(|(parts, _)| vec![0.0; parts]),
            weights: PRIOR.map(f64::ln),
            laws: std::array::from_fn(|_| Map::identity()),
            map: Map::identity(),
        }
    }

    /// The map that recalibrates what comes next.
    pub fn map(&self) -> &Map {
        &self.map
    }

    /// Weight of the identity among the laws, 0 to 1.
    pub fn trust(&self) -> f64 {
        normalised(&self.weights)[0]
    }

    /// Learns that an outcome fell between two levels: those of the ends of its bin.
    pub fn learn(&mut self, low: f64, high: f64) {
        let width = (high - low).max(1e-9);
        for (weight, law) in self.weights.iter_mut().zip(&self.laws) {
            let mapped = law.apply(low + width) - law.apply(low);
            *weight += (mapped / width).max(1e-9).ln();
        }
        self.outcomes += 1.0;
        // Moments of the uniform law between the levels.
        self.sums.0 += (low + high) / 2.0;
        self.sums.1 += (low * low + low * high + high * high) / 3.0;
        for counts in &mut self.counts {
            let parts = counts.len() as f64;
            for (i, count) in counts.iter_mut().enumerate() {
                let (from, to) = (i as f64 / parts, (i + 1) as f64 / parts);
                *count += (high.min(to) - low.max(from)).max(0.0) / width;
            }
        }
        self.laws[1] = self.beta();
        for (i, (counts, (_, prior))) in self.counts.iter().zip(HISTOGRAMS).enumerate() {
            self.laws[2 + i] = histogram(counts, prior);
        }
        let shares = normalised(&self.weights);
        self.map = Map(std::array::from_fn(|i| {
            shares
                .iter()
                .zip(&self.laws)
                .map(|(s, law)| s * law.0[i])
                .sum()
        }));
    }

    /// The beta law of the observed moments, mixed with those of the uniform law.
    fn beta(&self) -> Map {
        let n = self.outcomes + BETA_PRIOR;
        let mean = (self.sums.0 + BETA_PRIOR / 2.0) / n;
        let square = (self.sums.1 + BETA_PRIOR / 3.0) / n;
        let variance = (square - mean * mean).max(1e-6);
        let size = (mean * (1.0 - mean) / variance - 1.0).clamp(0.1, 1e4);
        let (a, b) = (mean * size, (1.0 - mean) * size);
        Map(std::array::from_fn(|i| match i {
            0 => 0.0,
            PARTS => 1.0,
            _ => beta_reg(a, b, i as f64 / PARTS as f64),
        }))
    }
}

/// The posterior mean of a histogram with the given outcomes a part beforehand.
fn histogram(counts: &[f64], prior: f64) -> Map {
    let total: f64 = counts.iter().map(|c| c + prior).sum();
    let width = PARTS / counts.len();
    let mut cumulated = 0.0;
    let mut map = [0.0; PARTS + 1];
    for i in 0..PARTS {
        cumulated += (counts[i / width] + prior) / total / width as f64;
        map[i + 1] = cumulated;
    }
    map[PARTS] = 1.0;
    Map(map)
}

fn normalised(logarithms: &[f64; PRIOR.len()]) -> [f64; PRIOR.len()] {
    let largest = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let shares = logarithms.map(|l| (l - largest).exp());
    let total: f64 = shares.iter().sum();
    shares.map(|s| s / total)
}

/// A forecaster whose densities are recalibrated online, each channel by its own past.
///
/// Draws are made at recalibrated levels. Paths of a [`Mixture`](super::Mixture) draw from the forecaster that they
/// follow, so theirs is the law of the recalibrated densities as far as one forecaster leads.
pub struct Recalibrated(Arc<dyn Predictor>);

impl Recalibrated {
    /// Recalibrates a forecaster.
    pub fn new(predictor: Arc<dyn Predictor>) -> Self {
        Self(predictor)
    }
}

impl Predictor for Recalibrated {
    fn name(&self) -> String {
        format!("{}+recalibrated", self.0.name())
    }

    fn start(&self, start: Start) -> Result<Box<dyn Continuation>, ForecastError> {
        Ok(Box::new(State {
            inner: self.0.start(start)?,
            places: (0..start.channels()).map(|_| Arc::default()).collect(),
        }))
    }

    fn window(&self) -> usize {
        self.0.window()
    }

    fn longest_context(&self, horizon: usize) -> usize {
        self.0.longest_context(horizon)
    }

    fn check(&self, context: usize, horizon: usize) -> Result<(), ForecastError> {
        self.0.check(context, horizon)
    }

    fn needs_actions(&self) -> bool {
        self.0.needs_actions()
    }

    fn is_bounded(&self) -> bool {
        self.0.is_bounded()
    }

    fn reads_calendar(&self) -> bool {
        self.0.reads_calendar()
    }

    fn rows_needed(&self) -> usize {
        self.0.rows_needed()
    }
}

struct State {
    inner: Box<dyn Continuation>,
    /// One a channel.
    places: Vec<Arc<Places>>,
}

impl State {
    fn map(&self, sequence: usize) -> &Map {
        self.places[sequence * self.places.len() / self.inner.batch()].map()
    }
}

impl Continuation for State {
    fn batch(&self) -> usize {
        self.inner.batch()
    }

    fn observe(
        &mut self,
        rows: Observed,
        wanted: Range<usize>,
    ) -> Result<Densities, ForecastError> {
        let channels = self.places.len();
        let mut mapped: Densities = Array3::zeros((wanted.len(), channels, BIN_COUNT)).into();
        for start in (0..rows.len()).step_by(CHUNK) {
            let chunk = start..rows.len().min(start + CHUNK);
            let read = self
                .inner
                .observe(rows.rows(chunk.clone()), 0..chunk.len())?;
            for t in chunk.clone() {
                for c in 0..channels {
                    let mass = read.mass(t - start, c);
                    let grid = read.grids[[t - start, c]];
                    if wanted.contains(&t) {
                        let to = t - wanted.start;
                        let mass = self.places[c].map().masses(&mass);
                        let masses = mapped.masses.slice_mut(s![to, c, ..]);
                        aview1(&mass).assign_to(masses);
                        mapped.grids[[to, c]] = grid;
                    }
                    if rows.begins[t] {
                        continue;
                    }
                    let cell = rows.cell(t, c, grid);
                    let low = below(&mass, cell).min(1.0);
                    let high = (low + probability(&mass, cell)).min(1.0);
                    Arc::make_mut(&mut self.places[c]).learn(low, high);
                }
            }
        }
        Ok(mapped)
    }

    fn pass(&mut self, rows: Observed) -> Result<(), ForecastError> {
        self.inner.pass(rows)
    }

    fn next_densities(&mut self) -> Result<Densities, ForecastError> {
        let mut densities = self.inner.next_densities()?;
        for i in 0..self.batch() {
            let mass = self.map(i).masses(&densities.mass(0, i));
            let masses = densities.masses.slice_mut(s![0, i, ..]);
            aview1(&mass).assign_to(masses);
        }
        Ok(densities)
    }

    fn couple(&self, levels: &mut [f64]) {
        self.inner.couple(levels);
    }

    fn draw(&mut self, levels: &[f64]) -> Result<Vec<Point>, ForecastError> {
        let levels = levels.iter().enumerate();
        let inverted: Vec<f64> = levels.map(|(i, &v)| self.map(i).invert(v)).collect();
        self.inner.draw(&inverted)
    }

    fn discard(&mut self, sequences: &[usize]) {
        self.inner.discard(sequences);
    }

    fn preparation(&self, steps: usize) -> usize {
        self.inner.preparation(steps)
    }

    fn prepare(&self, steps: usize, progress: &dyn Fn(f64)) -> Result<(), ForecastError> {
        self.inner.prepare(steps, progress)
    }

    fn advance(&mut self, values: &[Point], actions: &[f64]) -> Result<(), ForecastError> {
        self.inner.advance(values, actions)
    }

    fn fork(&self, paths: Paths, steps: usize) -> Result<Box<dyn Continuation>, ForecastError> {
        Ok(Box::new(Self {
            inner: self.inner.fork(paths, steps)?,
            places: self.places.clone(),
        }))
    }

    fn detach(&mut self, paths: &[usize]) {
        self.inner.detach(paths);
    }

    fn begin(&mut self, paths: &[usize]) {
        self.inner.begin(paths);
    }

    fn clipped(&self) -> usize {
        self.inner.clipped()
    }

    fn leaders(&self) -> Vec<Leadership> {
        self.inner.leaders()
    }

    fn paths_at_once(&self, steps: usize) -> usize {
        self.inner.paths_at_once(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Places spread evenly over the levels whose square root is uniform.
    fn squares(n: u32) -> impl Iterator<Item = f64> {
        (0..n).map(move |i| ((f64::from(i) * 0.618_033_988_75).fract()).powi(2))
    }

    #[test]
    fn a_wrong_law_is_learned_and_a_right_one_left_alone() {
        let mut wrong = Places::new();
        squares(500).for_each(|u| wrong.learn(u, u + 1e-4));
        // The law of u^2 is sqrt.
        for u in [0.1, 0.25, 0.5, 0.9] {
            assert!((wrong.map().apply(u) - u.sqrt()).abs() < 0.03, "{u}");
        }
        assert!(wrong.trust() < 1e-6);
        let mut right = Places::new();
        squares(500).for_each(|u| right.learn(u.sqrt() * 0.999, u.sqrt() * 0.999 + 1e-4));
        assert!(right.trust() > 0.7, "{}", right.trust());
        for u in [0.1, 0.25, 0.5, 0.9] {
            assert!((right.map().apply(u) - u).abs() < 0.01, "{u}");
        }
    }

    proptest! {
        /// What recalibration can cost on any outcomes: the identity's prior weight.
        #[test]
        fn the_score_never_falls_behind_by_more_than_the_prior(
            places in prop::collection::vec((0.0..0.99f64, 1e-5..0.01f64), 1..200),
        ) {
            let mut learned = Places::new();
            let mut gain = 0.0;
            for (low, width) in places {
                let map = learned.map();
                gain += ((map.apply(low + width) - map.apply(low)) / width).ln();
                learned.learn(low, low + width);
            }
            prop_assert!(gain > -(2f64.ln()) - 1e-6, "{gain}");
        }

        #[test]
        fn maps_are_monotone_and_invert(
            places in prop::collection::vec(0.0..0.99f64, 0..100), v in 0.0..1.0f64,
        ) {
            let mut learned = Places::new();
            places.iter().for_each(|&u| learned.learn(u, u + 0.01));
            let map = learned.map();
            prop_assert!(map.0.is_sorted() && map.0[0] == 0.0 && (map.0[PARTS] - 1.0).abs() < 1e-12);
            prop_assert!((map.apply(map.invert(v)) - v).abs() < 1e-9);
        }
    }
}
