//! The decoder against the one of candle-transformers, which shares only the tensor library with
//! it, on every checkpoint whose config.json that one reads.

use std::path::Path;

use candle_core::{DType, Device, IndexOp, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::llama::{Cache, Llama, LlamaConfig};
use statecast::codec::builtin_formats;
use statecast::model::{Model, ModelSource, Precision};

struct Oracle {
    model: Llama,
    config: candle_transformers::models::llama::Config,
}

impl Oracle {
    fn load(folder: &Path) -> Self {
        let config = std::fs::read(folder.join("config.json")).unwrap();
        let config: LlamaConfig = serde_json::from_slice(&config).unwrap();
        let config = config.into_config(false);
        let mut tensors = std::collections::HashMap::new();
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|e| e == "safetensors") {
                tensors.extend(candle_core::safetensors::load(path, &Device::Cpu).unwrap());
            }
        }
        let weights = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        Self {
            model: Llama::load(weights, &config).unwrap(),
            config,
        }
    }

    /// Logits `[vocab_size]` after the last token.
    fn last_logits(&self, ids: &[u32]) -> Vec<f32> {
        let mut cache = Cache::new(false, DType::F32, &self.config, &Device::Cpu).unwrap();
        let ids = Tensor::new(ids, &Device::Cpu).unwrap().unsqueeze(0);
        let logits = self.model.forward(&ids.unwrap(), 0, &mut cache).unwrap();
        logits.i(0).unwrap().to_vec1().unwrap()
    }
}

#[test]
fn logits_equal_those_of_candle_transformers() {
    for (folder, lengths) in [
        ("models/builtin", [1, 127, 128, 700]),
        ("tests/golden/llama-mha-tied", [1, 2, 129, 256]),
        ("tests/golden/llama-bf16-sharded", [1, 2, 129, 256]),
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let oracle = Oracle::load(&folder);
        let source = ModelSource::Folder(folder.clone());
        let formats = builtin_formats().unwrap();
        let model = Model::load(
            &source,
            &formats,
            Precision::F32,
            statecast::model::Device::Cpu,
        )
        .unwrap();
        let decoder = model.decoder().unwrap();
        let vocabulary = decoder.config().vocab_size as u32;
        let ids: Vec<u32> = (0..lengths[3] as u32)
            .map(|i| (i * i * 31 + i * 7 + 3) % vocabulary)
            .collect();
        let mut cache = decoder.cache(1, ids.len()).unwrap();
        let hidden = decoder.forward(&ids, &mut cache).unwrap();
        let ours: Vec<Vec<f32>> = decoder
            .vocabulary_logits(&hidden.squeeze(0).unwrap())
            .unwrap()
            .to_vec2()
            .unwrap();
        for length in lengths {
            let theirs = oracle.last_logits(&ids[..length]);
            let worst = ours[length - 1]
                .iter()
                .zip(&theirs)
                .fold(0f32, |worst, (a, b)| worst.max((a - b).abs()));
            assert!(worst < 1e-4, "{}, {length}: {worst}", folder.display());
        }
    }
}
