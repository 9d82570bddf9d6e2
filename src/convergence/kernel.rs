//! The transition kernel of a parameter, and where it leads from any start (arXiv 2408.01736).

use std::rc::Rc;

use ndarray::{Array1, Array2};

use super::ConvergenceError;
use crate::forecast::{Forecaster, Predictor, Role, Settings, Variables};

/// Parts of the axis, five bins each.
const CELLS: usize = 200;

/// Least steps of a run behind its start once it is thinned.
const LEAST_STEPS: usize = 4;

/// A kernel on equal parts of a parameter's axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    low: f64,
    width: f64,
    /// `[from, to]`.
    matrix: Array2<f64>,
    /// Rows of the log that one step of the kernel stands for.
    stride: usize,
}

impl Kernel {
    /// The kernel that a predictor infers from runs of a parameter, shown one behind the other: what it says of the
    /// value that follows, for each of 200 places. Runs are thinned so far that `rows` of them suffice.
    ///
    /// # Errors
    /// [`ConvergenceError::Runs`] without a run that is long enough, [`ConvergenceError::Diverged`] for a value that is
    /// not finite, and what the predictor reports.
    pub fn infer<'m>(
        predictor: Rc<dyn Predictor<'m> + 'm>,
        settings: Settings,
        runs: &[Vec<f64>],
        rows: usize,
    ) -> Result<Self, ConvergenceError> {
        let longest = predictor.longest_context(2).min(rows);
        let all: usize = runs.iter().map(Vec::len).sum();
        let stride = (all.div_ceil(longest.saturating_sub(runs.len()).max(1))).max(1);
        let mut values = Vec::new();
        let mut begins = Vec::new();
        for run in runs.iter().filter(|run| run.len() > LEAST_STEPS * stride) {
            if let Some(row) = run.iter().position(|value| !value.is_finite()) {
                return Err(ConvergenceError::Diverged { row: row + 1 });
            }
            let thinned: Vec<f64> = run.iter().step_by(stride).copied().collect();
            begins.extend((0..thinned.len()).map(|t| t == 0));
            values.extend(thinned);
        }
        if values.is_empty() {
            return Err(ConvergenceError::Runs {
                needed: LEAST_STEPS * stride + 1,
            });
        }
        let first = values.len().saturating_sub(longest);
        let (values, begins) = (values.split_off(first), begins.split_off(first));
        let column = Array2::from_shape_vec((values.len(), 1), values).expect("one column");
        let mut context = Variables::new(vec!["parameter".to_owned()], vec![Role::State], column);
        context.begins = begins;
        let reading = Forecaster::of(predictor, settings).read(&context)?;
        let axis = reading.encoding().axes()[0];
        let (low, high) = (axis.low(), axis.high());
        let width = (high - low) / CELLS as f64;
        if axis.is_constant() {
            return Err(ConvergenceError::Still);
        }
        let centres: Vec<f64> = (0..CELLS).map(|k| low + width * (k as f64 + 0.5)).collect();
        let laws = reading.next_behind(&centres)?;
        let bins = laws.ncols() / CELLS;
        let matrix = Array2::from_shape_fn((CELLS, CELLS), |(from, to)| {
            let part = laws.slice(ndarray::s![from, to * bins..(to + 1) * bins]);
            let whole = laws.row(from).sum();
            f64::from(part.sum() / whole)
        });
        Ok(Self {
            low,
            width,
            matrix,
            stride,
        })
    }

    /// Rows of the log that one step of the kernel stands for.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Middles of the parts.
    pub fn places(&self) -> Vec<f64> {
        let middle = |k: usize| self.low + self.width * (k as f64 + 0.5);
        (0..CELLS).map(middle).collect()
    }

    /// Law of the parts so many rows of the log after a start.
    pub fn law(&self, start: f64, rows: usize) -> Array1<f64> {
        let place = ((start - self.low) / self.width - 0.5).clamp(0.0, CELLS as f64 - 1.0);
        let (below, part) = (place as usize, place.fract());
        let mut law = Array1::zeros(CELLS);
        law[below] = 1.0 - part;
        law[(below + 1).min(CELLS - 1)] += part;
        for _ in 0..rows.div_ceil(self.stride) {
            law = law.dot(&self.matrix);
        }
        law
    }

    /// Probability that each of some minima is the nearest, so many rows after a start.
    pub fn minima(&self, start: f64, rows: usize, minima: &[f64]) -> Vec<f64> {
        let mut shares = vec![0.0; minima.len()];
        for (place, p) in self.places().into_iter().zip(self.law(start, rows)) {
            shares[nearest(place, minima)] += p;
        }
        shares
    }
}

