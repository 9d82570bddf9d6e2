//! The server of llama.cpp: its own `/completion`, which takes tokens and says what comes before
//! sampling.

use serde::{Deserialize, Serialize};

use super::ServedError;
use super::client::Client;
use super::protocol::{NextToken, Protocol, Query};

const PATH: &str = "/completion";

/// Tokens that are asked for beside the symbols, first and again if symbols are missing.
const BESIDE: [usize; 2] = [54, 4096];

/// A server of llama.cpp.
pub(super) struct LlamaCpp {
    slots: usize,
    vocabulary: usize,
}

#[derive(Deserialize)]
pub(super) struct Properties {
    pub(super) default_generation_settings: GenerationSettings,
    #[serde(default)]
    total_slots: Option<usize>,
    #[serde(default)]
    pub(super) build_info: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct GenerationSettings {
    pub(super) n_ctx: Option<usize>,
}

#[derive(Serialize)]
struct Request<'a> {
    prompt: &'a [u32],
    n_predict: usize,
    n_probs: usize,
    post_sampling_probs: bool,
    cache_prompt: bool,
    id_slot: usize,
    stream: bool,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    tokens_evaluated: Option<usize>,
    #[serde(default)]
    truncated: bool,
    completion_probabilities: Vec<Position>,
}

#[derive(Deserialize)]
struct Position {
    top_logprobs: Vec<Token>,
}

#[derive(Deserialize)]
struct Token {
    id: u32,
    /// Null stands for an infinity, which JSON cannot write.
    logprob: Option<f64>,
}

impl LlamaCpp {
    pub(super) fn new(properties: &Properties, vocabulary: Option<usize>) -> Self {
        Self {
            slots: properties.total_slots.unwrap_or(1).max(1),
            vocabulary: vocabulary.unwrap_or(1 << 20),
        }
    }
}

impl Protocol for LlamaCpp {
    fn server(&self) -> &'static str {
        "llama.cpp"
    }

    fn accuracy(&self) -> String {
        "exact: as many of the likeliest tokens as hold all digits".to_owned()
    }

    fn efforts(&self) -> usize {
        BESIDE.len() + 1
    }

    fn slots(&self) -> Option<usize> {
        Some(self.slots)
    }

    fn next_tokens(&self, client: &Client, query: &Query) -> Result<Vec<NextToken>, ServedError> {
        let beside = BESIDE.get(query.effort).copied();
        let count = beside.map_or(self.vocabulary, |more| query.symbols.len() + more);
        let count = count.min(self.vocabulary);
        let one = |&length: &usize| {
            let request = Request {
                prompt: &query.ids[..length],
                n_predict: 1,
                n_probs: count,
                post_sampling_probs: false,
                cache_prompt: true,
                id_slot: ((query.slot * self.slots as f64) as usize).min(self.slots - 1),
                stream: false,
            };
            let answer: Answer = client.post(PATH, &request)?;
            if answer.truncated || answer.tokens_evaluated.is_some_and(|read| read != length) {
                return Err(client.wrong(PATH, "it read other tokens than were sent"));
            }
            let position = answer.completion_probabilities.into_iter().next();
            let position =
                position.ok_or_else(|| client.wrong(PATH, "it gives no probabilities"))?;
            let listed = position.top_logprobs.iter();
            let listed = listed.map(|token| (token.id, token.logprob.unwrap_or(f64::NEG_INFINITY)));
            NextToken::likeliest(listed, count)
                .ok_or_else(|| client.wrong(PATH, "its probabilities are none"))
        };
        query.lengths.iter().map(one).collect()
    }
}
