//! How far from its context a sampled path may lead the experts that learn from it.

use ndarray::ArrayView2;

/// Least range that a channel's context is taken to have, in axis units.
const LEAST: f64 = 1.0;

/// Positions within which paths are held: the range of what was observed of each channel, and as
/// much again on either side of it. Experts that follow a path further away run off with it.
#[derive(Debug, Clone)]
pub(crate) struct Bounds(Vec<Option<(f64, f64)>>);

impl Bounds {
    /// Nothing observed of some channels: no bounds.
    pub(crate) fn new(channels: usize) -> Self {
        Self(vec![None; channels])
    }

    /// Widens the ranges by positions `[rows, channels]`.
    pub(crate) fn observe(&mut self, positions: ArrayView2<f64>) {
        for row in positions.rows() {
            for (range, &y) in self.0.iter_mut().zip(row) {
                let (low, high) = range.unwrap_or((y, y));
                *range = Some((low.min(y), high.max(y)));
            }
        }
    }

    /// Where a channel's position is held, if it lies outside.
    pub(crate) fn held(&self, channel: usize, position: f64) -> Option<f64> {
        let (low, high) = self.0[channel]?;
        let room = (high - low).max(LEAST);
        let held = position.clamp(low - room, high + room);
        (held != position).then_some(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

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
}
