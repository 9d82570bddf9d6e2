//! `statecast forecast`: sampled continuations of a recording, as a table and a figure.

mod derived;
mod manifest;
mod printed;
mod scores;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;

use super::actions::FutureArguments;
use super::calendar::{CalendarArguments, tell_of};
use super::endings::written_as;
use super::experts::{
    BandArguments, ExpertArguments, NameArguments, TrainArguments, finish, load, with_system,
};
use super::input::RecordingArguments;
use super::model_arguments::ModelArguments;
use super::outputs::{Ending, file_name};
use super::residual::{Names, ResidualArguments};
use crate::cli::terminal::{Terminal, note};
use crate::forecast::{Derived, Level, Levels, Variables};
use crate::model::Work;
use crate::output::{Manifest, TableFormat, standard_output};
use crate::plot::{ForecastFigure, context_shown};
use crate::recording::Episode;
use crate::study::forecast::{
    Forecast, ForecastSettings, ForecastStudy, ForecastStudyError, held_out_scores, paths_table,
    table,
};
use derived::DerivedParser;
use manifest::Run;

/// Forecast how a recording goes on, with quantiles of every variable at every step
///
/// The table has one row an episode, step and variable; steps count the rows of the episode from 0. Where the
/// recording has regular times, so has the table; with --holdout it has what was observed. Variables that take few levels, such
/// as a valve, have the probability of each: p(0), p(1).
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    statecast forecast run.csv --horizon 50 --plot forecast.svg\n  \
    statecast forecast run.npz --method dicl-s --components 0.95 --output forecast.parquet\n  \
    statecast forecast run.csv --holdout --horizon 20     # score against the last 20 rows\n  \
    statecast forecast run.csv --method residual --future planned_actions.csv\n  \
    statecast forecast run.csv --fork brake.csv,coast.csv   # several futures of one context\n  \
    statecast forecast run.csv --derive 'speed = hypot(vx, vy)'\n  \
    statecast forecast run.csv --method residual --simulator 'python model.py'\n  \
    statecast forecast hourly.csv --method residual --period 24\n  \
    zcat run.csv.gz | statecast forecast - --output -         # standard input and output")]
pub(super) struct Arguments {
    #[command(flatten)]
    recording: RecordingArguments,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    residual: ResidualArguments,
    #[command(flatten)]
    calendar: CalendarArguments,
    #[command(flatten)]
    experts: NameArguments,
    #[command(flatten)]
    uncertainty: ExpertArguments,
    #[command(flatten)]
    training: TrainArguments,
    #[command(flatten)]
    bands: BandArguments,
    /// Steps to forecast
    #[arg(long, default_value = "50")]
    horizon: NonZeroUsize,
    /// Sample paths
    #[arg(long, default_value = "100")]
    samples: NonZeroUsize,
    /// Seed of the draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Paths that advance together; changes speed and memory, not the result [default: as many as take a third of the weights]
    #[arg(long, value_name = "PATHS")]
    batch: Option<NonZeroUsize>,
    #[command(flatten)]
    actions: FutureArguments,
    /// Hold back the last rows of every episode, forecast them and print scores against persistence
    #[arg(long)]
    holdout: bool,
    /// A quantity computed from the variables of every sample path, such as 'speed = hypot(vx, vy)';
    /// may be given several times. There are + - * / ^, parentheses, pi, names of variables, known
    /// actions and earlier quantities (quoted where they hold other characters than letters, digits,
    /// _ and .), sin cos tan asin acos atan atan2 sqrt exp log abs min max hypot, < <= > >= == !=, and, or
    #[arg(long, value_name = "NAME = EXPRESSION", value_parser = DerivedParser)]
    derive: Vec<Derived>,
    /// Probability with which the simultaneous band of a variable holds its whole path
    #[arg(long, default_value = "0.9", value_name = "LEVEL")]
    simultaneous: Level,
    /// Quantile levels
    #[arg(
        long,
        default_value = "0.05,0.1,0.25,0.5,0.75,0.9,0.95",
        value_name = "LEVELS"
    )]
    quantiles: Levels,
    /// Table to write: .csv, .json or .parquet [default: CSV to standard output, as for '-']
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Sample paths to write, a row a path and step and a column a variable: .csv, .json or .parquet
    #[arg(long, value_name = "FILE")]
    paths: Option<PathBuf>,
    /// Figure to write: .svg or .png (of the first episode)
    #[arg(long)]
    plot: Option<PathBuf>,
}

