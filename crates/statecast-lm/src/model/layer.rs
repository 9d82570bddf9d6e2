//! One layer of a decoder: attention and MLP around the residual stream.

use candle_core::{Result, Tensor};
use candle_nn::ops::{layer_norm, rms_norm, silu, swiglu};

use super::attention::{Scores, attend};
use super::cache::KvCache;
use super::config::{
    DecoderConfig, FeedForwardActivation, Layout, Norm as NormConfig, NormKind, NormPlacement,
    QueryKeyNorm,
};
use super::linear::{Linear, Matrix};
use super::names::{Names, Part};
use super::processor;
use super::rotary::Rotation;
use super::{ModelError, ModelWeights};
use crate::kernel;

type Loaded<T> = std::result::Result<T, ModelError>;

/// A norm over the last dimension.
pub(super) struct Norm {
    weight: Tensor,
    bias: Option<Tensor>,
    eps: f32,
}

impl Norm {
    pub(super) fn load(
        norm: NormConfig,
        layout: Layout,
        weights: &ModelWeights,
        name: &str,
        width: usize,
    ) -> Loaded<Self> {
        let weight = weights.get(&format!("{name}.weight"), &[width])?;
        Ok(Self {
            // GGUF files hold the sum already.
            weight: match norm.kind {
                NormKind::RmsOnePlus if layout != Layout::Gguf => (weight + 1.0)?,
                _ => weight,
            },
            bias: match norm.kind {
                NormKind::Layer => Some(weights.get(&format!("{name}.bias"), &[width])?),
                NormKind::Rms | NormKind::RmsOnePlus => None,
            },
            eps: norm.eps as f32,
        })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match &self.bias {
            Some(bias) => layer_norm(x, &self.weight, bias, self.eps),
            None if processor::takes(x) => {
                let normed = processor::with_floats(x, |x| {
                    let weight = |w: &[f32]| kernel::norm_rows(x, w, self.eps);
                    processor::with_floats(&self.weight, weight)
                })??;
                Tensor::from_vec(normed, x.shape(), x.device())
            }
            None => rms_norm(x, &self.weight, self.eps),
        }
    }
}

/// A layer with its weights.
pub(super) struct Layer {
    norms: Norms,
    qkv: Linear,
    query_key_norms: Option<(Norm, Norm)>,
    output: Linear,
    up: Linear,
    down: Linear,
}

/// The norms before and after attention and MLP, as far as there are any.
struct Norms {
    attention: Option<Norm>,
    behind_attention: Option<Norm>,
    mlp: Option<Norm>,
    behind_mlp: Option<Norm>,
}

impl Layer {
    pub(super) fn load(
        config: &DecoderConfig,
        names: &Names,
        weights: &ModelWeights,
        index: usize,
    ) -> Loaded<Self> {
        let loader = Loader {
            config,
            names,
            weights,
            index,
        };
        Ok(Self {
            norms: loader.norms()?,
            qkv: loader.qkv()?,
            query_key_norms: loader.query_key_norms()?,
            output: loader.linear(
                &[(Part::Output, config.hidden_size)],
                config.query_width(),
                config.biases.output,
            )?,
            up: loader.up()?,
            down: loader.linear(
                &[(Part::Down, config.hidden_size)],
                config.intermediate_size,
                config.biases.mlp,
            )?,
        })
    }

