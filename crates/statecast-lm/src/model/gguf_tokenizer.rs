//! The tokenizer that a GGUF file carries.
//!
//! Byte-level BPE is built by candle, with the treatment of digits and of leading spaces that
//! llama.cpp's name for the pre-tokenizer calls for. SentencePiece vocabularies carry scores
//! instead of merges; the merges follow from them as in Hugging Face's conversion: every token that
//! is two others put together, the best score first.

use std::collections::HashMap;

use candle_core::quantized::gguf_file::Value;
use candle_core::quantized::tokenizer::TokenizerFromGguf;
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence as Decoders;
use tokenizers::decoders::strip::Strip;
use tokenizers::models::ModelWrapper;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::{Prepend, Replace, Sequence as Normalizers};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, SplitDelimiterBehavior, Tokenizer};

use super::gguf::GgufFile;
use super::{ModelError, one_line};
use crate::guard;

/// The space of SentencePiece.
const SPACE: &str = "▁";

/// How Llama 3 and Qwen 2 split texts before merging: they differ in the digits that stand
/// together.
const LLAMA3_SPLIT: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2_SPLIT: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Longest token, in characters, of which the ways to put it together are tried.
const LONGEST_MERGED: usize = 64;

impl GgufFile {
    /// The tokenizer in the header.
    ///
    /// # Errors
    /// [`ModelError::Tokenizer`] if there is none or it is of another kind.
    pub(super) fn tokenizer(&self) -> Result<Tokenizer, ModelError> {
        let fail = |reason: String| ModelError::Tokenizer {
            file: self.name().to_owned(),
            reason,
        };
        match self.text("tokenizer.ggml.model") {
            Some("gpt2") => guard::catch(|| self.byte_level())
                .and_then(|tokenizer| tokenizer)
                .map_err(fail),
            Some("llama") => guard::catch(|| self.sentence_piece())
                .and_then(|tokenizer| tokenizer)
                .map_err(fail),
            Some(other) => Err(fail(format!(
                "tokenizer '{other}' inside GGUF is not supported (gpt2 and llama are); put a \
                 tokenizer.json beside the file"
            ))),
            None => Err(fail(
                "no tokenizer inside; put a tokenizer.json beside the file".to_owned(),
            )),
        }
    }

    fn byte_level(&self) -> Result<Tokenizer, String> {
        let mut tokenizer = Tokenizer::from_gguf(self.content()).map_err(|e| one_line(&e))?;
        match self.text("tokenizer.ggml.pre") {
            Some("qwen2") => {}
            Some("llama-bpe" | "llama3" | "llama-v3") => self.as_llama3(&mut tokenizer)?,
            Some("deepseek-r1-qwen") => {
                split_then_bytes(&mut tokenizer, QWEN2_SPLIT)?;
            }
            Some("smollm" | "starcoder" | "refact" | "command-r") => {
                tokenizer.with_pre_tokenizer(Some(PreTokenizers::new(vec![
                    Digits::new(true).into(),
                    ByteLevel::new(false, true, true).into(),
                ])));
            }
            _ => {
                tokenizer.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
            }
        }
        Ok(tokenizer)
    }

    /// Numbers of up to three digits stand together, words of the vocabulary are taken whole, and
    /// unless the file says otherwise a text begins with the beginning-of-sequence token.
    fn as_llama3(&self, tokenizer: &mut Tokenizer) -> Result<(), String> {
        split_then_bytes(tokenizer, LLAMA3_SPLIT)?;
        if let ModelWrapper::BPE(model) = tokenizer.get_model() {
            let mut model = model.clone();
            model.ignore_merges = true;
            tokenizer.with_model(model);
        }
        if self.flag("tokenizer.ggml.add_bos_token").unwrap_or(true) {
            let bos = self
                .id("tokenizer.ggml.bos_token_id")
                .and_then(|id| Some((tokenizer.id_to_token(id as u32)?, id)))
                .ok_or("no token to begin with")?;
            begin_with(tokenizer, &bos.0, bos.1)?;
        }
        Ok(())
    }

