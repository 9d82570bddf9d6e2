//! `statecast forecast`: sampled continuations of a recording, as a table and a figure.

mod derived;
mod figure;
mod manifest;
mod outcome;
mod paths_table;
mod plan;
mod printed;
mod scores;
mod table;

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, anyhow, ensure};
use clap::Args;
use ndarray::{ArrayView2, s};

use super::actions::{FutureArguments, Held};
use super::endings::written_as;
use super::experts::{
    BandArguments, ExpertArguments, NameArguments, TrainArguments, finish, load, with_system,
};
use super::input::{
    ModelArguments, RecordingArguments, note_window, warn_of_held_paths, warn_of_saturation,
};
use super::outputs::Ending;
use super::progress::Progress;
use super::residual::{Names, ResidualArguments};
use crate::baselines::named;
use crate::cli::terminal::{note, tell};
use crate::forecast::{
    Derivation, Derived, DerivedError, Forecaster, Level, Levels, Role, Rollout, RolloutSettings,
    Rollouts, Variables,
};
use crate::model::Work;
use crate::output::{Bundle, TableFormat, standard_output};
use crate::plot::context_shown;
use crate::recording::{Episode, Recording};
use derived::DerivedParser;
use manifest::Manifest;
use outcome::{ChannelLeadership, EpisodeManifest, FutureOutcome, HeldOut, Outcome};
use plan::Plan;

/// Forecast how a recording goes on, with quantiles of every variable at every step
///
/// The table has one row an episode, step and variable; steps count the rows of the episode from 0. Where the
/// recording has regular times, so has the table; with --holdout it has what was observed.
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
    /// _ and .), sin cos tan asin acos atan atan2 sqrt exp log abs min max hypot
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

