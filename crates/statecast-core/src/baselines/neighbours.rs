//! Nearest neighbours in the past of a channel.

use rand::rngs::ChaCha8Rng;

use super::channels::Rule;
use super::smoother::normal_mixture_quantile;
use crate::codec::{BIN_WIDTH, Cell};
use crate::density::{Mass, normal_cdf};
use crate::forecast::Point;

const LAGS: [usize; 3] = [1, 3, 6];
const MAX_NEIGHBOURS: usize = 20;
const RANKS: [usize; 2] = [4, 16];
const WIDTHS: [f64; 3] = [0.1, 0.4, 1.0];
const CARRIES: [Carry; 3] = [Carry::Values, Carry::Increments, Carry::Slope];
const SETTINGS: usize = LAGS.len() * CARRIES.len() * RANKS.len() * WIDTHS.len();

/// Weight, relative to the best setting's, below which a setting is ignored.
const MIN_WEIGHT: f64 = 0.01;

/// Nearest neighbours ("context parroting", Zhang & Gilpin 2025): the successors of the past states
/// most similar to the present one, smoothed. Lags, number of neighbours, bandwidth and kind of
/// transfer are weighted by their past scores.
#[derive(Debug, Clone)]
pub(super) struct Past {
    values: Vec<f64>,
    /// Cumulative log scores of the settings.
    scores: [f64; SETTINGS],
}

/// Transfer of a past state's successor to the present state.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Carry {
    Values,
    Increments,
    /// Values, shifted along the regression slope of successors on last values.
    Slope,
}

/// Kernels around the neighbours' successors.
struct Kernels {
    weights: Vec<f64>,
    centres: Vec<f64>,
    width: f64,
}

impl Past {
    pub(super) fn new() -> Self {
        Self {
            values: Vec::new(),
            scores: [0.0; SETTINGS],
        }
    }

    /// Returns the past states nearest to the one that ends with `tail`, with distances, nearest
    /// first. Ties with the last one are included: in a channel with few values, all equal states.
    fn nearest(&self, tail: &[f64], lags: usize) -> Vec<(usize, f64)> {
        let Some(from) = tail.len().checked_sub(lags) else {
            return Vec::new();
        };
        let state = &tail[from..];
        // The last value has no successor.
        let ends = lags - 1..self.values.len().saturating_sub(1);
        let mut all: Vec<(usize, f64)> = ends
            .map(|end| {
                let past = &self.values[end + 1 - lags..=end];
                let squares = past.iter().zip(state).map(|(a, b)| (a - b).powi(2));
                (end, squares.sum::<f64>().sqrt())
            })
            .collect();
        let count = MAX_NEIGHBOURS.min(all.len());
        if count < all.len() {
            let (_, farthest, _) =
                all.select_nth_unstable_by(count - 1, |a, b| a.1.total_cmp(&b.1));
            let farthest = farthest.1;
            all.retain(|(_, distance)| *distance <= farthest);
        }
        all.sort_by(|a, b| a.1.total_cmp(&b.1));
        all
    }

    fn kernels(
        &self,
        near: &[(usize, f64)],
        last: f64,
        carry: Carry,
        rank: usize,
        width: f64,
    ) -> Kernels {
        let reach = near[rank.min(near.len()) - 1].1 + BIN_WIDTH;
        let weights: Vec<f64> = near
            .iter()
            .map(|(_, d)| (-(d / reach).powi(2)).exp())
            .collect();
        let total: f64 = weights.iter().sum();
        let weights: Vec<f64> = weights.iter().map(|w| w / total).collect();
        let slope = match carry {
            Carry::Values => 0.0,
            Carry::Increments => 1.0,
            Carry::Slope => self.slope(near, &weights),
        };
        let centre =
            |&(end, _): &(usize, f64)| self.values[end + 1] + slope * (last - self.values[end]);
        let centres: Vec<f64> = near.iter().map(centre).collect();
        let weighted = || weights.iter().zip(&centres);
        let mean: f64 = weighted().map(|(w, c)| w * c).sum();
        let variance: f64 = weighted().map(|(w, c)| w * (c - mean).powi(2)).sum();
        Kernels {
            width: (width * variance.sqrt()).max(0.6 * BIN_WIDTH),
            weights,
            centres,
        }
    }

