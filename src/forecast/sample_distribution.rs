//! Samples as continuous distributions, on the scale of log-odds.

use ndarray::ArrayView1;

/// Log-odds beyond which a value counts as this: one that lies very far off all of the sample.
const FARTHEST: f64 = 50.0;

/// Log-odds of a level between 0 and 1.
pub(super) fn log_odds(level: f64) -> f64 {
    (level / (1.0 - level)).ln()
}

/// A sample as a continuous distribution with tails: log-odds that are linear between the values
/// and go on beyond them as those of a logistic distribution of the sample's spread do.
pub(super) struct SampleDistribution {
    /// Different values in order, with their log-odds.
    points: Vec<(f64, f64)>,
    /// Log-odds a unit in the tails.
    slope: f64,
}

impl SampleDistribution {
    /// The distribution of a sample; `None` if its values are all the same.
    pub(super) fn of(sample: ArrayView1<f64>) -> Option<Self> {
        let count = sample.len() as f64;
        let mut values = sample.to_vec();
        values.sort_by(f64::total_cmp);
        let spread = sample.std(0.0);
        if !(spread > 0.0 && spread.is_finite()) {
            return None;
        }
        let mut points: Vec<(f64, f64)> = Vec::with_capacity(values.len());
        let mut before = 0;
        for same in values.chunk_by(|a, b| a == b) {
            let middle = before as f64 + same.len() as f64 / 2.0;
            points.push((same[0], log_odds(middle / count)));
            before += same.len();
        }
        let slope = std::f64::consts::PI / (3f64.sqrt() * spread);
        (points.len() > 1).then_some(Self { points, slope })
    }

    pub(super) fn log_odds(&self, value: f64) -> f64 {
        interpolated(&self.points, |p| p, self.slope, value).clamp(-FARTHEST, FARTHEST)
    }

    pub(super) fn value(&self, log_odds: f64) -> f64 {
        interpolated(&self.points, |(x, y)| (y, x), 1.0 / self.slope, log_odds)
    }
}

/// The line through points, of which there is at least one, at an argument; beyond them it goes on
/// with a slope. `at` gives argument and value of a point; arguments increase.
pub(super) fn interpolated(
    points: &[(f64, f64)],
    at: impl Fn((f64, f64)) -> (f64, f64),
    slope: f64,
    argument: f64,
) -> f64 {
    let above = points.partition_point(|&point| at(point).0 < argument);
    let beyond = |(x, y): (f64, f64)| y + slope * (argument - x);
    match (
        above.checked_sub(1).map(|k| at(points[k])),
        points.get(above).map(|&p| at(p)),
    ) {
        (Some((x0, y0)), Some((x1, y1))) => y0 + (argument - x0) / (x1 - x0) * (y1 - y0),
        (Some(end), None) | (None, Some(end)) => beyond(end),
        (None, None) => argument,
    }
}
