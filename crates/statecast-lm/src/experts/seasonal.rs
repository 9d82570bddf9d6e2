//! The value one period ago, for each channel by itself.

use std::ops::Range;
use std::sync::Arc;

use super::candidates::Candidates;
use super::products::dot;
use super::regression::{Noise, Prepared, Prior, Regression};
use super::{Expert, Next, Past, Student};

/// Rows from which on a period is looked for, and looked for anew whenever they have doubled.
const FIRST_SEARCH: usize = 16;

/// Longest period.
const LONGEST: usize = 512;

/// Autocorrelation that the best period must have, and share of it that a shorter one must have.
const MIN_AUTOCORRELATION: f64 = 0.2;
const AS_GOOD: f64 = 0.9;

const RIDGE: f64 = 0.1;

/// Weights that the two regressions expect of the last value, that a period ago, the one before
/// that and an intercept.
const EXPECTED: [[f64; 2]; 4] = [[0.0, 1.0], [1.0, 1.0], [0.0, -1.0], [0.0, 0.0]];

/// The value of one period ago, moved by what has changed since, or a regression on both.
///
/// The period is the user's or that of the differences' autocorrelation; when it changes,
/// everything is learned anew from the current episode.
#[derive(Debug, Clone)]
pub(super) struct Seasonal {
    given: Option<usize>,
    channels: Vec<Option<Season>>,
}

/// A channel that has a period.
#[derive(Debug, Clone)]
struct Season {
    period: usize,
    candidates: Candidates,
    naive: [Noise; 2],
    regression: Regression,
    prepared: Option<Arc<Prepared>>,
    predicted: Vec<Option<Student>>,
}

impl Seasonal {
    pub(super) fn new(channels: usize, period: Option<usize>) -> Self {
        Self {
            given: period,
            channels: vec![period.map(Season::new); channels],
        }
    }

    /// Looks for periods, if it is time to.
    fn search(&mut self, next: &Next) {
        let due = next.t >= FIRST_SEARCH && next.t.is_power_of_two();
        if self.given.is_some() || !due {
            return;
        }
        // Of the last row's episode, continued or not.
        let kept = next.t - next.past.first();
        let rows = kept.min(next.past.age(next.t - 1) + 1);
        if rows < FIRST_SEARCH {
            return;
        }
        for (c, channel) in self.channels.iter_mut().enumerate() {
            let values: Vec<f64> = (next.t - rows..next.t)
                .map(|t| next.past.values(t)[c])
                .collect();
            let period = period(&values);
            if period != channel.as_ref().map(|season| season.period) {
                let rows = next.t - rows..next.t;
                *channel = period.map(|period| Season::learned(period, next.past, rows, c));
            }
        }
    }
}

impl Season {
    fn new(period: usize) -> Self {
        Self {
            period,
            candidates: Candidates::new(4),
            naive: [Noise::new(Prior::NOISE); 2],
            regression: Regression::around(Prior::of(RIDGE), EXPECTED.concat(), 2),
            prepared: None,
            predicted: vec![None; 4],
        }
    }

    /// A season that has learned some rows.
    fn learned(period: usize, past: &Past, rows: Range<usize>, channel: usize) -> Self {
        let mut season = Self::new(period);
        for t in rows {
            season.predict(&Next::replayed(past, t), channel);
            season.learn(past.values(t)[channel]);
        }
        season
    }

    fn lags(&self, past: &Past, t: usize, channel: usize) -> [f64; 3] {
        [1, self.period, self.period + 1].map(|lag| past.values(t - lag)[channel])
    }

    fn predict(&mut self, next: &Next, channel: usize) -> Option<Student> {
        self.prepared = None;
        self.predicted.fill(None);
        if next.age > self.period {
            let [last, season, before] = self.lags(next.past, next.t, channel);
            let features = [last, season, before, 1.0];
            let prepared = self.regression.prepare(&features);
            let fitted = |target| self.regression.predict_prepared(&prepared, target);
            let predicted = [
                self.naive[0].around(season, 1.0),
                self.naive[1].around(season + last - before, 1.0),
                fitted(0),
                fitted(1),
            ];
            self.predicted.copy_from_slice(&predicted.map(Some));
            self.prepared = Some(Arc::new(prepared));
        }
        self.candidates.best(&self.predicted)
    }

