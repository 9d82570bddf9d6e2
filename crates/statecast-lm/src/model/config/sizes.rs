//! The sizes of every family, checked once before anything is built of them.
//!
//! A library that is given a wrong size divides by zero, reserves all memory or builds a model of
//! no layers. Sizes are those of config.json; what they multiply to must be held by the weights
//! file.

use serde_json::Value;

use super::fields::{Fields, LARGEST};
use super::{Architecture, DecoderConfig, ForeignConfig};

/// Numbers of the longest table of rotary positions that is built: a million positions of 128.
const LARGEST_TABLE: usize = 1 << 27;

/// Sizes of any family, under the names of config.json. Each is at least one where it stands.
const SIZES: [&str; 28] = [
    "vocab_size",
    "hidden_size",
    "d_model",
    "intermediate_size",
    "num_hidden_layers",
    "n_layer",
    "num_attention_heads",
    "num_key_value_heads",
    "num_kv_heads",
    "n_head_kv",
    "head_dim",
    "headdim",
    "head_size",
    "attention_hidden_size",
    "max_position_embeddings",
    "n_positions",
    "state_size",
    "d_state",
    "expand",
    "n_groups",
    "ngroups",
    "pad_vocab_size_multiple",
    "num_experts",
    "num_local_experts",
    "num_experts_per_tok",
    "moe_intermediate_size",
    "shared_expert_intermediate_size",
    "decoder_sparse_step",
];

/// Numbers above zero of any family.
const POSITIVE: [&str; 5] = [
    "rope_theta",
    "rms_norm_eps",
    "layer_norm_eps",
    "layer_norm_epsilon",
    "norm_epsilon",
];

/// Sizes that every family has.
struct Sizes {
    layers: usize,
    vocabulary: usize,
    hidden: usize,
    /// Numbers that a sequence keeps from its beginning, in all layers.
    state: usize,
}

impl Architecture {
    /// Refuses sizes whose products exceed the number of weights.
    pub(in crate::model) fn fits(&self, numbers: u64) -> Result<(), String> {
        let sizes = match self {
            Self::Described(config) => Sizes::described(config),
            Self::Foreign(config) => Sizes::foreign(config)?,
        };
        let products = [
            ("layers of such a width", sizes.layers * sizes.hidden),
            ("such a vocabulary", sizes.vocabulary * sizes.hidden),
            ("such a memory", sizes.state),
        ];
        for (what, product) in products {
            if product as u64 > numbers {
                return Err(format!(
                    "{what} would take {product} weights, and the weights file holds {numbers}"
                ));
            }
        }
        Ok(())
    }
}

impl Sizes {
    fn described(config: &DecoderConfig) -> Self {
        Self {
            layers: config.layers.len(),
            vocabulary: config.vocab_size,
            hidden: config.hidden_size,
            state: 0,
        }
    }

    fn foreign(config: &ForeignConfig) -> Result<Self, String> {
        let fields = Fields::of(config.json())?;
        let layers = required(fields, &["num_hidden_layers", "n_layer"])?;
        let hidden = required(fields, &["hidden_size", "d_model"])?;
        Ok(Self {
            layers,
            vocabulary: required(fields, &["vocab_size"])?,
            hidden,
            state: layers.saturating_mul(state(&config.family, fields, hidden)?),
        })
    }
}

/// The first of the sizes that stands there.
fn first(fields: Fields, names: &[&str]) -> Result<Option<usize>, String> {
    for name in names {
        if let Some(size) = fields.size(name)? {
            return Ok(Some(size));
        }
    }
    Ok(None)
}

fn required(fields: Fields, names: &[&str]) -> Result<usize, String> {
    first(fields, names)?.ok_or_else(|| format!("{} is missing", names[0]))
}

/// Numbers that a layer of a recurrent model keeps of a sequence; none for one that attends.
fn state(family: &str, fields: Fields, hidden: usize) -> Result<usize, String> {
    let size = |names: &[&str], default| Ok::<_, String>(first(fields, names)?.unwrap_or(default));
    Ok(match family {
        // candle-transformers has these fixed: an inner width of two, 16 states, a window of 4.
        "mamba" => (2 * hidden).saturating_mul(16 + 4),
        "mamba2" => {
            let inner = hidden.saturating_mul(size(&["expand"], 2)?);
            let states = size(&["d_state", "state_size"], 64)?;
            let groups = size(&["ngroups", "n_groups"], 1)?;
            let head = size(&["headdim", "head_dim"], 64)?;
            multiple("the inner width", inner, "the width of a head", head)?;
            multiple("the number of heads", inner / head, "the groups", groups)?;
            let mixed = inner.saturating_add(2usize.saturating_mul(groups).saturating_mul(states));
            inner
                .saturating_mul(states)
                .saturating_add(mixed.saturating_mul(4))
        }
        "rwkv5" | "rwkv6" => {
            let heads = size(&["num_attention_heads"], 64)?;
            multiple("hidden_size", hidden, "num_attention_heads", heads)?;
            multiple(
                "hidden_size",
                hidden,
                "head_size",
                size(&["head_size"], 64)?,
            )?;
            hidden.saturating_mul(heads + 2)
        }
        _ => 0,
    })
}

fn multiple(name: &str, size: usize, of: &str, part: usize) -> Result<(), String> {
    match size > 0 && size.is_multiple_of(part) {
        true => Ok(()),
        false => Err(format!("{name}, {size}, is no multiple of {of}, {part}")),
    }
}

