//! Checkpoints on disk, without their weights loaded.

use std::path::{Path, PathBuf};

use tokenizers::Tokenizer;

#[cfg(feature = "served")]
use super::ServedError;
use super::gguf::GgufFile;
use super::hinted::HintsCheckpoint;
use super::source::READING;
use super::{
    Architecture, Device, ModelError, ModelSource, ModelWeights, ServerAddress, read,
    tokenizer_file,
};
use crate::codec::{PromptFormat, TokenTable};

const CONFIG: &[u8] = include_bytes!("../../models/builtin/config.json");
const TOKENIZER: &[u8] = include_bytes!("../../models/builtin/tokenizer.json");
const WEIGHTS: &[&[u8]] = &[include_bytes!("../../models/builtin/model.safetensors")];

const HINTS_CONFIG: &[u8] = include_bytes!("../../models/hints/config.json");
const HINTS_SETTINGS: &[u8] = include_bytes!("../../models/hints/reading.json");
const HINTS_WEIGHTS: &[&[u8]] = &[
    include_bytes!("../../models/hints/model.safetensors"),
    include_bytes!("../../models/hints/reading.safetensors"),
];

/// Number format in which weights are kept and products are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Precision of the file: quantised weights of GGUF files stay quantised, and their products
    /// may round the activations to eight bits; BF16 weights stay BF16 on processors that multiply
    /// BF16, with activations of sixteen bits of precision; all else is 32-bit floats.
    #[default]
    Auto,
    /// 32-bit floats for any file.
    F32,
    /// 16-bit brain floats, weights and activations: twice as fast and half the memory where the
    /// device multiplies BF16, less exact; norms, softmax and, on processors, all sums are in 32
    /// bits.
    Bf16,
}

/// A model's configuration, tokenizer and the headers of its weights.
pub struct Checkpoint {
    /// Location.
    pub source: ModelSource,
    /// Architecture of its config.json.
    pub architecture: Architecture,
    /// Tokenizer, without padding and truncation.
    pub tokenizer: Tokenizer,
    /// Tensors, not loaded yet.
    pub weights: ModelWeights,
    /// Configuration of hints, if any.
    pub(super) hints: Option<HintsCheckpoint>,
}

/// True if a folder may contain a model in Hugging Face layout.
fn check_folder(folder: &Path) -> Result<(), ModelError> {
    if folder.is_file() {
        return Err(ModelError::NoModel(folder.to_owned()));
    }
    if !folder.is_dir() {
        return Err(ModelError::NoFolder(folder.to_owned()));
    }
    if folder.join("config.json").exists() {
        return Ok(());
    }
    let inside = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_gguf = |path: &PathBuf| {
        path.extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("gguf"))
    };
    match inside.map(|entry| entry.path()).filter(is_gguf).min() {
        Some(file) => Err(ModelError::GgufInside {
            folder: folder.to_owned(),
            file,
        }),
        None => Ok(()),
    }
}

impl Checkpoint {
    /// Opens a model, fetched from the hub if it is not in the cache.
    ///
    /// # Errors
    /// Any [`ModelError`]; the message names the file.
    pub fn open(
        source: &ModelSource,
        precision: Precision,
        device: Device,
    ) -> Result<Self, ModelError> {
        let device = &device.open()?;
        let (architecture, tokenizer, weights, hints) = match &source.local(&|_| ())? {
            ModelSource::Builtin => (
                Architecture::parse("bundled config.json", CONFIG)?,
                tokenizer_file::parse("bundled tokenizer.json", TOKENIZER)?,
                ModelWeights::embedded(WEIGHTS, precision, device)?,
                Some(HintsCheckpoint::with_decoder(
                    ("bundled hints/reading.json", HINTS_SETTINGS),
                    ("bundled hints/config.json", HINTS_CONFIG),
                    ModelWeights::embedded(HINTS_WEIGHTS, precision, device)?,
                )?),
            ),
            ModelSource::Folder(folder) => {
                check_folder(folder)?;
                let (config, name) = read(&folder.join("config.json"))?;
                let config = Architecture::parse(&name, &config)?;
                let tokenizer = tokenizer_file::read_tokenizer(&folder.join("tokenizer.json"))?;
                let settings = folder.join(READING);
                let settings = settings.exists().then(|| read(&settings)).transpose()?;
                let hints = settings.map(|(text, name)| HintsCheckpoint::parse(&name, &text));
                (
                    config,
                    tokenizer,
                    ModelWeights::folder(folder, precision, device)?,
                    hints.transpose()?,
                )
            }
            ModelSource::Gguf(path) => {
                let file = GgufFile::open(path)?;
                let beside = path.with_file_name("tokenizer.json");
                let tokenizer = if beside.exists() {
                    tokenizer_file::read_tokenizer(&beside)?
                } else {
                    file.tokenizer()?
                };
                let config = Architecture::Described(Box::new(file.config()?));
                let weights = ModelWeights::gguf(file, path, precision, device);
                (config, tokenizer, weights, None)
            }
            ModelSource::Served(address) => return Err(no_checkpoint(address)),
            // What is local is none of these.
            ModelSource::Hub(model) => {
                return Err(ModelError::NoFolder(model.to_string().into()));
            }
        };
        architecture
            .fits(weights.elements())
            .map_err(|reason| ModelError::Config {
                file: source.to_string(),
                reason,
            })?;
        Ok(Self {
            source: source.clone(),
            architecture,
            tokenizer,
            weights,
            hints,
        })
    }

    /// Number formats of all tensors, each with how many elements are kept in it, most first; those
    /// of a decoder of hints are among them.
    pub fn formats(&self) -> Vec<(String, u64)> {
        let mut formats = self.weights.formats();
        let hints = self.hints.as_ref().and_then(HintsCheckpoint::weights);
        for (format, elements) in hints.map(ModelWeights::formats).unwrap_or_default() {
            match formats.iter_mut().find(|(known, _)| *known == format) {
                Some((_, count)) => *count += elements,
                None => formats.push((format, elements)),
            }
        }
        formats.sort_by_key(|(_, elements)| std::cmp::Reverse(*elements));
        formats
    }

    /// Elements of all tensors, those of a decoder of hints among them.
    pub fn elements(&self) -> u64 {
        self.formats().iter().map(|(_, elements)| elements).sum()
    }

    /// The tokens that write numbers, by the first of the formats that the tokenizer supports.
    ///
    /// # Errors
    /// [`ModelError::Codec`] if it supports none.
    pub fn tokens(&self, formats: &[PromptFormat]) -> Result<TokenTable, ModelError> {
        Ok(TokenTable::choose(&self.tokenizer, formats)?)
    }
}

/// The error of a checkpoint that is asked of a server.
#[cfg(feature = "served")]
fn no_checkpoint(address: &ServerAddress) -> ModelError {
    let server = address.to_string();
    let what = "a checkpoint";
    ServedError::NoWeights { server, what }.into()
}

#[cfg(not(feature = "served"))]
fn no_checkpoint(address: &ServerAddress) -> ModelError {
    super::load::not_served(address)
}
