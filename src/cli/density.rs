//! `statecast density`: the density of every row of a context.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::endings::written_as;
use super::experts::{ExpertArguments, NameArguments, TrainArguments, finish, load, with_system};
use super::input::RecordingArguments;
use super::model_arguments::ModelArguments;
use super::residual::{Names, ResidualArguments};
use super::terminal::Terminal;
use crate::forecast::Variables;
use crate::model::{ModelInfo, Work};
use crate::output::{Bundle, Manifest};
use crate::study::{DensitySettings, DensityStudy};

/// Write the predictive density of every row of a context, each given the rows before it
///
/// The NPZ file holds `density` float32 [rows, channels, 1000], the probabilities of the bins
/// (they sum to 1); `low` and `high` [channels], the ends of each channel's axis in its units;
/// `observed` int32 [rows, channels], the observed bins; `log_score` float64 [rows, channels], in
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
    clipped: usize,
    seconds: f64,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    written_as(Some(&arguments.output), &["npz"])?;
    let settings = arguments.model.settings(arguments.model.method())?;
    arguments.residual.check(settings.method)?;
    let recording = arguments.recording.read_scored()?;
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
    let mut rows = DensitySettings::default();
    rows.context = arguments.recording.context;
    rows.with_reward = arguments.model.with_reward;
    let terminal = Terminal::new("density");
    let study = DensityStudy::new(&forecaster, &recording, episode, rows, &terminal);
    let started = Instant::now();
    let mut bundle = Bundle::new();
    let result = study.add_to(&mut bundle, &arguments.output, &terminal)?;
    let seconds = started.elapsed().as_secs_f64();
    drop(terminal);
    finish(&forecasters)?;
    let run = Run {
        input: arguments.recording.file.display().to_string(),
        episode: &result.episode,
        models: forecasters.model_infos()?,
        experts: name.members().iter().map(ToString::to_string).collect(),
        recalibrated: arguments.uncertainty.recalibrates(),
        method: settings.method.to_string(),
        scale: settings.scale.to_string(),
        temperature: settings.temperature.get(),
        precision: arguments.model.precision(),
        simulator: arguments.residual.simulator(),
        period: arguments.residual.period(),
        first_row: result.first_row,
        rows: result.rows,
        channels: &result.channels,
        clipped: result.clipped,
        seconds,
    };
    Ok(bundle.finish(&arguments.output, &Manifest::new("density", &run))?)
}
