//! A smooth nonlinear model of small systems.

use std::f64::consts::TAU;
use std::sync::Arc;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::channels::Channels;
use super::fits::{Fits, Setting, lagged};
use super::{Expert, Next, Student};
use crate::density::normal_quantile;

/// Candidate prior precisions, in units of one over the noise's variance.
const RIDGES: [f64; 2] = [1e-3, 0.1];

/// One more where no action drives the channels. Of a system with little noise the weights differ from zero by many times the
/// noise: only so small a precision says how uncertain they are where nothing was observed. Policies lead there all the time, and
/// paths that are so uncertain say nothing of their values.
const UNDRIVEN_RIDGE: f64 = 1e-6;

/// Largest number of variables, with 219 products of three.
const MAX_VARIABLES: usize = 9;

/// Number of features.
const FEATURES: usize = 256;

/// Unit of positions in products and waves, in which contexts extend slightly beyond 1.
const UNIT: f64 = 3.0;

/// Length scale in these units.
const LENGTH: f64 = 1.2;

/// Seed of the waves.
const SEED: u64 = 0xf0_0817;

/// Every channel on all channels of the last row and its actions, their products of two and of
/// three, cosines of random sums of them, and an intercept; of more than nine variables it knows
/// nothing.
///
/// With the cosines the regression is one of a Gaussian process whose kernel is a squared
/// exponential, but for what so few of them miss (Rahimi & Recht 2007).
#[derive(Debug, Clone)]
pub(super) struct Fourier {
    channels: usize,
    inputs: usize,
    /// `None` if there are too many variables.
    fits: Option<Fits>,
    waves: Arc<Vec<Wave>>,
}

/// A random frequency of every variable, and a phase.
#[derive(Debug)]
struct Wave {
    frequencies: Vec<f64>,
    phase: f64,
}

impl Wave {
    fn random(random: &mut ChaCha8Rng, variables: usize) -> Self {
        let frequency = |_| normal_quantile(random.random()) / LENGTH;
        Self {
            frequencies: (0..variables).map(frequency).collect(),
            phase: TAU * random.random::<f64>(),
        }
    }

    fn at(&self, factors: &[f64]) -> f64 {
        let terms = self.frequencies.iter().zip(factors);
        let angle: f64 = terms.map(|(frequency, x)| frequency * x).sum();
        (angle + self.phase).cos()
    }
}

impl Fourier {
    pub(super) fn new(channels: &Channels, actions: usize) -> Self {
        let inputs = channels.indices().len();
        let variables = inputs + actions;
        let setting = |ridge| Setting {
            lags: 1,
            ridge,
            features: FEATURES,
            last: 0,
        };
        let undriven = (actions == 0).then_some(UNDRIVEN_RIDGE);
        let settings: Vec<Setting> = undriven.into_iter().chain(RIDGES).map(setting).collect();
        let few = variables <= MAX_VARIABLES;
        let polynomial = (variables + 1) * (variables + 2) * (variables + 3) / 6;
        let mut random = ChaCha8Rng::seed_from_u64(SEED);
        let waves = match few {
            true => polynomial..FEATURES,
            false => 0..0,
        };
        let waves = waves.map(|_| Wave::random(&mut random, variables));
        Self {
            channels: channels.count(),
            inputs,
            fits: few.then(|| Fits::new(&settings, channels)),
            waves: Arc::new(waves.collect()),
        }
    }
}

fn features(inputs: usize, waves: &[Wave], next: &Next) -> Vec<f64> {
    let mut all: Vec<f64> = lagged(next, 1).collect();
    let factors = all.iter().enumerate();
    let factors = factors.map(|(v, x)| x / if v < inputs { UNIT } else { 1.0 });
    let factors: Vec<f64> = factors.collect();
    for (i, a) in factors.iter().enumerate() {
        for (j, b) in factors.iter().enumerate().skip(i) {
            all.push(a * b);
            all.extend(factors[j..].iter().map(|c| a * b * c));
        }
    }
    all.extend(waves.iter().map(|wave| wave.at(&factors)));
    all.push(1.0);
    all
}

