//! What a model that reads hints was trained to expect: `reading.json` beside its weights.

use std::ops::RangeInclusive;

use serde::Deserialize;

use super::features::FEATURES;
use crate::codec::{BIN_COUNT, Grid};
use crate::experts::ExpertKind;
use crate::model::ModelError;

/// Version of the reading that this program knows.
const VERSION: usize = 1;

/// The residual axis of a model.
#[derive(Debug, Deserialize)]
struct ResidualAxis {
    bins: usize,
    reach: f64,
    curve: f64,
}

/// Settings of a model that must be those of the program, and widths that are the model's own.
#[derive(Debug, Deserialize)]
pub(super) struct ReadingSettings {
    version: usize,
    features: usize,
    residual_axis: ResidualAxis,
    /// Standard deviations of the gate's normals, in scales of a slot.
    pub(super) spreads: Vec<f64>,
    /// Fixed share of the gate's Bayesian weights.
    pub(super) share: f64,
    experts: Vec<String>,
}

/// Most normals around a slot, and how wide they may be.
const MAX_SPREADS: usize = 64;
const SPREADS: RangeInclusive<f64> = 1e-3..=1e3;

/// Without a share a component that was wrong once never comes back.
const SHARES: RangeInclusive<f64> = 1e-9..=0.5;

impl ReadingSettings {
    /// Parses and checks `reading.json`, which is called `name` in errors.
    pub(super) fn parse(name: &str, text: &[u8]) -> Result<Self, ModelError> {
        let refuse = |reason: String| ModelError::Config {
            file: name.to_owned(),
            reason,
        };
        let settings: Self = serde_json::from_slice(text).map_err(|e| refuse(e.to_string()))?;
        settings.check().map_err(refuse)?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), String> {
        if self.version != VERSION {
            let version = self.version;
            return Err(format!("version {version}, this program reads {VERSION}"));
        }
        if self.features != FEATURES {
            return Err(format!("{} features, not {FEATURES}", self.features));
        }
        let ResidualAxis { bins, reach, curve } = self.residual_axis;
        if (bins, reach, curve) != (BIN_COUNT, Grid::REACH, Grid::CURVE) {
            return Err(format!(
                "residual axis of {bins} bins over {reach} scales with curve {curve}, not \
                 {BIN_COUNT} over {} with {}",
                Grid::REACH,
                Grid::CURVE
            ));
        }
        let known = ExpertKind::ALL.map(ExpertKind::name);
        if self.experts != known {
            return Err(format!("experts {:?}, not {known:?}", self.experts));
        }
        let widths = &self.spreads;
        let fits = widths.iter().all(|width| SPREADS.contains(width));
        if widths.is_empty() || widths.len() > MAX_SPREADS || !fits {
            let (low, high) = (SPREADS.start(), SPREADS.end());
            return Err(format!(
                "spreads {widths:?}: 1 to {MAX_SPREADS} from {low} to {high}"
            ));
        }
        match SHARES.contains(&self.share) {
            true => Ok(()),
            false => Err(format!("share {}: a part between 0 and 1", self.share)),
        }
    }

    /// Components of the gate: digits, residual axis, normals around both slots.
    pub(super) fn components(&self) -> usize {
        2 + 2 * self.spreads.len()
    }
}
