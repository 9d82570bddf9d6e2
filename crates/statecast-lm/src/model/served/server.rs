//! What stands at an address: the server, what it can, and its tokenizer.

use std::path::Path;

use super::client::Client;
use super::pieces::Pieces;
use super::probe::{Found, probe};
use super::tokenizer::ServerTokenizer;
use super::{Served, ServedError, ServerAddress};
use crate::codec::{CodecError, PromptFormat, TextTokenizer, TokenTable};
use crate::model::gguf::GgufFile;
use crate::model::{ModelError, read_tokenizer};

/// Tokens of a model whose server does not say how many it reads, unless `STATECAST_SERVER_WINDOW`
/// does.
const UNTOLD_WINDOW: usize = 2048;

/// What two tokenizers of numbers agree on if they are the same.
const DIGITS: &str = "0123456789,480, 7 5 1";

/// A server that was asked what it is.
pub struct Server {
    pub(super) address: ServerAddress,
    pub(super) client: Client,
    pub(super) found: Found,
    tokenizer: Option<tokenizers::Tokenizer>,
}

/// What a server was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// Kind of the server.
    pub server: &'static str,
    /// Its version, if it says.
    pub version: Option<String>,
    /// Name of the model.
    pub model: String,
    /// Tokens of a prompt that it reads, if it says.
    pub window: Option<usize>,
    /// Whether its probabilities are exact.
    pub accuracy: String,
    /// Most requests at a time.
    pub in_flight: usize,
    /// Where its tokenizer was audited: the server or a file.
    pub tokenizer: &'static str,
}

impl Server {
    /// Asks a server what it is. A tokenizer.json or GGUF file stands for the server's own
    /// tokenizer if one is given.
    ///
    /// # Errors
    /// [`ServedError`] if it cannot be reached or is of no known kind, and errors of the file.
    pub fn connect(address: &ServerAddress, tokenizer: Option<&Path>) -> Result<Self, ModelError> {
        let tokenizer = tokenizer.map(tokenizer_of).transpose()?;
        let client = Client::from_env(address)?;
        let found = probe(&client)?;
        let server = Self {
            address: address.clone(),
            client,
            found,
            tokenizer,
        };
        server.check_tokenizer()?;
        Ok(server)
    }

    /// Whether a tokenizer of a file does what the server's own does, if that can be asked.
    fn check_tokenizer(&self) -> Result<(), ModelError> {
        let (Some(tokenizer), Some(dialect)) = (&self.tokenizer, &self.found.dialect) else {
            return Ok(());
        };
        let own = ServerTokenizer {
            client: &self.client,
            dialect: dialect.clone(),
        };
        let said = own.encode(DIGITS, false)?;
        let of_file = tokenizer.tokens_of(DIGITS, false);
        match of_file.is_ok_and(|ids| ids == said) {
            true => Ok(()),
            false => Err(ServedError::OtherTokenizer {
                server: self.client.server(),
            })?,
        }
    }

    /// What it was found to be.
    pub fn info(&self) -> ServerInfo {
        let found = &self.found;
        ServerInfo {
            server: found.protocol.server(),
            version: found.version.clone(),
            model: found.model.clone(),
            window: found.window,
            accuracy: found.protocol.accuracy(),
            in_flight: self.in_flight(),
            tokenizer: match (&self.tokenizer, &found.dialect) {
                (Some(_), _) => "the file",
                (None, Some(_)) => "the server's own",
                (None, None) => "not known",
            },
        }
    }

    /// Tokens of a prompt, one of the window being left for the token that is asked for.
    pub(super) fn window(&self) -> usize {
        let told = self.found.window.or(self.client.window());
        told.map_or(UNTOLD_WINDOW, |window| window.saturating_sub(1))
    }

    /// Requests that the server takes at a time.
    pub(super) fn in_flight(&self) -> usize {
        let slots = self.found.protocol.slots().unwrap_or(usize::MAX);
        self.client.in_flight().min(slots)
    }

    /// Audits its tokenizer on a prompt format.
    ///
    /// # Errors
    /// [`ModelError::Codec`] if it does not fit, [`ServedError::NoTokenizer`] if it cannot be asked.
    pub fn audit(&self, format: &PromptFormat) -> Result<TokenTable, ModelError> {
        let audited = |tokenizer: &dyn TextTokenizer| TokenTable::audit(tokenizer, format);
        Ok(match (&self.tokenizer, &self.found.dialect) {
            (Some(tokenizer), _) => audited(tokenizer)?,
            (None, Some(dialect)) => audited(&ServerTokenizer {
                client: &self.client,
                dialect: dialect.clone(),
            })?,
            (None, None) => Err(ServedError::NoTokenizer {
                server: self.client.server(),
            })?,
        })
    }

    /// The tokens that write numbers, by the first of the formats that the tokenizer supports.
    ///
    /// # Errors
    /// As [`audit`](Self::audit).
    pub fn tokens(&self, formats: &[PromptFormat]) -> Result<TokenTable, ModelError> {
        let mut reasons = Vec::new();
        for format in formats {
            match self.audit(format) {
                Ok(table) => return Ok(table),
                Err(ModelError::Codec(CodecError::Audit { format, reason })) => {
                    reasons.push(format!("{format}: {reason}"));
                }
                Err(other) => return Err(other),
            }
        }
        Err(CodecError::NoFormat(reasons).into())
    }

    /// The model behind it, which reads numbers by these tokens.
    ///
    /// # Errors
    /// [`ServedError::Text`] if the server takes text only and the tokens do not join to text.
    pub fn model(self, tokens: &TokenTable) -> Result<Served, ModelError> {
        let pieces = self.tokenizer.as_ref();
        let mut pieces = pieces.and_then(|tokenizer| Pieces::of(tokenizer, tokens));
        if self.found.wants_text {
            pieces = pieces.and_then(|pieces| pieces.joined(tokens));
            if pieces.is_none() {
                Err(ServedError::Text {
                    server: self.client.server(),
                    reason: "the tokens of numbers do not join to their text".to_owned(),
                })?;
            }
        }
        Ok(Served::new(self, tokens.places(), pieces))
    }
}

/// The tokenizer of a GGUF file or a tokenizer.json.
fn tokenizer_of(path: &Path) -> Result<tokenizers::Tokenizer, ModelError> {
    match path
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"))
    {
        true => GgufFile::open(path)?.tokenizer(),
        false => read_tokenizer(path),
    }
}
