//! Arguments that all forecasting commands share: the recording, the model, the method.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use clap::builder::TypedValueParser;

use super::choices::choice;
use super::progress::Progress;
use super::served;
use crate::cli::terminal::tell;
use crate::codec::{PromptFormat, Scale, builtin_formats};
use crate::disentangle::Components;
use crate::forecast::{Method, Settings, Temperature, Tolerance, Variables};
use crate::model::{
    Checkpoint, Device, FetchProgress, FetchStep, MemoryNeed, Model, ModelSource, Precision, Work,
    bytes, free_memory,
};
use crate::recording::{
    self, Duplicates, Episode, MissingPolicy, Recording, RecordingError, RoleSelection,
};
use crate::study::FilledRecording;

#[derive(Debug, Args)]
#[command(next_help_heading = "Recording")]
pub(super) struct RecordingArguments {
    /// Recording file: CSV, JSON, TSF, NPZ, NPY, Parquet, Arrow, HDF5 or MAT, or a folder of such files, an episode
    /// each; '-' for standard input
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) columns: Columns,
    /// Rows of context, the last ones of an episode [default: all; without --method residual as many as
    /// fit into the model's window. With it experts read all rows, the model the last ones]
    #[arg(long, value_name = "ROWS")]
    pub(super) context: Option<usize>,
}

/// Which columns of a recording mean what, and which of its episodes are meant.
#[derive(Debug, Args)]
#[command(next_help_heading = "Recording")]
pub(super) struct Columns {
    /// State columns, names or globs [default: guessed]
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS")]
    state: Vec<String>,
    /// Action columns, names or globs [default: guessed]
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS")]
    action: Vec<String>,
    /// Columns of words that are states too, names or globs: levels such as open and closed, at most 20 a column. Each word is a
    /// state of 0 and 1; forecast tells the probability of each
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS")]
    levels: Vec<String>,
    /// Reward column [default: guessed]
    #[arg(long, value_name = "COLUMN")]
    reward: Option<String>,
    /// Column that labels the episodes [default: guessed]
    #[arg(long, value_name = "COLUMN")]
    episode: Option<String>,
    /// Column that says when rows were recorded, or 'none' to read them in the order of the file
    /// [default: guessed]
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
    /// What to do with rows of one time in one episode
    #[arg(long, value_parser = duplicates(), default_value = "error")]
    duplicates: Duplicates,
    /// Only these episodes, by label
    #[arg(long, value_delimiter = ',', value_name = "LABELS")]
    select: Vec<String>,
    /// What to do with missing values, NaN and infinities [default: model in forecast, otherwise error]
    #[arg(long, value_parser = missing())]
    missing: Option<MissingPolicy>,
    /// Number that stands for a missing value, such as -999; may be given again
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    missing_value: Vec<f64>,
    /// Encoding of a text file, such as latin1 or utf-16le [default: utf-8, or what its first bytes say]
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,
}

/// What becomes of rows of one time.
pub(super) fn duplicates() -> impl TypedValueParser<Value = Duplicates> {
    choice([
        ("error", "Stop and name two of them", Duplicates::Error),
        ("last", "Keep the one written last", Duplicates::Last),
        ("mean", "Take their mean", Duplicates::Mean),
    ])
}

fn missing() -> impl TypedValueParser<Value = MissingPolicy> {
    choice([
        ("error", "Stop and name the place", MissingPolicy::Error),
        (
            "hold",
            "Repeat the column's last value",
            MissingPolicy::Hold,
        ),
        (
            "model",
            "Fill states by a model of the recording, from both sides; hold actions and rewards",
            MissingPolicy::Model { held_out: 0 },
        ),
    ])
}

impl Columns {
    /// Which columns mean what.
    pub(super) fn selection(&self) -> RoleSelection {
        RoleSelection {
            state: self.state.clone(),
            action: self.action.clone(),
            levels: self.levels.clone(),
            reward: self.reward.clone(),
            episode: self.episode.clone(),
            time: self.time.clone(),
            duplicates: self.duplicates,
            encoding: self.encoding.clone(),
            missing_values: self.missing_value.clone(),
            transitions: false,
        }
    }

    /// The column of the time, if it was chosen.
    pub(super) fn time(&self) -> Option<&str> {
        self.time.as_deref()
    }

    /// The labels of the episodes asked for, none for all.
    pub(super) fn selected(&self) -> &[String] {
        &self.select
    }

    /// Reads a file and says on standard error which column was taken for what.
    pub(super) fn read(&self, file: &Path) -> anyhow::Result<Recording> {
        self.read_with(file, false)
    }

