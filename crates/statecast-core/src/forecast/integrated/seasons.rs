//! The seasons of a channel.

use crate::experts::autocorrelation_peaks;

/// Autocorrelation that a season must have, and share of the strongest one's that the shortest must have.
const MIN_AUTOCORRELATION: f64 = 0.2;
const AS_GOOD: f64 = 0.9;

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

    /// Seasons of some values: the first period whose autocorrelation is about as high as the highest one's, and that one
    /// with a shorter one within it.
    pub(super) fn find(values: &[f64]) -> Vec<Self> {
        let peaks = autocorrelation_peaks(values);
        let highest = |longest: usize| {
            let within = peaks
                .iter()
                .filter(|(lag, r)| *lag <= longest && *r >= MIN_AUTOCORRELATION);
            within
                .copied()
                .reduce(|best, peak| if peak.1 > best.1 { peak } else { best })
        };
        let Some((strongest, correlation)) = highest(usize::MAX) else {
            return Vec::new();
        };
        let first = peaks.iter().find(|(_, r)| *r >= AS_GOOD * correlation);
        let first = first.map_or(strongest, |&(lag, _)| lag);
        let within = match first < strongest {
            true => Some(first),
            false => highest(2 * strongest / 3).map(|(lag, _)| lag),
        };
        let mut seasons = vec![Self::of(first)];
        seasons.extend(within.map(|_| Self {
            period: strongest,
            within,
        }));
        seasons
    }
}

#[cfg(test)]
mod tests {
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
        let found = Season::find(&values);
        assert!(found.contains(&week), "{found:?}");
        let line: Vec<f64> = (0..60).map(f64::from).collect();
        assert_eq!(Season::find(&line), []);
    }
}
