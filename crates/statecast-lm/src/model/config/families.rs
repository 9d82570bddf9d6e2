//! One function a family: what its config.json says, in the decoder's terms. Defaults are those of
//! the family's configuration class in `transformers`, which config.json may leave out.

use super::fields::Fields;
use super::gpt;
use super::rope::RopeDefaults;
use super::{
    Biases, DecoderConfig, FeedForwardActivation, LayerPattern, Layout, Norm, NormKind,
    NormPlacement, QueryKeyNorm, Rope,
};

pub(super) type Parsed = Result<DecoderConfig, String>;

/// The `model_type`s that have a function here.
pub(super) const NAMES: [&str; 16] = [
    "llama",
    "mistral",
    "qwen2",
    "qwen3",
    "smollm3",
    "gemma",
    "gemma2",
    "gemma3_text",
    "gemma3",
    "phi3",
    "olmo2",
    "gpt_neox",
    "gpt2",
    "ministral",
    "granite",
    "stablelm",
];

/// The decoder that a config.json describes, or nothing if the family is another one.
pub(super) fn described(kind: &str, fields: Fields) -> Result<Option<DecoderConfig>, String> {
    let mut config = match kind {
        "llama" => llama(fields)?,
        "mistral" | "ministral" => mistral(fields)?,
        "qwen2" => qwen2(fields)?,
        "qwen3" => qwen3(fields)?,
        "smollm3" => smollm3(fields)?,
        "gemma" => gemma(fields)?,
        "gemma2" => gemma2(fields)?,
        "gemma3_text" => gemma3(fields)?,
        "gemma3" => gemma3_with_images(fields)?,
        "phi3" => phi3(fields)?,
        "olmo2" => olmo2(fields)?,
        "granite" => granite(fields)?,
        "stablelm" => stablelm(fields)?,
        "gpt_neox" => gpt::neox(fields)?,
        "gpt2" => gpt::two(fields)?,
        _ => return Ok(None),
    };
    kind.clone_into(&mut config.family);
    Ok(Some(config))
}

/// Where a family's configuration class differs from Llama's.
struct Defaults {
    theta: f64,
    kv_heads: Option<usize>,
    head_dim: Option<usize>,
    tied_head: bool,
}

const LLAMA: Defaults = Defaults {
    theta: 10_000.0,
    kv_heads: None,
    head_dim: None,
    tied_head: false,
};

/// A decoder with RMS norms before attention and gated MLP, rotary positions everywhere and no
/// bias: what most families are variations of.
fn llama_like(f: Fields, defaults: &Defaults) -> Parsed {
    let hidden_size = f.required_size("hidden_size")?;
    let heads = f.required_size("num_attention_heads")?;
    let head_dim = match f.size("head_dim")?.or(defaults.head_dim) {
        Some(dim) => dim,
        None => divided(hidden_size, heads)?,
    };
    let window = f.required_size("max_position_embeddings")?;
    let rope = Rope::read(
        f,
        &RopeDefaults {
            theta: defaults.theta,
            head_dim,
            window,
        },
    )?;
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
        kv_heads: f
            .size("num_key_value_heads")?
            .or(defaults.kv_heads)
            .unwrap_or(heads),
        head_dim,
        window,
        norm: Norm {
            kind: NormKind::Rms,
            eps: f.positive("rms_norm_eps")?.unwrap_or(1e-6),
        },
        placement: NormPlacement::Before,
        parallel: false,
        query_key_norm: QueryKeyNorm::None,
        activation: activation(f.text("hidden_act")?.unwrap_or("silu"))?,
        gated: true,
        biases: Biases::default(),
        attention_scale: (head_dim as f64).powf(-0.5),
        attention_cap: None,
        logit_cap: None,
        embedding_scale: 1.0,
        residual_scale: 1.0,
        logit_scale: 1.0,
        learned_positions: false,
        ropes: vec![rope],
        layers: vec![layer; f.required_size("num_hidden_layers")?],
        tied_head: f.flag("tie_word_embeddings", defaults.tied_head)?,
        layout: Layout::Llama,
    })
}

