//! Models of the Hugging Face hub: the files that are needed, fetched into the hub's own cache.
//!
//! `HF_ENDPOINT`, `HF_HOME`, `HF_HUB_CACHE`, `HF_TOKEN` and `HF_HUB_OFFLINE` mean what they mean to
//! Hugging Face's own programs, and what those have fetched is found. What a server says is not
//! trusted: names must stay within the cache, sizes are kept, and hashes are verified before a file
//! gets its name.

mod client;
mod error;
mod verified;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hf_hub::{Cache, Repo, RepoType};
use serde::Deserialize;

use super::hub_model::is_plain;
use super::{FetchProgress, FetchStep, HubModel, LARGEST_TEXT, ModelError};
use client::{Client, Failure};
pub use error::HubError;
use verified::Hash;

/// How often a connection is taken up again that was cut or fell silent.
const ATTEMPTS: usize = 3;

/// The hub and its cache, as the environment sets them.
pub struct Hub {
    endpoint: String,
    cache: Cache,
    client: Client,
    offline: bool,
}

impl HubModel {
    /// Names of the files that are fetched first, by the server's listing of the repository (JSON).
    ///
    /// # Errors
    /// [`HubError::Refused`] if the listing makes no sense or names what would leave the cache, [`HubError::Incomplete`]
    /// if the files of a model are not among them.
    pub fn files(&self, listing: &[u8]) -> Result<Vec<String>, HubError> {
        let listing = Listing::parse(self, listing)?;
        let wanted = listing.wanted(self)?;
        Ok(wanted.into_iter().map(|file| file.name).collect())
    }

    fn repo(&self) -> Repo {
        Repo::with_revision(self.id.clone(), RepoType::Model, self.revision.clone())
    }
}

/// A repository's listing.
#[derive(Deserialize)]
struct Listing {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: String,
    size: u64,
}

impl Listing {
    fn parse(model: &HubModel, text: &[u8]) -> Result<Self, HubError> {
        let listing: Listing = serde_json::from_slice(text)
            .map_err(|e| Hub::refused(model, format!("no listing of files ({e})")))?;
        if !is_hash(&listing.sha) {
            return Err(Hub::refused(model, "the commit is no hash"));
        }
        Ok(listing)
    }

    /// What is fetched before the index of the weights is known.
    fn wanted(&self, model: &HubModel) -> Result<Vec<Wanted>, HubError> {
        let has = |name: &str| self.siblings.iter().any(|s| s.rfilename == name);
        let names: Vec<&str> = match &model.gguf {
            Some(file) => vec![file],
            None if has(INDEX) => vec!["config.json", "tokenizer.json", INDEX],
            None => vec!["config.json", "tokenizer.json", WEIGHTS],
        };
        names
            .into_iter()
            .map(|name| self.checked(model, name))
            .collect()
    }

    fn checked(&self, model: &HubModel, name: &str) -> Result<Wanted, HubError> {
        let sibling = self
            .siblings
            .iter()
            .find(|sibling| sibling.rfilename == name)
            .ok_or_else(|| HubError::Incomplete {
                model: model.to_string(),
                file: name.to_owned(),
            })?;
        let (hash, size) = match &sibling.lfs {
            Some(lfs) => (Some(Hash::Sha256(lfs.sha256.clone())), Some(lfs.size)),
            None => (sibling.blob_id.clone().map(Hash::Git), sibling.size),
        };
        let (Some(hash), Some(size)) = (hash, size) else {
            return Err(Hub::refused(model, format!("{name} has no hash or size")));
        };
        if !hash.is_sound() || !is_plain(name) {
            return Err(Hub::refused(
                model,
                format!(
                    "'{name}' with hash '{}' would leave the cache",
                    hash.digits()
                ),
            ));
        }
        let weights = [".safetensors", ".gguf"];
        let is_text = !weights
            .iter()
            .any(|end| name.to_ascii_lowercase().ends_with(end));
        if is_text && size > LARGEST_TEXT {
            return Err(Hub::refused(
                model,
                format!("{name} has {size} bytes, more than 64 MiB"),
            ));
        }
        Ok(Wanted {
            name: name.to_owned(),
            hash,
            size,
        })
    }
}

/// A file to fetch, checked.
struct Wanted {
    name: String,
    /// Its digits are the name in the cache.
    hash: Hash,
    size: u64,
}

