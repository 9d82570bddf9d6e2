//! The seasons of a channel.

use crate::experts::autocorrelation_peaks;

/// Autocorrelation that a season must have, and shares of the highest that the shortest and the strongest must have: its
/// multiples are as high but for noise.
const MIN_AUTOCORRELATION: f64 = 0.2;
const AS_GOOD: f64 = 0.9;
const AS_STRONG: f64 = 0.98;

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
        let peaks = autocorrelation_peaks(values);
        let highest = |below: usize| {
            let within = peaks.iter().filter(|(lag, _)| *lag < below);
            within.map(|(_, r)| *r).fold(f64::NEG_INFINITY, f64::max)
        };
        let first = |least: f64| peaks.iter().find(|(_, r)| *r >= least).map(|(lag, _)| *lag);
        let best = highest(usize::MAX);
        let (Some(shortest), Some(strongest)) = (first(AS_GOOD * best), first(AS_STRONG * best))
        else {
            return known.map(Self::of).into_iter().collect();
        };
        if best < MIN_AUTOCORRELATION {
            return known.map(Self::of).into_iter().collect();
        }
        if let Some(known) = known {
            let longer = (strongest > known).then_some(Self {
                period: strongest,
                within: Some(known),
            });
            return [Self::of(known)].into_iter().chain(longer).collect();
        }
        let within = match shortest < strongest {
            true => Some(shortest),
            false => {
                let best = highest(2 * strongest / 3);
                first(AS_GOOD * best).filter(|_| best >= MIN_AUTOCORRELATION)
            }
        };
        let mut seasons = vec![Self::of(shortest)];
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
        let found = Season::find(&values, None);
        assert!(found.contains(&week), "{found:?}");
        let line: Vec<f64> = (0..60).map(f64::from).collect();
        assert_eq!(Season::find(&line, None), []);
        let known = Season::find(&values, Some(8));
        assert_eq!(known, [Season::of(8), week]);
        assert_eq!(Season::find(&line, Some(7)), [Season::of(7)]);
    }
}
