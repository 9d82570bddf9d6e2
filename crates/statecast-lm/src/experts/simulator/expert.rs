//! A simulator as an expert.

use super::super::regression::{Noise, Prior};
use super::super::{Expert, FINEST, MAX_POSITION, Next, Student, bounded};
use super::Simulated;

/// The simulator's prediction of the next row, with a scale that is learned from its errors where
/// it states none. Degrees of freedom are those of the errors seen, whether it states one or not.
#[derive(Debug, Clone)]
pub(in crate::experts) struct SimulatorExpert {
    noises: Vec<Noise>,
    predicted: Vec<Option<Student>>,
}

impl SimulatorExpert {
    pub(in crate::experts) fn new(channels: usize) -> Self {
        Self {
            noises: vec![Noise::new(Prior::NOISE); channels],
            predicted: vec![None; channels],
        }
    }
}

fn distribution(said: Simulated, noise: &Noise) -> Student {
    let learned = noise.around(bounded(said.mean), 1.0);
    let stated = said.std.map(|std| std.clamp(1.0 / FINEST, MAX_POSITION));
    Student {
        scale: stated.unwrap_or(learned.scale),
        ..learned
    }
}

impl Expert for SimulatorExpert {
    fn predict(&mut self, next: &Next) -> Vec<Option<Student>> {
        self.predicted.fill(None);
        if next.age > 0 {
            let said = self.noises.iter().zip(next.simulated);
            for (predicted, (noise, said)) in self.predicted.iter_mut().zip(said) {
                *predicted = said.map(|said| distribution(said, noise));
            }
        }
        self.predicted.clone()
    }

    fn learn(&mut self, _next: &Next, row: &[f64]) {
        for ((noise, predicted), &x) in self.noises.iter_mut().zip(&self.predicted).zip(row) {
            if let Some(predicted) = predicted {
                noise.learn(x - predicted.location, 1.0);
            }
        }
    }

    fn copy(&self) -> Box<dyn Expert> {
        Box::new(self.clone())
    }

    fn bytes(&self, _rows: usize) -> usize {
        size_of_val(&self.noises[..]) + size_of_val(&self.predicted[..])
    }
}

#[cfg(test)]
mod tests {
    use crate::experts::{ExpertKind, ExpertPanel, Simulated, Slots, Student};

    fn said(mean: f64, std: Option<f64>) -> Vec<Option<Simulated>> {
        vec![Some(Simulated { mean, std })]
    }

    /// Predictions of a constant that is off by `error` in every row.
    fn predictions(rows: usize, error: f64, std: Option<f64>) -> Vec<Option<Student>> {
        let mut panel = ExpertPanel::new(&[ExpertKind::Simulator], 1, &[]);
        let row = |t| {
            if t > 0 {
                panel.tell(said(1.0 + error, std));
            }
            let predicted = panel.predict(t == 0)[0][0];
            panel.learn(&[1.0], &[]);
            predicted
        };
        (0..rows).map(row).collect()
    }

    #[test]
    fn the_scale_is_learned_from_errors_unless_it_is_stated() {
        let learned = predictions(101, 0.1, None);
        assert_eq!(learned[0], None);
        let last = learned[100].unwrap();
        // Of 99 errors and the prior's count of one.
        let expected = (99.0 * 0.01 + 1e-6f64) / 100.0;
        assert!((last.scale - expected.sqrt()).abs() < 1e-12);
        assert_eq!((last.location, last.freedom), (1.1, 100.0));
        let stated = predictions(101, 0.1, Some(0.25))[100].unwrap();
        assert_eq!((stated.scale, stated.freedom), (0.25, 100.0));
        let finest = predictions(3, 0.1, Some(1e-300))[2].unwrap();
        assert_eq!(finest.scale, 1e-4);
    }

    #[test]
    fn means_beyond_any_scale_stay_numbers() {
        let predicted = predictions(20, f64::MAX, Some(f64::MAX))[19].unwrap();
        assert_eq!((predicted.location, predicted.scale), (1e3, 1e3));
        assert!(predicted.log_density(1.0).is_finite());
    }

    /// An answer is about one row only, and not about an episode's first.
    #[test]
    fn rows_of_which_nothing_was_said_have_no_prediction() {
        let mut panel = ExpertPanel::new(&[ExpertKind::Simulator], 1, &[]);
        let mut slots = Slots::new(1, 1);
        for t in 0..6 {
            panel.tell(said(0.0, None));
            let known = panel.predict(t == 0)[0][0].is_some();
            assert_eq!(known, t > 0);
            assert_eq!(slots.hints(&panel)[0].known, t > 2);
            slots.learn(&panel, &[0.1]);
            panel.learn(&[0.1], &[]);
        }
        assert_eq!(panel.predict(false)[0][0], None);
        panel.tell(said(0.0, None));
        assert_eq!(panel.predict(true)[0][0], None);
        assert!(panel.fork().predict(false)[0][0].is_some());
    }
}
