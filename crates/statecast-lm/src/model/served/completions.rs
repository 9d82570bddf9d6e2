//! `/v1/completions`, as OpenAI introduced it and others have taken it over.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// A prompt of which one more token is asked.
#[derive(Serialize)]
pub(super) struct Completion<'a> {
    model: &'a str,
    prompt: Prompt<'a>,
    max_tokens: usize,
    temperature: f64,
    logprobs: usize,
    stream: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Prompt<'a> {
    Tokens(&'a [u32]),
    Text(&'a str),
}

impl<'a> Completion<'a> {
    pub(super) fn of_tokens(model: &'a str, ids: &'a [u32], logprobs: usize) -> Self {
        Self::new(model, Prompt::Tokens(ids), logprobs)
    }

    pub(super) fn of_text(model: &'a str, text: &'a str, logprobs: usize) -> Self {
        Self::new(model, Prompt::Text(text), logprobs)
    }

    fn new(model: &'a str, prompt: Prompt<'a>, logprobs: usize) -> Self {
        Self {
            model,
            prompt,
            max_tokens: 1,
            temperature: 1.0,
            logprobs,
            stream: false,
        }
    }
}

/// An answer with one choice.
#[derive(Deserialize)]
pub(super) struct Choices<T> {
    choices: Vec<T>,
    #[serde(default)]
    pub(super) usage: Option<Usage>,
}

#[derive(Deserialize)]
pub(super) struct Usage {
    pub(super) prompt_tokens: Option<usize>,
}

impl<T> Choices<T> {
    /// The choice.
    pub(super) fn only(self) -> Option<T> {
        self.choices.into_iter().next()
    }
}

#[derive(Deserialize)]
pub(super) struct Logprobs {
    top_logprobs: Option<Vec<Option<Likeliest>>>,
}

/// Tokens as they are written; null stands for an infinity.
type Likeliest = HashMap<String, Option<f64>>;

impl Logprobs {
    /// The likeliest next tokens as they are written, with the logarithms of their probabilities.
    pub(super) fn next(self) -> Vec<(String, f64)> {
        let first = self.top_logprobs.into_iter().flatten().flatten().next();
        let known = first.into_iter().flatten();
        known
            .filter_map(|(text, value)| Some((text, value?)))
            .collect()
    }

    /// The same, of a server that writes tokens as `token_id:NUMBER`.
    pub(super) fn next_ids(self) -> Vec<(u32, f64)> {
        let next = self.next().into_iter();
        next.filter_map(|(text, value)| Some((token_id(&text)?, value)))
            .collect()
    }
}

/// The token that is written as `token_id:NUMBER`.
pub(super) fn token_id(text: &str) -> Option<u32> {
    text.strip_prefix("token_id:")?.parse().ok()
}