/// Refuses sizes of a foreign family that are zero, beyond any model, or contradict each other.
pub(in crate::model) fn check_foreign(family: &str, json: &Value) -> Result<(), String> {
    let fields = Fields::of(json)?;
    for name in SIZES {
        fields.size(name)?;
    }
    for name in POSITIVE {
        fields.positive(name)?;
    }
    // A window of attention and a rhythm of rescaling may be said to be none.
    for name in ["sliding_window", "max_window_layers", "rescale_every"] {
        fields.count(name)?;
    }
    if fields.count("rescale_every")? == Some(0) {
        return Err("rescale_every is 0, which is not supported".to_owned());
    }
    required(fields, &["num_hidden_layers", "n_layer"])?;
    let hidden = required(fields, &["hidden_size", "d_model"])?;
    state(family, fields, hidden)?;
    if let (Some(chosen), Some(experts)) = (
        fields.size("num_experts_per_tok")?,
        first(fields, &["num_experts", "num_local_experts"])?,
    ) && chosen > experts
    {
        return Err(format!(
            "num_experts_per_tok is {chosen}, and there are {experts} experts"
        ));
    }
    match family.starts_with("mamba") || family.starts_with("rwkv") {
        true => Ok(()),
        false => check_heads(fields, hidden),
    }
}

fn check_heads(fields: Fields, hidden: usize) -> Result<(), String> {
    let heads = required(fields, &["num_attention_heads"])?;
    let head_dim = match fields.size("head_dim")? {
        Some(head_dim) => head_dim,
        None => {
            multiple("hidden_size", hidden, "num_attention_heads", heads)?;
            hidden / heads
        }
    };
    if heads.saturating_mul(head_dim) > LARGEST {
        return Err(format!(
            "{heads} heads of {head_dim} are wider than {LARGEST}"
        ));
    }
    let shared = ["num_key_value_heads", "num_kv_heads", "n_head_kv"];
    if let Some(shared) = first(fields, &shared)? {
        multiple("num_attention_heads", heads, "the key-value heads", shared)?;
    }
    if fields
        .positive("partial_rotary_factor")?
        .is_some_and(|part| part > 1.0)
    {
        return Err("partial_rotary_factor is above 1".to_owned());
    }
    let window = first(fields, &["max_position_embeddings", "n_positions"])?.unwrap_or(1);
    match window.saturating_mul(head_dim) <= LARGEST_TABLE {
        true => Ok(()),
        false => Err(format!(
            "a table of {window} positions for heads of {head_dim} is larger than {LARGEST_TABLE}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Architecture;
    use crate::model::FOREIGN_FAMILIES;

    fn parse(config: &serde_json::Value) -> Result<Architecture, String> {
        Architecture::parse("config.json", config.to_string().as_bytes())
            .map_err(|error| error.to_string())
    }

    fn config(family: &str) -> serde_json::Value {
        json!({"model_type": family, "vocab_size": 1003, "hidden_size": 64,
            "num_hidden_layers": 2, "num_attention_heads": 4, "head_size": 16, "headdim": 16})
    }

    /// Fault: nine families took no layers and forecast, one panicked.
    #[test]
    fn no_family_takes_a_size_of_zero_or_beyond_any_model() {
        for family in FOREIGN_FAMILIES {
            let good = config(family);
            parse(&good).unwrap_or_else(|error| panic!("{family}: {error}"));
            for name in super::SIZES {
                for size in [
                    json!(0),
                    json!(-1),
                    json!(1u64 << 40),
                    json!("7"),
                    json!(1.5),
                ] {
                    let mut bad = good.clone();
                    bad[name] = size;
                    let error = parse(&bad).expect_err(&format!("{family}: {bad}"));
                    // Two names of one number.
                    let name = name.replace("num_local_experts", "num_experts");
                    assert!(error.contains(&name), "{family}: {error}");
                }
            }
        }
    }

    #[test]
    fn sizes_that_contradict_each_other_are_refused() {
        for (family, name, value) in [
            ("mixtral", "num_attention_heads", json!(7)),
            ("falcon", "n_head_kv", json!(3)),
            ("phi", "partial_rotary_factor", json!(1e30)),
            ("phi", "max_position_embeddings", json!(1 << 20)),
            ("mamba2", "headdim", json!(48)),
            ("mamba2", "ngroups", json!(3)),
            ("rwkv5", "head_size", json!(48)),
            ("rwkv6", "rescale_every", json!(0)),
            ("olmo", "rope_theta", json!(0.0)),
        ] {
            let mut bad = config(family);
            bad["hidden_size"] = json!(4096);
            bad["num_attention_heads"] = json!(16);
            parse(&bad).unwrap();
            bad[name] = value;
            parse(&bad).expect_err(&format!("{family} {name}"));
        }
        let mut experts = config("qwen3_moe");
        experts["num_experts"] = json!(4);
        experts["num_experts_per_tok"] = json!(5);
        assert!(parse(&experts).unwrap_err().contains("experts"));
    }

    /// Fault: a memory of such a width was reserved before a tensor was looked for.
    #[test]
    fn products_are_bounded_by_the_weights() {
        for family in FOREIGN_FAMILIES {
            let mut wide = config(family);
            wide["hidden_size"] = json!(1 << 20);
            let error = parse(&wide).unwrap().fits(1 << 20).unwrap_err();
            assert!(error.contains("the weights file holds"), "{error}");
            parse(&config(family)).unwrap().fits(1 << 20).unwrap();
        }
    }
}
