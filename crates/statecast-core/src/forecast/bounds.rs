//! How far from its context a sampled path may lead the experts that learn from it.

use ndarray::ArrayView2;

use super::levels::Distinct;

/// Least range that a channel's context is taken to have, in axis units.
const MIN_RANGE: f64 = 1.0;

/// Positions within which paths are held: the range of what was observed of each channel, and as
/// much again on either side of it. Experts that follow a path further away run off with it.
#[derive(Debug, Clone)]
struct Bounds {
    ranges: Vec<Option<(f64, f64)>>,
    distinct: Vec<Distinct>,
}

impl Bounds {
    /// Nothing observed of some channels: no bounds.
    fn new(channels: usize) -> Self {
        Self {
            ranges: vec![None; channels],
            distinct: vec![Distinct::default(); channels],
        }
    }

    /// Widens the ranges by positions `[rows, channels]`.
    fn observe(&mut self, positions: ArrayView2<f64>) {
        for row in positions.rows() {
            for ((range, distinct), &y) in self.ranges.iter_mut().zip(&mut self.distinct).zip(row) {
                let (low, high) = range.unwrap_or((y, y));
                *range = Some((low.min(y), high.max(y)));
                distinct.observe(y);
            }
        }
    }

    /// Where a channel's position is held, if it lies outside.
    fn held(&self, channel: usize, position: f64) -> Option<f64> {
        let (low, high) = self.ranges[channel]?;
        let room = (high - low).max(MIN_RANGE);
        let held = position.clamp(low - room, high + room);
        (held != position).then_some(held)
    }
}

/// Values that were moved to an end: draws to the bounds of their channel, residuals to the ends of
/// their bins. A value that is both counts once. Those of switches do not count: their paths go on with one of
/// their levels, wherever it was drawn.
#[derive(Debug, Clone)]
pub(crate) struct Clipped {
    bounds: Bounds,
    /// Sequences whose last draw was held within the bounds, and counted.
    held: Vec<usize>,
    /// A flag a channel.
    is_switch: Vec<bool>,
    count: usize,
}

impl Clipped {
    /// None so far, of some channels.
    pub(crate) fn new(channels: usize) -> Self {
        Self {
            bounds: Bounds::new(channels),
            held: Vec::new(),
            is_switch: vec![false; channels],
            count: 0,
        }
    }

    /// None so far of what goes on from here, within the same bounds.
    pub(crate) fn fork(&self) -> Self {
        Self {
            bounds: self.bounds.clone(),
            held: Vec::new(),
            is_switch: self
                .bounds
                .distinct
                .iter()
                .map(Distinct::is_switch)
                .collect(),
            count: 0,
        }
    }

    /// Widens the bounds by positions `[rows, channels]`.
    pub(crate) fn observe(&mut self, positions: ArrayView2<f64>) {
        self.bounds.observe(positions);
    }

    /// Counts a residual that was observed, if it lies beyond its bins.
    pub(crate) fn read(&mut self, beyond: bool) {
        self.count += usize::from(beyond);
    }

    /// Begins a row of draws.
    pub(crate) fn draw(&mut self) {
        self.held.clear();
    }

    /// Where the draw of a sequence, which is that of a channel, is held, if it lies outside.
    pub(crate) fn hold(&mut self, sequence: usize, channel: usize, position: f64) -> Option<f64> {
        let held = self.bounds.held(channel, position)?;
        if !self.is_switch[channel] {
            self.held.push(sequence);
            self.count += 1;
        }
        Some(held)
    }

    /// Does not count the last draws of some sequences, which are not taken.
    pub(crate) fn discard(&mut self, sequences: &[usize]) {
        let before = self.held.len();
        self.held.retain(|i| !sequences.contains(i));
        self.count -= before - self.held.len();
    }

    /// Counts the residual of a value that a sequence goes on with, if it lies beyond its bins and
    /// the value was not held.
    pub(crate) fn advance(&mut self, sequence: usize, channel: usize, beyond: bool) {
        self.read(beyond && !self.is_switch[channel] && !self.held.contains(&sequence));
    }

    /// Ends the row.
    pub(crate) fn advanced(&mut self) {
        self.held.clear();
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_value_that_is_moved_twice_counts_once() {
        let mut clipped = Clipped::new(1);
        clipped.observe(array![[1.5], [8.5]].view());
        clipped.draw();
        let held = [0, 1, 2].map(|i| clipped.hold(i, 0, [99.0, 5.0, -99.0][i]));
        assert_eq!(held, [Some(15.5), None, Some(-5.5)]);
        clipped.discard(&[2]);
        (0..3).for_each(|i| clipped.advance(i, 0, true));
        clipped.advanced();
        // The first was held, the others lie beyond the bins.
        assert_eq!(clipped.count(), 3);
        clipped.advance(0, 0, true);
        assert_eq!((clipped.count(), clipped.fork().count()), (4, 0));
    }

    /// Fault: paths of a switch were said to have been moved to an end, and to run off.
    #[test]
    fn draws_of_a_switch_are_not_counted_as_moved() {
        let rows = ndarray::Array2::from_shape_fn((40, 2), |(t, c)| match c {
            0 => 1.5 + 7.0 * (t % 2) as f64,
            _ => 1.5 + 0.1 * t as f64,
        });
        let mut context = Clipped::new(2);
        context.observe(rows.view());
        let mut clipped = context.fork();
        clipped.draw();
        assert!(clipped.hold(0, 0, 99.0).is_some());
        clipped.advance(0, 0, true);
        assert_eq!(clipped.count(), 0);
        assert!(clipped.hold(1, 1, 99.0).is_some());
        assert_eq!(clipped.count(), 1);
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
}
