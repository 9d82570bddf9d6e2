//! tokenizer.json.

use std::path::Path;

use serde_json::Value;
use tokenizers::Tokenizer;

use super::{ModelError, read};
use crate::guard;

/// Reads a tokenizer.json.
///
/// # Errors
/// [`ModelError::Read`] or [`ModelError::Tokenizer`].
pub fn read_tokenizer(path: &Path) -> Result<Tokenizer, ModelError> {
    let (json, name) = read(path)?;
    parse(&name, &json)
}

/// Parses a tokenizer.json; `file` stands in errors. Padding and truncation of the file, which
/// would change prompts, are cleared.
pub(super) fn parse(file: &str, json: &[u8]) -> Result<Tokenizer, ModelError> {
    let fail = |reason: String| ModelError::Tokenizer {
        file: file.to_owned(),
        reason,
    };
    let mut tokenizer = match from_bytes(json) {
        Ok(tokenizer) => tokenizer,
        Err(reason) => match without_broken_merges(json) {
            Some(repaired) => from_bytes(&repaired).map_err(fail)?,
            None => return Err(fail(reason)),
        },
    };
    tokenizer.with_padding(None);
    tokenizer
        .with_truncation(None)
        .map_err(|e| fail(e.to_string()))?;
    Ok(tokenizer)
}

/// The library's own reader, which panics on some damaged files.
fn from_bytes(json: &[u8]) -> Result<Tokenizer, String> {
    guard::catch(|| Tokenizer::from_bytes(json))?.map_err(|e| e.to_string())
}

/// The same file without the merges that name no two tokens, if there are any. Files of Llama 2 in
/// circulation have lost the signs for spaces in merges of nothing but spaces; numbers do not need
/// them, which the audit proves.
fn without_broken_merges(json: &[u8]) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(json).ok()?;
    let merges = value.get_mut("model")?.get_mut("merges")?.as_array_mut()?;
    let before = merges.len();
    merges.retain(|merge| match merge {
        Value::String(text) => text.split(' ').filter(|part| !part.is_empty()).count() == 2,
        _ => true,
    });
    if merges.len() == before {
        return None;
    }
    serde_json::to_vec(&value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"version": "1.0", "truncation": {"direction": "Right", "max_length": 4,
        "strategy": "LongestFirst", "stride": 0}, "padding": null, "added_tokens": [],
        "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": {"type": "BPE", "dropout": null, "unk_token": null,
        "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
        "byte_fallback": false, "vocab": {"1": 0, "2": 1, "12": 2}, "merges": ["1 2", "   "]}}"#;

    #[test]
    fn broken_merges_are_left_out_and_truncation_is_cleared() {
        let tokenizer = parse("tokenizer.json", JSON.as_bytes()).unwrap();
        let ids = tokenizer.encode("1221221", false).unwrap();
        assert_eq!(ids.get_ids(), [2, 1, 2, 1, 0]);
    }

    #[test]
    fn other_faults_are_errors_that_name_the_file() {
        for bad in ["", "{}", "[1]", "{\"model\": 3}"] {
            let error = parse("x/tokenizer.json", bad.as_bytes()).unwrap_err();
            assert!(
                error.to_string().starts_with("x/tokenizer.json: "),
                "{error}"
            );
        }
    }
}
