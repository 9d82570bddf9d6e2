//! Flags that choose forecasters by name, and what these know beforehand.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, ensure};
use clap::builder::TypedValueParser;
use clap::{ArgAction, Args};

use super::choices::choice;
use super::input::Columns;
use super::model_arguments::ModelArguments;
use super::served;
use crate::cli::terminal::tell;
use crate::forecast::{Settings, Variables};
use crate::forecasters::{
    Combining, ForecasterName, Forecasters, ForecastersError, NameError, System, other_units,
};
use crate::model::{ModelSource, Work};

#[derive(Debug, Args)]
#[command(next_help_heading = "Uncertainty")]
pub(super) struct ExpertArguments {
    /// Recalibrate language models, and the mixture, by what they got right so far
    #[arg(long, value_parser = recalibration(), action = ArgAction::Set, default_value = "none")]
    recalibrate: bool,
    /// Fixed-share alpha of a mixture (Herbster & Warmuth): fraction of the weights that is shared evenly at every
    /// step, larger for systems that change; 0 for Bayesian weights, whose total score is within the logarithm of
    /// the number of members of the best one's
    #[arg(long, alias = "share", default_value_t = 0.003, value_name = "ALPHA")]
    alpha: f64,
}

impl ExpertArguments {
    /// How densities are mixed and corrected.
    pub(super) fn combining(&self) -> Combining {
        let combining = match self.recalibrates() {
            true => Combining::default().online(),
            false => Combining::default(),
        };
        combining.with_alpha(self.alpha)
    }

    /// True if language models are recalibrated.
    pub(super) fn recalibrates(&self) -> bool {
        self.recalibrate
    }
}

/// Whether language models are recalibrated.
fn recalibration() -> impl TypedValueParser<Value = bool> {
    choice([
        ("none", "Take the densities as they are", false),
        ("online", "Learn online, from the context", true),
    ])
}

/// Names of forecasters in one value of a flag.
#[derive(Debug, Clone)]
pub(super) struct NameList(pub(super) Vec<ForecasterName>);

impl FromStr for NameList {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        ForecasterName::list(text).map(Self)
    }
}

/// All names of a flag's values.
pub(super) fn names(lists: &[NameList]) -> Vec<ForecasterName> {
    lists.iter().flat_map(|list| list.0.clone()).collect()
}

/// Forecasters that are mixed instead of the model.
#[derive(Debug, Args)]
#[command(next_help_heading = "Uncertainty")]
pub(super) struct NameArguments {
    /// Forecasters to mix, by what each has predicted so far: builtin or other models' sources,
    /// persistence, mean, ar, ari, sari, log-sari, harmonic, log-harmonic, harmonic-ari, log-harmonic-ari, ets, log-ets, calendar,
    /// log-calendar, calendar-ari, log-calendar-ari, linear, quadratic, fourier, smoothing, seasonal, analogue, scales, knn, mlp
    /// [default: the model; where it is the bundled one and the method residual, paths of several steps are
    /// shared out among those of the model, of its digits, of the experts linear, fourier and scales and, where there are
    /// no actions, of ari, harmonic, with dates calendar, and the like and of quadratic and fourier with weights drawn once a path, but not with --simulator]
    #[arg(long, value_name = "NAMES")]
    experts: Vec<NameList>,
}

impl NameArguments {
    /// True if none are named.
    pub(super) fn is_empty(&self) -> bool {
        self.experts.is_empty()
    }

    /// The mixture of the experts, or the model.
    pub(super) fn name(&self, model: &ModelArguments) -> ForecasterName {
        let experts = names(&self.experts);
        match experts.is_empty() {
            true => ForecasterName::Language(model.source().clone()),
            false => ForecasterName::mixture(experts),
        }
    }
}

/// What the bands of steps ahead learn from.
#[derive(Debug, Args)]
#[command(next_help_heading = "Uncertainty")]
pub(super) struct BandArguments {
    /// Forecasts from inside of the context that the bands of steps ahead are adjusted by, where
    /// --recalibrate is on
    #[arg(long, default_value_t = 20, value_name = "COUNT")]
    origins: usize,
}

impl BandArguments {
    /// The same way of combining, with these bands.
    pub(super) fn of(&self, combining: Combining) -> Combining {
        combining.with_origins(self.origins)
    }
}

/// What forecasters know beforehand.
#[derive(Debug, Args)]
#[command(next_help_heading = "Uncertainty")]
pub(super) struct TrainArguments {
    /// Other recordings of the same system, which mlp learns before it reads a context
    #[arg(long, value_delimiter = ',', value_name = "FILES")]
    train: Vec<PathBuf>,
    /// Other recordings of the same system, which every method reads before each context: online experts
    /// learn from all their rows
    #[arg(long, value_delimiter = ',', value_name = "FILES")]
    also: Vec<PathBuf>,
}

impl TrainArguments {
    /// The forecasters with the recordings to train on and to read; their variables must be those of `like`.
    pub(super) fn teach(
        &self,
        forecasters: Forecasters,
        columns: &Columns,
        settings: Settings,
        with_reward: bool,
        like: &Variables,
    ) -> anyhow::Result<Forecasters> {
        let read = |files: &[PathBuf]| -> anyhow::Result<Vec<Variables>> {
            let mut all = Vec::new();
            for file in files {
                let recording = columns.read(file)?;
                let before = all.len();
                for episode in recording.episodes() {
                    let values = Variables::of(&recording, episode, settings.method, with_reward);
                    ensure!(
                        values.names == like.names
                            && values.actions.ncols() == like.actions.ncols(),
                        "{}: its columns are not those of the recording",
                        file.display()
                    );
                    all.push(values);
                }
                let actions = recording.action_names();
                if let Some(warning) = other_units(like, &all[before..], actions) {
                    tell!("warning: {}: {warning}", file.display());
                }
            }
            Ok(all)
        };
        let forecasters = forecasters.with_training(read(&self.train)?);
        Ok(forecasters.with_earlier(read(&self.also)?))
    }
}

/// Forecasters of some names, with the language models among them loaded, each once.
pub(super) fn load(
    names: &[ForecasterName],
    arguments: &ModelArguments,
    work: Work,
) -> anyhow::Result<Forecasters> {
    let mut sources: Vec<&ModelSource> = Vec::new();
    for source in names.iter().flat_map(ForecasterName::language_models) {
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    // Their number is checked before any is loaded.
    Forecasters::new(names, Vec::new())?;
    let models = sources.into_iter();
    let models = models.map(|source| arguments.load(source, work));
    Ok(Forecasters::new(
        names,
        models.collect::<anyhow::Result<_>>()?,
    )?)
}

/// The forecasters with what the flags say of the system.
pub(super) fn with_system(forecasters: Forecasters, system: System) -> anyhow::Result<Forecasters> {
    forecasters.with_system(system).map_err(|error| {
        let flag = match error {
            ForecastersError::NoReaderOfSimulator => "--simulator",
            ForecastersError::NoReaderOfPeriod => "--period",
            other => return other.into(),
        };
        anyhow::Error::from(error).context(flag)
    })
}

/// Ends the simulator once all is forecast, before anything is reported.
pub(super) fn finish(forecasters: &Forecasters) -> anyhow::Result<()> {
    forecasters.system().finish().context("--simulator")?;
    forecasters.models().iter().for_each(served::note_cost);
    Ok(())
}
