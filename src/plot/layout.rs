//! Sizes, ranges and number labels of a grid of panels.

use std::ops::Range;

/// Pixels of the title, subtitle and legend above the panels.
pub(super) const HEADER: u32 = 84;

const PANEL_HEIGHT: u32 = 190;

/// Rows of context per step of the forecast.
const CONTEXT_SHARE: usize = 3;
const MIN_CONTEXT: usize = 60;

/// Columns and rows of panels.
pub(super) fn grid(panels: usize) -> (usize, usize) {
    let columns = match panels {
        0 | 1 => 1,
        2 | 4 => 2,
        3 | 5..=9 => 3,
        _ => 4,
    };
    (columns, panels.div_ceil(columns).max(1))
}

/// Size of the whole figure in pixels.
pub(super) fn size(panels: usize) -> (u32, u32) {
    let (columns, rows) = grid(panels);
    let width = match columns {
        1 => 900,
        2 => 560,
        _ => 440,
    };
    let height = if columns == 1 { 300 } else { PANEL_HEIGHT };
    (width * columns as u32, HEADER + height * rows as u32)
}

/// Returns the first row of the context in the figure, which leaves enough room for the forecast.
pub(super) fn first_row(first: usize, context_end: usize, last: usize) -> usize {
    let horizon = (last + 1).saturating_sub(context_end);
    context_end
        .saturating_sub(context_shown(horizon))
        .max(first)
}

/// Returns the largest number of context rows in a figure before a forecast of `horizon` steps.
pub fn context_shown(horizon: usize) -> usize {
    (CONTEXT_SHARE * horizon).max(MIN_CONTEXT)
}

/// The range of some values with room around it, also when they are all equal.
pub(super) fn padded(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values
        .filter(|v| v.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
            (low.min(v), high.max(v))
        });
    if low > high {
        return 0.0..1.0;
    }
    let room = 0.06 * (high - low);
    let room = if room > 0.0 {
        room
    } else {
        (0.05 * low.abs()).max(1e-9)
    };
    low - room..high + room
}

/// A number for an axis of a given span: few digits, exponents only where they save room.
pub(super) fn label(value: f64, span: f64) -> String {
    let size = value.abs();
    // Grid lines at zero carry the rounding error of the step between them.
    if size <= 1e-9 * span {
        "0".to_owned()
    } else if !(1e-3..1e5).contains(&size) {
        format!("{value:.1e}")
    } else {
        let digits = (2 - size.log10().floor() as i32).clamp(0, 5) as usize;
        let text = format!("{value:.digits$}");
        match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        }
    }
}

/// A name that fits over a panel.
pub(super) fn shortened(name: &str) -> String {
    const LONGEST: usize = 32;
    if name.chars().count() <= LONGEST {
        return name.to_owned();
    }
    let start: String = name.chars().take(LONGEST - 1).collect();
    format!("{start}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_short() {
        let numbers = [1.5, -0.25, 0.0125, 1234.5, 2e9, -3e-7];
        let labels = numbers.map(|value| label(value, value.abs()));
        assert_eq!(
            labels,
            ["1.5", "-0.25", "0.0125", "1234", "2.0e9", "-3.0e-7"]
        );
        assert_eq!(label(-2.8e-17, 0.4), "0");
    }

    #[test]
    fn constant_values_have_a_range() {
        let range = padded([4.0, 4.0].into_iter());
        assert!(range.start < 4.0 && range.end > 4.0);
        assert_eq!(padded([f64::NAN].into_iter()), 0.0..1.0);
    }

    #[test]
    fn forecast_takes_a_good_share_of_the_width() {
        assert_eq!(first_row(0, 1000, 1049), 850);
        assert_eq!(first_row(0, 40, 49), 0);
    }
}
