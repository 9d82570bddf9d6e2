//! `statecast density`: the density of every row of a context.

use std::io::{self, Seek, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::endings::written_as;
use super::experts::{ExpertArguments, NameArguments, TrainArguments, finish, load, with_system};
use super::input::{ModelArguments, RecordingArguments};
use super::progress::Progress;
use super::residual::{Names, ResidualArguments};
use super::terminal::Terminal;
use crate::codec::{BIN_COUNT, Grid};
use crate::forecast::{OneStep, Reading, Variables};
use crate::model::{ModelInfo, Work};
use crate::output::{Bundle, Manifest, NpzWriter};
use crate::study::forecast::warn_of_clipped;

/// Write the predictive density of every row of a context, each given the rows before it
///
/// The NPZ file holds `density` float32 [rows, channels, 1000], the probabilities of the bins
/// (they sum to 1); `low` and `high` [channels], the ends of each channel's axis in its units;
/// `observed` int32 [rows, channels], the bins that came; `log_score` float64 [rows, channels], in
/// nats, of the density per unit of the axis [0, 10): subtract ln((high - low) / 10) for the
/// channel's own units; `resolution` [channels], the step in which a channel is read, on its axis,
/// if that is coarser than the bins (its log scores are those of the whole step), else 0; and
/// `channel`, the names. With --method residual the bins are those of a residual: `centre` and `scale`
/// [rows, channels], on the axis [0, 10), say where they lie, with edges
/// centre + scale 200 sinh(9 u) / sinh(9), u even on [-1, 1].
#[derive(Debug, Args)]
#[command(
    after_long_help = "Examples:\n  statecast density run.csv --output densities.npz\n  \
    statecast density run.csv --state y --scale none --output densities.npz\n  \
    statecast density run.csv --experts builtin,ar,knn --recalibrate online --output densities.npz"
)]
pub(super) struct Arguments {
    #[command(flatten)]
    recording: RecordingArguments,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    residual: ResidualArguments,
    #[command(flatten)]
    experts: NameArguments,
    #[command(flatten)]
    uncertainty: ExpertArguments,
    #[command(flatten)]
    training: TrainArguments,
    /// File to write (.npz)
    #[arg(long, short)]
    output: PathBuf,
}

/// Rows whose densities are held together.
const ROWS_AT_ONCE: usize = 256;

#[derive(Serialize)]
struct Run<'a> {
    input: String,
    episode: &'a str,
    models: Vec<ModelInfo>,
    experts: Vec<String>,
    recalibrated: bool,
    method: String,
    scale: String,
    temperature: f64,
    precision: String,
    simulator: Option<String>,
    period: Option<usize>,
    first_row: usize,
    rows: usize,
    channels: &'a [String],
    #[serde(rename = "saturated")]
    clipped: usize,
    seconds: f64,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    written_as(Some(&arguments.output), &["npz"])?;
    let settings = arguments.model.settings(arguments.model.method())?;
    arguments.residual.check(settings.method)?;
    let recording = arguments.recording.read()?;
    let file = &arguments.recording.file;
    arguments.model.check_reward(file, &recording)?;
    let episodes = arguments.recording.episodes(&recording)?;
    let [episode] = episodes.as_slice() else {
        bail!(
            "{}: {} episodes; choose one with --select",
            arguments.recording.file.display(),
            episodes.len()
        );
    };
    let rows = episode.states().nrows();
    let name = arguments.experts.name(&arguments.model);
    let work = Work {
        channels: recording.state_names().len(),
        rows: arguments.recording.context.unwrap_or(rows).min(rows),
        paths: 1,
        horizon: 1,
    };
    let variables = Variables::of(
        &recording,
        episode,
        settings.method,
        arguments.model.with_reward,
    );
    let forecasters = arguments.training.teach(
        load(std::slice::from_ref(&name), &arguments.model, work)?,
        &arguments.recording.columns,
        settings,
        arguments.model.with_reward,
        &variables,
    )?;
    let columns = Names {
        channels: &variables.names,
        actions: recording.action_names(),
    };
    let system = arguments.residual.start(&columns, work.rows)?;
    let forecasters = with_system(forecasters, system)?;
    let combining = arguments.uncertainty.combining();
    let forecaster = forecasters.forecaster(&name, settings, combining)?;
    let all = variables.rows();
    let longest = forecaster.longest_context(1);
    arguments.recording.note_contexts(&[all], longest);
    let rows = arguments.recording.context_rows(all, longest);
    let variables = variables.slice(all - rows..all);
    let started = Instant::now();
    let mut reading = forecaster.begin(&variables)?;
    let mut failed = None;
    let mut bundle = Bundle::new();
    let written = bundle.add(&arguments.output, |file| {
        write(&mut reading, &variables, NpzWriter::new(file), &mut failed)?;
        finish(&forecasters).map_err(|error| {
            failed = Some(error);
            io::Error::other("the simulator broke its protocol")
        })
    });
    if let Some(error) = failed {
        return Err(error);
    }
    written?;
    let seconds = started.elapsed().as_secs_f64();
    let progress = Progress::new("density");
    warn_of_clipped(
        episode.name(),
        &reading,
        settings.method,
        &Terminal(&progress),
    );
    let run = Run {
        input: arguments.recording.file.display().to_string(),
        episode: episode.name(),
        models: forecasters.model_infos()?,
        experts: name.members().iter().map(ToString::to_string).collect(),
        recalibrated: arguments.uncertainty.recalibrates(),
        method: settings.method.to_string(),
        scale: settings.scale.to_string(),
        temperature: settings.temperature.get(),
        precision: arguments.model.precision(),
        simulator: arguments.residual.simulator(),
        period: arguments.residual.period(),
        first_row: all - rows,
        rows,
        channels: reading.encoding().channel_names(),
        clipped: reading.clipped(),
        seconds,
    };
    Ok(bundle.finish(&arguments.output, &Manifest::new("density", &run))?)
}

