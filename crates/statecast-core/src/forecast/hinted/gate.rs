//! Weights of a law's components before each value, by what each gave to the values so far.

/// Least log density that a component is held to.
pub(super) const MIN_LOG: f64 = -30.0;

/// Values at which what a component was worth counts as much as what the gate gave it.
const PRIOR_ROWS: f64 = 0.3;

/// What a channel's values have taught about the components of its law.
///
/// The model's gate is added to their Bayesian log weights with fixed share (Herbster & Warmuth
/// 1998), and corrected by how much more or less than the gate gave them components have been
/// responsible for. Corrections are learned from observed rows; along sampled paths they stay.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    /// Bayesian log weights.
    weights: Vec<f64>,
    /// Sums of responsibilities, and of the gate's own weights.
    worth: Vec<f64>,
    given: Vec<f64>,
    share: f64,
    trust: f64,
}

impl Gate {
    /// Nothing learned of so many components.
    pub(super) fn new(components: usize, share: f64, trust: f64) -> Self {
        Self {
            weights: vec![-(components as f64).ln(); components],
            worth: vec![0.0; components],
            given: vec![0.0; components],
            share,
            trust,
        }
    }

    /// Log weights without corrections, of what the model answers.
    fn uncorrected(&self, answer: &[f32]) -> Vec<f64> {
        let logs = answer.iter().zip(&self.weights);
        let logs = logs.map(|(&logit, weight)| f64::from(logit) + self.trust * weight);
        normalised(logs.collect())
    }

    /// Log weights of the next value's components.
    pub(super) fn log_weights(&self, answer: &[f32]) -> Vec<f64> {
        let mut logs = self.uncorrected(answer);
        for (i, log) in logs.iter_mut().enumerate() {
            *log += ((self.worth[i] + PRIOR_ROWS) / (self.given[i] + PRIOR_ROWS)).ln();
        }
        normalised(logs)
    }

    /// Learns from an observed value of which the components gave these log densities.
    pub(super) fn observe(&mut self, answer: &[f32], parts: &[f64]) {
        let given = self.uncorrected(answer);
        let joint = given.iter().zip(parts).map(|(weight, part)| weight + part);
        let responsible = normalised(joint.collect());
        for i in 0..parts.len() {
            self.worth[i] += responsible[i].exp();
            self.given[i] += given[i].exp();
        }
        self.follow(parts);
    }

    /// Goes on with a value of which the components gave these log densities.
    pub(super) fn follow(&mut self, parts: &[f64]) {
        let moved = self.weights.iter().zip(parts);
        let moved = moved.map(|(weight, part)| weight + part.max(MIN_LOG));
        let even = self.share / parts.len() as f64;
        let learned = normalised(moved.collect()).into_iter();
        let shared = learned.map(|log| ((1.0 - self.share) * log.exp() + even).ln());
        self.weights = shared.collect();
    }
}

/// Logarithms of what sums to one.
fn normalised(mut logs: Vec<f64>) -> Vec<f64> {
    let total = log_sum(&logs);
    logs.iter_mut().for_each(|log| *log -= total);
    logs
}

/// Logarithm of a sum of exponentials.
pub(super) fn log_sum(logs: &[f64]) -> f64 {
    let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    top + logs.iter().map(|log| (log - top).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_go_to_the_component_that_gives_more() {
        let mut gate = Gate::new(3, 0.003, 1.0);
        let answer = [0.0; 3];
        let even = gate.log_weights(&answer);
        assert!(even.iter().all(|w| (w.exp() - 1.0 / 3.0).abs() < 1e-12));
        for _ in 0..50 {
            gate.observe(&answer, &[1.0, 0.0, -2.0]);
        }
        let weights = gate.log_weights(&answer);
        assert!((log_sum(&weights)).abs() < 1e-12);
        assert!(weights[0].exp() > 0.95 && weights[2] < weights[1]);
    }

    /// A path must not teach what observed rows have to.
    #[test]
    fn paths_leave_corrections_as_they_are() {
        let mut gate = Gate::new(2, 0.0, 0.0);
        let before = gate.log_weights(&[0.0, 0.0]);
        gate.follow(&[3.0, 0.0]);
        assert_eq!(gate.log_weights(&[0.0, 0.0]), before);
        gate.observe(&[0.0, 0.0], &[3.0, 0.0]);
        assert!(gate.log_weights(&[0.0, 0.0])[0] > before[0]);
    }
}
