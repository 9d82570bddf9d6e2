//! The shape of a decoder, as data: what config.json says, whatever the family.

mod families;
mod fields;
mod gpt;
mod rope;
mod sizes;

pub use rope::{Rope, RopeScaling};

use super::{FOREIGN_FAMILIES, ForeignConfig, ModelError};
use fields::Fields;
pub(super) use fields::LARGEST;

/// Everything the decoder must know besides its weights. Families differ in these values only.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderConfig {
    /// The family, as `model_type` names it.
    pub family: String,
    /// Rows of the embedding table.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the MLP.
    pub intermediate_size: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of a head, even.
    pub head_dim: usize,
    /// Most positions the model was made for.
    pub window: usize,
    /// The norms of the residual stream.
    pub norm: Norm,
    /// Where the norms stand.
    pub placement: NormPlacement,
    /// Whether attention and MLP read the same input and are added together (GPT-NeoX).
    pub parallel: bool,
    /// Norm of queries and keys.
    pub query_key_norm: QueryKeyNorm,
    /// The MLP's activation.
    pub activation: FeedForwardActivation,
    /// Whether the MLP multiplies its activation by a second projection.
    pub gated: bool,
    /// Which projections have biases.
    pub biases: Biases,
    /// Factor of the attention scores.
    pub attention_scale: f64,
    /// `c tanh(s / c)` of the attention scores (Gemma 2).
    pub attention_cap: Option<f64>,
    /// `c tanh(s / c)` of the logits (Gemma 2).
    pub logit_cap: Option<f64>,
    /// Factor of the embeddings (Gemma).
    pub embedding_scale: f64,
    /// Factor of what attention and MLP add to the residual stream (Granite).
    pub residual_scale: f64,
    /// Factor of the logits (Granite).
    pub logit_scale: f64,
    /// Whether a learned vector a position is added to the embeddings (GPT-2).
    pub learned_positions: bool,
    /// Kinds of rotary positions that layers refer to.
    pub ropes: Vec<Rope>,
    /// What distinguishes the layers from one another.
    pub layers: Vec<LayerPattern>,
    /// Whether the output head is the embedding table.
    pub tied_head: bool,
    /// How the checkpoint names and packs its tensors.
    pub layout: Layout,
}

/// A norm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norm {
    /// Its kind.
    pub kind: NormKind,
    /// Added to the mean square or variance.
    pub eps: f64,
}

/// Kinds of norms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// Root mean square, times a weight.
    Rms,
    /// Root mean square, times one plus a weight (Gemma).
    RmsOnePlus,
    /// Mean and variance, with weight and bias (GPT).
    Layer,
}

/// Where the norms of a layer stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormPlacement {
    /// Before attention and MLP (Llama).
    Before,
    /// After them (OLMo 2).
    Behind,
    /// On both sides (Gemma 2 and 3).
    Around,
}

/// Norm of queries and keys before their rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryKeyNorm {
    /// None.
    None,
    /// Each head by itself (Qwen 3, Gemma 3).
    Head,
    /// All heads together (OLMo 2).
    Whole,
}

/// The MLP's activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedForwardActivation {
    /// x sigmoid(x).
    Silu,
    /// x Φ(x).
    Gelu,
    /// x Φ(x), by a hyperbolic tangent.
    GeluTanh,
    /// max(x, 0).
    Relu,
}

/// Which projections have biases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Biases {
    /// Queries, keys and values.
    pub qkv: bool,
    /// Output of the attention.
    pub output: bool,
    /// All of the MLP.
    pub mlp: bool,
}

/// What distinguishes a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LayerPattern {
    /// Which of the kinds of rotary positions it uses; none without any (SmolLM 3).
    pub rope: Option<usize>,
    /// Positions that it sees, itself included; all if none.
    pub sliding_window: Option<usize>,
}

/// How a checkpoint names and packs its tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Hugging Face Llama: one tensor a projection.
    Llama,
    /// Phi-3: queries, keys and values in one tensor, gate and up in another.
    Phi3,
    /// GPT-NeoX: queries, keys and values in one tensor, head by head.
    GptNeox,
    /// GPT-2: transposed weights.
    Gpt2,
    /// GGUF names.
    Gguf,
}

/// What config.json says the model is.
#[derive(Debug, Clone, PartialEq)]
pub enum Architecture {
    /// One that our decoder describes.
    Described(Box<DecoderConfig>),
    /// One that candle-transformers has.
    Foreign(ForeignConfig),
}

