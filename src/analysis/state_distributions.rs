//! Predictive distributions of every state of a sequence.

use ndarray::{Array2, ArrayView1};

use super::{hellinger, total_variation};

/// A sequence of states, with the predictive distribution of each given those before.
#[derive(Debug, Clone, PartialEq)]
pub struct StateDistributions {
    sequence: Vec<usize>,
    distributions: Array2<f64>,
}

/// Distance between distributions after a context.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Distance {
    /// Mean length of the context, in rows.
    pub context: f64,
    /// Mean total variation.
    pub total_variation: f64,
    /// Mean Hellinger distance.
    pub hellinger: f64,
}

/// `distance = scale * context^-exponent`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct PowerLaw {
    /// Distance after one row.
    pub scale: f64,
    /// Decay exponent.
    pub exponent: f64,
}

impl StateDistributions {
    /// Combines a sequence with its distributions `[rows, states]`.
    ///
    /// # Panics
    /// If the lengths differ, or a state is out of range.
    pub fn new(sequence: Vec<usize>, distributions: Array2<f64>) -> Self {
        assert_eq!(
            sequence.len(),
            distributions.nrows(),
            "one distribution per state of the sequence"
        );
        assert!(sequence.iter().all(|&state| state < distributions.ncols()));
        Self {
            sequence,
            distributions,
        }
    }

    /// Returns the sequence.
    pub fn sequence(&self) -> &[usize] {
        &self.sequence
    }

    /// Returns the number of states.
    pub fn states(&self) -> usize {
        self.distributions.ncols()
    }

    /// Returns the distribution of the state at `t`, given those before it.
    pub fn distribution(&self, t: usize) -> ArrayView1<'_, f64> {
        self.distributions.row(t)
    }

    /// Returns the mean distribution after every state from row `first` on, `[from, to]`, and the
    /// counts. The row of a state without counts is its mean over all rows, or uniform if it never
    /// occurs.
    pub fn matrix(&self, first: usize) -> (Array2<f64>, Vec<usize>) {
        let states = self.states();
        let (mut matrix, counts) = self.sums(first);
        let (all, ever) = self.sums(1);
        for (from, mut row) in matrix.rows_mut().into_iter().enumerate() {
            match (counts[from], ever[from]) {
                (0, 0) => row.fill(1.0 / states as f64),
                (0, ever) => row.assign(&(&all.row(from) / ever as f64)),
                (count, _) => row /= count as f64,
            }
        }
        (matrix, counts)
    }

    /// Returns the sums of the distributions after every state from a row on, and the counts.
    fn sums(&self, first: usize) -> (Array2<f64>, Vec<usize>) {
        let states = self.states();
        let mut sums = Array2::<f64>::zeros((states, states));
        let mut counts = vec![0; states];
        for t in first.max(1)..self.sequence.len() {
            let from = self.sequence[t - 1];
            counts[from] += 1;
            let mut row = sums.row_mut(from);
            row += &self.distribution(t);
        }
        (sums, counts)
    }

    /// Returns the mean log probability of the observed states from row `first` on, in nats.
    pub fn log_score(&self, first: usize) -> f64 {
        let rows = first..self.sequence.len();
        let count = rows.len() as f64;
        let score = |t: usize| {
            self.distributions[[t, self.sequence[t]]]
                .max(f64::MIN_POSITIVE)
                .ln()
        };
        rows.map(score).sum::<f64>() / count
    }

    /// Returns the mean distances of the distributions in rows `first` to `end` to a matrix `[from,
    /// to]`.
    pub fn distance(&self, matrix: &Array2<f64>, first: usize, end: usize) -> Distance {
        let mut sums = [0.0; 3];
        for t in first..end {
            let distribution = self.distribution(t).to_vec();
            let truth = matrix.row(self.sequence[t - 1]).to_vec();
            let found = [
                t as f64,
                total_variation(&distribution, &truth),
                hellinger(&distribution, &truth),
            ];
            sums.iter_mut().zip(found).for_each(|(sum, x)| *sum += x);
        }
        let [context, total_variation, hellinger] = sums.map(|sum| sum / (end - first) as f64);
        Distance {
            context,
            total_variation,
            hellinger,
        }
    }

    /// Returns the mean distances to a matrix `[from, to]` over context lengths in doubling
    /// intervals.
    pub fn distances(&self, matrix: &Array2<f64>) -> Vec<Distance> {
        let rows = self.sequence.len();
        let starts = std::iter::successors(Some(1), |first| Some(2 * first));
        starts
            .take_while(|&first| first < rows)
            .map(|first| self.distance(matrix, first, (2 * first).min(rows)))
            .collect()
    }
}

/// Fits a power law to distances `(context, distance)` by least squares of the logarithms; `None`
/// for fewer than two positive ones.
///
/// ```
/// use statecast::analysis::power_law;
/// let fit = power_law(&[(1.0, 0.5), (4.0, 0.25), (16.0, 0.125)]).unwrap();
/// assert!((fit.scale - 0.5).abs() < 1e-12 && (fit.exponent - 0.5).abs() < 1e-12);
/// ```
pub fn power_law(distances: &[(f64, f64)]) -> Option<PowerLaw> {
    let logs: Vec<(f64, f64)> = distances
        .iter()
        .filter(|(context, distance)| *context > 0.0 && *distance > 0.0)
        .map(|(context, distance)| (context.ln(), distance.ln()))
        .collect();
    let n = logs.len() as f64;
    let (x, y) = logs
        .iter()
        .fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let squares: f64 = logs.iter().map(|p| (p.0 - x).powi(2)).sum();
    let slope = logs.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>() / squares;
    slope.is_finite().then(|| PowerLaw {
        scale: (y - slope * x).exp(),
        exponent: -slope,
    })
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn means_are_taken_where_they_say() {
        let distributions = array![[0.5, 0.5], [0.2, 0.8], [0.4, 0.6], [0.9, 0.1]];
        let distributions = StateDistributions::new(vec![0, 1, 1, 0], distributions);
        let (matrix, counts) = distributions.matrix(2);
        assert_eq!(counts, [0, 2]);
        // State 0 was left before row 2 only.
        assert_eq!(matrix.row(0).to_vec(), [0.2, 0.8]);
        assert!((matrix[[1, 0]] - 0.65).abs() < 1e-12);
        assert!((distributions.log_score(2) - 0.5 * (0.6f64.ln() + 0.9f64.ln())).abs() < 1e-12);
        let truth = array![[0.0, 1.0], [0.5, 0.5]];
        let distances = distributions.distances(&truth);
        assert_eq!(distances.len(), 2);
        assert!((distances[0].total_variation - 0.2).abs() < 1e-12);
        assert_eq!(distances[1].context, 2.5);
        assert!((distances[1].total_variation - 0.25).abs() < 1e-12);
        assert!(power_law(&[(1.0, 0.5)]).is_none());
        assert!(power_law(&[]).is_none());
    }
}
