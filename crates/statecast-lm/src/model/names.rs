//! How checkpoints name their tensors.

use super::config::{Layout, NormPlacement};
use super::weights::ModelWeights;

/// A tensor of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    AttentionNorm,
    BehindAttentionNorm,
    MlpNorm,
    BehindMlpNorm,
    Query,
    Key,
    Value,
    QueryKeyValue,
    Output,
    QueryNorm,
    KeyNorm,
    Gate,
    Up,
    GateUp,
    Down,
}

/// The names of one checkpoint.
pub(super) struct Names {
    layout: Layout,
    placement: NormPlacement,
    prefix: &'static str,
}

impl Names {
    /// Finds the prefix under which the checkpoint's tensors stand.
    pub(super) fn of(layout: Layout, placement: NormPlacement, weights: &ModelWeights) -> Self {
        let prefixes: &[&str] = match layout {
            // Base models are saved without their head, and without a prefix.
            Layout::Llama | Layout::Phi3 => &[
                "model.",
                "language_model.model.",
                "model.language_model.",
                "",
            ],
            Layout::GptNeox => &["gpt_neox."],
            Layout::Gpt2 => &["transformer.", ""],
            Layout::Gguf => &[""],
        };
        let mut names = Self {
            layout,
            placement,
            prefix: prefixes[0],
        };
        if let Some(found) = prefixes.iter().find(|prefix| {
            names.prefix = prefix;
            weights.contains(&names.embedding())
        }) {
            names.prefix = found;
        } else {
            names.prefix = prefixes[0];
        }
        names
    }

    fn top(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(super) fn embedding(&self) -> String {
        self.top(match self.layout {
            Layout::Llama | Layout::Phi3 => "embed_tokens.weight",
            Layout::GptNeox => "embed_in.weight",
            Layout::Gpt2 => "wte.weight",
            Layout::Gguf => "token_embd.weight",
        })
    }

    pub(super) fn positions(&self) -> String {
        self.top("wpe.weight")
    }

    pub(super) fn final_norm(&self) -> String {
        self.top(match self.layout {
            Layout::Llama | Layout::Phi3 => "norm",
            Layout::GptNeox => "final_layer_norm",
            Layout::Gpt2 => "ln_f",
            Layout::Gguf => "output_norm",
        })
    }

    pub(super) fn head(&self) -> String {
        match self.layout {
            Layout::Llama | Layout::Phi3 if self.prefix == "language_model.model." => {
                "language_model.lm_head.weight"
            }
            Layout::Llama | Layout::Phi3 | Layout::Gpt2 => "lm_head.weight",
            Layout::GptNeox => "embed_out.weight",
            Layout::Gguf => "output.weight",
        }
        .to_owned()
    }

    /// Name of a layer's tensor without `.weight` or `.bias`.
    pub(super) fn part(&self, layer: usize, part: Part) -> String {
        let (layers, name) = match self.layout {
            Layout::Llama | Layout::Phi3 => ("layers", self.llama(part)),
            Layout::GptNeox => ("layers", gpt_neox(part)),
            Layout::Gpt2 => ("h", gpt2(part)),
            Layout::Gguf => ("blk", gguf(part)),
        };
        format!("{}{layers}.{layer}.{name}", self.prefix)
    }

    fn llama(&self, part: Part) -> &'static str {
        let around = self.placement == NormPlacement::Around;
        match part {
            Part::AttentionNorm => "input_layernorm",
            Part::BehindAttentionNorm => "post_attention_layernorm",
            Part::MlpNorm if around => "pre_feedforward_layernorm",
            Part::MlpNorm => "post_attention_layernorm",
            Part::BehindMlpNorm => "post_feedforward_layernorm",
            Part::Query => "self_attn.q_proj",
            Part::Key => "self_attn.k_proj",
            Part::Value => "self_attn.v_proj",
            Part::QueryKeyValue => "self_attn.qkv_proj",
            Part::Output => "self_attn.o_proj",
            Part::QueryNorm => "self_attn.q_norm",
            Part::KeyNorm => "self_attn.k_norm",
            Part::Gate => "mlp.gate_proj",
            Part::Up => "mlp.up_proj",
            Part::GateUp => "mlp.gate_up_proj",
            Part::Down => "mlp.down_proj",
        }
    }
}

// What a family does not have is asked of its checkpoint by no description; the names are those
// that would stand there.

fn gpt_neox(part: Part) -> &'static str {
    match part {
        Part::AttentionNorm => "input_layernorm",
        Part::MlpNorm => "post_attention_layernorm",
        Part::QueryKeyValue => "attention.query_key_value",
        Part::Output => "attention.dense",
        Part::Up => "mlp.dense_h_to_4h",
        Part::Down => "mlp.dense_4h_to_h",
        _ => "none",
    }
}

fn gpt2(part: Part) -> &'static str {
    match part {
        Part::AttentionNorm => "ln_1",
        Part::MlpNorm => "ln_2",
        Part::QueryKeyValue => "attn.c_attn",
        Part::Output => "attn.c_proj",
        Part::Up => "mlp.c_fc",
        Part::Down => "mlp.c_proj",
        _ => "none",
    }
}

fn gguf(part: Part) -> &'static str {
    match part {
        Part::AttentionNorm => "attn_norm",
        Part::BehindAttentionNorm => "post_attention_norm",
        Part::MlpNorm => "ffn_norm",
        Part::BehindMlpNorm => "post_ffw_norm",
        Part::Query => "attn_q",
        Part::Key => "attn_k",
        Part::Value => "attn_v",
        Part::QueryKeyValue => "attn_qkv",
        Part::Output => "attn_output",
        Part::QueryNorm => "attn_q_norm",
        Part::KeyNorm => "attn_k_norm",
        Part::Gate => "ffn_gate",
        Part::Up => "ffn_up",
        Part::GateUp => "ffn_up",
        Part::Down => "ffn_down",
    }
}
