//! Affine maps with dense or quantised weights.

use candle_core::quantized::QMatMul;
use candle_core::{D, DType, Module, Result, Tensor};

/// A matrix `[out, in]` of a checkpoint.
pub(super) enum Matrix {
    /// Floating-point numbers.
    Dense(Tensor),
    /// Blocks of small integers with scales, as they stand in a GGUF file.
    Quantised(QMatMul),
}

impl Matrix {
    /// `x` `[rows, in]` to `[rows, out]`.
    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Dense(weight) => x.matmul(&weight.t()?),
            Self::Quantised(weight) => weight.forward(&x.contiguous()?),
        }
    }
}

/// `x Wᵀ + b`. Projections of the same input are stacked; dense ones into one matrix, for one large
/// product is faster than several.
pub(super) struct Linear {
    parts: Vec<Matrix>,
    bias: Option<Tensor>,
}

impl Linear {
    /// Stacks matrices of the same input width.
    pub(super) fn stacked(parts: Vec<Matrix>, bias: Option<Tensor>) -> Result<Self> {
        let dense: Option<Vec<&Tensor>> = parts
            .iter()
            .map(|part| match part {
                Matrix::Dense(weight) => Some(weight),
                Matrix::Quantised(_) => None,
            })
            .collect();
        let parts = match dense {
            Some(weights) if weights.len() > 1 => vec![Matrix::Dense(Tensor::cat(&weights, 0)?)],
            _ => parts,
        };
        Ok(Self { parts, bias })
    }

    /// `x` `[batch, length, in]` to `[batch, length, out]`, as one product over all rows.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, length, width) = x.dims3()?;
        let rows = x.reshape((batch * length, width))?;
        let out = match self.parts.as_slice() {
            [only] => only.apply(&rows)?,
            several => {
                let parts: Vec<Tensor> = several
                    .iter()
                    .map(|part| part.apply(&rows))
                    .collect::<Result<_>>()?;
                Tensor::cat(&parts, D::Minus1)?
            }
        };
        let out = match &self.bias {
            Some(bias) => out.broadcast_add(bias)?,
            None => out,
        };
        out.reshape((batch, length, ()))
    }
}

/// The embedding table, of which only the rows of tokens that are read are ever needed.
pub(super) enum Table {
    /// `[vocabulary, hidden]`.
    Dense(Tensor),
    /// The same, quantised.
    Quantised(QMatMul),
}

impl Table {
    /// Rows `[ids, hidden]`.
    pub(super) fn rows(&self, ids: &Tensor) -> Result<Tensor> {
        match self {
            Self::Dense(table) => table.index_select(ids, 0),
            Self::Quantised(table) => table.embedding(ids)?.to_dtype(DType::F32),
        }
    }

    /// The whole table `[vocabulary, hidden]`.
    pub(super) fn all(&self, vocabulary: usize, device: &candle_core::Device) -> Result<Tensor> {
        match self {
            Self::Dense(table) => Ok(table.clone()),
            Self::Quantised(_) => self.rows(&Tensor::arange(0, vocabulary as u32, device)?),
        }
    }
}