    /// The same, for rows that forecasts are scored on.
    pub(super) fn read_scored(&self, file: &Path) -> anyhow::Result<Recording> {
        let policy = self.missing.unwrap_or_default();
        let (recording, filled) = self.read_under(policy, file, false)?;
        if filled > 0 {
            tell!(
                "warning: filled values are scored as if they had been observed, and know rows after them"
            );
        }
        Ok(recording)
    }

    /// Has missing values filled by a model, unless something else is asked for.
    pub(super) fn fill_by_default(&mut self) {
        self.missing
            .get_or_insert(MissingPolicy::Model { held_out: 0 });
    }

    /// The same, of a file whose last rows of every episode no filled value may know.
    fn read_held_out(&self, file: &Path, held_out: usize) -> anyhow::Result<Recording> {
        let policy = match self.missing.unwrap_or_default() {
            MissingPolicy::Model { .. } => MissingPolicy::Model { held_out },
            other => other,
        };
        Ok(self.read_under(policy, file, false)?.0)
    }

    /// The same, with the states after the last steps and the log densities of the actions.
    pub(super) fn read_transitions(&self, file: &Path) -> anyhow::Result<Recording> {
        self.read_with(file, true)
    }

    /// The same, of the episodes that are selected.
    pub(super) fn read_selected_transitions(&self, file: &Path) -> anyhow::Result<Recording> {
        let recording = self.read_transitions(file)?;
        self.episodes(file, &recording)?;
        match self.select.as_slice() {
            [] => Ok(recording),
            labels => recording.only(labels).map_err(anyhow::Error::from),
        }
    }

    fn read_with(&self, file: &Path, transitions: bool) -> anyhow::Result<Recording> {
        let policy = self.missing.unwrap_or_default();
        Ok(self.read_under(policy, file, transitions)?.0)
    }

    /// Reads a file, fills what is missing of the episodes that are selected and says on standard error what.
    pub(super) fn fill(&self, file: &Path) -> anyhow::Result<FilledRecording> {
        let filled = FilledRecording::read(file, &self.selection())?;
        tell!("{}", filled.roles);
        self.episodes(file, &filled.recording)?;
        Ok(filled.only(&self.select))
    }

    /// The recording, and how many of its states were filled.
    fn read_under(
        &self,
        policy: MissingPolicy,
        file: &Path,
        transitions: bool,
    ) -> anyhow::Result<(Recording, usize)> {
        let selection = RoleSelection {
            transitions,
            ..self.selection()
        };
        let (recording, roles) = recording::read(file, &selection, policy)
            .map_err(|error| with_remedy(error, file, &selection))?;
        tell!("{roles}");
        Variables::check_count(recording.state_names().len())
            .with_context(|| file.display().to_string())?;
        Ok((recording, roles.filled))
    }

    /// The episodes asked for.
    pub(super) fn episodes<'t>(
        &self,
        file: &Path,
        recording: &'t Recording,
    ) -> anyhow::Result<Vec<&'t Episode>> {
        let all = recording.episodes();
        if self.select.is_empty() {
            return Ok(all.iter().collect());
        }
        self.select
            .iter()
            .map(|label| {
                all.iter().find(|e| e.name() == label).with_context(|| {
                    let names: Vec<&str> = all.iter().take(20).map(Episode::name).collect();
                    format!(
                        "{}: --select {label}: no such episode; they are called {}",
                        file.display(),
                        names.join(", ")
                    )
                })
            })
            .collect()
    }
}

impl RecordingArguments {
    /// Reads the file and says on standard error which column was taken for what.
    pub(super) fn read(&self) -> anyhow::Result<Recording> {
        self.columns.read(&self.file)
    }

    /// The same, for rows that forecasts are scored on.
    pub(super) fn read_scored(&self) -> anyhow::Result<Recording> {
        self.columns.read_scored(&self.file)
    }

    /// The same, where no filled value may know the last rows of every episode.
    pub(super) fn read_held_out(&self, held_out: usize) -> anyhow::Result<Recording> {
        self.columns.read_held_out(&self.file, held_out)
    }

