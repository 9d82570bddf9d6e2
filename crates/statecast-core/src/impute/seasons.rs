//! Values a season away from a row, on both sides.

use std::collections::VecDeque;

use super::form::SEASONAL;
use crate::experts::autocorrelation_peaks;

/// Autocorrelation of differences that a season must have, and the same in standard errors of that of noise.
const MIN_AUTOCORRELATION: f64 = 0.2;
const MIN_ERRORS: f64 = 3.0;

/// Shares of the highest autocorrelation that the shortest season and the strongest must have.
const AS_GOOD: f64 = 0.9;
const AS_STRONG: f64 = 0.98;

/// Seasons away that are averaged where there is one season only.
const WIDE: usize = 3;

/// The seasons of a channel, in rows: the shortest that is about as good as any, and the strongest, such as a day and
/// a week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seasons {
    shortest: usize,
    strongest: usize,
}

impl Seasons {
    /// Finds the seasons of a series with NaN for unknown values, which count as interpolated.
    pub(super) fn find(values: &[f64]) -> Option<Self> {
        let filled = interpolated(values)?;
        let significant = |&(lag, r): &(usize, f64)| {
            let errors = MIN_ERRORS / ((filled.len() - lag) as f64).sqrt();
            r >= MIN_AUTOCORRELATION.max(errors)
        };
        let peaks = autocorrelation_peaks(&filled).into_iter();
        let peaks: Vec<(usize, f64)> = peaks.filter(significant).collect();
        let best = peaks.iter().map(|(_, r)| *r).fold(0.0, f64::max);
        let first = |share: f64| Some(peaks.iter().find(|(_, r)| *r >= share * best)?.0);
        Some(Self {
            shortest: first(AS_GOOD)?,
            strongest: first(AS_STRONG)?,
        })
    }

    /// What is known of each row from rows whole seasons away: `[rows][SEASONAL]`, for the row and the row before it.
    pub(super) fn inputs(self, values: &[f64]) -> Vec<[f64; SEASONAL]> {
        let near = around(values, self.shortest, 1);
        let wide = match self.strongest > self.shortest {
            true => around(values, self.strongest, 1),
            false => around(values, self.shortest, WIDE),
        };
        let row = |t: usize| {
            let before = t.saturating_sub(1);
            [near[t], wide[t], near[before], wide[before]]
        };
        (0..values.len()).map(row).collect()
    }
}

/// For each row the mean of the nearest known values whole seasons away, up to `count` on each side; 0, which is the
/// mean of a standardised channel, if there is none.
fn around(values: &[f64], season: usize, count: usize) -> Vec<f64> {
    let rows = values.len();
    let mut found = vec![(0.0, 0); rows];
    let mut pass = |order: &mut dyn Iterator<Item = usize>| {
        // The last known values at each place of the season.
        let mut last: Vec<VecDeque<f64>> = vec![VecDeque::new(); season.min(rows)];
        for t in order {
            let known = &mut last[t % season];
            found[t].0 += known.iter().sum::<f64>();
            found[t].1 += known.len();
            if !values[t].is_nan() {
                known.truncate(count - 1);
                known.push_front(values[t]);
            }
        }
    };
    pass(&mut (0..rows));
    pass(&mut (0..rows).rev());
    let mean = |(sum, known): (f64, usize)| sum / known.max(1) as f64;
    found.into_iter().map(mean).collect()
}

/// Unknown values on the straight line between known ones, or as the nearest one.
pub(super) fn interpolated(values: &[f64]) -> Option<Vec<f64>> {
    let known: Vec<usize> = (0..values.len()).filter(|&t| !values[t].is_nan()).collect();
    let (&first, &last) = (known.first()?, known.last()?);
    let mut filled = values.to_vec();
    filled[..first].fill(values[first]);
    filled[last..].fill(values[last]);
    for pair in known.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let slope = (values[to] - values[from]) / (to - from) as f64;
        (from + 1..to).for_each(|t| filled[t] = values[from] + slope * (t - from) as f64);
    }
    Some(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault: each row of a gap looked for a known value through the whole of it, a time quadratic in the gap.
    #[test]
    fn a_huge_gap_is_crossed_once() {
        let mut values: Vec<f64> = (0..400).map(|t| f64::from(t * t % 97)).collect();
        values[150..260].fill(f64::NAN);
        values[30] = f64::NAN;
        let (season, count) = (7, 3);
        let walked = |t: usize| {
            let before = (1..=t / season).map(|k| values[t - k * season]);
            let after = (1..=(399 - t) / season).map(|k| values[t + k * season]);
            let before = before.filter(|x| !x.is_nan()).take(count);
            let after = after.filter(|x| !x.is_nan()).take(count);
            let known: Vec<f64> = before.chain(after).collect();
            known.iter().sum::<f64>() / known.len() as f64
        };
        for (t, mean) in around(&values, season, count).into_iter().enumerate() {
            assert!((mean - walked(t)).abs() < 1e-9, "row {t}");
        }
        // By steps of a season 10^11 of them.
        values = vec![1.0; 2_000_000];
        values[..900_000].fill(f64::NAN);
        assert!(around(&values, 2, 3).iter().all(|&mean| mean == 1.0));
    }
}