    /// Returns the weighted least-squares slope of successors on last values.
    fn slope(&self, near: &[(usize, f64)], weights: &[f64]) -> f64 {
        let pairs = || {
            let pair = |&(end, _): &(usize, f64)| (self.values[end], self.values[end + 1]);
            weights.iter().zip(near.iter().map(pair))
        };
        let (x, y) = pairs().fold((0.0, 0.0), |(x, y), (w, at)| (x + w * at.0, y + w * at.1));
        let products = pairs().map(|(w, at)| (w * (at.0 - x).powi(2), w * (at.0 - x) * (at.1 - y)));
        let (own, both) = products.fold((0.0, 0.0), |(a, b), (c, d)| (a + c, b + d));
        // Differences below a bin do not determine a slope.
        both / (own + (0.3 * BIN_WIDTH).powi(2))
    }

    /// Computes the kernels of every setting, in the order of the scores; `None` without
    /// neighbours.
    fn all(&self, tail: &[f64], mut keep: impl FnMut(usize, &dyn Fn() -> Option<Kernels>)) {
        let mut setting = 0;
        for lags in LAGS {
            let near = self.nearest(tail, lags);
            for carry in CARRIES {
                for rank in RANKS {
                    for width in WIDTHS {
                        let last = tail.last().copied();
                        keep(setting, &|| {
                            let last = last.filter(|_| !near.is_empty())?;
                            Some(self.kernels(&near, last, carry, rank, width))
                        });
                        setting += 1;
                    }
                }
            }
        }
    }

    /// Returns the probability of unseen outcomes, which decreases with the length of the past.
    fn chance(&self) -> f64 {
        2.0 / (self.values.len() as f64 + 50.0)
    }

    /// Returns the weights of the settings by their scores.
    fn weights(&self) -> [f64; SETTINGS] {
        let best = self
            .scores
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        let weights = self.scores.map(|score| (score - best).exp());
        weights.map(|weight| if weight < MIN_WEIGHT { 0.0 } else { weight })
    }
}

impl Rule for Past {
    type Path = ();
    const LAGS: usize = 6;

    fn learn(&mut self, tail: &[f64], value: f64, cell: Cell) {
        let (low, high) = cell.bins();
        let (low, high) = (low * BIN_WIDTH, high * BIN_WIDTH);
        let chance = self.chance();
        let even = cell.width() / 10.0;
        let mut gains = [(chance * even).ln(); SETTINGS];
        self.all(tail, |setting, kernels| {
            if let Some(k) = kernels() {
                let parts = k.weights.iter().zip(&k.centres);
                let inside =
                    |c: f64| normal_cdf((high - c) / k.width) - normal_cdf((low - c) / k.width);
                let probability: f64 = parts.map(|(w, &c)| w * inside(c)).sum();
                gains[setting] = ((1.0 - chance) * probability + chance * even).ln();
            }
        });
        self.scores.iter_mut().zip(gains).for_each(|(s, g)| *s += g);
        self.values.push(value);
    }

    fn density(&self, tail: &[f64]) -> Mass {
        let mut mass = Mass::default();
        self.parts(tail, |weight, centre, width| {
            mass.add_normal(weight, centre, width)
        });
        mass
    }

    fn draw(&self, _path: &(), tail: &[f64], level: f64) -> Point {
        let mut parts = Vec::new();
        self.parts(tail, |weight, centre, width| {
            parts.push((weight, centre, width))
        });
        Point::of(normal_mixture_quantile(&parts, level))
    }

    fn path(&self, _random: &mut ChaCha8Rng) {}
}

impl Past {
    /// Computes weight, centre and width of every normal component of the density after `tail`.
    fn parts(&self, tail: &[f64], mut add: impl FnMut(f64, f64, f64)) {
        let weights = self.weights();
        self.all(tail, |setting, kernels| {
            let share = weights[setting];
            if let Some(k) = (share > 0.0).then(kernels).flatten() {
                for (&weight, &centre) in k.weights.iter().zip(&k.centres) {
                    add(share * weight, centre, k.width);
                }
                // Unseen outcomes: a wider distribution around the neighbours.
                let mean: f64 = k.weights.iter().zip(&k.centres).map(|(w, c)| w * c).sum();
                add(share * self.chance(), mean, 10.0 * k.width);
            }
        });
    }
}