    /// The episodes asked for.
    pub(super) fn episodes<'t>(
        &self,
        recording: &'t Recording,
    ) -> anyhow::Result<Vec<&'t Episode>> {
        self.columns.episodes(&self.file, recording)
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Model and method")]
pub(super) struct ModelArguments {
    /// 'builtin', a folder in Hugging Face layout, a GGUF file, ORG/NAME[@REVISION] of the hub, or
    /// http://HOST:PORT/v1#NAME of a server
    #[arg(long, default_value = "builtin")]
    model: ModelSource,
    /// tokenizer.json or GGUF file of a model that is served [default: the server's own tokenizer]
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// Prompt format: number, value, digit, spaced-digit, llmtime or a TOML file [default: what the tokenizer supports]
    #[arg(long, value_name = "NAME|FILE")]
    prompt: Option<String>,
    /// Precision of weights and products
    #[arg(long, value_parser = precision(), default_value = "auto")]
    precision: Precision,
    /// Where to compute
    #[arg(long, value_parser = device(), default_value = "cpu")]
    device: Device,
    /// How variables become channels: residual (each as what online experts of all channels and actions
    /// leave over), vicl (each alone), dicl-s (PCA of states), dicl-sa (PCA of states and actions)
    /// [default: residual for models that were trained to read what experts say, as builtin; else vicl]
    #[arg(long)]
    method: Option<Method>,
    /// Principal components kept: a count, a share of the variance such as 0.95, or 'all'
    #[arg(long, default_value_t = Components::All)]
    components: Components,
    /// Axis of a channel: minmax of the context, known limits LOW,HIGH, or none if values lie on [0, 10)
    #[arg(long, default_value_t = Scale::MinMax, allow_hyphen_values = true)]
    scale: Scale,
    /// Divisor of the logits: below 1 narrower, above 1 wider
    #[arg(long, default_value_t = 1.0)]
    temperature: f64,
    /// Greatest error of the cumulated probability of numbers that the model writes digit by digit: beginnings with less
    /// are not read on
    #[arg(long, value_name = "PROBABILITY", default_value_t = Tolerance::default(), value_parser = tolerance)]
    tolerance: Tolerance,
    /// Read every beginning of such numbers: no such error
    #[arg(long, conflicts_with = "tolerance")]
    exact: bool,
    /// Forecast the reward too
    #[arg(long)]
    pub(super) with_reward: bool,
}

fn precision() -> impl TypedValueParser<Value = Precision> {
    choice([
        (
            "auto",
            "32-bit floats; quantised weights of GGUF files stay quantised",
            Precision::Auto,
        ),
        (
            "f32",
            "32-bit floats, also for quantised weights",
            Precision::F32,
        ),
        ("bf16", "16-bit brain floats", Precision::Bf16),
    ])
}

fn device() -> impl TypedValueParser<Value = Device> {
    choice([
        ("cpu", "The processor", Device::Cpu),
        (
            "cuda",
            "An NVIDIA GPU (cargo feature 'cuda')",
            Device::Cuda(0),
        ),
        (
            "metal",
            "An Apple GPU (cargo feature 'metal')",
            Device::Metal(0),
        ),
    ])
}

impl ModelArguments {
    /// The model asked for.
    pub(super) fn source(&self) -> &ModelSource {
        &self.model
    }

    /// The method asked for, or the one that suits the model.
    pub(super) fn method(&self) -> Method {
        let suits = match self.model.reads_hints() {
            true => Method::Residual,
            false => Method::Vicl,
        };
        self.method.unwrap_or(suits)
    }

    /// The method asked for, or that of the published method.
    pub(super) fn published_method(&self) -> Method {
        self.method.unwrap_or(Method::Vicl)
    }

    /// True if a method is asked for.
    pub(super) fn names_method(&self) -> bool {
        self.method.is_some()
    }

