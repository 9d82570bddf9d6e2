//! Predictive distributions of every state of a sequence.

use ndarray::{Array2, ArrayView1};

use super::{Sequence, hellinger, total_variation};

/// A sequence of states, with the predictive distribution of each given those before.
#[derive(Debug, Clone, PartialEq)]
pub struct StateDistributions {
    states: Vec<usize>,
    breaks: Vec<usize>,
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
    /// If the lengths or the numbers of states differ.
    pub fn new(sequence: Sequence, distributions: Array2<f64>) -> Self {
        assert_eq!(
            (sequence.states().len(), sequence.count()),
            distributions.dim(),
            "one distribution per state of the sequence"
        );
        Self {
            states: sequence.states().to_vec(),
            breaks: sequence.breaks().to_vec(),
            distributions,
        }
    }

    /// Returns the sequence. Rows that do not follow the row before count in no mean.
    pub fn sequence(&self) -> Sequence<'_> {
        Sequence::new(&self.states, self.states())
            .expect("a sequence that was one")
            .with_breaks(&self.breaks)
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
        let behind = self.sequence().transitions();
        for (t, from, _) in behind.skip_while(|&(t, ..)| t < first) {
            counts[from] += 1;
            let mut row = sums.row_mut(from);
            row += &self.distribution(t);
        }
        (sums, counts)
    }

    /// Returns the mean log score from row `first` on, nats; NaN if no row follows the row before.
    pub fn log_score(&self, first: usize) -> f64 {
        let behind = self.sequence().transitions();
        let rows = behind.skip_while(|&(t, ..)| t < first);
        let (sum, count) = rows.fold((0.0, 0.0), |(sum, count), (t, _, to)| {
            let score: f64 = self.distributions[[t, to]].max(f64::MIN_POSITIVE).ln();
            (sum + score, count + 1.0)
        });
        sum / count
    }

    /// Returns the mean distances from a matrix `[from, to]`, for rows `first` to `end`; NaN if none follows the row before.
    pub fn distance(&self, matrix: &Array2<f64>, first: usize, end: usize) -> Distance {
        let (mut sums, mut count) = ([0.0; 3], 0.0);
        let behind = self.sequence().transitions();
        for (t, from, _) in behind.filter(|(t, ..)| (first..end).contains(t)) {
            let distribution = self.distribution(t).to_vec();
            let truth = matrix.row(from).to_vec();
            let found = [
                t as f64,
                total_variation(&distribution, &truth),
                hellinger(&distribution, &truth),
            ];
            sums.iter_mut().zip(found).for_each(|(sum, x)| *sum += x);
            count += 1.0;
        }
        let [context, total_variation, hellinger] = sums.map(|sum| sum / count);
        Distance {
            context,
            total_variation,
            hellinger,
        }
    }

    /// Returns the distances from a matrix `[from, to]` for context lengths that double, where a row follows the row before.
    pub fn distances(&self, matrix: &Array2<f64>) -> Vec<Distance> {
        let rows = self.states.len();
        let sequence = self.sequence();
        let starts = std::iter::successors(Some(1), |first| Some(2 * first));
        starts
            .take_while(|&first| first < rows)
            .map(|first| first..(2 * first).min(rows))
            .filter(|stretch| stretch.clone().any(|t| sequence.follows(t)))
            .map(|stretch| self.distance(matrix, stretch.start, stretch.end))
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
        let sequence = Sequence::new(&[0, 1, 1, 0], 2).unwrap();
        let distributions = StateDistributions::new(sequence, distributions);
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
        // Rows after a gap are not scored.
        let again = sequence.with_breaks(&[1, 2]);
        let broken = StateDistributions::new(again, distributions.distributions.clone());
        assert_eq!(broken.matrix(1).1, [0, 1]);
        assert_eq!(broken.log_score(1), 0.9f64.ln());
        let distances = broken.distances(&truth);
        assert_eq!((distances.len(), distances[0].context), (1, 3.0));
        assert!(power_law(&[(1.0, 0.5)]).is_none());
        assert!(power_law(&[]).is_none());
    }
}
