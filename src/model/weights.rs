//! Tensors by name: from safetensors (the bundled bytes, a file, the files of an index) or GGUF.

use std::collections::{BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use candle_core::quantized::{QMatMul, QTensor};
use candle_core::safetensors::{Load, MmapedSafetensors, SliceSafetensors};
use candle_core::{DType, Device, Tensor};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::gguf::GgufFile;
use super::linear::{Matrix, Table};
use super::{ModelError, one_line};

/// The tensors of a checkpoint, none of them loaded yet.
pub struct Weights {
    tensors: Tensors,
    files: Vec<PathBuf>,
    label: String,
    device: Device,
    dtype: DType,
}

enum Tensors {
    Embedded(SliceSafetensors<'static>, &'static [u8]),
    Mapped(MmapedSafetensors),
    /// A GGUF file, and whether its quantised weights stay so.
    Gguf(GgufFile, bool),
}

/// How a tensor stands in its file.
struct Stored {
    format: String,
    elements: u64,
    bytes: u64,
}

#[derive(Deserialize)]
struct Index {
    weight_map: HashMap<String, String>,
}

impl Weights {
    /// Tensors of a checkpoint that is part of the program.
    ///
    /// # Errors
    /// [`ModelError::Weights`] if the bytes are no safetensors file.
    pub fn embedded(
        bytes: &'static [u8],
        dtype: DType,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let label = "bundled model.safetensors".to_owned();
        let tensors = SliceSafetensors::new(bytes).map_err(|e| ModelError::Weights {
            file: label.clone(),
            reason: one_line(&e),
        })?;
        Ok(Self {
            tensors: Tensors::Embedded(tensors, bytes),
            files: Vec::new(),
            label,
            device: device.clone(),
            dtype,
        })
    }

    /// Tensors of a folder in Hugging Face layout: `model.safetensors`, or the files that
    /// `model.safetensors.index.json` names, mapped into memory.
    ///
    /// # Errors
    /// [`ModelError::Read`] for a missing file, [`ModelError::Weights`] for a damaged one or an
    /// index that names files outside the folder.
    pub fn folder(folder: &Path, dtype: DType, device: &Device) -> Result<Self, ModelError> {
        let index = folder.join("model.safetensors.index.json");
        let files = if index.exists() {
            let names = shard_names(&index)?;
            names.into_iter().map(|name| folder.join(name)).collect()
        } else {
            vec![folder.join("model.safetensors")]
        };
        for path in &files {
            std::fs::File::open(path).map_err(|source| ModelError::Read {
                path: path.clone(),
                source,
            })?;
        }
        let label = files
            .iter()
            .map(|p| p.display().to_string())
            .collect::<Vec<_>>()
            .join(", ");
        // SAFETY: the mapping is read-only; the files must not be truncated or rewritten while the
        // program runs, as for every program that maps its weights.
        #[allow(unsafe_code)]
        let tensors =
            unsafe { MmapedSafetensors::multi(&files) }.map_err(|e| ModelError::Weights {
                file: label.clone(),
                reason: one_line(&e),
            })?;
        Ok(Self {
            tensors: Tensors::Mapped(tensors),
            files,
            label,
            device: device.clone(),
            dtype,
        })
    }

    /// Tensors of a GGUF file.
    pub(super) fn gguf(
        file: GgufFile,
        path: &Path,
        dtype: DType,
        device: &Device,
        quantised: bool,
    ) -> Self {
        Self {
            tensors: Tensors::Gguf(file, quantised),
            files: vec![path.to_owned()],
            label: path.display().to_string(),
            device: device.clone(),
            dtype,
        }
    }

    /// Precision in which tensors are given out.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Where tensors are given out.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Number formats of the tensors, each with how many elements are kept in it, most first.
    pub fn formats(&self) -> Vec<(String, u64)> {
        let mut counts = std::collections::BTreeMap::new();
        for tensor in self.tensors() {
            *counts.entry(tensor.format).or_insert(0) += tensor.elements;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, elements)| std::cmp::Reverse(*elements));
        counts
    }

    /// Elements of all tensors.
    pub fn elements(&self) -> u64 {
        self.tensors().iter().map(|tensor| tensor.elements).sum()
    }

    /// Bytes of the tensors once they are loaded.
    pub fn bytes_in_memory(&self) -> u64 {
        let stored = |tensor: &Stored| tensor.bytes;
        let widened = |tensor: &Stored| tensor.elements * self.dtype.size_in_bytes() as u64;
        let tensors = self.tensors();
        match self.tensors {
            Tensors::Gguf(_, true) => tensors.iter().map(stored).sum(),
            _ => tensors.iter().map(widened).sum(),
        }
    }

    fn tensors(&self) -> Vec<Stored> {
        let of_view = |(_, view): (String, safetensors::tensor::TensorView)| Stored {
            format: format!("{:?}", view.dtype()),
            elements: view.shape().iter().product::<usize>() as u64,
            bytes: view.data().len() as u64,
        };
        match &self.tensors {
            Tensors::Embedded(tensors, _) => tensors.tensors().into_iter().map(of_view).collect(),
            Tensors::Mapped(tensors) => tensors.tensors().into_iter().map(of_view).collect(),
            Tensors::Gguf(file, _) => file
                .formats()
                .map(|(format, elements)| Stored {
                    elements: elements as u64,
                    bytes: (elements / format.block_size() * format.type_size()) as u64,
                    format: format!("{format:?}"),
                })
                .collect(),
        }
    }

    /// An error about a tensor of these files.
    pub(super) fn refuse(&self, name: &str, reason: impl Into<String>) -> ModelError {
        ModelError::Tensor {
            file: self.label.clone(),
            tensor: name.to_owned(),
            reason: reason.into(),
        }
    }

    fn check_shape(&self, name: &str, found: &[usize], shape: &[usize]) -> Result<(), ModelError> {
        if found == shape {
            return Ok(());
        }
        Err(self.refuse(
            name,
            format!("has shape {found:?} where the configuration calls for {shape:?}"),
        ))
    }

    /// One tensor, checked against the shape that the configuration calls for, in the precision
    /// asked for; quantised ones are widened.
    ///
    /// # Errors
    /// [`ModelError::Tensor`] if it is missing, has another shape or is not floating point.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        let missing = |_| self.refuse(name, "is missing");
        let view = match &self.tensors {
            Tensors::Embedded(tensors, _) => tensors.get(name).map_err(missing)?,
            Tensors::Mapped(tensors) => tensors.get(name).map_err(missing)?,
            Tensors::Gguf(..) => {
                let tensor = self.quantised(name, shape)?;
                return Ok(tensor.dequantize(&self.device)?.to_dtype(self.dtype)?);
            }
        };
        self.check_shape(name, view.shape(), shape)?;
        let tensor = view.load(&self.device)?;
        if !tensor.dtype().is_float() {
            let reason = format!("holds {:?}, not floating-point numbers", tensor.dtype());
            return Err(self.refuse(name, reason));
        }
        Ok(tensor.to_dtype(self.dtype)?)
    }

    /// All tensors by name, in the precision asked for.
    pub(super) fn all(&self) -> Result<HashMap<String, Tensor>, ModelError> {
        let load = |(name, view): (String, safetensors::tensor::TensorView)| {
            Ok((name, view.load(&self.device)?.to_dtype(self.dtype)?))
        };
        match &self.tensors {
            Tensors::Embedded(tensors, _) => tensors.tensors().into_iter().map(load).collect(),
            Tensors::Mapped(tensors) => tensors.tensors().into_iter().map(load).collect(),
            Tensors::Gguf(..) => Err(self.refuse("any", "is in a GGUF file")),
        }
    }

    /// A matrix `[out, in]`, quantised if it stands so in the file.
    pub(super) fn matrix(
        &self,
        name: &str,
        out: usize,
        input: usize,
    ) -> Result<Matrix, ModelError> {
        Ok(match &self.tensors {
            Tensors::Gguf(_, true) => {
                let tensor = self.quantised(name, &[out, input])?;
                Matrix::Quantised(QMatMul::from_arc(Arc::new(tensor))?)
            }
            _ => Matrix::Dense(self.get(name, &[out, input])?),
        })
    }

    /// A table `[rows, width]`, quantised if it stands so in the file.
    pub(super) fn table(&self, name: &str, rows: usize, width: usize) -> Result<Table, ModelError> {
        Ok(match self.matrix(name, rows, width)? {
            Matrix::Dense(tensor) | Matrix::Quantised(QMatMul::Tensor(tensor)) => {
                Table::Dense(tensor)
            }
            Matrix::Quantised(table) => Table::Quantised(table),
        })
    }

    fn quantised(&self, name: &str, shape: &[usize]) -> Result<QTensor, ModelError> {
        let Tensors::Gguf(file, _) = &self.tensors else {
            return Err(self.refuse(name, "is not quantised"));
        };
        let found = file
            .shape(name)
            .ok_or_else(|| self.refuse(name, "is missing"))?;
        self.check_shape(name, found, shape)?;
        file.tensor(name, &self.device)
            .map_err(|e| self.refuse(name, one_line(&e)))
    }

    /// True if there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        match &self.tensors {
            Tensors::Embedded(tensors, _) => tensors.get(name).is_ok(),
            Tensors::Mapped(tensors) => tensors.get(name).is_ok(),
            Tensors::Gguf(file, _) => file.shape(name).is_some(),
        }
    }

    /// SHA-256 of the weights files, in the order of their names, as hexadecimal digits.
    ///
    /// # Errors
    /// [`ModelError::Read`] if a file cannot be read.
    pub fn sha256(&self) -> Result<String, ModelError> {
        let mut hasher = Sha256::new();
        if let Tensors::Embedded(_, bytes) = &self.tensors {
            hasher.update(bytes);
        }
        for path in &self.files {
            let fail = |source| ModelError::Read {
                path: path.clone(),
                source,
            };
            let mut file = std::fs::File::open(path).map_err(fail)?;
            std::io::copy(&mut file, &mut HashWriter(&mut hasher)).map_err(fail)?;
        }
        Ok(hasher
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect())
    }
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The names of the weights files that an index lists, each a plain name.
pub(super) fn shard_names(index: &Path) -> Result<Vec<String>, ModelError> {
    let fail = |reason: String| ModelError::Weights {
        file: index.display().to_string(),
        reason,
    };
    let text = std::fs::read(index).map_err(|source| ModelError::Read {
        path: index.to_owned(),
        source,
    })?;
    let parsed: Index = serde_json::from_slice(&text).map_err(|e| fail(e.to_string()))?;
    let names: BTreeSet<String> = parsed.weight_map.into_values().collect();
    if names.is_empty() {
        return Err(fail("names no weights file".to_owned()));
    }
    for name in &names {
        let mut parts = Path::new(name).components();
        let plain = matches!(
            (parts.next(), parts.next()),
            (Some(Component::Normal(_)), None)
        );
        if !plain || !name.ends_with(".safetensors") {
            return Err(fail(format!(
                "'{name}' is not a weights file of this folder"
            )));
        }
    }
    Ok(names.into_iter().collect())
}
