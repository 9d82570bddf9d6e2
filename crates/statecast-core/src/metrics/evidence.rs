//! Evidence against calibration that may be looked at after every row.

use crate::metrics::Pit;

/// Parts of `[0, 1]` that are bet on.
const PARTS: usize = 10;

/// What is kept of a count with every row: all, and so much that the last hundred rows count.
const KEPT: [f64; 2] = [1.0, 0.99];

/// Counts of every part before the first row: cautious bets.
const PRIOR: f64 = 4.0;

/// Share of the stake that is bet from the first row on; the rest is brought in later, for forecasts that are good at first.
const FIRST: f64 = 0.5;

/// An anytime-valid test of calibration, fed with the PIT values of all channels row by row.
///
/// A gambler bets against the forecasts: that PIT values fall into some tenths of `[0, 1]` more often than into
/// others, as they have so far. If every one is uniform given those before, no strategy gains on average, and the stake grows to a
/// hundred times itself with a probability of at most one in a hundred, however often one looks (Ville 1939; Shafer 2021; with several
/// channels the mean of their stakes, whatever their dependence). Its logarithm is the [evidence](Self::evidence).
///
/// A monitor beside it begins anew at every row (a Shiryaev-Roberts e-detector: Shin, Ramdas & Rinaldo 2022). Of calibrated forecasts it
/// gives a false [alarm](Self::alarm) once in so many rows on average, or less often.
///
/// ```
/// use statecast::metrics::CalibrationTest;
/// let mut test = CalibrationTest::new(1, 10_000.0);
/// // Uniform at first, then always in the upper half.
/// for t in 0..400 {
///     let u = (f64::from(t) * 0.618_034).fract();
///     test.learn(&[if t < 300 { u } else { 0.5 + u / 2.0 }]);
/// }
/// let alarm = test.alarm().expect("forecasts broke");
/// assert!((300..360).contains(&alarm.row) && (290..320).contains(&alarm.since));
/// ```
#[derive(Debug, Clone)]
pub struct CalibrationTest {
    channels: Vec<[Gambler; 2]>,
    rows: usize,
    /// Largest evidence so far.
    largest: f64,
    rows_to_false_alarm: f64,
    alarm: Option<Alarm>,
}

/// What a [`CalibrationTest`] has found.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Evidence {
    /// Rows that were learned.
    pub rows: usize,
    /// Evidence against calibration, in nats.
    pub evidence: f64,
    /// p-value that holds at any time.
    pub p_value: f64,
    /// The first alarm.
    pub alarm: Option<Alarm>,
}

/// When a monitor told that forecasts are not calibrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Alarm {
    /// Row of the alarm.
    pub row: usize,
    /// Row from which on, as it seems, they were not.
    pub since: usize,
    /// Channel with the most evidence.
    pub channel: usize,
}

/// A gambler on one channel.
#[derive(Debug, Clone)]
struct Gambler {
    kept: f64,
    counts: [f64; PARTS],
    /// Logarithm of the stake that is bet.
    stake: f64,
    /// Stake that is not yet bet.
    reserve: f64,
    /// Logarithm of the monitor's sum over gamblers who began at each of the rows.
    monitor: f64,
    /// Logarithm of the gain since the row from which on it is largest.
    gain: f64,
    since: usize,
}

impl Gambler {
    fn new(kept: f64) -> Self {
        Self {
            kept,
            counts: [PRIOR; PARTS],
            stake: FIRST.ln(),
            reserve: 1.0 - FIRST,
            monitor: f64::NEG_INFINITY,
            gain: 0.0,
            since: 0,
        }
    }

