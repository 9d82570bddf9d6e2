//! Affine maps with dense, packed or quantised weights.

use candle_core::quantized::QMatMul;
use candle_core::{CpuStorage, D, DType, Device, Module, Result, Storage, Tensor};

use super::processor::with_floats;
use crate::kernel::{Activations, PackedMatrix};

/// Rows from which on quantised weights are widened for a product: the tensor library's quantised
/// products cost the same for every row.
const WIDEN_FROM: usize = 32;

/// A matrix `[out, in]`.
pub(super) enum Matrix {
    /// Floating-point numbers.
    Dense(Tensor),
    /// Numbers or small integers with scales, packed for the processor.
    Packed(PackedMatrix),
    /// Blocks of small integers with scales, as they stand in a GGUF file, for the tensor library.
    Quantised(QMatMul),
}

/// What becomes of dense weights on processors for which there are kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// Nothing; they are left to the tensor library.
    None,
    /// They are packed as they are, and their products are exact to 16 bits at least.
    Exact,
    /// They are packed as they are; products of BF16 weights round the activations to BF16.
    Rounded,
}

impl Matrix {
    /// Packs a dense matrix.
    pub(super) fn packed(weight: &Tensor, packing: Packing) -> Result<Self> {
        let activations = match packing {
            Packing::None => return Ok(Self::Dense(weight.clone())),
            Packing::Exact => Activations::Split,
            Packing::Rounded => Activations::Rounded,
        };
        let weight = weight.contiguous()?;
        let input = weight.dim(1)?;
        let (storage, layout) = weight.storage_and_layout();
        let range = layout.start_offset()..layout.start_offset() + layout.shape().elem_count();
        Ok(match &*storage {
            Storage::Cpu(CpuStorage::F32(w)) => Self::Packed(PackedMatrix::f32(&w[range], input)),
            Storage::Cpu(CpuStorage::BF16(w)) => {
                Self::Packed(PackedMatrix::bf16(&w[range], input, activations))
            }
            _ => Self::Dense(weight.clone()),
        })
    }

    /// `x` `[rows, in]` to `[rows, out]`.
    pub(super) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Dense(weight) => x.matmul(&weight.t()?),
            Self::Packed(weight) => side_by_side(&[weight], x),
            Self::Quantised(QMatMul::QTensor(weight)) if x.dim(0)? >= WIDEN_FROM => {
                x.matmul(&weight.dequantize(x.device())?.t()?)
            }
            Self::Quantised(weight) => weight.forward(&x.contiguous()?),
        }
    }
}

/// Products of `x` `[rows, in]` with several matrices, side by side in `[rows, out]`.
fn side_by_side(weights: &[&PackedMatrix], x: &Tensor) -> Result<Tensor> {
    let (rows, width) = (x.dim(0)?, weights.iter().map(|weight| weight.out()).sum());
    let mut out = vec![0.0; rows * width];
    with_floats(x, |x| {
        let mut column = 0;
        for weight in weights {
            weight.product_into(x, &mut out, width, column);
            column += weight.out();
        }
    })?;
    Tensor::from_vec(out, (rows, width), &Device::Cpu)
}

/// `x Wᵀ + b`. Projections of the same input are stacked; dense ones into one matrix, for one large
/// product is faster than several.
pub(super) struct Linear {
    parts: Vec<Matrix>,
    bias: Option<Tensor>,
}

impl Linear {
    /// Stacks matrices of the same input width.
    pub(super) fn stacked(
        parts: Vec<Matrix>,
        bias: Option<Tensor>,
        packing: Packing,
    ) -> Result<Self> {
        let dense: Option<Vec<&Tensor>> = parts
            .iter()
            .map(|part| match part {
                Matrix::Dense(weight) => Some(weight),
                Matrix::Packed(_) | Matrix::Quantised(_) => None,
            })
            .collect();
        let Some(weights) = dense else {
            let each = parts.into_iter().map(|part| match part {
                Matrix::Dense(weight) => Matrix::packed(&weight, packing),
                other => Ok(other),
            });
            let parts = each.collect::<Result<_>>()?;
            return Ok(Self { parts, bias });
        };
        let weight = match weights.as_slice() {
            [only] => (*only).clone(),
            [first, rest @ ..] if rest.iter().all(|w| w.dtype() == first.dtype()) => {
                Tensor::cat(&weights, 0)?
            }
            several => {
                let wide = several.iter().map(|w| w.to_dtype(DType::F32));
                Tensor::cat(&wide.collect::<Result<Vec<_>>>()?, 0)?
            }
        };
        Ok(Self {
            parts: vec![Matrix::packed(&weight, packing)?],
            bias,
        })
    }

    /// `x` `[batch, length, in]` to `[batch, length, out]`, as one product over all rows.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, length, width) = x.dims3()?;
        let rows = x.reshape((batch * length, width))?;
        let packed = self.parts.iter().map(|part| match part {
            Matrix::Packed(weight) => Some(weight),
            Matrix::Dense(_) | Matrix::Quantised(_) => None,
        });
        let out = match (packed.collect::<Option<Vec<_>>>(), self.parts.as_slice()) {
            (Some(weights), _) => side_by_side(&weights, &rows)?,
            (None, [only]) => only.apply(&rows)?,
            (None, several) => {
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
    /// Rows `[ids, hidden]`, in the precision in which they are kept.
    pub(super) fn rows(&self, ids: &Tensor) -> Result<Tensor> {
        match self {
            Self::Dense(table) => table.index_select(ids, 0),
            Self::Quantised(table) => table.embedding(ids)?.to_dtype(DType::F32),
        }
    }

    /// The whole table `[vocabulary, hidden]`.
    pub(super) fn all(&self, vocabulary: usize, device: &Device) -> Result<Tensor> {
        match self {
            Self::Dense(table) => Ok(table.clone()),
            Self::Quantised(_) => self.rows(&Tensor::arange(0, vocabulary as u32, device)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use candle_core::quantized::{GgmlDType, QTensor};

    use super::*;
    use crate::kernel::{Features, features};

    /// A matrix in BF16 beside quantised ones was multiplied by activations of another format.
    #[test]
    fn floats_beside_quantised_weights_are_packed() -> Result<()> {
        if features() < Features::Bf16 {
            return Ok(());
        }
        let device = Device::Cpu;
        let weight = |seed: usize| {
            let values = (0..64 * 64).map(|i| ((i * seed % 97) as f32 - 48.0) / 64.0);
            Tensor::from_vec(values.collect::<Vec<_>>(), (64, 64), &device)
        };
        let (first, second) = (weight(31)?, weight(57)?);
        let quantised = QTensor::quantize(&first, GgmlDType::Q8_0)?;
        let expected_first = quantised.dequantize(&device)?;
        let parts = vec![
            Matrix::Quantised(QMatMul::from_arc(Arc::new(quantised))?),
            Matrix::Dense(second.to_dtype(DType::BF16)?),
        ];
        let linear = Linear::stacked(parts, None, Packing::Exact)?;
        let x = weight(13)?.reshape((1, 64, 64))?;
        let found = linear.forward(&x)?.squeeze(0)?;
        let widened = second.to_dtype(DType::BF16)?.to_dtype(DType::F32)?;
        let all = Tensor::cat(&[&expected_first, &widened], 0)?;
        let expected = x.squeeze(0)?.matmul(&all.t()?)?;
        let difference = (found - expected)?.abs()?.max_all()?.to_scalar::<f32>()?;
        // The tensor library rounds activations to eight bits where it multiplies quantised
        // weights.
        assert!(difference < 0.1, "{difference}");
        Ok(())
    }
}