impl Architecture {
    /// Reads config.json of either generation; `file` stands in errors.
    ///
    /// # Errors
    /// [`ModelError::Config`] if it is no JSON, lacks a field, or its sizes contradict each other.
    pub fn parse(file: &str, json: &[u8]) -> Result<Self, ModelError> {
        let fail = |reason: String| ModelError::Config {
            file: file.to_owned(),
            reason,
        };
        let value: serde_json::Value =
            fields::python_json(json).map_err(|e| fail(e.to_string()))?;
        let fields = Fields::of(&value).map_err(fail)?;
        let kind = fields
            .text("model_type")
            .map_err(fail)?
            .ok_or_else(|| fail("model_type is missing".to_owned()))?;
        if let Some(config) = families::described(kind, fields).map_err(fail)? {
            config.check().map_err(fail)?;
            return Ok(Self::Described(Box::new(config)));
        }
        let unknown = format!(
            "model type '{kind}' is not supported ({}; slowly, token by token: {})",
            FAMILIES.join(", "),
            FOREIGN_FAMILIES.join(", ")
        );
        let config = ForeignConfig::new(kind, value.clone()).ok_or_else(|| fail(unknown))?;
        sizes::check_foreign(kind, config.json()).map_err(fail)?;
        Ok(Self::Foreign(config))
    }

    /// The family, as `model_type` names it.
    pub fn family(&self) -> &str {
        match self {
            Self::Described(config) => &config.family,
            Self::Foreign(config) => &config.family,
        }
    }

    /// The decoder's shape, if our decoder describes it.
    pub fn described(&self) -> Option<&DecoderConfig> {
        match self {
            Self::Described(config) => Some(config),
            Self::Foreign(_) => None,
        }
    }
}

/// The `model_type`s that our decoder describes.
pub const FAMILIES: [&str; 16] = families::NAMES;

impl DecoderConfig {
    /// Reads config.json of a family that our decoder describes.
    ///
    /// # Errors
    /// [`ModelError::Config`], also for other families.
    pub fn parse(file: &str, json: &[u8]) -> Result<Self, ModelError> {
        match Architecture::parse(file, json)? {
            Architecture::Described(config) => Ok(*config),
            Architecture::Foreign(config) => Err(ModelError::Config {
                file: file.to_owned(),
                reason: format!("our decoder does not describe '{}'", config.family),
            }),
        }
    }

    /// Width of all queries.
    pub fn query_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Multiplications by weights that a token takes in all layers.
    pub(super) fn multiplications_a_token(&self) -> usize {
        let attention = 2 * (self.query_width() + self.key_width());
        let mlp = if self.gated { 3 } else { 2 } * self.intermediate_size;
        self.layers.len() * self.hidden_size * (attention + mlp)
    }

    /// Width of all keys, and of all values.
    pub fn key_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Parameters of the model, for an estimate of its memory.
    pub fn parameters(&self) -> usize {
        let attention = self.hidden_size * 2 * (self.query_width() + self.key_width());
        let mlp = self.hidden_size * self.intermediate_size * if self.gated { 3 } else { 2 };
        let tables = if self.tied_head { 1 } else { 2 };
        self.layers.len() * (attention + mlp) + tables * self.vocab_size * self.hidden_size
    }

