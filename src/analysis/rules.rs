//! Simple laws of the next state, each from the states before it alone.

use ndarray::Array2;

use super::{AnalysisError, Counts, Laws};

/// Weight of every outcome before any is seen.
const PRIOR: f64 = 0.5;

/// What is followed by what, counted: the mean of Dirichlet's law of the transitions so far (Krichevsky and Trofimov).
///
/// # Errors
/// [`AnalysisError::State`] for a state beyond those there are.
pub fn counted(sequence: &[usize], states: usize) -> Result<Laws, AnalysisError> {
    counted_without(sequence, states, &[])
}

/// The same without the transitions to some rows, which do not follow the row before.
pub(super) fn counted_without(
    sequence: &[usize],
    states: usize,
    breaks: &[usize],
) -> Result<Laws, AnalysisError> {
    let before = |t: usize| t.checked_sub(1).map_or(0, |last| sequence[last]);
    told(sequence, states, breaks, |seen, t, to| {
        seen[[before(t), to]]
    })
}

/// How often every state has followed another or itself so far, whatever came before: the first one is not counted.
///
/// # Errors
/// [`AnalysisError::State`] for a state beyond those there are.
pub fn frequencies(sequence: &[usize], states: usize) -> Result<Laws, AnalysisError> {
    told(sequence, states, &[], |seen, _, to| seen.column(to).sum())
}

/// The state stays as often as states did so far; otherwise any other comes as often as it did.
///
/// # Errors
/// [`AnalysisError::State`] for a state beyond those there are.
pub fn staying(sequence: &[usize], states: usize) -> Result<Laws, AnalysisError> {
    let frequencies = frequencies(sequence, states)?;
    let mut laws = Array2::zeros((sequence.len(), states));
    let mut stayed = 0.0;
    for (t, mut law) in laws.rows_mut().into_iter().enumerate() {
        law.assign(&frequencies.law(t));
        if let Some(last) = t.checked_sub(1) {
            let at = sequence[last];
            let stays = (stayed + PRIOR) / (last as f64 + 2.0 * PRIOR);
            let left = 1.0 - law[at];
            law *= (1.0 - stays) / left;
            law[at] = stays;
            stayed += f64::from(u8::from(sequence[t] == at));
        }
    }
    Ok(Laws::new(sequence.to_vec(), laws))
}

/// Laws in proportion to weights of the transitions that were seen before a row, and the prior.
fn told(
    sequence: &[usize],
    states: usize,
    breaks: &[usize],
    weight: impl Fn(&Array2<f64>, usize, usize) -> f64,
) -> Result<Laws, AnalysisError> {
    Counts::of(sequence, states)?;
    let mut seen = Array2::zeros((states, states));
    let mut laws = Array2::zeros((sequence.len(), states));
    for (t, mut law) in laws.rows_mut().into_iter().enumerate() {
        for to in 0..states {
            law[to] = weight(&seen, t, to) + PRIOR;
        }
        let sum = law.sum();
        law /= sum;
        if t > 0 && !breaks.contains(&t) {
            seen[[sequence[t - 1], sequence[t]]] += 1.0;
        }
    }
    Ok(Laws::new(sequence.to_vec(), laws))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_know_what_came_before_and_nothing_else() {
        let sequence = [0, 1, 0, 1, 1, 0];
        let counted = counted(&sequence, 2).unwrap();
        assert_eq!(counted.law(0).to_vec(), [0.5, 0.5]);
        // Row 3 follows 0, which was once followed by 1.
        assert_eq!(counted.law(3).to_vec(), [0.25, 0.75]);
        let often = frequencies(&sequence, 2).unwrap();
        // Behind four transitions to 1, 0, 1, 1.
        assert_eq!(often.law(5).to_vec(), [0.3, 0.7]);
        let staying = staying(&sequence, 2).unwrap();
        // Of four steps one stayed; at 1.
        assert!((staying.law(5)[1] - 0.3).abs() < 1e-12);
        let other = [0, 1, 0, 1, 0, 1];
        let same = [
            super::counted(&other, 2).unwrap(),
            frequencies(&other, 2).unwrap(),
            super::staying(&other, 2).unwrap(),
        ];
        for (laws, same) in [counted, often, staying].iter().zip(&same) {
            for t in 0..6 {
                assert!((laws.law(t).sum() - 1.0).abs() < 1e-12);
            }
            // What comes at row 4 changes no law before row 5.
            assert!((0..=4).all(|t| laws.law(t) == same.law(t)) && laws.law(5) != same.law(5));
        }
        assert!(super::counted(&[0, 3], 2).is_err());
    }
}
