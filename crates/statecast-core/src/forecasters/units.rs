//! Recordings of one system whose columns are plainly of different units.

use crate::forecast::Variables;
use crate::output::numbers;

/// Ratio of sizes from which on they are of different orders of magnitude.
const ORDERS: f64 = 10.0;

/// Distance of ranges, in units of the wider one, from which on they have nothing to do with each other.
const APART: f64 = 5.0;

/// The smallest and the largest value of a column.
#[derive(Debug, Clone, Copy)]
struct Range {
    low: f64,
    high: f64,
}

impl Range {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let none = Self {
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
        };
        values.fold(none, |range, x| Self {
            low: range.low.min(x),
            high: range.high.max(x),
        })
    }

    fn width(self) -> f64 {
        self.high - self.low
    }

    fn size(self) -> f64 {
        self.low.abs().max(self.high.abs())
    }

    /// By how much two ranges differ, at least 1, if they are plainly of different units: both their sizes and
    /// their widths are of other orders of magnitude, or they lie far apart. Columns at rest say nothing.
    fn differs_from(self, other: Self) -> Option<f64> {
        let ratio = |a: f64, b: f64| (a / b).max(b / a);
        let wider = self.width().max(other.width());
        let apart = (self.low - other.high).max(other.low - self.high);
        let sizes = ratio(self.size(), other.size());
        let other_widths = ratio(self.width(), other.width()) >= ORDERS;
        let moves = self.width() > 0.0 && other.width() > 0.0;
        (moves && sizes >= ORDERS && (other_widths || apart > APART * wider)).then_some(sizes)
    }
}

/// A warning of the column that differs most between a recording and episodes of another, if one plainly has
/// another unit there.
pub fn other_units(
    recording: &Variables,
    others: &[Variables],
    actions: &[String],
) -> Option<String> {
    let width = recording.names.len();
    let range = |of: &Variables, column: usize| match column.checked_sub(width) {
        None => Range::of(of.values.column(column).iter().copied()),
        Some(action) => Range::of(of.actions.column(action).iter().copied()),
    };
    let both = |column: usize| {
        let all = others.iter().map(|of| range(of, column));
        let ends = all.flat_map(|range| [range.low, range.high]);
        (range(recording, column), Range::of(ends))
    };
    let columns = width + recording.actions.ncols();
    let differing = (0..columns).filter_map(|column| {
        let (here, there) = both(column);
        Some((here.differs_from(there)?, column, here, there))
    });
    let differing: Vec<_> = differing.collect();
    let (_, column, here, there) = differing.iter().max_by(|a, b| a.0.total_cmp(&b.0))?;
    let name = match column.checked_sub(width) {
        None => &recording.names[*column],
        Some(action) => actions.get(action)?,
    };
    let [low, high, low_there, high_there] =
        numbers([here.low, here.high, there.low, there.high], 3);
    let more = match differing.len() - 1 {
        0 => String::new(),
        more => format!(" (as have {more} other columns)"),
    };
    Some(format!(
        "{name} seems to have another unit than in the recording{more}: {low_there} to {high_there} here, {low} to \
         {high} there"
    ))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;
    use crate::forecast::Role;

    fn of(scale: f64, offset: f64) -> Variables {
        let values = Array2::from_shape_fn((50, 2), |(t, v)| match v {
            0 => (0.3 * t as f64).sin() * scale + offset,
            _ => (0.2 * t as f64).cos(),
        });
        let names = ["angle", "speed"].map(str::to_owned).to_vec();
        Variables::new(names, vec![Role::State; 2], values)
    }

    /// Fault: degrees beside radians were learned from without a word.
    #[test]
    fn other_units_are_found() {
        let warning =
            |scale: f64, offset: f64| other_units(&of(1.0, 0.0), &[of(scale, offset)], &[]);
        for (scale, offset) in [(57.3, 0.0), (1000.0, 0.0), (0.001, 0.0), (1.0, 273.0)] {
            let says = warning(scale, offset).unwrap();
            assert!(
                says.starts_with("angle seems to have another unit"),
                "{says}"
            );
        }
        for (scale, offset) in [(1.0, 0.0), (3.0, 1.0), (0.2, 0.5), (0.0, 0.0)] {
            assert_eq!(warning(scale, offset), None, "{scale} {offset}");
        }
        let rest = Variables::new(
            vec!["x".to_owned()],
            vec![Role::State],
            array![[0.0], [0.0], [0.0]],
        );
        let moves = Variables::new(
            rest.names.clone(),
            vec![Role::State],
            array![[9.0], [1.0], [4.0]],
        );
        assert_eq!(other_units(&rest, &[moves], &[]), None);
    }
}
