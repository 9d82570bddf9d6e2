//! Contexts that are longer than a model's window.
//!
//! What learns online reads all rows of a context; a model reads the last ones that leave room for
//! the steps to come, and rows before them are [passed](super::Continuation::pass). Rows whose
//! densities are wanted are all read: where the window is full, the model begins again with the
//! later half of it.

use super::{ForecastError, Predictor};

/// Part of a window that is left to a context, however many steps are to come, and to steps whose
/// number is not known when the context is read.
const PART: usize = 4;

/// Most rows of context that a forecaster can read which begins again: any number, unless the
/// horizon leaves less than a quarter of the window to them.
pub(super) fn longest_context(window: usize, horizon: usize) -> usize {
    match horizon <= most_steps(window) {
        true => usize::MAX,
        false => window.saturating_sub(horizon),
    }
}

/// Most steps that a path draws at once, where a window leaves its part to a context.
pub(super) fn most_steps(window: usize) -> usize {
    window - window / PART
}

/// Steps of `horizon` that a path draws from a context before it has to begin again: all, if they fit.
pub(super) fn stretch_of(predictor: &dyn Predictor, context: usize, horizon: usize) -> usize {
    let window = predictor.window();
    let fits = |&steps: &usize| predictor.check(context, steps).is_ok();
    let parts = [most_steps(window), window.saturating_sub(context)];
    let most = parts.into_iter().filter(fits).max();
    match fits(&horizon) {
        true => horizon,
        // If none fits, the check of the horizon says why.
        false => most.unwrap_or(horizon),
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
pub(super) fn longest_segment(window: usize, context: usize) -> usize {
    window.saturating_sub(context).max(window / PART)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::Arc;

    use ndarray::{Array2, s};

    use super::*;
    use crate::baselines::named;
    use crate::forecast::{
        Continuation, Forecaster, Futures, Role, RolloutSettings, Settings, Start, Variables,
    };

    /// A baseline with a window.
    struct Narrow(usize);

    impl Predictor for Narrow {
        fn name(&self) -> String {
            "narrow".to_owned()
        }

        fn start(&self, start: Start) -> Result<Box<dyn Continuation>, ForecastError> {
            named("ar").unwrap().start(start)
        }

        fn window(&self) -> usize {
            self.0
        }

        fn check(&self, context: usize, horizon: usize) -> Result<(), ForecastError> {
            check_window(self.0, context, horizon)
        }
    }

    /// Horizons of more than three quarters of a window, whatever the context, were an error.
    #[test]
    fn paths_of_any_horizon_begin_again_where_the_window_is_full() {
        let wave = Array2::from_shape_fn((50, 1), |(t, _)| (0.3 * t as f64).sin());
        let context = Variables::new(vec!["x".to_owned()], vec![Role::State], wave);
        let paths = |predictor: Arc<dyn Predictor>, rows: usize| {
            let settings = RolloutSettings {
                horizon: NonZeroUsize::new(100).unwrap(),
                samples: NonZeroUsize::new(5).unwrap(),
                ..RolloutSettings::default()
            };
            let forecaster = Forecaster::of(predictor, Settings::default());
            let context = context.slice(0..rows);
            let rollouts = forecaster.rollouts(&context, 0, &settings, Futures::Unknown, &|_| ());
            rollouts.unwrap().into_first().paths
        };
        for (rows, at_once) in [(50, 30), (5, 35)] {
            let (narrow, wide) = (
                paths(Arc::new(Narrow(40)), rows),
                paths(named("ar").unwrap(), rows),
            );
            let first = s![.., ..at_once, ..];
            assert_eq!(narrow.slice(first), wide.slice(first));
            assert!(narrow.iter().all(|x| x.is_finite()));
        }
    }

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
            let max_steps = longest_segment(1000, context);
            assert!(check_window(1000, context, max_steps).is_ok());
        }
    }
}
