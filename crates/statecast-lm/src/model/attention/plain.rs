//! Attention by the tensor library's operations, for all devices and shapes.
//!
//! Queries go in blocks against the keys up to the block's end, so no whole score matrix is ever in
//! memory. Query heads that share a key head are stacked as rows of one matrix product, and so are
//! all continuations of a shared context. Attention over several blocks of keys is merged exactly
//! by their log-sum-exp (as in flash decoding, Dao et al. 2023).

use std::ops::Range;

use candle_core::{D, DType, Result, Tensor};

use super::super::cache::{Block, KvCache};
use super::Scores;
use crate::kernel::Visible;

/// Query positions that go together: large enough for the matrix product, small enough that the
/// scores stay in the processor's cache.
const QUERY_BLOCK: usize = 128;

/// Added to scores that must not count. Finite: a query may see nothing of a shared block, and the
/// weights that come of it vanish when the blocks are merged.
const HIDDEN: f32 = -1e30;

/// As [`super::attend`], but `[batch, heads, new, head_dim]`.
pub(super) fn attend(
    queries: &Tensor,
    cache: &KvCache,
    layer: usize,
    scores: Scores,
) -> Result<Tensor> {
    let (batch, heads, new, head_dim) = queries.dims4()?;
    let kv_heads = cache.kv_heads();
    let grouped =
        (queries * scores.scale)?.reshape((batch, kv_heads, heads / kv_heads, new, head_dim))?;
    let mut outputs = Vec::with_capacity(new.div_ceil(QUERY_BLOCK));
    for start in (0..new).step_by(QUERY_BLOCK) {
        let rows = QUERY_BLOCK.min(new - start);
        let block = Queries {
            states: grouped.narrow(3, start, rows)?.contiguous()?,
            first: (0..batch).map(|i| cache.positions(i) + start).collect(),
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

/// A block of queries `[batch, kv_heads, group, rows, head_dim]`, each sequence's at the positions
/// from `first` on.
struct Queries {
    states: Tensor,
    first: Vec<usize>,
    scores: Scores,
}

impl Queries {
    /// Attention over the shared blocks and the first positions of the cache's own block, of which
    /// `new` are not counted as read yet.
    fn attend(&self, cache: &KvCache, layer: usize, new: usize) -> Result<Tensor> {
        let mut before = vec![0; self.first.len()];
        let mut merged: Option<Part> = None;
        let own: Vec<Visible> = (0..self.first.len())
            .map(|row| Visible {
                row,
                len: cache.own_len() + new,
            })
            .collect();
        let shared = cache.shared().iter();
        let blocks = shared
            .map(|segment| (segment.block.as_ref(), segment.visible.as_slice()))
            .chain([(cache.own(), own.as_slice())]);
        for (block, visible) in blocks {
            if visible.iter().any(|seen| seen.len > 0) {
                let part = self.over(block, layer, visible, &before)?;
                merged = Some(match merged {
                    Some(merged) => merged.merge(&part)?,
                    None => part,
                });
            }
            for (before, seen) in before.iter_mut().zip(visible) {
                *before += seen.len;
            }
        }
        // There is at least the own block.
        match merged {
            Some(merged) => merged.finish()?.to_dtype(self.states.dtype()),
            None => Ok(self.states.clone()),
        }
    }

    /// Attention over one block.
    fn over(
        &self,
        block: &Block,
        layer: usize,
        visible: &[Visible],
        before: &[usize],
    ) -> Result<Part> {
        let batch = visible.len();
        let rows = block.rows();
        let paths = batch / rows;
        let neighbours = paths * rows == batch
            && visible
                .iter()
                .enumerate()
                .all(|(i, seen)| seen.row == i / paths);
        if neighbours {
            return self.over_rows(block, layer, 0..rows, visible, 0..batch, before);
        }
        let mut parts = Vec::new();
        let mut first = 0;
        for run in visible.chunk_by(|a, b| a.row == b.row) {
            let sequences = first..first + run.len();
            let row = run[0].row..run[0].row + 1;
            first = sequences.end;
            parts.push(self.over_rows(block, layer, row, run, sequences, before)?);
        }
        Part::cat(&parts)
    }

    /// Attention of some sequences over some rows of a block, the same number of neighbours over
    /// each.
    fn over_rows(
        &self,
        block: &Block,
        layer: usize,
        rows: Range<usize>,
        visible: &[Visible],
        sequences: Range<usize>,
        before: &[usize],
    ) -> Result<Part> {
        let longest = visible
            .iter()
            .map(|seen| seen.len)
            .max()
            .unwrap_or(0)
            .max(1);
        let window = self.scores.sliding_window.unwrap_or(usize::MAX);
        let earliest = sequences.clone().map(|i| {
            (self.first[i] + 1)
                .saturating_sub(window)
                .saturating_sub(before[i])
        });
        let from = earliest.min().unwrap_or(0).min(longest - 1);
        let slice = |tensor: &Tensor| {
            tensor
                .narrow(0, rows.start, rows.len())?
                .narrow(2, from, longest - from)
        };
        let (keys, values) = block.tensors(layer)?;
        let (keys, values) = (slice(keys)?, slice(values)?);
        let (_, kv_heads, group, queries, head_dim) = self.states.dims5()?;
        let paths = sequences.len() / rows.len();
        let stacked = self
            .states
            .narrow(0, sequences.start, sequences.len())?
            .reshape((rows.len(), paths, kv_heads, group * queries, head_dim))?
            .transpose(1, 2)?
            .reshape((rows.len(), kv_heads, paths * group * queries, head_dim))?;
        let scores = stacked
            .matmul(&keys.transpose(2, 3)?)?
            .to_dtype(DType::F32)?;
        let scores = match self.scores.cap {
            Some(cap) => ((scores / cap)?.tanh()? * cap)?,
            None => scores,
        };
        // Hides what a sequence does not see of the block, what comes after a query and what its
        // window has left behind.
        let mut mask = Vec::with_capacity(sequences.len() * queries * (longest - from));
        for (i, seen) in sequences.clone().zip(visible) {
            for query in 0..queries {
                let position = self.first[i] + query;
                mask.extend((from..longest).map(|key| {
                    let at = before[i] + key;
                    let sees = key < seen.len && at <= position && position - at < window;
                    if sees { 0.0 } else { HIDDEN }
                }));
            }
        }
        let scores = if mask.iter().all(|&m| m == 0.0) {
            scores
        } else {
            let shape = (rows.len(), 1, paths, 1, queries, longest - from);
            let grouped = (rows.len(), kv_heads, paths, group, queries, longest - from);
            let mask = Tensor::from_vec(mask, shape, scores.device())?;
            scores
                .reshape(grouped)?
                .broadcast_add(&mask)?
                .reshape(scores.shape())?
        };
        let part = Part::new(&scores, &values)?;
        part.unstacked(paths)
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

    /// The `paths` sequences over each row of a block, unstacked into the batch.
    fn unstacked(&self, paths: usize) -> Result<Self> {
        let unstack = |tensor: &Tensor| {
            let (rows, kv_heads, stacked, width) = tensor.dims4()?;
            tensor
                .reshape((rows, kv_heads, paths, stacked / paths, width))?
                .transpose(1, 2)?
                .reshape((rows * paths, kv_heads, stacked / paths, width))
        };
        Ok(Self {
            max: unstack(&self.max)?,
            sum: unstack(&self.sum)?,
            weighted: unstack(&self.weighted)?,
        })
    }

    /// The parts of neighbouring sequences together.
    fn cat(parts: &[Self]) -> Result<Self> {
        let cat = |which: fn(&Self) -> &Tensor| {
            let tensors: Vec<&Tensor> = parts.iter().map(which).collect();
            Tensor::cat(&tensors, 0)
        };
        Ok(Self {
            max: cat(|part| &part.max)?,
            sum: cat(|part| &part.sum)?,
            weighted: cat(|part| &part.weighted)?,
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