/// Fewest rows that a context can have.
const LEAST_CONTEXT: usize = 2;

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    for output in arguments.output.iter().chain(&arguments.paths) {
        TableFormat::of(output)?;
    }
    ensure!(
        arguments.paths.as_deref() != Some(Path::new("-")) || arguments.output.is_some(),
        "--paths -: the table of the forecast goes to standard output, too; give it a file by --output"
    );
    written_as(arguments.plot.as_ref(), &["svg", "png"])?;
    let settings = arguments.model.settings(arguments.model.method())?;
    arguments.residual.check(settings.method)?;
    let recording = arguments.recording.read()?;
    let file = &arguments.recording.file;
    arguments.model.check_reward(file, &recording)?;
    let episodes = arguments.recording.episodes(&recording)?;
    arguments.rollout().check(recording.state_names().len())?;
    let ends = episodes
        .iter()
        .map(|&episode| (episode, arguments.end(episode)));
    let ends: Vec<(&Episode, usize)> = ends.filter(|(_, end)| *end >= LEAST_CONTEXT).collect();
    let time = arguments.recording.columns.time();
    let futures = arguments
        .actions
        .read(&recording, time, &ends, arguments.horizon.get())?;
    let started = Instant::now();
    let rows = episodes.iter().map(|e| e.states().nrows()).max();
    let rows = rows.unwrap_or(0);
    let name = arguments.experts.name(&arguments.model);
    let like = Variables::of_rows(
        &recording,
        episodes.first().context("the recording has no episode")?,
        0..0,
        settings.method,
        arguments.model.with_reward,
    );
    let work = Work {
        channels: like.names.len(),
        rows: arguments.recording.context.unwrap_or(rows).min(rows),
        paths: arguments.batch.unwrap_or(arguments.samples).get(),
        horizon: arguments.horizon.get(),
    };
    // Names are checked before models are loaded; whether actions are known is only known then.
    arguments.derivation(&like, &recording, true)?;
    let forecasters = arguments.training.teach(
        load(std::slice::from_ref(&name), &arguments.model, work)?,
        &arguments.recording.columns,
        settings,
        arguments.model.with_reward,
        &like,
    )?;
    let columns = Names {
        channels: &like.names,
        actions: recording.action_names(),
    };
    let longest = episodes.iter().map(|e| arguments.end(e)).max();
    let longest = longest.map_or(0, |rows| rows.min(work.rows));
    let system = arguments.residual.start(&columns, longest)?;
    let forecasters = with_system(forecasters, system)?;
    let combining = arguments.bands.of(arguments.uncertainty.combining());
    let forecaster = forecasters.forecaster(&name, settings, combining)?;
    arguments
        .actions
        .check(&forecaster, &recording, arguments.holdout)?;
    arguments
        .actions
        .warn_of_policy(&recording, &ends, arguments.seed)?;
    let known = arguments.actions.given() || arguments.holdout || forecaster.needs_actions();
    let known = known && !arguments.actions.acts();
    let plan = Plan {
        forecaster: &forecaster,
        recording: &recording,
        futures: &futures,
        held: arguments.actions.held(),
        policy: arguments.actions.policy(&recording)?.map(RefCell::new),
        derivation: arguments.derivation(&like, &recording, known)?,
    };
    let longest = forecaster.longest_context_of_paths(arguments.horizon.get());
    ensure!(
        longest >= LEAST_CONTEXT,
        "the model's window leaves no room for a context"
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
                .forecast(&plan, episode, &progress)
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
    finish(&forecasters)?;
    let table = table::table(&outcomes, &arguments.quantiles)?;
    let mut ending = Ending::new(arguments.output.as_ref());
    if let Some(path) = &arguments.paths {
        ending.write(|| Ok(paths_table::table(&outcomes)?.write(path)?));
    }
    if let (Some(path), Some(outcome)) = (&arguments.plot, outcomes.first()) {
        let file = &arguments.recording.file;
        let samples = arguments.samples.get();
        ending.write(|| {
            figure::figure(outcome, file, samples, arguments.simultaneous)?.save(path)?;
            tell!("figure: {}", path.display());
            Ok(())
        });
    }
    if let Some(output) = &arguments.output {
        let manifest = Manifest {
            program: "statecast",
            version: env!("CARGO_PKG_VERSION"),
            command: "forecast",
            input: arguments.recording.file.display().to_string(),
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
            episodes: outcomes.iter().map(|outcome| &outcome.manifest).collect(),
            seconds: started.elapsed().as_secs_f64(),
        };
        ending.write(|| {
            let mut bundle = Bundle::new();
            bundle.add_table(output, &table)?;
            Ok(bundle.finish(output, &manifest)?)
        });
    }
    arguments.print(&outcomes);
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
            tell!(
                "warning: {} of {} episodes are left out, {} the first of them: too few rows{held}",
                short.len(),
                episodes.len(),
                first.name()
            );
        }
        Ok(long)
    }

    /// The derived quantities of a recording's rows, which have these variables.
    fn derivation(
        &self,
        like: &Variables,
        recording: &Recording,
        known: bool,
    ) -> anyhow::Result<Derivation> {
        let actions = recording.action_names();
        let derivation = Derivation::new(&self.derive, &like.names, actions, known);
        derivation.map_err(|error| match error {
            DerivedError::UnknownAction { action, .. } if self.actions.acts() => anyhow!(
                "--derive: {action} is an action, and with --policy every path takes actions of its own; \
                 derive from the variables only, or give the actions with --future or --hold-actions"
            ),
            error => anyhow!(error).context("--derive"),
        })
    }

    /// Says on standard error what was forecast, once all files are written.
    fn print(&self, outcomes: &[Outcome]) {
        note(&printed::leaders(outcomes));
        note(&printed::paths(outcomes));
        if self.holdout {
            note(&scores::scores(outcomes, self.simultaneous, self.seed));
        }
        if self.actions.forks() {
            note(&printed::futures(outcomes));
        }
    }

    /// How many rows of which kind are forecast.
    fn rollout(&self) -> RolloutSettings {
        RolloutSettings {
            horizon: self.horizon,
            samples: self.samples,
            seed: self.seed,
            paths_at_once: self.batch,
            max_steps: None,
        }
    }

    fn forecast(
        &self,
        plan: &Plan,
        episode: &Episode,
        progress: &dyn Fn(f64),
    ) -> anyhow::Result<Outcome> {
        let started = Instant::now();
        let forecaster = plan.forecaster;
        let method = forecaster.settings().method;
        let (end, horizon) = (self.end(episode), self.horizon.get());
        let rows = self
            .recording
            .context_rows(end, forecaster.longest_context_of_paths(horizon));
        // Rows before the context are read for the mean of all actions only.
        let first = match self.actions.held() {
            Some(Held::Mean) => 0,
            _ => end - rows,
        };
        let read = first..(end + horizon).min(episode.rows());
        let all = Variables::of_rows(
            plan.recording,
            episode,
            read,
            method,
            self.model.with_reward,
        );
        let context = all.slice(end - rows - first..end - first);
        // Densities of the context serve the figure only.
        let scored = match self.plot {
            Some(_) => context_shown(horizon),
            None => 0,
        };
        let futures = plan.futures_of(episode, (&all, first), end, horizon)?;
        if self.holdout && plan.differs(&futures, (&all, end - first), horizon) {
            tell!(
                "note: episode {}: the observed rows were recorded under other actions than those of the forecast",
                episode.name()
            );
        }
        let forked = plan.forked(&context, scored, &self.rollout(), &futures, progress)?;
        let reading = &forked.reading;
        if forecaster.origins() > 0 && forked.outcomes == 0 {
            tell!(
                "warning: episode {}: the context has no room for forecasts of {} steps from inside of \
                 it; bands are not adjusted",
                episode.name(),
                self.horizon
            );
        }
        warn_of_saturation(episode.name(), reading, method);
        let derive = |rollout: &Rollout, actions: ArrayView2<f64>| match &self.derive[..] {
            [] => rollout.clone(),
            _ => plan.derivation.append_to(rollout, actions),
        };
        let held_out = match self.holdout {
            true => {
                let persistence = named("persistence").context("no baseline 'persistence'")?;
                let simple = Forecaster::of(persistence, forecaster.settings());
                let future = futures[0].taken.as_ref();
                let walk = simple.read_last(&context, 0)?;
                let walk = walk.rollout(&self.rollout(), future, &|_| ())?;
                let actions = futures[0].actions.view();
                let truth = all.values.slice(s![end - first.., ..]);
                Some(HeldOut {
                    truth: plan.derivation.append_to_rows(truth, actions),
                    walk: derive(&walk, actions),
                })
            }
            false => None,
        };
        let manifest = self.manifest(&forked, episode, end - rows..end, started);
        let leaders = reading.leaders().into_iter();
        let channels = reading.encoding().channel_names();
        let named = futures.into_iter().zip(&forked.rollouts);
        let futures = named.map(|(future, rollout)| {
            let rollout = derive(rollout, future.actions.view());
            let mut band = rollout.simultaneous(self.simultaneous);
            band.settle_on_levels(context.values.view());
            FutureOutcome {
                name: future.name,
                band,
                rollout,
            }
        });
        let recorded = context.actions.view();
        let mut outcome = Outcome {
            variables: context.names.len(),
            states: (0..context.names.len())
                .filter(|&v| context.roles[v] != Role::Action)
                .collect(),
            context: end - rows..end,
            times: (end..end + horizon)
                .map(|row| episode.times().and_then(|times| times.at(row)))
                .collect(),
            observed: plan
                .derivation
                .append_to_rows(context.values.view(), recorded),
            names: [&context.names[..], plan.derivation.names()].concat(),
            held_out,
            one_step: reading.one_step_summary(&figure::plot_levels()?, self.seed),
            futures: futures.collect(),
            leaders: leaders.map(|(c, led)| (channels[c].clone(), led)).collect(),
            manifest,
        };
        for future in &outcome.futures {
            let of = match &future.name {
                Some(name) => format!("{}, {name}", episode.name()),
                None => episode.name().to_owned(),
            };
            warn_of_held_paths(&of, future.rollout.saturated);
            printed::warn_of_undefined(&of, &self.derive, end, &future.rollout);
            outcome.manifest.undefined += future.rollout.undefined();
        }
        Ok(outcome)
    }

    fn manifest(
        &self,
        forked: &Rollouts,
        episode: &Episode,
        context: std::ops::Range<usize>,
        started: Instant,
    ) -> EpisodeManifest {
        let reading = &forked.reading;
        let channels = reading.encoding().channel_names();
        let leaders = reading.leaders().into_iter();
        EpisodeManifest {
            episode: episode.name().to_owned(),
            context_first_row: context.start,
            context_rows: context.len(),
            channels: channels.to_vec(),
            explained_variance: reading.encoding().disentangler().explained(),
            saturated_context: reading.saturated(),
            saturated_feedback: forked.rollouts.iter().map(|r| r.saturated).sum(),
            undefined: 0,
            band_outcomes: forked.outcomes,
            paths: reading.path_weights(),
            experts_led: leaders
                .map(|(c, led)| ChannelLeadership::of(&(channels[c].clone(), led)))
                .collect(),
            seconds: started.elapsed().as_secs_f64(),
        }
    }
}
