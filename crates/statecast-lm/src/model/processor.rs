//! From tensors to the slices that the kernels take.

use candle_core::{CpuStorage, DType, Device, Result, Storage, Tensor};

use crate::kernel::{self, Features};

/// True if the kernels can take this tensor.
pub(super) fn takes(x: &Tensor) -> bool {
    matches!(x.device(), Device::Cpu)
        && x.dtype() == DType::F32
        && kernel::features() >= Features::F32
}

/// Runs a kernel on a tensor's numbers, row by row.
pub(super) fn with_floats<T>(x: &Tensor, kernel: impl FnOnce(&[f32]) -> T) -> Result<T> {
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    let start = layout.start_offset();
    match &*storage {
        Storage::Cpu(CpuStorage::F32(values)) => {
            Ok(kernel(&values[start..start + layout.shape().elem_count()]))
        }
        _ => candle_core::bail!("the kernels take 32-bit floats in main memory"),
    }
}
