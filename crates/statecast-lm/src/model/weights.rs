//! Tensors by name: from safetensors (the bundled bytes, a file, the files of an index) or GGUF.

use std::collections::{BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QMatMul, QTensor};
use candle_core::{DType, Device, Tensor};
use safetensors::tensor::{Dtype, TensorInfo};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::cache::{CacheFormat, PackedFormat};
use super::ggml;
use super::gguf::GgufFile;
use super::linear::{Matrix, Packing, Table};
use super::safetensors::{SafetensorsError, SafetensorsFile};
use super::{ModelError, Precision, one_line, read, refuse};
use crate::kernel::{self, Features, KeyPrecision, PackedMatrix};
use crate::stand_in;

/// File of a folder with the weights by which its model reads hints.
const READING_WEIGHTS: &str = "reading.safetensors";

/// The tensors of a checkpoint, none of them loaded yet.
pub struct ModelWeights {
    tensors: Tensors,
    files: Vec<PathBuf>,
    label: String,
    device: Device,
    precision: Precision,
}

enum Tensors {
    Embedded(Vec<SafetensorsFile>, &'static [&'static [u8]]),
    Files(Vec<SafetensorsFile>),
    Gguf(GgufFile),
}

/// A matrix as it is to be kept.
enum Stands {
    Dense(Tensor),
    Quantised(QTensor),
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

impl ModelWeights {
    /// Tensors of a checkpoint that is part of the program: the bytes of its files.
    ///
    /// # Errors
    /// [`ModelError::Weights`] if they are no safetensors files.
    pub fn embedded(
        files: &'static [&'static [u8]],
        precision: Precision,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let label = "bundled weights".to_owned();
        let tensors = files.iter().map(|bytes| {
            SafetensorsFile::of_bytes(bytes).map_err(|e| ModelError::Weights {
                file: label.clone(),
                reason: e.to_string(),
            })
        });
        Ok(Self {
            tensors: Tensors::Embedded(tensors.collect::<Result<_, _>>()?, files),
            files: Vec::new(),
            label,
            device: device.clone(),
            precision,
        })
    }

