//! `statecast markov`: the chain that a model infers from a sequence of states.

mod text;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use ndarray::{Array2, s};
use serde::Serialize;

use super::endings::written_as;
use super::experts::{ExpertArguments, NameArguments, finish, load};
use super::input::{ModelArguments, RecordingArguments};
use super::outputs::Ending;
use super::progress::Progress;
use crate::analysis::{
    AtTemperature, Binning, Class, EncodedStates, LongRun, Sequence, Study, StudyConfig,
    WindowChain, at_temperatures, binned, chain_of_windows, labelled, study,
};
use crate::cli::terminal::tell;
use crate::codec::Scale;
use crate::forecast::{Forecaster, Language, Method, Settings, Temperature};
use crate::model::{ModelInfo, Work};
use crate::output::{Manifest, write_json};
use crate::plot::{MatrixFigure, NamedCurve, NamedMatrix};
use crate::recording::{MissingPolicy, RecordingError, RoleSelection, TimeAxis, read, read_labels};

/// Show a model a sequence of discrete states and read the Markov chain that it infers
///
/// The states are those of a column of whole numbers or labels, or the parts of a continuous channel (--states). The
/// laws of the next state are compared with the true matrix where that is given, else with the counted one, beside
/// simple rules: counts (transitions so far, Dirichlet's mean), frequencies (how often states came), staying (the
/// state stays as often as states did).
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
    #[arg(long, value_enum, default_value_t = CutsName::Width, requires = "states", help_heading = "States")]
    cuts: CutsName,
    /// The labels in their order on the axis, also those that do not come [default: those that come, sorted]
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
    /// Rows at the end over which laws are averaged and scored [default: a third of all]
    #[arg(long, value_name = "ROWS", help_heading = "Analysis")]
    last: Option<usize>,
    /// Permutations of the labels that the same sequence is shown under
    #[arg(
        long,
        default_value_t = 4,
        value_name = "COUNT",
        help_heading = "Analysis"
    )]
    relabellings: usize,
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

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CutsName {
    /// Into parts of equal width
    Width,
    /// So that all states come about as often
    Count,
}

/// Most permutations: each is a reading of the whole sequence.
const MAX_RELABELLINGS: usize = 100;

/// Most rows that are read.
const MAX_ROWS: usize = 10_000;

/// Most classes of windows that are written.
const MAX_CLASSES: usize = 100;

#[derive(Serialize)]
struct Found<'a> {
    input: String,
    models: Vec<ModelInfo>,
    experts: Vec<String>,
    settings: String,
    recalibrated: bool,
    first_row: usize,
    seed: u64,
    labels: &'a [String],
    sequence: &'a [usize],
    study: &'a Study,
    temperatures: &'a [AtTemperature],
    windows: Option<&'a Windows>,
}

/// What the chain over windows is like.
#[derive(Serialize)]
struct Windows {
    /// States of a window.
    window: usize,
    /// Number of windows.
    windows: usize,
    /// Sequences that are shorter than a window: left once and for all.
    transient: usize,
    /// How many classes there are along steps above `least`, and the largest of them.
    least: f64,
    class_count: usize,
    classes: Vec<ClassOfWindows>,
    /// Classes that are never left at all.
    closed: usize,
    /// The long run; none if there are several such classes, or if the stationary law was not found.
    long_run: Option<LongRun>,
    /// ε: the least probability of any window after as many steps as it has states.
    least_passage: f64,
}