pub(super) fn divided(hidden_size: usize, heads: usize) -> Result<usize, String> {
    if hidden_size.is_multiple_of(heads) {
        Ok(hidden_size / heads)
    } else {
        Err("hidden_size is no multiple of the attention heads".to_owned())
    }
}

pub(super) fn activation(name: &str) -> Result<FeedForwardActivation, String> {
    match name {
        "silu" | "swish" => Ok(FeedForwardActivation::Silu),
        "gelu" => Ok(FeedForwardActivation::Gelu),
        "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Ok(FeedForwardActivation::GeluTanh),
        "relu" => Ok(FeedForwardActivation::Relu),
        other => Err(format!("activation '{other}' is not supported")),
    }
}

/// One `attention_bias` for all four projections of the attention.
fn attention_bias(f: Fields, config: &mut DecoderConfig) -> Result<(), String> {
    let biased = f.flag("attention_bias", false)?;
    (config.biases.qkv, config.biases.output) = (biased, biased);
    Ok(())
}

/// Gives the sliding window to the layers that `layer_types` names, or without such a list to those
/// that `by_default` picks.
fn sliding_layers(
    f: Fields,
    config: &mut DecoderConfig,
    window: Option<usize>,
    by_default: impl Fn(usize) -> bool,
) -> Result<(), String> {
    let types = f.texts("layer_types")?;
    if let Some(types) = &types {
        if types.len() != config.layers.len() {
            return Err(format!(
                "layer_types has {} entries for {} layers",
                types.len(),
                config.layers.len()
            ));
        }
        let known = ["full_attention", "sliding_attention"];
        if let Some(other) = types.iter().find(|t| !known.contains(t)) {
            return Err(format!("layer type '{other}' is not supported"));
        }
    }
    for (i, layer) in config.layers.iter_mut().enumerate() {
        let slides = types
            .as_ref()
            .map_or_else(|| by_default(i), |types| types[i] == "sliding_attention");
        layer.sliding_window = window.filter(|_| slides);
    }
    Ok(())
}

fn llama(f: Fields) -> Parsed {
    let mut config = llama_like(f, &LLAMA)?;
    attention_bias(f, &mut config)?;
    config.biases.mlp = f.flag("mlp_bias", false)?;
    Ok(config)
}

fn mistral(f: Fields) -> Parsed {
    let mut config = llama_like(
        f,
        &Defaults {
            kv_heads: Some(8),
            ..LLAMA
        },
    )?;
    let window = f.size("sliding_window")?;
    sliding_layers(f, &mut config, window, |_| true)?;
    Ok(config)
}

/// The window of the families that can switch it off.
fn optional_window(f: Fields) -> Result<Option<usize>, String> {
    let used = f.flag("use_sliding_window", false)?;
    Ok(f.size("sliding_window")?.filter(|_| used))
}

fn qwen2(f: Fields) -> Parsed {
    let mut config = llama_like(
        f,
        &Defaults {
            kv_heads: Some(32),
            ..LLAMA
        },
    )?;
    config.biases.qkv = true;
    let full = f.count("max_window_layers")?.unwrap_or(28);
    sliding_layers(f, &mut config, optional_window(f)?, |i| i >= full)?;
    Ok(config)
}

fn qwen3(f: Fields) -> Parsed {
    let mut config = llama_like(
        f,
        &Defaults {
            kv_heads: Some(32),
            head_dim: Some(128),
            ..LLAMA
        },
    )?;
    attention_bias(f, &mut config)?;
    config.query_key_norm = QueryKeyNorm::Head;
    let full = f.count("max_window_layers")?.unwrap_or(28);
    sliding_layers(f, &mut config, optional_window(f)?, |i| i >= full)?;
    Ok(config)
}