    /// Learns the value that was predicted last, if it was.
    fn learn(&mut self, x: f64) {
        let Some(prepared) = self.prepared.take() else {
            return;
        };
        self.candidates.learn(&self.predicted, x);
        for (noise, predicted) in self.naive.iter_mut().zip(self.predicted.iter().flatten()) {
            noise.learn(x - predicted.location, 1.0);
        }
        let values = [x, x];
        self.regression.learn_prepared(&prepared, &values);
    }
}

impl Expert for Seasonal {
    fn predict(&mut self, next: &Next) -> Vec<Option<Student>> {
        self.search(next);
        let channels = self.channels.iter_mut().enumerate();
        channels
            .map(|(c, season)| season.as_mut()?.predict(next, c))
            .collect()
    }

    fn learn(&mut self, _next: &Next, row: &[f64]) {
        for (season, &x) in self.channels.iter_mut().zip(row) {
            if let Some(season) = season {
                season.learn(x);
            }
        }
    }

    fn copy(&self) -> Box<dyn Expert> {
        Box::new(self.clone())
    }

    fn bytes(&self, rows: usize) -> usize {
        let of = |s: &Season| {
            let prepared = s.prepared.as_ref().map_or(0, |at| at.bytes());
            let predicted = size_of_val(&s.predicted[..]);
            s.candidates.bytes() + s.regression.bytes(rows > 0) + prepared + predicted
        };
        let seasons = self.channels.iter().flatten().map(of).sum::<usize>();
        size_of_val(&self.channels[..]) + seasons
    }
}

/// The period of some values: of the peaks of their differences' autocorrelation that are about as
/// high as the highest, the first. `None` if there is no peak or none is high enough.
fn period(values: &[f64]) -> Option<usize> {
    let peaks = autocorrelation_peaks(values);
    let best = peaks.iter().map(|&(_, r)| r);
    let best = best.fold(f64::NEG_INFINITY, f64::max);
    if best < MIN_AUTOCORRELATION {
        return None;
    }
    let as_good = peaks.into_iter().find(|(_, r)| *r >= AS_GOOD * best);
    as_good.map(|(lag, _)| lag)
}

/// Peaks of the autocorrelation of differences between values: lags from 3 to half of the values, at most 512, and
/// their correlations.
///
/// ```
/// use statecast_lm::experts::autocorrelation_peaks;
/// let values: Vec<f64> = (0..60).map(|t| [0.0, 1.0, 4.0, 2.0, 8.0][t % 5]).collect();
/// let highest = autocorrelation_peaks(&values).into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
/// assert_eq!(highest.unwrap().0 % 5, 0);
/// ```
pub fn autocorrelation_peaks(values: &[f64]) -> Vec<(usize, f64)> {
    let differences: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mean = differences.iter().sum::<f64>() / differences.len() as f64;
    let centred: Vec<f64> = differences.iter().map(|d| d - mean).collect();
    let longest = (values.len() / 2).min(LONGEST);
    let correlations = autocorrelations(&centred, longest);
    let around = correlations.windows(3).enumerate();
    around
        .filter(|(_, r)| r[1] >= r[0] && r[1] >= r[2])
        .map(|(i, r)| (i + 3, r[1]))
        .collect()
}

/// Correlations of values with those 2, 3, ... and up to `longest` before, of values whose mean is
/// taken as zero; 0 where one part is all zero.
fn autocorrelations(values: &[f64], longest: usize) -> Vec<f64> {
    let earlier = running_squares(values.iter());
    let later = running_squares(values.iter().rev());
    let correlation = |lag: usize| {
        let pairs = values.len() - lag;
        let size = (later[pairs - 1] * earlier[pairs - 1]).sqrt();
        let both = dot(&values[lag..], &values[..pairs]);
        if size > 0.0 { both / size } else { 0.0 }
    };
    (2..=longest).map(correlation).collect()
}

/// Sums of the squares up to each value.
fn running_squares<'v>(values: impl Iterator<Item = &'v f64>) -> Vec<f64> {
    let sums = values.scan(0.0, |sum, x| {
        *sum += x * x;
        Some(*sum)
    });
    sums.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_peaks_is_the_period() {
        let wave: Vec<f64> = (0..120).map(|t| [0.0, 1.0, 4.0, 2.0, 8.0][t % 5]).collect();
        assert_eq!(period(&wave), Some(5));
        assert_eq!(period(&vec![3.0; 64]), None);
        let line: Vec<f64> = (0..64).map(f64::from).collect();
        assert_eq!(period(&line), None);
    }
}
