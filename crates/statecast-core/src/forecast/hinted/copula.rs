//! How the channels of a row go together: a Gaussian copula of their laws.

use nalgebra::{DMatrix, DVector, SymmetricEigen};
use statrs::distribution::{ContinuousCDF, Normal};

/// Rows at which correlations count half.
const SHRINKAGE: f64 = 30.0;

/// Rows whose values come before experts know anything.
const FIRST: usize = 10;

/// Levels are kept this far from 0 and 1.
const MARGIN: f64 = 1e-4;

/// Least eigenvalue of a correlation matrix.
const MIN_EIGENVALUE: f64 = 1e-6;

/// What a context has shown of it: products of the normal scores of its values' places in their
/// laws.
#[derive(Debug, Clone)]
pub(super) struct Scores {
    products: DMatrix<f64>,
    rows: usize,
    skipped: usize,
}

impl Scores {
    /// Nothing seen of some channels.
    pub(super) fn new(channels: usize) -> Self {
        Self {
            products: DMatrix::zeros(channels, channels),
            rows: 0,
            skipped: 0,
        }
    }

    /// Learns the places of a row's values in their laws, one a channel.
    pub(super) fn learn(&mut self, places: &[f64]) {
        if self.skipped < FIRST {
            self.skipped += 1;
            return;
        }
        let standard = Normal::standard();
        let score = |place: &f64| standard.inverse_cdf(place.clamp(MARGIN, 1.0 - MARGIN));
        let scores = DVector::from_iterator(places.len(), places.iter().map(score));
        self.products.ger(1.0, &scores, &scores, 1.0);
        self.rows += 1;
    }

    /// The copula, unless there is but one channel or too few rows were seen. A channel whose laws
    /// are too wide or too narrow is as correlated as one whose laws are right.
    pub(super) fn copula(&self) -> Option<Copula> {
        let channels = self.products.nrows();
        if channels < 2 || self.rows <= 2 {
            return None;
        }
        let rows = self.rows as f64;
        let kept = rows / (rows + SHRINKAGE);
        let size = |c: usize| self.products[(c, c)].sqrt() + 1e-9;
        let correlation = DMatrix::from_fn(channels, channels, |a, b| match a == b {
            true => 1.0,
            false => kept * self.products[(a, b)] / (size(a) * size(b)),
        });
        let eigen = SymmetricEigen::new(correlation);
        let mut root = eigen.eigenvectors;
        for (mut column, value) in root.column_iter_mut().zip(&eigen.eigenvalues) {
            column *= value.max(MIN_EIGENVALUE).sqrt();
        }
        for mut row in root.row_iter_mut() {
            let length = row.norm();
            row /= length;
        }
        Some(Copula { root })
    }
}

/// A Gaussian copula.
#[derive(Debug, Clone)]
pub(super) struct Copula {
    /// Times independent standard normals it gives correlated ones, `[channels, channels]`.
    root: DMatrix<f64>,
}

impl Copula {
    /// Turns independent uniform levels `channel * paths + path` into ones that go together, each
    /// still uniform.
    pub(super) fn couple(&self, levels: &mut [f64]) {
        let channels = self.root.nrows();
        let paths = levels.len() / channels;
        let standard = Normal::standard();
        for path in 0..paths {
            let score =
                |c: usize| standard.inverse_cdf(levels[c * paths + path].clamp(1e-12, 1.0 - 1e-12));
            let scores = DVector::from_fn(channels, |c, _| score(c));
            for (c, score) in (&self.root * scores).iter().enumerate() {
                levels[c * paths + path] = super::normal::cdf(*score).min(1.0 - f64::EPSILON);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Places whose normal scores have a correlation of 0.8, of laws twice too wide.
    fn scores(rows: usize) -> Scores {
        let mut random = ChaCha8Rng::seed_from_u64(4);
        let standard = Normal::standard();
        let mut scores = Scores::new(2);
        for _ in 0..rows + FIRST {
            let [a, b] = [random.random(), random.random()].map(|u: f64| standard.inverse_cdf(u));
            let places = [a, 0.8 * a + 0.6 * b].map(|z| standard.cdf(0.5 * z));
            scores.learn(&places);
        }
        scores
    }

    #[test]
    fn levels_go_together_as_the_context_did_and_stay_uniform() {
        let copula = scores(3000).copula().unwrap();
        let paths = 4000;
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mut levels: Vec<f64> = (0..2 * paths).map(|_| random.random()).collect();
        copula.couple(&mut levels);
        let standard = Normal::standard();
        let z: Vec<f64> = levels.iter().map(|&u| standard.inverse_cdf(u)).collect();
        let product: f64 = (0..paths).map(|i| z[i] * z[paths + i]).sum();
        assert!((product / paths as f64 - 0.8).abs() < 0.05);
        for channel in levels.chunks(paths) {
            let below = channel.iter().filter(|&&u| u < 0.25).count();
            assert!((below as f64 / paths as f64 - 0.25).abs() < 0.02);
        }
    }

    #[test]
    fn few_rows_say_little() {
        assert!(scores(2).copula().is_none());
        let root = scores(30).copula().unwrap().root;
        let correlation = (&root * root.transpose())[(0, 1)];
        assert!((0.3..0.5).contains(&correlation), "{correlation}");
        assert!(Scores::new(1).copula().is_none());
    }
}
