//! What was said of every state of a sequence before it came.

use ndarray::{Array2, ArrayView1};

use super::{Sequence, hellinger, total_variation};

/// A sequence of states, and the law of each given those before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Laws {
    states: Vec<usize>,
    breaks: Vec<usize>,
    laws: Array2<f64>,
}

/// How far laws are from others, behind some rows of context.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Distance {
    /// Mean number of rows before the states that are counted here.
    pub context: f64,
    /// Mean total variation.
    pub total_variation: f64,
    /// Mean Hellinger distance.
    pub hellinger: f64,
}

/// `distance = scale * context^-exponent`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct PowerLaw {
    /// Distance behind one row.
    pub scale: f64,
    /// How fast it falls.
    pub exponent: f64,
}

impl Laws {
    /// Laws `[rows, states]` of a sequence.
    ///
    /// # Panics
    /// If they are of another length, or of other states.
    pub fn new(sequence: Sequence, laws: Array2<f64>) -> Self {
        assert_eq!(
            (sequence.states().len(), sequence.count()),
            laws.dim(),
            "a law for every state that came"
        );
        Self {
            states: sequence.states().to_vec(),
            breaks: sequence.breaks().to_vec(),
            laws,
        }
    }

    /// The sequence. A row behind a gap counts in no mean of the laws.
    pub fn sequence(&self) -> Sequence<'_> {
        Sequence::new(&self.states, self.states())
            .expect("a sequence that was one")
            .with_breaks(&self.breaks)
    }

    /// Number of states.
    pub fn states(&self) -> usize {
        self.laws.ncols()
    }

    /// Law of the state at `t`, given those before it.
    pub fn law(&self, t: usize) -> ArrayView1<'_, f64> {
        self.laws.row(t)
    }

    /// Mean law behind every state from row `first` on, `[from, to]`, and how often each was left there. The row of a
    /// state that was not is its mean over all rows; where it never was, all states are as likely.
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

    /// Sums of the laws behind every state from a row on, and how many they are.
    fn sums(&self, first: usize) -> (Array2<f64>, Vec<usize>) {
        let states = self.states();
        let mut sums = Array2::<f64>::zeros((states, states));
        let mut counts = vec![0; states];
        let behind = self.sequence().transitions();
        for (t, from, _) in behind.skip_while(|&(t, ..)| t < first) {
            counts[from] += 1;
            let mut row = sums.row_mut(from);
            row += &self.law(t);
        }
        (sums, counts)
    }

    /// Mean logarithm of the probabilities of the states that followed, from row `first` on, nats; NaN where none did.
    pub fn log_score(&self, first: usize) -> f64 {
        let behind = self.sequence().transitions();
        let rows = behind.skip_while(|&(t, ..)| t < first);
        let (sum, count) = rows.fold((0.0, 0.0), |(sum, count), (t, _, to)| {
            let score: f64 = self.laws[[t, to]].max(f64::MIN_POSITIVE).ln();
            (sum + score, count + 1.0)
        });
        sum / count
    }

    /// Mean distances of the laws from row `first` to `end` from a matrix `[from, to]`; NaN where no row follows.
    pub fn distance(&self, matrix: &Array2<f64>, first: usize, end: usize) -> Distance {
        let (mut sums, mut count) = ([0.0; 3], 0.0);
        let behind = self.sequence().transitions();
        for (t, from, _) in behind.filter(|(t, ..)| (first..end).contains(t)) {
            let law = self.law(t).to_vec();
            let truth = matrix.row(from).to_vec();
            let found = [
                t as f64,
                total_variation(&law, &truth),
                hellinger(&law, &truth),
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

    /// Distances of the laws from those of a matrix `[from, to]`, in stretches of context that double, where a row follows.
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

/// The power law through distances `(context, distance)`, by least squares of the logarithms; `None` for fewer than
/// two that are above zero.
///
/// ```
/// use statecast::analysis::power_law;
/// let law = power_law(&[(1.0, 0.5), (4.0, 0.25), (16.0, 0.125)]).unwrap();
/// assert!((law.scale - 0.5).abs() < 1e-12 && (law.exponent - 0.5).abs() < 1e-12);
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
        let laws = array![[0.5, 0.5], [0.2, 0.8], [0.4, 0.6], [0.9, 0.1]];
        let sequence = Sequence::new(&[0, 1, 1, 0], 2).unwrap();
        let laws = Laws::new(sequence, laws);
        let (matrix, counts) = laws.matrix(2);
        assert_eq!(counts, [0, 2]);
        // State 0 was left before row 2 only.
        assert_eq!(matrix.row(0).to_vec(), [0.2, 0.8]);
        assert!((matrix[[1, 0]] - 0.65).abs() < 1e-12);
        assert!((laws.log_score(2) - 0.5 * (0.6f64.ln() + 0.9f64.ln())).abs() < 1e-12);
        let truth = array![[0.0, 1.0], [0.5, 0.5]];
        let distances = laws.distances(&truth);
        assert_eq!(distances.len(), 2);
        assert!((distances[0].total_variation - 0.2).abs() < 1e-12);
        assert_eq!(distances[1].context, 2.5);
        assert!((distances[1].total_variation - 0.25).abs() < 1e-12);
        // What came behind a gap counts nowhere.
        let broken = Laws::new(sequence.with_breaks(&[1, 2]), laws.laws.clone());
        assert_eq!(broken.matrix(1).1, [0, 1]);
        assert_eq!(broken.log_score(1), 0.9f64.ln());
        let distances = broken.distances(&truth);
        assert_eq!((distances.len(), distances[0].context), (1, 3.0));
        assert!(power_law(&[(1.0, 0.5)]).is_none());
        assert!(power_law(&[]).is_none());
    }
}
