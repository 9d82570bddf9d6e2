//! Why a model of the hub cannot be had.

use std::io;
use std::path::PathBuf;

/// Why a model could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// Nothing of this name, revision or file.
    #[error("{model}: not found on {endpoint}; check the name and the revision")]
    Missing {
        /// As asked for.
        model: String,
        /// The server.
        endpoint: String,
    },
    /// A licence must be accepted, or the model is private.
    #[error(
        "{model}: access is restricted; accept its licence at {endpoint}/{id} and set HF_TOKEN to \
         a token of yours ({endpoint}/settings/tokens)"
    )]
    Restricted {
        /// As asked for.
        model: String,
        /// The repository.
        id: String,
        /// The server.
        endpoint: String,
    },
    /// Not in the cache, and fetching is switched off.
    #[error("{model}: not in the cache {}, and HF_HUB_OFFLINE is set", cache.display())]
    Offline {
        /// As asked for.
        model: String,
        /// The cache.
        cache: PathBuf,
    },
    /// The server cannot be reached or fails.
    #[error("{model}: {endpoint}: {reason}; without a network use 'builtin' or a folder")]
    Network {
        /// As asked for.
        model: String,
        /// The server.
        endpoint: String,
        /// What went wrong.
        reason: String,
    },
    /// The server's answer makes no sense or is an attempt to write elsewhere.
    #[error("{model}: the server's answer is refused: {reason}")]
    Refused {
        /// As asked for.
        model: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The repository has not the files of a model.
    #[error("{model}: the repository has no {file}")]
    Incomplete {
        /// As asked for.
        model: String,
        /// The file.
        file: String,
    },
    /// The connection was cut more than once.
    #[error("{model}: {file} was truncated at {got} of {size} bytes; run again to resume")]
    Cut {
        /// As asked for.
        model: String,
        /// The file.
        file: String,
        /// Bytes that are kept.
        got: u64,
        /// Bytes of the file.
        size: u64,
    },
    /// A file whose contents differ from the hub's metadata.
    #[error("{model}: {file} has the wrong {kind} and was deleted; run again")]
    Hash {
        /// As asked for.
        model: String,
        /// The file.
        file: String,
        /// Which hash.
        kind: &'static str,
    },
    /// The cache cannot be written.
    #[error("{}: cannot be written", path.display())]
    Write {
        /// File or folder.
        path: PathBuf,
        /// What the system said; a full disk, for instance.
        source: io::Error,
    },
}
