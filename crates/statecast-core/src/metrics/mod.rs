//! Scores of forecasts against observations: pure functions of densities, samples and points.
//!
//! Proper scores are [`density_crps`], [`crps`], [`energy_score`], [`variogram_score`] and
//! [`interval_score`] (lower is better); the logarithmic score is a method of the density.
//! [`JointScores`] compares joint with independent draws. [`Pit`] and [`Calibration`] measure
//! calibration, [`CalibrationTest`] tests it while rows come, and [`block_bootstrap`] gives intervals of means.

mod bootstrap;
mod calibration;
mod evidence;
mod joint;
mod points;
mod proper;
mod ranking;
mod sample;

pub use bootstrap::{
    Estimate, block_bootstrap, interquartile_mean, interquartile_over_runs, mean_over_series,
};
pub use calibration::{Calibration, Pit, correlation, ks_distance, ks_p_value};
pub use evidence::{Alarm, CalibrationTest, Evidence};
pub use joint::{JointScores, independent_paths};
pub use points::{mae, mase, r_squared, rmse, smape, valid_prediction_time};
pub use proper::{crps, density_crps, energy_score, interval_score, variogram_score};
pub use ranking::{range, regret, spearman};
pub use sample::ordered_quantile;
pub use sample::{mean_and_std, quantile};
