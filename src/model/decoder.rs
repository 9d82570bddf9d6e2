//! The Llama decoder: token ids to hidden states at every position.

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::ops::{rms_norm, swiglu};
use candle_nn::rotary_emb::rope;

use super::attention::attend;
use super::{DecoderConfig, KvCache, ModelError, Weights};

/// A decoder with its weights. It keeps no state: what was read is in a [`KvCache`].
pub struct Decoder {
    config: DecoderConfig,
    embedding: Tensor,
    layers: Vec<Layer>,
    norm: RmsNorm,
    head: Tensor,
    rope_frequencies: Vec<f64>,
    dtype: DType,
    device: Device,
}

struct Layer {
    attention_norm: RmsNorm,
    qkv: Linear,
    output: Linear,
    mlp_norm: RmsNorm,
    gate_up: Linear,
    down: Linear,
}

struct RmsNorm {
    weight: Tensor,
    eps: f32,
}

impl RmsNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        rms_norm(x, &self.weight, self.eps)
    }
}

/// `x Wᵀ + b` with `W` `[out, in]`.
struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// `x` `[batch, length, in]` to `[batch, length, out]`, as one matrix product over all rows.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, length, width) = x.dims3()?;
        let rows = x.reshape((batch * length, width))?;
        let out = rows.matmul(&self.weight.t()?)?;
        let out = match &self.bias {
            Some(bias) => out.broadcast_add(bias)?,
            None => out,
        };
        out.reshape((batch, length, ()))
    }
}

impl Decoder {
    /// Takes the tensors that the configuration calls for, under the names of the Hugging Face
    /// layout.
    ///
    /// # Errors
    /// [`ModelError::Tensor`] for a missing or misshapen tensor.
    pub fn load(
        config: DecoderConfig,
        weights: &Weights,
        dtype: DType,
        device: &Device,
    ) -> std::result::Result<Self, ModelError> {
        let (vocab, hidden) = (config.vocab_size, config.hidden_size);
        let embedding = weights.get("model.embed_tokens.weight", &[vocab, hidden])?;
        let layers = (0..config.layers)
            .map(|i| Layer::load(&config, weights, i))
            .collect::<std::result::Result<_, _>>()?;
        let norm = load_norm(&config, weights, "model.norm.weight")?;
        let head = if config.tied_head {
            embedding.clone()
        } else {
            weights.get("lm_head.weight", &[vocab, hidden])?
        };
        Ok(Self {
            rope_frequencies: config.rope_frequencies(),
            config,
            embedding,
            layers,
            norm,
            head,
            dtype,
            device: device.clone(),
        })
    }

    /// The configuration that was loaded.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// An empty cache for this decoder, see [`KvCache::new`].
    ///
    /// # Errors
    /// If the memory cannot be had.
    pub fn cache(&self, batch: usize, capacity: usize) -> Result<KvCache> {
        KvCache::new(&self.config, self.dtype, &self.device, batch, capacity)
    }

    /// Bytes that the cache takes for one position of one sequence.
    pub fn cache_bytes_a_position(&self) -> usize {
        KvCache::bytes_a_position(&self.config, self.dtype)
    }

    /// Reads `ids`, row by row `[batch, length]`, behind what the cache holds, and returns the
    /// hidden states `[batch, length, hidden_size]` before the final norm.
    ///
    /// # Errors
    /// If an id is outside the vocabulary, the cache has too little room, or memory runs out.
    pub fn forward(&self, ids: &[u32], cache: &mut KvCache) -> Result<Tensor> {
        let batch = cache.batch();
        let length = ids.len() / batch;
        if length * batch != ids.len() || length > cache.room() {
            candle_core::bail!(
                "{} tokens for {batch} sequences with room for {} each",
                ids.len(),
                cache.room()
            );
        }
        let ids = Tensor::from_slice(ids, ids.len(), &self.device)?;
        let rotation = self.rotation(cache.positions(), length)?;
        let mut x = self
            .embedding
            .index_select(&ids, 0)?
            .reshape((batch, length, ()))?;
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.forward(&x, &self.config, &rotation, cache, index)?;
        }
        cache.advance(length);
        Ok(x)
    }

    /// Final norm and output head over `vocabulary` rows of it: hidden states `[rows, hidden_size]`
    /// to logits `[rows, vocabulary]` in F32.
    pub(super) fn logits(&self, hidden: &Tensor, vocabulary: &Tensor) -> Result<Tensor> {
        self.norm
            .forward(&hidden.contiguous()?)?
            .matmul(&vocabulary.t()?)?
            .to_dtype(DType::F32)
    }

    /// Logits `[rows, vocab_size]` in F32 over the whole vocabulary, of hidden states
    /// `[rows, hidden_size]`; a diagnostic, forecasts use [`NumberHead`](super::NumberHead).
    ///
    /// # Errors
    /// If memory runs out.
    pub fn vocabulary_logits(&self, hidden: &Tensor) -> Result<Tensor> {
        self.logits(hidden, &self.head)
    }

    /// Rows of the output head.
    pub(super) fn head_rows(&self, ids: &[u32]) -> Result<Tensor> {
        let ids = Tensor::from_slice(ids, ids.len(), &self.device)?;
        self.head.index_select(&ids, 0)
    }

    /// Cosines and sines `[length, head_dim / 2]` of the positions from `start` on.
    fn rotation(&self, start: usize, length: usize) -> Result<(Tensor, Tensor)> {
        let angles: Vec<f64> = (start..start + length)
            .flat_map(|position| {
                self.rope_frequencies
                    .iter()
                    .map(move |f| position as f64 * f)
            })
            .collect();
        let shape = (length, self.rope_frequencies.len());
        let table = |f: fn(f64) -> f64| {
            let values: Vec<f32> = angles.iter().map(|&a| f(a) as f32).collect();
            Tensor::from_vec(values, shape, &self.device)?.to_dtype(self.dtype)
        };
        Ok((table(f64::cos)?, table(f64::sin)?))
    }
}

