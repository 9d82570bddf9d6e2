//! Hints: the two best experts of a channel by past scores.

use super::candidates::LogScore;
use super::{ExpertKind, ExpertPanel, Student, bounded};

/// Discount of a score per row.
const KEPT: f64 = 0.99;

/// Degrees of freedom from which on a prediction is used: those after two errors. Before, its scale
/// is that of the prior, a thousandth, for any channel.
const LEARNED: f64 = 3.0;

/// Score of a row without a prediction: that of the uniform density on a context's range, minus 3.
const ABSENT_SCORE: f64 = -4.945_910_149_055_313;

/// Smoothing factor of the mean squared standardised residual, and the clipping bound of one
/// residual.
const SMOOTHING: f64 = 0.15;
const MAX_SQUARE: f64 = 100.0;

/// Distribution where no expert has one.
const UNKNOWN: Student = Student {
    location: 0.0,
    scale: 2.0,
    freedom: 1.0,
};

/// One expert's prediction of a channel, and the calibration of its scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slot {
    /// Prediction, as position on the axis minus 5.
    pub predicted: Student,
    /// Exponential mean of squared standardised residuals: 1 if the scale was right.
    pub ratio: f64,
}

/// Hint on a channel's next value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hint {
    /// The experts with the best and the second best score.
    pub slots: [Slot; 2],
    /// Score difference between both, in nats.
    pub lead: f64,
    /// False without any usable prediction.
    pub known: bool,
}

/// Number of rows in which each expert was the best of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leadership {
    /// Experts with the number of rows in which their prediction was the first hint, most rows
    /// first, without those that never led.
    pub rows: Vec<(ExpertKind, usize)>,
    /// Leading expert at the end; `None` without any usable prediction.
    pub last: Option<ExpertKind>,
}

impl Leadership {
    /// Returns the number of rows with a hint.
    pub fn hinted(&self) -> usize {
        self.rows.iter().map(|(_, rows)| rows).sum()
    }

    /// Returns the number of rows in which an expert led.
    pub fn of(&self, source: ExpertKind) -> usize {
        let found = self.rows.iter().find(|(led, _)| *led == source);
        found.map_or(0, |(_, rows)| *rows)
    }
}

/// Discounted log scores of a panel's experts by channel, which select the two hints.
///
/// A prediction is used once its expert has learned two errors of the channel.
///
/// ```
/// use statecast_lm::experts::{ExpertPanel, Slots, ExpertKind};
/// let mut panel = ExpertPanel::new(&ExpertKind::ALL, 1, &[]);
/// let mut slots = Slots::new(ExpertKind::ALL.len(), 1);
/// for t in 0..50 {
///     panel.predict(false);
///     let x = (0.3 * f64::from(t)).sin();
///     slots.learn(&panel, &[x]);
///     panel.learn(&[x], &[]);
/// }
/// panel.predict(false);
/// let hint = slots.hints(&panel)[0];
/// assert!((hint.slots[0].predicted.location - (0.3f64 * 50.0).sin()).abs() < 1e-3);
/// ```
#[derive(Debug, Clone)]
pub struct Slots {
    /// `[channel][expert]`.
    scores: Vec<Vec<f64>>,
    ratios: Vec<Vec<f64>>,
    /// Rows that each expert has led; empty along sampled paths, which do not need them.
    led: Vec<Vec<usize>>,
    /// True along sampled paths.
    settled: bool,
}

impl Slots {
    /// Creates scores for a number of experts and channels.
    pub fn new(experts: usize, channels: usize) -> Self {
        Self {
            scores: vec![vec![0.0; experts]; channels],
            ratios: vec![vec![1.0; experts]; channels],
            led: vec![vec![0; experts]; channels],
            settled: false,
        }
    }

    /// Returns the bytes of a copy, including its hints.
    pub fn bytes(&self) -> usize {
        let experts = self.scores.first().map_or(0, Vec::len);
        let channel = 2 * (size_of::<Vec<f64>>() + experts * size_of::<f64>());
        self.scores.len() * (channel + size_of::<Hint>())
    }

    /// Returns hints for the last predicted row, one per channel.
    pub fn hints(&self, panel: &ExpertPanel) -> Vec<Hint> {
        (0..self.scores.len())
            .map(|channel| self.hint(panel, channel))
            .collect()
    }

    fn hint(&self, panel: &ExpertPanel, channel: usize) -> Hint {
        let mut best: Vec<(f64, Slot)> = Vec::with_capacity(self.scores[channel].len());
        for (e, predicted) in panel.predicted().iter().enumerate() {
            if let Some(predicted) = counting(predicted[channel]) {
                let ratio = self.ratios[channel][e];
                best.push((self.scores[channel][e], Slot { predicted, ratio }));
            }
        }
        // Stable: ties go to the earlier expert.
        best.sort_by(|a, b| b.0.total_cmp(&a.0));
        let unknown = Slot {
            predicted: UNKNOWN,
            ratio: 1.0,
        };
        let first = best.first().copied().unwrap_or((0.0, unknown));
        let second = best.get(1).copied().unwrap_or(first);
        Hint {
            slots: [first.1, second.1],
            lead: first.0 - second.0,
            known: !best.is_empty(),
        }
    }

