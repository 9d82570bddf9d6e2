//! `statecast forecast`: sampled continuations of a recording, as a table and a figure.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use ndarray::{Array2, s};
use serde::Serialize;

use super::actions::{FutureArguments, actions_to_come};
use super::experts::{BandArguments, ExpertArguments, Models, NameArguments, TrainArguments};
use super::input::{
    ModelArguments, Recording, note_window, warn_of_held_paths, warn_of_saturation,
};
use super::progress::Progress;
use super::residual::{Names, ResidualArguments};
use super::scores::scores;
use crate::baselines::named;
use crate::forecast::{
    Forecast, Forecaster, KnownFuture, Levels, Rollout, RolloutSettings, Summary, Variables,
};
use crate::model::{ModelInfo, Work};
use crate::output::{Column, Table, TableFormat, write_manifest};
use crate::plot::{ForecastFigure, OneStepPoint, Panel, RolloutPoint, context_shown};
use crate::trajectory::{Episode, Trajectory};

/// Forecast how a recording goes on, with quantiles of every variable at every step
///
/// The table has one row an episode, step and variable; steps count the rows of the episode from 0.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    statecast forecast run.csv --horizon 50 --plot forecast.svg\n  \
    statecast forecast run.npz --method dicl-s --components 0.95 --output forecast.parquet\n  \
    statecast forecast run.csv --holdout --horizon 20     # score against the last 20 rows\n  \
    statecast forecast run.csv --method residual --future planned_actions.csv\n  \
    statecast forecast run.csv --method residual --simulator 'python model.py'\n  \
    statecast forecast hourly.csv --method residual --period 24")]
pub(super) struct Arguments {
    #[command(flatten)]
    recording: Recording,
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
    /// Quantile levels
    #[arg(
        long,
        default_value = "0.05,0.1,0.25,0.5,0.75,0.9,0.95",
        value_name = "LEVELS"
    )]
    quantiles: Levels,
    /// Table to write: .csv, .json or .parquet [default: CSV to standard output]
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Figure to write: .svg or .png (of the first episode)
    #[arg(long)]
    plot: Option<PathBuf>,
}

#[derive(Serialize)]
struct Manifest {
    program: &'static str,
    version: &'static str,
    command: &'static str,
    input: String,
    models: Vec<ModelInfo>,
    experts: Vec<String>,
    recalibrated: bool,
    method: String,
    components: String,
    scale: String,
    temperature: f64,
    precision: String,
    simulator: Option<String>,
    period: Option<usize>,
    horizon: usize,
    samples: usize,
    seed: u64,
    quantiles: Vec<f64>,
    future: Option<String>,
    holdout: bool,
    episodes: Vec<EpisodeManifest>,
    seconds: f64,
}

#[derive(Serialize)]
struct EpisodeManifest {
    episode: String,
    context_first_row: usize,
    context_rows: usize,
    channels: Vec<String>,
    explained_variance: f64,
    saturated_context: usize,
    saturated_feedback: usize,
    /// Outcomes inside of the context that the bands were adjusted by.
    band_outcomes: usize,
    seconds: f64,
}

/// Fewest rows that a context can have.
const LEAST_CONTEXT: usize = 2;

