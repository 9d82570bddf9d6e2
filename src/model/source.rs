//! Where models come from.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{AddressError, FetchProgress, Hub, HubModel, ModelError, ServerAddress};

/// Name of the checkpoint that is part of the program.
pub const BUILTIN: &str = "builtin";

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
    /// A model that a server computes.
    Served(ServerAddress),
}

impl ModelSource {
    /// True of models that were trained to read what online experts say.
    pub fn reads_hints(&self) -> bool {
        match self {
            Self::Builtin => true,
            Self::Folder(folder) => folder.join(READING).exists(),
            Self::Gguf(_) | Self::Hub(_) | Self::Served(_) => false,
        }
    }

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

/// File of a folder that says how its model reads hints.
pub(super) const READING: &str = "reading.json";

impl FromStr for ModelSource {
    type Err = AddressError;

    /// `builtin`, the address of a server, a folder, a GGUF file, or if there is no such path, a
    /// model of the hub.
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

/// Whether a file is in GGUF, whatever it is called.
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
