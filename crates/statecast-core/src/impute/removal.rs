//! Known values that are removed to see how well they are filled.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// Share of the known values that are removed together.
const REMOVED: f64 = 0.1;

/// Shifts of the pattern of unknown values that are laid over each other at most.
const MAX_SHIFTS: usize = 40;

/// Places of known values of one run to remove: those that the pattern of its unknown values covers when it is shifted
/// in time, so that gaps are as long and as wide as the true ones. `unknown` is `[rows, channels]`, row-major.
pub(super) fn removed(unknown: &[bool], channels: usize, seed: u64) -> Vec<usize> {
    let rows = unknown.len() / channels;
    let known = unknown.iter().filter(|&&x| !x).count();
    let wanted = (REMOVED * known as f64).ceil() as usize;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut taken = vec![false; unknown.len()];
    let mut count = 0;
    if rows < 3 || known == unknown.len() {
        return Vec::new();
    }
    let gap = |channel: usize| {
        let column = unknown.iter().skip(channel).step_by(channels);
        longest_gap(column.copied()).1
    };
    let longest = (0..channels).map(gap).max().unwrap_or(0);
    let stretch = (2 * longest).clamp(1, rows.div_ceil(10));
    let rate = (unknown.len() - known) as f64 / unknown.len() as f64;
    let kept = (1.2 * REMOVED / rate).min(1.0);
    for _ in 0..MAX_SHIFTS {
        let shift = random.random_range(1..rows);
        for from in (0..rows).step_by(stretch) {
            if count >= wanted || random.random::<f64>() >= kept {
                continue;
            }
            for place in from * channels..(from + stretch).min(rows) * channels {
                let shifted = (place + shift * channels) % unknown.len();
                if unknown[shifted] && !unknown[place] && !taken[place] {
                    taken[place] = true;
                    count += 1;
                }
            }
        }
    }
    let places = taken.iter().enumerate().filter(|(_, taken)| **taken);
    places.map(|(place, _)| place).collect()
}

/// The first row and the length of the longest gap of a column.
pub(super) fn longest_gap(unknown: impl IntoIterator<Item = bool>) -> (usize, usize) {
    let (mut longest, mut length) = ((0, 0), 0);
    for (row, is_unknown) in unknown.into_iter().enumerate() {
        length = if is_unknown { length + 1 } else { 0 };
        if length > longest.1 {
            longest = (row + 1 - length, length);
        }
    }
    longest
}
