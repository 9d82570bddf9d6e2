//! Exponential smoothing of each channel by itself.

use super::candidates::Candidates;
use super::regression::{Noise, Prior};
use super::{Expert, Next, Student};

/// Shares of an error that move the level, and of that the slope. The first is persistence.
const SETTINGS: [(f64, f64); 7] = [
    (1.0, 0.0),
    (1.0, 0.05),
    (1.0, 0.3),
    (1.0, 1.0),
    (0.3, 0.0),
    (0.1, 0.0),
    (0.3, 0.05),
];

/// Level and slope of every channel, smoothed exponentially (Holt 1957) at several rates; an
/// episode starts from its first row.
#[derive(Debug, Clone)]
pub(super) struct Smoothing(Vec<Channel>);

#[derive(Debug, Clone)]
struct Channel {
    candidates: Candidates,
    states: [State; SETTINGS.len()],
    predicted: Vec<Option<Student>>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    level: f64,
    slope: f64,
    noise: Noise,
}

impl Smoothing {
    pub(super) fn new(channels: usize) -> Self {
        let state = State {
            level: 0.0,
            slope: 0.0,
            noise: Noise::new(Prior::NOISE),
        };
        let channel = Channel {
            candidates: Candidates::new(SETTINGS.len()),
            states: [state; SETTINGS.len()],
            predicted: Vec::new(),
        };
        Self(vec![channel; channels])
    }
}

impl Channel {
    fn learn(&mut self, x: f64) {
        self.candidates.learn(&self.predicted, x);
        for (state, (level, slope)) in self.states.iter_mut().zip(SETTINGS) {
            let expected = state.level + state.slope;
            let error = x - expected;
            state.noise.learn(error, 1.0);
            state.level = expected + level * error;
            state.slope += level * slope * error;
        }
    }

    fn begin(&mut self, x: f64) {
        for state in &mut self.states {
            (state.level, state.slope) = (x, 0.0);
        }
    }
}

impl Expert for Smoothing {
    fn predict(&mut self, next: &Next) -> Vec<Option<Student>> {
        let known = next.age > 0;
        let channel = |channel: &mut Channel| {
            let of = |s: &State| known.then(|| s.noise.around(s.level + s.slope, 1.0));
            channel.predicted.clear();
            channel.predicted.extend(channel.states.iter().map(of));
            channel.candidates.best(&channel.predicted)
        };
        self.0.iter_mut().map(channel).collect()
    }

    fn learn(&mut self, next: &Next, row: &[f64]) {
        for (channel, &x) in self.0.iter_mut().zip(row) {
            match next.age {
                0 => channel.begin(x),
                _ => channel.learn(x),
            }
        }
    }

    fn copy(&self) -> Box<dyn Expert> {
        Box::new(self.clone())
    }

    fn bytes(&self, _rows: usize) -> usize {
        let of = |c: &Channel| {
            size_of::<Channel>() + c.candidates.bytes() + size_of_val(&c.predicted[..])
        };
        self.0.iter().map(of).sum()
    }
}