impl Hub {
    /// The hub of the environment.
    pub fn from_env() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = || set("HF_HOME").map(PathBuf::from).or_else(default_home);
        let folder = set("HF_HUB_CACHE")
            .map(PathBuf::from)
            .or_else(|| home().map(|home| home.join("hub")))
            .unwrap_or_else(|| PathBuf::from(".huggingface"));
        let cache = Cache::new(folder);
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        let offline = set("HF_HUB_OFFLINE")
            .is_some_and(|value| !["0", "false", "no", "off"].contains(&value.as_str()));
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let token = set("HF_TOKEN").or_else(|| cache.token());
        Self {
            client: Client::new(&endpoint, token),
            endpoint,
            cache,
            offline,
        }
    }

    /// The folder in which the model's files lie (the GGUF file if one was asked for): from the
    /// cache if it is whole there, otherwise fetched. With `refresh` the server is asked for a
    /// newer state of the revision even then.
    ///
    /// # Errors
    /// Any [`HubError`].
    pub fn fetch(
        &self,
        model: &HubModel,
        refresh: bool,
        progress: FetchProgress,
    ) -> Result<PathBuf, HubError> {
        if (!refresh || self.offline)
            && let Some(path) = self.cached(model)
        {
            return Ok(path);
        }
        if self.offline {
            return Err(HubError::Offline {
                model: model.to_string(),
                cache: self.cache.path().clone(),
            });
        }
        let listing = self.list(model)?;
        let folder = self.folder(model).join("snapshots").join(&listing.sha);
        for file in listing.wanted(model)? {
            self.fetch_file(model, &listing.sha, &file, &folder, progress)?;
        }
        if model.gguf.is_none() && folder.join(INDEX).exists() {
            for name in shards(model, &folder.join(INDEX))? {
                let file = listing.checked(model, &name)?;
                self.fetch_file(model, &listing.sha, &file, &folder, progress)?;
            }
        }
        // The revision points to the snapshot only once that is whole.
        self.cache
            .repo(model.repo())
            .create_ref(&listing.sha)
            .map_err(|source| HubError::Write {
                path: self.folder(model).join("refs"),
                source,
            })?;
        Ok(match &model.gguf {
            Some(file) => folder.join(file),
            None => folder,
        })
    }

    fn folder(&self, model: &HubModel) -> PathBuf {
        self.cache.path().join(model.repo().folder_name())
    }

    /// The model's snapshot, if all of it is in the cache.
    fn cached(&self, model: &HubModel) -> Option<PathBuf> {
        let repo = self.cache.repo(model.repo());
        let of_commit = self
            .folder(model)
            .join("snapshots")
            .join(&model.revision)
            .join("config.json");
        if let Some(file) = &model.gguf {
            return repo.get(file);
        }
        let config = repo
            .get("config.json")
            .or_else(|| is_hash(&model.revision).then_some(of_commit))?;
        let folder = config.parent()?.to_owned();
        let index = folder.join(INDEX);
        let weights = if index.exists() {
            shards(model, &index).ok()?
        } else {
            vec![WEIGHTS.to_owned()]
        };
        let whole = ["config.json", "tokenizer.json"]
            .into_iter()
            .chain(weights.iter().map(String::as_str))
            .all(|name| folder.join(name).exists());
        whole.then_some(folder)
    }

    fn network(&self, model: &HubModel, reason: impl std::fmt::Display) -> HubError {
        HubError::Network {
            model: model.to_string(),
            endpoint: self.endpoint.clone(),
            reason: reason.to_string(),
        }
    }

    fn refused(model: &HubModel, reason: impl Into<String>) -> HubError {
        HubError::Refused {
            model: model.to_string(),
            reason: reason.into(),
        }
    }

    fn failed(&self, model: &HubModel, failure: Failure) -> HubError {
        match failure {
            Failure::Status(404) => HubError::Missing {
                model: model.to_string(),
                endpoint: self.endpoint.clone(),
            },
            Failure::Status(401 | 403) => HubError::Restricted {
                model: model.to_string(),
                id: model.id.clone(),
                endpoint: self.endpoint.clone(),
            },
            Failure::Status(status) => self.network(model, format!("http status {status}")),
            Failure::Busy { status, pause } => self.network(
                model,
                format!(
                    "http status {status}, with {} seconds to wait; try again then",
                    pause.as_secs()
                ),
            ),
            Failure::Network(reason) => self.network(model, reason),
            Failure::Redirect(reason) => Self::refused(model, reason),
        }
    }

    fn list(&self, model: &HubModel) -> Result<Listing, HubError> {
        let url = format!(
            "{}/api/models/{}/revision/{}?blobs=true",
            self.endpoint,
            model.id,
            model.revision.replace('/', "%2F")
        );
        let answer = self.client.get(&url, 0);
        let answer = answer.map_err(|failure| self.failed(model, failure))?;
        let mut text = Vec::new();
        let whole = answer.read(|bytes| {
            text.extend_from_slice(bytes);
            match text.len() as u64 > LARGEST_TEXT {
                true => Err(Self::refused(model, "a listing of more than 64 MiB")),
                false => Ok(()),
            }
        })?;
        if !whole {
            return Err(self.network(model, "the listing was cut"));
        }
        Listing::parse(model, &text)
    }

    fn fetch_file(
        &self,
        model: &HubModel,
        commit: &str,
        file: &Wanted,
        snapshot: &PathBuf,
        progress: FetchProgress,
    ) -> Result<(), HubError> {
        let blobs = self.folder(model).join("blobs");
        let name = file.hash.digits();
        let blob = blobs.join(name);
        let write = |path: &Path| {
            let path = path.to_owned();
            move |source| HubError::Write { path, source }
        };
        // As Hugging Face's own programs lock what they fetch.
        let locks = self
            .cache
            .path()
            .join(".locks")
            .join(model.repo().folder_name());
        for folder in [&blobs, snapshot, &locks] {
            fs::create_dir_all(folder).map_err(write(folder))?;
        }
        let lock = locks.join(format!("{name}.lock"));
        // Held until the file has its name: another pull of the model waits here.
        let waits = || progress(FetchStep::Waiting(&file.name));
        let _held = held(&lock, waits).map_err(write(&lock))?;
        if !blob.exists() {
            let part = blobs.join(format!("{name}.incomplete"));
            self.download(model, commit, file, &part, progress)?;
            fs::rename(&part, &blob).map_err(write(&blob))?;
        }
        let pointer = snapshot.join(&file.name);
        if !pointer.exists() {
            link(name, &blob, &pointer).map_err(write(&pointer))?;
        }
        Ok(())
    }

    /// Fetches a file into `part`, going on from what is there, and verifies it.
    fn download(
        &self,
        model: &HubModel,
        commit: &str,
        file: &Wanted,
        part: &Path,
        progress: FetchProgress,
    ) -> Result<(), HubError> {
        let write = |source| HubError::Write {
            path: part.to_owned(),
            source,
        };
        let mut got = fs::metadata(part).map_or(0, |m| m.len());
        if got > file.size {
            fs::remove_file(part).map_err(write)?;
            got = 0;
        }
        for _ in 0..ATTEMPTS {
            if got >= file.size && part.exists() {
                break;
            }
            got = self.download_from(model, commit, file, part, got, progress)?;
        }
        if got < file.size {
            return Err(HubError::Cut {
                model: model.to_string(),
                file: file.name.clone(),
                got,
                size: file.size,
            });
        }
        if !file.hash.is_of(part).map_err(write)? {
            fs::remove_file(part).map_err(write)?;
            return Err(HubError::Hash {
                model: model.to_string(),
                file: file.name.clone(),
                kind: file.hash.kind(),
            });
        }
        Ok(())
    }

    /// Bytes that are there after one request. A connection that is cut is no error here.
    fn download_from(
        &self,
        model: &HubModel,
        commit: &str,
        file: &Wanted,
        part: &Path,
        from: u64,
        progress: FetchProgress,
    ) -> Result<u64, HubError> {
        let write = |source| HubError::Write {
            path: part.to_owned(),
            source,
        };
        let url = format!(
            "{}/{}/resolve/{commit}/{}",
            self.endpoint, model.id, file.name
        );
        let answer = self.client.get(&url, from);
        let answer = answer.map_err(|failure| self.failed(model, failure))?;
        let mut got = if answer.continued { from } else { 0 };
        let mut to = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(!answer.continued)
            .append(answer.continued)
            .open(part)
            .map_err(write)?;
        answer.read(|bytes| {
            got += bytes.len() as u64;
            if got > file.size {
                return Err(Self::refused(
                    model,
                    format!("{} is longer than {} bytes", file.name, file.size),
                ));
            }
            to.write_all(bytes).map_err(write)?;
            progress(FetchStep::Got {
                file: &file.name,
                bytes: got,
                size: file.size,
            });
            Ok(())
        })?;
        Ok(got)
    }
}

const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

fn default_home() -> Option<PathBuf> {
    Some(std::env::home_dir()?.join(".cache").join("huggingface"))
}

/// A lock that other processes wait for until it is dropped. File systems without locks have none.
/// `waits` is called before another process is waited for.
fn held(path: &Path, waits: impl FnOnce()) -> io::Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .open(path)?;
    let locked = match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            waits();
            file.lock()
        }
        Err(TryLockError::Error(error)) => Err(error),
        Ok(()) => Ok(()),
    };
    match locked {
        Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(error),
        _ => Ok(file),
    }
}

/// 40 (git) or 64 (SHA-256) hexadecimal digits.
fn is_hash(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The weights files that an index names.
fn shards(model: &HubModel, index: &Path) -> Result<Vec<String>, HubError> {
    super::weights::shard_names(index).map_err(|e: ModelError| Hub::refused(model, e.to_string()))
}

#[cfg(unix)]
fn link(blob: &str, _: &Path, pointer: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(Path::new("../../blobs").join(blob), pointer)
}

#[cfg(not(unix))]
fn link(_: &str, blob: &Path, pointer: &Path) -> io::Result<()> {
    fs::copy(blob, pointer).map(|_| ())
}
