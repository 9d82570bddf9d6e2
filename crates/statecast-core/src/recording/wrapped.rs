//! Counters and clocks that begin again at zero when they are full.

/// Where such clocks are full, and whether one that began at zero is taken for it, too: an episode may have 256 rows,
/// but hardly ends with a day.
const FULL: [(f64, bool); 13] = [
    (24.0, false),
    (60.0, false),
    (256.0, false),
    (1_440.0, false),
    (3_600.0, false),
    (65_536.0, true),
    (86_400.0, true),
    (604_800.0, true),
    (16_777_216.0, true),
    (86_400_000.0, true),
    (604_800_000.0, true),
    (4_294_967_296.0, true),
    (86_400_000_000.0, true),
];

/// Where counters may be full that are not seen to begin: weeks and days of a year, degrees, round numbers.
const PERHAPS_FULL: [f64; 10] = [
    52.0,
    360.0,
    365.0,
    366.0,
    1_000.0,
    4_096.0,
    10_000.0,
    32_768.0,
    100_000.0,
    1_000_000.0,
];

/// Steps of a turn from which on a counter is told by turns alone, so that the months of a year are no such.
const MIN_STEPS: f64 = 50.0;
/// What equal steps may differ by, in steps.
const EQUAL: f64 = 1e-6;

/// How far the step over the end may be from the usual one, in usual steps.
const NEAR: f64 = 0.5;

/// A clock that counts modulo a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wrap {
    /// Number after which it begins again.
    pub(super) modulus: f64,
    /// The first row after the end.
    pub(super) row: usize,
    /// Whether the number is that of its turns, and none at which clocks are known to be full.
    pub(super) is_guessed: bool,
}

/// Finds where a clock is full, if every step back goes over that end as any other step would go on.
pub(super) fn wrap(values: &[f64]) -> Option<Wrap> {
    let steps = || values.windows(2).map(|pair| pair[1] - pair[0]);
    let row = 1 + steps().position(|step| step < 0.0)?;
    let mut on: Vec<f64> = steps().filter(|&step| step > 0.0).collect();
    let middle = on.len() / 2;
    if on.is_empty() {
        return None;
    }
    let usual = *on.select_nth_unstable_by(middle, f64::total_cmp).1;
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // One that counts from one is full at its modulus, a signed one counts from below zero.
    let begins_late = values[0] - lowest >= 2.0 * usual;
    let fits = |modulus: f64| {
        let over = |step: f64| (step + modulus - usual).abs() <= NEAR * usual;
        highest - lowest < modulus && steps().filter(|&step| step < 0.0).all(over)
    };
    let found = FULL
        .iter()
        .find(|&&(modulus, always)| (always || begins_late) && fits(modulus));
    let known = found.map(|&(modulus, _)| Wrap {
        modulus,
        row,
        is_guessed: false,
    });
    let perhaps = || {
        let mut all = PERHAPS_FULL.into_iter().filter(|_| begins_late);
        all.find(|&modulus| fits(modulus)).map(|modulus| Wrap {
            modulus,
            row,
            is_guessed: true,
        })
    };
    known
        .or_else(|| turns(values).filter(|_| begins_late))
        .or_else(perhaps)
}

/// Finds the turns of a counter that goes on by one step always and from its highest number to its lowest, which is zero or
/// one step. Of one turn alone only a power of ten is believed.
pub(super) fn turns(values: &[f64]) -> Option<Wrap> {
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let steps = || values.windows(2).map(|pair| pair[1] - pair[0]);
    let step = steps().find(|&step| step > 0.0)?;
    let near = |a: f64, b: f64| (a - b).abs() <= EQUAL * step;
    let back = lowest - highest;
    let is_regular = steps().all(|other| near(other, step) || near(other, back));
    let from_start = near(lowest, 0.0) || near(lowest, step);
    let modulus = step - back;
    let count = steps().filter(|&step| step < 0.0).count();
    let round = modulus.log10().round();
    let is_round = round >= 2.0 && near(modulus, 10f64.powf(round));
    let fits = count > 1 || (count == 1 && is_round);
    let found = fits && is_regular && from_start && modulus >= MIN_STEPS * step;
    let row = 1 + steps().position(|step| step < 0.0)?;
    found.then_some(Wrap {
        modulus,
        row,
        is_guessed: true,
    })
}

/// The values as those of a clock that counts on.
pub(super) fn unwrapped(values: &[f64], modulus: f64) -> Vec<f64> {
    let mut turns = 0.0;
    let mut before = f64::NEG_INFINITY;
    let on = |&value: &f64| {
        if value < before {
            turns += 1.0;
        }
        before = value;
        value + turns * modulus
    };
    values.iter().map(on).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault: seconds of the week over its end were sorted, counters of a byte were cut into episodes.
    #[test]
    fn full_clocks_count_on() {
        for (start, step, modulus, lowest) in [
            (604_790.0, 1.0, 604_800.0, 0.0),
            (0.0, 600.0, 86_400.0, 0.0),
            (250.0, 1.0, 256.0, 0.0),
            (254.0, 1.0, 256.0, 1.0),
            (32_760.0, 1.0, 65_536.0, -32_768.0),
            (59.0, 0.5, 60.0, 0.0),
            (9_990.0, 1.0, 10_000.0, 0.0),
            (998.0, 1.0, 1_000.0, 1.0),
            (30.0, 1.0, 100.0, 0.0),
            (37.0, 1.0, 75.0, 0.0),
            (140.0, 4.0, 360.0, 0.0),
            (300.0, 1.0, 365.0, 1.0),
            (13_107.0, 300.0, 32_768.0, 0.0),
        ] {
            let whole: Vec<f64> = (0..400).map(|i| start + step * f64::from(i)).collect();
            let full = |&value: &f64| (value - lowest).rem_euclid(modulus) + lowest;
            let values: Vec<f64> = whole.iter().map(full).collect();
            let found = wrap(&values).unwrap_or_else(|| panic!("{modulus}"));
            assert_eq!(found.modulus, modulus);
            assert_eq!(unwrapped(&values, modulus), whole, "{modulus}");
        }
    }

    #[test]
    fn episodes_and_other_clocks_are_no_wraps() {
        let episodes = |length: i32| (0..3 * length).map(move |i| f64::from(i % length));
        for values in [
            episodes(256).collect(),
            episodes(1000).collect(),
            episodes(60).chain((3..40).map(f64::from)).collect(),
            (200..255).chain(3..90).map(f64::from).collect(),
            (30..63).chain(0..40).map(f64::from).collect(),
            (3..100).map(|i| f64::from(i % 12 + 1)).collect(),
            vec![3.0, 2.0, 1.0],
            vec![1.0],
            Vec::new(),
        ] as [Vec<f64>; 9]
        {
            assert_eq!(wrap(&values), None);
        }
    }
}
