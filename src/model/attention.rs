//! Causal attention over a cache whose first part is shared by many sequences.
//!
//! Queries go in blocks against the keys up to the block's end, so no whole score matrix is ever in
//! memory. Query heads that share a key head are stacked as rows of one matrix product, and so are
//! all continuations of a shared context. Attention over several blocks of keys is merged exactly
//! by their log-sum-exp (as in flash decoding, Dao et al. 2023).

use std::ops::Range;

use candle_core::{D, DType, Result, Tensor};
use candle_nn::ops::softmax_last_dim;

use super::cache::KvCache;

/// Query positions that go together: large enough for the matrix product, small enough that the
/// scores stay in the processor's cache.
const QUERY_BLOCK: usize = 128;

/// Added to scores that must not count. Finite: a query may see nothing of a shared block, and the
/// weights that come of it vanish when the blocks are merged.
const HIDDEN: f32 = -1e30;

/// How a layer's scores differ from plain ones.
#[derive(Clone, Copy)]
pub(super) struct Scores {
    /// Positions that a query sees, its own included.
    pub(super) sliding_window: Option<usize>,
    /// `c tanh(s / c)` of the scores.
    pub(super) cap: Option<f64>,
}

/// Attention of `queries` `[batch, heads, new, head_dim]`, already multiplied by the scale of the
/// scores, over the positions read and the `new` ones just written. Same shape out.
pub(super) fn attend(
    queries: &Tensor,
    cache: &KvCache,
    layer: usize,
    scores: Scores,
) -> Result<Tensor> {
    let (batch, heads, new, head_dim) = queries.dims4()?;
    let kv_heads = cache.kv_heads();
    let grouped = queries.reshape((batch, kv_heads, heads / kv_heads, new, head_dim))?;
    let mut outputs = Vec::with_capacity(new.div_ceil(QUERY_BLOCK));
    for start in (0..new).step_by(QUERY_BLOCK) {
        let rows = QUERY_BLOCK.min(new - start);
        let block = Queries {
            states: grouped.narrow(3, start, rows)?.contiguous()?,
            first: cache.positions() + start,
            rows,
            scores,
        };
        let mixed = block.attend(cache, layer, start + rows)?;
        outputs.push(mixed.reshape((batch, heads, rows, head_dim))?);
    }
    match outputs.as_slice() {
        [only] => Ok(only.clone()),
        several => Tensor::cat(several, 2),
    }
}

/// A block of queries `[batch, kv_heads, group, rows, head_dim]` at the positions from `first` on.
struct Queries {
    states: Tensor,
    first: usize,
    rows: usize,
    scores: Scores,
}

impl Queries {
    /// Attention over the shared blocks and the first positions of the cache's own block, of which
    /// `new` are not counted as read yet.
    fn attend(&self, cache: &KvCache, layer: usize, new: usize) -> Result<Tensor> {
        let batch = self.states.dim(0)?;
        let dtype = self.states.dtype();
        let mut start = 0;
        let mut merged: Option<Part> = None;
        for (prefix, len) in cache.shared() {
            if let Some(range) = self.visible(start, len) {
                let (keys, values) = prefix.slice(layer, range.clone())?;
                let scores = self.scores(&keys, prefix.batch(), start + range.start)?;
                let part = Part::new(&scores, &values)?.for_batch(batch, self)?;
                merged = Some(match merged {
                    Some(merged) => merged.merge(&part)?,
                    None => part,
                });
            }
            start += len;
        }
        // The query's own position is in this block.
        let len = cache.positions() - start + new;
        let range = self.visible(start, len).unwrap_or(0..len);
        let (keys, values) = cache.own().slice(layer, range.clone())?;
        let scores = self.scores(&keys, batch, start + range.start)?;
        match merged {
            None => softmax_last_dim(&scores)?
                .to_dtype(values.dtype())?
                .matmul(&values),
            Some(merged) => Part::new(&scores, &values)?
                .merge(&merged)?
                .finish()?
                .to_dtype(dtype),
        }
    }

    /// Which of `len` positions from `start` on any query sees, counted from `start`.
    fn visible(&self, start: usize, len: usize) -> Option<Range<usize>> {
        let earliest = self
            .scores
            .sliding_window
            .map_or(0, |window| (self.first + 1).saturating_sub(window));
        let from = earliest.saturating_sub(start);
        (from < len).then_some(from..len)
    }

    /// Scores of the queries against keys `[key_batch, kv_heads, len, head_dim]` at the positions
    /// from `start` on, in F32: `[key_batch, kv_heads, paths * group * rows, len]`.
    fn scores(&self, keys: &Tensor, key_batch: usize, start: usize) -> Result<Tensor> {
        let (batch, kv_heads, group, rows, head_dim) = self.states.dims5()?;
        let paths = batch / key_batch;
        let stacked = self
            .states
            .reshape((key_batch, paths, kv_heads, group * rows, head_dim))?
            .transpose(1, 2)?
            .reshape((key_batch, kv_heads, paths * group * rows, head_dim))?;
        let scores = stacked
            .matmul(&keys.transpose(2, 3)?)?
            .to_dtype(DType::F32)?;
        let scores = match self.scores.cap {
            Some(cap) => ((scores / cap)?.tanh()? * cap)?,
            None => scores,
        };
        self.hide(scores, start)
    }

    /// Hides what comes after a query and what its window has left behind.
    fn hide(&self, scores: Tensor, start: usize) -> Result<Tensor> {
        let (_, _, stacked, len) = scores.dims4()?;
        let last = self.first + self.rows - 1;
        let window = self.scores.sliding_window.unwrap_or(usize::MAX);
        let seen = |query: usize, key: usize| key <= query && query - key < window;
        if seen(self.first, start + len - 1) && seen(last, start) {
            return Ok(scores);
        }
        let mask: Vec<f32> = (0..stacked)
            .flat_map(|i| {
                let query = self.first + i % self.rows;
                (start..start + len).map(move |key| if seen(query, key) { 0.0 } else { HIDDEN })
            })
            .collect();
        scores.broadcast_add(&Tensor::from_vec(mask, (stacked, len), scores.device())?)
    }
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
