//! Where a model computes.

use std::fmt;

use super::ModelError;

/// The processor, or a graphics card by its number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// An NVIDIA card; needs the cargo feature `cuda`.
    Cuda(usize),
    /// An Apple graphics processor; needs the cargo feature `metal`.
    Metal(usize),
}

impl Device {
    /// The device, opened.
    ///
    /// # Errors
    /// [`ModelError::Device`] if it is not there or the crate was built without its feature.
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
