//! Finding out what a server is.

use serde::Deserialize;

use super::ServedError;
use super::client::Client;
use super::llama_cpp::{LlamaCpp, Properties};
use super::openai::OpenAi;
use super::protocol::Protocol;
use super::sglang::{self, Sglang};
use super::tokenizer::{Dialect, ServerTokenizer};
use super::vllm::{Version, Vllm};

/// What was found at an address.
pub(super) struct Found {
    pub(super) protocol: Box<dyn Protocol>,
    pub(super) version: Option<String>,
    pub(super) model: String,
    /// Tokens of a prompt and the one that follows, if the server says.
    pub(super) window: Option<usize>,
    /// How its tokenizer is asked, if it can be.
    pub(super) dialect: Option<Dialect>,
    /// True if prompts must be text.
    pub(super) wants_text: bool,
}

#[derive(Deserialize)]
struct Models {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    max_model_len: Option<usize>,
    #[serde(default)]
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default)]
    n_vocab: Option<usize>,
}

#[derive(Deserialize)]
struct ServerInfo {
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    context_length: Option<usize>,
}

/// Asks a server what it is, by what only one kind of them answers.
pub(super) fn probe(client: &Client) -> Result<Found, ServedError> {
    let properties: Option<Properties> = client.find("/props")?;
    let mut info: Option<sglang::ModelInfo> = None;
    let mut version: Option<Version> = None;
    if properties.is_none() {
        info = match client.find("/get_model_info")? {
            Some(info) => Some(info),
            None => client.find("/model_info")?,
        };
    }
    if properties.is_none() && info.is_none() {
        version = client.find("/version")?;
    }
    let model = model(client, info.as_ref().map(|info| info.model_path.as_str()))?;
    let name = model.id.clone();
    if let Some(properties) = properties {
        let vocabulary = model.meta.and_then(|meta| meta.n_vocab);
        return Ok(Found {
            protocol: Box::new(LlamaCpp::new(&properties, vocabulary)),
            version: properties.build_info,
            model: name,
            window: properties.default_generation_settings.n_ctx,
            dialect: Some(Dialect::LlamaCpp),
            wants_text: false,
        });
    }
    let vllm_like = Dialect::Vllm {
        model: name.clone(),
    };
    if info.is_some() {
        let server: Option<ServerInfo> = match client.find("/get_server_info")? {
            Some(server) => Some(server),
            None => client.find("/server_info")?,
        };
        let window = model.max_model_len;
        let window = window.or(server.as_ref().and_then(|server| server.context_length));
        return Ok(Found {
            protocol: Box::new(Sglang),
            version: server.and_then(|server| server.version),
            model: name,
            window,
            dialect: answering(client, vllm_like)?,
            wants_text: false,
        });
    }
    if let Some(Version { version }) = version {
        return Ok(Found {
            protocol: Box::new(Vllm::probe(client, &name)?),
            version: Some(version),
            model: name,
            window: model.max_model_len,
            dialect: answering(client, vllm_like)?,
            wants_text: false,
        });
    }
    let openai = OpenAi::probe(client, &name)?;
    Ok(Found {
        wants_text: openai.wants_text(),
        protocol: Box::new(openai),
        version: None,
        model: name,
        window: model.max_model_len,
        dialect: None,
    })
}

/// The dialect, if the server answers in it.
fn answering(client: &Client, dialect: Dialect) -> Result<Option<Dialect>, ServedError> {
    let tokenizer = ServerTokenizer {
        client,
        dialect: dialect.clone(),
    };
    match tokenizer.encode("1", false) {
        Ok(_) => Ok(Some(dialect)),
        Err(ServedError::Status { .. } | ServedError::Answer { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The model that the address names, or the only one there is.
fn model(client: &Client, only: Option<&str>) -> Result<Model, ServedError> {
    let listed: Result<Models, ServedError> = client.get("/v1/models");
    let mut models = match (listed, only) {
        (Ok(models), _) => models.data,
        (Err(ServedError::Status { .. } | ServedError::Answer { .. }), Some(path)) => {
            vec![Model {
                id: path.to_owned(),
                aliases: Vec::new(),
                max_model_len: None,
                meta: None,
            }]
        }
        (Err(ServedError::Status { status: 404, .. } | ServedError::Answer { .. }), None) => {
            return Err(ServedError::Unknown {
                server: client.server(),
            });
        }
        (Err(error), _) => return Err(error),
    };
    let fail = |problem: String, models: &[Model]| ServedError::Name {
        server: client.server(),
        problem,
        known: models.iter().map(|model| model.id.clone()).collect(),
    };
    match client.model_name() {
        Some(name) => match models.iter().position(|model| model.is_named(name)) {
            Some(at) => Ok(models.swap_remove(at)),
            None => Err(fail(format!("it has no model '{name}'"), &models)),
        },
        None if models.len() == 1 => Ok(models.swap_remove(0)),
        None => Err(fail(format!("it has {} models", models.len()), &models)),
    }
}

impl Model {
    /// True if a name is the model's own, another of its names, or the file of its path.
    fn is_named(&self, name: &str) -> bool {
        let file = self.id.rsplit(['/', '\\']).next();
        self.id == name || self.aliases.iter().any(|alias| alias == name) || file == Some(name)
    }
}
