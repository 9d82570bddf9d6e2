//! What was forecast of one episode.

use std::ops::Range;

use ndarray::Array2;
use serde::Serialize;

use crate::experts::Leadership;
use crate::forecast::{PathWeight, Rollout, SimultaneousBand, Summary};
use crate::recording::TimeStamp;

/// Variables stand first, then derived quantities, everywhere but in the one-step summary.
pub(super) struct Outcome {
    pub(super) names: Vec<String>,
    /// Names that are variables.
    pub(super) variables: usize,
    /// Indices of the variables that are no actions.
    pub(super) states: Vec<usize>,
    /// Rows of the context, within the episode.
    pub(super) context: Range<usize>,
    /// Times of the steps ahead, as far as they are known.
    pub(super) times: Vec<Option<TimeStamp>>,
    pub(super) observed: Array2<f64>,
    pub(super) held_out: Option<HeldOut>,
    pub(super) one_step: Summary,
    /// At least one.
    pub(super) futures: Vec<FutureOutcome>,
    /// Names of the channels that have experts, and which of these led.
    pub(super) leaders: Vec<(String, Leadership)>,
    pub(super) manifest: EpisodeManifest,
}

/// How an episode goes on under some actions.
pub(super) struct FutureOutcome {
    /// Its name among several.
    pub(super) name: Option<String>,
    pub(super) rollout: Rollout,
    pub(super) band: SimultaneousBand,
}

/// What was held back.
pub(super) struct HeldOut {
    pub(super) truth: Array2<f64>,
    /// How persistence went on.
    pub(super) walk: Rollout,
}

impl Outcome {
    /// The only future, or the first of several.
    pub(super) fn rollout(&self) -> &Rollout {
        &self.futures[0].rollout
    }

    /// Its simultaneous bands.
    pub(super) fn band(&self) -> &SimultaneousBand {
        &self.futures[0].band
    }
}

#[derive(Serialize)]
pub(super) struct EpisodeManifest {
    pub(super) episode: String,
    pub(super) context_first_row: usize,
    pub(super) context_rows: usize,
    pub(super) channels: Vec<String>,
    pub(super) explained_variance: f64,
    pub(super) saturated_context: usize,
    pub(super) saturated_feedback: usize,
    /// Values of derived quantities on sampled paths that are not defined.
    pub(super) undefined: usize,
    /// Outcomes inside of the context that the bands were adjusted by.
    pub(super) band_outcomes: usize,
    /// Whose paths were pooled, the largest weight first; empty where all are the forecaster's.
    pub(super) paths: Vec<PathWeight>,
    /// Which expert led each channel; empty where no experts are read.
    pub(super) experts_led: Vec<ChannelLeadership>,
    pub(super) seconds: f64,
}

/// Which expert led a channel, for how many rows.
#[derive(Serialize)]
pub(super) struct ChannelLeadership {
    channel: String,
    rows: serde_json::Map<String, serde_json::Value>,
    at_the_end: Option<&'static str>,
}

impl ChannelLeadership {
    pub(super) fn of((channel, leadership): &(String, Leadership)) -> Self {
        let rows = leadership.rows.iter();
        Self {
            channel: channel.clone(),
            rows: rows
                .map(|(source, rows)| (source.name().to_owned(), (*rows).into()))
                .collect(),
            at_the_end: leadership.last.map(|source| source.name()),
        }
    }
}
