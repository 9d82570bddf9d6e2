//! Configurations of architectures that our decoder does not describe.

use serde_json::Value;

/// The `model_type`s that are read this way.
pub const FOREIGN_FAMILIES: [&str; 12] = [
    "mixtral",
    "qwen2_moe",
    "qwen3_moe",
    "falcon",
    "starcoder2",
    "mamba",
    "mamba2",
    "rwkv5",
    "rwkv6",
    "glm4",
    "phi",
    "olmo",
];

/// config.json of an architecture that our decoder does not describe.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignConfig {
    /// Its `model_type`.
    pub family: String,
    /// All of it, in the form of before transformers 5, which candle-transformers reads.
    pub(super) json: Value,
}

impl ForeignConfig {
    /// Accepts the families that candle-transformers has and that can be continued.
    pub(super) fn new(family: &str, mut json: Value) -> Option<Self> {
        if !FOREIGN_FAMILIES.contains(&family) {
            return None;
        }
        if let Some(settings) = json.get("rope_parameters").cloned() {
            for name in ["rope_theta", "partial_rotary_factor"] {
                if let (Some(value), None) = (settings.get(name), json.get(name)) {
                    json[name] = value.clone();
                }
            }
        }
        for (name, other) in [("num_experts", "num_local_experts")] {
            if let (None, Some(value)) = (json.get(name), json.get(other).cloned()) {
                json[name] = value;
            }
        }
        // What candle-transformers wants to be told and config.json does not say.
        for (name, value) in [("use_flash_attn", Value::Bool(false))] {
            if json.get(name).is_none() {
                json[name] = value;
            }
        }
        Some(Self {
            family: family.to_owned(),
            json,
        })
    }

    /// All of its fields.
    pub(super) fn json(&self) -> &Value {
        &self.json
    }
}
