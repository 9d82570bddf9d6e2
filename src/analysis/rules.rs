//! Simple laws of the next state, each from the states before it alone.

use ndarray::Array2;

use super::{Laws, Sequence};

/// Weight of every outcome before any is seen.
const PRIOR: f64 = 0.5;

/// What is followed by what, counted: the mean of Dirichlet's law of the transitions so far (Krichevsky and Trofimov).
pub fn counted(sequence: Sequence) -> Laws {
    let before = |t: usize| t.checked_sub(1).map_or(0, |last| sequence.states()[last]);
    told(sequence, |seen, t, to| seen[[before(t), to]])
}

/// How often every state has followed another or itself so far, whatever came before: the first one is not counted.
pub fn frequencies(sequence: Sequence) -> Laws {
    told(sequence, |seen, _, to| seen.column(to).sum())
}

/// The state stays as often as states did so far; otherwise any other comes as often as it did.
pub fn staying(sequence: Sequence) -> Laws {
    let frequencies = frequencies(sequence);
    let states = sequence.states();
    let mut laws = Array2::zeros((states.len(), sequence.count()));
    let (mut stayed, mut steps) = (0.0, 0.0);
    for (t, mut law) in laws.rows_mut().into_iter().enumerate() {
        law.assign(&frequencies.law(t));
        if let Some(last) = t.checked_sub(1) {
            let at = states[last];
            let stays = (stayed + PRIOR) / (steps + 2.0 * PRIOR);
            let left = 1.0 - law[at];
            law *= (1.0 - stays) / left;
            law[at] = stays;
            if sequence.follows(t) {
                steps += 1.0;
                stayed += f64::from(u8::from(states[t] == at));
            }
        }
    }
    Laws::new(sequence, laws)
}

/// Laws in proportion to weights of the transitions that were seen before a row, and the prior.
fn told(sequence: Sequence, weight: impl Fn(&Array2<f64>, usize, usize) -> f64) -> Laws {
    let (came, states) = (sequence.states(), sequence.count());
    let mut seen = Array2::zeros((states, states));
    let mut laws = Array2::zeros((came.len(), states));
    for (t, mut law) in laws.rows_mut().into_iter().enumerate() {
        for to in 0..states {
            law[to] = weight(&seen, t, to) + PRIOR;
        }
        let sum = law.sum();
        law /= sum;
        if sequence.follows(t) {
            seen[[came[t - 1], came[t]]] += 1.0;
        }
    }
    Laws::new(sequence, laws)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_know_what_came_before_and_nothing_else() {
        let states = [0, 1, 0, 1, 1, 0];
        let sequence = Sequence::new(&states, 2).unwrap();
        let counted = counted(sequence);
        assert_eq!(counted.law(0).to_vec(), [0.5, 0.5]);
        // Row 3 follows 0, which was once followed by 1.
        assert_eq!(counted.law(3).to_vec(), [0.25, 0.75]);
        let often = frequencies(sequence);
        // Behind four transitions to 1, 0, 1, 1.
        assert_eq!(often.law(5).to_vec(), [0.3, 0.7]);
        let staying = staying(sequence);
        // Of four steps one stayed; at 1.
        assert!((staying.law(5)[1] - 0.3).abs() < 1e-12);
        let other = Sequence::new(&[0, 1, 0, 1, 0, 1], 2).unwrap();
        let same = [
            super::counted(other),
            frequencies(other),
            super::staying(other),
        ];
        for (laws, same) in [counted, often, staying].iter().zip(&same) {
            for t in 0..6 {
                assert!((laws.law(t).sum() - 1.0).abs() < 1e-12);
            }
            // What comes at row 4 changes no law before row 5.
            assert!((0..=4).all(|t| laws.law(t) == same.law(t)) && laws.law(5) != same.law(5));
        }
    }

    #[test]
    fn rules_learn_nothing_from_a_gap() {
        let sequence = Sequence::new(&[0, 0, 1, 1], 2).unwrap().with_breaks(&[2]);
        assert_eq!(counted(sequence).law(3).to_vec(), [0.5, 0.5]);
        assert_eq!(frequencies(sequence).law(3).to_vec(), [0.75, 0.25]);
        assert_eq!(staying(sequence).law(3).to_vec(), [0.25, 0.75]);
    }
}
