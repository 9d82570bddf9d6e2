//! Rows at even times, of rows at times whose steps vary.
//!
//! Each channel is an integrated random walk of order one to four with noise of its measurement (Wahba 1978: its mean given all
//! values is a smoothing spline). Order and noise are those of the highest likelihood: a rough channel is read off a line between its
//! neighbours, a smooth one off a spline of up to seventh degree. What is taken for noise goes with the nearest row.

mod walk;

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

use walk::Walk;

/// Last rows that order and noise are chosen by.
const CHOSEN_BY: usize = 2000;

/// Part of a channel's range that values may lie beyond it.
const BEYOND: f64 = 0.5;

/// Rows at even times.
#[derive(Debug, Clone, PartialEq)]
pub struct EvenRows {
    /// `[rows, channels]`; the last row is the last one that was given.
    pub values: Array2<f64>,
    /// Whether each channel is smooth: of an order above one, without noise.
    pub smooth: Vec<bool>,
}

/// Values a step of 1 apart that end with the last one given, at most `most` rows of them. `times` ascend, one a row of
/// `values`, `[rows, channels]`, all of which are finite. None with fewer than ten rows, or where fewer than two are left.
///
/// ```
/// use ndarray::Array2;
/// use statecast::resample::even_rows;
///
/// // Steps of 0.7 and 1.3 in turn.
/// let times: Vec<f64> = (0..60).map(|t| f64::from(t) + 0.3 * f64::from(t % 2)).collect();
/// let values = Array2::from_shape_fn((60, 1), |(t, _)| (0.3 * times[t]).sin());
/// let even = even_rows(&times, values.view(), 1000).ok_or("too few rows")?;
/// assert_eq!(even.values.dim(), (60, 1));
/// let wanted = (0.3 * (times[59] - 20.0)).sin();
/// assert!((even.values[[39, 0]] - wanted).abs() < 1e-4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn even_rows(times: &[f64], values: ArrayView2<f64>, most: usize) -> Option<EvenRows> {
    let (&first, &last) = (times.first()?, times.last()?);
    let ascend = times.windows(2).all(|pair| pair[1] >= pair[0]);
    let is_usable = times.len() >= 10 && times.len() == values.nrows() && ascend;
    // A first row that a rounding error moved ahead of its time is one all the same.
    let span = (last - first + 1e-6).floor();
    if !is_usable || !span.is_finite() || span < 1.0 || most < 2 {
        return None;
    }
    let rows = most.min(span as usize + 1);
    let grid: Vec<f64> = (0..rows).rev().map(|back| last - back as f64).collect();
    let columns: Vec<ArrayView1<f64>> = values.columns().into_iter().collect();
    let of_channels: Vec<(Vec<f64>, bool)> = columns
        .par_iter()
        .map(|column| channel(times, &column.to_vec(), &grid))
        .collect();
    let mut even = Array2::zeros((rows, values.ncols()));
    for (mut column, (found, _)) in even.axis_iter_mut(Axis(1)).zip(&of_channels) {
        column.assign(&ArrayView1::from(&found[..]));
    }
    Some(EvenRows {
        values: even,
        smooth: of_channels.iter().map(|(_, smooth)| *smooth).collect(),
    })
}

/// The row nearest to each of some ascending times.
pub(crate) fn nearest(times: &[f64], grid: &[f64]) -> Vec<usize> {
    let near = |&time: &f64| {
        let after = times.partition_point(|&t| t < time).min(times.len() - 1);
        let before = after.saturating_sub(1);
        match (time - times[before]).abs() < (times[after] - time).abs() {
            true => before,
            false => after,
        }
    };
    grid.iter().map(near).collect()
}

/// A channel's values at even times, and whether it is smooth.
fn channel(times: &[f64], values: &[f64], grid: &[f64]) -> (Vec<f64>, bool) {
    let rows = values.len() as f64;
    let mean = values.iter().sum::<f64>() / rows;
    let std = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / rows).sqrt();
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if low == high || !std.is_finite() {
        return (vec![low; grid.len()], false);
    }
    let scaled: Vec<f64> = values.iter().map(|x| (x - mean) / std).collect();
    let last = times.len().saturating_sub(CHOSEN_BY);
    let walk = Walk::likeliest(&times[last..], &scaled[last..]);
    let (at_rows, at_grid) = walk.smoothed(times, &scaled, grid);
    let beyond = BEYOND * (high - low);
    let near = nearest(times, grid).into_iter();
    let value = |(near, smoothed): (usize, &f64)| {
        let value = values[near] + std * (smoothed - at_rows[near]);
        match value.is_finite() {
            true => value.clamp(low - beyond, high + beyond),
            false => values[near],
        }
    };
    let mut even: Vec<f64> = near.zip(&at_grid).map(value).collect();
    if let (Some(end), Some(&known)) = (even.last_mut(), values.last()) {
        *end = known;
    }
    (even, walk.is_smooth())
}

#[cfg(test)]
mod tests;
