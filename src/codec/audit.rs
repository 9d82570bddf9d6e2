//! The audit of a tokenizer: proof that it reads numbers as a prompt format says.

use tokenizers::Tokenizer;

use super::{BIN_COUNT, Bin, Bos, CodecError, PromptFormat};

/// The token ids of a prompt format under one tokenizer: built from a table of the 1000 numbers,
/// never by tokenising whole series.
#[derive(Debug, Clone)]
pub struct TokenTable {
    format: PromptFormat,
    prefix: Vec<u32>,
    numbers: Vec<u32>,
    separator: Vec<u32>,
}

impl TokenTable {
    /// Audits one format.
    ///
    /// Checked by encoding and decoding: every number is one token of its own, the separator has a
    /// stable encoding, and a prompt of all numbers tokenises to the concatenation of its parts,
    /// so that every value takes the same number of tokens.
    ///
    /// # Errors
    /// [`CodecError::Audit`] names the first thing that breaks the format.
    pub fn audit(tokenizer: &Tokenizer, format: &PromptFormat) -> Result<Self, CodecError> {
        let audit = Audit { tokenizer, format };
        let numbers = audit.numbers()?;
        let separator = audit.separator(&numbers)?;
        let prefix = audit.prefix()?;
        audit.concatenation(&prefix, &numbers, &separator)?;
        Ok(Self {
            format: format.clone(),
            prefix,
            numbers,
            separator,
        })
    }

    /// Audits the formats in turn and takes the first that fits.
    ///
    /// # Errors
    /// [`CodecError::NoFormat`] with each format's reason if none fits.
    pub fn choose(tokenizer: &Tokenizer, formats: &[PromptFormat]) -> Result<Self, CodecError> {
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

    /// The format that was audited.
    pub fn format(&self) -> &PromptFormat {
        &self.format
    }

    /// Tokens before the first number: beginning of sequence and preamble. May be empty.
    pub fn prefix(&self) -> &[u32] {
        &self.prefix
    }

    /// Ids of the numbers 000 to 999, in this order.
    pub fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// Tokens that one value takes, its separator included.
    pub fn stride(&self) -> usize {
        1 + self.separator.len()
    }

    /// Tokens of a prompt of `rows` values.
    pub fn tokens(&self, rows: usize) -> usize {
        self.prefix.len() + rows * self.stride()
    }

    /// Most values that fit into a window of so many tokens.
    pub fn rows_in(&self, window: usize) -> usize {
        window.saturating_sub(self.prefix.len()) / self.stride()
    }

    /// Appends a value and its separator to a prompt.
    pub fn push(&self, prompt: &mut Vec<u32>, bin: Bin) {
        prompt.push(self.numbers[bin.index()]);
        prompt.extend_from_slice(&self.separator);
    }

    /// Position in the prompt at which the prediction of row `t` is read: the token before that
    /// row's number. `None` for the first row of a prompt that begins with it.
    pub fn read_position(&self, t: usize) -> Option<usize> {
        (self.prefix.len() + t * self.stride()).checked_sub(1)
    }
}

struct Audit<'a> {
    tokenizer: &'a Tokenizer,
    format: &'a PromptFormat,
}

impl Audit<'_> {
    fn fail(&self, reason: impl Into<String>) -> CodecError {
        CodecError::Audit {
            format: self.format.name.clone(),
            reason: reason.into(),
        }
    }

    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, CodecError> {
        let encoding = self
            .tokenizer
            .encode(text, special)
            .map_err(|e| self.fail(format!("cannot encode '{text}': {e}")))?;
        Ok(encoding.get_ids().to_vec())
    }

    fn numbers(&self) -> Result<Vec<u32>, CodecError> {
        let mut ids = Vec::with_capacity(BIN_COUNT);
        let mut seen = std::collections::HashSet::new();
        for k in 0..BIN_COUNT {
            let text = format!("{k:03}");
            let &[id] = self.encode(&text, false)?.as_slice() else {
                return Err(self.fail(format!("'{text}' is not one token")));
            };
            let decoded = self
                .tokenizer
                .decode(&[id], false)
                .map_err(|e| self.fail(format!("cannot decode token {id}: {e}")))?;
            if decoded.trim() != text {
                return Err(self.fail(format!("token {id} of '{text}' reads back as '{decoded}'")));
            }
            if !seen.insert(id) {
                return Err(self.fail(format!("token {id} of '{text}' stands for two numbers")));
            }
            ids.push(id);
        }
        Ok(ids)
    }

    fn separator(&self, numbers: &[u32]) -> Result<Vec<u32>, CodecError> {
        let separator = &self.format.separator;
        if separator.is_empty() {
            return Ok(Vec::new());
        }
        match self.encode(&format!("123{separator}"), false)?.as_slice() {
            [number, rest @ ..] if *number == numbers[123] && !rest.is_empty() => Ok(rest.to_vec()),
            _ => Err(self.fail(format!("separator '{separator}' has no token of its own"))),
        }
    }

    /// Beginning of sequence, as the tokenizer's template puts it before a number, and preamble.
    fn prefix(&self) -> Result<Vec<u32>, CodecError> {
        let mut prefix = Vec::new();
        if self.format.bos == Bos::Auto {
            let number = self.encode("000", false)?;
            let templated = self.encode("000", true)?;
            let before = templated
                .windows(number.len())
                .position(|window| window == number)
                .ok_or_else(|| self.fail("the tokenizer's template drops the text"))?;
            prefix.extend_from_slice(&templated[..before]);
        }
        prefix.extend(self.encode(&self.format.preamble, false)?);
        Ok(prefix)
    }

    /// A prompt of all numbers in a scrambled order begins with the concatenation of its parts; a
    /// template may add tokens behind it.
    fn concatenation(
        &self,
        prefix: &[u32],
        numbers: &[u32],
        separator: &[u32],
    ) -> Result<(), CodecError> {
        let mut text = self.format.preamble.clone();
        let mut expected = prefix.to_vec();
        // 387 is coprime to 1000: every number once, neighbours far apart.
        for k in (0..BIN_COUNT).map(|i| i * 387 % BIN_COUNT) {
            text.push_str(&format!("{k:03}{}", self.format.separator));
            expected.push(numbers[k]);
            expected.extend_from_slice(separator);
        }
        let ids = self.encode(&text, self.format.bos == Bos::Auto)?;
        if ids.starts_with(&expected) {
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
        assert_eq!(table.read_position(0), Some(0));
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
        assert_eq!(table.read_position(0), None);
        assert_eq!(table.read_position(1), Some(0));
    }

    /// The real tokenizers of open models, where the files are at hand.
    #[test]
    fn open_models_tokenizers_take_the_number_format_or_are_refused() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/tokenizers");
        if !folder.exists() {
            eprintln!("skipped: {} is not there", folder.display());
            return;
        }
        let formats = builtin_formats().unwrap();
        for (name, fits) in [
            ("llama3", true),
            ("olmo2", true),
            ("qwen", false),
            ("smollm", false),
            ("phi2-gpt2", false),
            ("pythia-gpt-neox", false),
        ] {
            let tokenizer = Tokenizer::from_file(folder.join(name).join("tokenizer.json")).unwrap();
            let table = TokenTable::choose(&tokenizer, &formats);
            match (fits, table) {
                (true, Ok(table)) => {
                    assert_eq!(
                        (table.format().name.as_str(), table.stride()),
                        ("number", 2)
                    );
                }
                (false, Err(CodecError::NoFormat(_))) => {}
                (_, outcome) => panic!("{name}: {outcome:?}"),
            }
        }
    }
}