impl Expert for Fourier {
    fn predict(&mut self, next: &Next) -> Vec<Option<Student>> {
        let Some(fits) = &mut self.fits else {
            return vec![None; self.channels];
        };
        let (inputs, waves) = (self.inputs, &self.waves);
        fits.predict(next, |_| features(inputs, waves, next))
    }

    fn learn(&mut self, next: &Next, row: &[f64]) {
        if let Some(fits) = self.fits.as_mut().filter(|_| next.age > 0) {
            fits.learn(row);
        }
    }

    fn copy(&self) -> Box<dyn Expert> {
        Box::new(self.clone())
    }

    fn settle(&mut self) {
        if let Some(fits) = &mut self.fits {
            fits.settle();
        }
    }

    fn settle_by_draw(&mut self, random: &mut ChaCha8Rng) {
        self.settle();
        if let Some(fits) = &mut self.fits {
            fits.draw(random);
        }
    }

    fn drawn_bytes(&self) -> usize {
        self.fits.as_ref().map_or(0, Fits::drawn_bytes)
    }

    fn bytes(&self, _rows: usize) -> usize {
        self.fits.as_ref().map_or(0, Fits::bytes)
    }
}

#[cfg(test)]
mod tests {
    use crate::experts::{ExpertKind, ExpertPanel};

    /// A swinging rod with a push: no polynomial of its angle's sine and cosine. It is seen twice.
    #[test]
    fn a_smooth_system_is_learned() {
        let mut panel = ExpertPanel::new(&[ExpertKind::Quadratic, ExpertKind::Fourier], 3, &[2.0]);
        let (mut angle, mut speed) = (1.0f64, 0.0f64);
        let mut errors = [0.0, 0.0];
        for t in 0..500 {
            let row = [2.0 * angle.cos(), 2.0 * angle.sin(), 0.4 * speed];
            let predicted = panel.predict(t == 0);
            for (error, expert) in errors.iter_mut().zip(predicted) {
                let off = expert[0].map_or(0.0, |p| (p.location - row[0]).abs());
                *error += if t >= 400 { off / 100.0 } else { 0.0 };
            }
            let action = 2.0 * (f64::from(t) * 0.7).sin() * (f64::from(t) * 0.043).cos();
            panel.learn(&row, &[action]);
            speed += 0.05 * (15.0 * angle.sin() + 3.0 * action) - 0.01 * speed;
            angle += 0.05 * speed;
        }
        assert!(
            errors[1] < 0.3 * errors[0] && errors[1] < 0.005,
            "{errors:?}"
        );
    }

    /// Fault: values of policies were a range off, as paths that they led to where nothing was recorded were as uncertain as
    /// those of a system that is left alone.
    #[test]
    fn where_actions_drive_paths_are_not_lost_beyond_the_recorded() {
        let scale = |units: &[f64]| {
            let mut panel = ExpertPanel::new(&[ExpertKind::Fourier], 2, units);
            let actions = vec![0.0; units.len()];
            let (mut angle, mut speed) = (0.3f64, 0.0f64);
            for t in 0..200 {
                panel.predict(t == 0);
                panel.learn(&[angle, speed], &actions);
                speed -= 0.1 * angle.sin();
                angle += 0.1 * speed;
            }
            panel.predict(true);
            panel.learn(&[3.0, -3.0], &actions);
            panel.predict(false)[0][0]
                .expect("two variables are few")
                .scale
        };
        assert!(scale(&[]) > 10.0 * scale(&[1.0]));
    }

    #[test]
    fn of_many_variables_it_knows_nothing() {
        let mut panel = ExpertPanel::new(&[ExpertKind::Fourier], 10, &[]);
        for t in 0..30 {
            assert!(panel.predict(t == 0)[0].iter().all(Option::is_none));
            panel.learn(&[0.1 * f64::from(t); 10], &[]);
        }
    }
}
