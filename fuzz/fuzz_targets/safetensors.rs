//! The weights of a folder whose other files are sound.
#![no_main]

use candle_core::Device;
use libfuzzer_sys::fuzz_target;
use statecast::model::{Architecture, Decoder, Precision, ModelWeights};

const CONFIG: &[u8] = include_bytes!("../../tests/golden/llama-mha-tied/config.json");

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
    let Ok(weights) = ModelWeights::folder(folder.path(), Precision::F32, &Device::Cpu) else {
        return;
    };
    let architecture = Architecture::parse("config.json", CONFIG).unwrap();
    let _ = Decoder::load(architecture.described().unwrap().clone(), &weights);
});
