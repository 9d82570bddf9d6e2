//! The local linear trend model.

use ndarray::{Array2, ArrayViewMut1};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use statrs::distribution::{ChiSquared, ContinuousCDF, Normal};

use super::range;

/// Grid of level innovation variances, relative to the observation noise.
const LEVELS: [f64; 5] = [0.0, 1e-3, 1e-2, 1e-1, 1.0];
/// Grid of slope innovation variances, relative to the observation noise.
const SLOPES: [f64; 7] = [0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1];
/// Grid of damping times of the slope, as fractions of all rows.
const DAMPING: [f64; 4] = [f64::INFINITY, 1.0 / 3.0, 1.0 / 9.0, 1.0 / 30.0];
/// Variance of the diffuse prior, relative to the observation noise.
const DIFFUSE: f64 = 1e6;
/// Rows that initialise level and slope.
const INITIAL_ROWS: usize = 2;
/// Fewest rows.
const MIN_ROWS: usize = 8;
/// Range from which on values are refused.
const MAX_RANGE: f64 = 1e300;

/// The local linear trend with a damped slope (Harvey 1989, section 2.3; Gardner and McKenzie
/// 1985): values are level plus noise, the level moves by the slope plus noise, the slope decays
/// and has noise.
///
/// Variances and damping are averaged over a grid by their likelihood; a level without slope has
/// half of the prior probability. Intervals are narrow for constant values, and wide where the
/// slope has changed before.
#[derive(Debug, Clone)]
pub struct LocalTrend {
    states: Vec<State>,
    /// Weights of the states.
    weights: Vec<f64>,
    /// Rows that inform the noise variance.
    counted: usize,
    /// Origin of the states' scale, in units of the values.
    origin: f64,
    /// Unit of the states' scale.
    size: f64,
}

/// Filter state for given variances, relative to the noise.
#[derive(Debug, Clone, Copy)]
struct State {
    level_steps: f64,
    slope_steps: f64,
    keep: f64,
    level: f64,
    slope: f64,
    /// Variance of the level, covariance, variance of the slope.
    covariance: [f64; 3],
    /// Sums of the standardised squared errors and of the log variances.
    squares: f64,
    logs: f64,
    /// Log prior weight, up to a constant.
    prior: f64,
}

impl State {
    /// Returns a level without a slope, under the diffuse prior.
    fn level(level_steps: f64, prior: f64) -> Self {
        Self {
            level_steps,
            slope_steps: 0.0,
            keep: 1.0,
            level: 0.0,
            slope: 0.0,
            covariance: [DIFFUSE, 0.0, 0.0],
            squares: 0.0,
            logs: 0.0,
            prior,
        }
    }

    /// Updates by a value; `counts` if its error informs the noise variance.
    fn read(&mut self, value: f64, counts: bool) {
        let [level, both, slope] = self.covariance;
        let keep = self.keep;
        let (at, towards) = (self.level + keep * self.slope, keep * self.slope);
        let ahead = level + 2.0 * keep * both + keep * keep * slope + self.level_steps;
        let across = keep * both + keep * keep * slope;
        let along = keep * keep * slope + self.slope_steps;
        let (variance, error) = (ahead + 1.0, value - at);
        if counts {
            self.squares += error * error / variance;
            self.logs += variance.ln();
        }
        let (gain, turn) = (ahead / variance, across / variance);
        self.level = at + gain * error;
        self.slope = towards + turn * error;
        self.covariance = [
            ahead * (1.0 - gain),
            across * (1.0 - gain),
            along - turn * across,
        ];
    }

    /// Returns the log posterior weight, up to a constant.
    fn evidence(&self, counted: usize) -> f64 {
        let counted = counted as f64;
        self.prior - 0.5 * (counted * (self.squares / counted).ln() + self.logs)
    }

