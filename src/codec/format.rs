//! Prompt formats: how numbers stand in a prompt, as data.

use std::path::Path;

use serde::Deserialize;

use super::CodecError;

/// Whether the prompt begins with the tokenizer's beginning-of-sequence token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bos {
    /// As the tokenizer's own template has it.
    #[default]
    Auto,
    /// Never, whatever the template says.
    Never,
}

/// A named serialisation of numbers, read from a TOML file.
///
/// A prompt is `preamble`, then every number in three digits, each followed by `separator`. Every
/// number must be one token; the prediction of a number is read at the token before it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptFormat {
    /// Name by which users choose the format.
    pub name: String,
    /// One line that says which tokenizers it is for.
    pub description: String,
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
        Self::parse(&name, &text)
    }
}

/// The embedded formats, in the order in which they are tried on a tokenizer.
///
/// # Errors
/// [`CodecError::Format`] if an embedded file is broken, which a test rules out.
pub fn builtin_formats() -> Result<Vec<PromptFormat>, CodecError> {
    [
        ("number", include_str!("../../prompts/number.toml")),
        ("value", include_str!("../../prompts/value.toml")),
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
        assert_eq!(names, ["number", "value"]);
    }

    #[test]
    fn unknown_fields_are_refused() {
        let text = "name = 'x'\ndescription = ''\nseperator = ','";
        let error = PromptFormat::parse("x", text).unwrap_err().to_string();
        assert!(error.contains("seperator"), "{error}");
    }
}
