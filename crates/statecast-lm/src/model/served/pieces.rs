//! Tokens as text, for servers that take no tokens.

use std::collections::HashMap;

use tokenizers::Tokenizer;

use crate::codec::{Bin, TokenTable};

/// Numbers on which the way back from tokens to text is tried.
const TRIED: [usize; 7] = [0, 50, 123, 987, 505, 999, 640];

/// The text of every token that a prompt can hold.
pub(super) struct Pieces {
    texts: HashMap<u32, String>,
    tokens: HashMap<String, u32>,
    /// What stands before the first number, of which the server adds the beginning of sequence
    /// itself.
    prefix: String,
    prefix_tokens: usize,
}

impl Pieces {
    /// The pieces of a table's tokens.
    pub(super) fn of(tokenizer: &Tokenizer, table: &TokenTable) -> Option<Self> {
        let mut texts = HashMap::new();
        for id in table.ids() {
            texts.insert(id, tokenizer.id_to_token(id)?.replace(['Ġ', '▁'], " "));
        }
        let mut tokens = HashMap::new();
        let symbols = table.places().iter().flat_map(|place| &place.symbols);
        for id in symbols {
            tokens.insert(texts.get(id)?.clone(), *id);
        }
        Some(Self {
            texts,
            tokens,
            prefix: String::new(),
            prefix_tokens: table.prefix().len(),
        })
    }

    /// The same, proven to write prompts as text: the tokens of numbers join to what the format
    /// writes.
    pub(super) fn joined(mut self, table: &TokenTable) -> Option<Self> {
        let numbers: Vec<Bin> = TRIED.iter().map(|&k| Bin::new(k)).collect::<Option<_>>()?;
        let mut ids = table.prefix().to_vec();
        let (_, before) = numbers.split_last()?;
        before
            .iter()
            .for_each(|&number| table.push(&mut ids, number));
        let joined = self.text(&ids);
        let format = table.format();
        let whole = format.preamble.clone() + &format.write(&numbers);
        let at = whole.find(&joined)?;
        self.prefix = whole[..at].to_owned();
        Some(self)
    }

    /// The text of a prompt.
    pub(super) fn text(&self, ids: &[u32]) -> String {
        let mut text = self.prefix.clone();
        for id in &ids[self.prefix_tokens.min(ids.len())..] {
            text += self.texts.get(id).map_or("", String::as_str);
        }
        text
    }

    /// The symbol that a text stands for.
    pub(super) fn token(&self, text: &str) -> Option<u32> {
        self.tokens.get(text).copied()
    }
}
