//! GGUF files: tensors, the decoder's configuration and the tokenizer in one.
//!
//! The format is that of ggml (<https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>), the
//! names and conventions those of llama.cpp's conversion.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Mutex;

use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Result};

use super::config::{
    Biases, DecoderConfig, FeedForwardActivation, LayerPattern, Layout, Norm, NormKind,
    NormPlacement, QueryKeyNorm, Rope, RopeScaling,
};
use super::{ModelError, ModelError::Weights as Unreadable, one_line, refuse};
use crate::{guard, stand_in};

/// An open GGUF file whose header was read.
pub(super) struct GgufFile {
    content: Content,
    reader: Mutex<BufReader<File>>,
    name: String,
}

impl GgufFile {
    /// Reads the header.
    ///
    /// # Errors
    /// [`ModelError::Read`] if the file cannot be opened, [`ModelError::Weights`] if it is no GGUF
    /// file.
    pub(super) fn open(path: &Path) -> std::result::Result<Self, ModelError> {
        refuse(stand_in::by_path(path), path)?;
        let file = File::open(path).map_err(|source| ModelError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut reader = BufReader::new(file);
        let name = path.display().to_string();
        let fail = |reason: String| Unreadable {
            file: name.clone(),
            reason,
        };
        // The library divides by the alignment that the file names.
        let content = guard::catch(|| Content::read(&mut reader))
            .map_err(|said| fail(format!("its header is damaged: {said}")))?
            .map_err(|e| fail(one_line(&e)))?;
        for (tensor, info) in &content.tensor_infos {
            let dims = info.shape.dims().iter();
            dims.copied()
                .try_fold(1usize, usize::checked_mul)
                .filter(|elements| elements / info.ggml_dtype.block_size() < 1 << 40)
                .ok_or_else(|| fail(format!("tensor {tensor} is larger than any file")))?;
        }
        Ok(Self {
            content,
            reader: Mutex::new(reader),
            name,
        })
    }

    /// Shape of a tensor, rows first.
    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        Some(self.content.tensor_infos.get(name)?.shape.dims())
    }

    /// Number format and elements of every tensor.
    pub(super) fn formats(&self) -> impl Iterator<Item = (GgmlDType, usize)> {
        let infos = self.content.tensor_infos.values();
        infos.map(|info| (info.ggml_dtype, info.shape.elem_count()))
    }

    /// Reads a tensor, quantised as it stands in the file.
    pub(super) fn tensor(&self, name: &str, device: &Device) -> Result<QTensor> {
        let mut reader = self
            .reader
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        self.content.tensor(&mut *reader, name, device)
    }

    /// As the user named it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The header.
    pub(super) fn content(&self) -> &Content {
        &self.content
    }

    fn fail(&self, reason: impl Into<String>) -> ModelError {
        ModelError::Config {
            file: self.name.clone(),
            reason: reason.into(),
        }
    }

    /// A value of the header.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.content.metadata.get(key)
    }

    /// A text of the header.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.value(key)?.to_string().ok().map(String::as_str)
    }

    /// What the decoder must know, from the header.
    ///
    /// # Errors
    /// [`ModelError::Config`] for an architecture that is not supported or sizes that contradict
    /// each other.
    pub(super) fn config(&self) -> std::result::Result<DecoderConfig, ModelError> {
        let family = self
            .text("general.architecture")
            .ok_or_else(|| self.fail("general.architecture is missing"))?;
        let header = Header { file: self, family };
        let config = header.config().map_err(|reason| self.fail(reason))?;
        config.check().map_err(|reason| self.fail(reason))?;
        Ok(config)
    }
}

/// The values under `FAMILY.` in a header.
struct Header<'a> {
    file: &'a GgufFile,
    family: &'a str,
}

