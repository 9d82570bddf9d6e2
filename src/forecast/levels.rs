//! Variables that take few levels.

use ndarray::{ArrayView1, ArrayView2, Axis};

use super::Rollout;

/// Most levels of a variable, and rows that there must be of each on average.
const MOST: usize = 20;
const ROWS_EACH: usize = 5;

/// Fewest even levels that go on beyond those observed: fewer are those of a switch.
const LEAST_GOING_ON: usize = 4;

/// The levels that the variables of a context take: those of switches, counts and coarse sensors.
///
/// Densities spread the probability of a level over a bin, while what is observed is a point in it:
/// sample paths are brought to the nearest level, so that coverage and CRPS are those of levels.
pub(super) struct FewLevels(Vec<Option<Levels>>);

/// Levels in their order.
enum Levels {
    /// Evenly spaced, and their distance. They go on where nothing was observed.
    Even(Vec<f64>, f64),
    Uneven(Vec<f64>),
}

impl Levels {
    fn of(column: ArrayView1<f64>) -> Option<Self> {
        let mut levels: Vec<f64> = Vec::new();
        for &x in column {
            let place = levels.partition_point(|level| *level < x);
            if levels.get(place) != Some(&x) {
                levels.insert(place, x);
            }
            if levels.len() > MOST {
                return None;
            }
        }
        if levels.len() < 2 || column.len() < ROWS_EACH * levels.len() {
            return None;
        }
        let distances = levels.windows(2).map(|pair| pair[1] - pair[0]);
        let step = distances.clone().fold(f64::INFINITY, f64::min);
        let whole = |distance: f64| {
            let steps = distance / step;
            (steps - steps.round()).abs() < 1e-6
        };
        Some(
            match levels.len() >= LEAST_GOING_ON && distances.clone().all(whole) {
                true => {
                    // Of all levels: differences of two are less exact.
                    let range = levels[levels.len() - 1] - levels[0];
                    Self::Even(levels, range / (range / step).round())
                }
                false => Self::Uneven(levels),
            },
        )
    }

    fn nearest(&self, x: f64) -> f64 {
        match self {
            Self::Even(levels, step) => {
                let value = levels[0] + ((x - levels[0]) / step).round() * step;
                let observed = observed_near(levels, value);
                match (observed - value).abs() < 0.5 * step {
                    true => observed,
                    false => short(value, *step),
                }
            }
            Self::Uneven(levels) => observed_near(levels, x),
        }
    }
}

/// The nearest of levels in order.
fn observed_near(levels: &[f64], x: f64) -> f64 {
    let place = levels.partition_point(|level| *level < x);
    let around = &levels[place.saturating_sub(1)..levels.len().min(place + 1)];
    let off = |level: &&f64| (**level - x).abs();
    let nearest = around.iter().min_by(|a, b| off(a).total_cmp(&off(b)));
    nearest.copied().unwrap_or(x)
}

/// A value with the digits that a step tells, six more than its first.
fn short(value: f64, step: f64) -> f64 {
    let decimals = (6.0 - step.log10().floor()).clamp(0.0, 15.0) as usize;
    format!("{value:.decimals$}").parse().unwrap_or(value)
}

impl FewLevels {
    /// Of the columns of a context `[rows, variables]`.
    pub(super) fn of(values: ArrayView2<f64>) -> Self {
        Self(values.columns().into_iter().map(Levels::of).collect())
    }

    /// Brings the paths of variables that take few levels to these.
    pub(super) fn settle(&self, rollout: &mut Rollout) {
        for (v, levels) in self.0.iter().enumerate() {
            if let Some(levels) = levels {
                let mut paths = rollout.paths.index_axis_mut(Axis(2), v);
                paths.mapv_inplace(|x| if x.is_finite() { levels.nearest(x) } else { x });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, Array3, array};

    use super::*;

    #[test]
    fn paths_stand_on_the_levels_that_were_observed() {
        let rows = 60;
        let columns = [
            Array1::from_shape_fn(rows, |t| (t % 4) as f64),
            Array1::from_shape_fn(rows, |t| [0.0, 1.0, 10.0][t % 3]),
            Array1::from_shape_fn(rows, |t| (0.1 * t as f64).sin()),
            Array1::from_elem(rows, 5.0),
        ];
        let context = Array2::from_shape_fn((rows, 4), |(t, v)| columns[v][t]);
        let drawn = array![0.4, 6.2, 0.123, 5.0];
        let paths = Array3::from_shape_fn((1, 2, 4), |(_, h, v)| drawn[v] + 2.4 * h as f64);
        let mut rollout = Rollout {
            paths,
            saturated: 0,
        };
        FewLevels::of(context.view()).settle(&mut rollout);
        let row = |h: usize| rollout.paths.slice(ndarray::s![0, h, ..]).to_vec();
        assert_eq!(row(0), [0.0, 10.0, 0.123, 5.0]);
        // Even levels go on, uneven ones do not.
        assert_eq!(row(1), [3.0, 10.0, 0.123 + 2.4, 7.4]);
    }

    /// Sums of rounded steps were beside the levels, and outcomes on a level outside of bands that end there.
    #[test]
    fn levels_of_coarse_sensors_are_those_that_were_recorded() {
        let recorded = |k: usize| {
            format!("{}.{}", 20 + k / 10, k % 10)
                .parse::<f64>()
                .unwrap()
        };
        let context = Array2::from_shape_fn((60, 1), |(t, _)| recorded(t % 7));
        let levels = FewLevels::of(context.view());
        let levels = levels.0[0].as_ref().unwrap();
        for k in 0..30 {
            assert_eq!(levels.nearest(recorded(k) + 0.03), recorded(k));
        }
    }

    #[test]
    fn few_rows_show_no_levels() {
        let context = Array2::from_shape_fn((9, 1), |(t, _)| (t % 2) as f64);
        assert!(FewLevels::of(context.view()).0[0].is_none());
    }
}
