//! Safetensors files, read one tensor at a time.
//!
//! The tensor library maps whole files into memory; every page that was ever read then counts as
//! used beside the weights that were made of it, and a file that is cut short under the mapping
//! ends the program. Here each tensor is read when it is asked for.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::{Metadata, TensorInfo};

/// Bytes of the longest header that is read; those of real models take some hundred kilobytes.
const LONGEST_HEADER: u64 = 100 << 20;

/// A file of which the header has been read.
pub(super) struct SafetensorsFile {
    source: Source,
    metadata: Metadata,
    /// Where the tensors' bytes begin.
    start: u64,
}

enum Source {
    Bytes(&'static [u8]),
    File(PathBuf),
}

/// Why a file or a tensor of it cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum SafetensorsError {
    #[error("{0}")]
    Damaged(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl SafetensorsFile {
    pub(super) fn of_bytes(bytes: &'static [u8]) -> Result<Self, SafetensorsError> {
        Self::new(Source::Bytes(bytes), &mut &*bytes, bytes.len() as u64)
    }

    pub(super) fn open(path: &Path) -> Result<Self, SafetensorsError> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        Self::new(Source::File(path.to_owned()), &mut file, length)
    }

    fn new(source: Source, from: &mut dyn Read, length: u64) -> Result<Self, SafetensorsError> {
        let damaged = |reason: &str| SafetensorsError::Damaged(reason.to_owned());
        let mut size = [0; 8];
        from.read_exact(&mut size)
            .map_err(|_| damaged("it is shorter than a header"))?;
        let size = u64::from_le_bytes(size);
        if size > LONGEST_HEADER || size > length.saturating_sub(8) {
            return Err(damaged("its header does not fit into it"));
        }
        let mut header = vec![0; size as usize];
        from.read_exact(&mut header)?;
        // Sizes, shapes and offsets are checked against one another as they are read.
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|error| SafetensorsError::Damaged(format!("header: {error}")))?;
        let start = 8 + size;
        if length != start + metadata.data_len() as u64 {
            return Err(damaged("its length is not what its header says"));
        }
        Ok(Self {
            source,
            metadata,
            start,
        })
    }

    /// How a tensor is stored.
    pub(super) fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.metadata.info(name)
    }

    /// All tensors.
    pub(super) fn infos(&self) -> impl Iterator<Item = (String, &TensorInfo)> {
        self.metadata.tensors().into_iter()
    }

    /// A tensor in the precision in which it is stored.
    pub(super) fn read(
        &self,
        info: &TensorInfo,
        device: &Device,
    ) -> Result<Tensor, SafetensorsError> {
        let (from, to) = info.data_offsets;
        let from = self.start + from as u64;
        let length = to - info.data_offsets.0;
        let damaged = |error: candle_core::Error| {
            let text = error.to_string();
            SafetensorsError::Damaged(text.lines().next().unwrap_or_default().to_owned())
        };
        let dtype = DType::try_from(info.dtype).map_err(damaged)?;
        let tensor = |bytes: &[u8]| {
            Tensor::from_raw_buffer(bytes, dtype, &info.shape, device).map_err(damaged)
        };
        match &self.source {
            Source::Bytes(bytes) => tensor(&bytes[from as usize..from as usize + length]),
            Source::File(path) => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(from))?;
                let mut bytes = vec![0; length];
                file.read_exact(&mut bytes)?;
                tensor(&bytes)
            }
        }
    }
}
