//! vLLM: `/v1/completions` with tokens; chosen tokens' probabilities where the server knows how,
//! the likeliest tokens' of a whole context in one request where it does not.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::ServedError;
use super::client::Client;
use super::completions::{Choices, Completion, Logprobs};
use super::protocol::{NextToken, Protocol, Query};

const PATH: &str = "/v1/completions";

/// Likeliest tokens that are asked for, most first: servers allow 20 unless they are told
/// otherwise.
const COUNTS: [usize; 3] = [1024, 20, 5];

/// Likeliest tokens at each position of a whole context; more make answers long.
const AT_POSITIONS: usize = 20;

/// A server of vLLM.
pub(super) struct Vllm {
    model: String,
    /// Whether it gives probabilities of chosen tokens.
    by_id: bool,
    /// Likeliest tokens that it gives.
    likeliest: usize,
    /// Whether it gives those at all positions of a prompt.
    contexts: bool,
}

#[derive(Deserialize)]
pub(super) struct Version {
    pub(super) version: String,
}

#[derive(Deserialize)]
struct Scored {
    logprobs: Option<Logprobs>,
    #[serde(default)]
    prompt_logprobs: Option<Vec<Option<HashMap<u32, Token>>>>,
}

#[derive(Deserialize)]
struct Token {
    logprob: f64,
}

#[derive(Serialize)]
struct Request<'a> {
    #[serde(flatten)]
    completion: Completion<'a>,
    // A model's own sampling settings would change the probabilities on older servers.
    top_k: i32,
    top_p: f64,
    repetition_penalty: f64,
    return_tokens_as_token_ids: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_logprobs: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprob_token_ids: Option<&'a [u32]>,
}

impl Vllm {
    /// Asks the server for what it can.
    pub(super) fn probe(client: &Client, model: &str) -> Result<Self, ServedError> {
        let mut vllm = Self {
            model: model.to_owned(),
            by_id: false,
            likeliest: 0,
            contexts: false,
        };
        // Servers that do not know the field leave it aside and list the likeliest tokens.
        let chosen: [u32; 3] = [11, 12, 13];
        let asked = vllm.ask(client, &[1, 2], 1, None, Some(&chosen));
        if let Ok(scored) = asked {
            let listed = scored.logprobs.map(|of| of.next_ids()).unwrap_or_default();
            let listed: HashMap<u32, f64> = listed.into_iter().collect();
            vllm.by_id = chosen.iter().all(|id| listed.contains_key(id));
        }
        for count in COUNTS {
            match vllm.ask(client, &[1, 2], count, None, None) {
                Ok(_) => {
                    vllm.likeliest = count;
                    break;
                }
                Err(ServedError::Status {
                    status: 400 | 422, ..
                }) if count != COUNTS[2] => {}
                Err(error) => return Err(error),
            }
        }
        let at_positions = vllm.ask(client, &[1, 2], 1, Some(1), None);
        let told = at_positions.ok().and_then(|scored| scored.prompt_logprobs);
        vllm.contexts = told.is_some_and(|positions| positions.len() == 2);
        Ok(vllm)
    }

    fn ask(
        &self,
        client: &Client,
        ids: &[u32],
        likeliest: usize,
        at_positions: Option<usize>,
        chosen: Option<&[u32]>,
    ) -> Result<Scored, ServedError> {
        let request = Request {
            completion: Completion::of_tokens(&self.model, ids, likeliest),
            top_k: -1,
            top_p: 1.0,
            repetition_penalty: 1.0,
            return_tokens_as_token_ids: true,
            prompt_logprobs: at_positions,
            logprob_token_ids: chosen,
        };
        let choices: Choices<Scored> = client.post(PATH, &request)?;
        choices
            .only()
            .ok_or_else(|| client.wrong(PATH, "it gives no probabilities"))
    }

    /// What follows a whole sequence.
    fn behind(&self, client: &Client, query: &Query) -> Result<NextToken, ServedError> {
        let chosen = self.by_id.then_some(query.symbols);
        let count = match self.by_id {
            true => self.likeliest.min(query.symbols.len()),
            false => self.likeliest,
        };
        let scored = self.ask(client, query.ids, count, None, chosen)?;
        let listed = scored.logprobs.map(|of| of.next_ids()).unwrap_or_default();
        match self.by_id {
            true => NextToken::requested(listed),
            false => NextToken::likeliest(listed, count),
        }
        .ok_or_else(|| client.wrong(PATH, "its probabilities are none"))
    }
}

impl Protocol for Vllm {
    fn server(&self) -> &'static str {
        "vLLM"
    }

    fn accuracy(&self) -> String {
        match self.by_id {
            true => "exact: the digits' probabilities by their tokens".to_owned(),
            false => format!("bounded: the {} likeliest tokens", self.likeliest),
        }
    }

    fn scores_contexts(&self) -> bool {
        self.contexts
    }

    fn efforts(&self) -> usize {
        // One after the other, positions get more than those of a whole context.
        1 + usize::from(self.by_id || self.likeliest > AT_POSITIONS)
    }

    fn next_tokens(&self, client: &Client, query: &Query) -> Result<Vec<NextToken>, ServedError> {
        if query.lengths == [query.ids.len()] {
            return Ok(vec![self.behind(client, query)?]);
        }
        let count = self.likeliest.min(AT_POSITIONS);
        let scored = self.ask(client, query.ids, count, Some(count), None)?;
        let at = scored.prompt_logprobs.unwrap_or_default();
        let behind = scored.logprobs.map(|of| of.next_ids()).unwrap_or_default();
        let one = |&length: &usize| {
            let listed = match length == query.ids.len() {
                true => behind.clone(),
                false => {
                    let tokens = at.get(length).and_then(Option::as_ref);
                    let tokens =
                        tokens.ok_or_else(|| client.wrong(PATH, "positions are missing"))?;
                    tokens
                        .iter()
                        .map(|(&id, token)| (id, token.logprob))
                        .collect()
                }
            };
            NextToken::likeliest(listed, count)
                .ok_or_else(|| client.wrong(PATH, "its probabilities are none"))
        };
        query.lengths.iter().map(one).collect()
    }
}