    /// Returns the scores for a sampled path, whose draws do not update them.
    pub fn fork(&self) -> Self {
        Self {
            scores: self.scores.clone(),
            ratios: self.ratios.clone(),
            led: Vec::new(),
            settled: true,
        }
    }

    /// Returns the expert with the best score among usable predictions of the last predicted row,
    /// that of the first hint.
    fn leader(&self, panel: &ExpertPanel, channel: usize) -> Option<usize> {
        let scores = self.scores[channel].iter().enumerate();
        let counting = scores.filter(|(e, _)| counting(panel.predicted()[*e][channel]).is_some());
        // Ties go to the earlier expert.
        let best = counting.rev().max_by(|a, b| a.1.total_cmp(b.1));
        best.map(|(e, _)| e)
    }

    /// Returns which experts have led, by channel; empty along sampled paths.
    pub fn leaders(&self, panel: &ExpertPanel) -> Vec<Leadership> {
        let sources = panel.sources();
        let leadership = |(channel, led): (usize, &Vec<usize>)| {
            let mut rows: Vec<(ExpertKind, usize)> =
                sources.iter().copied().zip(led.iter().copied()).collect();
            rows.retain(|(_, rows)| *rows > 0);
            rows.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
            let last = self.leader(panel, channel).map(|e| sources[e]);
            Leadership { rows, last }
        };
        self.led.iter().enumerate().map(leadership).collect()
    }

    /// Learns the observed values of the last predicted row.
    pub fn learn(&mut self, panel: &ExpertPanel, row: &[f64]) {
        if self.settled || panel.age() == 0 {
            return;
        }
        for channel in 0..row.len() {
            if let Some(leader) = self.leader(panel, channel) {
                self.led[channel][leader] += 1;
            }
        }
        let mut scoring = LogScore::default();
        for (e, predicted) in panel.predicted().iter().enumerate() {
            for (c, (&predicted, &x)) in predicted.iter().zip(row).enumerate() {
                let (predicted, x) = (counting(predicted), bounded(x));
                let score_of_row = predicted.map_or(ABSENT_SCORE, |p| scoring.of(&p, x));
                let score = &mut self.scores[c][e];
                *score = KEPT * *score + score_of_row;
                if let Some(predicted) = predicted {
                    let z = (x - predicted.location) / predicted.scale;
                    let ratio = &mut self.ratios[c][e];
                    *ratio = (1.0 - SMOOTHING) * *ratio + SMOOTHING * (z * z).min(MAX_SQUARE);
                }
            }
        }
    }
}

/// Returns a prediction if it is usable.
fn counting(predicted: Option<Student>) -> Option<Student> {
    predicted.filter(|p| p.freedom >= LEARNED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experts::ExpertKind;

    #[test]
    fn the_expert_that_is_right_leads_and_paths_count_nothing() {
        let mut panel = ExpertPanel::new(&ExpertKind::ALL, 2, &[]);
        let mut slots = Slots::new(ExpertKind::ALL.len(), 2);
        // A rotation, which is linear, and a value that stays.
        for t in 0..80 {
            panel.predict(t == 0);
            let row = [(0.3 * f64::from(t)).sin(), 0.5];
            slots.learn(&panel, &row);
            panel.learn(&row, &[]);
        }
        let leaders = slots.leaders(&panel);
        assert_eq!(leaders[0].last, Some(ExpertKind::Linear));
        assert_eq!(leaders[0].rows[0].0, ExpertKind::Linear);
        assert!(leaders[0].of(ExpertKind::Linear) > 60);
        // The first row begins, and three more pass until two errors are learned.
        assert_eq!(leaders[1].hinted(), 77);
        assert_eq!(leaders[1].of(ExpertKind::Simulator), 0);
        panel.predict(false);
        let first = slots.hints(&panel)[0].slots[0].predicted;
        assert_eq!(panel.predicted()[0][0], Some(first));
        assert!(slots.fork().leaders(&panel).is_empty());
    }

    /// The prior's scale made residuals of thousands of scales of the first rows of any channel.
    #[test]
    fn experts_that_have_learned_fewer_than_two_errors_are_no_hints() {
        let mut panel = ExpertPanel::new(&ExpertKind::ALL, 1, &[]);
        let mut slots = Slots::new(ExpertKind::ALL.len(), 1);
        let mut known = Vec::new();
        for t in 0..5 {
            panel.predict(t == 0);
            let hint = slots.hints(&panel)[0];
            if !hint.known {
                assert_eq!(hint.slots[0].predicted, UNKNOWN);
                assert_eq!((hint.slots[1].predicted, hint.lead), (UNKNOWN, 0.0));
            }
            known.push(hint.known);
            let x = (1.3 * f64::from(t)).sin();
            slots.learn(&panel, &[x]);
            panel.learn(&[x], &[]);
            if t == 2 {
                let absent = ABSENT_SCORE + KEPT * ABSENT_SCORE;
                assert!(slots.scores[0].iter().all(|s| (s - absent).abs() < 1e-12));
                assert_eq!(slots.ratios[0], [1.0; 5]);
            }
        }
        assert_eq!(known, [false, false, false, true, true]);
    }
}
