//! The transition kernel of a parameter, and its distribution from any start (arXiv 2408.01736).

use std::sync::Arc;

use ndarray::{Array1, Array2, s};

use super::ConvergenceError;
use crate::codec::{Axis, Scale};
use crate::forecast::{Forecaster, Predictor, Role, Settings, Variables};

/// Number of intervals of the axis, five bins each.
const CELLS: usize = 200;

/// Fewest rows of a thinned run.
const MIN_ROWS: usize = 5;

/// Bandwidth of the weights of runs by their distance to a position, relative to the range of all
/// runs.
const NEAR: f64 = 0.02;

/// A transition kernel on equal intervals of a parameter's axis.
#[derive(Debug, Clone, PartialEq)]
pub struct TransitionKernel {
    low: f64,
    width: f64,
    /// `[from, to]`.
    matrix: Array2<f64>,
    /// Rows of the log per step of the kernel.
    stride: usize,
}

impl TransitionKernel {
    /// Infers the kernel by a predictor from runs of a parameter: its distribution of the next
    /// value at each of 200 positions. Every run is read separately, thinned to at most `rows`
    /// rows, and weighted by its proximity. In a concatenation, starts of runs would look like
    /// jumps.
    ///
    /// # Errors
    /// [`ConvergenceError::Runs`] without a sufficiently long run, [`ConvergenceError::Diverged`] for a value that is
    /// not finite, [`ConvergenceError::Still`] for constant runs, and errors of the predictor.
    pub fn infer(
        predictor: &Arc<dyn Predictor>,
        settings: Settings,
        runs: &[Vec<f64>],
        rows: usize,
    ) -> Result<Self, ConvergenceError> {
        let rows = predictor.longest_context(2).min(rows).max(MIN_ROWS);
        let longest = runs.iter().map(Vec::len).max().unwrap_or(0);
        let stride = longest.div_ceil(rows).max(1);
        for run in runs {
            if let Some(row) = run.iter().position(|value| !value.is_finite()) {
                return Err(ConvergenceError::Diverged { row: row + 1 });
            }
        }
        let thin = |run: &Vec<f64>| -> Vec<f64> { run.iter().step_by(stride).copied().collect() };
        let block_averages: Vec<Vec<f64>> = runs.iter().map(thin).collect();
        let enough = |run: &&Vec<f64>| run.len() >= MIN_ROWS;
        let block_averages: Vec<&Vec<f64>> = block_averages.iter().filter(enough).collect();
        if block_averages.is_empty() {
            let needed = (MIN_ROWS - 1) * stride + 1;
            return Err(ConvergenceError::Runs { needed });
        }
        let ends = (f64::INFINITY, f64::NEG_INFINITY);
        let all = block_averages.iter().copied().flatten();
        let (least, most) = all.fold(ends, |(low, high), x| (low.min(*x), high.max(*x)));
        if least == most {
            return Err(ConvergenceError::Still);
        }
        let scale = Scale::range(least, most)?;
        let axis = Axis::fit(scale, [least, most].into_iter())?;
        let (low, width) = (axis.low(), (axis.high() - axis.low()) / CELLS as f64);
        let centres: Vec<f64> = (0..CELLS).map(|k| low + width * (k as f64 + 0.5)).collect();
        let forecaster = Forecaster::of(predictor.clone(), Settings { scale, ..settings });
        let mut matrix = Array2::<f64>::zeros((CELLS, CELLS));
        for run in block_averages {
            if run.iter().all(|x| *x == run[0]) {
                continue;
            }
            let column = Array2::from_shape_vec((run.len(), 1), run.clone())
                .expect("one column with one value per row");
            let context = Variables::new(vec!["parameter".to_owned()], vec![Role::State], column);
            let distributions = forecaster.read(&context)?.next_behind(&centres)?;
            let bins = distributions.ncols() / CELLS;
            for (from, position) in centres.iter().enumerate() {
                let near =
                    |x: &f64| (-0.5 * ((x - position) / (NEAR * (most - least))).powi(2)).exp();
                // Far from all runs, the nearest one dominates.
                let weight = run.iter().map(near).sum::<f64>();
                let away = run
                    .iter()
                    .map(|x| (x - position).abs())
                    .fold(f64::INFINITY, f64::min);
                let weight = weight + 1e-12 / ((away + width) / (most - least)).powi(2);
                for to in 0..CELLS {
                    let part = distributions
                        .slice(s![from, to * bins..(to + 1) * bins])
                        .sum();
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

    /// Returns the rows of the log per step of the kernel.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Returns the centres of the intervals.
    pub fn centres(&self) -> Vec<f64> {
        let middle = |k: usize| self.low + self.width * (k as f64 + 0.5);
        (0..CELLS).map(middle).collect()
    }

    /// Returns the distribution over the intervals a number of log rows after a start.
    pub fn distribution(&self, start: f64, rows: usize) -> Array1<f64> {
        let position = ((start - self.low) / self.width - 0.5).clamp(0.0, CELLS as f64 - 1.0);
        let (below, part) = (position as usize, position.fract());
        let mut distribution = Array1::zeros(CELLS);
        distribution[below] = 1.0 - part;
        distribution[(below + 1).min(CELLS - 1)] += part;
        for _ in 0..rows.div_ceil(self.stride) {
            distribution = distribution.dot(&self.matrix);
        }
        distribution
    }

    /// Returns the probability that each minimum is the nearest, a number of rows after a start.
    pub fn minima(&self, start: f64, rows: usize, minima: &[f64]) -> Vec<f64> {
        let mut shares = vec![0.0; minima.len()];
        for (position, p) in self
            .centres()
            .into_iter()
            .zip(self.distribution(start, rows))
        {
            shares[nearest(position, minima)] += p;
        }
        shares
    }
}

/// Returns the index of the nearest minimum.
///
/// # Panics
/// If there are none.
pub fn nearest(position: f64, minima: &[f64]) -> usize {
    let off = |k: &usize| (minima[*k] - position).abs();
    (0..minima.len())
        .min_by(|a, b| off(a).total_cmp(&off(b)))
        .expect("there are minima")
}

/// Clusters the final values of runs into minima: gaps of a quarter of the range separate clusters.
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

    /// A nearest-neighbour kernel from a few runs leads into the well of the start.
    #[test]
    fn a_kernel_leads_into_the_near_well() {
        let runs = runs(8);
        let knn = baselines::named("knn").unwrap();
        let kernel = TransitionKernel::infer(&knn, Settings::default(), &runs, 100).unwrap();
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
        // The result does not depend on units.
        let scaled: Vec<Vec<f64>> = runs
            .iter()
            .map(|run| run.iter().map(|x| 1e-170 * x).collect())
            .collect();
        let small = TransitionKernel::infer(&knn, Settings::default(), &scaled, 100).unwrap();
        let of_small = small.minima(-1.5e-170, 400, &minima.map(|x| 1e-170 * x));
        assert!((of_small[0] - left[0]).abs() < 1e-3, "{of_small:?}");
        // Starts beyond the axis are clipped to its end.
        assert!(kernel.minima(1e9, 400, &minima)[1] > 0.5);
        assert_eq!(minima_of_ends(&runs).len(), 2);
    }

    #[test]
    fn uninformative_runs_are_errors() {
        let mean = || baselines::named("mean").unwrap();
        let infer = |runs: &[Vec<f64>]| {
            TransitionKernel::infer(&mean(), Settings::default(), runs, 900)
                .unwrap_err()
                .to_string()
        };
        assert!(infer(&[]).contains("no run"));
        assert!(infer(&[vec![1.0, 2.0]]).contains("no run"));
        assert!(infer(&[vec![1.0; 50]]).contains("never changes"));
        // A constant run beside a moving one is ignored.
        let moving: Vec<f64> = (0..50).map(|t| f64::from(t % 7)).collect();
        let both = [vec![1.0; 50], moving.clone()];
        let alone = TransitionKernel::infer(&mean(), Settings::default(), &[moving], 900).unwrap();
        let kernel = TransitionKernel::infer(&mean(), Settings::default(), &both, 900).unwrap();
        assert_eq!(kernel.centres(), alone.centres());
        let mut diverged = vec![1.0; 50];
        diverged[9] = f64::INFINITY;
        assert!(infer(&[diverged]).contains("row 10"));
        assert!(minima_of_ends(&[]).is_empty());
        assert!(minima_of_ends(&[vec![]]).is_empty());
    }
}
