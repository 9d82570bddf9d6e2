//! What a hint looks like to a model: waves of its location, bumps over its scale and its record.
//!
//! The numbers are a contract with the training recipe (`models/training/residual.py`,
//! `slot_features`), single precision among it: angles of the finest waves reach thousands of
//! radians.

use std::f32::consts::PI;
use std::ops::Range;
use std::sync::LazyLock;

use crate::experts::{CENTRE, Hint, Slot};

/// Periods over the axis of the waves of a location: 32 from a quarter to 250, and two finer ones.
const WAVES: usize = 34;

/// Places at which bumps stand.
const LOG_SCALES: Bumps = Bumps::new(-6.0, 1.0, 13);
const LOG_RATIOS: Bumps = Bumps::new(-4.0, 1.0, 9);
const LEADS: Bumps = Bumps::new(0.0, 1.0, 7);
const GAPS: Bumps = Bumps::new(-5.0, 1.0, 11);

/// Features of a slot.
const SLOT: usize = 2 * WAVES + 6 + LOG_SCALES.count + LOG_RATIOS.count;

/// Features of a hint.
pub(super) const FEATURES: usize = 2 * SLOT + LEADS.count + GAPS.count;

/// Positions are taken as they are up to here.
const FARTHEST: f64 = 1e6;

static PERIODS: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let ratio = (250.0f64 / 0.25).powf(1.0 / 31.0);
    let geometric = (0..32).map(|i| 0.25 * ratio.powi(i));
    geometric
        .chain([500.0, 1000.0])
        .map(|period| period as f32)
        .collect()
});

/// Gaussian bumps at evenly spaced places, as wide as they are apart.
struct Bumps {
    first: f32,
    apart: f32,
    count: usize,
}

impl Bumps {
    const fn new(first: f32, apart: f32, count: usize) -> Self {
        Self {
            first,
            apart,
            count,
        }
    }

    fn push(&self, features: &mut Vec<f32>, x: f32, within: Range<f32>) {
        let x = x.clamp(within.start, within.end);
        features.extend((0..self.count).map(|i| {
            let off = (x - (self.first + i as f32 * self.apart)) / self.apart;
            (-0.5 * (off * off)).exp()
        }));
    }
}

/// Adds the features of what is said of a row whose channel stood at `last` the row before; without
/// one in the middle of the axis.
pub(super) fn push_features(features: &mut Vec<f32>, hint: &Hint, last: Option<f64>) {
    // Farther values move no feature, and must not leave the range of a float.
    let last = last.unwrap_or(CENTRE).clamp(-FARTHEST, FARTHEST) as f32;
    for slot in &hint.slots {
        push_slot(features, slot, last);
    }
    LEADS.push(features, (hint.lead as f32).asinh(), -1.0..7.0);
    let [first, second] = hint.slots.map(|slot| location(&slot));
    let gap = (second - first) / hint.slots[0].predicted.scale as f32;
    GAPS.push(features, gap.asinh(), -6.0..6.0);
}

fn location(slot: &Slot) -> f32 {
    (CENTRE + slot.predicted.location) as f32
}

fn push_slot(features: &mut Vec<f32>, slot: &Slot, last: f32) {
    let (location, scale) = (location(slot), slot.predicted.scale as f32);
    let x = (location / 10.0).clamp(-0.5, 1.5);
    let angle = |period: &f32| 2.0 * PI * x * period;
    features.extend(PERIODS.iter().map(|p| angle(p).cos()));
    features.extend(PERIODS.iter().map(|p| angle(p).sin()));
    let (centred, moved) = (2.0 * x - 1.0, location - last);
    features.extend([1.0, centred, centred * centred]);
    features.extend([(moved / scale).asinh(), (100.0 * moved).asinh() / 3.0]);
    features.push((slot.predicted.freedom as f32).sqrt().recip());
    LOG_SCALES.push(features, (100.0 * scale).ln(), -7.0..7.0);
    let log_ratio = 0.5 * (slot.ratio as f32 + 1e-4).ln();
    LOG_RATIOS.push(features, log_ratio, f32::MIN..f32::MAX);
}