/// What there is of every row beside its densities, `[rows, channels]`.
#[derive(Default)]
struct Rows {
    grids: Vec<Grid>,
    observed: Vec<i32>,
    log_scores: Vec<f64>,
}

impl Rows {
    fn add(&mut self, one_step: &OneStep) {
        self.grids.extend(one_step.grids());
        let observed = one_step.observed().iter();
        self.observed.extend(observed.map(|bin| bin.index() as i32));
        self.log_scores.extend(&one_step.log_scores());
    }
}

/// Observes a context and writes its densities as they come; an error of the forecaster is told
/// beside that of the file.
fn write<W: Write + Seek>(
    reading: &mut Reading,
    variables: &Variables,
    mut npz: NpzWriter<W>,
    failed: &mut Option<anyhow::Error>,
) -> io::Result<()> {
    let channels = reading.encoding().axes().len();
    let shape = [variables.rows(), channels];
    let mut rows = Rows::default();
    npz.begin_f32("density", &[variables.rows(), channels, BIN_COUNT])?;
    for start in (0..variables.rows()).step_by(ROWS_AT_ONCE) {
        let end = variables.rows().min(start + ROWS_AT_ONCE);
        match reading.observe(&variables.slice(start..end)) {
            Ok(one_step) => {
                npz.push_f32(one_step.masses())?;
                rows.add(&one_step);
            }
            Err(error) => {
                *failed = Some(error.into());
                return Err(io::Error::other("no density"));
            }
        }
    }
    let axes = reading.encoding().axes();
    let low: Vec<f64> = axes.iter().map(|axis| axis.low()).collect();
    let high: Vec<f64> = axes.iter().map(|axis| axis.high()).collect();
    npz.add_f64("low", &[axes.len()], &low)?;
    npz.add_f64("high", &[axes.len()], &high)?;
    npz.add_i32("observed", &shape, rows.observed)?;
    npz.add_f64("log_score", &shape, &rows.log_scores)?;
    let resolutions = reading.encoding().resolutions();
    npz.add_f64("resolution", &[axes.len()], resolutions)?;
    if rows.grids.iter().any(|&grid| grid != Grid::Digits) {
        let of = |of: fn(Grid) -> f64| rows.grids.iter().map(|&g| of(g)).collect::<Vec<_>>();
        npz.add_f64("centre", &shape, &of(|grid| residual(grid).0))?;
        npz.add_f64("scale", &shape, &of(|grid| residual(grid).1))?;
    }
    npz.add_texts("channel", reading.encoding().channel_names())?;
    npz.finish()
}

/// Centre and scale of a residual's bins; not a number for those of digits.
fn residual(grid: Grid) -> (f64, f64) {
    match grid {
        Grid::Residual { centre, scale } => (centre, scale),
        Grid::Digits => (f64::NAN, f64::NAN),
    }
}