/// What was forecast of one episode.
pub(super) struct Outcome {
    pub(super) names: Vec<String>,
    /// Rows of the context, within the episode.
    context: std::ops::Range<usize>,
    pub(super) observed: Array2<f64>,
    /// What came, and how persistence went on.
    pub(super) held_out: Option<(Array2<f64>, Rollout)>,
    one_step: Summary,
    pub(super) rollout: Rollout,
    manifest: EpisodeManifest,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    if let Some(output) = &arguments.output {
        TableFormat::of(output)?;
    }
    let settings = arguments.model.settings(arguments.model.method())?;
    arguments.residual.check(settings.method)?;
    let trajectory = arguments.recording.read()?;
    let episodes = arguments.recording.episodes(&trajectory)?;
    let future = arguments
        .actions
        .read(&trajectory, arguments.horizon.get())?;
    let started = Instant::now();
    let rows = episodes.iter().map(|e| e.states().nrows()).max();
    let rows = rows.unwrap_or(0);
    let names = arguments.experts.names(&arguments.model);
    let like = Variables::of(
        &trajectory,
        episodes.first().context("the recording has no episode")?,
        settings.method,
        arguments.model.with_reward,
    );
    let work = Work {
        channels: like.names.len(),
        rows: arguments.recording.context.unwrap_or(rows).min(rows),
        paths: arguments.batch.unwrap_or(arguments.samples).get(),
        horizon: arguments.horizon.get(),
    };
    let models = Models::load(&names, &arguments.model, work)?.trained(
        &arguments.training,
        &arguments.recording.columns,
        settings,
        arguments.model.with_reward,
        &like,
    )?;
    let columns = Names {
        channels: &like.names,
        actions: trajectory.action_names(),
    };
    let longest = episodes.iter().map(|e| arguments.end(e)).max();
    let longest = longest.map_or(0, |rows| rows.min(work.rows));
    let models = models.with_options(arguments.residual.start(&columns, longest)?)?;
    let predictor = arguments.uncertainty.mixture(&names, &models, settings)?;
    let recalibrated = arguments.uncertainty.recalibrates();
    let forecaster = arguments
        .bands
        .apply(Forecaster::of(predictor, settings), recalibrated);
    arguments
        .actions
        .check(&forecaster, &trajectory, arguments.holdout)?;
    let longest = forecaster.longest_context(arguments.horizon.get());
    ensure!(
        longest >= LEAST_CONTEXT,
        "a horizon of {} leaves no room for a context in the model's window",
        arguments.horizon
    );
    let episodes = arguments.long_enough(&episodes)?;
    let contexts: Vec<usize> = episodes.iter().map(|e| arguments.end(e)).collect();
    arguments.recording.note_contexts(&contexts, longest);
    let read = contexts.iter();
    let read = read.map(|&rows| arguments.recording.context_rows(rows, longest));
    note_window(
        &read.collect::<Vec<_>>(),
        &forecaster,
        arguments.horizon.get(),
    );
    let progress = Progress::new(arguments.recording.file.display().to_string());
    let outcomes = episodes
        .iter()
        .enumerate()
        .map(|(i, episode)| {
            let progress = |share| progress.show((i as f64 + share) / episodes.len() as f64);
            arguments
                .forecast(
                    &forecaster,
                    &trajectory,
                    episode,
                    future.as_ref(),
                    &progress,
                )
                .with_context(|| {
                    format!(
                        "{}: episode {}",
                        arguments.recording.file.display(),
                        episode.name()
                    )
                })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    drop(progress);
    models.finish()?;
    if arguments.holdout {
        eprint!("{}", scores(&outcomes));
    }
    if let (Some(path), Some(outcome)) = (&arguments.plot, outcomes.first()) {
        arguments.figure(outcome)?.save(path)?;
        eprintln!("figure: {}", path.display());
    }
    let table = arguments.table(&outcomes)?;
    let Some(output) = &arguments.output else {
        return Ok(table.write_to(TableFormat::Csv, &mut std::io::stdout())?);
    };
    table.write(output)?;
    let manifest = Manifest {
        program: "statecast",
        version: env!("CARGO_PKG_VERSION"),
        command: "forecast",
        input: arguments.recording.file.display().to_string(),
        models: models.infos()?,
        experts: names,
        recalibrated,
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
        future: arguments.actions.file(),
        holdout: arguments.holdout,
        episodes: outcomes.into_iter().map(|o| o.manifest).collect(),
        seconds: started.elapsed().as_secs_f64(),
    };
    Ok(write_manifest(output, &manifest)?)
}

impl Arguments {
    /// Rows of an episode that may be read: all but those held back.
    fn end(&self, episode: &Episode) -> usize {
        let held = if self.holdout { self.horizon.get() } else { 0 };
        episode.states().nrows().saturating_sub(held)
    }

    /// The episodes that leave a context to read; says which are left out.
    ///
    /// Fails if there is none.
    fn long_enough<'t>(&self, episodes: &[&'t Episode]) -> anyhow::Result<Vec<&'t Episode>> {
        let enough = |e: &&Episode| self.end(e) >= LEAST_CONTEXT;
        let (long, short): (Vec<_>, Vec<_>) = episodes.iter().copied().partition(enough);
        let held = match self.holdout {
            true => format!(" to hold {} back", self.horizon),
            false => String::new(),
        };
        ensure!(
            !long.is_empty(),
            "{}: too few rows{held}: a context needs at least {LEAST_CONTEXT}",
            self.recording.file.display()
        );
        if let Some(first) = short.first() {
            eprintln!(
                "warning: {} of {} episodes are left out, {} the first of them: too few rows{held}",
                short.len(),
                episodes.len(),
                first.name()
            );
        }
        Ok(long)
    }

    fn forecast(
        &self,
        forecaster: &Forecaster,
        trajectory: &Trajectory,
        episode: &Episode,
        future: Option<&KnownFuture>,
        progress: &dyn Fn(f64),
    ) -> anyhow::Result<Outcome> {
        let started = Instant::now();
        let method = forecaster.settings().method;
        let all = Variables::of(trajectory, episode, method, self.model.with_reward);
        let end = self.end(episode);
        let longest = forecaster.longest_context(self.horizon.get());
        let rows = self.recording.context_rows(end, longest);
        let variables = all.slice(end - rows..end);
        // Densities of the context serve the figure only.
        let scored = match self.plot {
            Some(_) => context_shown(self.horizon.get()),
            None => 0,
        };
        let paths = RolloutSettings {
            horizon: self.horizon,
            samples: self.samples,
            seed: self.seed,
            paths_at_once: self.batch,
            stretch: None,
        };
        let future = actions_to_come(forecaster, future, &all, end, self.horizon.get());
        let future = future.as_ref();
        let forecast = forecaster.forecast(&variables, scored, &paths, future, progress)?;
        let (reading, rollout) = (&forecast.reading, &forecast.rollout);
        if forecaster.origins() > 0 && forecast.outcomes == 0 {
            eprintln!(
                "warning: episode {}: the context has no room for forecasts of {} steps from inside of \
                 it; bands are not adjusted",
                episode.name(),
                self.horizon
            );
        }
        let held_out = if self.holdout {
            let persistence = named("persistence").context("no baseline 'persistence'")?;
            let simple = Forecaster::of(persistence, forecaster.settings());
            let walk = simple.read_last(&variables, 0)?;
            let walk = walk.rollout(&paths, future, &|_| ())?;
            Some((all.values.slice(s![end.., ..]).to_owned(), walk))
        } else {
            None
        };
        warn_of_saturation(episode.name(), reading, method);
        warn_of_held_paths(episode.name(), rollout.saturated);
        let manifest = self.manifest(&forecast, episode, end - rows..end, started);
        Ok(Outcome {
            names: variables.names,
            context: end - rows..end,
            observed: variables.values,
            held_out,
            one_step: reading.one_step_summary(&plot_levels()?, self.seed),
            rollout: forecast.rollout,
            manifest,
        })
    }

    fn manifest(
        &self,
        forecast: &Forecast,
        episode: &Episode,
        context: std::ops::Range<usize>,
        started: Instant,
    ) -> EpisodeManifest {
        let Forecast {
            reading,
            rollout,
            outcomes,
        } = forecast;
        EpisodeManifest {
            episode: episode.name().to_owned(),
            context_first_row: context.start,
            context_rows: context.len(),
            channels: reading.encoding().channel_names().to_vec(),
            explained_variance: reading.encoding().disentangler().explained(),
            saturated_context: reading.saturated(),
            saturated_feedback: rollout.saturated,
            band_outcomes: *outcomes,
            seconds: started.elapsed().as_secs_f64(),
        }
    }

    fn table(&self, outcomes: &[Outcome]) -> anyhow::Result<Table> {
        let levels = self.quantiles.as_slice();
        let (mut episodes, mut steps, mut names) = (vec![], vec![], vec![]);
        let mut numbers = vec![Vec::new(); 2 + levels.len()];
        for outcome in outcomes {
            let summary = outcome.rollout.summary(&self.quantiles);
            for ((h, v), &mean) in summary.mean.indexed_iter() {
                episodes.push(outcome.manifest.episode.clone());
                steps.push((outcome.context.end + h) as i64);
                names.push(outcome.names[v].clone());
                numbers[0].push(mean);
                numbers[1].push(summary.std[[h, v]]);
                for (column, quantiles) in numbers[2..].iter_mut().zip(&summary.quantiles) {
                    column.push(quantiles[[h, v]]);
                }
            }
        }
        let mut columns = vec![
            ("episode".to_owned(), Column::Text(episodes)),
            ("step".to_owned(), Column::Integer(steps)),
            ("variable".to_owned(), Column::Text(names)),
        ];
        let labels = ["mean".to_owned(), "std".to_owned()]
            .into_iter()
            .chain(levels.iter().map(|level| format!("q{level}")));
        columns.extend(labels.zip(numbers.into_iter().map(Column::Real)));
        Table::new(columns).context("the table's columns differ in length")
    }

    fn figure(&self, outcome: &Outcome) -> anyhow::Result<ForecastFigure> {
        let bands = outcome.rollout.summary(&plot_levels()?);
        let first = outcome.context.start;
        let end = outcome.context.end;
        let scored = outcome.one_step.mean.nrows();
        let unscored = outcome.context.len() - scored;
        let panels = (0..outcome.names.len())
            .map(|v| {
                let at = |summary: &Summary, q: usize, t: usize| summary.quantiles[q][[t, v]];
                let column = |values: &Array2<f64>, from: usize| {
                    let rows = values.column(v).to_vec();
                    rows.into_iter()
                        .enumerate()
                        .map(|(t, x)| (from + t, x))
                        .collect()
                };
                Panel {
                    name: outcome.names[v].clone(),
                    observed: column(&outcome.observed, first),
                    held_out: outcome
                        .held_out
                        .as_ref()
                        .map_or(vec![], |(truth, _)| column(truth, end)),
                    // An episode's first row is predicted from nothing.
                    one_step: (usize::from(unscored == 0)..scored)
                        .map(|t| OneStepPoint {
                            row: first + unscored + t,
                            mean: outcome.one_step.mean[[t, v]],
                            low: at(&outcome.one_step, 0, t),
                            high: at(&outcome.one_step, 4, t),
                        })
                        .collect(),
                    rollout: (0..self.horizon.get())
                        .map(|h| RolloutPoint {
                            row: end + h,
                            median: at(&bands, 2, h),
                            inner: (at(&bands, 1, h), at(&bands, 3, h)),
                            outer: (at(&bands, 0, h), at(&bands, 4, h)),
                        })
                        .collect(),
                }
            })
            .collect();
        let file = self
            .recording
            .file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        Ok(ForecastFigure {
            title: format!("{file}, episode {}", outcome.manifest.episode),
            subtitle: format!(
                "{} rows of context, {} sample paths, {} ahead",
                outcome.context.len(),
                self.samples,
                match self.horizon.get() {
                    1 => "1 step".to_owned(),
                    steps => format!("{steps} steps"),
                }
            ),
            context_end: end,
            band: "90 %".to_owned(),
            inner_band: "50 %".to_owned(),
            panels,
        })
    }
}

/// Levels of the figure's two bands and of the median.
fn plot_levels() -> anyhow::Result<Levels> {
    Ok(Levels::new(vec![0.05, 0.25, 0.5, 0.75, 0.95])?)
}
