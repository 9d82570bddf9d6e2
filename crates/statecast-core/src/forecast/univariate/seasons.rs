//! The seasons of a channel.

use crate::experts::autocorrelation_peaks;

/// Autocorrelation that a season must have, and the same in standard errors of the correlation of noise: the highest of many
/// by chance has two to three.
const MIN_AUTOCORRELATION: f64 = 0.2;
const MIN_ERRORS: f64 = 3.0;

/// Shares of the highest that the shortest and the strongest must have: multiples of a season are as high but for noise.
const AS_GOOD: f64 = 0.9;
const AS_STRONG: f64 = 0.98;

/// How many times as long a season is at least as one within it.
const LONGER: f64 = 1.5;

/// A season, and a shorter one within it, such as a week of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Season {
    pub(super) period: usize,
    pub(super) within: Option<usize>,
}

impl Season {
    pub(super) fn of(period: usize) -> Self {
        Self {
            period,
            within: None,
        }
    }

    /// Seasons of some values: the first period whose autocorrelation is about as high as the highest one's, and the
    /// strongest with a shorter one within it. Of those with a known season only longer ones are looked for.
    pub(super) fn find(values: &[f64], known: Option<usize>) -> Vec<Self> {
        let known_alone = || known.map(Self::of).into_iter().collect();
        let significant = |&(lag, r): &(usize, f64)| {
            let errors = MIN_ERRORS / ((values.len() - lag) as f64).sqrt();
            r >= MIN_AUTOCORRELATION.max(errors)
        };
        let peaks = autocorrelation_peaks(values)
            .into_iter()
            .filter(significant);
        let peaks: Vec<(usize, f64)> = peaks.collect();
        let best = peaks.iter().map(|(_, r)| *r).fold(0.0, f64::max);
        let first = |share: f64| {
            let as_high = peaks.iter().find(|(_, r)| *r >= share * best);
            as_high.map(|(lag, _)| *lag)
        };
        let (Some(shortest), Some(strongest)) = (first(AS_GOOD), first(AS_STRONG)) else {
            return known_alone();
        };
        let shorter = |lag: usize| LONGER * lag as f64 <= strongest as f64;
        let around = |within: usize| Self {
            period: strongest,
            within: Some(within),
        };
        if let Some(known) = known {
            let longer = shorter(known).then(|| around(known));
            return [Self::of(known)].into_iter().chain(longer).collect();
        }
        let within = peaks.iter().filter(|(lag, _)| shorter(*lag));
        let within = within.map(|(_, r)| *r).fold(0.0, f64::max);
        let within = peaks
            .iter()
            .find(|(lag, r)| shorter(*lag) && *r >= AS_GOOD * within);
        let longer = within.map(|&(lag, _)| around(lag));
        [Self::of(shortest)].into_iter().chain(longer).collect()
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn a_week_of_days_has_two_seasons() {
        let day = |t: usize| (t as f64 * std::f64::consts::TAU / 8.0).sin();
        let weekend = |t: usize| if t % 56 < 16 { 0.4 } else { 1.0 };
        let values: Vec<f64> = (0..500).map(|t| day(t) * weekend(t)).collect();
        let week = Season {
            period: 56,
            within: Some(8),
        };
        let found = Season::find(&values, None);
        assert!(found.contains(&week), "{found:?}");
        let line: Vec<f64> = (0..60).map(f64::from).collect();
        assert_eq!(Season::find(&line, None), []);
        let known = Season::find(&values, Some(8));
        assert_eq!(known, [Season::of(8), week]);
        assert_eq!(Season::find(&line, Some(7)), [Season::of(7)]);
    }

    /// Fault: of so many correlations one was always high enough.
    #[test]
    fn random_walks_have_few_seasons() {
        let mut random = ChaCha8Rng::seed_from_u64(8);
        let mut found = 0;
        for _ in 0..100 {
            let mut position = 0.0;
            let walk = (0..120).map(|_| {
                position += random.random_range(-1.0..1.0);
                position
            });
            let walk: Vec<f64> = walk.collect();
            found += usize::from(!Season::find(&walk, None).is_empty());
            let known = Season::find(&walk, Some(12));
            assert_eq!(known[0], Season::of(12));
        }
        assert!(found < 15, "{found}");
    }
}