    /// `x` `[batch, length, hidden_size]`, whose positions follow those of the cache, to the same.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        config: &DecoderConfig,
        rotations: &[Rotation],
        cache: &KvCache,
        index: usize,
    ) -> Result<Tensor> {
        let apply = |norm: &Option<Norm>, x: &Tensor| match norm {
            Some(norm) => norm.forward(x),
            None => Ok(x.clone()),
        };
        let norms = &self.norms;
        let input = apply(&norms.attention, x)?;
        let attended = self.attention(&input, config, rotations, cache, index)?;
        let scaled = |x: Tensor| match config.residual_scale {
            1.0 => Ok(x),
            scale => x * scale,
        };
        let attended = scaled(apply(&norms.behind_attention, &attended)?)?;
        if config.parallel {
            let mlp = scaled(self.mlp(&apply(&norms.mlp, x)?, config)?)?;
            return (x + attended)? + mlp;
        }
        let x = (x + attended)?;
        let mlp = self.mlp(&apply(&norms.mlp, &x)?, config)?;
        x + scaled(apply(&norms.behind_mlp, &mlp)?)?
    }

    fn attention(
        &self,
        x: &Tensor,
        config: &DecoderConfig,
        rotations: &[Rotation],
        cache: &KvCache,
        index: usize,
    ) -> Result<Tensor> {
        let pattern = config.layers[index];
        let (heads, kv_heads) = (config.heads, config.kv_heads);
        let qkv = self.qkv.forward(x)?;
        let rotation = pattern.rope.map(|kind| &rotations[kind]);
        let part = |first: usize, heads: usize, norm: Option<&Norm>, turned: bool| {
            let rotation = rotation.filter(|_| turned);
            Heads {
                qkv: &qkv,
                first,
                heads,
                norm,
                rotation,
            }
            .split(config)
        };
        let (query_norm, key_norm) = match &self.query_key_norms {
            Some((query, key)) => (Some(query), Some(key)),
            None => (None, None),
        };
        let queries = part(0, heads, query_norm, true)?;
        let keys = part(heads, kv_heads, key_norm, true)?;
        let values = part(heads + kv_heads, kv_heads, None, false)?;
        cache.write(index, &keys, &values)?;
        let scores = Scores {
            scale: config.attention_scale,
            sliding_window: pattern.sliding_window,
            cap: config.attention_cap,
        };
        let mixed = attend(&queries, cache, index, scores)?;
        self.output.forward(&mixed)
    }

    fn mlp(&self, x: &Tensor, config: &DecoderConfig) -> Result<Tensor> {
        let up = self.up.forward(x)?;
        let inner = match (config.gated, config.activation) {
            (true, FeedForwardActivation::Silu) if processor::takes(&up) => {
                let (batch, length, _) = up.dims3()?;
                let width = config.intermediate_size;
                let inner = processor::with_floats(&up, |up| kernel::swiglu(up, width))?;
                Tensor::from_vec(inner, (batch, length, width), up.device())?
            }
            (true, FeedForwardActivation::Silu) => swiglu(&up)?,
            (true, activation) => {
                let half = config.intermediate_size;
                let gate = activate(&up.narrow(2, 0, half)?.contiguous()?, activation)?;
                (gate * up.narrow(2, half, half)?)?
            }
            (false, activation) => activate(&up, activation)?,
        };
        self.down.forward(&inner)
    }
}

/// Some neighbouring heads of stacked queries, keys and values.
struct Heads<'a> {
    /// `[batch, length, (heads + 2 kv_heads) * head_dim]`.
    qkv: &'a Tensor,
    first: usize,
    heads: usize,
    norm: Option<&'a Norm>,
    rotation: Option<&'a Rotation>,
}

impl Heads<'_> {
    /// The heads by themselves `[batch, heads, length, head_dim]`, normed and turned.
    fn split(&self, config: &DecoderConfig) -> Result<Tensor> {
        let (batch, length, width) = self.qkv.dims3()?;
        let Self { first, heads, .. } = *self;
        let head_dim = config.head_dim;
        let shape = (batch, heads, length, head_dim);
        let plain = self.rotation.is_none_or(|turn| turn.is_plain(head_dim));
        if self.norm.is_none() && plain && processor::takes(self.qkv) {
            let heads = kernel::Heads {
                batch,
                length,
                width,
                column: first * head_dim,
                heads,
                head_dim,
            };
            let split = processor::with_floats(self.qkv, |qkv| match self.rotation {
                Some(turn) => turn.with_angles(|angles| heads.split(qkv, Some(angles))),
                None => Ok(heads.split(qkv, None)),
            })??;
            return Tensor::from_vec(split, shape, self.qkv.device());
        }
        let part = self.qkv.narrow(2, first * head_dim, heads * head_dim)?;
        let whole = self
            .norm
            .filter(|_| config.query_key_norm == QueryKeyNorm::Whole);
        let part = match whole {
            Some(norm) => norm.forward(&part.contiguous()?)?,
            None => part,
        };
        let part = part
            .reshape((batch, length, heads, head_dim))?
            .transpose(1, 2)?
            .contiguous()?;
        let each = self
            .norm
            .filter(|_| config.query_key_norm == QueryKeyNorm::Head);
        let part = match each {
            Some(norm) => norm.forward(&part)?,
            None => part,
        };
        match self.rotation {
            Some(rotation) => rotation.turn(&part),
            None => Ok(part),
        }
    }
}

fn activate(x: &Tensor, activation: FeedForwardActivation) -> Result<Tensor> {
    match activation {
        FeedForwardActivation::Silu => silu(x),
        FeedForwardActivation::Gelu => x.gelu_erf(),
        FeedForwardActivation::GeluTanh => x.gelu(),
        FeedForwardActivation::Relu => x.relu(),
    }
}

/// Takes a layer's tensors out of a checkpoint, whatever their packing.
struct Loader<'a> {
    config: &'a DecoderConfig,
    names: &'a Names,
    weights: &'a ModelWeights,
    index: usize,
}

