//! How far removed values lay from their means: the true shape of densities that the model takes as normal.

use statrs::distribution::{ContinuousCDF, Normal};

/// Probabilities of being no farther off at which the shape is measured.
const SHARES: [f64; 10] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.96];

/// How many values all channels together are worth to each.
const COMMON: f64 = 40.0;

/// How many values the normal shape is worth.
const NORMAL: f64 = 10.0;

/// A monotone odd map from a standard normal to an error in standard deviations of the model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    /// Standard normal and error, ascending from 0.
    knots: Vec<(f64, f64)>,
}

impl Shape {
    /// The normal shape itself.
    pub(super) fn normal() -> Self {
        Self::near(
            &Self {
                knots: vec![(0.0, 0.0), (1.0, 1.0)],
            },
            &[],
            1.0,
        )
    }

    /// Shapes of channels from the standardised errors of each.
    pub(super) fn of(errors: &[Vec<f64>]) -> Vec<Self> {
        let all: Vec<f64> = errors.iter().flatten().copied().collect();
        let common = Self::near(&Self::normal(), &all, NORMAL);
        let of = |errors: &Vec<f64>| Self::near(&common, errors, COMMON);
        errors.iter().map(of).collect()
    }

    /// A known shape, moved to that of some errors as far as there are more of them than it is worth.
    fn near(known: &Self, errors: &[f64], worth: f64) -> Self {
        let mut sizes: Vec<f64> = errors.iter().map(|x| x.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let own = sizes.len() as f64 / (sizes.len() as f64 + worth);
        let knot = |share: f64| {
            let z = standard().inverse_cdf(0.5 + 0.5 * share);
            let size = (1.0 - own) * known.error(z);
            (z, size + own * quantile(&sizes, share).unwrap_or(0.0))
        };
        Self {
            knots: [(0.0, 0.0)].into_iter().chain(SHARES.map(knot)).collect(),
        }
    }

    /// The error, in standard deviations, that is as far out as a standard normal.
    pub(super) fn error(&self, z: f64) -> f64 {
        let size = z.abs();
        let place = self.knots.partition_point(|(known, _)| *known < size);
        let sized = match self.knots.get(place) {
            None => {
                // The tails are those of a normal as wide as at the last knot.
                let (last, error) = self.knots[self.knots.len() - 1];
                size * error / last
            }
            Some(_) if place == 0 => 0.0,
            Some(&(high, above)) => {
                let (low, below) = self.knots[place - 1];
                below + (above - below) * (size - low) / (high - low)
            }
        };
        sized.copysign(z)
    }
}

/// A quantile of sorted values, as high as it has to be with so few of them; none of none.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = (share * (sorted.len() + 1) as f64 - 1.0).max(0.0);
    let low = *sorted.get((place as usize).min(sorted.len().checked_sub(1)?))?;
    let high = sorted.get(place as usize + 1).copied().unwrap_or(low);
    Some(low + (high - low) * place.fract())
}

pub(super) fn standard() -> Normal {
    Normal::standard()
}