/// The nearest of some minima.
///
/// # Panics
/// If there are none.
pub fn nearest(place: f64, minima: &[f64]) -> usize {
    let off = |k: &usize| (minima[*k] - place).abs();
    (0..minima.len())
        .min_by(|a, b| off(a).total_cmp(&off(b)))
        .expect("there are minima")
}

/// Minima as the means of where runs ended: ends belong together unless a quarter of the runs' range lies between them.
pub fn minima_of_ends(runs: &[Vec<f64>]) -> Vec<f64> {
    let mut ends: Vec<f64> = runs
        .iter()
        .filter_map(|run| {
            let tail = &run[run.len() - run.len() / 10..];
            let tail = if tail.is_empty() { run } else { tail };
            (!tail.is_empty()).then(|| tail.iter().sum::<f64>() / tail.len() as f64)
        })
        .collect();
    ends.sort_by(f64::total_cmp);
    let all = runs.iter().flatten();
    let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
        (low.min(*x), high.max(*x))
    });
    let apart = |a: &f64, b: &f64| b - a < 0.25 * (high - low);
    ends.chunk_by(apart)
        .map(|near| near.iter().sum::<f64>() / near.len() as f64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baselines;
    use crate::convergence::{Descent, Landscape};

    fn runs(count: u64) -> Vec<Vec<f64>> {
        let descent = Descent {
            landscape: Landscape::DoubleWell,
            step_size: 0.05,
            noise: 1.0,
            floor: 0.0,
            steps: 400,
        };
        let run = |number| descent.run(None, 3, number).parameters.column(0).to_vec();
        (0..count).map(run).collect()
    }

    /// A kernel of neighbours, learned from a few runs, leads into the well on whose slope a run starts.
    #[test]
    fn a_kernel_leads_into_the_near_well() {
        let runs = runs(8);
        let knn = baselines::named("knn").unwrap();
        let kernel = Kernel::infer(knn, Settings::default(), &runs, 900).unwrap();
        assert_eq!(kernel.stride(), 4);
        for row in kernel.matrix.rows() {
            assert!((row.sum() - 1.0).abs() < 1e-6);
        }
        let minima = [-1.0, 1.0];
        let (left, right) = (
            kernel.minima(-1.5, 400, &minima),
            kernel.minima(1.5, 400, &minima),
        );
        assert!(left[0] > 0.8 && right[1] > 0.8, "{left:?} {right:?}");
        assert!((left[0] + left[1] - 1.0).abs() < 1e-9);
        // Far beyond its axis is at its end.
        assert!(kernel.minima(1e9, 400, &minima)[1] > 0.5);
        assert_eq!(minima_of_ends(&runs).len(), 2);
    }

    #[test]
    fn runs_that_say_nothing_are_refused() {
        let mean = || baselines::named("mean").unwrap();
        let infer = |runs: &[Vec<f64>]| {
            Kernel::infer(mean(), Settings::default(), runs, 900)
                .unwrap_err()
                .to_string()
        };
        assert!(infer(&[]).contains("no run"));
        assert!(infer(&[vec![1.0, 2.0]]).contains("no run"));
        assert!(infer(&[vec![1.0; 50]]).contains("never changes"));
        let mut diverged = vec![1.0; 50];
        diverged[9] = f64::INFINITY;
        assert!(infer(&[diverged]).contains("row 10"));
        assert!(minima_of_ends(&[]).is_empty());
        assert!(minima_of_ends(&[vec![]]).is_empty());
    }
}
