//! Causal attention over a cache whose first part is shared by many sequences.
//!
//! Queries go in blocks against the keys up to the block's end, so no whole score matrix is ever in
//! memory. Query heads that share a key head are stacked as rows of one matrix product, and so are
//! all continuations of a shared context. Attention over several blocks of keys is merged exactly
//! by their log-sum-exp (as in flash decoding, Dao et al. 2023).

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::ops::softmax_last_dim;

use super::cache::KvCache;

/// Query positions that go together: large enough for the matrix product, small enough that the
/// scores stay in the processor's cache.
const QUERY_BLOCK: usize = 128;

/// Attention of `queries` `[batch, heads, new, head_dim]`, already divided by the square root of
/// `head_dim`, over the positions read and the `new` ones just written. Same shape out.
pub(super) fn attend(queries: &Tensor, cache: &KvCache, layer: usize) -> Result<Tensor> {
    let (batch, heads, new, head_dim) = queries.dims4()?;
    let past = cache.own_len();
    let (keys, values) = cache.own().first(layer, past + new)?;
    let kv_heads = keys.dim(1)?;
    let grouped = queries.reshape((batch, kv_heads, heads / kv_heads, new, head_dim))?;
    let mut outputs = Vec::with_capacity(new.div_ceil(QUERY_BLOCK));
    for start in (0..new).step_by(QUERY_BLOCK) {
        let rows = QUERY_BLOCK.min(new - start);
        let block = Queries {
            states: grouped.narrow(3, start, rows)?.contiguous()?,
            rows,
        };
        let end = past + start + rows;
        let own = block.scores(&keys.narrow(2, 0, end)?, batch)?;
        let own = causal(own, rows)?;
        let own_values = values.narrow(2, 0, end)?;
        let mut shared = cache.shared().peekable();
        let mixed = if shared.peek().is_none() {
            let weights = softmax_last_dim(&own)?.to_dtype(own_values.dtype())?;
            weights.matmul(&own_values)?
        } else {
            let mut merged = Part::new(&own, &own_values)?;
            for (prefix, len) in shared {
                let (keys, values) = prefix.first(layer, len)?;
                let scores = block.scores(&keys, prefix.batch())?;
                let part = Part::new(&scores, &values)?.for_batch(batch, &block)?;
                merged = merged.merge(&part)?;
            }
            merged.finish()?.to_dtype(queries.dtype())?
        };
        outputs.push(mixed.reshape((batch, heads, rows, head_dim))?);
    }
    match outputs.as_slice() {
        [only] => Ok(only.clone()),
        several => Tensor::cat(several, 2),
    }
}

/// A block of queries `[batch, kv_heads, group, rows, head_dim]`.
struct Queries {
    states: Tensor,
    rows: usize,
}

impl Queries {
    /// Scores of the queries against keys `[key_batch, kv_heads, len, head_dim]`, in F32:
    /// `[key_batch, kv_heads, paths * group * rows, len]`.
    fn scores(&self, keys: &Tensor, key_batch: usize) -> Result<Tensor> {
        let (batch, kv_heads, group, rows, head_dim) = self.states.dims5()?;
        let paths = batch / key_batch;
        let stacked = self
            .states
            .reshape((key_batch, paths, kv_heads, group * rows, head_dim))?
            .transpose(1, 2)?
            .reshape((key_batch, kv_heads, paths * group * rows, head_dim))?;
        stacked.matmul(&keys.transpose(2, 3)?)?.to_dtype(DType::F32)
    }
}

/// Hides from each of the last `rows` positions what comes after it; a single one hides nothing.
fn causal(scores: Tensor, rows: usize) -> Result<Tensor> {
    if rows == 1 {
        return Ok(scores);
    }
    let (_, _, stacked, len) = scores.dims4()?;
    let mask = causal_mask(stacked, rows, len, scores.device())?;
    scores.broadcast_add(&mask)
}

fn causal_mask(stacked: usize, rows: usize, len: usize, device: &Device) -> Result<Tensor> {
    let before = len - rows;
    let mask: Vec<f32> = (0..stacked)
        .flat_map(|i| {
            let last = before + i % rows;
            (0..len).map(move |j| if j <= last { 0.0 } else { f32::NEG_INFINITY })
        })
        .collect();
    Tensor::from_vec(mask, (stacked, len), device)
}

/// Attention over one block of keys, not yet divided by the sum of its weights. In F32:
/// `max` and `sum` `[batch, kv_heads, rows, 1]`, `weighted` `[batch, kv_heads, rows, head_dim]`.
struct Part {
    max: Tensor,
    sum: Tensor,
    weighted: Tensor,
}

impl Part {
    fn new(scores: &Tensor, values: &Tensor) -> Result<Self> {
        let max = scores.max_keepdim(D::Minus1)?;
        let weights = scores.broadcast_sub(&max)?.exp()?;
        let sum = weights.sum_keepdim(D::Minus1)?;
        let weighted = weights
            .to_dtype(values.dtype())?
            .matmul(values)?
            .to_dtype(DType::F32)?;
        Ok(Self { max, sum, weighted })
    }

    /// The part of a shared block, its paths unstacked into the batch.
    fn for_batch(&self, batch: usize, queries: &Queries) -> Result<Self> {
        let group_rows = queries.states.dim(2)? * queries.rows;
        let unstack = |tensor: &Tensor| {
            let (key_batch, kv_heads, _, width) = tensor.dims4()?;
            tensor
                .reshape((key_batch, kv_heads, batch / key_batch, group_rows, width))?
                .transpose(1, 2)?
                .reshape((batch, kv_heads, group_rows, width))
        };
        Ok(Self {
            max: unstack(&self.max)?,
            sum: unstack(&self.sum)?,
            weighted: unstack(&self.weighted)?,
        })
    }

    fn merge(&self, other: &Self) -> Result<Self> {
        let max = self.max.maximum(&other.max)?;
        let ours = (&self.max - &max)?.exp()?;
        let theirs = (&other.max - &max)?.exp()?;
        let sum = ((&self.sum * &ours)? + (&other.sum * &theirs)?)?;
        let weighted =
            (self.weighted.broadcast_mul(&ours)? + other.weighted.broadcast_mul(&theirs)?)?;
        Ok(Self { max, sum, weighted })
    }

    fn finish(&self) -> Result<Tensor> {
        self.weighted.broadcast_div(&self.sum)
    }
}
