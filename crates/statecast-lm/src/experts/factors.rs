//! Covariances that keep their digits: Bierman's factors.

use super::products::{add, dot};

/// A covariance as `U D Uᵀ`, with U upper triangular of unit diagonal (Bierman 1977, Factorization
/// Methods for Discrete Sequential Estimation, chapter V).
///
/// An observation scales D by ratios of sums of squares, so that variances stay above zero after
/// any number of them. A covariance that is kept itself loses that by cancellation: with nearly
/// collinear features of a large range its predictions diverge within thousands of rows.
#[derive(Debug, Clone)]
pub(super) struct Factors {
    /// U above its diagonal, column after column.
    triangle: Vec<f64>,
    /// Diagonal of D.
    variances: Vec<f64>,
}

impl Factors {
    /// A covariance of some independent weights of one variance.
    pub(super) fn new(size: usize, variance: f64) -> Self {
        Self {
            triangle: vec![0.0; size * size.saturating_sub(1) / 2],
            variances: vec![variance; size],
        }
    }

    /// Numbers of a covariance of some weights.
    pub(super) fn numbers(size: usize) -> usize {
        size * (size + 1) / 2
    }

    /// `Uᵀ features`.
    pub(super) fn project(&self, features: &[f64]) -> Vec<f64> {
        let mut triangle = &self.triangle[..];
        let column = |(j, feature): (usize, &f64)| {
            let (column, rest) = triangle.split_at(j);
            triangle = rest;
            feature + dot(column, &features[..j])
        };
        features.iter().enumerate().map(column).collect()
    }

    /// Variance of the weights' sum by projected features.
    pub(super) fn variance(&self, projected: &[f64]) -> f64 {
        let parts = projected.iter().zip(&self.variances);
        parts.map(|(p, variance)| p * p * variance).sum()
    }

    /// Learns an observation of the weights' sum by projected features, with a noise of variance
    /// 1. Gives what an error of 1 moves the weights by.
    pub(super) fn observe(&mut self, projected: &[f64]) -> Vec<f64> {
        // Covariance times features, of the columns so far.
        let mut spread = vec![0.0; projected.len()];
        let mut leverage = 1.0;
        let mut triangle = &mut self.triangle[..];
        for (j, (p, variance)) in projected.iter().zip(&mut self.variances).enumerate() {
            let (column, rest) = triangle.split_at_mut(j);
            triangle = rest;
            let (scaled, before) = (p * *variance, leverage);
            leverage += p * scaled;
            *variance *= before / leverage;
            let slope = -p / before;
            for (u, spread) in column.iter_mut().zip(&mut spread) {
                let old = *u;
                *u += slope * *spread;
                *spread += scaled * old;
            }
            spread[j] = scaled;
        }
        spread.iter_mut().for_each(|s| *s /= leverage);
        spread
    }

    /// Moves weights by a draw of the covariance, from standard normal draws.
    pub(super) fn moves(&self, normal: &[f64]) -> Vec<f64> {
        let mut moves = vec![0.0; normal.len()];
        let mut triangle = &self.triangle[..];
        for (j, (variance, z)) in self.variances.iter().zip(normal).enumerate() {
            let (column, rest) = triangle.split_at(j);
            triangle = rest;
            let scaled = variance.sqrt() * z;
            add(&mut moves[..j], scaled, column);
            moves[j] = scaled;
        }
        moves
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::{DMatrix, DVector};

    use super::*;

    impl Factors {
        fn covariance(&self) -> DMatrix<f64> {
            let size = self.variances.len();
            let unit = DMatrix::from_fn(size, size, |i, j| match i.cmp(&j) {
                std::cmp::Ordering::Less => self.triangle[j * (j - 1) / 2 + i],
                std::cmp::Ordering::Equal => 1.0,
                std::cmp::Ordering::Greater => 0.0,
            });
            let variances = DVector::from_column_slice(&self.variances);
            &unit * DMatrix::from_diagonal(&variances) * unit.transpose()
        }
    }

    #[test]
    fn the_covariance_is_the_inverse_of_the_information() {
        let rows: Vec<Vec<f64>> = (0..7)
            .map(|t| (0..4).map(|i| f64::from(3 * t + 5 * i * t).sin()).collect())
            .collect();
        let mut factors = Factors::new(4, 4.0);
        let mut information = DMatrix::identity(4, 4) / 4.0;
        for row in &rows {
            let features = DVector::from_column_slice(row);
            let before = factors.covariance() * &features;
            let projected = factors.project(row);
            let variance = factors.variance(&projected);
            assert!((variance - features.dot(&before)).abs() < 1e-12);
            let moved = DVector::from_vec(factors.observe(&projected));
            assert!((moved - before / (1.0 + variance)).norm() < 1e-12);
            information += &features * features.transpose();
        }
        let draws = [0, 1, 2, 3].map(|i| {
            let mut normal = [0.0; 4];
            normal[i] = 1.0;
            DVector::from_vec(factors.moves(&normal))
        });
        let root = DMatrix::from_columns(&draws);
        assert!((&root * root.transpose() - factors.covariance()).norm() < 1e-12);
        let product = information * factors.covariance();
        assert!((product - DMatrix::identity(4, 4)).norm() < 1e-12);
    }
}