    fn sentence_piece(&self) -> Result<Tokenizer, String> {
        let tokens = self.texts("tokenizer.ggml.tokens")?;
        let scores = self.numbers("tokenizer.ggml.scores")?;
        if scores.len() != tokens.len() {
            return Err(format!(
                "{} scores for {} tokens",
                scores.len(),
                tokens.len()
            ));
        }
        let vocabulary: HashMap<String, u32> = tokens
            .iter()
            .enumerate()
            .map(|(id, token)| (token.clone(), id as u32))
            .collect();
        let merges = merges(&tokens, &scores, &vocabulary);
        let unknown = self.id("tokenizer.ggml.unknown_token_id").unwrap_or(0);
        let mut model = BPE::builder()
            .vocab_and_merges(
                vocabulary
                    .into_iter()
                    .collect::<tokenizers::models::bpe::Vocab>(),
                merges,
            )
            .fuse_unk(true)
            .byte_fallback(true);
        if let Some(token) = tokens.get(unknown) {
            model = model.unk_token(token.clone());
        }
        let mut tokenizer = Tokenizer::new(model.build().map_err(|e| e.to_string())?);
        let spaces = Replace::new(" ", SPACE).map_err(|e| e.to_string())?;
        let mut normalizers = vec![spaces.into()];
        let leading = self.flag("tokenizer.ggml.add_space_prefix").unwrap_or(true);
        if leading {
            normalizers.insert(0, Prepend::new(SPACE.to_owned()).into());
        }
        tokenizer
            .with_normalizer(Some(Normalizers::new(normalizers)))
            .map_err(|e| e.to_string())?;
        let mut decoders = vec![
            Replace::new(SPACE, " ").map_err(|e| e.to_string())?.into(),
            ByteFallback::new().into(),
            Fuse::new().into(),
        ];
        if leading {
            decoders.push(Strip::new(' ', 1, 0).into());
        }
        tokenizer.with_decoder(Some(Decoders::new(decoders)));
        let special: Vec<AddedToken> = ["bos", "eos", "unknown", "padding"]
            .iter()
            .filter_map(|kind| self.id(&format!("tokenizer.ggml.{kind}_token_id")))
            .filter_map(|id| tokens.get(id))
            .map(|token| AddedToken::from(token.clone(), true))
            .collect();
        tokenizer
            .add_special_tokens(special)
            .map_err(|e| e.to_string())?;
        let begins = self.flag("tokenizer.ggml.add_bos_token").unwrap_or(true);
        if let Some(bos) = self.id("tokenizer.ggml.bos_token_id").filter(|_| begins) {
            let token = tokens
                .get(bos)
                .ok_or_else(|| format!("no token {bos} to begin with"))?;
            begin_with(&mut tokenizer, token, bos)?;
        }
        Ok(tokenizer)
    }

    fn list(&self, key: &str) -> Result<&Vec<Value>, String> {
        self.value(key)
            .and_then(|value| value.to_vec().ok())
            .ok_or_else(|| format!("{key} is missing or no list"))
    }

    fn texts(&self, key: &str) -> Result<Vec<String>, String> {
        self.list(key)?
            .iter()
            .map(|value| value.to_string().cloned())
            .collect::<candle_core::Result<_>>()
            .map_err(|_| format!("{key} holds what is no text"))
    }

    fn numbers(&self, key: &str) -> Result<Vec<f32>, String> {
        self.list(key)?
            .iter()
            .map(Value::to_f32)
            .collect::<candle_core::Result<_>>()
            .map_err(|_| format!("{key} holds what is no number"))
    }

    fn id(&self, key: &str) -> Option<usize> {
        Some(self.value(key)?.to_u32().ok()? as usize)
    }

    fn flag(&self, key: &str) -> Option<bool> {
        self.value(key)?.to_bool().ok()
    }
}

/// Puts a token before every text.
fn begin_with(tokenizer: &mut Tokenizer, token: &str, id: usize) -> Result<(), String> {
    let template = TemplateProcessing::builder()
        .try_single(vec![token.to_owned(), "$A".to_owned()])
        .map_err(|e| e.to_string())?
        .special_tokens(vec![(token.to_owned(), id as u32)])
        .build()
        .map_err(|e| e.to_string())?;
    tokenizer.with_post_processor(Some(template));
    Ok(())
}

/// Splits texts by a rule, then into bytes, without a space before.
fn split_then_bytes(tokenizer: &mut Tokenizer, rule: &str) -> Result<(), String> {
    let rule = SplitPattern::Regex(rule.to_owned());
    let split = Split::new(rule, SplitDelimiterBehavior::Isolated, false);
    tokenizer.with_pre_tokenizer(Some(PreTokenizers::new(vec![
        split.map_err(|e| e.to_string())?.into(),
        ByteLevel::new(false, true, false).into(),
    ])));
    Ok(())
}

fn merges(
    tokens: &[String],
    scores: &[f32],
    vocabulary: &HashMap<String, u32>,
) -> Vec<(String, String)> {
    let mut merges = Vec::new();
    for (id, token) in tokens.iter().enumerate() {
        if token.chars().count() > LONGEST_MERGED {
            continue;
        }
        for (at, _) in token.char_indices().skip(1) {
            let (left, right) = token.split_at(at);
            if let (Some(&l), Some(&r)) = (vocabulary.get(left), vocabulary.get(right)) {
                merges.push((id, l, r));
            }
        }
    }
    merges.sort_by(|a, b| scores[b.0].total_cmp(&scores[a.0]).then(a.cmp(b)));
    let text = |id: u32| tokens[id as usize].clone();
    merges
        .into_iter()
        .map(|(_, left, right)| (text(left), text(right)))
        .collect()
}
