//! The audit of a tokenizer: checks that it encodes numbers as a prompt format requires.

use tokenizers::Tokenizer;

use super::{BIN_COUNT, Bin, Bos, CodecError, PromptFormat, Symbols};
use crate::guard;

/// A tokenizer, local or remote, that can be audited.
pub trait TextTokenizer {
    /// Encodes a text, optionally with the special tokens of the tokenizer's template.
    ///
    /// # Errors
    /// Why it has none.
    fn tokens_of(&self, text: &str, special: bool) -> Result<Vec<u32>, String>;

    /// The text of tokens.
    ///
    /// # Errors
    /// Why it has none.
    fn text_of(&self, ids: &[u32]) -> Result<String, String>;

    /// True if every call costs a request, so that many numbers are better encoded in one text.
    fn is_remote(&self) -> bool {
        false
    }
}

impl TextTokenizer for Tokenizer {
    fn tokens_of(&self, text: &str, special: bool) -> Result<Vec<u32>, String> {
        let encoding = self.encode_fast(text, special);
        let encoding = encoding.map_err(|error| error.to_string())?;
        Ok(encoding.get_ids().to_vec())
    }

    fn text_of(&self, ids: &[u32]) -> Result<String, String> {
        self.decode(ids, false).map_err(|error| error.to_string())
    }
}

/// The token ids of a prompt format under one tokenizer: built from a table of the 1000 numbers,
/// never by tokenising whole series.
#[derive(Debug, Clone)]
pub struct TokenTable {
    format: PromptFormat,
    prefix: Vec<u32>,
    places: Vec<Place>,
    separator: Vec<u32>,
}

/// A symbol position of a number: one of a few symbols after a fixed prefix of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Tokens between the previous symbol and this one.
    pub before: Vec<u32>,
    /// Ids of the symbols, 1000 numbers or ten digits, in their order.
    pub symbols: Vec<u32>,
}

impl TokenTable {
    /// Audits one format.
    ///
    /// Checked by encoding and decoding: every number takes the same number of tokens, of which one
    /// (three, if a token stands for a digit) tells the numbers apart and reads back as what it
    /// stands for; the others are the same for all numbers; and a prompt of all numbers tokenises
    /// to the concatenation of its parts.
    ///
    /// # Errors
    /// [`CodecError::Audit`] names the first thing that breaks the format.
    pub fn audit(tokenizer: &dyn TextTokenizer, format: &PromptFormat) -> Result<Self, CodecError> {
        let audit = Audit { tokenizer, format };
        guard::catch(|| audit.proof()).unwrap_or_else(|said| Err(audit.fail(said)))
    }

    /// Returns the first format that passes the audit.
    ///
    /// # Errors
    /// [`CodecError::NoFormat`] with each format's reason if none fits.
    pub fn choose(
        tokenizer: &dyn TextTokenizer,
        formats: &[PromptFormat],
    ) -> Result<Self, CodecError> {
        let mut reasons = Vec::new();
        for format in formats {
            match Self::audit(tokenizer, format) {
                Ok(table) => return Ok(table),
                Err(CodecError::Audit { format, reason }) => {
                    reasons.push(format!("{format}: {reason}"));
                }
                Err(other) => return Err(other),
            }
        }
        Err(CodecError::NoFormat(reasons))
    }

    /// Returns the audited format.
    pub fn format(&self) -> &PromptFormat {
        &self.format
    }

    /// Returns the tokens before the first number: beginning of sequence and preamble. May be
    /// empty.
    pub fn prefix(&self) -> &[u32] {
        &self.prefix
    }

    /// Returns the symbol positions of a number, first digit first. The first one has no prefix.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Returns every token id that a prompt can contain.
    pub fn ids(&self) -> impl Iterator<Item = u32> {
        let places = self.places.iter();
        let of_places = places.flat_map(|place| place.before.iter().chain(&place.symbols));
        (self.prefix.iter().chain(&self.separator))
            .chain(of_places)
            .copied()
    }

