//! Hints: the two experts that have predicted a channel best.

use super::candidates::LogScore;
use super::{Panel, Source, Student, bounded};

/// Share of a score that is left after a row.
const KEPT: f64 = 0.99;

/// Degrees of freedom from which on a prediction counts: those after two errors. Before that its
/// scale is that of the prior, a thousandth, whatever the channel is like.
const LEARNED: f64 = 3.0;

/// Score of a row that an expert has no prediction of: that of the uniform density on a context's
/// range, less 3.
const ABSENT: f64 = -4.945_910_149_055_313;

/// Share that a row has in the mean of squared standardised residuals, and the most that one counts
/// as.
const NEW: f64 = 0.15;
const MOST: f64 = 100.0;

/// Distribution where no expert has one.
const UNKNOWN: Student = Student {
    location: 0.0,
    scale: 2.0,
    freedom: 1.0,
};

/// One expert's prediction of a channel, and how it has kept what it promised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slot {
    /// The prediction, as position on the axis less 5.
    pub predicted: Student,
    /// Exponential mean of squared standardised residuals: 1 if the scale was right.
    pub ratio: f64,
}

/// What is known of a channel's next value beforehand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hint {
    /// The expert with the best score so far, and the second.
    pub slots: [Slot; 2],
    /// Score of the best less that of the second, nats.
    pub lead: f64,
    /// False where no expert has a prediction that counts.
    pub known: bool,
}

/// Which experts have been the best of a channel, for how many rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leadership {
    /// Experts with the rows in which their prediction was the first hint, most rows first; those
    /// that never led are left out.
    pub rows: Vec<(Source, usize)>,
    /// The expert that leads at the end; `None` where none has a prediction that counts.
    pub last: Option<Source>,
}

impl Leadership {
    /// Rows that had a hint.
    pub fn hinted(&self) -> usize {
        self.rows.iter().map(|(_, rows)| rows).sum()
    }

    /// Rows in which an expert led.
    pub fn of(&self, source: Source) -> usize {
        let found = self.rows.iter().find(|(led, _)| *led == source);
        found.map_or(0, |(_, rows)| *rows)
    }
}

/// Discounted log scores of a panel's experts, channel by channel; they say which two are the
/// hints.
///
/// A prediction counts once its expert has learned two errors of the channel; before that the
/// expert is taken to have none.
///
/// ```
/// use statecast::experts::{Panel, Slots, Source};
/// let mut panel = Panel::new(&Source::ALL, 1, &[]);
/// let mut slots = Slots::new(Source::ALL.len(), 1);
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
    /// Rows that each expert has led; empty along sampled paths, where nobody asks.
    led: Vec<Vec<usize>>,
    /// True along sampled paths.
    settled: bool,
}

impl Slots {
    /// Nothing seen of so many experts and channels.
    pub fn new(experts: usize, channels: usize) -> Self {
        Self {
            scores: vec![vec![0.0; experts]; channels],
            ratios: vec![vec![1.0; experts]; channels],
            led: vec![vec![0; experts]; channels],
            settled: false,
        }
    }

    /// Bytes of a copy, with those of its hints.
    pub(crate) fn bytes(&self) -> usize {
        let experts = self.scores.first().map_or(0, Vec::len);
        let channel = 2 * (size_of::<Vec<f64>>() + experts * size_of::<f64>());
        self.scores.len() * (channel + size_of::<Hint>())
    }

    /// Hints for the row that the panel has predicted last, one a channel.
    pub fn hints(&self, panel: &Panel) -> Vec<Hint> {
        (0..self.scores.len())
            .map(|channel| self.hint(panel, channel))
            .collect()
    }