    /// The settings that change forecasts, as words: the method and what is not as it is by default.
    pub(super) fn described(&self, method: Method) -> String {
        // The first of several devices is the only one that can be chosen.
        let device = self.device.to_string().trim_end_matches(" 0").to_owned();
        let settings = [
            (
                "components",
                self.components.to_string(),
                Components::All.to_string(),
            ),
            ("scale", self.scale.to_string(), Scale::MinMax.to_string()),
            ("temperature", self.temperature.to_string(), 1.0.to_string()),
            (
                "prompt",
                self.prompt.clone().unwrap_or_default(),
                String::new(),
            ),
            ("precision", self.precision(), "auto".to_owned()),
            ("device", device, "cpu".to_owned()),
            (
                "tolerance",
                self.tolerance().to_string(),
                Tolerance::default().to_string(),
            ),
        ];
        let given = settings
            .into_iter()
            .filter(|(_, value, default)| value != default);
        let words = given.map(|(name, value, _)| format!("{name} {value}"));
        [method.to_string()]
            .into_iter()
            .chain(words)
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Checks that there is a reward to forecast where one is asked for.
    pub(super) fn check_reward(&self, file: &Path, recording: &Recording) -> anyhow::Result<()> {
        ensure!(
            !self.with_reward || recording.reward_name().is_some(),
            "{}: --with-reward has no effect: there is no reward column; name it with --reward",
            file.display()
        );
        Ok(())
    }

    /// Loads a model for a forecast of some size, and says what that takes of the memory.
    pub(super) fn load(&self, source: &ModelSource, work: Work) -> anyhow::Result<Model> {
        if let ModelSource::Served(address) = source {
            let tokenizer = self.tokenizer.as_deref();
            return Ok(served::load(address, tokenizer, &self.formats()?, work)?);
        }
        let mut checkpoint = Checkpoint::open(&fetched(source)?, self.precision, self.device)?;
        checkpoint.source = source.clone();
        let tokens = checkpoint.tokens(&self.formats()?)?;
        let need = MemoryNeed::of(&checkpoint, &tokens, work);
        if *source != ModelSource::Builtin {
            report_memory(&checkpoint, &need);
        }
        warn_of_memory(&need);
        Ok(Model::of(checkpoint, tokens)?)
    }

    /// Name of the precision, for manifests.
    pub(super) fn precision(&self) -> String {
        let name = match self.precision {
            Precision::Auto => "auto",
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
        };
        name.to_owned()
    }

    fn formats(&self) -> anyhow::Result<Vec<PromptFormat>> {
        let known = builtin_formats()?;
        let Some(wanted) = &self.prompt else {
            return Ok(known);
        };
        if let Some(format) = known.iter().find(|f| f.name == *wanted) {
            return Ok(vec![format.clone()]);
        }
        if !wanted.contains(['.', '/', '\\']) {
            let names: Vec<&str> = known.iter().map(|f| f.name.as_str()).collect();
            bail!(
                "--prompt {wanted}: no such format; use {} or a file",
                names.join(", ")
            );
        }
        Ok(vec![PromptFormat::read(wanted.as_ref())?])
    }

    pub(super) fn settings(&self, method: Method) -> anyhow::Result<Settings> {
        Ok(Settings {
            method,
            components: self.components,
            scale: self.scale,
            temperature: Temperature::new(self.temperature)?,
            tolerance: self.tolerance(),
            ..Settings::default()
        })
    }

    fn tolerance(&self) -> Tolerance {
        match self.exact {
            true => Tolerance::EXACT,
            false => self.tolerance,
        }
    }
}

fn report_memory(checkpoint: &Checkpoint, need: &MemoryNeed) {
    let free = free_memory();
    let of_free = free.map_or(String::new(), |free| format!(" of {} free", bytes(free)));
    tell!(
        "model: {}, {:.1} million parameters; memory: {need}{of_free}",
        checkpoint.architecture.family(),
        checkpoint.elements() as f64 / 1e6
    );
    if checkpoint.architecture.described().is_none() {
        tell!(
            "note: this architecture is read token by token, path by path: the slow way; use few \
             --samples"
        );
    }
}

/// Warns if a forecast takes more memory than there is.
fn warn_of_memory(need: &MemoryNeed) {
    if free_memory().is_some_and(|free| need.total() > free) {
        tell!(
            "warning: this takes more memory than is free; use a smaller model, --precision bf16, a \
             quantised GGUF file, fewer --samples or a shorter --context"
        );
    }
}

/// The model where it lies on this machine, fetched with a progress bar a file if need be.
pub(super) fn fetched(source: &ModelSource) -> anyhow::Result<ModelSource> {
    Ok(with_fetch_progress(|progress| source.local(progress))?)
}

/// Runs something that fetches files, with a progress bar for each.
pub(super) fn with_fetch_progress<T>(fetch: impl FnOnce(FetchProgress) -> T) -> T {
    let bar: RefCell<Option<(String, Progress)>> = RefCell::new(None);
    let waited = Cell::new(false);
    fetch(&|step| match step {
        FetchStep::Waiting(file) => {
            if !waited.replace(true) {
                tell!("note: another process fetches {file} of this model; waiting for it");
            }
        }
        FetchStep::Got { file, bytes, size } => {
            let mut bar = bar.borrow_mut();
            if bar.as_ref().is_none_or(|(name, _)| name != file) {
                *bar = Some((file.to_owned(), Progress::new(file)));
            }
            if let Some((_, progress)) = bar.as_ref() {
                progress.show(bytes as f64 / size.max(1) as f64);
            }
        }
    })
}

/// An error at the first gap of a file, with the flag that would fill all of them, or at the gap that it could not fill.
fn with_remedy(error: RecordingError, file: &Path, selection: &RoleSelection) -> anyhow::Error {
    let gap = matches!(error, RecordingError::Missing { .. });
    match gap.then(|| recording::read(file, selection, MissingPolicy::Hold)) {
        Some(Ok((_, roles))) if roles.held > 0 => {
            let gaps = match roles.held {
                1 => "the only gap".to_owned(),
                count => format!("the first of {count} gaps"),
            };
            anyhow::anyhow!("{error} with --missing model or --missing hold; it is {gaps}")
        }
        // Of the first row the error itself says so.
        Some(Err(nothing @ RecordingError::NothingToHold { row: 2.., .. })) => nothing.into(),
        _ => error.into(),
    }
}

fn tolerance(text: &str) -> Result<Tolerance, String> {
    let tolerance = text.parse().ok().and_then(Tolerance::new);
    tolerance.ok_or_else(|| "a tolerance is a probability from 0 to 1".to_owned())
}
