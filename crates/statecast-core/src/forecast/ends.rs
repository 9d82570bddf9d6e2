//! What lies beyond the ends of a channel's axis, learned row by row.
//!
//! The law of a distance beyond an end is that of the channel's large moves: a generalised Pareto distribution of the
//! moves above their 90 % quantile, from the median of the density to the end and beyond (Pickands 1975). No density
//! changes on the axis before a value has left it.

use crate::codec::{BIN_COUNT, BIN_WIDTH};
use crate::density::{AxisTails, BinnedDensity, EndTail, ParetoTail};

/// Fraction of the moves that are large.
const LARGE: f64 = 0.1;

/// Scale and shape of large moves before any was seen: a tenth of the axis.
const UNSEEN: (f64, f64) = (1.0, 0.25);

/// Most moves that are kept; once there are as many, every second one in the order of sizes goes.
const MOST_MOVES: usize = 1 << 12;

/// Rows that a probability of leaving the axis, of staying beyond it or of lying beyond the end bin has beforehand; and those
/// that stayed.
const PRIOR_ROWS: f64 = 2.0;
const PRIOR_STAYED: f64 = 0.2;

const LENGTH: f64 = BIN_COUNT as f64 * BIN_WIDTH;

/// Where a position lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Axis,
    Low,
    High,
}

impl Place {
    fn of(position: f64) -> Self {
        match position {
            y if y < 0.0 => Self::Low,
            y if y >= LENGTH => Self::High,
            _ => Self::Axis,
        }
    }
}

/// Values of one end of an axis so far.
#[derive(Debug, Clone, Copy, Default)]
struct End {
    /// In the end bin, and beyond.
    inside: f64,
    beyond: f64,
    /// Beyond after a value on the axis.
    left: f64,
    /// Values after one beyond, and those of them beyond the same end.
    after: f64,
    stayed: f64,
}

impl End {
    /// Fraction of the end bin's probability that lies beyond, where the law of distances from the bin says how much reaches
    /// through it.
    fn share(self, law: ParetoTail) -> f64 {
        let through = 1.0 - law.cdf(BIN_WIDTH);
        (self.beyond + PRIOR_ROWS * through) / (self.inside + self.beyond + PRIOR_ROWS)
    }

    fn staying(self) -> f64 {
        (self.stayed + PRIOR_STAYED) / (self.after + PRIOR_ROWS)
    }
}

/// How a channel's values have moved, and how often they have left its axis.
#[derive(Debug, Clone, Default)]
pub(super) struct Ends {
    last: Option<f64>,
    /// Sizes of the moves from row to row, ascending.
    moves: Vec<f64>,
    /// Values after one on the axis.
    after: f64,
    low: End,
    high: End,
}

impl Ends {
    /// Learns a position, which may be the first of an episode.
    pub(super) fn learn(&mut self, position: f64, begins: bool) {
        let place = Place::of(position);
        if let Some(last) = self.last.filter(|_| !begins) {
            self.learn_move((position - last).abs());
            let before = Place::of(last);
            match before {
                Place::Axis => self.after += 1.0,
                Place::Low => self.low.after += 1.0,
                Place::High => self.high.after += 1.0,
            }
            match (before, place) {
                (Place::Axis, Place::Low) => self.low.left += 1.0,
                (Place::Axis, Place::High) => self.high.left += 1.0,
                (Place::Low, Place::Low) => self.low.stayed += 1.0,
                (Place::High, Place::High) => self.high.stayed += 1.0,
                _ => {}
            }
        }
        match place {
            Place::Low => self.low.beyond += 1.0,
            Place::High => self.high.beyond += 1.0,
            Place::Axis if position < BIN_WIDTH => self.low.inside += 1.0,
            Place::Axis if position >= LENGTH - BIN_WIDTH => self.high.inside += 1.0,
            Place::Axis => {}
        }
        self.last = Some(position);
    }

    fn learn_move(&mut self, size: f64) {
        let rank = self.moves.partition_point(|&other| other < size);
        self.moves.insert(rank, size);
        if self.moves.len() == MOST_MOVES {
            let mut goes = false;
            self.moves.retain(|_| {
                goes = !goes;
                !goes
            });
        }
    }

    /// Tails of the density of the next position, which may be the first of an episode.
    pub(super) fn tails(&self, density: &BinnedDensity, begins: bool) -> AxisTails {
        let (bin, fraction) = density.locate(0.5);
        let median = density.grid().position(bin, fraction);
        let last = self.last.filter(|_| !begins);
        let (threshold, moves) = self.large();
        let leaving = |end: &End| end.left / (self.after + PRIOR_ROWS);
        let raised = match last.map_or(Place::Axis, Place::of) {
            Place::Axis => [leaving(&self.low), leaving(&self.high)],
            Place::Low => [self.low.staying(), 0.0],
            Place::High => [0.0, self.high.staying()],
        };
        // From the median to the end, and as far beyond it as the value before was.
        let law = |distance: f64, before: Option<f64>| {
            let above = moves.above((distance - threshold).max(0.0));
            above.wider(before.unwrap_or(0.0))
        };
        let [low, high] = [
            law(median, last.map(|y| -y)),
            law(LENGTH - median, last.map(|y| y - LENGTH)),
        ];
        AxisTails {
            low: EndTail {
                share: self.low.share(low),
                raised: raised[0],
                law: low,
            },
            high: EndTail {
                share: self.high.share(high),
                raised: raised[1],
                law: high,
            },
        }
    }

