//! Baseline distributions of the next state.

use ndarray::Array2;

use super::{AnalysisError, Counts, StateDistributions};

/// Prior count of every outcome.
const PRIOR: f64 = 0.5;

/// Predicts by transition counts so far: the Dirichlet posterior mean (Krichevsky and Trofimov).
///
/// # Errors
/// [`AnalysisError::State`] for a state out of range.
pub fn counted(sequence: &[usize], states: usize) -> Result<StateDistributions, AnalysisError> {
    counted_without(sequence, states, &[])
}

/// Predicts by transition counts without those to the rows `breaks`, which do not follow the row
/// before.
pub(super) fn counted_without(
    sequence: &[usize],
    states: usize,
    breaks: &[usize],
) -> Result<StateDistributions, AnalysisError> {
    let before = |t: usize| t.checked_sub(1).map_or(0, |last| sequence[last]);
    proportional(sequence, states, breaks, |seen, t, to| {
        seen[[before(t), to]]
    })
}

/// Predicts by the frequencies of states so far, without the first one.
///
/// # Errors
/// [`AnalysisError::State`] for a state out of range.
pub fn frequencies(sequence: &[usize], states: usize) -> Result<StateDistributions, AnalysisError> {
    proportional(sequence, states, &[], |seen, _, to| seen.column(to).sum())
}

/// Predicts that the state stays with the frequency of stays so far, and otherwise by the
/// frequencies of states.
///
/// # Errors
/// [`AnalysisError::State`] for a state out of range.
pub fn staying(sequence: &[usize], states: usize) -> Result<StateDistributions, AnalysisError> {
    let frequencies = frequencies(sequence, states)?;
    let mut distributions = Array2::zeros((sequence.len(), states));
    let mut stayed = 0.0;
    for (t, mut distribution) in distributions.rows_mut().into_iter().enumerate() {
        distribution.assign(&frequencies.distribution(t));
        if let Some(last) = t.checked_sub(1) {
            let at = sequence[last];
            let stays = (stayed + PRIOR) / (last as f64 + 2.0 * PRIOR);
            let left = 1.0 - distribution[at];
            distribution *= (1.0 - stays) / left;
            distribution[at] = stays;
            stayed += f64::from(u8::from(sequence[t] == at));
        }
    }
    Ok(StateDistributions::new(sequence.to_vec(), distributions))
}

/// Returns distributions proportional to weights of the transitions before each row plus the prior.
fn proportional(
    sequence: &[usize],
    states: usize,
    breaks: &[usize],
    weight: impl Fn(&Array2<f64>, usize, usize) -> f64,
) -> Result<StateDistributions, AnalysisError> {
    Counts::of(sequence, states)?;
    let mut seen = Array2::zeros((states, states));
    let mut distributions = Array2::zeros((sequence.len(), states));
    for (t, mut distribution) in distributions.rows_mut().into_iter().enumerate() {
        for to in 0..states {
            distribution[to] = weight(&seen, t, to) + PRIOR;
        }
        let sum = distribution.sum();
        distribution /= sum;
        if t > 0 && !breaks.contains(&t) {
            seen[[sequence[t - 1], sequence[t]]] += 1.0;
        }
    }
    Ok(StateDistributions::new(sequence.to_vec(), distributions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_depend_on_past_states_only() {
        let sequence = [0, 1, 0, 1, 1, 0];
        let counted = counted(&sequence, 2).unwrap();
        assert_eq!(counted.distribution(0).to_vec(), [0.5, 0.5]);
        // Row 3 follows 0, which was once followed by 1.
        assert_eq!(counted.distribution(3).to_vec(), [0.25, 0.75]);
        let often = frequencies(&sequence, 2).unwrap();
        // After four transitions to 1, 0, 1, 1.
        assert_eq!(often.distribution(5).to_vec(), [0.3, 0.7]);
        let staying = staying(&sequence, 2).unwrap();
        // Of four steps one stayed; at 1.
        assert!((staying.distribution(5)[1] - 0.3).abs() < 1e-12);
        let other = [0, 1, 0, 1, 0, 1];
        let same = [
            super::counted(&other, 2).unwrap(),
            frequencies(&other, 2).unwrap(),
            super::staying(&other, 2).unwrap(),
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
        assert!(super::counted(&[0, 3], 2).is_err());
    }
}
