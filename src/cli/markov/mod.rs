//! `statecast markov`: the chain that a model infers from a sequence of states.

mod states;
mod text;

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use clap::builder::TypedValueParser;
use serde::Serialize;

use super::choices::choice;
use super::endings::written_as;
use super::experts::{ExpertArguments, NameArguments, finish, load};
use super::input::RecordingArguments;
use super::model_arguments::ModelArguments;
use super::outputs::{Ending, file_name};
use crate::analysis::Binning;
use crate::cli::terminal::Terminal;
use crate::forecast::{Method, Temperature};
use crate::model::{ModelInfo, Work};
use crate::output::{Manifest, write_json};
use crate::plot::MatrixFigure;
use crate::study::markov::read_matrix;
use crate::study::{Markov, MarkovSettings, MarkovStudyError};

/// Show a model a sequence of discrete states and read the Markov chain that it infers
///
/// States are the values of a column of whole numbers or labels, or the bins of a continuous channel (--states). The
/// distributions of the next state are compared with the true matrix if it is given, else with the counted one, beside
/// simple rules: counts (transitions so far, Dirichlet's mean), frequencies (how often each state occurred), staying
/// (the state stays as often as states did).
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    statecast markov weather.csv --label sky\n  \
    statecast markov chain.csv --state s --truth matrix.csv --figure chain.svg\n  \
    statecast markov run.csv --state x --states 8 --context 900 --output chain.json\n  \
    statecast markov chain.csv --state s --window 4     # the model's own chain over windows of 4 states")]
pub(super) struct Arguments {
    #[command(flatten)]
    recording: RecordingArguments,
    /// Column of labels, words or numbers
    #[arg(
        long,
        value_name = "COLUMN",
        conflicts_with_all = ["state", "action", "reward", "missing", "missing_value"],
        help_heading = "States"
    )]
    label: Option<String>,
    /// Cut the state column into so many states
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["label", "order"], help_heading = "States")]
    states: Option<usize>,
    /// Where --states cuts
    #[arg(long, value_parser = cuts(), default_value = "width", requires = "states", help_heading = "States")]
    cuts: Binning,
    /// The labels in their order on the axis, also those that do not occur [default: those that occur, sorted]
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "LABELS",
        help_heading = "States"
    )]
    order: Vec<String>,
    /// File with the true transition matrix: a row a state, in their order (CSV, NPY, NPZ or Parquet)
    #[arg(long, value_name = "FILE", help_heading = "Analysis")]
    truth: Option<PathBuf>,
    /// Rows at the end over which distributions are averaged and scored [default: a third of all]
    #[arg(long, value_name = "ROWS", help_heading = "Analysis")]
    last: Option<usize>,
    /// Permutations of the labels under which the same sequence is read
    #[arg(
        long,
        alias = "relabellings",
        default_value_t = 4,
        value_name = "COUNT",
        help_heading = "Analysis"
    )]
    label_permutations: usize,
    /// Temperatures to compare; none for no comparison
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "0.5,1,2",
        value_name = "VALUES",
        help_heading = "Analysis"
    )]
    temperatures: Vec<String>,
    /// Also analyse the model's exact chain over windows of so many states, with nothing before them
    #[arg(long, value_name = "STATES", help_heading = "Analysis")]
    window: Option<usize>,
    /// Probability above which a step of the chain over windows joins their classes
    #[arg(
        long,
        default_value_t = 0.01,
        requires = "window",
        value_name = "PROBABILITY",
        help_heading = "Analysis"
    )]
    least: f64,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    experts: NameArguments,
    #[command(flatten)]
    uncertainty: ExpertArguments,
    /// Seed of the permutations
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// File to write with all numbers (.json)
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Figure to draw (.svg or .png): matrices side by side, distances against context
    #[arg(long)]
    figure: Option<PathBuf>,
}

fn cuts() -> impl TypedValueParser<Value = Binning> {
    choice([
        ("width", "Into bins of equal width", Binning::EqualWidth),
        (
            "count",
            "So that all states occur about equally often",
            Binning::EqualCount,
        ),
    ])
}

/// What was asked for and the result.
#[derive(Serialize)]
struct Run<'a> {
    input: String,
    models: Vec<ModelInfo>,
    experts: Vec<String>,
    settings: String,
    recalibrated: bool,
    #[serde(flatten)]
    result: &'a Markov,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    written_as(arguments.output.as_ref(), &["json"])?;
    written_as(arguments.figure.as_ref(), &["svg", "png"])?;
    let mut settings = arguments.settings()?;
    let name = settings.forecaster.clone();
    settings.check()?;
    if settings.window.is_some() && !arguments.experts.is_empty() {
        return Err(MarkovStudyError::Window.into());
    }
    settings.temperatures = arguments.compared()?;
    let states = arguments.states()?;
    settings.truth = arguments.truth.as_deref().map(read_matrix).transpose()?;
    let work = Work {
        channels: 1,
        rows: states.rows(),
        paths: 1,
        horizon: 1,
    };
    let forecasters = load(std::slice::from_ref(&name), &arguments.model, work)?;
    let terminal = Terminal::new("markov");
    let result = Markov::run(&states, &forecasters, &settings, &terminal)?;
    drop(terminal);
    finish(&forecasters)?;
    let mut ending = Ending::new(arguments.output.as_ref());
    if let Some(path) = &arguments.figure {
        let source = file_name(&arguments.recording.file);
        ending.figure(path, || {
            MatrixFigure::of_chains(&result, &source).save(path)
        });
    }
    if let Some(output) = &arguments.output {
        let run = Run {
            input: arguments.recording.file.display().to_string(),
            models: forecasters.model_infos()?,
            experts: name.members().iter().map(ToString::to_string).collect(),
            settings: arguments.model.described(Method::Vicl),
            recalibrated: settings.combining.recalibrated,
            result: &result,
        };
        ending.write(|| Ok(write_json(output, &Manifest::new("markov", &run))?));
    }
    ending.show(&text::text(&result))
}

impl Arguments {
    /// What is read, but for the true matrix and the temperatures to compare.
    fn settings(&self) -> anyhow::Result<MarkovSettings> {
        let mut settings = MarkovSettings::default();
        settings.forecaster = self.experts.name(&self.model);
        settings.forecast = self.model.settings(self.model.published_method())?;
        settings.combining = self.uncertainty.combining();
        settings.context = self.recording.context;
        settings.last = self.last;
        settings.label_permutations = self.label_permutations;
        settings.seed = self.seed;
        settings.window = self.window;
        settings.least = self.least;
        Ok(settings)
    }

    fn compared(&self) -> anyhow::Result<Vec<Temperature>> {
        let values = self.temperatures.iter().filter(|text| *text != "none");
        let temperature = |text: &String| {
            let value: f64 = text
                .trim()
                .parse()
                .with_context(|| format!("--temperatures {text}: no number"))?;
            Ok(Temperature::new(value)?)
        };
        values.map(temperature).collect()
    }
}
