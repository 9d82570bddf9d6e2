//! Test functions of simulated optimisation.

/// A function of one or two parameters with known minima.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landscape {
    /// `(x² + y²/4) / 2`: convex, one parameter four times as steep as the other.
    Quadratic,
    /// `(x² - 1)² / 4`: minima at -1 and 1, a barrier of 1/4 between them.
    DoubleWell,
    /// `(1 - x)² / 20 + 5 (y - x²)²`: a bent valley with its floor at (1, 1), Rosenbrock's function
    /// over 20.
    Rosenbrock,
}

impl Landscape {
    /// Returns the names of the parameters.
    pub fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::DoubleWell => &["x"],
            Self::Quadratic | Self::Rosenbrock => &["x", "y"],
        }
    }

    /// Returns the range of starts of every parameter.
    pub fn starts(self) -> &'static [(f64, f64)] {
        match self {
            Self::Quadratic => &[(-3.0, 3.0), (-3.0, 3.0)],
            Self::DoubleWell => &[(-2.0, 2.0)],
            Self::Rosenbrock => &[(-1.2, 1.2), (-0.5, 1.5)],
        }
    }

    /// Returns the minima.
    pub fn minima(self) -> &'static [&'static [f64]] {
        match self {
            Self::Quadratic => &[&[0.0, 0.0]],
            Self::DoubleWell => &[&[-1.0], &[1.0]],
            Self::Rosenbrock => &[&[1.0, 1.0]],
        }
    }

    /// Evaluates the function.
    ///
    /// # Panics
    /// If there are fewer parameters than it has.
    pub fn value(self, at: &[f64]) -> f64 {
        match self {
            Self::Quadratic => 0.5 * (at[0].powi(2) + 0.25 * at[1].powi(2)),
            Self::DoubleWell => 0.25 * (at[0].powi(2) - 1.0).powi(2),
            Self::Rosenbrock => {
                0.05 * (1.0 - at[0]).powi(2) + 5.0 * (at[1] - at[0].powi(2)).powi(2)
            }
        }
    }

    /// Evaluates the gradient.
    ///
    /// # Panics
    /// If there are fewer parameters than it has.
    pub fn gradient(self, at: &[f64]) -> Vec<f64> {
        match self {
            Self::Quadratic => vec![at[0], 0.25 * at[1]],
            Self::DoubleWell => vec![at[0] * (at[0].powi(2) - 1.0)],
            Self::Rosenbrock => {
                let off = at[1] - at[0].powi(2);
                vec![-0.1 * (1.0 - at[0]) - 20.0 * at[0] * off, 10.0 * off]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_those_of_the_functions_and_vanish_at_the_minima() {
        let all = [
            Landscape::Quadratic,
            Landscape::DoubleWell,
            Landscape::Rosenbrock,
        ];
        for landscape in all {
            let at: Vec<f64> = vec![0.7, -0.4][..landscape.parameters().len()].to_vec();
            for (i, slope) in landscape.gradient(&at).iter().enumerate() {
                let beside = |step: f64| {
                    let mut at = at.clone();
                    at[i] += step;
                    landscape.value(&at)
                };
                let found = (beside(1e-5) - beside(-1e-5)) / 2e-5;
                assert!(
                    (found - slope).abs() < 1e-6,
                    "{landscape:?} {i}: {found} {slope}"
                );
            }
            for minimum in landscape.minima() {
                assert!(
                    landscape
                        .gradient(minimum)
                        .iter()
                        .all(|slope| slope.abs() < 1e-12)
                );
                assert_eq!(landscape.value(minimum), 0.0);
            }
            assert_eq!(landscape.starts().len(), landscape.parameters().len());
        }
    }
}
