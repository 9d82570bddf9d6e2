//! Rotary positions: tables of cosines and sines, and the turning of queries and keys.

use std::sync::{Mutex, PoisonError};

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::rotary_emb::{rope, rope_i};

use super::config::Rope;
use super::processor::with_floats;
use crate::kernel::Angles;

/// One kind of rotary positions, with a table that grows as positions are read.
pub(super) struct Rotary {
    rope: Rope,
    table: Mutex<Table>,
}

/// Cosines and sines `[positions, dim / 2]`, times the attention factor.
#[derive(Default)]
struct Table {
    /// Of some kinds they depend on the length of the context.
    frequencies: Vec<f64>,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Rotary {
    pub(super) fn new(rope: Rope) -> Self {
        Self {
            rope,
            table: Mutex::default(),
        }
    }

    /// Cosines and sines of `length` positions from each of the starts on, for a context that was
    /// planned to have a number of positions.
    pub(super) fn rotation(
        &self,
        planned: usize,
        starts: &[usize],
        length: usize,
        device: &Device,
    ) -> Result<Rotation> {
        let frequencies = self.rope.frequencies(planned);
        let width = frequencies.len();
        let end = starts.iter().max().map_or(0, |start| start + length);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.frequencies != frequencies {
            *table = Table::default();
        }
        if table.cos.len() < end * width {
            let factor = self.rope.attention_factor();
            let known = table.cos.len() / width.max(1);
            for position in known..end.next_power_of_two() {
                for &frequency in &frequencies {
                    // Angles are rounded to single precision, as where the weights were trained
                    // (transformers); at position 1,000 that is up to 3e-5 radians.
                    let angle = position as f32 * frequency as f32;
                    let (sin, cos) = f64::from(angle).sin_cos();
                    table.cos.push((factor * cos) as f32);
                    table.sin.push((factor * sin) as f32);
                }
            }
            table.frequencies = frequencies;
        }
        let rows = |values: &[f32]| {
            let rows: Vec<f32> = starts
                .iter()
                .flat_map(|&start| &values[start * width..(start + length) * width])
                .copied()
                .collect();
            match starts.len() {
                1 => Tensor::from_vec(rows, (length, width), device),
                batch => Tensor::from_vec(rows, (batch, length, width), device),
            }
        };
        Ok(Rotation {
            cos: rows(&table.cos)?,
            sin: rows(&table.sin)?,
            dim: self.rope.dim,
            interleaved: self.rope.interleaved,
        })
    }
}

/// Cosines and sines `[batch, length, dim / 2]` of the positions, or `[length, dim / 2]` if those
/// of all sequences are equal.
pub(super) struct Rotation {
    cos: Tensor,
    sin: Tensor,
    /// Leading dimensions of a head that are turned.
    dim: usize,
    interleaved: bool,
}

impl Rotation {
    /// True if a kernel can turn heads of this width: all of it, by halves.
    pub(super) fn is_plain(&self, head_dim: usize) -> bool {
        self.dim == head_dim && !self.interleaved
    }

    /// Runs a kernel on the tables.
    pub(super) fn with_angles<T>(&self, kernel: impl FnOnce(Angles) -> T) -> Result<T> {
        with_floats(&self.cos, |cos| {
            with_floats(&self.sin, |sin| kernel(Angles { cos, sin }))
        })?
    }

    pub(super) fn to_dtype(&self, dtype: DType) -> Result<Self> {
        Ok(Self {
            cos: self.cos.to_dtype(dtype)?,
            sin: self.sin.to_dtype(dtype)?,
            ..*self
        })
    }

    /// Turns `[batch, heads, length, head_dim]`.
    pub(super) fn turn(&self, x: &Tensor) -> Result<Tensor> {
        let width = x.dim(D::Minus1)?;
        let turn = if self.interleaved { rope_i } else { rope };
        if self.dim == width {
            return turn(x, &self.cos, &self.sin);
        }
        let turned = turn(
            &x.narrow(D::Minus1, 0, self.dim)?.contiguous()?,
            &self.cos,
            &self.sin,
        )?;
        let rest = x.narrow(D::Minus1, self.dim, width - self.dim)?;
        Tensor::cat(&[turned, rest], D::Minus1)?.contiguous()
    }
}
