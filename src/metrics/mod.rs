//! Scores of forecasts against what came: pure functions over densities, samples and points, no
//! files.
//!
//! Proper scores ([`density_crps`], [`crps`], [`energy_score`], [`variogram_score`],
//! [`interval_score`]; the logarithmic score is a method of the density) are lower for a forecast
//! that says what is so, and so are the errors of points. [`JointScores`] holds joint draws against
//! independent ones. [`Pit`] and [`Calibration`] say whether a forecast's probabilities are
//! frequencies, and [`block_bootstrap`] how far a mean is to be trusted.

mod bootstrap;
mod calibration;
mod joint;
mod points;
mod proper;
mod ranking;
mod sample;

pub use bootstrap::{
    Estimate, block_bootstrap, interquartile_mean, interquartile_over_runs, mean_over_series,
};
pub use calibration::{Calibration, Pit, correlation, ks_distance, ks_p_value};
pub use joint::{JointScores, independent_paths};
pub use points::{mae, mase, r_squared, rmse, smape, valid_prediction_time};
pub use proper::{crps, density_crps, energy_score, interval_score, variogram_score};
pub use ranking::{range, regret, spearman};
pub(crate) use sample::ordered_quantile;
pub use sample::{mean_and_std, quantile};
