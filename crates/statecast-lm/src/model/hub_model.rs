//! Names of models on the Hugging Face hub, and the steps of a fetch.

/// A model on the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubModel {
    /// `ORGANISATION/NAME`.
    pub id: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// A GGUF file of the repository, instead of its safetensors.
    pub gguf: Option<String>,
}

impl HubModel {
    /// Reads `ORG/NAME`, `ORG/NAME@REVISION` or `ORG/NAME/FILE.gguf`; `None` for anything else.
    ///
    /// ```
    /// use statecast_lm::model::HubModel;
    /// let model = HubModel::parse("Qwen/Qwen2.5-0.5B@v1.0").unwrap();
    /// assert_eq!((model.id.as_str(), model.revision.as_str()), ("Qwen/Qwen2.5-0.5B", "v1.0"));
    /// assert_eq!(HubModel::parse("../models/x"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let (path, revision) = text.split_once('@').unwrap_or((text, "main"));
        let parts: Vec<&str> = path.split('/').collect();
        if !parts.iter().all(|part| is_plain(part)) || !revision.split('/').all(is_plain) {
            return None;
        }
        let gguf = match parts.as_slice() {
            [_, _] => None,
            [_, _, file] if file.to_ascii_lowercase().ends_with(".gguf") => {
                Some((*file).to_owned())
            }
            _ => return None,
        };
        Some(Self {
            id: parts[..2].join("/"),
            revision: revision.to_owned(),
            gguf,
        })
    }
}

impl std::fmt::Display for HubModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.id)?;
        if let Some(file) = &self.gguf {
            write!(f, "/{file}")?;
        }
        match self.revision.as_str() {
            "main" => Ok(()),
            revision => write!(f, "@{revision}"),
        }
    }
}

/// One name of a path: letters, digits, and `-_.`, not beginning with a point.
pub(super) fn is_plain(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=200).contains(&name.len()) && !name.starts_with('.') && name.chars().all(allowed)
}

/// Progress of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchStep<'a> {
    /// Another process fetches this file, and its end is waited for.
    Waiting(&'a str),
    /// Bytes of a file are there.
    Got {
        /// The file.
        file: &'a str,
        /// Its bytes so far.
        bytes: u64,
        /// Its size.
        size: u64,
    },
}

/// Hears of the steps of a fetch.
pub type FetchProgress<'a> = &'a dyn Fn(FetchStep);
