//! What a sequence of states shows of the chain behind it.

use ndarray::Array2;
use statrs::distribution::{Beta, ContinuousCDF};

use super::{Chain, Class, Sequence};

/// Share of the probability in an interval.
const LEVEL: f64 = 0.95;

/// A transition probability with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Share {
    /// Mean.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Transitions of a sequence, counted.
///
/// ```
/// use statecast::analysis::{Counts, Sequence};
/// let counts = Counts::of(Sequence::new(&[0, 1, 1, 0, 1], 2)?);
/// assert_eq!(counts.get(0, 1), 2);
/// assert_eq!(counts.from(1), 2);
/// // Two transitions from 0, both to 1, and half a count each beforehand.
/// assert_eq!(counts.law(0), [0.5 / 3.0, 2.5 / 3.0]);
/// # Ok::<(), statecast::analysis::AnalysisError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts(Array2<u64>);

/// Weight of every transition before any is seen: Jeffreys' prior.
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

    /// Number of states.
    pub fn states(&self) -> usize {
        self.0.nrows()
    }

    /// Transitions from a state to a state.
    pub fn get(&self, from: usize, to: usize) -> u64 {
        self.0[[from, to]]
    }

    /// Transitions from a state.
    pub fn from(&self, state: usize) -> u64 {
        self.0.row(state).sum()
    }

    /// Transitions `[from, to]`.
    pub fn table(&self) -> &Array2<u64> {
        &self.0
    }

    /// Laws of the states that follow, `[from, to]`, as [`law`](Self::law) has them.
    pub fn matrix(&self) -> Array2<f64> {
        let rows: Vec<Vec<f64>> = (0..self.states()).map(|from| self.law(from)).collect();
        Array2::from_shape_fn(self.0.dim(), |(from, to)| rows[from][to])
    }

    /// Classes of states that were seen to lead to each other; a state that was never left leads to itself.
    pub fn classes(&self) -> Vec<Class> {
        let share = |(from, to): (usize, usize)| match self.from(from) {
            0 => f64::from(u8::from(from == to)),
            total => self.get(from, to) as f64 / total as f64,
        };
        match Chain::new(Array2::from_shape_fn(self.0.dim(), share)) {
            Ok(chain) => chain.classes(),
            // Shares of counts are laws; there may be no state at all.
            Err(_) => Vec::new(),
        }
    }

    /// Law of the state that follows one: the mean of Dirichlet's law of the counts under Jeffreys' prior.
    pub fn law(&self, from: usize) -> Vec<f64> {
        self.shares(from).map(|(mean, _)| mean).collect()
    }

    /// The same with intervals, each of its transition alone.
    pub fn intervals(&self, from: usize) -> Vec<Share> {
        let of = |(mean, (hits, misses)): (f64, (f64, f64))| {
            let (low, high) = match Beta::new(hits, misses) {
                Ok(beta) => {
                    let tail = (1.0 - LEVEL) / 2.0;
                    (beta.inverse_cdf(tail), beta.inverse_cdf(1.0 - tail))
                }
                // Where there is one state only, it follows.
                Err(_) => (1.0, 1.0),
            };
            Share { mean, low, high }
        };
        self.shares(from).map(of).collect()
    }

    /// Mean of every transition, and the parameters of its beta law.
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
    fn intervals_are_those_of_the_beta_law() {
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
        // A state that never came: nothing but the prior.
        let counts = counted(&sequence, 3);
        let found = counts.intervals(2)[0];
        assert!(
            (found.low - 0.000625).abs() < 1e-6 && (found.high - 0.9506249999999999).abs() < 1e-6
        );
        let one = counted(&[0, 0], 1);
        assert_eq!(one.intervals(0)[0].low, 1.0);
    }

    #[test]
    fn classes_are_of_what_was_seen() {
        // 0 leads to 1 and 2, which swap; 3 never came.
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
    fn a_state_beyond_those_there_are_is_named() {
        let error = Sequence::new(&[0, 1, 4], 3).unwrap_err().to_string();
        assert_eq!(error, "state 4 at place 2: there are 3 states, from 0");
    }
}