    /// Tensors of a folder in Hugging Face layout: `model.safetensors`, or the files that
    /// `model.safetensors.index.json` names; and `reading.safetensors` of a model that reads hints.
    ///
    /// # Errors
    /// [`ModelError::Read`] for a missing file, [`ModelError::Weights`] for a damaged one or an
    /// index that names files outside the folder.
    pub fn folder(
        folder: &Path,
        precision: Precision,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let index = folder.join("model.safetensors.index.json");
        let mut files: Vec<PathBuf> = if index.exists() {
            let names = shard_names(&index)?;
            names.into_iter().map(|name| folder.join(name)).collect()
        } else {
            vec![folder.join("model.safetensors")]
        };
        let reading = folder.join(READING_WEIGHTS);
        files.extend(reading.exists().then_some(reading));
        let label = files
            .iter()
            .map(|p| p.display().to_string())
            .collect::<Vec<_>>()
            .join(", ");
        let tensors = files
            .iter()
            .map(|path| {
                refuse(stand_in::by_path(path), path)?;
                SafetensorsFile::open(path).map_err(|error| match error {
                    SafetensorsError::Io(source) => ModelError::Read {
                        path: path.clone(),
                        source,
                    },
                    SafetensorsError::Damaged(reason) => ModelError::Weights {
                        file: path.display().to_string(),
                        reason,
                    },
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            tensors: Tensors::Files(tensors),
            files,
            label,
            device: device.clone(),
            precision,
        })
    }

    /// Tensors of a GGUF file.
    pub(super) fn gguf(file: GgufFile, path: &Path, precision: Precision, device: &Device) -> Self {
        Self {
            tensors: Tensors::Gguf(file),
            files: vec![path.to_owned()],
            label: path.display().to_string(),
            device: device.clone(),
            precision,
        }
    }

    /// Precision of activations and of all weights but matrices. On processors, whose sums are in
    /// 32 bits anyway, these are 32 bits.
    pub fn dtype(&self) -> DType {
        match (&self.device, self.precision) {
            (Device::Cpu, _) | (_, Precision::Auto | Precision::F32) => DType::F32,
            (_, Precision::Bf16) => DType::BF16,
        }
    }

    /// What becomes of dense matrices.
    pub(super) fn packing(&self) -> Packing {
        match (&self.device, kernel::features(), self.precision) {
            (Device::Cpu, Features::Plain, _) => Packing::None,
            (Device::Cpu, _, Precision::Bf16) => Packing::Rounded,
            (Device::Cpu, _, _) => Packing::Exact,
            _ => Packing::None,
        }
    }

    /// How keys and values of heads of a width are kept.
    pub(super) fn cache_format(&self, head_dim: usize) -> CacheFormat {
        let packed = |precision| CacheFormat::Packed(PackedFormat(precision));
        match self.packing() {
            Packing::Rounded if kernel::supports_bf16(head_dim) => packed(KeyPrecision::Bf16),
            Packing::Rounded | Packing::Exact if kernel::supports(head_dim) => {
                packed(KeyPrecision::F32)
            }
            _ => CacheFormat::Tensors(self.dtype()),
        }
    }

    /// Precision in which a matrix is kept that is stored in another.
    fn matrix_dtype(&self, stored: DType) -> DType {
        let packed = self.packing() != Packing::None && kernel::features() >= Features::Bf16;
        match (self.precision, stored) {
            (Precision::Bf16, _) | (Precision::Auto, DType::BF16) if packed => DType::BF16,
            _ => self.dtype(),
        }
    }

    fn keeps_quantised(&self) -> bool {
        self.precision == Precision::Auto
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
        let quantised = matches!(self.tensors, Tensors::Gguf(_)) && self.keeps_quantised();
        let kept = |tensor: &Stored| match (quantised, tensor.format.as_str()) {
            (true, _) => tensor.bytes,
            (false, "BF16") => {
                tensor.elements * self.matrix_dtype(DType::BF16).size_in_bytes() as u64
            }
            (false, _) => tensor.elements * self.matrix_dtype(DType::F32).size_in_bytes() as u64,
        };
        self.tensors().iter().map(kept).sum()
    }

    /// Returns the bytes of a number of quantised values during loading.
    fn bytes_of(&self, format: GgmlDType, values: usize) -> usize {
        let packed = match self.packing() {
            Packing::None => None,
            _ => ggml::packed_bytes(format, values),
        };
        packed.unwrap_or(values / format.block_size() * format.type_size())
    }

    fn tensors(&self) -> Vec<Stored> {
        let stored = |info: &TensorInfo| Stored {
            format: format!("{:?}", info.dtype),
            elements: info.shape.iter().product::<usize>() as u64,
            bytes: (info.data_offsets.1 - info.data_offsets.0) as u64,
        };
        match &self.tensors {
            Tensors::Gguf(file) => file
                .formats()
                .map(|(format, elements)| Stored {
                    elements: elements as u64,
                    bytes: self.bytes_of(format, elements) as u64,
                    format: format!("{format:?}"),
                })
                .collect(),
            _ => self
                .files()
                .flat_map(|f| f.infos())
                .map(|(_, i)| stored(i))
                .collect(),
        }
    }

    /// The safetensors files.
    fn files(&self) -> impl Iterator<Item = &SafetensorsFile> {
        let files = match &self.tensors {
            Tensors::Embedded(files, _) | Tensors::Files(files) => files.as_slice(),
            Tensors::Gguf(_) => &[],
        };
        files.iter()
    }

    fn stored(&self, name: &str) -> Option<(&SafetensorsFile, &TensorInfo)> {
        self.files().find_map(|file| Some((file, file.info(name)?)))
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

    /// One tensor, checked against the shape that the configuration calls for, in the precision of
    /// the activations.
    ///
    /// # Errors
    /// [`ModelError::Tensor`] if it is missing, has another shape or is not floating point.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        let tensor = match &self.tensors {
            Tensors::Gguf(_) => self.quantised(name, shape)?.dequantize(&self.device)?,
            _ => self.read(name, shape)?,
        };
        Ok(tensor.to_dtype(self.dtype())?)
    }

    /// One tensor of a safetensors file as it is stored.
    fn read(&self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        let (file, info) = self
            .stored(name)
            .ok_or_else(|| self.refuse(name, "is missing"))?;
        self.check_shape(name, &info.shape, shape)?;
        if !is_float(info) {
            let reason = format!("holds {:?}, not floating-point numbers", info.dtype);
            return Err(self.refuse(name, reason));
        }
        file.read(info, &self.device)
            .map_err(|error| self.refuse(name, error.to_string()))
    }

    /// All floating-point tensors by name, in the precision of the activations.
    #[cfg(feature = "foreign")]
    pub(super) fn all(&self) -> Result<HashMap<String, Tensor>, ModelError> {
        if let Tensors::Gguf(_) = &self.tensors {
            return Err(self.refuse("any", "is in a GGUF file"));
        }
        let infos = self.files().flat_map(|file| file.infos());
        let infos = infos.filter(|(_, info)| is_float(info));
        let shapes = infos.map(|(name, info)| (name, info.shape.clone()));
        shapes
            .map(|(name, shape)| {
                let tensor = self.get(&name, &shape)?;
                Ok((name, tensor))
            })
            .collect()
    }

    /// A matrix `[out, in]`, quantised if it stands so in the file, and packed then if the kernels
    /// take its format.
    pub(super) fn matrix(
        &self,
        name: &str,
        out: usize,
        input: usize,
    ) -> Result<Matrix, ModelError> {
        Ok(match self.dense_or_quantised(name, &[out, input])? {
            Stands::Dense(tensor) => Matrix::Dense(tensor),
            Stands::Quantised(tensor) => match self.packing() {
                Packing::None => None,
                _ => ggml::integers(&tensor)?,
            }
            .map_or_else(
                || QMatMul::from_arc(Arc::new(tensor)).map(Matrix::Quantised),
                |integers| Ok(Matrix::Packed(PackedMatrix::integers(&integers))),
            )?,
        })
    }

    /// A table `[rows, width]`, quantised if it stands so in the file.
    pub(super) fn table(&self, name: &str, rows: usize, width: usize) -> Result<Table, ModelError> {
        Ok(match self.dense_or_quantised(name, &[rows, width])? {
            Stands::Dense(tensor) => Table::Dense(tensor),
            Stands::Quantised(tensor) => Table::Quantised(QMatMul::from_arc(Arc::new(tensor))?),
        })
    }

    fn dense_or_quantised(&self, name: &str, shape: &[usize]) -> Result<Stands, ModelError> {
        let (tensor, stored) = match &self.tensors {
            Tensors::Gguf(_) => {
                let tensor = self.quantised(name, shape)?;
                let format = tensor.dtype();
                if self.keeps_quantised() && !is_dense(format) {
                    return Ok(Stands::Quantised(tensor));
                }
                let stored = match format {
                    GgmlDType::BF16 => DType::BF16,
                    _ => DType::F32,
                };
                (tensor.dequantize(&self.device)?, stored)
            }
            _ => {
                let tensor = self.read(name, shape)?;
                let stored = tensor.dtype();
                (tensor, stored)
            }
        };
        Ok(Stands::Dense(tensor.to_dtype(self.matrix_dtype(stored))?))
    }

    fn quantised(&self, name: &str, shape: &[usize]) -> Result<QTensor, ModelError> {
        let Tensors::Gguf(file) = &self.tensors else {
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
            Tensors::Gguf(file) => file.shape(name).is_some(),
            _ => self.stored(name).is_some(),
        }
    }

    /// SHA-256 of the weights files, in the order of their names, as hexadecimal digits.
    ///
    /// # Errors
    /// [`ModelError::Read`] if a file cannot be read.
    pub fn sha256(&self) -> Result<String, ModelError> {
        Self::sha256_of(&[self])
    }

    /// The same of several checkpoints' files, one after the other.
    pub(super) fn sha256_of(weights: &[&Self]) -> Result<String, ModelError> {
        let mut hasher = Sha256::new();
        for weights in weights {
            weights.hash_into(&mut hasher)?;
        }
        let digest = hasher.finalize();
        Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn hash_into(&self, hasher: &mut Sha256) -> Result<(), ModelError> {
        if let Tensors::Embedded(_, files) = &self.tensors {
            files.iter().for_each(|bytes| hasher.update(bytes));
        }
        for path in &self.files {
            let fail = |source| ModelError::Read {
                path: path.clone(),
                source,
            };
            let mut file = std::fs::File::open(path).map_err(fail)?;
            std::io::copy(&mut file, &mut HashWriter(hasher)).map_err(fail)?;
        }
        Ok(())
    }
}

/// True if a format of ggml has no blocks.
fn is_dense(format: GgmlDType) -> bool {
    matches!(format, GgmlDType::F32 | GgmlDType::F16 | GgmlDType::BF16)
}

fn is_float(info: &TensorInfo) -> bool {
    matches!(
        info.dtype,
        Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64
    )
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
    let (text, _) = read(index)?;
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
