//! Hosted models behind OpenAI's `/v1/completions`, and servers that are like it: the likeliest few
//! tokens, of a prompt of tokens or else of text.

use std::collections::HashMap;

use serde::Deserialize;

use super::ServedError;
use super::client::Client;
use super::completions::{Choices, Completion, Logprobs, token_id};
use super::protocol::{NextToken, Protocol, Query};

const PATH: &str = "/v1/completions";

/// Likeliest tokens that are asked for, most first: OpenAI gives 20 or 5, `llama-cpp-python` any
/// number.
const COUNTS: [usize; 3] = [1000, 20, 5];

/// How often a server draws a token before its text is held to end here for sure.
const DRAWS: usize = 8;

/// A server that is like OpenAI's.
pub(super) struct OpenAi {
    model: String,
    /// Likeliest tokens that it gives.
    likeliest: usize,
    /// Whether it takes tokens as a prompt.
    takes_tokens: bool,
}

#[derive(Deserialize)]
struct Scored {
    logprobs: Option<Logprobs>,
}

impl OpenAi {
    /// Asks the server for what it can.
    pub(super) fn probe(client: &Client, model: &str) -> Result<Self, ServedError> {
        let asked = |request| client.offer::<Choices<Scored>>(PATH, &request);
        let ids = [1, 2, 3];
        for count in COUNTS {
            let tokens = asked(Completion::of_tokens(model, &ids, count))?;
            let read = |answer: &Choices<Scored>| answer.usage.as_ref()?.prompt_tokens;
            let tokens = tokens.filter(|answer| read(answer) == Some(ids.len()));
            let takes_tokens = tokens.is_some();
            let answer = match tokens {
                Some(answer) => Some(answer),
                None => asked(Completion::of_text(model, "1, 2, 3,", count))?,
            };
            let scored = answer.and_then(|answer| answer.only()?.logprobs);
            if let Some(given) = scored
                .map(|scored| scored.next().len())
                .filter(|&given| given > 0)
            {
                return Ok(Self {
                    model: model.to_owned(),
                    likeliest: count.min(given),
                    takes_tokens,
                });
            }
        }
        // What the server says where it refuses even the least, if it says anything.
        let _: Choices<Scored> =
            client.post(PATH, &Completion::of_text(model, "1, 2, 3,", COUNTS[2]))?;
        Err(client.wrong(PATH, "it gives no logprobs of completions"))
    }

    /// True if prompts must be text.
    pub(super) fn wants_text(&self) -> bool {
        !self.takes_tokens
    }

    /// The likeliest next tokens. `llama-cpp-python` lists none where the token that it draws ends
    /// the text, so that it is asked to draw again.
    fn listed(
        &self,
        client: &Client,
        request: &Completion,
    ) -> Result<Vec<(String, f64)>, ServedError> {
        for _ in 0..DRAWS {
            let choices: Choices<Scored> = client.post(PATH, request)?;
            let scored = choices.only().and_then(|choice| choice.logprobs);
            let scored = scored.ok_or_else(|| client.wrong(PATH, "it gives no logprobs"))?;
            let listed = scored.next();
            if !listed.is_empty() {
                return Ok(listed);
            }
        }
        Err(client.wrong(
            PATH,
            "it ends the text and gives no logprobs of what else could follow",
        ))
    }

    fn one(&self, client: &Client, query: &Query, length: usize) -> Result<NextToken, ServedError> {
        let ids = &query.ids[..length];
        let pieces = query.pieces;
        let pieces = pieces.ok_or_else(|| client.wrong(PATH, "its tokenizer is not known"))?;
        let text;
        let request = match self.takes_tokens {
            true => Completion::of_tokens(&self.model, ids, self.likeliest),
            false => {
                text = pieces.text(ids);
                Completion::of_text(&self.model, &text, self.likeliest)
            }
        };
        let listed = self.listed(client, &request)?;
        // Texts that are none of ours count towards what is given, under numbers that are no
        // token's.
        let mut known: HashMap<u32, f64> = HashMap::new();
        for (i, (text, value)) in listed.into_iter().enumerate() {
            let id = token_id(&text).or_else(|| pieces.token(&text));
            known.insert(id.unwrap_or(u32::MAX - i as u32), value);
        }
        NextToken::likeliest(known, self.likeliest)
            .ok_or_else(|| client.wrong(PATH, "its probabilities are none"))
    }
}

impl Protocol for OpenAi {
    fn server(&self) -> &'static str {
        "like OpenAI's"
    }

    fn accuracy(&self) -> String {
        let prompts = match self.takes_tokens {
            true => "tokens",
            false => "text",
        };
        format!(
            "bounded: the {} likeliest tokens, prompts of {prompts}",
            self.likeliest
        )
    }

    fn next_tokens(&self, client: &Client, query: &Query) -> Result<Vec<NextToken>, ServedError> {
        let lengths = query.lengths.iter();
        lengths
            .map(|&length| self.one(client, query, length))
            .collect()
    }
}
