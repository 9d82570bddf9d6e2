//! What an action is: any number, or one of few levels; and how densities of it are scored.

use ndarray::ArrayView1;

/// Most levels of an action, and the fewest steps a level.
const MAX_LEVELS: usize = 20;
const MIN_STEPS_A_LEVEL: usize = 5;

/// How much of a level's probability is its frequency, whatever the regression says.
const FREQUENCY: f64 = 0.01;

/// Divisors of regressed levels that are tried.
const TEMPERATURES: [f64; 7] = [0.02, 0.05, 0.1, 0.2, 0.4, 1.0, 4.0];

/// Quantile levels of a score.
const SCORED: usize = 19;

/// An action of the steps that are known.
#[derive(Debug, Clone)]
pub(super) enum Action {
    Real {
        mean: f64,
        std: f64,
        low: f64,
        high: f64,
    },
    /// Levels, ascending, and their frequencies.
    Level {
        levels: Vec<f64>,
        frequencies: Vec<f64>,
    },
}

impl Action {
    pub(super) fn of(values: ArrayView1<f64>) -> Self {
        let steps = values.len() as f64;
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (sorted[0], sorted[sorted.len() - 1]);
        let counts: Vec<(f64, usize)> = sorted
            .chunk_by(|a, b| a == b)
            .map(|alike| (alike[0], alike.len()))
            .collect();
        if counts.len() <= MAX_LEVELS && counts.len() * MIN_STEPS_A_LEVEL <= values.len() {
            return Self::Level {
                levels: counts.iter().map(|(level, _)| *level).collect(),
                frequencies: counts.iter().map(|(_, n)| *n as f64 / steps).collect(),
            };
        }
        let mean = sorted.iter().sum::<f64>() / steps;
        let variance = sorted.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / steps;
        Self::Real {
            mean,
            std: variance.sqrt(),
            low,
            high,
        }
    }

    pub(super) fn levels(&self) -> Option<&[f64]> {
        match self {
            Self::Level { levels, .. } => Some(levels),
            Self::Real { .. } => None,
        }
    }

    /// How many regressions it takes.
    pub(super) fn targets(&self) -> usize {
        self.levels().map_or(1, <[f64]>::len)
    }

    /// What is regressed of a value: itself, standardised, or 1 for its level and 0 for others, less their frequencies.
    pub(super) fn target(&self, value: f64) -> Vec<f64> {
        match self {
            Self::Real { mean, std, .. } => vec![(value - mean) / std],
            Self::Level {
                levels,
                frequencies,
            } => {
                let is = |level: &f64| f64::from(u8::from(*level == value));
                let pairs = levels.iter().zip(frequencies);
                pairs.map(|(level, p)| is(level) - p).collect()
            }
        }
    }

    /// A value from a regressed one.
    pub(super) fn value(&self, target: f64) -> f64 {
        match self {
            Self::Real { mean, std, .. } => mean + std * target,
            Self::Level { .. } => target,
        }
    }

    /// The unit of spreads.
    pub(super) fn unit(&self) -> f64 {
        match self {
            Self::Real { std, .. } => *std,
            Self::Level { .. } => 1.0,
        }
    }

    /// A value within the range of the known ones.
    pub(super) fn bounded(&self, value: f64) -> f64 {
        match self {
            Self::Real { low, high, .. } => value.clamp(*low, *high),
            Self::Level { .. } => value,
        }
    }

    /// Probabilities of levels from what was regressed of them.
    pub(super) fn probabilities(&self, targets: &[f64], temperature: f64) -> Vec<f64> {
        let Self::Level { frequencies, .. } = self else {
            return Vec::new();
        };
        let regressed = targets.iter().zip(frequencies).map(|(t, p)| t + p);
        let regressed: Vec<f64> = regressed.collect();
        let highest = regressed.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let odds = regressed
            .iter()
            .map(|x| ((x - highest) / temperature).exp());
        let odds: Vec<f64> = odds.collect();
        let sum: f64 = odds.iter().sum();
        let both = odds.iter().zip(frequencies);
        both.map(|(odd, p)| (1.0 - FREQUENCY) * odd / sum + FREQUENCY * p)
            .collect()
    }

    /// Place of the level of a value.
    pub(super) fn place(&self, value: f64) -> usize {
        let levels = self.levels().unwrap_or_default();
        levels.iter().position(|level| *level == value).unwrap_or(0)
    }

    /// The divisor under which the levels that were taken are most probable.
    pub(super) fn temperature(&self, targets: &[Vec<f64>], values: &[f64]) -> f64 {
        let loss = |temperature: f64| -> f64 {
            let pairs = targets.iter().zip(values);
            let taken = pairs.map(|(t, &v)| self.probabilities(t, temperature)[self.place(v)]);
            taken.map(|p| -p.ln()).sum()
        };
        let tried = TEMPERATURES.map(|temperature| (loss(temperature), temperature));
        let best = tried.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
        best.map_or(1.0, |(_, temperature)| temperature)
    }
}

/// A quantile of sorted values.
pub(super) fn quantile(sorted: &[f64], level: f64) -> f64 {
    let last = sorted.len() - 1;
    let place = (level * sorted.len() as f64 - 0.5).clamp(0.0, last as f64);
    let (low, high) = (
        sorted[place as usize],
        sorted[(place as usize + 1).min(last)],
    );
    low + (high - low) * place.fract()
}

pub(super) fn likeliest(probabilities: &[f64]) -> usize {
    let all = probabilities.iter().enumerate();
    let best = all.max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(place, _)| place)
}

/// CRPS of a quantile function at a value: twice the mean pinball loss of 19 levels.
pub(super) fn crps(quantile: impl Fn(f64) -> f64, value: f64) -> f64 {
    let loss = |i: usize| {
        let level = i as f64 / (SCORED + 1) as f64;
        let error = value - quantile(level);
        2.0 * (level * error).max((level - 1.0) * error)
    };
    (1..=SCORED).map(loss).sum::<f64>() / SCORED as f64
}

/// Sum of squared errors of probabilities.
pub(super) fn brier(probabilities: &[f64], taken: usize) -> f64 {
    let is = |place: usize| f64::from(u8::from(place == taken));
    let all = probabilities.iter().enumerate();
    all.map(|(place, p)| (p - is(place)).powi(2)).sum()
}