/// Every fourth layer has no positions (NoPE).
fn smollm3(f: Fields) -> Parsed {
    let mut config = llama_like(
        f,
        &Defaults {
            theta: 2_000_000.0,
            kv_heads: Some(4),
            tied_head: true,
            ..LLAMA
        },
    )?;
    attention_bias(f, &mut config)?;
    config.biases.mlp = f.flag("mlp_bias", false)?;
    sliding_layers(f, &mut config, optional_window(f)?, |_| true)?;
    let interval = f.size("no_rope_layer_interval")?.unwrap_or(4);
    let listed = f.counts("no_rope_layers")?;
    if listed
        .as_ref()
        .is_some_and(|listed| listed.len() != config.layers.len())
    {
        return Err("no_rope_layers has not one entry a layer".to_owned());
    }
    for (i, layer) in config.layers.iter_mut().enumerate() {
        // The list's name notwithstanding, a 1 in it is a layer that has rotary positions.
        let turned = listed
            .as_ref()
            .map_or((i + 1) % interval != 0, |listed| listed[i] != 0);
        layer.rope = turned.then_some(0);
    }
    Ok(config)
}

const GEMMA: Defaults = Defaults {
    theta: 10_000.0,
    kv_heads: None,
    head_dim: Some(256),
    tied_head: true,
};

fn gemma_like(f: Fields, defaults: &Defaults) -> Parsed {
    let mut config = llama_like(f, defaults)?;
    attention_bias(f, &mut config)?;
    config.norm.kind = NormKind::RmsOnePlus;
    config.embedding_scale = (config.hidden_size as f64).sqrt();
    config.activation = match f.text("hidden_activation")? {
        Some(name) => activation(name)?,
        None => FeedForwardActivation::GeluTanh,
    };
    Ok(config)
}

/// The first config.json said "gelu" and meant its approximation by a hyperbolic tangent.
fn gemma(f: Fields) -> Parsed {
    gemma_like(
        f,
        &Defaults {
            kv_heads: Some(16),
            ..GEMMA
        },
    )
}

fn gemma2(f: Fields) -> Parsed {
    let mut config = gemma_like(
        f,
        &Defaults {
            kv_heads: Some(4),
            ..GEMMA
        },
    )?;
    config.placement = NormPlacement::Around;
    config.attention_scale = f
        .positive("query_pre_attn_scalar")?
        .unwrap_or(256.0)
        .powf(-0.5);
    config.attention_cap = Some(f.positive("attn_logit_softcapping")?.unwrap_or(50.0));
    config.logit_cap = Some(f.positive("final_logit_softcapping")?.unwrap_or(30.0));
    let window = f.size("sliding_window")?.unwrap_or(4096);
    sliding_layers(f, &mut config, Some(window), |i| i % 2 == 0)?;
    Ok(config)
}

/// The text part of the models that read images, too; their config.json says only where it differs
/// from the smallest one.
fn gemma3_with_images(f: Fields) -> Parsed {
    let Some(text) = f.object("text_config")? else {
        return gemma3(f);
    };
    let defaults = serde_json::json!({
        "vocab_size": 262_208, "hidden_size": 2304, "intermediate_size": 9216,
        "num_hidden_layers": 26, "num_attention_heads": 8, "num_key_value_heads": 4,
        "head_dim": 256, "max_position_embeddings": 131_072
    });
    let whole = text.over(defaults);
    gemma3(Fields::of(&whole)?)
}

