//! The shape of a decoder, read from config.json of either generation.

use serde::Deserialize;

use super::ModelError;

/// Sizes beyond any model of today: a larger one in config.json is a damaged or hostile file.
const LARGEST: usize = 1 << 20;

/// Everything the decoder must know besides its weights.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderConfig {
    /// Rows of the embedding table.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the gated MLP.
    pub intermediate_size: usize,
    /// Number of layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of a head, even.
    pub head_dim: usize,
    /// Added to the mean square in the RMS norms.
    pub norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// How the rotary frequencies are stretched, if they are.
    pub rope_scaling: Option<RopeScaling>,
    /// Whether the attention's four projections have biases.
    pub attention_bias: bool,
    /// Whether the MLP's three projections have biases.
    pub mlp_bias: bool,
    /// Whether the output head is the embedding table.
    pub tied_head: bool,
    /// Most positions the model was made for.
    pub window: usize,
}

/// Stretching of the rotary frequencies for long contexts.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// Positions divided by a factor.
    Linear {
        /// The factor.
        factor: f64,
    },
    /// Llama 3.1: long wavelengths divided by `factor`, short ones kept, a ramp between.
    Llama3 {
        /// Divisor of the lowest frequencies.
        factor: f64,
        /// Wavelengths above `original_window / low` are stretched in full.
        low: f64,
        /// Wavelengths below `original_window / high` are kept.
        high: f64,
        /// The window of the pretraining.
        original_window: f64,
    },
}

/// config.json as it stands. transformers 5 gathers the rope settings in `rope_parameters`; before
/// it, `rope_theta` and `rope_scaling` stood at the top.
#[derive(Deserialize)]
struct Raw {
    model_type: Option<String>,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    hidden_act: Option<String>,
    max_position_embeddings: usize,
    rms_norm_eps: Option<f64>,
    rope_theta: Option<f64>,
    rope_scaling: Option<RawRope>,
    rope_parameters: Option<RawRope>,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(default)]
    tie_word_embeddings: bool,
}

#[derive(Deserialize)]
struct RawRope {
    #[serde(alias = "type")]
    rope_type: Option<String>,
    rope_theta: Option<f64>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
}

impl DecoderConfig {
    /// Reads config.json; `file` stands in errors.
    ///
    /// # Errors
    /// [`ModelError::Config`] if it is no JSON, lacks a field, describes another family, or its
    /// sizes contradict each other.
    pub fn parse(file: &str, json: &[u8]) -> Result<Self, ModelError> {
        let fail = |reason: String| ModelError::Config {
            file: file.to_owned(),
            reason,
        };
        let raw: Raw = serde_json::from_slice(json).map_err(|e| fail(e.to_string()))?;
        raw.checked().map_err(fail)
    }
}

impl Raw {
    fn checked(self) -> Result<DecoderConfig, String> {
        match self.model_type.as_deref() {
            Some("llama") => {}
            Some(other) => return Err(format!("model type '{other}' is not supported (llama is)")),
            None => return Err("model_type is missing (llama is supported)".to_owned()),
        }
        if let Some(activation) = self.hidden_act.as_deref().filter(|&a| a != "silu") {
            return Err(format!(
                "activation '{activation}' is not supported (silu is)"
            ));
        }
        let kv_heads = self.num_key_value_heads.unwrap_or(self.num_attention_heads);
        for (name, size) in [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", kv_heads),
            ("head_dim", self.head_dim.unwrap_or(2)),
        ] {
            if !(1..=LARGEST).contains(&size) {
                return Err(format!("{name} is {size}, not within 1 to {LARGEST}"));
            }
        }
        if !self.num_attention_heads.is_multiple_of(kv_heads) {
            return Err(format!(
                "{} attention heads cannot share {kv_heads} key-value heads",
                self.num_attention_heads
            ));
        }
        let head_dim = match self.head_dim {
            Some(dim) => dim,
            None if self.hidden_size.is_multiple_of(self.num_attention_heads) => {
                self.hidden_size / self.num_attention_heads
            }
            None => return Err("hidden_size is no multiple of the attention heads".to_owned()),
        };
        if !head_dim.is_multiple_of(2) {
            return Err(format!(
                "head_dim {head_dim} is odd: rotary positions need pairs"
            ));
        }
        if self.max_position_embeddings < 2 {
            return Err("max_position_embeddings is below 2".to_owned());
        }
        let norm_eps = self.rms_norm_eps.unwrap_or(1e-6);
        let rope = self.rope_parameters.or(self.rope_scaling);
        let rope_theta = rope
            .as_ref()
            .and_then(|r| r.rope_theta)
            .or(self.rope_theta)
            .unwrap_or(10_000.0);
        if !(norm_eps >= 0.0 && norm_eps.is_finite() && rope_theta > 0.0 && rope_theta.is_finite())
        {
            return Err("rms_norm_eps or rope_theta is out of range".to_owned());
        }
        Ok(DecoderConfig {
            vocab_size: self.vocab_size,
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            layers: self.num_hidden_layers,
            heads: self.num_attention_heads,
            kv_heads,
            head_dim,
            norm_eps,
            rope_theta,
            rope_scaling: rope.map(|r| r.scaling()).transpose()?.flatten(),
            attention_bias: self.attention_bias,
            mlp_bias: self.mlp_bias,
            tied_head: self.tie_word_embeddings,
            window: self.max_position_embeddings,
        })
    }
}