    /// Refuses sizes that contradict each other.
    pub(super) fn check(&self) -> Result<(), String> {
        let sizes = [
            ("vocabulary", self.vocab_size),
            ("hidden size", self.hidden_size),
            ("intermediate size", self.intermediate_size),
            ("number of layers", self.layers.len()),
            ("number of heads", self.heads),
            ("number of key-value heads", self.kv_heads),
            ("head_dim", self.head_dim),
        ];
        for (name, size) in sizes {
            if !(1..=LARGEST).contains(&size) {
                return Err(format!("the {name} is {size}, not within 1 to {LARGEST}"));
            }
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(format!(
                "{} attention heads cannot share {} key-value heads",
                self.heads, self.kv_heads
            ));
        }
        // Widths are products of two sizes and must stay far from overflow in products of three.
        if self.query_width() > LARGEST {
            return Err(format!(
                "{} heads of {} are wider than {LARGEST}",
                self.heads, self.head_dim
            ));
        }
        for rope in &self.ropes {
            if rope.dim == 0 || !rope.dim.is_multiple_of(2) || rope.dim > self.head_dim {
                return Err(format!(
                    "rotary positions of {} dimensions: they need pairs within a head of {}",
                    rope.dim, self.head_dim
                ));
            }
            // A ramp over logarithms of the base, or a power of dim / (dim - 2).
            let degenerate = match rope.scaling {
                RopeScaling::Yarn { .. } => rope.theta <= 1.0,
                RopeScaling::Dynamic { .. } => rope.dim <= 2,
                _ => false,
            };
            let frequencies = rope.frequencies(self.window);
            let sound = frequencies.len() == rope.dim / 2
                && frequencies.iter().all(|frequency| frequency.is_finite());
            if degenerate || !sound || !rope.attention_factor().is_finite() {
                return Err("the rotary positions' settings are out of range".to_owned());
            }
        }
        let scales = [
            self.attention_scale,
            self.embedding_scale,
            self.residual_scale,
            self.logit_scale,
        ];
        if !scales.iter().all(|scale| scale.is_finite()) {
            return Err("a scale is not finite".to_owned());
        }
        if self.window < 2 {
            return Err("the window is below 2 positions".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = r#"{"model_type": "llama", "vocab_size": 1003, "hidden_size": 64,
        "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 512, "rope_theta": 500000.0,
        "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 64}}"#;

    fn parse(json: &str) -> Result<DecoderConfig, ModelError> {
        DecoderConfig::parse("config.json", json.as_bytes())
    }

    /// candle's own configuration falls back to a theta of 10,000 on files of transformers 5.
    #[test]
    fn both_generations_of_rope_settings_are_read() {
        let old = parse(OLD).unwrap();
        let new = OLD.replace("\"rope_theta\": 500000.0,", "").replace(
            "\"rope_scaling\": {",
            "\"rope_parameters\": {\"rope_theta\": 500000.0, ",
        );
        assert_eq!(old, parse(&new).unwrap());
        assert_eq!(old.ropes[0].theta, 500_000.0);
        assert_eq!((old.head_dim, old.kv_heads, old.window), (16, 2, 512));
        assert!(matches!(old.ropes[0].scaling, RopeScaling::Llama3 { .. }));
    }

    /// As gemma-3-4b has it.
    #[test]
    fn gemma3_with_images_says_only_what_differs() {
        let config = parse(
            r#"{"model_type": "gemma3", "text_config": {"hidden_size": 2560,
            "intermediate_size": 10240, "num_hidden_layers": 34, "model_type": "gemma3_text",
            "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024}}"#,
        )
        .unwrap();
        assert_eq!(
            (config.hidden_size, config.heads, config.head_dim),
            (2560, 8, 256)
        );
        assert_eq!(config.layers[4].sliding_window, Some(1024));
        assert_eq!(config.layers[5].sliding_window, None);
        assert_eq!((config.ropes[0].theta, config.ropes[1].theta), (1e6, 1e4));
        assert_eq!(config.ropes[0].scaling, RopeScaling::Linear { factor: 8.0 });
        assert_eq!(config.ropes[1].scaling, RopeScaling::None);
        assert!(config.tied_head);
    }

    #[test]
    fn contradictory_settings_are_refused() {
        for (from, to, says) in [
            ("\"llama\"", "\"mamba\"", "mamba"),
            ("\"llama\"", "\"nosuch\"", "nosuch"),
            ("\"llama\"", "7", "model_type"),
            ("\"hidden_size\": 64", "\"hidden_size\": 0", "hidden_size"),
            ("\"hidden_size\": 64", "\"hidden_size\": -1", "hidden_size"),
            (
                "\"hidden_size\": 64",
                "\"hidden_size\": 4294967296",
                "hidden_size",
            ),
            ("\"hidden_size\": 64", "\"hidden_size\": 66", "multiple"),
            (
                "\"num_key_value_heads\": 2",
                "\"num_key_value_heads\": 3",
                "share",
            ),
            ("\"num_key_value_heads\": 2", "\"head_dim\": 3", "pairs"),
            ("llama3\"", "cubic\"", "cubic"),
            ("\"factor\": 8.0", "\"factor\": 0.0", "factor"),
            ("\"factor\": 8.0", "\"factor\": \"8\"", "factor"),
            (
                "\"low_freq_factor\": 1.0",
                "\"low_freq_factor\": 4.0",
                "below",
            ),
            (
                "\"rope_theta\": 500000.0",
                "\"hidden_act\": \"tanh\"",
                "tanh",
            ),
        ] {
            let json = OLD.replace(from, to);
            assert_ne!(json, OLD);
            let error = parse(&json).unwrap_err().to_string();
            assert!(
                error.starts_with("config.json: ") && error.contains(says),
                "{error}"
            );
        }
    }
}
