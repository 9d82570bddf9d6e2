//! Recording files. The first byte chooses the format.
#![no_main]

use libfuzzer_sys::fuzz_target;
use statecast::recording::{MissingPolicy, RoleSelection, read};

fuzz_target!(|bytes: &[u8]| {
    let Some((&kind, bytes)) = bytes.split_first() else {
        return;
    };
    let endings = [
        ".csv", ".npy", ".npz", ".parquet", ".json", ".jsonl", ".arrow", ".h5", ".mat", ".csv.gz",
    ];
    let ending = endings[usize::from(kind) % endings.len()];
    let file = tempfile::Builder::new().suffix(ending).tempfile().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let _ = read(file.path(), &RoleSelection::default(), MissingPolicy::Hold);
});