#[derive(Serialize)]
struct ClassOfWindows {
    windows: usize,
    /// Whether its steps above `least` all stay in it.
    closed: bool,
    period: usize,
    /// A window of it, the oldest state first.
    first: Vec<String>,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    arguments.check()?;
    let settings = arguments.model.settings(Method::Vicl)?;
    let temperatures = arguments.compared()?;
    let (all, breaks) = arguments.coded()?;
    let states = all.labels.len();
    let truth = arguments.truth.as_deref().map(matrix).transpose()?;
    let name = arguments.experts.name(&arguments.model);
    let work = Work {
        channels: 1,
        rows: all.sequence.len(),
        paths: 1,
        horizon: 1,
    };
    let forecasters = load(std::slice::from_ref(&name), &arguments.model, work)?;
    let combining = arguments.uncertainty.combining();
    let predictor = forecasters.predictor(&name, settings, combining)?;
    let longest = Forecaster::of(predictor.clone(), settings).longest_context(1);
    let longest = longest.min(MAX_ROWS);
    let rows = all.sequence.len();
    arguments.recording.note_contexts(&[rows], longest);
    let rows = arguments.recording.context_rows(rows, longest);
    let first_row = all.sequence.len() - rows;
    let coded = EncodedStates {
        sequence: all.sequence[first_row..].to_vec(),
        ..all
    };
    ensure!(rows > 2, "{rows} row(s): laws need at least 3");
    let last = arguments.last.unwrap_or(rows / 3);
    ensure!(
        (1..rows).contains(&last),
        "--last {last}: needs 1 to {} of {rows} rows",
        rows - 1
    );
    let questions = StudyConfig {
        last,
        label_permutations: arguments.relabellings,
        seed: arguments.seed,
    };
    let kept = breaks.iter().filter_map(|row| row.checked_sub(first_row));
    let breaks: Vec<usize> = kept.filter(|&row| row > 0).collect();
    if !breaks.is_empty() {
        tell!(
            "note: {} transition(s) over gaps of the time are neither counted nor scored",
            breaks.len()
        );
    }
    let sequence = Sequence::new(&coded.sequence, states)?.with_breaks(&breaks);
    let progress = Progress::new("markov");
    let study = study(
        &predictor,
        settings,
        sequence,
        truth,
        &questions,
        &|share| progress.show(share),
    )?;
    drop(progress);
    let at = |&temperature: &Temperature| {
        let settings = Settings {
            temperature,
            ..settings
        };
        Ok((
            temperature,
            forecasters.predictor(&name, settings, combining)?,
        ))
    };
    let predictors: Vec<_> = temperatures.iter().map(at).collect::<anyhow::Result<_>>()?;
    let temperatures = at_temperatures(&predictors, settings, sequence, &study)?;
    let windows = match arguments.window {
        Some(window) => {
            let language = forecasters.language(settings)?;
            Some(arguments.windows(language, &coded.labels, window)?)
        }
        None => None,
    };
    finish(&forecasters)?;
    let mut ending = Ending::new(arguments.output.as_ref());
    if let Some(path) = &arguments.figure {
        ending.write(|| {
            arguments.figure(&study, &coded.labels).save(path)?;
            tell!("figure: {}", path.display());
            Ok(())
        });
    }
    let found = Found {
        input: arguments.recording.file.display().to_string(),
        models: forecasters.model_infos()?,
        experts: name.members().iter().map(ToString::to_string).collect(),
        settings: arguments.model.described(Method::Vicl),
        recalibrated: arguments.uncertainty.recalibrates(),
        first_row,
        seed: arguments.seed,
        labels: &coded.labels,
        sequence: &coded.sequence,
        study: &study,
        temperatures: &temperatures,
        windows: windows.as_ref(),
    };
    if let Some(output) = &arguments.output {
        ending.write(|| Ok(write_json(output, &Manifest::new("markov", &found))?));
    }
    let mut shown = text::notes(&study, &coded.labels);
    shown += &text::study(&study, &coded.labels);
    shown += &text::temperatures(&temperatures, &coded.labels);
    if let Some(windows) = &windows {
        shown += &text::windows(windows, &coded.labels);
    }
    ending.show(&shown)
}

