//! Logits against `transformers` on the checkpoints of `tests/golden`.

mod common;
use common::{array, golden};
use statecast::codec::builtin_formats;
use statecast::model::{Device, Model, ModelSource, Precision};

fn load(source: ModelSource, precision: Precision) -> Model {
    Model::load(&source, &builtin_formats().unwrap(), precision, Device::Cpu).unwrap()
}

/// Logits of all positions `[positions][vocabulary]` of one sequence.
fn logits(model: &Model, ids: &[u32]) -> Vec<Vec<f32>> {
    let mut cache = model.decoder().unwrap().cache(1, ids.len()).unwrap();
    let hidden = model.decoder().unwrap().forward(ids, &mut cache).unwrap();
    let logits = model
        .decoder()
        .unwrap()
        .vocabulary_logits(&hidden.squeeze(0).unwrap());
    logits.unwrap().to_vec2().unwrap()
}

#[test]
fn bundled_model_gives_the_logits_of_transformers() {
    let model = load(ModelSource::Builtin, Precision::F32);
    for length in [10, 200, 1000] {
        let file = golden("builtin.npz");
        let (_, ids) = array::<i64>(&file, &format!("ids_{length}"));
        let ids: Vec<u32> = ids.into_iter().map(|id| id as u32).collect();
        let (shape, expected) = array::<f32>(&file, &format!("logits_{length}"));
        let ours = logits(&model, &ids);
        let mut worst = 0f32;
        for (row, expected) in ours[length - shape[0]..]
            .iter()
            .zip(expected.chunks(shape[1]))
        {
            for (a, b) in row.iter().zip(expected) {
                worst = worst.max((a - b).abs());
            }
        }
        eprintln!("{length}: worst difference {worst:e}");
        assert!(worst < 1e-4, "{length} tokens: {worst}");
    }
}

/// Checkpoints made by `tests/golden/make_llama.py`: tied and untied heads, biases, grouped heads,
/// stretched rotary frequencies, both generations of config.json, F16, and BF16 in two files.
#[test]
fn tiny_checkpoints_give_the_logits_of_transformers() {
    for name in [
        "llama-mha-tied",
        "llama-gqa-bias",
        "llama3-scaled",
        "llama-bf16-sharded",
    ] {
        let model = load(ModelSource::Folder(golden(name)), Precision::F32);
        let file = golden(name).join("golden.npz");
        let (shape, ids) = array::<i64>(&file, "ids");
        let (_, positions) = array::<i64>(&file, "positions");
        let (expected_shape, expected) = array::<f32>(&file, "logits");
        let vocabulary = expected_shape[2];
        let mut worst = 0f32;
        for sequence in 0..shape[0] {
            let ids: Vec<u32> = ids[sequence * shape[1]..(sequence + 1) * shape[1]]
                .iter()
                .map(|&id| id as u32)
                .collect();
            let ours = logits(&model, &ids);
            for (i, &position) in positions.iter().enumerate() {
                let start = (sequence * positions.len() + i) * vocabulary;
                let row = &ours[position as usize];
                for (a, b) in row.iter().zip(&expected[start..start + vocabulary]) {
                    worst = worst.max((a - b).abs());
                }
            }
        }
        eprintln!("{name}: worst difference {worst:e}");
        assert!(worst < 1e-4, "{name}: {worst}");
    }
}

/// The same model described by the config.json of an older generation.
#[test]
fn both_generations_of_config_give_the_same_logits() {
    let folder = tempfile::tempdir().unwrap();
    let from = golden("llama3-scaled");
    for (name, to) in [
        ("config.old.json", "config.json"),
        ("tokenizer.json", "tokenizer.json"),
        ("model.safetensors", "model.safetensors"),
    ] {
        std::fs::copy(from.join(name), folder.path().join(to)).unwrap();
    }
    let old = load(
        ModelSource::Folder(folder.path().to_owned()),
        Precision::F32,
    );
    let new = load(ModelSource::Folder(from), Precision::F32);
    let ids: Vec<u32> = (0..100).map(|i| i * 11).collect();
    assert_eq!(logits(&old, &ids), logits(&new, &ids));
}

/// True if the program has kernels for products of BF16 on this processor.
fn bf16_kernels() -> bool {
    #[cfg(target_arch = "x86_64")]
    let found = is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    let found = false;
    found
        && !matches!(
            std::env::var("STATECAST_KERNEL").as_deref(),
            Ok("plain" | "f32")
        )
}

/// BF16 keeps eight bits of a product's 24: logits of about 10 come out within a few hundredths. Where
/// there are no products of BF16, they are computed in F32.
#[test]
fn bf16_gives_nearly_the_logits_of_transformers() {
    let model = load(ModelSource::Builtin, Precision::Bf16);
    let file = golden("builtin.npz");
    let (_, ids) = array::<i64>(&file, "ids_200");
    let ids: Vec<u32> = ids.into_iter().map(|id| id as u32).collect();
    let (shape, expected) = array::<f32>(&file, "logits_200");
    let ours = logits(&model, &ids);
    let mut worst = 0f32;
    for (row, expected) in ours[200 - shape[0]..].iter().zip(expected.chunks(shape[1])) {
        for (a, b) in row.iter().zip(expected) {
            worst = worst.max((a - b).abs());
        }
    }
    eprintln!("BF16: worst difference {worst:e}");
    assert_eq!(worst > 1e-4, bf16_kernels(), "{worst}");
    assert!(worst < 0.3, "{worst}");
}