    /// Simulates a path of future rows; `gaussian` draws with the noise's standard deviation.
    fn simulate(&self, mut path: ArrayViewMut1<f64>, mut gaussian: impl FnMut() -> f64) {
        let [of_level, both, of_slope] = self.covariance;
        let off = of_level.sqrt();
        let along = if off > 0.0 { both / off } else { 0.0 };
        let (first, second) = (gaussian(), gaussian());
        let mut level = self.level + off * first;
        let turned = along * first + (of_slope - along * along).max(0.0).sqrt() * second;
        let mut slope = self.slope + turned;
        for value in &mut path {
            level += self.keep * slope + self.level_steps.sqrt() * gaussian();
            slope = self.keep * slope + self.slope_steps.sqrt() * gaussian();
            *value = level + gaussian();
        }
    }
}

/// Returns the prior states: a level alone with probability 1/2, levels with slopes otherwise.
fn prior_states(all: usize) -> Vec<State> {
    let damped = |share: f64| (-1.0 / (share * all as f64)).exp();
    let mut states = Vec::new();
    for steps in LEVELS {
        let level = State::level(steps, 0.0);
        states.push(level);
        for slope_steps in SLOPES {
            states.extend(DAMPING.map(|share| State {
                slope_steps,
                keep: damped(share),
                covariance: [DIFFUSE, 0.0, DIFFUSE],
                prior: -((SLOPES.len() * DAMPING.len()) as f64).ln(),
                ..level
            }));
        }
    }
    states
}

impl LocalTrend {
    /// Fits values of a run with `all` rows in total, which scale the damping times; `None` for
    /// fewer than 8 values or a range above 1e300.
    ///
    /// ```
    /// use statecast::convergence::LocalTrend;
    /// let falling: Vec<f64> = (0..60).map(|t| 9.0 - 0.1 * f64::from(t)).collect();
    /// let paths = LocalTrend::of(&falling, 80).unwrap().paths(20, 100, 0);
    /// let at_row_79 = paths.column(19).mean().unwrap();
    /// assert!((at_row_79 - (9.0 - 0.1 * 79.0)).abs() < 0.5);
    /// ```
    pub fn of(values: &[f64], all: usize) -> Option<Self> {
        let (low, high) = range(values);
        let size = high - low;
        if values.len() < MIN_ROWS || size.is_nan() || size >= MAX_RANGE {
            return None;
        }
        let (origin, size) = (values[0], if size > 0.0 { size } else { 1.0 });
        let mut states = prior_states(all.max(values.len()));
        for (row, value) in values.iter().enumerate() {
            let value = (value - origin) / size;
            let read = |state: &mut State| state.read(value, row >= INITIAL_ROWS);
            states.iter_mut().for_each(read);
        }
        let counted = values.len() - INITIAL_ROWS;
        // Noiseless lines have zero squared error, whose logarithm is infinite.
        states.iter_mut().for_each(|state| state.squares += 1e-12);
        let logs = states.iter().map(|state| state.evidence(counted));
        let best = logs.clone().fold(f64::NEG_INFINITY, f64::max);
        Some(Self {
            weights: logs.map(|log| (log - best).exp()).collect(),
            states,
            counted,
            origin,
            size,
        })
    }

