//! Compute devices.

use std::fmt;

use super::ModelError;

/// The CPU, or a GPU by its number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Device {
    /// The CPU.
    #[default]
    Cpu,
    /// An NVIDIA GPU; needs the cargo feature `cuda`.
    Cuda(usize),
    /// An Apple GPU; needs the cargo feature `metal`.
    Metal(usize),
}

impl Device {
    /// Opens the device.
    ///
    /// # Errors
    /// [`ModelError::Device`] if it is absent or the crate was built without its feature.
    pub(super) fn open(self) -> Result<candle_core::Device, ModelError> {
        let opened = match self {
            Self::Cpu => Ok(candle_core::Device::Cpu),
            Self::Cuda(number) => candle_core::Device::new_cuda(number),
            Self::Metal(number) => candle_core::Device::new_metal(number),
        };
        opened.map_err(|source| ModelError::Device {
            device: self,
            source,
        })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda {number}"),
            Self::Metal(number) => write!(f, "metal {number}"),
        }
    }
}
