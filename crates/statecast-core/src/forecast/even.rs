//! Sample paths from rows at times whose steps vary, drawn from rows at even times.

use std::num::NonZeroUsize;

use ndarray::{Array1, Array2, Array3, ArrayView2, s};

use super::levels::FewLevels;
use super::{
    ForecastError, Forecaster, Futures, Irregular, Rollout, RolloutSettings, Rollouts, Variables,
};
use crate::resample::{even_rows, nearest};

/// Most even rows, in rows of the context, and most even steps, in steps ahead.
const MOST: usize = 4;

/// How far from a whole number of steps a time is one.
const NEAR: f64 = 1e-6;

/// A context at even times, and when the steps ahead are.
pub(super) struct EvenContext {
    context: Variables,
    between: Vec<Between>,
    /// Median steps from the last row to those ahead.
    ahead: Vec<f64>,
}

/// How a variable is read between two even rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Between {
    /// The nearest one, of few levels.
    Nearest,
    Linear,
    /// Of four rows.
    Cubic,
}

impl Forecaster {
    /// A context at even times, if its steps vary, forecasters read it so, and no action drives it.
    pub(super) fn even(&self, context: &Variables, horizon: usize) -> Option<EvenContext> {
        let steps = context.steps.as_ref()?;
        let is_one_run = !self.has_earlier() && !context.begins.iter().skip(1).any(|b| *b);
        let is_read = self.settings().irregular == Irregular::Even;
        if !is_read || !is_one_run || context.actions.ncols() > 0 {
            return None;
        }
        let rows = context.rows();
        let mut times = vec![0.0; rows];
        (0..rows - 1).for_each(|row| times[row + 1] = times[row] + steps.after(row));
        let mut time = 0.0;
        let ahead: Vec<f64> = (0..horizon)
            .map(|step| {
                time += steps.after(rows - 1 + step);
                time
            })
            .collect();
        let longest = self.longest_context_of_paths(horizon);
        let even = even_rows(&times, context.values.view(), longest.min(MOST * rows))?;
        if ahead.last()? > &((MOST * horizon) as f64) {
            return None;
        }
        let grid = even.values.nrows();
        let grid: Vec<f64> = (0..grid)
            .rev()
            .map(|back| times[rows - 1] - back as f64)
            .collect();
        let near = nearest(&times, &grid);
        let mut values = even.values;
        let few = FewLevels::of(context.values.view()).observed();
        let between = few.iter().zip(&even.smooth).enumerate();
        let between = between.map(|(v, (levels, smooth))| match (levels, smooth) {
            (Some(_), _) => {
                let column: Array1<f64> =
                    near.iter().map(|&row| context.values[[row, v]]).collect();
                values.column_mut(v).assign(&column);
                Between::Nearest
            }
            (None, true) => Between::Cubic,
            (None, false) => Between::Linear,
        });
        Some(EvenContext {
            between: between.collect(),
            context: Variables::new(context.names.clone(), context.roles.clone(), values),
            ahead,
        })
    }

    /// Paths of an even context at the times of the steps ahead, with a reading of the context itself.
    pub(super) fn even_rollouts(
        &self,
        (context, even): (&Variables, &EvenContext),
        scored: usize,
        settings: &RolloutSettings,
        progress: &dyn Fn(f64),
    ) -> Result<Rollouts, ForecastError> {
        let on_grid = RolloutSettings {
            horizon: even.horizon(settings.horizon),
            ..*settings
        };
        let found = self.rollouts(&even.context, 0, &on_grid, Futures::Unknown, progress)?;
        let rollouts = found.rollouts.iter().map(|rollout| even.at_times(rollout));
        Ok(Rollouts {
            reading: self.read_ahead(context, scored, settings.max_steps())?,
            rollouts: rollouts.collect(),
            even_rows: Some(even.context.rows()),
            ..found
        })
    }
}

impl EvenContext {
    fn is_even(&self) -> bool {
        let whole = |(step, time): (usize, &f64)| (time - (step + 1) as f64).abs() < NEAR;
        self.ahead.iter().enumerate().all(whole)
    }

    /// Even steps that reach beyond the last time.
    fn horizon(&self, asked: NonZeroUsize) -> NonZeroUsize {
        let last = self.ahead.last().map_or(0.0, |last| last.ceil());
        match self.is_even() {
            true => asked,
            false => NonZeroUsize::new(last as usize + 1).unwrap_or(asked),
        }
    }

    /// What paths on the grid are at the times of the steps ahead.
    fn at_times(&self, rollout: &Rollout) -> Rollout {
        if self.is_even() {
            return rollout.clone();
        }
        let (samples, steps, variables) = rollout.paths.dim();
        let before = self.context.values.nrows() - 2;
        let before = self.context.values.slice(s![before.., ..]);
        let mut paths = Array3::zeros((samples, self.ahead.len(), variables));
        for (path, mut to) in rollout.paths.outer_iter().zip(paths.outer_iter_mut()) {
            let mut rows = Array2::zeros((steps + 2, variables));
            rows.slice_mut(s![..2, ..]).assign(&before);
            rows.slice_mut(s![2.., ..]).assign(&path);
            for (step, time) in self.ahead.iter().enumerate() {
                for (v, between) in self.between.iter().enumerate() {
                    to[[step, v]] = between.value(rows.view(), v, time + 1.0);
                }
            }
        }
        Rollout { paths, ..*rollout }
    }
}

impl Between {
    /// The value of a variable at a place among rows `[rows, variables]`, counted from 0.
    fn value(self, rows: ArrayView2<f64>, variable: usize, place: f64) -> f64 {
        let last = rows.nrows() - 1;
        let from = (place.floor() as usize).min(last.saturating_sub(1));
        let share = place - from as f64;
        let at = |row: usize| rows[[row.min(last), variable]];
        match self {
            Self::Nearest => at(from + usize::from(share >= 0.5)),
            Self::Cubic if from > 0 && from + 2 <= last => {
                let [a, b, c, d] = [-1.0, 0.0, 1.0, 2.0].map(|node| share - node);
                -at(from - 1) * b * c * d / 6.0 + at(from) * a * c * d / 2.0
                    - at(from + 1) * a * b * d / 2.0
                    + at(from + 2) * a * b * c / 6.0
            }
            Self::Linear | Self::Cubic => (1.0 - share) * at(from) + share * at(from + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn cubics_are_read_between_rows_as_they_are(
            weights in prop::array::uniform4(-1.0..1.0f64),
            place in 1.0..6.0f64,
        ) {
            let cubic = |t: f64| weights[0] + t * (weights[1] + t * (weights[2] + t * weights[3]));
            let rows = Array2::from_shape_fn((8, 1), |(t, _)| cubic(t as f64));
            let read = Between::Cubic.value(rows.view(), 0, place);
            prop_assert!((read - cubic(place)).abs() < 1e-9);
            let nearest = Between::Nearest.value(rows.view(), 0, place);
            prop_assert_eq!(nearest, rows[[place.round() as usize, 0]]);
            let line = Between::Linear.value(rows.view(), 0, place);
            let (from, to) = (rows[[place.floor() as usize, 0]], rows[[place.floor() as usize + 1, 0]]);
            prop_assert!(line >= from.min(to) - 1e-12 && line <= from.max(to) + 1e-12);
        }
    }
}