impl Loader<'_> {
    fn name(&self, part: Part) -> String {
        self.names.part(self.index, part)
    }

    fn norm(&self, part: Part, width: usize) -> Loaded<Norm> {
        let (norm, layout) = (self.config.norm, self.config.layout);
        Norm::load(norm, layout, self.weights, &self.name(part), width)
    }

    fn norms(&self) -> Loaded<Norms> {
        let wanted = |part: Part, placements: &[NormPlacement]| {
            placements
                .contains(&self.config.placement)
                .then(|| self.norm(part, self.config.hidden_size))
                .transpose()
        };
        let before = [NormPlacement::Before, NormPlacement::Around];
        let behind = [NormPlacement::Behind, NormPlacement::Around];
        Ok(Norms {
            attention: wanted(Part::AttentionNorm, &before)?,
            behind_attention: wanted(Part::BehindAttentionNorm, &behind)?,
            mlp: wanted(Part::MlpNorm, &before)?,
            behind_mlp: wanted(Part::BehindMlpNorm, &behind)?,
        })
    }

    fn query_key_norms(&self) -> Loaded<Option<(Norm, Norm)>> {
        let config = self.config;
        let (queries, keys) = match config.query_key_norm {
            QueryKeyNorm::None => return Ok(None),
            QueryKeyNorm::Head => (config.head_dim, config.head_dim),
            QueryKeyNorm::Whole => (config.query_width(), config.key_width()),
        };
        Ok(Some((
            self.norm(Part::QueryNorm, queries)?,
            self.norm(Part::KeyNorm, keys)?,
        )))
    }

    /// Stacks the projections of one input, each given by its name and output width.
    fn linear(&self, parts: &[(Part, usize)], input: usize, biased: bool) -> Loaded<Linear> {
        let matrices = parts
            .iter()
            .map(|&(part, out)| {
                let name = format!("{}.weight", self.name(part));
                match self.config.layout {
                    Layout::Gpt2 => {
                        let weight = self.weights.get(&name, &[input, out])?;
                        Ok(Matrix::Dense(weight.t()?.contiguous()?))
                    }
                    _ => self.weights.matrix(&name, out, input),
                }
            })
            .collect::<Loaded<Vec<_>>>()?;
        let biases = parts
            .iter()
            .map(|&(part, out)| {
                let name = format!("{}.bias", self.name(part));
                if !biased && self.weights.contains(&name) {
                    return Err(self
                        .weights
                        .refuse(&name, "is not called for by config.json"));
                }
                biased.then(|| self.weights.get(&name, &[out])).transpose()
            })
            .collect::<Loaded<Option<Vec<_>>>>()?;
        let bias = biases.map(|b| Tensor::cat(&b, 0)).transpose()?;
        Ok(Linear::stacked(matrices, bias, self.weights.packing())?)
    }

    fn qkv(&self) -> Loaded<Linear> {
        let config = self.config;
        let (queries, keys) = (config.query_width(), config.key_width());
        let (hidden, biased) = (config.hidden_size, config.biases.qkv);
        match config.layout {
            Layout::Llama | Layout::Gguf => self.linear(
                &[
                    (Part::Query, queries),
                    (Part::Key, keys),
                    (Part::Value, keys),
                ],
                hidden,
                biased,
            ),
            Layout::Phi3 | Layout::Gpt2 => {
                self.linear(&[(Part::QueryKeyValue, queries + 2 * keys)], hidden, biased)
            }
            Layout::GptNeox => self.qkv_by_head(),
        }
    }

    /// GPT-NeoX stacks query, key and value of each head; we want all queries, all keys, all
    /// values.
    fn qkv_by_head(&self) -> Loaded<Linear> {
        let config = self.config;
        let (hidden, width) = (config.hidden_size, config.query_width());
        let name = self.name(Part::QueryKeyValue);
        let sorted = |tensor: Tensor| -> Result<Tensor> {
            let columns = tensor.elem_count() / (3 * width);
            tensor
                .reshape((config.heads, 3, config.head_dim, columns))?
                .transpose(0, 1)?
                .contiguous()?
                .reshape((3 * width, columns))
        };
        let weight = self
            .weights
            .get(&format!("{name}.weight"), &[3 * width, hidden])?;
        let bias = match config.biases.qkv {
            true => {
                let bias = self.weights.get(&format!("{name}.bias"), &[3 * width])?;
                Some(sorted(bias)?.flatten_all()?)
            }
            false => None,
        };
        let parts = vec![Matrix::Dense(sorted(weight)?)];
        Ok(Linear::stacked(parts, bias, self.weights.packing())?)
    }

    fn up(&self) -> Loaded<Linear> {
        let config = self.config;
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let parts: &[(Part, usize)] = match (config.gated, config.layout) {
            (false, _) => &[(Part::Up, inner)],
            (true, Layout::Phi3) => &[(Part::GateUp, 2 * inner)],
            (true, _) => &[(Part::Gate, inner), (Part::Up, inner)],
        };
        self.linear(parts, hidden, config.biases.mlp)
    }
}
