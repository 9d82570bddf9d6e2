//! Pretrained language models: configuration, weights, decoder and the head over numbers.
//!
//! The models of candle-transformers return the logits of the last position only and hide their
//! caches. A trajectory needs hidden states at every number, a head for the 1000 number tokens
//! alone, and a cache that many continuations share; hence a separate decoder.

mod attention;
mod cache;
mod catalog;
mod checkpoint;
mod config;
mod decoder;
mod device;
#[cfg(feature = "foreign")]
mod foreign;
mod foreign_config;
mod ggml;
mod gguf;
mod gguf_tokenizer;
mod head;
mod hinted;
#[cfg(feature = "hub")]
mod hub;
mod hub_model;
mod layer;
mod linear;
mod load;
mod memory;
mod names;
mod network;
mod processor;
mod rotary;
mod safetensors;
#[cfg(feature = "served")]
mod served;
mod server_address;
mod source;
mod tokenizer_file;
mod weights;

use std::io::Read;
use std::path::{Path, PathBuf};

pub use cache::{Branch, KvCache};
pub use catalog::{CatalogEntry, catalog};
pub use checkpoint::{Checkpoint, Precision};
pub use config::{
    Architecture, Biases, DecoderConfig, FAMILIES, FeedForwardActivation, LayerPattern, Layout,
    Norm, NormKind, NormPlacement, QueryKeyNorm, Rope, RopeScaling,
};
pub use decoder::Decoder;
pub use device::Device;
pub use foreign_config::{FOREIGN_FAMILIES, ForeignConfig};
pub use head::NumberHead;
pub use hinted::{Answer, Answers, HintedModel, HintedSequences, Logits, RowBefore, RowInput};
#[cfg(feature = "hub")]
pub use hub::{Hub, HubError};
pub use hub_model::{FetchProgress, FetchStep, HubModel};
pub use load::{Model, ModelInfo};
pub use memory::{MemoryNeed, Work, bytes, free_memory};
pub use memory::{digit_paths_that_fit, paths_that_fit};
pub use network::{LanguageModel, Sequences, Wanted};
#[cfg(feature = "served")]
pub use served::{MostRequests, Served, ServedError, Server, ServerInfo};
pub use server_address::{AddressError, ServerAddress};
pub use source::{BUILTIN, ModelSource};
pub use tokenizer_file::read_tokenizer;
pub use weights::ModelWeights;

use crate::stand_in::{self, StandIn};

/// Errors of loading or running a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A folder that does not exist or is a file.
    #[error(
        "model {}: no such folder; use 'builtin', a folder with config.json, tokenizer.json and \
         model.safetensors, a GGUF file, or ORGANISATION/NAME of the hub", .0.display()
    )]
    NoFolder(PathBuf),
    /// A file that is not a model.
    #[error(
        "model {}: is a file, and none in GGUF; use 'builtin', a folder with config.json, tokenizer.json and \
         model.safetensors, a GGUF file, or ORGANISATION/NAME of the hub", .0.display()
    )]
    NoModel(PathBuf),
    /// A folder with GGUF files and without config.json.
    #[error("model {}: has no config.json; name the file: {}", folder.display(), file.display())]
    GgufInside {
        /// The folder.
        folder: PathBuf,
        /// A GGUF file in it.
        file: PathBuf,
    },
    /// A file of the model is missing or unreadable.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// Another kind of file in place of the expected one.
    #[error("{}: is {what}; {remedy}", path.display())]
    StandIn {
        /// The file.
        path: PathBuf,
        /// Kind of the file.
        what: &'static str,
        /// Remedy.
        remedy: &'static str,
    },
    /// A text file that is larger than any of a real model.
    #[error("{}: larger than {} MiB", .0.display(), LARGEST_TEXT >> 20)]
    TooLarge(PathBuf),
    /// A config.json of an unsupported model.
    #[error("{file}: {reason}")]
    Config {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An unusable tokenizer.json.
    #[error("{file}: not a tokenizer this program can read: {reason}")]
    Tokenizer {
        /// The file.
        file: String,
        /// Error of the tokenizer library.
        reason: String,
    },
    /// A weights file that is damaged or neither safetensors nor GGUF.
    #[error("{file}: not a readable safetensors or GGUF file ({reason}); download it again")]
    Weights {
        /// The file or files.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A required tensor that is missing or has the wrong shape.
    #[error("{file}: tensor {tensor}: {reason}")]
    Tensor {
        /// The file or files.
        file: String,
        /// Name of the tensor.
        tensor: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A number token outside of the model's vocabulary.
    #[error("token {token} of the tokenizer is outside the model's vocabulary of {vocabulary}")]
    Vocabulary {
        /// The token.
        token: u32,
        /// Rows of the embedding table.
        vocabulary: usize,
    },
    /// More values than the model's window allows.
    #[error("{rows} values do not fit into the model's window of {window} tokens")]
    Window {
        /// Values.
        rows: usize,
        /// Window in tokens.
        window: usize,
    },
    /// Output that is not finite.
    #[error(
        "the model gives no finite probabilities; its weights are damaged or overflow in this precision"
    )]
    NotFinite,
    /// A model that needs a Cargo feature without which this program was built.
    #[error(
        "model {model}: {what}, for which this program was not built; build it with the feature \
         '{feature}' of the crate statecast"
    )]
    Feature {
        /// The model.
        model: String,
        /// Why it needs the feature.
        what: &'static str,
        /// Name of the feature.
        feature: &'static str,
    },
    /// A failed fetch from the hub.
    #[cfg(feature = "hub")]
    #[error(transparent)]
    Hub(#[from] HubError),
    /// A failure of a served model.
    #[cfg(feature = "served")]
    #[error(transparent)]
    Served(#[from] ServedError),
    /// No prompt format that the tokenizer supports.
    #[error(transparent)]
    Codec(#[from] crate::codec::CodecError),
    /// An unusable device.
    #[error("device {device}: {source}")]
    Device {
        /// The device.
        device: Device,
        /// What is wrong with it.
        source: candle_core::Error,
    },
    /// A failure of the tensor library, usually lack of memory.
    #[error("tensor computation: {0}")]
    Compute(#[from] candle_core::Error),
}

/// Largest text file, in bytes; the largest tokenizers have half of it.
const LARGEST_TEXT: u64 = 64 << 20;

/// Refuses other kinds of files in place of the expected one.
fn refuse(found: Option<StandIn>, path: &Path) -> Result<(), ModelError> {
    match found {
        Some(StandIn { what, remedy }) => Err(ModelError::StandIn {
            path: path.to_owned(),
            what,
            remedy,
        }),
        None => Ok(()),
    }
}

/// Contents of a file, and its name for errors.
fn read(path: &Path) -> Result<(Vec<u8>, String), ModelError> {
    let fail = |source| ModelError::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let mut file = std::fs::File::open(path)
        .map_err(fail)?
        .take(LARGEST_TEXT + 1);
    file.read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > LARGEST_TEXT {
        return Err(ModelError::TooLarge(path.to_owned()));
    }
    refuse(stand_in::by_content(&bytes), path)?;
    Ok((bytes, path.display().to_string()))
}

/// Returns the message of the tensor library without its backtrace.
fn one_line(error: &candle_core::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}
