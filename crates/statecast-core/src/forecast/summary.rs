//! Mean, spread and quantiles of forecast variables.

use std::str::FromStr;

use ndarray::Array2;

use super::ForecastError;
use crate::metrics::quantile;

/// Quantile levels: strictly between 0 and 1, ascending, none twice.
#[derive(Debug, Clone, PartialEq)]
pub struct Levels(Vec<f64>);

impl Levels {
    /// The levels in ascending order.
    ///
    /// # Errors
    /// [`ForecastError::Levels`] if there is none or one is not between 0 and 1.
    pub fn new(mut levels: Vec<f64>) -> Result<Self, ForecastError> {
        let inside = |l: &f64| *l > 0.0 && *l < 1.0;
        if levels.is_empty() || !levels.iter().all(inside) {
            let given: Vec<String> = levels.iter().map(f64::to_string).collect();
            return Err(ForecastError::Levels(given.join(",")));
        }
        levels.sort_by(f64::total_cmp);
        levels.dedup();
        Ok(Self(levels))
    }

    /// Those of a 90 % band, of a 50 % band within it, and the median.
    pub fn of_bands() -> Self {
        Self(vec![0.05, 0.25, 0.5, 0.75, 0.95])
    }

    /// The levels, ascending.
    pub fn as_slice(&self) -> &[f64] {
        &self.0
    }
}

impl Default for Levels {
    fn default() -> Self {
        Self(vec![0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
    }
}

impl FromStr for Levels {
    type Err = ForecastError;

    /// Reads numbers with commas between.
    fn from_str(text: &str) -> Result<Self, ForecastError> {
        let levels = text
            .split(',')
            .map(|l| l.trim().parse())
            .collect::<Result<_, _>>();
        Self::new(levels.map_err(|_| ForecastError::Levels(text.to_owned()))?)
            .map_err(|_| ForecastError::Levels(text.to_owned()))
    }
}

/// Mean, standard deviation and quantiles of every row and variable.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Means, `[rows, variables]`.
    pub mean: Array2<f64>,
    /// Standard deviations, `[rows, variables]`.
    pub std: Array2<f64>,
    /// Quantiles, `[rows, variables]` for every level.
    pub quantiles: Vec<Array2<f64>>,
    /// The levels of the quantiles.
    pub levels: Levels,
}

impl Summary {
    pub(super) fn zeros(rows: usize, variables: usize, levels: &Levels) -> Self {
        let zeros = || Array2::zeros((rows, variables));
        Self {
            mean: zeros(),
            std: zeros(),
            quantiles: levels.as_slice().iter().map(|_| zeros()).collect(),
            levels: levels.clone(),
        }
    }

    /// Sets the quantiles of a row and variable to those of a sample, which it sorts; `NaN` if it
    /// is empty.
    pub(super) fn set_quantiles(&mut self, row: usize, variable: usize, sample: &mut [f64]) {
        sample.sort_by(f64::total_cmp);
        for (quantiles, &level) in self.quantiles.iter_mut().zip(self.levels.as_slice()) {
            quantiles[[row, variable]] = quantile(sample, level);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_sorted_and_checked() {
        let levels: Levels = "0.9, 0.1,0.5,0.1".parse().unwrap();
        assert_eq!(levels.as_slice(), [0.1, 0.5, 0.9]);
        for bad in ["", "0", "1", "x", "0.5,nan", "0.5,,0.6"] {
            assert!(bad.parse::<Levels>().is_err(), "{bad}");
        }
    }
}
