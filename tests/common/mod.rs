//! What the tests from outside share: arrays of the golden files.

use std::io::Read;
use std::path::{Path, PathBuf};

/// A path in `tests/golden`.
pub fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// An array of an NPZ file, row-major, with its shape.
pub fn array<T: npyz::Deserialize>(file: &Path, name: &str) -> (Vec<usize>, Vec<T>) {
    let zip = std::fs::File::open(file).unwrap();
    let mut zip = zip::ZipArchive::new(zip).unwrap();
    let mut member = zip.by_name(&format!("{name}.npy")).unwrap();
    let mut bytes = Vec::new();
    member.read_to_end(&mut bytes).unwrap();
    let npy = npyz::NpyFile::new(&bytes[..]).unwrap();
    let shape = npy.shape().iter().map(|&n| n as usize).collect();
    (shape, npy.into_vec().unwrap())
}
