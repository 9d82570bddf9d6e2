//! Candidates of an expert, selected by past scores.

use super::student::log_peak;
use super::{FINEST, Student};

/// Cumulative log scores of an expert's candidates for one channel.
#[derive(Debug, Clone)]
pub(super) struct Candidates {
    scores: Vec<f64>,
}

impl Candidates {
    pub(super) fn new(count: usize) -> Self {
        Self {
            scores: vec![0.0; count],
        }
    }

    /// Returns the bytes of a copy.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&self.scores[..])
    }

    /// Returns the distribution of the best candidate that has one; ties go to the last.
    pub(super) fn best(&self, predicted: &[Option<Student>]) -> Option<Student> {
        let known = self.scores.iter().zip(predicted);
        known
            .filter_map(|(score, student)| student.map(|student| (score, student)))
            .max_by(|a, b| a.0.total_cmp(b.0))
            .map(|(_, student)| student)
    }

    /// Returns the candidate of the best score; ties go to the last.
    pub(super) fn leader(&self) -> usize {
        let all = self.scores.iter().enumerate();
        all.max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i)
    }

    /// Learns an observed value, if every candidate predicted it.
    pub(super) fn learn(&mut self, predicted: &[Option<Student>], x: f64) {
        if predicted.iter().any(Option::is_none) {
            return;
        }
        let mut scoring = LogScore::default();
        for (score, student) in self.scores.iter_mut().zip(predicted.iter().flatten()) {
            *score += scoring.of(student, x);
        }
    }
}

/// Log density of an observed value, capped at the precision to which values are known.
///
/// Most that are scored one after the other have seen as many errors: what depends on the degrees
/// of freedom alone, and takes longest, is kept from the last one.
#[derive(Debug, Default)]
pub(super) struct LogScore {
    freedom: f64,
    log_peak: f64,
}

impl LogScore {
    pub(super) fn of(&mut self, predicted: &Student, x: f64) -> f64 {
        if predicted.freedom != self.freedom {
            self.freedom = predicted.freedom;
            self.log_peak = log_peak(self.freedom);
        }
        let density = predicted.log_density_from(self.log_peak, x);
        density.min(FINEST.ln())
    }
}