    fn learn(&mut self, row: usize, pit: f64) {
        let part = ((pit * PARTS as f64) as usize).min(PARTS - 1);
        let total: f64 = self.counts.iter().sum();
        let odds = (self.counts[part] / total * PARTS as f64).ln();
        // What is brought in sums to the reserve over all rows to come.
        let more = (1.0 - FIRST) / ((row + 1) as f64 * (row + 2) as f64);
        self.reserve -= more;
        self.stake = log_sum(self.stake, more.ln()) + odds;
        self.monitor = log_sum(self.monitor, 0.0) + odds;
        if self.gain <= 0.0 {
            (self.gain, self.since) = (0.0, row);
        }
        self.gain += odds;
        let counts = self.counts.iter_mut();
        counts.for_each(|count| *count = PRIOR + self.kept * (*count - PRIOR));
        self.counts[part] += 1.0;
    }

    fn evidence(&self) -> f64 {
        log_sum(self.stake, self.reserve.max(f64::MIN_POSITIVE).ln())
    }
}

impl CalibrationTest {
    /// Of so many channels, with one false alarm in so many rows of calibrated forecasts on average.
    ///
    /// # Panics
    /// If `rows_to_false_alarm` is not above 1.
    pub fn new(channels: usize, rows_to_false_alarm: f64) -> Self {
        assert!(rows_to_false_alarm > 1.0, "rows to a false alarm");
        Self {
            channels: vec![KEPT.map(Gambler::new); channels],
            rows: 0,
            largest: 0.0,
            rows_to_false_alarm,
            alarm: None,
        }
    }

    /// The test of a sequence of PIT values of one channel, in their order.
    pub fn of(pit: &Pit, rows_to_false_alarm: f64) -> Self {
        let mut test = Self::new(1, rows_to_false_alarm);
        pit.values().iter().for_each(|&u| test.learn(&[u]));
        test
    }

    /// Learns the PIT values of a row, one a channel; of one that is not a number nothing is learned.
    ///
    /// # Panics
    /// If there are more or fewer than channels.
    pub fn learn(&mut self, pit: &[f64]) {
        assert_eq!(pit.len(), self.channels.len());
        for (gamblers, &u) in self.channels.iter_mut().zip(pit) {
            for gambler in gamblers.iter_mut().filter(|_| !u.is_nan()) {
                gambler.learn(self.rows, u.clamp(0.0, 1.0));
            }
        }
        self.rows += 1;
        self.largest = self.largest.max(self.mean(Gambler::evidence));
        if self.alarm.is_none() && self.mean(|g| g.monitor) >= self.rows_to_false_alarm.ln() {
            let all = self.channels.iter().enumerate();
            let all =
                all.flat_map(|(channel, of)| of.iter().map(move |gambler| (channel, gambler)));
            self.alarm =
                all.max_by(|a, b| a.1.monitor.total_cmp(&b.1.monitor))
                    .map(|(channel, gambler)| Alarm {
                        row: self.rows - 1,
                        since: gambler.since,
                        channel,
                    });
        }
    }

    /// Logarithm of the mean of all gamblers' amounts, given by their logarithms.
    fn mean(&self, of: impl Fn(&Gambler) -> f64) -> f64 {
        let all = self.channels.iter().flatten();
        let sum = all.map(of).fold(f64::NEG_INFINITY, log_sum);
        sum - ((2 * self.channels.len()) as f64).ln()
    }

    /// Rows that were learned.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Logarithm of what a stake of 1 has grown to by bets against the forecasts: evidence against calibration, in nats.
    pub fn evidence(&self) -> f64 {
        match self.channels.is_empty() {
            true => 0.0,
            false => self.mean(Gambler::evidence),
        }
    }

    /// One over the largest stake so far: of calibrated forecasts it ever falls to a level with a probability of at most that
    /// level.
    pub fn p_value(&self) -> f64 {
        (-self.largest).exp().min(1.0)
    }

    /// The first alarm.
    pub fn alarm(&self) -> Option<Alarm> {
        self.alarm
    }

    /// What it has found so far.
    pub fn found(&self) -> Evidence {
        Evidence {
            rows: self.rows,
            evidence: self.evidence(),
            p_value: self.p_value(),
            alarm: self.alarm,
        }
    }
}

