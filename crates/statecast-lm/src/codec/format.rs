//! Prompt formats: the serialisation of numbers, as data.

use std::path::Path;

use serde::Deserialize;

use super::{BIN_COUNT, Bin, CodecError};
use crate::stand_in;

/// Whether the prompt begins with the tokenizer's beginning-of-sequence token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bos {
    /// According to the tokenizer's own template.
    #[default]
    Auto,
    /// Never.
    Never,
}

/// Content of one token of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Symbols {
    /// All three digits.
    #[default]
    Number,
    /// One digit.
    Digit,
}

impl Symbols {
    /// Returns the number of tokens per number, without separators.
    pub fn places(self) -> usize {
        match self {
            Self::Number => 1,
            Self::Digit => 3,
        }
    }

    /// Returns the number of symbols.
    pub fn count(self) -> usize {
        match self {
            Self::Number => BIN_COUNT,
            Self::Digit => 10,
        }
    }

    /// Returns the symbol of a bin at a position.
    pub fn of(self, bin: Bin, place: usize) -> usize {
        match self {
            Self::Number => bin.index(),
            Self::Digit => bin.index() / [100, 10, 1][place] % 10,
        }
    }
}

/// A named serialisation of numbers, read from a TOML file.
///
/// A prompt is `preamble`, then every number in three digits: `before`, the digits with `between`
/// between them if a token stands for one digit, `separator`. The prediction of a symbol is read at
/// the token before it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptFormat {
    /// Name by which users choose the format.
    pub name: String,
    /// One-line description of the tokenizers it is for.
    pub description: String,
    /// Content of one token of a number.
    #[serde(default)]
    pub symbols: Symbols,
    /// Text before every number.
    #[serde(default)]
    pub before: String,
    /// Text between digits.
    #[serde(default)]
    pub between: String,
    /// Text after every number.
    #[serde(default)]
    pub separator: String,
    /// Text before the first number; it counts towards the model's window.
    #[serde(default)]
    pub preamble: String,
    /// Beginning-of-sequence token.
    #[serde(default)]
    pub bos: Bos,
}

impl PromptFormat {
    /// The text of numbers, without the preamble.
    pub fn write(&self, numbers: &[Bin]) -> String {
        let mut text = String::new();
        for number in numbers {
            let digits = format!("{:03}", number.index());
            text.push_str(&self.before);
            match self.symbols {
                Symbols::Number => text.push_str(&digits),
                Symbols::Digit => {
                    let digits: Vec<&str> = digits.split("").filter(|d| !d.is_empty()).collect();
                    text.push_str(&digits.join(&self.between));
                }
            }
            text.push_str(&self.separator);
        }
        text
    }

    /// Parses a format; `name` stands in the error.
    ///
    /// # Errors
    /// [`CodecError::Format`] if the text is no TOML or has other fields.
    pub fn parse(name: &str, text: &str) -> Result<Self, CodecError> {
        toml::from_str(text).map_err(|e| CodecError::Format {
            name: name.to_owned(),
            reason: e.message().to_owned(),
        })
    }

    /// Reads a user's own format.
    ///
    /// # Errors
    /// [`CodecError::Format`] if the file cannot be read or parsed.
    pub fn read(path: &Path) -> Result<Self, CodecError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| CodecError::Format {
            name: name.clone(),
            reason: e.to_string(),
        })?;
        if let Some(found) = stand_in::by_content(text.as_bytes()) {
            let reason = format!("it is {}; {}", found.what, found.remedy);
            return Err(CodecError::Format { name, reason });
        }
        Self::parse(&name, &text)
    }
}

/// Returns the embedded formats, in the order of the audit.
///
/// # Errors
/// [`CodecError::Format`] if an embedded file is broken, which a test rules out.
pub fn builtin_formats() -> Result<Vec<PromptFormat>, CodecError> {
    [
        ("number", include_str!("../../prompts/number.toml")),
        ("value", include_str!("../../prompts/value.toml")),
        ("digit", include_str!("../../prompts/digit.toml")),
        (
            "spaced-digit",
            include_str!("../../prompts/spaced-digit.toml"),
        ),
        ("llmtime", include_str!("../../prompts/llmtime.toml")),
    ]
    .into_iter()
    .map(|(name, text)| PromptFormat::parse(name, text))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_formats_parse_and_carry_their_file_names() {
        let names: Vec<_> = builtin_formats()
            .unwrap()
            .into_iter()
            .map(|f| f.name)
            .collect();
        assert_eq!(
            names,
            ["number", "value", "digit", "spaced-digit", "llmtime"]
        );
    }

    #[test]
    fn numbers_are_written_in_full_width() {
        let numbers = [Bin::new(50).unwrap(), Bin::new(234).unwrap()];
        let texts: Vec<String> = builtin_formats()
            .unwrap()
            .iter()
            .map(|format| format.write(&numbers))
            .collect();
        assert_eq!(
            texts,
            [
                "050,234,",
                "050234",
                "050,234,",
                " 0 5 0 , 2 3 4 ,",
                "050, 234, "
            ]
        );
    }

    #[test]
    fn unknown_fields_are_refused() {
        let text = "name = 'x'\ndescription = ''\nseperator = ','";
        let error = PromptFormat::parse("x", text).unwrap_err().to_string();
        assert!(error.contains("seperator"), "{error}");
    }
}
