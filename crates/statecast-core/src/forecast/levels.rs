//! Variables that take few levels.

use ndarray::{ArrayView1, ArrayView2, Axis};

use super::{Rollout, SimultaneousBand};

/// Most levels of a variable, and rows that there must be of each on average.
const MAX_LEVELS: usize = 20;
const ROWS_EACH: usize = 5;

/// Fewest even levels that go on beyond those observed: fewer are those of a switch.
const MIN_GOING_ON: usize = 4;

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

/// The different values of a column, as long as they are few.
#[derive(Debug, Clone, Default)]
pub(super) struct Distinct {
    /// In order, at most one more than may be levels.
    values: Vec<f64>,
    rows: usize,
}

impl Distinct {
    pub(super) fn observe(&mut self, x: f64) {
        self.rows += 1;
        if self.values.len() > MAX_LEVELS {
            return;
        }
        let place = self.values.partition_point(|value| *value < x);
        if self.values.get(place) != Some(&x) {
            self.values.insert(place, x);
        }
    }

    /// Whether they are the levels of a switch: few, and none follows beyond them.
    pub(super) fn is_switch(&self) -> bool {
        matches!(Levels::of(self), Some(Levels::Uneven(_)))
    }
}

impl Levels {
    fn of(found: &Distinct) -> Option<Self> {
        let levels = found.values.clone();
        if !(2..=MAX_LEVELS).contains(&levels.len()) || found.rows < ROWS_EACH * levels.len() {
            return None;
        }
        let distances = levels.windows(2).map(|pair| pair[1] - pair[0]);
        let step = distances.clone().fold(f64::INFINITY, f64::min);
        let whole = |distance: f64| {
            let steps = distance / step;
            (steps - steps.round()).abs() < 1e-6
        };
        Some(
            match levels.len() >= MIN_GOING_ON && distances.clone().all(whole) {
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

/// The nearest level on one side of a value, or the outermost.
fn beside(levels: &Levels, x: f64, above: bool) -> f64 {
    let nearest = levels.nearest(x);
    if (above && nearest >= x) || (!above && nearest <= x) {
        return nearest;
    }
    match levels {
        Levels::Even(_, step) => levels.nearest(if above { x + step } else { x - step }),
        Levels::Uneven(levels) if above => {
            let next = levels.iter().find(|level| **level >= x);
            next.copied().unwrap_or(nearest)
        }
        Levels::Uneven(levels) => {
            let next = levels.iter().rfind(|level| **level <= x);
            next.copied().unwrap_or(nearest)
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
        let of = |column: ArrayView1<f64>| {
            let mut found = Distinct::default();
            column.iter().for_each(|&x| found.observe(x));
            Levels::of(&found)
        };
        Self(values.columns().into_iter().map(of).collect())
    }

    /// Those that were observed of every variable, in order; `None` of variables that take more.
    pub(super) fn observed(self) -> Vec<Option<Vec<f64>>> {
        let of = |levels| match levels {
            Levels::Even(levels, _) | Levels::Uneven(levels) => levels,
        };
        self.0.into_iter().map(|levels| levels.map(of)).collect()
    }

    /// Moves the ends of bands of such variables outwards to a level, or to the outermost there is.
    pub(super) fn settle_band(&self, band: &mut SimultaneousBand) {
        for (v, levels) in self.0.iter().enumerate() {
            if let Some(levels) = levels {
                let settled = |x: f64, above| {
                    if x.is_finite() {
                        beside(levels, x, above)
                    } else {
                        x
                    }
                };
                band.low.column_mut(v).mapv_inplace(|x| settled(x, false));
                band.high.column_mut(v).mapv_inplace(|x| settled(x, true));
            }
        }
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
        let mut rollout = Rollout { paths, clipped: 0 };
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

    /// Fault: bands of a switch ended between its levels, and beyond them.
    #[test]
    fn bands_of_a_switch_are_made_of_its_levels() {
        let context = Array2::from_shape_fn((60, 2), |(t, v)| match v {
            0 => (t % 2) as f64,
            _ => (t % 5) as f64,
        });
        let band = |low: f64, high: f64| SimultaneousBand {
            level: crate::forecast::Level::default(),
            low: Array2::from_elem((1, 2), low),
            high: Array2::from_elem((1, 2), high),
        };
        let settled = |low, high| {
            let mut band = band(low, high);
            band.settle_on_levels(context.view());
            [0, 1].map(|v| (band.low[[0, v]], band.high[[0, v]]))
        };
        assert_eq!(settled(-0.7, 1.6), [(0.0, 1.0), (-1.0, 2.0)]);
        assert_eq!(settled(0.2, 0.8), [(0.0, 1.0), (0.0, 1.0)]);
        assert_eq!(settled(1.0, 1.0), [(1.0, 1.0), (1.0, 1.0)]);
        assert_eq!(settled(2.3, 5.6)[1], (2.0, 6.0));
    }

    #[test]
    fn few_rows_show_no_levels() {
        let context = Array2::from_shape_fn((9, 1), |(t, _)| (t % 2) as f64);
        assert!(FewLevels::of(context.view()).0[0].is_none());
    }
}
