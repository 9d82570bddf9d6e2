//! Arguments of the model and the method that forecasting commands share, and how the model is loaded.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};
use clap::Args;
use clap::builder::TypedValueParser;

use super::choices::choice;
use super::progress::Progress;
use super::served;
use crate::cli::terminal::tell;
use crate::codec::{PromptFormat, Scale, builtin_formats};
use crate::disentangle::Components;
use crate::forecast::{Method, Settings, Temperature, Tolerance};
use crate::model::{
    Checkpoint, Device, FetchProgress, FetchStep, MemoryNeed, Model, ModelSource, Precision, Work,
    bytes, free_memory,
};
use crate::recording::Recording;

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

fn tolerance(text: &str) -> Result<Tolerance, String> {
    let tolerance = text.parse().ok().and_then(Tolerance::new);
    tolerance.ok_or_else(|| "a tolerance is a probability from 0 to 1".to_owned())
}