impl Header<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        self.file.value(&format!("{}.{name}", self.family))
    }

    fn size(&self, name: &str) -> std::result::Result<Option<usize>, String> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let size = match value {
            Value::U8(_) | Value::U16(_) | Value::U32(_) | Value::U64(_) => value.to_u64().ok(),
            Value::I32(v) => u64::try_from(*v).ok(),
            Value::I64(v) => u64::try_from(*v).ok(),
            _ => None,
        };
        size.and_then(|size| usize::try_from(size).ok())
            .filter(|size| (1..=super::config::LARGEST).contains(size))
            .map(Some)
            .ok_or_else(|| format!("{}.{name} is no size", self.family))
    }

    fn required(&self, name: &str) -> std::result::Result<usize, String> {
        self.size(name)?
            .ok_or_else(|| format!("{}.{name} is missing", self.family))
    }

    fn positive(&self, name: &str) -> std::result::Result<Option<f64>, String> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let number = match value {
            Value::F32(v) => f64::from(*v),
            Value::F64(v) => *v,
            _ => f64::NAN,
        };
        if number > 0.0 && number.is_finite() {
            Ok(Some(number))
        } else {
            Err(format!("{}.{name} is no number above zero", self.family))
        }
    }

    fn config(&self) -> std::result::Result<DecoderConfig, String> {
        let known = ["llama", "qwen2", "qwen3", "gemma", "gemma2", "gemma3"];
        if !known.contains(&self.family) {
            return Err(format!(
                "GGUF architecture '{}' is not supported ({} are)",
                self.family,
                known.join(", ")
            ));
        }
        let gemma = self.family.starts_with("gemma");
        let layers = self.required("block_count")?;
        let hidden_size = self.required("embedding_length")?;
        let heads = self.required("attention.head_count")?;
        let head_dim = match self.size("attention.key_length")? {
            Some(dim) => dim,
            None if hidden_size.is_multiple_of(heads) => hidden_size / heads,
            None => return Err("embedding_length is no multiple of the heads".to_owned()),
        };
        if self.size("attention.value_length")?.unwrap_or(head_dim) != head_dim {
            return Err("keys and values of different widths are not supported".to_owned());
        }
        let shape = |name: &str| self.file.shape(name);
        let vocab_size = shape("token_embd.weight")
            .and_then(|dims| dims.first().copied())
            .ok_or("tensor token_embd.weight is missing")?;
        let rope = Rope {
            theta: self.positive("rope.freq_base")?.unwrap_or(10_000.0),
            dim: self.size("rope.dimension_count")?.unwrap_or(head_dim),
            interleaved: self.family == "llama",
            scaling: self.scaling()?,
        };
        let placement = match self.family {
            "gemma2" | "gemma3" => NormPlacement::Around,
            _ => NormPlacement::Before,
        };
        let eps = self.positive("attention.layer_norm_rms_epsilon")?;
        let layer = LayerPattern {
            rope: Some(0),
            sliding_window: None,
        };
        let mut config = DecoderConfig {
            family: self.family.to_owned(),
            vocab_size,
            hidden_size,
            intermediate_size: self.required("feed_forward_length")?,
            heads,
            kv_heads: self.size("attention.head_count_kv")?.unwrap_or(heads),
            head_dim,
            window: self.required("context_length")?,
            norm: Norm {
                kind: if gemma {
                    NormKind::RmsOnePlus
                } else {
                    NormKind::Rms
                },
                eps: eps.ok_or("the epsilon of the norms is missing")?,
            },
            placement,
            parallel: false,
            query_key_norm: if shape("blk.0.attn_q_norm.weight").is_some() {
                QueryKeyNorm::Head
            } else {
                QueryKeyNorm::None
            },
            activation: if gemma {
                FeedForwardActivation::GeluTanh
            } else {
                FeedForwardActivation::Silu
            },
            gated: true,
            biases: Biases {
                qkv: shape("blk.0.attn_q.bias").is_some(),
                output: shape("blk.0.attn_output.bias").is_some(),
                mlp: false,
            },
            attention_scale: (self.scaled_width(head_dim, hidden_size / heads, layers) as f64)
                .powf(-0.5),
            attention_cap: self.positive("attn_logit_softcapping")?,
            logit_cap: self.positive("final_logit_softcapping")?,
            embedding_scale: if gemma {
                (hidden_size as f64).sqrt()
            } else {
                1.0
            },
            residual_scale: 1.0,
            logit_scale: 1.0,
            learned_positions: false,
            ropes: vec![rope],
            layers: vec![layer; layers],
            tied_head: shape("output.weight").is_none(),
            layout: Layout::Gguf,
        };
        self.slide(&mut config)?;
        Ok(config)
    }

    /// Width by whose root the scores are divided. The files do not say it; like llama.cpp we know
    /// the two models that do not use the width of a head, Gemma 2 and 3 of 27 billion parameters,
    /// by their layers.
    fn scaled_width(&self, head_dim: usize, share: usize, layers: usize) -> usize {
        match (self.family, layers) {
            ("gemma2", 46) | ("gemma3", 62) => share.max(1),
            _ => head_dim,
        }
    }

    /// Llama 3.1 files carry a divisor for every frequency instead of a rule.
    fn divisors(&self) -> std::result::Result<Option<Vec<f64>>, String> {
        let name = "rope_freqs.weight";
        let Some(&[count]) = self.file.shape(name) else {
            return Ok(None);
        };
        let divisors: Vec<f32> = self
            .file
            .tensor(name, &Device::Cpu)
            .and_then(|tensor| tensor.dequantize(&Device::Cpu)?.to_vec1())
            .map_err(|e| format!("{name}: {}", one_line(&e)))?;
        if count > super::config::LARGEST || divisors.iter().any(|d| !(*d > 0.0 && d.is_finite())) {
            return Err(format!("{name} holds no divisors"));
        }
        Ok(Some(divisors.into_iter().map(f64::from).collect()))
    }

    fn scaling(&self) -> std::result::Result<RopeScaling, String> {
        if let Some(divisors) = self.divisors()? {
            return Ok(RopeScaling::Long {
                short: divisors.clone(),
                long: divisors,
                attention: 1.0,
                original_window: f64::INFINITY,
            });
        }
        let kind = self
            .value("rope.scaling.type")
            .and_then(|v| v.to_string().ok());
        match kind.map(String::as_str) {
            None | Some("none") => Ok(RopeScaling::None),
            Some("linear") => Ok(RopeScaling::Linear {
                factor: self
                    .positive("rope.scaling.factor")?
                    .ok_or("rope.scaling.factor is missing")?,
            }),
            Some(other) => Err(format!("rope scaling '{other}' of GGUF is not supported")),
        }
    }

    /// The sliding windows of Gemma 2 (every other layer) and Gemma 3 (five of six, with rotary
    /// positions of their own).
    fn slide(&self, config: &mut DecoderConfig) -> std::result::Result<(), String> {
        let period = match self.family {
            "gemma2" => 2,
            "gemma3" => 6,
            _ => return Ok(()),
        };
        let window = self.size("attention.sliding_window")?;
        if self.family == "gemma3" {
            config.ropes.push(Rope {
                theta: self.positive("rope.freq_base_swa")?.unwrap_or(10_000.0),
                scaling: RopeScaling::None,
                ..config.ropes[0].clone()
            });
        }
        for (i, layer) in config.layers.iter_mut().enumerate() {
            if (i + 1) % period != 0 {
                layer.sliding_window = window;
                layer.rope = Some(config.ropes.len() - 1);
            }
        }
        Ok(())
    }
}
