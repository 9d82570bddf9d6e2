//! From what the user names to a model that is ready to read numbers.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use candle_core::{DType, Device};

use super::gguf::GgufFile;
use super::tokenizer_file;
use super::{
    Decoder, DecoderConfig, FetchProgress, Hub, HubModel, ModelError, NumberHead, Weights,
};
use crate::codec::{PromptFormat, TokenTable};

/// Name of the checkpoint that is part of the program.
pub const BUILTIN: &str = "builtin";

const CONFIG: &[u8] = include_bytes!("../../models/builtin/config.json");
const TOKENIZER: &[u8] = include_bytes!("../../models/builtin/tokenizer.json");
const WEIGHTS: &[u8] = include_bytes!("../../models/builtin/model.safetensors");

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// The checkpoint that is part of the program.
    Builtin,
    /// A folder in Hugging Face layout.
    Folder(PathBuf),
    /// A GGUF file.
    Gguf(PathBuf),
    /// A model of the Hugging Face hub.
    Hub(HubModel),
}

impl ModelSource {
    /// The same model where it lies on this machine, fetched if it is one of the hub's.
    ///
    /// # Errors
    /// [`ModelError::Hub`].
    pub fn local(&self, progress: FetchProgress) -> Result<Self, ModelError> {
        let Self::Hub(model) = self else {
            return Ok(self.clone());
        };
        let path = Hub::from_env().fetch(model, false, progress)?;
        Ok(match model.gguf {
            Some(_) => Self::Gguf(path),
            None => Self::Folder(path),
        })
    }
}

impl FromStr for ModelSource {
    type Err = std::convert::Infallible;

    /// `builtin`, a folder, a GGUF file, or if there is no such path, a model of the hub.

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            BUILTIN => Self::Builtin,
            path => {
                let gguf = path.to_ascii_lowercase().ends_with(".gguf");
                match HubModel::parse(path).filter(|_| !Path::new(path).exists()) {
                    Some(model) => Self::Hub(model),
                    None if gguf => Self::Gguf(path.into()),
                    None => Self::Folder(path.into()),
                }
            }
        })
    }
}

impl std::fmt::Display for ModelSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Builtin => f.write_str(BUILTIN),
            Self::Folder(path) | Self::Gguf(path) => write!(f, "{}", path.display()),
            Self::Hub(model) => write!(f, "{model}"),
        }
    }
}

/// Number format in which weights are kept and products are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 32-bit floats, except that quantised weights of GGUF files stay quantised; their products
    /// round the activations to eight bits, too.
    #[default]
    Auto,
    /// 32-bit floats, also where the file holds quantised weights.
    F32,
    /// 16-bit brain floats: half the memory, less exact; norms and softmax stay in 32 bits.
    Bf16,
}

impl Precision {
    fn dtype(self) -> DType {
        match self {
            Self::Auto | Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
        }
    }
}

/// What a result says about the model that made it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ModelInfo {
    /// As the user named it.
    pub id: String,
    /// SHA-256 of the weights files.
    pub sha256: String,
    /// Name of the prompt format that its tokenizer was found to support.
    pub prompt: String,
    /// Tokens that it can read.
    pub window: usize,
}

/// A decoder, its head over numbers, and the tokens that write numbers for it.
pub struct Model {
    source: ModelSource,
    weights: Weights,
    tokens: TokenTable,
    decoder: Decoder,
    head: NumberHead,
}

impl Model {
    /// Loads a model and audits its tokenizer on the given prompt formats, of which the first that
    /// fits is used.
    ///
    /// # Errors
    /// Any [`ModelError`]; the message names the file.
    ///
    /// ```
    /// use candle_core::Device;
    /// use statecast::codec::builtin_formats;
    /// use statecast::model::{Model, ModelSource, Precision};
    ///
    /// let formats = builtin_formats()?;
    /// let model = Model::load(&ModelSource::Builtin, &formats, Precision::F32, &Device::Cpu)?;
    /// assert_eq!(model.tokens().stride(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn load(
        source: &ModelSource,
        formats: &[PromptFormat],
        precision: Precision,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let model = Self::load_local(&source.local(&|_, _, _| ())?, formats, precision, device)?;
        Ok(model.named(source))
    }

    /// The same model under another name, for what results say about it.
    pub fn named(self, source: &ModelSource) -> Self {
        Self {
            source: source.clone(),
            ..self
        }
    }

    fn load_local(
        source: &ModelSource,
        formats: &[PromptFormat],
        precision: Precision,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let dtype = precision.dtype();
        let (config, tokenizer, weights) = match source {
            ModelSource::Builtin => (
                DecoderConfig::parse("bundled config.json", CONFIG)?,
                tokenizer_file::parse("bundled tokenizer.json", TOKENIZER)?,
                Weights::embedded(WEIGHTS, dtype, device)?,
            ),
            ModelSource::Folder(folder) => {
                if !folder.is_dir() {
                    return Err(ModelError::NoFolder(folder.clone()));
                }
                let (config, name) = read(&folder.join("config.json"))?;
                let config = DecoderConfig::parse(&name, &config)?;
                let (tokenizer, name) = read(&folder.join("tokenizer.json"))?;
                let tokenizer = tokenizer_file::parse(&name, &tokenizer)?;
                (config, tokenizer, Weights::folder(folder, dtype, device)?)
            }
            // `local` leaves none; a source that was not made local is not there.
            ModelSource::Hub(model) => {
                return Err(ModelError::NoFolder(model.to_string().into()));
            }
            ModelSource::Gguf(path) => {
                let file = GgufFile::open(path)?;
                let beside = path.with_file_name("tokenizer.json");
                let tokenizer = if beside.exists() {
                    let (tokenizer, name) = read(&beside)?;
                    tokenizer_file::parse(&name, &tokenizer)?
                } else {
                    file.tokenizer()?
                };
                let config = file.config()?;
                let quantised = precision == Precision::Auto;
                let weights = Weights::gguf(file, path, dtype, device, quantised);
                (config, tokenizer, weights)
            }
        };
        let tokens = TokenTable::choose(&tokenizer, formats)?;
        let decoder = Decoder::load(config, &weights, dtype, device)?;
        let head = NumberHead::new(&decoder, tokens.places())?;
        Ok(Self {
            source: source.clone(),
            weights,
            tokens,
            decoder,
            head,
        })
    }

    /// What a result should say about this model. Reads the weights once more to hash them.
    ///
    /// # Errors
    /// [`ModelError::Read`] if the weights can no longer be read.
    pub fn info(&self) -> Result<ModelInfo, ModelError> {
        Ok(ModelInfo {
            id: self.source.to_string(),
            sha256: self.weights.sha256()?,
            prompt: self.tokens.format().name.clone(),
            window: self.window(),
        })
    }

    /// Tokens that the model can read, prompt and forecast together.
    pub fn window(&self) -> usize {
        self.decoder.config().window
    }

    /// The tokens that write numbers for this model.
    pub fn tokens(&self) -> &TokenTable {
        &self.tokens
    }

    /// The decoder.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// The head over the 1000 numbers.
    pub fn head(&self) -> &NumberHead {
        &self.head
    }
}

pub(super) fn read(path: &Path) -> Result<(Vec<u8>, String), ModelError> {
    let bytes = std::fs::read(path).map_err(|source| ModelError::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok((bytes, path.display().to_string()))
}
