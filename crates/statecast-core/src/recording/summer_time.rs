//! Local clocks that are put forward and back: an hour of their times is missing in spring, and one comes twice in
//! autumn.

use super::instants::NANOS_OF_SECOND;
use super::readings::Times;

const HOUR: f64 = 3600.0;
/// Months in which clocks are changed, north and south of the equator.
const MONTHS: [i64; 5] = [3, 4, 9, 10, 11];
/// The latest hour of the day at which they are.
const LATEST_HOUR: i64 = 3;

/// Whether two rows of one time are of the hour that comes twice: on a regular clock they are an hour apart.
pub(super) fn went_back(times: &Times, first: usize, again: usize) -> bool {
    let rows = again.saturating_sub(first) as f64;
    let regular = [first, again].iter().any(|&row| {
        let step = row
            .checked_sub(1)
            .map(|before| times.values[row] - times.values[before]);
        step.is_some_and(|step| step > 0.0 && (rows * step - HOUR).abs() < 1e-6 * HOUR)
    });
    regular && may_change(times, first)
}

/// Whether a gap before a row is the hour that is left out.
pub(super) fn went_forward(times: &Times, row: usize, step: f64, gap: f64) -> bool {
    (gap - step - HOUR).abs() < 1e-6 * HOUR && may_change(times, row)
}

/// Whether a row is of a day and an hour at which clocks are changed.
fn may_change(times: &Times, row: usize) -> bool {
    let Some(instant) = times.instants.get(row).filter(|_| times.unit == "s") else {
        return false;
    };
    let hour = instant.nanos / (3600 * NANOS_OF_SECOND);
    MONTHS.contains(&(instant.month.rem_euclid(12) + 1)) && (0..=LATEST_HOUR).contains(&hour)
}
