//! Sources of models.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

#[cfg(feature = "hub")]
use super::Hub;
use super::{AddressError, FetchProgress, HubModel, ModelError, ServerAddress};

/// Name of the bundled checkpoint.
pub const BUILTIN: &str = "builtin";

/// Source of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// The bundled checkpoint.
    Builtin,
    /// A folder in Hugging Face layout.
    Folder(PathBuf),
    /// A GGUF file.
    Gguf(PathBuf),
    /// A model of the Hugging Face hub.
    Hub(HubModel),
    /// A served model.
    Served(ServerAddress),
}

impl ModelSource {
    /// True for models that were trained on hints of online experts.
    pub fn reads_hints(&self) -> bool {
        match self {
            Self::Builtin => true,
            Self::Folder(folder) => folder.join(READING).exists(),
            Self::Gguf(_) | Self::Hub(_) | Self::Served(_) => false,
        }
    }

    /// Returns the local source of the model, fetched from the hub if necessary.
    ///
    /// # Errors
    /// `ModelError::Hub` if it cannot be fetched, [`ModelError::Feature`] without the feature `hub`.
    pub fn local(&self, progress: FetchProgress) -> Result<Self, ModelError> {
        match self {
            Self::Hub(model) => fetched(model, progress),
            _ => Ok(self.clone()),
        }
    }
}

/// Returns the local source of a model of the hub.
#[cfg(feature = "hub")]
fn fetched(model: &HubModel, progress: FetchProgress) -> Result<ModelSource, ModelError> {
    let path = Hub::from_env().fetch(model, false, progress)?;
    Ok(match model.gguf {
        Some(_) => ModelSource::Gguf(path),
        None => ModelSource::Folder(path),
    })
}

#[cfg(not(feature = "hub"))]
fn fetched(model: &HubModel, _: FetchProgress) -> Result<ModelSource, ModelError> {
    Err(ModelError::Feature {
        model: model.to_string(),
        what: "no such folder, and a model of this name is downloaded from the hub",
        feature: "hub",
    })
}

/// File with the configuration of hints.
pub(super) const READING: &str = "reading.json";

impl FromStr for ModelSource {
    type Err = AddressError;

    /// Parses `builtin`, the address of a server, a folder, a GGUF file or, if there is no such
    /// path, a model of the hub.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            BUILTIN => Self::Builtin,
            address if ServerAddress::is_meant(address) => Self::Served(address.parse()?),
            path => {
                let named = path.to_ascii_lowercase().ends_with(".gguf");
                let gguf = (named && !Path::new(path).is_dir()) || begins_as_gguf(path);
                match HubModel::parse(path).filter(|_| !Path::new(path).exists()) {
                    Some(model) => Self::Hub(model),
                    None if gguf => Self::Gguf(path.into()),
                    None => Self::Folder(path.into()),
                }
            }
        })
    }
}

/// True if a file is in GGUF format, regardless of its name.
fn begins_as_gguf(path: &str) -> bool {
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && magic == *b"GGUF"
}

impl std::fmt::Display for ModelSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Builtin => f.write_str(BUILTIN),
            Self::Folder(path) | Self::Gguf(path) => write!(f, "{}", path.display()),
            Self::Hub(model) => write!(f, "{model}"),
            Self::Served(address) => write!(f, "{address}"),
        }
    }
}