impl Arguments {
    /// Checks what can be checked before anything is read.
    fn check(&self) -> anyhow::Result<()> {
        written_as(self.output.as_ref(), &["json"])?;
        written_as(self.figure.as_ref(), &["svg", "png"])?;
        ensure!(
            self.relabellings <= MAX_RELABELLINGS,
            "--relabellings {}: at most {MAX_RELABELLINGS}",
            self.relabellings
        );
        ensure!(
            (0.0..1.0).contains(&self.least),
            "--least {}: needs a probability below 1",
            self.least
        );
        ensure!(
            self.model.published_method() == Method::Vicl,
            "--method {}: states are one channel",
            self.model.published_method()
        );
        ensure!(
            self.model.settings(Method::Vicl)?.scale == Scale::MinMax,
            "--scale: states have places of their own on the axis"
        );
        if self.window.is_some() {
            ensure!(
                self.experts.is_empty() && !self.uncertainty.recalibrates(),
                "--window: only a model alone has a chain over windows, without --experts or --recalibrate"
            );
        }
        Ok(())
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

    /// The sequence of states, and its rows that do not follow the row before.
    fn coded(&self) -> anyhow::Result<(EncodedStates, Vec<usize>)> {
        let file = &self.recording.file;
        if let Some(column) = &self.label {
            let columns = &self.recording.columns;
            let (mut runs, roles) = read_labels(file, column, &columns.selection())?;
            tell!("label: {column}{}", roles.cuts());
            if let [label] = columns.selected() {
                runs.retain(|run| run.name == *label);
                ensure!(
                    !runs.is_empty(),
                    "{}: --select {label}: no such episode",
                    file.display()
                );
            }
            let [run] = runs.as_slice() else {
                bail!(
                    "{}: {} episodes; a chain does not run from one into the next, so choose one with --select",
                    file.display(),
                    runs.len()
                );
            };
            return labelled(&run.labels, &self.order)
                .map(|coded| (coded, run.breaks.clone()))
                .with_context(|| format!("{}, column {column}", file.display()));
        }
        let recording = self.recording.read().map_err(|error| {
            let words = error.downcast_ref().is_some_and(|error| {
                matches!(
                    error,
                    RecordingError::NoState { .. } | RecordingError::NotANumber { .. }
                )
            });
            match words {
                true => error.context("a column of words is named with --label"),
                false => error,
            }
        })?;
        let episodes = self.recording.episodes(&recording)?;
        let [episode] = episodes.as_slice() else {
            bail!(
                "{}: {} episodes; choose one with --select",
                file.display(),
                episodes.len()
            );
        };
        let [name] = recording.state_names() else {
            bail!(
                "{}: {} state columns ({}); choose one with --state",
                file.display(),
                recording.state_names().len(),
                recording.state_names().join(", ")
            );
        };
        let values = episode.states().column(0).to_vec();
        let coded = match self.states {
            Some(states) => {
                let cuts = match self.cuts {
                    CutsName::Width => Binning::EqualWidth,
                    CutsName::Count => Binning::EqualCount,
                };
                binned(&values, states, cuts)
            }
            None => {
                // Zero has no sign as a label.
                let labels = values.iter().map(|x| (x + 0.0).to_string());
                let labels: Vec<String> = labels.collect();
                labelled(&labels, &self.order)
            }
        };
        let breaks = episode.times().map(TimeAxis::breaks).unwrap_or_default();
        coded
            .map(|coded| (coded, breaks))
            .with_context(|| format!("{}, column {name}", file.display()))
    }

    fn windows(
        &self,
        language: Language,
        labels: &[String],
        window: usize,
    ) -> anyhow::Result<Windows> {
        let progress = Progress::new("windows");
        let states = labels.len();
        let chain = chain_of_windows(&language, states, window, &|share| progress.show(share))?;
        drop(progress);
        let stationary = chain.stationary();
        let class = |class: &Class| ClassOfWindows {
            windows: class.states.len(),
            closed: class.closed,
            period: class.period,
            first: spelled(&chain, class.states[0], labels),
        };
        let classes = chain.classes(self.least);
        let closed = chain.classes(0.0);
        Ok(Windows {
            window,
            windows: chain.windows(),
            transient: (0..window).map(|length| states.pow(length as u32)).sum(),
            least: self.least,
            class_count: classes.len(),
            classes: classes.iter().take(MAX_CLASSES).map(class).collect(),
            closed: closed.iter().filter(|class| class.closed).count(),
            long_run: stationary.map(|law| chain.long_run(&law)),
            least_passage: chain.least_passage(),
        })
    }

    fn figure(&self, study: &Study, labels: &[String]) -> MatrixFigure {
        let file = self.recording.file.file_name().unwrap_or_default();
        let judge = match study.truth_is_known {
            true => "true matrix",
            false => "counted matrix",
        };
        let mut curves = Vec::new();
        for (number, rule) in study.rules.iter().enumerate() {
            if rule.name == "truth" {
                continue;
            }
            let points: Vec<_> = rule
                .curve
                .iter()
                .map(|d| (d.context, d.total_variation))
                .collect();
            let fit = rule.power_law.filter(|_| number < 2);
            curves.push(NamedCurve {
                name: rule.name.clone(),
                fitted: false,
                points: points.clone(),
                number,
            });
            curves.extend(fit.map(|law| {
                NamedCurve {
                    name: format!("{:.2} context^{:.2}", law.scale, -law.exponent),
                    points: points
                        .iter()
                        .map(|p| (p.0, law.scale * p.0.powf(-law.exponent)))
                        .collect(),
                    fitted: true,
                    number,
                }
            }));
        }
        MatrixFigure {
            title: format!("Chain inferred from {}", file.to_string_lossy()),
            subtitle: format!(
                "{}; {} rows, laws of the last {}; distances from the {judge}",
                study.rules[0].name, study.rows, study.last
            ),
            labels: labels.to_vec(),
            matrices: study
                .chains
                .iter()
                .map(|chain| NamedMatrix {
                    name: chain.name.clone(),
                    matrix: chain.matrix.clone(),
                })
                .collect(),
            distance: "total variation".to_owned(),
            curves,
        }
    }
}

/// The labels of a window's states.
fn spelled(chain: &WindowChain, window: usize, labels: &[String]) -> Vec<String> {
    let states = chain.window_states(window).into_iter();
    states.map(|state| labels[state].clone()).collect()
}

/// A matrix of numbers from a file.
fn matrix(path: &Path) -> anyhow::Result<Array2<f64>> {
    let selection = RoleSelection {
        state: vec!["*".to_owned()],
        ..RoleSelection::default()
    };
    let (recording, _) = read(path, &selection, MissingPolicy::Error)
        .with_context(|| format!("--truth {}", path.display()))?;
    let [episode] = recording.episodes() else {
        bail!("--truth {}: several tables", path.display());
    };
    Ok(episode.states().slice(s![.., ..]).to_owned())
}
