//! How often residuals lie far out, against how often their densities said.
//!
//! A language model spreads some of its probability over numbers that never come. Within the bins
//! of digits that costs little; on a residual's axis they lie many scales off, where one draw on a
//! path misleads experts for the rest of it.

use std::sync::LazyLock;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::Point;
use crate::codec::{BIN_COUNT, Grid};

/// Sizes of a residual, in scales, at which groups of bins end.
const ENDS: [f64; 5] = [2.0, 4.0, 8.0, 16.0, 64.0];
const GROUPS: usize = ENDS.len() + 1;

/// Weight of the prior, in residuals: each group starts as if this many had been expected in it and
/// had come at the rate of the group before it.
const PRIOR: f64 = 2.0;

/// Draws of a level that are refused at most.
const ROUNDS: usize = 200;

/// Group of every bin.
static GROUP: LazyLock<Vec<usize>> = LazyLock::new(|| {
    let unit = Grid::Residual {
        centre: 0.0,
        scale: 1.0,
    };
    let of = |k: usize| ENDS.partition_point(|&end| end < unit.centre(k).abs());
    (0..BIN_COUNT).map(of).collect()
});

/// Observed residuals in groups of bins by their size, and how many the densities expected; channels
/// are counted together. The bins of a group are weighted by the ratio of both, shrunk towards that
/// of the next smaller residuals: where those come less often than expected, still larger ones do
/// so until they are seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Tails {
    observed: [f64; GROUPS],
    expected: [f64; GROUPS],
}

impl Tails {
    /// Learns the observed bin, of masses that sum to one.
    pub(super) fn learn(&mut self, mass: &[f32], bin: usize) {
        for (&group, &p) in GROUP.iter().zip(mass) {
            self.expected[group] += f64::from(p);
        }
        self.observed[GROUP[bin]] += 1.0;
    }

    fn ratios(&self) -> [f64; GROUPS] {
        let mut ratio = 1.0;
        std::array::from_fn(|g| {
            ratio = (self.observed[g] + PRIOR * ratio) / (self.expected[g] + PRIOR);
            ratio
        })
    }

    /// Weights masses, which sum to one as before.
    pub(super) fn weigh(&self, mass: &mut [f32]) {
        let ratios = self.ratios();
        let weighted = |(&group, p): (&usize, &f32)| ratios[group] * f64::from(*p);
        let before: f64 = mass.iter().map(|&p| f64::from(p)).sum();
        let total: f64 = GROUP.iter().zip(&*mass).map(weighted).sum();
        for (&group, p) in GROUP.iter().zip(mass) {
            *p = (f64::from(*p) * ratios[group] * before / total) as f32;
        }
    }

    /// Draws from weighted densities at levels, where `draw` draws from them as they are.
    ///
    /// What is drawn is refused with the probability by which its group is weighted less than the
    /// heaviest; the fraction of a bin at which a uniform level falls is uniform itself and
    /// decides. A level that is refused seeds the next one.
    pub(super) fn draw<E>(
        &self,
        levels: &[f64],
        mut draw: impl FnMut(&[f64]) -> Result<Vec<Point>, E>,
    ) -> Result<Vec<Point>, E> {
        let ratios = self.ratios();
        let largest = ratios.iter().copied().fold(0.0, f64::max);
        let mut levels = levels.to_vec();
        let mut open: Vec<usize> = (0..levels.len()).collect();
        let mut points = draw(&levels)?;
        let mut kept = points.clone();
        for _ in 0..ROUNDS {
            open.retain(|&i| {
                let (bin, fraction) = points[i].place();
                let accepted = ratios[GROUP[bin.index()]] / largest;
                if fraction < accepted {
                    kept[i] = Point::on(Grid::Digits, bin, fraction / accepted);
                    return false;
                }
                levels[i] = ChaCha8Rng::seed_from_u64(levels[i].to_bits()).random();
                true
            });
            if open.is_empty() {
                break;
            }
            // All levels again: what a session has read of the next value is that of its last draw.
            points = draw(&levels)?;
        }
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::point_at;

    fn even() -> Vec<f32> {
        vec![1.0 / BIN_COUNT as f32; BIN_COUNT]
    }

    /// Densities that are even over the bins, residuals that never leave two scales.
    fn learned() -> Tails {
        let mut tails = Tails::default();
        (0..300).for_each(|i| tails.learn(&even(), 480 + i % 40));
        tails
    }

    #[test]
    fn what_never_comes_loses_its_probability_and_no_other() {
        let mut mass = even();
        learned().weigh(&mut mass);
        assert!((mass.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        assert!(mass[..200].iter().sum::<f32>() < 0.02);
        assert!((mass[480] - mass[520]).abs() < 1e-6);
        Tails::default().weigh(&mut mass);
        assert!((mass.iter().sum::<f32>() - 1.0).abs() < 1e-4);
    }

    #[test]
    fn draws_have_the_weighted_density() {
        let tails = learned();
        let mut weighted = even();
        tails.weigh(&mut weighted);
        let count = 20_000;
        let levels: Vec<f64> = (0..count)
            .map(|i| (f64::from(i) + 0.5) / f64::from(count))
            .collect();
        let draw = |levels: &[f64]| {
            let drawn = levels.iter().map(|&level| point_at(&even(), level));
            Ok::<_, ()>(drawn.collect())
        };
        let drawn = tails.draw(&levels, draw).unwrap();
        for bins in [0..300, 300..480, 480..500, 500..700, 700..1000] {
            let inside = |point: &&Point| bins.contains(&point.place().0.index());
            let share = drawn.iter().filter(inside).count() as f32 / count as f32;
            let expected: f32 = weighted[bins.clone()].iter().sum();
            assert!(
                (share - expected).abs() < 0.015,
                "{bins:?}: {share} {expected}"
            );
        }
    }
}
