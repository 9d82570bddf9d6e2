//! Bayesian linear regression, one observation at a time.

use nalgebra::{Cholesky, DMatrix, DVector};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::kernel::normal_quantile;

/// Prior of the noise's variance, in squared axis units: half a count of a hundredth of a bin squared.
const NOISE: (f64, f64) = (0.5, 5e-5);

/// Linear regressions of several targets on the same features, with the conjugate normal and
/// inverse-gamma prior (Gelman et al., Bayesian Data Analysis, chapter 14): Student's predictions
/// that know how uncertain the weights are.
#[derive(Debug, Clone)]
pub(super) struct Regression {
    /// Covariance of the weights in units of the noise's variance.
    covariance: DMatrix<f64>,
    targets: Vec<Target>,
    observations: usize,
}

#[derive(Debug, Clone)]
struct Target {
    weights: DVector<f64>,
    /// Shape and rate of the noise's inverse-gamma law.
    shape: f64,
    rate: f64,
}

/// Student's law of a target's next value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Student {
    pub(super) location: f64,
    pub(super) scale: f64,
    pub(super) freedom: f64,
}

impl Student {
    /// Natural logarithm of the density.
    pub(super) fn log_density(&self, x: f64) -> f64 {
        let (v, z) = (self.freedom, (x - self.location) / self.scale);
        let gamma = statrs::function::gamma::ln_gamma;
        gamma((v + 1.0) / 2.0)
            - gamma(v / 2.0)
            - 0.5 * (v * std::f64::consts::PI).ln()
            - self.scale.ln()
            - (v + 1.0) / 2.0 * (1.0 + z * z / v).ln()
    }
}

/// Weights and noise that were drawn from the posterior.
#[derive(Debug, Clone)]
pub(super) struct Drawn {
    weights: DVector<f64>,
    noise: f64,
}

impl Drawn {
    /// The value of the next target at a level of its law.
    pub(super) fn value(&self, features: &DVector<f64>, level: f64) -> f64 {
        self.weights.dot(features) + self.noise * normal_quantile(level)
    }
}

impl Regression {
    /// Regressions that know nothing; `ridge` is the weights' prior precision.
    pub(super) fn new(features: usize, targets: usize, ridge: f64) -> Self {
        let target = Target {
            weights: DVector::zeros(features),
            shape: NOISE.0,
            rate: NOISE.1,
        };
        Self {
            covariance: DMatrix::identity(features, features) / ridge,
            targets: vec![target; targets],
            observations: 0,
        }
    }

    /// Observations that were learned.
    pub(super) fn observations(&self) -> usize {
        self.observations
    }

    /// Share of a prediction's variance that the weights' uncertainty has, plus one.
    fn leverage(&self, features: &DVector<f64>) -> (DVector<f64>, f64) {
        let spread = &self.covariance * features;
        let leverage = 1.0 + features.dot(&spread).max(0.0);
        (spread, leverage)
    }

    /// Laws of the targets.
    pub(super) fn predict(&self, features: &DVector<f64>) -> Vec<Student> {
        let (_, leverage) = self.leverage(features);
        let law = |target: &Target| Student {
            location: target.weights.dot(features),
            scale: (target.rate / target.shape * leverage).sqrt(),
            freedom: 2.0 * target.shape,
        };
        self.targets.iter().map(law).collect()
    }

    /// Learns the targets' values.
    pub(super) fn learn(&mut self, features: &DVector<f64>, values: &[f64]) {
        let (spread, leverage) = self.leverage(features);
        for (target, value) in self.targets.iter_mut().zip(values) {
            let error = value - target.weights.dot(features);
            target.weights.axpy(error / leverage, &spread, 1.0);
            target.shape += 0.5;
            target.rate += 0.5 * error * error / leverage;
        }
        self.covariance.ger(-1.0 / leverage, &spread, &spread, 1.0);
        self.observations += 1;
    }

    /// Residual sum of squares of a target, as the posterior has it.
    pub(super) fn residual(&self, target: usize) -> f64 {
        2.0 * self.targets[target].rate
    }

    /// Draws weights and noise of a target from the posterior.
    pub(super) fn draw(&self, target: usize, random: &mut ChaCha8Rng) -> Drawn {
        let Target {
            weights,
            shape,
            rate,
        } = &self.targets[target];
        let precision = gamma(*shape, random) / rate;
        let noise = precision.max(1e-12).recip().sqrt();
        let normal = DVector::from_fn(weights.len(), |_, _| normal_quantile(random.random()));
        let symmetric = (&self.covariance + self.covariance.transpose()) / 2.0;
        let jitter = DMatrix::identity(weights.len(), weights.len()) * 1e-12;
        let deviation = Cholesky::new(symmetric + jitter).map(|root| root.l() * normal * noise);
        Drawn {
            weights: weights + deviation.unwrap_or_else(|| DVector::zeros(weights.len())),
            noise,
        }
    }
}

/// A draw from the gamma law of a shape of at least a half and rate 1 (Marsaglia & Tsang 2000).
fn gamma(shape: f64, random: &mut ChaCha8Rng) -> f64 {
    if shape < 1.0 {
        let u: f64 = random.random();
        return gamma(shape + 1.0, random) * u.max(1e-300).powf(1.0 / shape);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal_quantile(random.random());
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
    use super::*;
    use rand::SeedableRng;

    /// Ridge regression in closed form.
    #[test]
    fn online_weights_are_those_of_ridge_regression() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let (n, d, ridge) = (40, 3, 0.3);
        let x = DMatrix::from_fn(n, d, |_, _| normal_quantile(random.random()));
        let y = DVector::from_fn(n, |i, _| {
            x[(i, 0)] - 2.0 * x[(i, 2)] + 0.1 * (i as f64).sin()
        });
        let mut online = Regression::new(d, 1, ridge);
        for i in 0..n {
            online.learn(&x.row(i).transpose(), &[y[i]]);
        }
        let gram = x.transpose() * &x + DMatrix::identity(d, d) * ridge;
        let expected = gram.clone().lu().solve(&(x.transpose() * &y)).unwrap();
        assert!((&online.targets[0].weights - &expected).norm() < 1e-9);
        let rest = y.dot(&y) - expected.dot(&(gram * &expected));
        assert!((online.residual(0) - 2.0 * NOISE.1 - rest).abs() < 1e-9);
    }

    #[test]
    fn drawn_parameters_scatter_as_the_predictions_say() {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let mut regression = Regression::new(2, 1, 1e-3);
        for i in 0..30 {
            let x = f64::from(i) / 30.0;
            let noise = normal_quantile(random.random());
            regression.learn(&DVector::from_vec(vec![x, 1.0]), &[x + 0.2 * noise]);
        }
        let features = DVector::from_vec(vec![0.5, 1.0]);
        let law = regression.predict(&features)[0];
        let drawn: Vec<f64> = (0..4000)
            .map(|_| {
                let parameters = regression.draw(0, &mut random);
                parameters.value(&features, random.random())
            })
            .collect();
        let mean = drawn.iter().sum::<f64>() / 4000.0;
        let variance = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 4000.0;
        let expected = law.scale.powi(2) * law.freedom / (law.freedom - 2.0);
        assert!((mean - law.location).abs() < 0.02);
        assert!(
            (variance / expected - 1.0).abs() < 0.1,
            "{variance} {expected}"
        );
    }
}
