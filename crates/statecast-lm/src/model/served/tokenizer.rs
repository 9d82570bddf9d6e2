//! A server's own tokenizer.

use serde::{Deserialize, Serialize};

use super::ServedError;
use super::client::Client;
use crate::codec::TextTokenizer;

/// How a server is asked for tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dialect {
    /// llama.cpp's.
    LlamaCpp,
    /// That of vLLM, which SGLang has taken over; both want the model's name.
    Vllm {
        /// The model.
        model: String,
    },
}

/// A tokenizer that is asked over the network.
pub(super) struct ServerTokenizer<'c> {
    pub(super) client: &'c Client,
    pub(super) dialect: Dialect,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Encode<'a> {
    LlamaCpp {
        content: &'a str,
        add_special: bool,
    },
    Vllm {
        model: &'a str,
        prompt: &'a str,
        add_special_tokens: bool,
    },
}

#[derive(Serialize)]
struct Decode<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    tokens: &'a [u32],
}

#[derive(Deserialize)]
struct Encoded {
    tokens: Vec<u32>,
}

#[derive(Deserialize)]
struct Decoded {
    #[serde(alias = "content", alias = "text")]
    prompt: String,
}

impl ServerTokenizer<'_> {
    /// The tokens of a text.
    pub(super) fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, ServedError> {
        let question = match &self.dialect {
            Dialect::LlamaCpp => Encode::LlamaCpp {
                content: text,
                add_special: special,
            },
            Dialect::Vllm { model } => Encode::Vllm {
                model,
                prompt: text,
                add_special_tokens: special,
            },
        };
        let encoded: Encoded = self.client.post("/tokenize", &question)?;
        Ok(encoded.tokens)
    }
}

impl TextTokenizer for ServerTokenizer<'_> {
    fn tokens_of(&self, text: &str, special: bool) -> Result<Vec<u32>, String> {
        self.encode(text, special)
            .map_err(|error| error.to_string())
    }

    fn text_of(&self, ids: &[u32]) -> Result<String, String> {
        let model = match &self.dialect {
            Dialect::LlamaCpp => None,
            Dialect::Vllm { model } => Some(model.as_str()),
        };
        let decoded: Decoded = self
            .client
            .post("/detokenize", &Decode { model, tokens: ids })
            .map_err(|error| error.to_string())?;
        Ok(decoded.prompt)
    }

    fn is_remote(&self) -> bool {
        true
    }
}