/// Logarithm of the sum of two numbers, given by their logarithms.
fn log_sum(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    match high == f64::NEG_INFINITY {
        true => high,
        false => high + (low - high).exp().ln_1p(),
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::density::{normal_cdf, normal_quantile};

    fn uniform(seed: u64) -> impl FnMut() -> f64 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        move || random.random()
    }

    /// Looked at after every one of 400 rows, of three channels that are the same, and of three that are independent.
    #[test]
    fn calibrated_forecasts_are_rarely_refuted() {
        for are_same in [true, false] {
            let refuted = (0..1000).filter(|&seed| is_refuted(seed, are_same)).count();
            assert!(refuted <= 120, "{refuted} of 1000 at a level of 10 %");
        }
    }

    fn is_refuted(seed: u64, are_same: bool) -> bool {
        let mut draw = uniform(seed);
        let mut test = CalibrationTest::new(3, 1e9);
        for _ in 0..400 {
            test.learn(&match are_same {
                true => [draw(); 3],
                false => [draw(), draw(), draw()],
            });
            assert!(test.evidence().is_finite());
        }
        test.p_value() <= 0.1
    }

    /// The mean of what a stake grows to is 1 if bets are fair.
    #[test]
    fn bets_are_fair() {
        let mut gambler = Gambler::new(0.9);
        for (row, pit) in [0.05, 0.15, 0.95, 0.97, 0.5].into_iter().enumerate() {
            gambler.learn(row, pit);
        }
        let before = gambler.evidence().exp();
        let after = (0..PARTS).map(|part| {
            let mut next = gambler.clone();
            next.learn(5, (part as f64 + 0.5) / PARTS as f64);
            next.evidence().exp() / PARTS as f64
        });
        assert!((after.sum::<f64>() / before - 1.0).abs() < 1e-12);
    }

    #[test]
    fn false_alarms_are_as_rare_as_stated() {
        let mut alarms = 0;
        for seed in 0..200 {
            let mut draw = uniform(seed);
            let mut test = CalibrationTest::new(2, 1000.0);
            for _ in 0..500 {
                test.learn(&[draw(), draw()]);
            }
            alarms += usize::from(test.alarm().is_some());
        }
        // 100,000 rows and one alarm in 1000 on average: at most 100.
        assert!(alarms <= 100, "{alarms}");
    }

    /// Densities that become half as wide as they should be, and such that always were.
    #[test]
    fn narrow_densities_are_found() {
        let mut rows = Vec::new();
        for seed in 0..50 {
            let mut draw = uniform(seed);
            let mut test = CalibrationTest::new(2, 10_000.0);
            for t in 0..700 {
                let width = if t < 500 { 1.0 } else { 0.5 };
                let mut pit = || normal_cdf(normal_quantile(draw()) / width);
                test.learn(&[pit(), pit()]);
            }
            rows.push(test.alarm().map_or(700, |alarm| alarm.row));
        }
        rows.sort_unstable();
        assert!(rows[2] >= 500 && rows[25] < 580, "{rows:?}");
        let mut draw = uniform(5);
        let narrow: Vec<f64> = (0..300)
            .map(|_| normal_cdf(2.0 * normal_quantile(draw())))
            .collect();
        let mut pit = Pit::new();
        narrow.iter().for_each(|&u| pit.push(u));
        assert!(CalibrationTest::of(&pit, 1e4).p_value() < 1e-6);
    }

    #[test]
    fn nothing_is_learned_of_a_value_that_is_none() {
        let mut test = CalibrationTest::new(1, 100.0);
        (0..50).for_each(|_| test.learn(&[f64::NAN]));
        assert_eq!(
            (test.rows(), test.evidence(), test.p_value()),
            (50, 0.0, 1.0)
        );
        (0..5000).for_each(|_| test.learn(&[2.0]));
        assert!(test.evidence() > 1000.0 && test.p_value() == 0.0);
    }
}