impl RawRope {
    fn scaling(&self) -> Result<Option<RopeScaling>, String> {
        let positive = |name: &str, value: Option<f64>| match value {
            Some(v) if v > 0.0 && v.is_finite() => Ok(v),
            Some(v) => Err(format!("rope scaling: {name} is {v}")),
            None => Err(format!("rope scaling: {name} is missing")),
        };
        match self.rope_type.as_deref() {
            None | Some("default") => Ok(None),
            Some("linear") => Ok(Some(RopeScaling::Linear {
                factor: positive("factor", self.factor)?,
            })),
            Some("llama3") => {
                let low = positive("low_freq_factor", self.low_freq_factor)?;
                let high = positive("high_freq_factor", self.high_freq_factor)?;
                if low >= high {
                    return Err(
                        "rope scaling: low_freq_factor is not below high_freq_factor".into(),
                    );
                }
                Ok(Some(RopeScaling::Llama3 {
                    factor: positive("factor", self.factor)?,
                    low,
                    high,
                    original_window: positive(
                        "original_max_position_embeddings",
                        self.original_max_position_embeddings,
                    )?,
                }))
            }
            Some(other) => Err(format!(
                "rope scaling '{other}' is not supported (default, linear and llama3 are)"
            )),
        }
    }
}

impl DecoderConfig {
    /// Rotary frequencies of the `head_dim / 2` pairs, in radians a position.
    pub fn rope_frequencies(&self) -> Vec<f64> {
        (0..self.head_dim / 2)
            .map(|i| {
                let exponent = 2.0 * i as f64 / self.head_dim as f64;
                self.stretched(self.rope_theta.powf(-exponent))
            })
            .collect()
    }

    fn stretched(&self, frequency: f64) -> f64 {
        match self.rope_scaling {
            None => frequency,
            Some(RopeScaling::Linear { factor }) => frequency / factor,
            Some(RopeScaling::Llama3 {
                factor,
                low,
                high,
                original_window,
            }) => {
                let turns = original_window * frequency / std::f64::consts::TAU;
                let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                frequency * (kept + (1.0 - kept) / factor)
            }
        }
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
        assert_eq!(old.rope_theta, 500_000.0);
        assert_eq!((old.head_dim, old.kv_heads, old.window), (16, 2, 512));
        assert!(matches!(old.rope_scaling, Some(RopeScaling::Llama3 { .. })));
    }

    #[test]
    fn contradictory_sizes_are_refused() {
        for (from, to, says) in [
            ("\"llama\"", "\"mamba\"", "mamba"),
            ("\"hidden_size\": 64", "\"hidden_size\": 0", "hidden_size"),
            (
                "\"hidden_size\": 64",
                "\"hidden_size\": -1",
                "invalid value",
            ),
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
            ("\"num_key_value_heads\": 2", "\"head_dim\": 3", "odd"),
            ("llama3\"", "yarn\"", "yarn"),
            ("\"factor\": 8.0", "\"factor\": 0.0", "factor"),
            (
                "\"low_freq_factor\": 1.0",
                "\"low_freq_factor\": 4.0",
                "below",
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
