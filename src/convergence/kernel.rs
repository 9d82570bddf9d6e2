//! The transition kernel of a parameter, and where it leads from any start (arXiv 2408.01736).

use std::sync::Arc;

use ndarray::{Array1, Array2, s};

use super::ConvergenceError;
use crate::codec::{Axis, Scale};
use crate::forecast::{Forecaster, Predictor, Role, Settings, Variables};

/// Parts of the axis, five bins each.
const CELLS: usize = 200;

/// Least rows of a run once it is thinned.
const LEAST_ROWS: usize = 5;

/// How near a run must have been to a place to know what follows there, in ranges of all runs.
const NEAR: f64 = 0.02;

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
    /// The kernel that a predictor infers from runs of a parameter: what it says of the value that follows, for each of
    /// 200 places. Every run is read alone, thinned to at most `rows` rows, and has a say where it came near; read
    /// one behind the other, their starts would be taken for jumps that a run makes.
    ///
    /// # Errors
    /// [`ConvergenceError::Runs`] without a run that is long enough, [`ConvergenceError::Diverged`] for a value that is
    /// not finite, [`ConvergenceError::Still`] if nothing changes, and what the predictor reports.
    pub fn infer(
        predictor: &Arc<dyn Predictor>,
        settings: Settings,
        runs: &[Vec<f64>],
        rows: usize,
    ) -> Result<Self, ConvergenceError> {
        let rows = predictor.longest_context(2).min(rows).max(LEAST_ROWS);
        let longest = runs.iter().map(Vec::len).max().unwrap_or(0);
        let stride = longest.div_ceil(rows).max(1);
        for run in runs {
            if let Some(row) = run.iter().position(|value| !value.is_finite()) {
                return Err(ConvergenceError::Diverged { row: row + 1 });
            }
        }
        let thin = |run: &Vec<f64>| -> Vec<f64> { run.iter().step_by(stride).copied().collect() };
        let thinned: Vec<Vec<f64>> = runs.iter().map(thin).collect();
        let enough = |run: &&Vec<f64>| run.len() >= LEAST_ROWS;
        let thinned: Vec<&Vec<f64>> = thinned.iter().filter(enough).collect();
        if thinned.is_empty() {
            let needed = (LEAST_ROWS - 1) * stride + 1;
            return Err(ConvergenceError::Runs { needed });
        }
        let ends = (f64::INFINITY, f64::NEG_INFINITY);
        let all = thinned.iter().copied().flatten();
        let (least, most) = all.fold(ends, |(low, high), x| (low.min(*x), high.max(*x)));
        if least == most {
            return Err(ConvergenceError::Still);
        }
        let scale = Scale::range(least, most)?;
        let axis = Axis::fit(scale, [least, most].into_iter())?;
        let (low, width) = (axis.low(), (axis.high() - axis.low()) / CELLS as f64);
        let places: Vec<f64> = (0..CELLS).map(|k| low + width * (k as f64 + 0.5)).collect();
        let forecaster = Forecaster::of(predictor.clone(), Settings { scale, ..settings });
        let mut matrix = Array2::<f64>::zeros((CELLS, CELLS));
        for run in thinned {
            if run.iter().all(|x| *x == run[0]) {
                continue;
            }
            let column = Array2::from_shape_vec((run.len(), 1), run.clone())
                .expect("one column of as many values as rows");
            let context = Variables::new(vec!["parameter".to_owned()], vec![Role::State], column);
            let laws = forecaster.read(&context)?.next_behind(&places)?;
            let bins = laws.ncols() / CELLS;
            for (from, place) in places.iter().enumerate() {
                let near = |x: &f64| (-0.5 * ((x - place) / (NEAR * (most - least))).powi(2)).exp();
                // However far from all runs, the nearest has the say.
                let weight = run.iter().map(near).sum::<f64>();
                let away = run
                    .iter()
                    .map(|x| (x - place).abs())
                    .fold(f64::INFINITY, f64::min);
                let weight = weight + 1e-12 / ((away + width) / (most - least)).powi(2);
                for to in 0..CELLS {
                    let part = laws.slice(s![from, to * bins..(to + 1) * bins]).sum();
                    matrix[[from, to]] += weight * f64::from(part);
                }
            }
        }
        for mut row in matrix.rows_mut() {
            let sum = row.sum();
            row /= sum;
        }
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
    let near = |a: &f64, b: &f64| b - a < 0.25 * (high - low);
    ends.chunk_by(near)
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
        let run = |number| {
            let start = descent.start(3, number);
            descent.run(&start, 3, number).parameters.column(0).to_vec()
        };
        (0..count).map(run).collect()
    }

    /// A kernel of neighbours, learned from a few runs, leads into the well on whose slope a run starts.
    #[test]
    fn a_kernel_leads_into_the_near_well() {
        let runs = runs(8);
        let knn = baselines::named("knn").unwrap();
        let kernel = Kernel::infer(&knn, Settings::default(), &runs, 100).unwrap();
        assert_eq!(kernel.stride(), 4);
        for row in kernel.matrix.rows() {
            assert!((row.sum() - 1.0).abs() < 1e-6);
        }
        let minima = [-1.0, 1.0];
        let (left, right) = (
            kernel.minima(-1.5, 400, &minima),
            kernel.minima(1.5, 400, &minima),
        );
        assert!(left[0] > 0.65 && right[1] > 0.65, "{left:?} {right:?}");
        assert!((left[0] + left[1] - 1.0).abs() < 1e-9);
        // In other units it is the same.
        let scaled: Vec<Vec<f64>> = runs
            .iter()
            .map(|run| run.iter().map(|x| 1e-170 * x).collect())
            .collect();
        let small = Kernel::infer(&knn, Settings::default(), &scaled, 100).unwrap();
        let of_small = small.minima(-1.5e-170, 400, &minima.map(|x| 1e-170 * x));
        assert!((of_small[0] - left[0]).abs() < 1e-3, "{of_small:?}");
        // Far beyond its axis is at its end.
        assert!(kernel.minima(1e9, 400, &minima)[1] > 0.5);
        assert_eq!(minima_of_ends(&runs).len(), 2);
    }

    #[test]
    fn runs_that_say_nothing_are_refused() {
        let mean = || baselines::named("mean").unwrap();
        let infer = |runs: &[Vec<f64>]| {
            Kernel::infer(&mean(), Settings::default(), runs, 900)
                .unwrap_err()
                .to_string()
        };
        assert!(infer(&[]).contains("no run"));
        assert!(infer(&[vec![1.0, 2.0]]).contains("no run"));
        assert!(infer(&[vec![1.0; 50]]).contains("never changes"));
        // A run that stands still beside one that moves has nothing to say.
        let moving: Vec<f64> = (0..50).map(|t| f64::from(t % 7)).collect();
        let both = [vec![1.0; 50], moving.clone()];
        let alone = Kernel::infer(&mean(), Settings::default(), &[moving], 900).unwrap();
        let kernel = Kernel::infer(&mean(), Settings::default(), &both, 900).unwrap();
        assert_eq!(kernel.places(), alone.places());
        let mut diverged = vec![1.0; 50];
        diverged[9] = f64::INFINITY;
        assert!(infer(&[diverged]).contains("row 10"));
        assert!(minima_of_ends(&[]).is_empty());
        assert!(minima_of_ends(&[vec![]]).is_empty());
    }
}