    /// A size of moves, and the law of how much larger those are that exceed it.
    fn large(&self) -> (f64, ParetoTail) {
        let unseen =
            || ParetoTail::new(UNSEEN.0, UNSEEN.1).expect("a scale above zero, a shape up to 0.5");
        let count = self.moves.len();
        let first = count - ((count as f64 * LARGE).ceil() as usize).min(count);
        let threshold = first.checked_sub(1).map_or(0.0, |i| self.moves[i]);
        let excesses = self.moves[first..].iter().map(|size| size - threshold);
        let excesses: Vec<f64> = excesses.collect();
        let finest =
            ParetoTail::new(BIN_WIDTH, UNSEEN.1).expect("a scale above zero, a shape up to 0.5");
        match excesses.is_empty() {
            true => (0.0, unseen()),
            false => (
                threshold,
                ParetoTail::fit(&excesses)
                    .filter(|tail| tail.scale() > BIN_WIDTH)
                    .unwrap_or(finest),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Axis, Grid};

    fn even() -> Vec<f32> {
        vec![1e-3; BIN_COUNT]
    }

    fn tails(ends: &Ends) -> AxisTails {
        let mass = even();
        ends.tails(&BinnedDensity::new(Axis::Identity, &mass).unwrap(), false)
    }

    #[test]
    fn nothing_is_raised_before_a_value_has_left() {
        let mut ends = Ends::default();
        (0..300).for_each(|t| ends.learn(5.0 + 3.0 * (f64::from(t) * 0.7).sin(), t == 0));
        let before = tails(&ends);
        assert_eq!((before.low.raised, before.high.raised), (0.0, 0.0));
        assert!(before.low.share > 0.5 && before.high.share > 0.5);
        ends.learn(11.0, false);
        let after = tails(&ends);
        assert!(after.high.raised > 0.05 && after.low.raised == 0.0);
        // As wide as the last value is far out, and more after a move that large.
        assert!(after.high.law.scale() > before.high.law.scale() + 1.0);
        ends.learn(5.0, false);
        let back = tails(&ends);
        assert!(back.high.raised > 0.0 && back.high.raised < 0.01);
        // The start of another episode does not follow from the last value.
        ends.learn(12.0, false);
        let mass = even();
        let density = BinnedDensity::new(Axis::Identity, &mass).unwrap();
        assert!(ends.tails(&density, true).high.raised < 0.01);
    }

    /// Fault: jumps from one end to beyond the other counted as leaving the axis, until more than all was raised.
    #[test]
    fn jumps_between_the_ends_leave_probability_on_the_axis() {
        let mut ends = Ends::default();
        for t in 0..50 {
            ends.learn(if t % 2 == 0 { -3.0 } else { 13.0 }, t == 0);
        }
        ends.learn(5.0, false);
        let mass = even();
        let density = BinnedDensity::new(Axis::Identity, &mass).unwrap();
        let density = density.with_tails(ends.tails(&density, false));
        assert!(density.cdf(9.9) - density.cdf(0.1) > 0.9);
        let levels = (0..=1000).map(|k| density.cdf(f64::from(k) * 0.02 - 5.0));
        assert!(levels.collect::<Vec<_>>().is_sorted());
    }

    /// Fault: all moves were kept.
    #[test]
    fn moves_of_a_stream_are_thinned_out() {
        let mut ends = Ends::default();
        let uniform = |t: u64| ((t * 7919 + t * t % 101) % 1000) as f64 / 1000.0;
        let mut position = 5.0;
        for t in 0..100_000 {
            let up = if t % 2 == 0 { 1.0 } else { -1.0 };
            position += up * uniform(t);
            ends.learn(position, t == 0);
            assert!(ends.moves.len() < MOST_MOVES);
        }
        assert!(ends.moves.is_sorted());
        let (threshold, law) = ends.large();
        assert!((threshold - 0.9).abs() < 0.02 && law.scale() < 0.1);
    }

    #[test]
    fn a_series_that_has_left_for_good_is_expected_beyond() {
        let mut ends = Ends::default();
        (0..120).for_each(|t| ends.learn(0.2 * f64::from(t), t == 0));
        let mass = even();
        let density = BinnedDensity::on(Axis::Identity, Grid::Digits, &mass).unwrap();
        let density = density.with_tails(tails(&ends));
        assert!(density.cdf(10.0) < 0.05);
        // At 23.8; the end bin is 13.8 away.
        let score = density.log_score(Grid::Digits.cell(24.0, 0.0));
        assert!(score > -4.5, "{score}");
        assert!(density.log_score(Grid::Digits.cell(1e12, 0.0)).is_finite());
    }
}
