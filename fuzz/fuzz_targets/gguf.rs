//! A whole GGUF file: header, tokenizer, tensors.
#![no_main]

use std::io::Write;
use libfuzzer_sys::fuzz_target;
use statecast::codec::builtin_formats;
use statecast::model::{Device, Model, ModelSource, Precision};

fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::Builder::new().suffix(".gguf").tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let source = ModelSource::Gguf(file.path().to_owned());
    let _ = Model::load(&source, &builtin_formats().unwrap(), Precision::Auto, Device::Cpu);
});
