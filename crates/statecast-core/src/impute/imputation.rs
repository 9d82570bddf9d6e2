//! What is known of unknown values once a model is conditioned on all others.

use ndarray::Array2;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use statrs::distribution::ContinuousCDF;

use super::group::Filling;
use super::model::Conditional;
use super::shape::standard;
use super::{Hole, IncompleteRun};

/// How far beyond the known values of a channel its unknown ones may lie, in ranges of them.
const BEYOND: f64 = 0.5;

/// Centre and scale of a channel, and how far its unknown values may lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit {
    centre: f64,
    pub(super) scale: f64,
    low: f64,
    high: f64,
}

impl Unit {
    /// The unit of a channel that has a known value.
    pub(super) fn of(known: &[f64]) -> Self {
        let count = known.len() as f64;
        let low = known.iter().copied().fold(f64::INFINITY, f64::min);
        let high = known.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let centre = known.iter().map(|x| x / count).sum::<f64>();
        let square = known
            .iter()
            .map(|x| (x - centre).powi(2) / count)
            .sum::<f64>();
        let beyond = BEYOND * (high - low);
        let scale = if high > low { square.sqrt() } else { 0.0 };
        Self {
            centre: if scale > 0.0 { centre } else { low },
            scale,
            low: low - beyond,
            high: high + beyond,
        }
    }

    pub(super) fn standardised(&self, value: f64) -> f64 {
        (value - self.centre) / self.scale
    }

    fn value(&self, standardised: f64) -> f64 {
        (self.centre + self.scale * standardised).clamp(self.low, self.high)
    }
}

/// The joint density of all unknown values of some runs.
///
/// ```
/// use ndarray::{Array2, array};
/// use statecast::impute::{IncompleteRun, impute};
///
/// let mut values = Array2::from_shape_fn((60, 1), |(t, _)| (t as f64 / 5.0).sin());
/// values[[30, 0]] = f64::NAN;
/// let run = IncompleteRun { values, actions: Array2::zeros((60, 0)) };
/// let imputation = impute(&[run.clone()], 0)?;
/// let [low, median, high] = [0.1, 0.5, 0.9].map(|level| imputation.quantile(0, level));
/// assert!(low <= median && median <= high);
/// assert!((median - 6f64.sin()).abs() < 0.05);
/// assert_eq!(imputation.filled(&[run])[0].column(0).len(), 60);
/// # Ok::<(), statecast::impute::ImputeError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Imputation {
    holes: Vec<Hole>,
    units: Vec<Unit>,
    parts: Vec<Part>,
    /// Part, run and number in its conditional of each unknown value; none of channels that do not vary.
    sources: Vec<Option<Source>>,
}

/// Channels that were filled together.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) channels: Vec<usize>,
    pub(super) filling: Filling,
}

#[derive(Debug, Clone, Copy)]
struct Source {
    part: usize,
    number: usize,
}

impl Imputation {
    pub(super) fn of(runs: &[IncompleteRun], units: Vec<Unit>, parts: Vec<Part>) -> Self {
        let mut holes = Vec::new();
        for (run, incomplete) in runs.iter().enumerate() {
            let unknown = incomplete
                .values
                .indexed_iter()
                .filter(|(_, x)| !x.is_finite());
            holes.extend(unknown.map(|((row, channel), _)| Hole { run, row, channel }));
        }
        let mut sources = vec![None; holes.len()];
        for (part, Part { channels, filling }) in parts.iter().enumerate() {
            for (run, conditional) in filling.runs.iter().enumerate() {
                for (number, place) in conditional.holes.iter().enumerate() {
                    let hole = Hole {
                        run,
                        row: place / channels.len(),
                        channel: channels[place % channels.len()],
                    };
                    if let Ok(at) = holes.binary_search(&hole) {
                        sources[at] = Some(Source { part, number });
                    }
                }
            }
        }
        Self {
            holes,
            units,
            parts,
            sources,
        }
    }

    /// The places of the unknown values, by run, row and channel.
    pub fn holes(&self) -> &[Hole] {
        &self.holes
    }

    /// The value of an unknown one at a standard normal, less the mean and over the deviation of the model if
    /// `coupled` is none.
    fn value(&self, at: usize, coupled: Coupled) -> f64 {
        let hole = self.holes[at];
        let unit = &self.units[hole.channel];
        let Some(source) = self.sources[at] else {
            return unit.centre;
        };
        let Part { channels, filling } = &self.parts[source.part];
        let run = &filling.runs[hole.run];
        let std = run.std(source.number);
        let z = match coupled {
            Coupled::Normal(z) => z,
            Coupled::Draw(off) if std > 0.0 => off / std,
            Coupled::Draw(_) => 0.0,
        };
        let own = channels.iter().position(|&c| c == hole.channel);
        let error = own.map_or(z, |own| filling.shapes[own].error(z));
        unit.value(run.mean[source.number] + std * error)
    }

    /// A quantile of the unknown value of a number among [`holes`](Self::holes).
    pub fn quantile(&self, hole: usize, level: f64) -> f64 {
        let z = standard().inverse_cdf(level.clamp(1e-9, 1.0 - 1e-9));
        self.value(hole, Coupled::Normal(z))
    }

    /// The medians of the unknown values, in their order.
    pub fn medians(&self) -> Vec<f64> {
        (0..self.holes.len())
            .map(|at| self.value(at, Coupled::Normal(0.0)))
            .collect()
    }

    /// Joint draws of all unknown values, `[draws, holes]`.
    pub fn draws(&self, count: usize, seed: u64) -> Array2<f64> {
        let mut draws = Array2::zeros((count, self.holes.len()));
        for (number, mut draw) in draws.rows_mut().into_iter().enumerate() {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(number as u64);
            let mut normal = || standard().inverse_cdf(random.random_range(f64::EPSILON..1.0));
            let of_part = |part: &Part| -> Vec<Vec<f64>> {
                let of_run = |run: &Conditional| {
                    let mut normals: Vec<f64> = run.holes.iter().map(|_| normal()).collect();
                    run.couple(&mut normals);
                    normals
                };
                part.filling.runs.iter().map(of_run).collect()
            };
            let offs: Vec<Vec<Vec<f64>>> = self.parts.iter().map(of_part).collect();
            for (at, value) in draw.iter_mut().enumerate() {
                let off =
                    self.sources[at].map_or(0.0, |s| offs[s.part][self.holes[at].run][s.number]);
                *value = self.value(at, Coupled::Draw(off));
            }
        }
        draws
    }

    /// The values of the runs with the medians of unknown ones, `[rows, channels]` each.
    pub fn filled(&self, runs: &[IncompleteRun]) -> Vec<Array2<f64>> {
        let mut filled: Vec<Array2<f64>> = runs.iter().map(|run| run.values.clone()).collect();
        for (hole, median) in self.holes.iter().zip(self.medians()) {
            filled[hole.run][[hole.row, hole.channel]] = median;
        }
        filled
    }
}

/// Where in its density an unknown value lies.
enum Coupled {
    /// At a standard normal.
    Normal(f64),
    /// At a draw of the model, less its mean.
    Draw(f64),
}