pub(super) fn run(mut arguments: Arguments) -> anyhow::Result<()> {
    arguments.check_outputs()?;
    arguments.recording.columns.fill_by_default();
    let settings = arguments.model.settings(arguments.model.method())?;
    let settings = arguments.calendar.of(settings);
    arguments.residual.check(settings.method)?;
    let held_out = match arguments.holdout {
        true => arguments.horizon.get(),
        false => 0,
    };
    let recording = arguments.recording.read_held_out(held_out)?;
    let file = &arguments.recording.file;
    arguments.model.check_reward(file, &recording)?;
    let episodes = arguments.recording.episodes(&recording)?;
    let first = episodes.first().context("the recording has no episode")?;
    let mut study = arguments.settings();
    let ends = episodes
        .iter()
        .map(|&episode| (episode, study.end(episode)));
    let ends: Vec<(&Episode, usize)> = ends.filter(|(_, end)| *end > 1).collect();
    let time = arguments.recording.columns.time();
    study.actions = arguments
        .actions
        .ahead(&recording, time, &ends, arguments.horizon.get())?;
    let started = Instant::now();
    let name = arguments.experts.name(&arguments.model);
    let with_reward = arguments.model.with_reward;
    let like = Variables::of_rows(&recording, first, 0..0, settings.method, with_reward);
    let rows = episodes.iter().map(|e| e.states().nrows()).max();
    let rows = rows.unwrap_or(0);
    let work = Work {
        channels: like.names.len(),
        rows: arguments.recording.context.unwrap_or(rows).min(rows),
        paths: arguments.batch.unwrap_or(arguments.samples).get(),
        horizon: arguments.horizon.get(),
    };
    // Sizes and names are checked before models are loaded; whether actions are known is only known then.
    study.rollout()?.check(like.names.len())?;
    study.derivation(&like, &recording, true)?;
    let forecasters = arguments.training.teach(
        load(std::slice::from_ref(&name), &arguments.model, work)?,
        &arguments.recording.columns,
        settings,
        with_reward,
        &like,
    )?;
    let columns = Names {
        channels: &like.names,
        actions: recording.action_names(),
    };
    let longest = episodes.iter().map(|e| study.end(e)).max();
    let longest = longest.map_or(0, |rows| rows.min(work.rows));
    let system = arguments.residual.start(&columns, longest)?;
    let forecasters = with_system(forecasters, system)?;
    let combining = arguments.bands.of(arguments.uncertainty.combining());
    let forecaster = forecasters.forecaster(&name, settings, combining)?;
    arguments
        .actions
        .warn_of_policy(&recording, &ends, arguments.seed)?;
    let terminal = Terminal::new(file.display().to_string());
    let forecasts = ForecastStudy::new(&forecaster, &recording, study)
        .of_episodes(episodes)
        .run(&terminal);
    let forecasts = forecasts.map_err(|error| match error {
        ForecastStudyError::Episode { .. } | ForecastStudyError::TooFewRows { .. } => {
            anyhow::Error::from(error).context(file.display().to_string())
        }
        error => error.into(),
    })?;
    drop(terminal);
    finish(&forecasters)?;
    let table = table(&forecasts, &arguments.quantiles);
    let mut ending = Ending::new(arguments.output.as_ref());
    if let Some(path) = &arguments.paths {
        ending.write(|| Ok(paths_table(&forecasts).write(path)?));
    }
    if let (Some(path), Some(forecast)) = (&arguments.plot, forecasts.first()) {
        let level = arguments.simultaneous;
        ending.figure(path, || {
            ForecastFigure::of_forecast(forecast, &file_name(file), level).save(path)
        });
    }
    if let Some(output) = &arguments.output {
        let run = Run {
            input: file.display().to_string(),
            models: forecasters.model_infos()?,
            experts: name.members().iter().map(ToString::to_string).collect(),
            recalibrated: combining.recalibrated,
            method: settings.method.to_string(),
            components: settings.components.to_string(),
            scale: settings.scale.to_string(),
            temperature: settings.temperature.get(),
            precision: arguments.model.precision(),
            simulator: arguments.residual.simulator(),
            period: arguments.residual.period(),
            horizon: arguments.horizon.get(),
            samples: arguments.samples.get(),
            seed: arguments.seed,
            quantiles: arguments.quantiles.as_slice().to_vec(),
            simultaneous: arguments.simultaneous.get(),
            derived: arguments.derive.iter().map(Derived::to_string).collect(),
            future: arguments.actions.file(),
            futures: arguments.actions.names()?,
            holdout: arguments.holdout,
            episodes: forecasts.iter().map(|forecast| &forecast.reading).collect(),
            seconds: started.elapsed().as_secs_f64(),
        };
        ending.table(output, &table, &Manifest::new("forecast", &run));
    }
    arguments.print(&forecasts);
    ending.show("")?;
    match &arguments.output {
        Some(_) => Ok(()),
        None => {
            let mut standard = standard_output().context("standard output")?;
            Ok(table.write_to(TableFormat::Csv, &mut standard)?)
        }
    }
}

impl Arguments {
    fn check_outputs(&self) -> anyhow::Result<()> {
        for output in self.output.iter().chain(&self.paths) {
            TableFormat::of(output)?;
        }
        ensure!(
            self.paths.as_deref() != Some(Path::new("-")) || self.output.is_some(),
            "--paths -: the table of the forecast goes to standard output, too; give it a file by --output"
        );
        written_as(self.plot.as_ref(), &["svg", "png"])
    }

    /// What is forecast, but for the actions of the steps ahead.
    fn settings(&self) -> ForecastSettings {
        let mut settings = ForecastSettings::new(self.horizon.get());
        settings.samples = self.samples.get();
        settings.seed = self.seed;
        settings.paths_at_once = self.batch;
        settings.context = self.recording.context;
        settings.with_reward = self.model.with_reward;
        settings.holdout = self.holdout;
        settings.derived = self.derive.clone();
        settings.simultaneous = self.simultaneous;
        settings.next_row = false;
        // Densities of the context serve the figure only.
        settings.scored = match self.plot {
            Some(_) => context_shown(self.horizon.get()),
            None => 0,
        };
        settings
    }

    /// Says on standard error what was forecast, once all files are written.
    fn print(&self, forecasts: &[Forecast]) {
        if let Some(cycles) = forecasts
            .iter()
            .find_map(|one| one.reading.calendar.as_ref())
        {
            tell_of(cycles);
        }
        note(&printed::levels(forecasts));
        note(&printed::leaders(forecasts));
        note(&printed::paths(forecasts));
        if let Some(scores) = held_out_scores(forecasts, self.seed) {
            note(&scores::text(&scores, self.simultaneous));
        }
        if self.actions.forks() {
            note(&printed::futures(forecasts));
        }
    }
}
