//! SGLang: its own `/generate`, which scores a whole context for chosen tokens in one request.

use serde::{Deserialize, Serialize};

use super::ServedError;
use super::client::Client;
use super::protocol::{NextToken, Protocol, Query};

const PATH: &str = "/generate";

/// A server of SGLang.
pub(super) struct Sglang;

#[derive(Deserialize)]
pub(super) struct ModelInfo {
    pub(super) model_path: String,
}

#[derive(Serialize)]
struct Request<'a> {
    input_ids: &'a [u32],
    sampling_params: Sampling,
    return_logprob: bool,
    logprob_start_len: usize,
    token_ids_logprob: &'a [u32],
    stream: bool,
}

#[derive(Serialize)]
struct Sampling {
    max_new_tokens: usize,
    // Probabilities are those after temperature and penalties.
    temperature: f64,
    repetition_penalty: f64,
}

#[derive(Deserialize)]
struct Answer {
    meta_info: Meta,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default)]
    input_token_ids_logprobs: Vec<Option<Vec<Token>>>,
    output_token_ids_logprobs: Vec<Option<Vec<Token>>>,
}

/// Logarithm of the probability, the token, and its text.
type Token = (Option<f64>, u32, Option<serde_json::Value>);

impl Protocol for Sglang {
    fn server(&self) -> &'static str {
        "SGLang"
    }

    fn accuracy(&self) -> String {
        "exact: the digits' probabilities at all positions of a context in one request".to_owned()
    }

    fn scores_contexts(&self) -> bool {
        true
    }

    fn next_tokens(&self, client: &Client, query: &Query) -> Result<Vec<NextToken>, ServedError> {
        // What follows the beginning of a length is told at the token after it, and the token at
        // which it is told from has nothing before it.
        let first = query.lengths.first().copied().unwrap_or(1) - 1;
        let request = Request {
            input_ids: query.ids,
            sampling_params: Sampling {
                max_new_tokens: 1,
                temperature: 1.0,
                repetition_penalty: 1.0,
            },
            return_logprob: true,
            logprob_start_len: first,
            token_ids_logprob: query.symbols,
            stream: false,
        };
        let Meta {
            input_token_ids_logprobs: inside,
            output_token_ids_logprobs: behind,
        } = client.post::<Answer>(PATH, &request)?.meta_info;
        let one = |&length: &usize| {
            let listed = match length == query.ids.len() {
                true => behind.first(),
                false => inside.get(length - first),
            };
            let listed = listed.and_then(Option::as_ref);
            let listed = listed.ok_or_else(|| client.wrong(PATH, "positions are missing"))?;
            let listed = listed.iter();
            let listed = listed.map(|(value, id, _)| (*id, value.unwrap_or(f64::NEG_INFINITY)));
            NextToken::requested(listed)
                .ok_or_else(|| client.wrong(PATH, "its probabilities are none"))
        };
        query.lengths.iter().map(one).collect()
    }
}