fn load_norm(
    config: &DecoderConfig,
    weights: &Weights,
    name: &str,
) -> std::result::Result<RmsNorm, ModelError> {
    Ok(RmsNorm {
        weight: weights.get(name, &[config.hidden_size])?,
        eps: config.norm_eps as f32,
    })
}

impl Layer {
    fn load(
        config: &DecoderConfig,
        weights: &Weights,
        index: usize,
    ) -> std::result::Result<Self, ModelError> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let (queries, keys) = (
            config.heads * config.head_dim,
            config.kv_heads * config.head_dim,
        );
        let name = |part: &str| format!("model.layers.{index}.{part}");
        // Projections of the same input are stacked: one large product is faster than several.
        let linear = |parts: &[(&str, usize)], input: usize, biased: bool| {
            let stack = |suffix: &str, shape: &dyn Fn(usize) -> Vec<usize>| {
                let tensors = parts
                    .iter()
                    .map(|(part, out)| {
                        weights.get(&name(&format!("{part}.{suffix}")), &shape(*out))
                    })
                    .collect::<std::result::Result<Vec<_>, _>>()?;
                match tensors.as_slice() {
                    [only] => Ok(only.clone()),
                    several => Tensor::cat(several, 0).map_err(ModelError::from),
                }
            };
            let weight = stack("weight", &|out| vec![out, input])?;
            let bias = biased
                .then(|| stack("bias", &|out| vec![out]))
                .transpose()?;
            Ok::<_, ModelError>(Linear { weight, bias })
        };
        let (attention_bias, mlp_bias) = (config.attention_bias, config.mlp_bias);
        Ok(Self {
            attention_norm: load_norm(config, weights, &name("input_layernorm.weight"))?,
            qkv: linear(
                &[
                    ("self_attn.q_proj", queries),
                    ("self_attn.k_proj", keys),
                    ("self_attn.v_proj", keys),
                ],
                hidden,
                attention_bias,
            )?,
            output: linear(&[("self_attn.o_proj", hidden)], queries, attention_bias)?,
            mlp_norm: load_norm(config, weights, &name("post_attention_layernorm.weight"))?,
            gate_up: linear(
                &[("mlp.gate_proj", inner), ("mlp.up_proj", inner)],
                hidden,
                mlp_bias,
            )?,
            down: linear(&[("mlp.down_proj", hidden)], inner, mlp_bias)?,
        })
    }

    fn forward(
        &self,
        x: &Tensor,
        config: &DecoderConfig,
        (cos, sin): &(Tensor, Tensor),
        cache: &KvCache,
        index: usize,
    ) -> Result<Tensor> {
        let (batch, length, _) = x.dims3()?;
        let (heads, kv_heads, head_dim) = (config.heads, config.kv_heads, config.head_dim);
        // [batch, length, heads of queries, keys and values, head_dim] -> [batch, head, length, head_dim]
        let qkv = self
            .qkv
            .forward(&self.attention_norm.forward(x)?)?
            .reshape((batch, length, heads + 2 * kv_heads, head_dim))?
            .transpose(1, 2)?;
        let part = |first, count| qkv.narrow(1, first, count)?.contiguous();
        let queries = rope(&part(0, heads)?, cos, sin)?;
        let keys = rope(&part(heads, kv_heads)?, cos, sin)?;
        cache.write(index, &keys, &part(heads + kv_heads, kv_heads)?)?;
        let queries = (queries * (head_dim as f64).powf(-0.5))?;
        let mixed = attend(&queries, cache, index)?
            .transpose(1, 2)?
            .flatten_from(D::Minus2)?;
        let x = (x + self.output.forward(&mixed)?)?;
        let gated = swiglu(&self.gate_up.forward(&self.mlp_norm.forward(&x)?)?)?;
        x + self.down.forward(&gated)?
    }
}
