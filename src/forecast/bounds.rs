//! How far from its context a sampled path may lead the experts that learn from it.

use ndarray::ArrayView2;

/// Least range that a channel's context is taken to have, in axis units.
const LEAST: f64 = 1.0;

/// Room on either side of a context's range, as a part of it: at least what a channel is left that
/// stays within its range, at most what one is that grows without end.
const ROOM: (f64, f64) = (0.1, 1.0);

/// Rows whose range the whole context's is held against, as a part of all.
const EARLY: usize = 4;

/// Positions within which paths are held: the range of what was observed of each channel, and on
/// either side of it as much again of this range as it has grown by since early in the context: the
/// largest power of two of rows within its first quarter. Experts that follow a path further away run off with it.
///
/// A random walk's range doubles while its rows become four times as many, and that of a trend does
/// more; an oscillation's or a stationary process' hardly grows.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    rows: usize,
    channels: Vec<Ranges>,
}

/// Lowest and highest positions of a channel after 1, 2, 4, 8 and so on rows, and after all.
#[derive(Debug, Clone, Default)]
struct Ranges {
    early: Vec<(f64, f64)>,
    all: Option<(f64, f64)>,
}

impl Ranges {
    /// Room on either side after so many rows.
    fn room(&self, rows: usize, (low, high): (f64, f64)) -> f64 {
        let range = (high - low).max(LEAST);
        let early = (rows / EARLY).checked_ilog2();
        let early = early.and_then(|power| self.early.get(power as usize));
        let grown = early.map_or(ROOM.1, |(low, high)| range / (high - low) - 1.0);
        range * grown.clamp(ROOM.0, ROOM.1)
    }
}

impl Bounds {
    /// Nothing observed of some channels: no bounds.
    pub(crate) fn new(channels: usize) -> Self {
        Self {
            rows: 0,
            channels: vec![Ranges::default(); channels],
        }
    }

    /// Widens the ranges by positions `[rows, channels]`.
    pub(crate) fn observe(&mut self, positions: ArrayView2<f64>) {
        for row in positions.rows() {
            self.rows += 1;
            for (ranges, &y) in self.channels.iter_mut().zip(row) {
                let (low, high) = ranges.all.unwrap_or((y, y));
                let all = (low.min(y), high.max(y));
                ranges.all = Some(all);
                if self.rows.is_power_of_two() {
                    ranges.early.push(all);
                }
            }
        }
    }

    /// Where a channel's position is held, if it lies outside.
    pub(crate) fn held(&self, channel: usize, position: f64) -> Option<f64> {
        let ranges = &self.channels[channel];
        let (low, high) = ranges.all?;
        let room = ranges.room(self.rows, (low, high));
        let held = position.clamp(low - room, high + room);
        (held != position).then_some(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    fn bounds(rows: usize, of: impl Fn(usize) -> f64) -> Bounds {
        let mut bounds = Bounds::new(1);
        bounds.observe(Array2::from_shape_fn((rows, 1), |(t, _)| of(t)).view());
        bounds
    }

    /// They were those of an axis that the context spans, which `--scale none` is not.
    #[test]
    fn bounds_are_those_of_the_context_on_any_axis() {
        let mut bounds = Bounds::new(2);
        assert_eq!(bounds.held(0, 1e9), None);
        bounds.observe(array![[100.0, 1.5], [300.0, 8.5]].view());
        let held = [450.0, 501.0, -101.0].map(|y| bounds.held(0, y));
        assert_eq!(held, [None, Some(500.0), Some(-100.0)]);
        assert_eq!(bounds.held(1, 16.0), Some(15.5));
    }

    /// Paths of a pendulum were held at three times its velocities, where experts had run off with
    /// them.
    #[test]
    fn what_stays_within_its_range_is_held_close_to_it() {
        let swings = bounds(200, |t| (0.3 * t as f64).sin() * 3.5 + 5.0);
        let held = swings.held(0, 20.0).unwrap();
        assert!((9.1..9.3).contains(&held), "{held}");
        let rises = bounds(200, |t| 0.035 * t as f64 + 1.5);
        assert_eq!(rises.held(0, 15.0), None);
        // The square root of the rows, as a random walk.
        let walks = bounds(200, |t| 0.5 * (t as f64).sqrt());
        assert_eq!(walks.held(0, 13.0), None);
    }
}