    fn hint(&self, panel: &Panel, channel: usize) -> Hint {
        let mut best: Vec<(f64, Slot)> = Vec::with_capacity(self.scores[channel].len());
        for (e, predicted) in panel.predicted().iter().enumerate() {
            if let Some(predicted) = counting(predicted[channel]) {
                let ratio = self.ratios[channel][e];
                best.push((self.scores[channel][e], Slot { predicted, ratio }));
            }
        }
        // Stable: of equal ones the earlier stays first.
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

    /// The same on a sampled path, whose draws say nothing about which expert is right.
    pub fn fork(&self) -> Self {
        Self {
            scores: self.scores.clone(),
            ratios: self.ratios.clone(),
            led: Vec::new(),
            settled: true,
        }
    }

    /// The expert with the best score among those that have a prediction that counts of the row that
    /// the panel predicted last: that of the first hint.
    fn leader(&self, panel: &Panel, channel: usize) -> Option<usize> {
        let scores = self.scores[channel].iter().enumerate();
        let counting = scores.filter(|(e, _)| counting(panel.predicted()[*e][channel]).is_some());
        // Of equal ones the earlier leads.
        let best = counting.rev().max_by(|a, b| a.1.total_cmp(b.1));
        best.map(|(e, _)| e)
    }

    /// Which experts of the panel have led, channel by channel; none along sampled paths.
    pub fn leaders(&self, panel: &Panel) -> Vec<Leadership> {
        let sources = panel.sources();
        let leadership = |(channel, led): (usize, &Vec<usize>)| {
            let mut rows: Vec<(Source, usize)> =
                sources.iter().copied().zip(led.iter().copied()).collect();
            rows.retain(|(_, rows)| *rows > 0);
            rows.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
            let last = self.leader(panel, channel).map(|e| sources[e]);
            Leadership { rows, last }
        };
        self.led.iter().enumerate().map(leadership).collect()
    }

    /// Learns the observed values of the row that the panel predicted last.
    pub fn learn(&mut self, panel: &Panel, row: &[f64]) {
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
                let score_of_row = predicted.map_or(ABSENT, |p| scoring.of(&p, x));
                let score = &mut self.scores[c][e];
                *score = KEPT * *score + score_of_row;
                if let Some(predicted) = predicted {
                    let z = (x - predicted.location) / predicted.scale;
                    let ratio = &mut self.ratios[c][e];
                    *ratio = (1.0 - NEW) * *ratio + NEW * (z * z).min(MOST);
                }
            }
        }
    }
}

/// A prediction, if it counts.
fn counting(predicted: Option<Student>) -> Option<Student> {
    predicted.filter(|p| p.freedom >= LEARNED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experts::Source;

    #[test]
    fn the_expert_that_is_right_leads_and_paths_count_nothing() {
        let mut panel = Panel::new(&Source::ALL, 2, &[]);
        let mut slots = Slots::new(Source::ALL.len(), 2);
        // A rotation, which is linear, and a value that stays.
        for t in 0..80 {
            panel.predict(t == 0);
            let row = [(0.3 * f64::from(t)).sin(), 0.5];
            slots.learn(&panel, &row);
            panel.learn(&row, &[]);
        }
        let leaders = slots.leaders(&panel);
        assert_eq!(leaders[0].last, Some(Source::Linear));
        assert_eq!(leaders[0].rows[0].0, Source::Linear);
        assert!(leaders[0].of(Source::Linear) > 60);
        // The first row begins, and three more pass until two errors are learned.
        assert_eq!(leaders[1].hinted(), 77);
        assert_eq!(leaders[1].of(Source::Simulator), 0);
        panel.predict(false);
        let first = slots.hints(&panel)[0].slots[0].predicted;
        assert_eq!(panel.predicted()[0][0], Some(first));
        assert!(slots.fork().leaders(&panel).is_empty());
    }

    /// The prior's scale made residuals of thousands of scales of the first rows of any channel.
    #[test]
    fn experts_that_have_learned_fewer_than_two_errors_are_no_hints() {
        let mut panel = Panel::new(&Source::ALL, 1, &[]);
        let mut slots = Slots::new(Source::ALL.len(), 1);
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
                let absent = ABSENT + KEPT * ABSENT;
                assert!(slots.scores[0].iter().all(|s| (s - absent).abs() < 1e-12));
                assert_eq!(slots.ratios[0], [1.0; 5]);
            }
        }
        assert_eq!(known, [false, false, false, true, true]);
    }
}
