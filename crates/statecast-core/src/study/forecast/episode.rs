//! What was forecast of one episode.

use std::ops::Range;
use std::path::Path;

use ndarray::{Array2, Array3};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::paths_table::paths_table;
use super::table::table;
use crate::experts::Leadership;
use crate::forecast::{Levels, NextRow, OneStep, PathWeight, Rollout, SimultaneousBand, Summary};
use crate::output::{OutputError, Table};
use crate::recording::{TimeStamp, WordLevels};

/// How an episode continues: sample paths, and what they say.
///
/// Arrays of steps are `[horizon, names]`: variables first, then derived quantities. It is serialised as how the context was
/// read and the rows of its [table](Forecast::table).
#[non_exhaustive]
pub struct Forecast {
    /// Label of the episode.
    pub episode: String,
    /// Names of the variables and derived quantities.
    pub names: Vec<String>,
    /// How many of the names are variables.
    pub variables: usize,
    /// Levels of the names that take few in the context ([`few_levels`](crate::forecast::Variables::few_levels)).
    pub levels: Vec<Option<Vec<f64>>>,
    /// Columns of words, and the variables that stand for them.
    pub words: Vec<WordLevels>,
    /// Which of the variables are no actions.
    pub states: Vec<usize>,
    /// Rows of the context, within the episode.
    pub context: Range<usize>,
    /// Times of the steps ahead, as far as they are known.
    pub times: Vec<Option<TimeStamp>>,
    /// The context's rows, `[rows, names]`.
    pub observed: Array2<f64>,
    /// What was held back, if anything was.
    pub held_out: Option<HeldOut>,
    /// The forecast under each of several futures, at least one.
    pub futures: Vec<FutureForecast>,
    /// Names of the channels that have experts, and which of these led.
    pub leaders: Vec<(String, Leadership)>,
    /// How the context was read.
    pub reading: ContextReading,
    pub(super) one_step: OneStep,
    pub(super) one_step_summary: Summary,
    pub(super) next: Option<NextRow>,
}

/// How an episode continues under some actions.
pub struct FutureForecast {
    /// Name of the plan among several.
    pub name: Option<String>,
    /// The sample paths.
    pub rollout: Rollout,
    /// A band that holds whole paths.
    pub band: SimultaneousBand,
}

/// What was held back.
pub struct HeldOut {
    /// The rows, `[horizon, names]`.
    pub truth: Array2<f64>,
    /// How persistence continued.
    pub persistence: Rollout,
}

/// How the context of a forecast was read.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct ContextReading {
    /// Label of the episode.
    pub episode: String,
    /// First row of the context.
    pub context_first_row: usize,
    /// Rows of the context.
    pub context_rows: usize,
    /// Names of the channels.
    pub channels: Vec<String>,
    /// Share of the variance that the channels keep.
    pub explained_variance: f64,
    /// Values of the context that were moved to an end of their axis.
    pub clipped_context: usize,
    /// Values fed back on sampled paths that were moved to an end.
    pub clipped_feedback: usize,
    /// Values of derived quantities on sampled paths that are not defined.
    pub undefined: usize,
    /// Outcomes inside of the context that the bands were adjusted by.
    pub band_outcomes: usize,
    /// Cycles of the calendar that were read; none if no calendar was.
    pub calendar: Option<String>,
    /// Rows at even times that the paths were drawn from, where those of the context are not even.
    pub even_rows: Option<usize>,
    /// Whose paths were pooled, the largest weight first; empty where all are the forecaster's.
    pub paths: Vec<PathWeight>,
    /// Which expert led each channel; empty where no experts are read.
    pub experts_led: Vec<ChannelLeadership>,
    /// Seconds that the forecast took.
    pub seconds: f64,
}

/// Which expert led a channel, for how many rows.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ChannelLeadership {
    channel: String,
    rows: serde_json::Map<String, serde_json::Value>,
    at_the_end: Option<&'static str>,
}

impl ChannelLeadership {
    pub(super) fn of(channel: &str, leadership: &Leadership) -> Self {
        let rows = leadership.rows.iter();
        Self {
            channel: channel.to_owned(),
            rows: rows
                .map(|(source, rows)| (source.name().to_owned(), (*rows).into()))
                .collect(),
            at_the_end: leadership.last.map(|source| source.name()),
        }
    }
}

impl Forecast {
    /// Steps that were forecast.
    pub fn horizon(&self) -> usize {
        self.rollout().paths.dim().1
    }

    /// The sample paths of the first future, or the only one.
    pub fn rollout(&self) -> &Rollout {
        &self.futures[0].rollout
    }

    /// Sample paths `[paths, horizon, names]`.
    pub fn paths(&self) -> &Array3<f64> {
        &self.rollout().paths
    }

    /// Means over the paths.
    pub fn mean(&self) -> Array2<f64> {
        self.rollout().summary(&Levels::default()).mean
    }

    /// Standard deviations over the paths.
    pub fn std(&self) -> Array2<f64> {
        self.rollout().summary(&Levels::default()).std
    }

    /// Quantiles over the paths at a level from 0 to 1.
    pub fn quantile(&self, level: f64) -> Array2<f64> {
        self.rollout().quantile(level)
    }

    /// The band that holds whole paths with its level's probability.
    pub fn band(&self) -> &SimultaneousBand {
        &self.futures[0].band
    }

    /// The exact densities of the channels in the first step; nothing if the settings do not ask for them.
    pub fn next_row(&self) -> Option<&NextRow> {
        self.next.as_ref()
    }

    /// The one-step densities of the context's last rows, as many as the settings asked for, each given the
    /// rows before it.
    pub fn densities(&self) -> &OneStep {
        &self.one_step
    }

    /// Means, spreads and quantiles (0.05, 0.25, 0.5, 0.75, 0.95) of these rows, `[rows, variables]`.
    pub fn one_step_summary(&self) -> &Summary {
        &self.one_step_summary
    }

    /// One row a future, step and name: the time where it is known, what was held back, mean, standard deviation,
    /// quantiles, the ends of the simultaneous band, and the probabilities of levels, `p(0)`, `p(1)`, where a name takes few.
    pub fn table(&self, levels: &Levels) -> Table {
        table(std::slice::from_ref(self), levels)
    }

    /// One row a future, path and step, and a column a name.
    pub fn paths_table(&self) -> Table {
        paths_table(std::slice::from_ref(self))
    }

    /// Writes the [table](Self::table) of the usual levels: .csv, .json or .parquet.
    ///
    /// # Errors
    /// [`OutputError`] if the ending is unknown or the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), OutputError> {
        self.table(&Levels::default()).write(path.as_ref())
    }
}

impl Serialize for Forecast {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Forecast", 2)?;
        fields.serialize_field("reading", &self.reading)?;
        fields.serialize_field("table", &self.table(&Levels::default()))?;
        fields.end()
    }
}