    /// Simulates paths `[draws, rows]` after the values, in their units; determined by the seed.
    pub fn paths(&self, rows: usize, draws: usize, seed: u64) -> Array2<f64> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let total: f64 = self.weights.iter().sum();
        let normal = Normal::standard();
        let noises = ChiSquared::new(self.counted as f64).expect("there are rows that count");
        let mut paths = Array2::zeros((draws, rows));
        for path in paths.rows_mut() {
            let state = self.at(total * random.random::<f64>());
            let mut level = || random.random_range(f64::EPSILON..1.0);
            let noise = (state.squares / noises.inverse_cdf(level())).sqrt();
            state.simulate(path, || noise * normal.inverse_cdf(level()));
        }
        paths.mapv_into(|value| self.origin + self.size * value)
    }

    /// Returns the state at a position on the cumulative weights.
    fn at(&self, mut position: f64) -> &State {
        let reached = self.weights.iter().position(|weight| {
            position -= weight;
            position < 0.0
        });
        &self.states[reached.unwrap_or(self.states.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64) -> impl FnMut() -> f64 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        move || Normal::standard().inverse_cdf(random.random_range(f64::EPSILON..1.0))
    }

    /// Low, middle and high of the last row of 60 after.
    fn ends(values: &[f64]) -> [f64; 3] {
        let trend = LocalTrend::of(values, values.len() + 60).unwrap();
        let paths = trend.paths(60, 400, 3);
        let mut last = paths.column(59).to_vec();
        last.sort_by(f64::total_cmp);
        [20, 200, 380].map(|position| last[position])
    }

    fn standing() -> Vec<f64> {
        let mut gaussian = noise(1);
        (0..100).map(|_| 2.0 + 0.1 * gaussian()).collect()
    }

    #[test]
    fn constants_stay_and_declines_continue() {
        let mut gaussian = noise(5);
        let [low, middle, high] = ends(&standing());
        assert!(
            (middle - 2.0).abs() < 0.1 && high - low < 1.0,
            "{low} {middle} {high}"
        );
        let falling: Vec<f64> = (0..100)
            .map(|t| 9.0 - 0.05 * f64::from(t) + 0.01 * gaussian())
            .collect();
        let [low, middle, high] = ends(&falling);
        assert!((middle - 1.05).abs() < 0.5, "{low} {middle} {high}");
        // A slope that has changed may change again.
        let bent: Vec<f64> = falling
            .iter()
            .enumerate()
            .map(|(t, x)| {
                if t < 60 {
                    *x
                } else {
                    x - 0.1 * (t as f64 - 60.0)
                }
            })
            .collect();
        let [bent_low, _, bent_high] = ends(&bent);
        assert!(bent_high - bent_low > 2.0 * (high - low));
    }

    /// Nine tenths of the paths of trends as they are thought of beforehand.
    #[test]
    fn its_own_paths_are_covered() {
        let mut random = ChaCha8Rng::seed_from_u64(9);
        let mut gaussian = noise(2);
        let states = prior_states(130);
        let (levels, trends): (Vec<State>, Vec<State>) =
            states.iter().partition(|state| state.covariance[2] == 0.0);
        let mut inside = 0;
        for number in 0..300 {
            let from = if number % 2 == 0 { &levels } else { &trends };
            let mut state = from[random.random_range(0..from.len())];
            state.covariance[0] = 0.0;
            let mut path = Array2::zeros((1, 130));
            state.simulate(path.row_mut(0), &mut gaussian);
            let path = path.row(0).to_vec();
            let [low, _, high] = ends(&path[..70]);
            inside += u32::from((low..=high).contains(&path[129]));
        }
        assert!((255..=285).contains(&inside), "{inside} of 300");
    }

    #[test]
    fn values_without_noise_and_too_few_values() {
        let line: Vec<f64> = (0..20).map(|t| f64::from(t) * 0.5).collect();
        let [low, middle, high] = ends(&line);
        assert!([low, middle, high].iter().all(|x| x.is_finite()));
        assert!(low <= middle && middle <= high && high <= 60.0);
        assert!(ends(&[4.0; 20]).iter().all(|x| (x - 4.0).abs() < 1e-5));
        assert!(LocalTrend::of(&[1.0; 7], 20).is_none());
        for size in [1e-300, 1e299] {
            let extreme: Vec<f64> = standing().iter().map(|x| x * size).collect();
            let scaled = ends(&extreme).map(|x| x / size);
            let plain = ends(&standing());
            assert!((scaled[1] - plain[1]).abs() < 1e-6, "{scaled:?} {plain:?}");
        }
        let huge: Vec<f64> = (0..20).map(|t| f64::from(t) * 1e300).collect();
        assert!(LocalTrend::of(&huge, 40).is_none());
    }
}
