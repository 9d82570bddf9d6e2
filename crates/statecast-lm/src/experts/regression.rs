//! Bayesian linear regression, one observation at a time.

use std::sync::Arc;

use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, Normal};

use super::Student;
use super::posterior::Posterior;
use super::products::dot;

/// Beliefs before the first observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    /// Precision of the weights.
    pub ridge: f64,
    /// Shape and rate of the noise's inverse-gamma distribution, in squared units of the targets.
    pub noise: (f64, f64),
}

impl Prior {
    /// The rate is half a count of a squared thousandth: values are known to a tenth of that.
    pub const NOISE: (f64, f64) = (0.5, 5e-7);

    /// A ridge and the experts' noise.
    pub(super) fn of(ridge: f64) -> Self {
        Self {
            ridge,
            noise: Self::NOISE,
        }
    }
}

/// Linear regressions of several targets on the same features, with the conjugate normal and
/// inverse-gamma prior (Gelman et al., Bayesian Data Analysis, chapter 14): Student's predictions
/// that know how uncertain the weights are.
///
/// A copy shares what was learned before it was made until one of them learns more.
///
/// ```
/// use statecast_lm::experts::{Prior, Regression};
/// let prior = Prior { ridge: 1e-4, noise: (0.5, 5e-7) };
/// let mut line = Regression::new(prior, 2, 1);
/// for x in 0..50 {
///     let x = f64::from(x) / 10.0;
///     line.learn(&[x, 1.0], &[3.0 * x - 1.0]);
/// }
/// let next = line.predict(&[7.0, 1.0])[0];
/// assert!((next.location - 20.0).abs() < 1e-3);
/// ```
#[derive(Debug, Clone)]
pub struct Regression {
    posterior: Arc<Posterior>,
    noises: Vec<Noise>,
    features: usize,
    observations: usize,
}

/// Inverse-gamma distribution of a noise's variance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noise {
    shape: f64,
    rate: f64,
}

impl Noise {
    pub(super) fn new((shape, rate): (f64, f64)) -> Self {
        Self { shape, rate }
    }

    /// Distribution of a value around a location; the variance is that of the noise times
    /// `leverage`.
    pub(super) fn around(&self, location: f64, leverage: f64) -> Student {
        Student {
            location,
            scale: (self.rate / self.shape * leverage).sqrt(),
            freedom: 2.0 * self.shape,
        }
    }

    pub(super) fn learn(&mut self, error: f64, leverage: f64) {
        self.shape += 0.5;
        self.rate += 0.5 * error * error / leverage;
    }
}

/// Features of a row, with what a prediction and an update both need of them.
#[derive(Debug)]
pub(super) struct Prepared {
    /// As the posterior's factors project them.
    projected: Vec<f64>,
    /// Share of a prediction's variance that the weights' uncertainty has, plus one.
    leverage: f64,
    /// Expected values of the targets.
    locations: Vec<f64>,
}

impl Prepared {
    /// Bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + size_of::<f64>() * (self.projected.len() + self.locations.len())
    }
}

/// Weights and noise that were drawn from the posterior.
#[derive(Debug, Clone)]
pub struct Sampled {
    weights: Vec<f64>,
    noise: f64,
}

impl Sampled {
    /// Distribution of the next target.
    pub(super) fn predict(&self, features: &[f64]) -> Student {
        Student {
            location: dot(&self.weights, features),
            scale: self.noise,
            freedom: f64::MAX,
        }
    }

    /// The value of the next target at a level of its distribution.
    pub fn value(&self, features: &[f64], level: f64) -> f64 {
        dot(&self.weights, features) + self.noise * standard_quantile(level)
    }
}

impl Regression {
    /// Regressions that know nothing; all weights are expected to be zero.
    pub fn new(prior: Prior, features: usize, targets: usize) -> Self {
        Self::around(prior, vec![0.0; features * targets], targets)
    }

    /// Regressions that expect some weights, `[feature][target]`.
    pub fn around(prior: Prior, weights: Vec<f64>, targets: usize) -> Self {
        Self {
            features: weights.len() / targets.max(1),
            posterior: Arc::new(Posterior::new(1.0 / prior.ridge, weights, targets)),
            noises: vec![Noise::new(prior.noise); targets],
            observations: 0,
        }
    }

    /// Observations that were learned.
    pub fn observations(&self) -> usize {
        self.observations
    }

    pub(super) fn features(&self) -> usize {
        self.features
    }

    /// Bytes of a copy; of one that learns nothing the posterior is shared.
    pub(super) fn bytes(&self, learns: bool) -> usize {
        let (features, targets) = (self.features, self.noises.len());
        let posterior = match learns {
            true => Posterior::bytes(features, targets),
            false => 0,
        };
        size_of::<Self>() + posterior + size_of_val(&self.noises[..])
    }

    /// What is known of the weights.
    pub(super) fn posterior(&self) -> &Posterior {
        &self.posterior
    }

    pub(super) fn prepare(&self, features: &[f64]) -> Prepared {
        let factors = &self.posterior.factors;
        let projected = factors.project(features);
        Prepared {
            leverage: 1.0 + factors.variance(&projected),
            locations: self.posterior.locate(features),
            projected,
        }
    }

    pub(super) fn predict_prepared(&self, at: &Prepared, target: usize) -> Student {
        self.noises[target].around(at.locations[target], at.leverage)
    }

