//! Contexts that are longer than a model's window.
//!
//! What learns online reads all rows of a context; a model reads the last ones that leave room for
//! the steps to come, and rows before them are [passed](super::Continuation::pass). Rows whose
//! densities are wanted are all read: where the window is full, the model begins again with the
//! later half of it.

use super::ForecastError;

/// Part of a window that is left to a context, however many steps are to come, and to steps whose
/// number is not known when the context is read.
const PART: usize = 4;

/// Most rows of context that a forecaster can read which begins again: any number, unless the
/// horizon leaves less than a quarter of the window to them.
pub(super) fn longest_context(window: usize, horizon: usize) -> usize {
    match horizon <= window - window / PART {
        true => usize::MAX,
        false => window.saturating_sub(horizon),
    }
}

/// Whether a forecaster which begins again can go on from a context so far.
pub(super) fn check_window(
    window: usize,
    context: usize,
    horizon: usize,
) -> Result<(), ForecastError> {
    let tokens = context.min(window / PART) + horizon;
    match tokens <= window {
        true => Ok(()),
        false => Err(ForecastError::Window {
            context,
            horizon,
            tokens,
            window,
        }),
    }
}

/// First row of a context that a window is to be shown, before `horizon` steps; zero if their
/// number is not known. Densities of the rows from `wanted` on are asked for.
pub(super) fn first_shown(window: usize, rows: usize, wanted: usize, horizon: usize) -> usize {
    if rows.saturating_add(horizon) <= window {
        return 0;
    }
    let room = match horizon {
        0 => window / PART,
        known => known,
    };
    let shown = window.saturating_sub(room);
    let before_wanted = wanted.saturating_sub(window / 2);
    rows.saturating_sub(shown).min(before_wanted)
}

/// Steps that a path may go from a context before it has to begin again.
pub(super) fn longest_stretch(window: usize, context: usize) -> usize {
    window.saturating_sub(context).max(window / PART)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_shows_what_leaves_room_for_the_steps() {
        assert_eq!(first_shown(1000, 900, 900, 100), 0);
        assert_eq!(first_shown(1000, 901, 901, 100), 1);
        assert_eq!(first_shown(1000, 5000, 5000, 100), 4100);
        // A number of steps that is not known, and rows that are all wanted.
        assert_eq!(first_shown(1000, 5000, 5000, 0), 4250);
        assert_eq!(first_shown(1000, 1000, 1000, 0), 0);
        assert_eq!(first_shown(1000, 5000, 0, 100), 0);
        assert_eq!(first_shown(1000, 5000, 2000, 100), 1500);
        assert_eq!(first_shown(usize::MAX, 5000, 5000, 100), 0);
    }

    #[test]
    fn what_is_said_to_fit_fits() {
        for horizon in [1, 100, 750, 751, 1000] {
            let longest = longest_context(1000, horizon);
            assert!(check_window(1000, longest.min(1 << 40), horizon).is_ok());
        }
        assert!(check_window(1000, 250, 751).is_err());
        assert!(check_window(1000, 249, 751).is_ok());
        for context in [10, 600, 5000] {
            let stretch = longest_stretch(1000, context);
            assert!(check_window(1000, context, stretch).is_ok());
        }
    }
}
