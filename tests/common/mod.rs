//! What the tests from outside share: arrays of the golden files.

use std::io::Read;
use std::path::{Path, PathBuf};

use ndarray::ShapeBuilder;

/// A path in `tests/golden` at the top of the workspace.
pub fn golden(name: &str) -> PathBuf {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let golden = folders.find_map(|folder| {
        let golden = folder.join("tests/golden");
        golden.is_dir().then_some(golden)
    });
    golden.expect("the workspace has golden files").join(name)
}

/// An array of an NPZ file, row-major, with its shape.
pub fn array<T: npyz::Deserialize + Clone>(file: &Path, name: &str) -> (Vec<usize>, Vec<T>) {
    let zip = std::fs::File::open(file).unwrap();
    let mut zip = zip::ZipArchive::new(zip).unwrap();
    let mut member = zip.by_name(&format!("{name}.npy")).unwrap();
    let mut bytes = Vec::new();
    member.read_to_end(&mut bytes).unwrap();
    let npy = npyz::NpyFile::new(&bytes[..]).unwrap();
    let shape: Vec<usize> = npy.shape().iter().map(|&n| n as usize).collect();
    let column_major = npy.order() == npyz::Order::Fortran;
    let values = npy.into_vec().unwrap();
    if !column_major {
        return (shape, values);
    }
    let layout = ndarray::IxDyn(&shape).set_f(true);
    let array = ndarray::Array::from_shape_vec(layout, values).unwrap();
    (shape, array.iter().cloned().collect())
}

/// True if the program has kernels for this processor.
#[allow(dead_code, reason = "most tests do not ask")]
pub fn kernels() -> bool {
    #[cfg(target_arch = "x86_64")]
    let found = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
    #[cfg(not(target_arch = "x86_64"))]
    let found = false;
    found && std::env::var("STATECAST_KERNEL").as_deref() != Ok("plain")
}
