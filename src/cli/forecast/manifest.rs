//! The manifest beside the table: what was asked for and what was read.

use serde::Serialize;

use crate::model::ModelInfo;
use crate::study::forecast::ContextReading;

#[derive(Serialize)]
pub(super) struct Manifest<'o> {
    pub(super) program: &'static str,
    pub(super) version: &'static str,
    pub(super) command: &'static str,
    pub(super) input: String,
    pub(super) models: Vec<ModelInfo>,
    pub(super) experts: Vec<String>,
    pub(super) recalibrated: bool,
    pub(super) method: String,
    pub(super) components: String,
    pub(super) scale: String,
    pub(super) temperature: f64,
    pub(super) precision: String,
    pub(super) simulator: Option<String>,
    pub(super) period: Option<usize>,
    pub(super) horizon: usize,
    pub(super) samples: usize,
    pub(super) seed: u64,
    pub(super) quantiles: Vec<f64>,
    /// Probability of the simultaneous bands.
    pub(super) simultaneous: f64,
    /// Quantities with their expressions.
    pub(super) derived: Vec<String>,
    pub(super) future: Option<String>,
    /// Names of forked futures.
    pub(super) futures: Vec<String>,
    pub(super) holdout: bool,
    pub(super) episodes: Vec<&'o ContextReading>,
    pub(super) seconds: f64,
}
