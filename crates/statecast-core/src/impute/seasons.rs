//! Values a season away from a row, on both sides.

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
        let rows = values.len();
        let near: Vec<f64> = (0..rows)
            .map(|t| around(values, t, self.shortest, 1))
            .collect();
        let wide = |t| match self.strongest > self.shortest {
            true => around(values, t, self.strongest, 1),
            false => around(values, t, self.shortest, WIDE),
        };
        let wide: Vec<f64> = (0..rows).map(wide).collect();
        let row = |t: usize| {
            let before = t.saturating_sub(1);
            [near[t], wide[t], near[before], wide[before]]
        };
        (0..rows).map(row).collect()
    }
}

/// The mean of the nearest known values whole seasons away from a row, up to `count` on each side; 0, which is the
/// mean of a standardised channel, if there is none.
fn around(values: &[f64], row: usize, season: usize, count: usize) -> f64 {
    let known = |x: &f64| !x.is_nan();
    let before = values[..row].iter().rev().skip(season - 1).step_by(season);
    let after = values[row..].iter().skip(season).step_by(season);
    let found = before.copied().filter(known).take(count);
    let found: Vec<f64> = found
        .chain(after.copied().filter(known).take(count))
        .collect();
    match found.len() {
        0 => 0.0,
        n => found.iter().sum::<f64>() / n as f64,
    }
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
