//! The GPT families: layer norms, one-sided MLPs, biases everywhere.

use super::families::{Parsed, activation, divided};
use super::fields::Fields;
use super::rope::RopeDefaults;
use super::{
    Biases, DecoderConfig, LayerPattern, Layout, Norm, NormKind, NormPlacement, QueryKeyNorm, Rope,
};

/// GPT-NeoX, Pythia.
pub(super) fn neox(f: Fields) -> Parsed {
    let hidden_size = f.required_size("hidden_size")?;
    let heads = f.required_size("num_attention_heads")?;
    let head_dim = divided(hidden_size, heads)?;
    let window = f.required_size("max_position_embeddings")?;
    let mut rope = Rope::read(
        f,
        &RopeDefaults {
            theta: f.positive("rotary_emb_base")?.unwrap_or(10_000.0),
            head_dim,
            window,
        },
    )?;
    let given = match f.object("rope_parameters")? {
        Some(settings) => settings.positive("partial_rotary_factor")?,
        None => None,
    };
    let share = given.or(f.positive("rotary_pct")?).unwrap_or(0.25);
    rope.dim = (head_dim as f64 * share.min(1.0)) as usize;
    let biased = f.flag("attention_bias", true)?;
    let layer = LayerPattern {
        rope: Some(0),
        sliding_window: None,
    };
    Ok(DecoderConfig {
        family: String::new(),
        vocab_size: f.required_size("vocab_size")?,
        hidden_size,
        intermediate_size: f.required_size("intermediate_size")?,
        heads,
        kv_heads: heads,
        head_dim,
        window,
        norm: Norm {
            kind: NormKind::Layer,
            eps: f.positive("layer_norm_eps")?.unwrap_or(1e-5),
        },
        placement: NormPlacement::Before,
        parallel: f.flag("use_parallel_residual", true)?,
        query_key_norm: QueryKeyNorm::None,
        activation: activation(f.text("hidden_act")?.unwrap_or("gelu"))?,
        gated: false,
        biases: Biases {
            qkv: biased,
            output: biased,
            mlp: true,
        },
        attention_scale: (head_dim as f64).powf(-0.5),
        attention_cap: None,
        logit_cap: None,
        embedding_scale: 1.0,
        residual_scale: 1.0,
        logit_scale: 1.0,
        learned_positions: false,
        ropes: vec![rope],
        layers: vec![layer; f.required_size("num_hidden_layers")?],
        tied_head: f.flag("tie_word_embeddings", false)?,
        layout: Layout::GptNeox,
    })
}

/// GPT-2.
pub(super) fn two(f: Fields) -> Parsed {
    for name in ["scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn"] {
        if f.flag(name, false)? {
            return Err(format!("{name} is not supported"));
        }
    }
    let hidden_size = f.required_size("n_embd")?;
    let heads = f.required_size("n_head")?;
    let head_dim = divided(hidden_size, heads)?;
    let scaled = f.flag("scale_attn_weights", true)?;
    Ok(DecoderConfig {
        family: String::new(),
        vocab_size: f.required_size("vocab_size")?,
        hidden_size,
        intermediate_size: f.size("n_inner")?.unwrap_or(4 * hidden_size),
        heads,
        kv_heads: heads,
        head_dim,
        window: f.required_size("n_positions")?,
        norm: Norm {
            kind: NormKind::Layer,
            eps: f.positive("layer_norm_epsilon")?.unwrap_or(1e-5),
        },
        placement: NormPlacement::Before,
        parallel: false,
        query_key_norm: QueryKeyNorm::None,
        activation: activation(f.text("activation_function")?.unwrap_or("gelu_new"))?,
        gated: false,
        biases: Biases {
            qkv: true,
            output: true,
            mlp: true,
        },
        attention_scale: if scaled {
            (head_dim as f64).powf(-0.5)
        } else {
            1.0
        },
        attention_cap: None,
        logit_cap: None,
        embedding_scale: 1.0,
        residual_scale: 1.0,
        logit_scale: 1.0,
        learned_positions: true,
        ropes: Vec::new(),
        layers: vec![LayerPattern::default(); f.required_size("n_layer")?],
        tied_head: f.flag("tie_word_embeddings", true)?,
        layout: Layout::Gpt2,
    })
}