/// Five layers with a sliding window and fast rotary positions, then one that sees everything.
fn gemma3(f: Fields) -> Parsed {
    let mut config = gemma_like(
        f,
        &Defaults {
            theta: 1_000_000.0,
            kv_heads: Some(4),
            ..GEMMA
        },
    )?;
    config.placement = NormPlacement::Around;
    config.query_key_norm = QueryKeyNorm::Head;
    config.attention_scale = f
        .positive("query_pre_attn_scalar")?
        .unwrap_or(256.0)
        .powf(-0.5);
    config.attention_cap = f.positive("attn_logit_softcapping")?;
    config.logit_cap = f.positive("final_logit_softcapping")?;
    let window = f.size("sliding_window")?.unwrap_or(4096);
    let pattern = f
        .size("sliding_window_pattern")?
        .or(f.size("_sliding_window_pattern")?)
        .unwrap_or(6);
    sliding_layers(f, &mut config, Some(window), |i| (i + 1) % pattern != 0)?;

    let defaults = |theta| RopeDefaults {
        theta,
        head_dim: config.head_dim,
        window: config.window,
    };
    let local_theta = f.positive("rope_local_base_freq")?.unwrap_or(10_000.0);
    let gathered = f.object("rope_parameters")?;
    let of_kind = |kind: &str| gathered.map_or(Ok(None), |g| g.object(kind));
    let (full, sliding) = (of_kind("full_attention")?, of_kind("sliding_attention")?);
    config.ropes = if full.is_some() || sliding.is_some() {
        vec![
            Rope::read_settings(f, full, &defaults(1_000_000.0))?,
            Rope::read_settings(f, sliding, &defaults(local_theta))?,
        ]
    } else {
        let mut local = config.ropes[0].clone();
        local.theta = local_theta;
        local.scaling = super::RopeScaling::None;
        vec![config.ropes[0].clone(), local]
    };
    for layer in &mut config.layers {
        layer.rope = Some(usize::from(layer.sliding_window.is_some()));
    }
    Ok(config)
}

fn phi3(f: Fields) -> Parsed {
    let mut config = llama_like(f, &LLAMA)?;
    config.norm.eps = f.positive("rms_norm_eps")?.unwrap_or(1e-5);
    config.layout = Layout::Phi3;
    let window = f.size("sliding_window")?;
    sliding_layers(f, &mut config, window, |_| true)?;
    Ok(config)
}

fn olmo2(f: Fields) -> Parsed {
    let mut config = llama_like(f, &LLAMA)?;
    config.norm.eps = f.positive("rms_norm_eps")?.unwrap_or(1e-5);
    attention_bias(f, &mut config)?;
    config.placement = NormPlacement::Behind;
    config.query_key_norm = QueryKeyNorm::Whole;
    Ok(config)
}

/// Llama with four factors.
fn granite(f: Fields) -> Parsed {
    let mut config = llama_like(f, &LLAMA)?;
    attention_bias(f, &mut config)?;
    config.biases.mlp = f.flag("mlp_bias", false)?;
    config.embedding_scale = f.positive("embedding_multiplier")?.unwrap_or(1.0);
    config.residual_scale = f.positive("residual_multiplier")?.unwrap_or(1.0);
    config.attention_scale = f.positive("attention_multiplier")?.unwrap_or(1.0);
    config.logit_scale = 1.0 / f.positive("logits_scaling")?.unwrap_or(1.0);
    Ok(config)
}

/// Llama with layer norms and a quarter of each head turned.
fn stablelm(f: Fields) -> Parsed {
    for name in ["use_parallel_residual", "qk_layernorm"] {
        if f.flag(name, false)? {
            return Err(format!("{name} is not supported"));
        }
    }
    let mut config = llama_like(f, &LLAMA)?;
    config.norm = Norm {
        kind: NormKind::Layer,
        eps: f.positive("layer_norm_eps")?.unwrap_or(1e-5),
    };
    config.biases.qkv = f.flag("use_qkv_bias", false)?;
    let gathered = match f.object("rope_parameters")? {
        Some(settings) => settings.positive("partial_rotary_factor")?,
        None => None,
    };
    let share = gathered.or(f.positive("partial_rotary_factor")?);
    config.ropes[0].dim = (config.head_dim as f64 * share.unwrap_or(0.25).min(1.0)) as usize;
    Ok(config)
}