    pub(super) fn learn_prepared(&mut self, at: &Prepared, values: &[f64]) {
        let errors = values.iter().zip(&at.locations).map(|(x, y)| x - y);
        let errors: Vec<f64> = errors.collect();
        for (noise, error) in self.noises.iter_mut().zip(&errors) {
            noise.learn(*error, at.leverage);
        }
        self.observations += 1;
        Arc::make_mut(&mut self.posterior).learn(&at.projected, &errors);
    }

    /// Distributions of the targets.
    ///
    /// # Panics
    /// If there are more or fewer features than the regression has.
    pub fn predict(&self, features: &[f64]) -> Vec<Student> {
        assert_eq!(features.len(), self.features);
        let at = self.prepare(features);
        (0..self.noises.len())
            .map(|target| self.predict_prepared(&at, target))
            .collect()
    }

    /// Learns the targets' values.
    ///
    /// # Panics
    /// If there are more or fewer features than the regression has.
    pub fn learn(&mut self, features: &[f64], values: &[f64]) {
        assert_eq!(features.len(), self.features);
        let at = self.prepare(features);
        self.learn_prepared(&at, values);
    }

    /// Residual sum of squares of a target, as the posterior has it.
    pub fn residual(&self, target: usize) -> f64 {
        2.0 * self.noises[target].rate
    }

    /// Draws weights and noise of a target from the posterior.
    pub fn sample(&self, target: usize, random: &mut ChaCha8Rng) -> Sampled {
        let posterior = &self.posterior;
        let noise = self.noises[target];
        let precision = gamma(noise.shape, random) / noise.rate;
        let noise = precision.max(1e-12).recip().sqrt();
        let normal = (0..self.features).map(|_| standard_quantile(random.random()));
        let moves = posterior.factors.moves(&normal.collect::<Vec<f64>>());
        let moved = moves.into_iter().enumerate();
        let weights = moved.map(|(f, moved)| posterior.weights(f)[target] + noise * moved);
        Sampled {
            weights: weights.collect(),
            noise,
        }
    }
}

/// Quantile of the standard normal distribution; levels are kept away from 0 and 1.
fn standard_quantile(level: f64) -> f64 {
    Normal::standard().inverse_cdf(level.clamp(1e-12, 1.0 - 1e-12))
}

/// A draw from the gamma distribution of a shape of at least a half and rate 1 (Marsaglia & Tsang
/// 2000).
fn gamma(shape: f64, random: &mut ChaCha8Rng) -> f64 {
    if shape < 1.0 {
        let u: f64 = random.random();
        return gamma(shape + 1.0, random) * u.max(1e-300).powf(1.0 / shape);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = standard_quantile(random.random());
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 {
            let u: f64 = random.random();
            if u.max(1e-300).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::{DMatrix, DVector};
    use rand::SeedableRng;

    use super::*;

    /// Ridge regression in closed form, shrunk towards the weights that were expected.
    #[test]
    fn online_weights_are_those_of_ridge_regression() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let (n, d, ridge) = (40, 3, 0.3);
        let x = DMatrix::from_fn(n, d, |_, _| standard_quantile(random.random()));
        let y = DVector::from_fn(n, |i, _| {
            x[(i, 0)] - 2.0 * x[(i, 2)] + 0.1 * (i as f64).sin()
        });
        for first in [0.0, 1.0] {
            let prior = DVector::from_vec(vec![first, 0.0, 0.0]);
            let expected = prior.as_slice().to_vec();
            let mut online = Regression::around(Prior::of(ridge), expected, 1);
            for i in 0..n {
                online.learn(x.row(i).transpose().as_slice(), &[y[i]]);
            }
            let gram = x.transpose() * &x + DMatrix::identity(d, d) * ridge;
            let moment = x.transpose() * &y + &prior * ridge;
            let expected = gram.clone().lu().solve(&moment).unwrap();
            let weights = (0..d).map(|f| online.posterior().weights(f)[0]);
            let weights = DVector::from_iterator(d, weights);
            assert!((weights - &expected).norm() < 1e-9);
            let rest = y.dot(&y) + ridge * prior.dot(&prior) - expected.dot(&(gram * &expected));
            assert!((online.residual(0) - 2.0 * Prior::NOISE.1 - rest).abs() < 1e-9);
        }
    }

    #[test]
    fn drawn_parameters_scatter_as_the_predictions_say() {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let mut regression = Regression::new(Prior::of(1e-3), 2, 1);
        for i in 0..30 {
            let x = f64::from(i) / 30.0;
            let noise = standard_quantile(random.random());
            regression.learn(&[x, 1.0], &[x + 0.2 * noise]);
        }
        let features = [0.5, 1.0];
        let predicted = regression.predict(&features)[0];
        let drawn: Vec<f64> = (0..4000)
            .map(|_| {
                let parameters = regression.sample(0, &mut random);
                parameters.value(&features, random.random())
            })
            .collect();
        let mean = drawn.iter().sum::<f64>() / 4000.0;
        let variance = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 4000.0;
        let expected = predicted.scale.powi(2) * predicted.freedom / (predicted.freedom - 2.0);
        assert!((mean - predicted.location).abs() < 0.02);
        assert!(
            (variance / expected - 1.0).abs() < 0.1,
            "{variance} {expected}"
        );
    }
}
