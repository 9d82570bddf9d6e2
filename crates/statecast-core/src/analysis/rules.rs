//! Baseline distributions of the next state.

use ndarray::Array2;

use super::{Sequence, StateDistributions};

/// Prior count of every outcome.
const PRIOR: f64 = 0.5;

/// Predicts by transition counts so far: the Dirichlet posterior mean (Krichevsky and Trofimov).
pub fn counted(sequence: Sequence) -> StateDistributions {
    let before = |t: usize| t.checked_sub(1).map_or(0, |last| sequence.states()[last]);
    proportional(sequence, |seen, t, to| seen[[before(t), to]])
}

/// Predicts by the frequencies of states so far, without the first one.
pub fn frequencies(sequence: Sequence) -> StateDistributions {
    proportional(sequence, |seen, _, to| seen.column(to).sum())
}

/// Predicts that the state stays with the frequency of stays so far, and otherwise by the frequencies of states.
pub fn staying(sequence: Sequence) -> StateDistributions {
    let frequencies = frequencies(sequence);
    let states = sequence.states();
    let mut distributions = Array2::zeros((states.len(), sequence.count()));
    let (mut stayed, mut steps) = (0.0, 0.0);
    for (t, mut distribution) in distributions.rows_mut().into_iter().enumerate() {
        distribution.assign(&frequencies.distribution(t));
        if let Some(last) = t.checked_sub(1) {
            let at = states[last];
            let stays = (stayed + PRIOR) / (steps + 2.0 * PRIOR);
            let left = 1.0 - distribution[at];
            distribution *= (1.0 - stays) / left;
            distribution[at] = stays;
            if sequence.follows(t) {
                steps += 1.0;
                stayed += f64::from(u8::from(states[t] == at));
            }
        }
    }
    StateDistributions::new(sequence, distributions)
}

/// Returns distributions proportional to weights of the transitions before each row plus the prior.
fn proportional(
    sequence: Sequence,
    weight: impl Fn(&Array2<f64>, usize, usize) -> f64,
) -> StateDistributions {
    let (came, states) = (sequence.states(), sequence.count());
    let mut seen = Array2::zeros((states, states));
    let mut distributions = Array2::zeros((came.len(), states));
    for (t, mut distribution) in distributions.rows_mut().into_iter().enumerate() {
        for to in 0..states {
            distribution[to] = weight(&seen, t, to) + PRIOR;
        }
        let sum = distribution.sum();
        distribution /= sum;
        if sequence.follows(t) {
            seen[[came[t - 1], came[t]]] += 1.0;
        }
    }
    StateDistributions::new(sequence, distributions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_depend_on_past_states_only() {
        let states = [0, 1, 0, 1, 1, 0];
        let sequence = Sequence::new(&states, 2).unwrap();
        let counted = counted(sequence);
        assert_eq!(counted.distribution(0).to_vec(), [0.5, 0.5]);
        // Row 3 follows 0, which was once followed by 1.
        assert_eq!(counted.distribution(3).to_vec(), [0.25, 0.75]);
        let often = frequencies(sequence);
        // After four transitions to 1, 0, 1, 1.
        assert_eq!(often.distribution(5).to_vec(), [0.3, 0.7]);
        let staying = staying(sequence);
        // Of four steps one stayed; at 1.
        assert!((staying.distribution(5)[1] - 0.3).abs() < 1e-12);
        let other = Sequence::new(&[0, 1, 0, 1, 0, 1], 2).unwrap();
        let same = [
            super::counted(other),
            frequencies(other),
            super::staying(other),
        ];
        for (distributions, same) in [counted, often, staying].iter().zip(&same) {
            for t in 0..6 {
                assert!((distributions.distribution(t).sum() - 1.0).abs() < 1e-12);
            }
            // Row 4 does not change any distribution before row 5.
            assert!(
                (0..=4).all(|t| distributions.distribution(t) == same.distribution(t))
                    && distributions.distribution(5) != same.distribution(5)
            );
        }
    }

    #[test]
    fn rules_learn_nothing_from_a_gap() {
        let sequence = Sequence::new(&[0, 0, 1, 1], 2).unwrap().with_breaks(&[2]);
        assert_eq!(counted(sequence).distribution(3).to_vec(), [0.5, 0.5]);
        assert_eq!(frequencies(sequence).distribution(3).to_vec(), [0.75, 0.25]);
        assert_eq!(staying(sequence).distribution(3).to_vec(), [0.25, 0.75]);
    }
}
