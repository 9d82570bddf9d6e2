//! Transition counts and the posterior of transition probabilities.

use ndarray::Array2;
use statrs::distribution::{Beta, ContinuousCDF};

use super::{Chain, Class, Sequence};

/// Level of the intervals.
const LEVEL: f64 = 0.95;

/// A transition probability with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct ProbabilityInterval {
    /// Posterior mean.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Transition counts of a sequence.
///
/// ```
/// use statecast::analysis::{Counts, Sequence};
/// let counts = Counts::of(Sequence::new(&[0, 1, 1, 0, 1], 2)?);
/// assert_eq!(counts.get(0, 1), 2);
/// assert_eq!(counts.from(1), 2);
/// // Two transitions from 0, both to 1, and a prior of half a count each.
/// assert_eq!(counts.distribution(0), [0.5 / 3.0, 2.5 / 3.0]);
/// # Ok::<(), statecast::analysis::AnalysisError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts(Array2<u64>);

/// Prior count of every transition (Jeffreys).
const PRIOR: f64 = 0.5;

impl Counts {
    /// Counts the transitions of a sequence.
    pub fn of(sequence: Sequence) -> Self {
        let mut counts = Array2::zeros((sequence.count(), sequence.count()));
        for (_, from, to) in sequence.transitions() {
            counts[[from, to]] += 1;
        }
        Self(counts)
    }

    /// Returns the number of states.
    pub fn states(&self) -> usize {
        self.0.nrows()
    }

    /// Returns the number of transitions between two states.
    pub fn get(&self, from: usize, to: usize) -> u64 {
        self.0[[from, to]]
    }

    /// Returns the number of transitions from a state.
    pub fn from(&self, state: usize) -> u64 {
        self.0.row(state).sum()
    }

    /// Returns the counts `[from, to]`.
    pub fn table(&self) -> &Array2<u64> {
        &self.0
    }

    /// Returns the posterior mean of the transition matrix, `[from, to]`.
    pub fn matrix(&self) -> Array2<f64> {
        let rows: Vec<Vec<f64>> = (0..self.states())
            .map(|from| self.distribution(from))
            .collect();
        Array2::from_shape_fn(self.0.dim(), |(from, to)| rows[from][to])
    }

    /// Returns the communicating classes of observed transitions; a state that was never left leads
    /// to itself.
    pub fn classes(&self) -> Vec<Class> {
        let share = |(from, to): (usize, usize)| match self.from(from) {
            0 => f64::from(u8::from(from == to)),
            total => self.get(from, to) as f64 / total as f64,
        };
        match Chain::new(Array2::from_shape_fn(self.0.dim(), share)) {
            Ok(chain) => chain.classes(),
            // Relative counts are distributions; only the absence of states fails.
            Err(_) => Vec::new(),
        }
    }

    /// Returns the distribution of the next state: the Dirichlet posterior mean under Jeffreys'
    /// prior.
    pub fn distribution(&self, from: usize) -> Vec<f64> {
        self.shares(from).map(|(mean, _)| mean).collect()
    }

    /// Returns the posterior means with marginal intervals.
    pub fn intervals(&self, from: usize) -> Vec<ProbabilityInterval> {
        let of = |(mean, (hits, misses)): (f64, (f64, f64))| {
            let (low, high) = match Beta::new(hits, misses) {
                Ok(beta) => {
                    let tail = (1.0 - LEVEL) / 2.0;
                    (beta.inverse_cdf(tail), beta.inverse_cdf(1.0 - tail))
                }
                // A single state follows with certainty.
                Err(_) => (1.0, 1.0),
            };
            ProbabilityInterval { mean, low, high }
        };
        self.shares(from).map(of).collect()
    }

    /// Returns the mean of every transition and the parameters of its beta distribution.
    fn shares(&self, from: usize) -> impl Iterator<Item = (f64, (f64, f64))> + '_ {
        let total = self.from(from) as f64 + PRIOR * self.states() as f64;
        (0..self.states()).map(move |to| {
            let hits = self.get(from, to) as f64 + PRIOR;
            (hits / total, (hits, total - hits))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(sequence: &[usize], states: usize) -> Counts {
        Counts::of(Sequence::new(sequence, states).unwrap())
    }

    /// scipy.stats.beta(7.5, 3.5).ppf and beta(0.5, 1.0).ppf at 0.025 and 0.975, SciPy 1.17.1.
    #[test]
    fn intervals_are_those_of_the_beta_distribution() {
        let mut sequence = vec![0; 8];
        sequence.extend([1, 0, 1, 0, 1, 1]);
        let counts = counted(&sequence, 2);
        assert_eq!((counts.get(0, 0), counts.get(0, 1)), (7, 3));
        let found = counts.intervals(0)[0];
        assert!(
            (found.low - 0.3941816818513287).abs() < 1e-6
                && (found.high - 0.9073054060618468).abs() < 1e-6
        );
        assert!((found.mean - 7.5 / 11.0).abs() < 1e-12);
        // A state that never occurs has the prior.
        let counts = counted(&sequence, 3);
        let found = counts.intervals(2)[0];
        assert!(
            (found.low - 0.000625).abs() < 1e-6 && (found.high - 0.9506249999999999).abs() < 1e-6
        );
        let one = counted(&[0, 0], 1);
        assert_eq!(one.intervals(0)[0].low, 1.0);
    }

    #[test]
    fn classes_are_those_of_observed_transitions() {
        // 0 leads to 1 and 2, which swap; 3 never occurs.
        let counts = counted(&[0, 0, 1, 2, 1, 2], 4);
        let classes = counts.classes();
        let kinds = classes
            .iter()
            .map(|c| (c.states.as_slice(), c.closed, c.period));
        let expected: [(&[usize], bool, usize); 3] =
            [(&[0], false, 1), (&[1, 2], true, 2), (&[3], true, 1)];
        assert_eq!(kinds.collect::<Vec<_>>(), expected);
        assert_eq!(counts.matrix()[[1, 2]], 2.5 / 4.0);
    }

    #[test]
    fn transitions_over_gaps_are_not_counted() {
        let sequence = Sequence::new(&[0, 1, 1, 0, 1], 2).unwrap();
        let counts = Counts::of(sequence.with_breaks(&[1]));
        assert_eq!((counts.get(0, 1), counts.get(1, 1)), (1, 1));
    }

    #[test]
    fn a_state_out_of_range_is_an_error() {
        let error = Sequence::new(&[0, 1, 4], 3).unwrap_err().to_string();
        assert_eq!(error, "state 4 at position 2: there are 3 states, from 0");
    }
}