    /// Returns the number of tokens per value, including its separator.
    pub fn stride(&self) -> usize {
        self.offset(self.places.len()) + self.separator.len()
    }

    /// Returns the number of tokens before the symbol at a position, or of all symbols.
    pub fn offset(&self, place: usize) -> usize {
        let before = |place: &Place| place.before.len();
        let up_to = self.places.len().min(place + 1);
        place + self.places[..up_to].iter().map(before).sum::<usize>()
    }

    /// Returns the number of tokens of a prompt of `rows` values.
    pub fn tokens(&self, rows: usize) -> usize {
        self.prefix.len() + rows * self.stride()
    }

    /// Returns the largest number of values in a window of tokens.
    pub fn rows_in(&self, window: usize) -> usize {
        window.saturating_sub(self.prefix.len()) / self.stride()
    }

    /// Appends a value and its separator to a prompt.
    pub fn push(&self, prompt: &mut Vec<u32>, bin: Bin) {
        self.push_symbols(prompt, bin, 0..self.places.len());
        prompt.extend_from_slice(&self.separator);
    }

    /// Appends a value's symbols at some positions, each with its prefix.
    pub fn push_symbols(&self, prompt: &mut Vec<u32>, bin: Bin, places: std::ops::Range<usize>) {
        for place in places {
            prompt.extend_from_slice(&self.places[place].before);
            let symbol = self.format.symbols.of(bin, place);
            prompt.push(self.places[place].symbols[symbol]);
        }
    }

    /// Returns the number of tokens to read for a draw: all up to its last symbol.
    pub fn draw_length(&self) -> usize {
        self.offset(self.places.len() - 1)
    }

    /// Position in the prompt at which the symbol at a place of row `t` is predicted: that of the
    /// token before it. `None` for the first symbol of a prompt that begins with it.
    pub fn read_position(&self, t: usize, place: usize) -> Option<usize> {
        (self.tokens(t) + self.offset(place)).checked_sub(1)
    }
}

struct Audit<'a> {
    tokenizer: &'a dyn TextTokenizer,
    format: &'a PromptFormat,
}

/// The tokens of each number within a series, and the tokens before the first.
struct Blocks {
    prefix: Vec<u32>,
    numbers: Vec<Vec<u32>>,
}

fn bin(k: usize) -> Bin {
    Bin::new(k).expect("k counts the bins")
}

