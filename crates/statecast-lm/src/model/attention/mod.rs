//! Causal attention over a cache whose blocks may be shared by many sequences.

mod plain;

use candle_core::{Device, Result, Tensor};

use super::cache::{CacheFormat, KvCache};
use super::processor;
use crate::kernel::{Attention, Keys, Visible};

/// How a layer's scores differ from plain ones.
#[derive(Clone, Copy)]
pub(super) struct Scores {
    /// Factor of the products of queries and keys.
    pub(super) scale: f64,
    /// Positions that a query sees, its own included.
    pub(super) sliding_window: Option<usize>,
    /// `c tanh(s / c)` of the scores.
    pub(super) cap: Option<f64>,
}

/// Attention of `queries` `[batch, heads, new, head_dim]` over the positions read and the `new`
/// ones just written: `[batch, new, heads * head_dim]`.
pub(super) fn attend(
    queries: &Tensor,
    cache: &KvCache,
    layer: usize,
    scores: Scores,
) -> Result<Tensor> {
    if let CacheFormat::Packed(_) = cache.format() {
        return fused_attend(queries, cache, layer, scores);
    }
    let mixed = plain::attend(queries, cache, layer, scores)?;
    mixed.transpose(1, 2)?.flatten_from(2)
}

fn fused_attend(queries: &Tensor, cache: &KvCache, layer: usize, scores: Scores) -> Result<Tensor> {
    let (batch, heads, new, head_dim) = queries.dims4()?;
    let own_visible: Vec<Visible> = (0..batch)
        .map(|row| Visible {
            row,
            len: cache.own_len(),
        })
        .collect();
    let shared = cache.shared().iter();
    let blocks = shared
        .map(|segment| (segment.block.as_ref(), segment.visible.as_slice()))
        .chain([(cache.own(), own_visible.as_slice())])
        .map(|(block, visible)| Ok((block.packed(layer)?, visible)))
        .collect::<Result<Vec<_>>>()?;
    let keys: Vec<Keys> = blocks
        .iter()
        .map(|(block, visible)| Keys { block, visible })
        .collect();
    let attention = Attention {
        batch,
        heads,
        kv_heads: cache.kv_heads(),
        head_dim,
        new,
        scale: scores.scale as f32,
        sliding_window: scores.sliding_window,
        cap: scores.cap.map(|cap| cap as f32),
    };
    let mixed = processor::with_floats(queries, |queries| attention.attend(queries, &keys))?;
    Tensor::from_vec(mixed, (batch, new, heads * head_dim), &Device::Cpu)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use candle_core::DType;

    use super::super::cache::PackedFormat;
    use super::*;
    use crate::kernel::{self, Features, KeyPrecision};
    use crate::model::{Branch, DecoderConfig};

    /// A Llama of two layers, of which only the cache's shape counts here.
    fn config(heads: usize, kv_heads: usize, head_dim: usize) -> DecoderConfig {
        let json = serde_json::json!({
            "model_type": "llama", "vocab_size": 10, "hidden_size": heads * head_dim,
            "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": heads,
            "num_key_value_heads": kv_heads, "head_dim": head_dim, "hidden_act": "silu",
            "max_position_embeddings": 1000, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        });
        DecoderConfig::parse("test", json.to_string().as_bytes()).unwrap()
    }

    fn random(shape: &[usize]) -> Tensor {
        Tensor::randn(0f32, 1.0, shape, &Device::Cpu).unwrap()
    }

    /// Reads the same random keys and values into both caches.
    fn read(caches: &mut [KvCache; 2], head_dim: usize, count: usize) {
        write(caches, head_dim, count);
        caches.iter_mut().for_each(|cache| cache.advance(count));
    }

    fn write(caches: &mut [KvCache; 2], head_dim: usize, count: usize) {
        let shape = [caches[0].batch(), caches[0].kv_heads(), count, head_dim];
        let (keys, values) = (random(&shape), random(&shape));
        for cache in caches {
            cache.reserve(count).unwrap();
            cache.write(0, &keys, &values).unwrap();
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn kernel_and_tensor_library_agree(
            (group, kv_heads, registers) in (1..4usize, 1..3usize, 1..5usize),
            (context, new) in (2..300usize, 1..200usize),
            mut branches in prop::collection::vec((0..2usize, 0.0..1.0f64), 1..5),
            sliding_window in prop::option::of(1..200usize),
            cap in prop::option::of(0.5..20.0f64),
            (nested, rest) in (any::<bool>(), 0..9usize),
        ) {
            if kernel::features() < Features::F32 { return Ok(()); }
            let head_dim = 16 * registers;
            let config = config(group * kv_heads, kv_heads, head_dim);
            let formats = [
                CacheFormat::Packed(PackedFormat(KeyPrecision::F32)),
                CacheFormat::Tensors(DType::F32),
            ];
            let mut caches = formats.map(|format| {
                KvCache::new(&config, format, &Device::Cpu, 2, context).unwrap()
            });
            read(&mut caches, head_dim, context);
            branches.sort_by_key(|branch| branch.0);
            for _ in 0..1 + usize::from(nested) {
                let branches: Vec<Branch> = branches.iter().map(|&(sequence, share)| {
                    let sequence = sequence.min(caches[0].batch() - 1);
                    let position = (share * caches[0].positions(sequence) as f64) as usize;
                    Branch { sequence, position }
                }).collect();
                caches = caches.map(|cache| cache.fork(&branches, rest + new).unwrap());
                read(&mut caches, head_dim, rest);
            }
            write(&mut caches, head_dim, new);
            let queries = random(&[caches[0].batch(), group * kv_heads, new, head_dim]);
            let scores = Scores { scale: 0.3, sliding_window, cap };
            let [fused, plain] = caches.map(|cache| attend(&queries, &cache, 0, scores).unwrap());
            let difference = (fused - plain).unwrap().abs().unwrap().max_all().unwrap();
            let difference = difference.to_scalar::<f32>().unwrap();
            prop_assert!(difference < 2e-5, "{difference}");
        }
    }
}