impl Audit<'_> {
    fn fail(&self, reason: impl Into<String>) -> CodecError {
        CodecError::Audit {
            format: self.format.name.clone(),
            reason: reason.into(),
        }
    }

    fn proof(&self) -> Result<TokenTable, CodecError> {
        let blocks = self.blocks()?;
        let (table, lead) = self.table(&blocks)?;
        self.symbols(&table)?;
        self.concatenation(&table, lead)?;
        Ok(table)
    }

    fn encode(&self, numbers: &[Bin], special: bool) -> Result<Vec<u32>, CodecError> {
        let text = self.format.preamble.clone() + &self.format.write(numbers);
        self.tokenizer.tokens_of(&text, special).map_err(|e| {
            let beginning: String = text.chars().take(20).collect();
            self.fail(format!("cannot encode '{beginning}': {e}"))
        })
    }

    fn blocks(&self) -> Result<Blocks, CodecError> {
        let zero = bin(0);
        let (one, two) = (
            self.encode(&[zero], false)?,
            self.encode(&[zero, zero], false)?,
        );
        let stride = two.len().saturating_sub(one.len());
        if stride == 0 || stride > one.len() {
            return Err(self.fail("'000' has no tokens of its own"));
        }
        let preamble = one.len() - stride;
        let numbers = match self.tokenizer.is_remote() {
            true => self.numbers_at_once(preamble, stride)?,
            false => self.numbers_each(&two, preamble, stride)?,
        };
        let mut prefix = Vec::new();
        if self.format.bos == Bos::Auto {
            let templated = self.encode(&[zero], true)?;
            let before = templated
                .windows(one.len())
                .position(|window| window == one)
                .ok_or_else(|| self.fail("the tokenizer's template drops the text"))?;
            prefix.extend_from_slice(&templated[..before]);
        }
        prefix.extend_from_slice(&one[..preamble]);
        Ok(Blocks { prefix, numbers })
    }

    /// The tokens of each number, of one text with every number twice.
    fn numbers_at_once(&self, preamble: usize, stride: usize) -> Result<Vec<Vec<u32>>, CodecError> {
        let twice: Vec<Bin> = (0..BIN_COUNT).flat_map(|k| [bin(k); 2]).collect();
        let ids = self.encode(&twice, false)?;
        if ids.len() != preamble + twice.len() * stride {
            return Err(self.fail("numbers take different numbers of tokens"));
        }
        let pairs = ids[preamble..].chunks(2 * stride).enumerate();
        pairs
            .map(|(k, pair)| match pair.split_at(stride) {
                (first, second) if first == second => Ok(second.to_vec()),
                _ => Err(self.repeats_differ(k)),
            })
            .collect()
    }

    /// The tokens of each number, of a text for each.
    fn numbers_each(
        &self,
        two: &[u32],
        preamble: usize,
        stride: usize,
    ) -> Result<Vec<Vec<u32>>, CodecError> {
        (0..BIN_COUNT)
            .map(|k| {
                let ids = self.encode(&[bin(k), bin(k)], false)?;
                if ids.len() != two.len() || ids[..preamble] != two[..preamble] {
                    return Err(self.fail(format!(
                        "'{}' takes another number of tokens than '{}'",
                        self.format.write(&[bin(k)]),
                        self.format.write(&[bin(0)])
                    )));
                }
                let (first, second) = ids[preamble..].split_at(stride);
                match first == second {
                    true => Ok(second.to_vec()),
                    false => Err(self.repeats_differ(k)),
                }
            })
            .collect()
    }

    fn repeats_differ(&self, k: usize) -> CodecError {
        let text = self.format.write(&[bin(k)]);
        self.fail(format!("'{text}' takes other tokens when repeated"))
    }

    /// Finds the tokens that tell the numbers apart. Says too how many stand before the first of
    /// them.
    fn table(&self, blocks: &Blocks) -> Result<(TokenTable, usize), CodecError> {
        let (symbols, zero) = (self.format.symbols, &blocks.numbers[0]);
        let varying: Vec<usize> = (0..zero.len())
            .filter(|&i| blocks.numbers.iter().any(|block| block[i] != zero[i]))
            .collect();
        if varying.len() != symbols.places() {
            return Err(self.fail(format!(
                "{} tokens of a number tell it from others, not {}",
                varying.len(),
                symbols.places()
            )));
        }
        let mut places = Vec::with_capacity(varying.len());
        let mut end = varying[0];
        for (place, &at) in varying.iter().enumerate() {
            let mut ids = vec![None; symbols.count()];
            for (k, block) in blocks.numbers.iter().enumerate() {
                let symbol = symbols.of(bin(k), place);
                if *ids[symbol].get_or_insert(block[at]) != block[at] {
                    return Err(self.fail("a digit's token depends on the digits beside it"));
                }
            }
            places.push(Place {
                before: zero[end..at].to_vec(),
                symbols: ids.into_iter().flatten().collect(),
            });
            end = at + 1;
        }
        // What stands before a number's first symbol is read with the number before it, so that its
        // prediction is at hand.
        let (lead, separator) = (&zero[..varying[0]], &zero[end..]);
        if separator.is_empty() && !self.format.separator.is_empty() {
            let separator = &self.format.separator;
            return Err(self.fail(format!("separator '{separator}' has no token of its own")));
        }
        let table = TokenTable {
            format: self.format.clone(),
            prefix: [&blocks.prefix, lead].concat(),
            places,
            separator: [separator, lead].concat(),
        };
        Ok((table, lead.len()))
    }

    /// Every symbol is distinct and reads back as what it stands for.
    fn symbols(&self, table: &TokenTable) -> Result<(), CodecError> {
        for place in &table.places {
            if self.tokenizer.is_remote() {
                self.symbols_at_once(place)?;
                continue;
            }
            let mut seen = std::collections::HashSet::new();
            for (symbol, &id) in place.symbols.iter().enumerate() {
                let text = self.symbol_text(symbol);
                if !seen.insert(id) {
                    return Err(self.fail(format!("token {id} of '{text}' stands for two")));
                }
                let decoded = self
                    .tokenizer
                    .text_of(&[id])
                    .map_err(|e| self.fail(format!("cannot decode token {id}: {e}")))?;
                if decoded.trim() != text {
                    return Err(
                        self.fail(format!("token {id} of '{text}' reads back as '{decoded}'"))
                    );
                }
            }
        }
        Ok(())
    }

    /// The same of one place, by one text of all its symbols: they have one width, so that the text
    /// tells them apart.
    fn symbols_at_once(&self, place: &Place) -> Result<(), CodecError> {
        let mut ids = place.symbols.clone();
        ids.sort_unstable();
        if let Some(twice) = ids.windows(2).find(|two| two[0] == two[1]) {
            return Err(self.fail(format!("token {} stands for two", twice[0])));
        }
        let text: String = (0..place.symbols.len())
            .map(|k| self.symbol_text(k))
            .collect();
        let decoded = self.tokenizer.text_of(&place.symbols);
        let decoded = decoded.map_err(|e| self.fail(format!("cannot decode tokens: {e}")))?;
        let decoded: String = decoded.split_whitespace().collect();
        match decoded == text {
            true => Ok(()),
            false => Err(self.fail("the tokens of the symbols read back as something else")),
        }
    }

    fn symbol_text(&self, symbol: usize) -> String {
        match self.format.symbols {
            Symbols::Number => format!("{symbol:03}"),
            Symbols::Digit => symbol.to_string(),
        }
    }

    /// A prompt of all numbers in a scrambled order begins with the concatenation of its parts; a
    /// template may add tokens after it.
    fn concatenation(&self, table: &TokenTable, lead: usize) -> Result<(), CodecError> {
        // 387 is coprime to 1000: every number once, neighbours far apart.
        let numbers: Vec<Bin> = (0..BIN_COUNT).map(|i| bin(i * 387 % BIN_COUNT)).collect();
        let mut expected = table.prefix.clone();
        numbers
            .iter()
            .for_each(|&number| table.push(&mut expected, number));
        // What stands before the next number is not written yet.
        let written = expected.len() - lead;
        let ids = self.encode(&numbers, self.format.bos == Bos::Auto)?;
        if ids.starts_with(&expected[..written]) {
            Ok(())
        } else {
            Err(self.fail("a series of numbers does not tokenise number by number"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::builtin_formats;

    fn builtin() -> Tokenizer {
        Tokenizer::from_bytes(include_bytes!("../../models/builtin/tokenizer.json")).unwrap()
    }

    #[test]
    fn bundled_tokenizer_takes_the_value_format() {
        let table = TokenTable::choose(&builtin(), &builtin_formats().unwrap()).unwrap();
        assert_eq!(table.format().name, "value");
        assert_eq!((table.stride(), table.prefix().len()), (1, 1));
        assert_eq!(table.read_position(0, 0), Some(0));
        assert_eq!(table.tokens(10), 11);
        assert_eq!(table.rows_in(1024), 1023);
    }

    #[test]
    fn separator_that_the_tokenizer_drops_fails_the_audit() {
        let formats = builtin_formats().unwrap();
        let error = TokenTable::audit(&builtin(), &formats[0]).unwrap_err();
        assert!(error.to_string().contains("separator ','"), "{error}");
    }

    #[test]
    fn without_bos_the_first_row_has_no_read_position() {
        let mut format = builtin_formats().unwrap().remove(1);
        format.bos = Bos::Never;
        let table = TokenTable::audit(&builtin(), &format).unwrap();
        assert_eq!(table.read_position(0, 0), None);
        assert_eq!(table.read_position(1, 0), Some(0));
    }
}
