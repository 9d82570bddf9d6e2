//! GGUF files against `transformers` on the dequantised weights (`make_gguf.py`).

mod common;
use common::{array, golden, kernels};
use statecast::codec::{Bin, builtin_formats};
use statecast::model::{Device, Model, ModelSource, Precision};

fn load(name: &str, precision: Precision) -> Model {
    let source = ModelSource::Gguf(golden(&format!("gguf/{name}.gguf")));
    let formats = builtin_formats().unwrap();
    Model::load(&source, &formats, precision, Device::Cpu).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Largest and mean difference of a logit, read in pieces of so many tokens of each sequence.
fn differences(name: &str, precision: Precision, piece: usize) -> (f32, f32) {
    let model = load(name, precision);
    let file = golden(&format!("gguf/{name}.npz"));
    let (shape, ids) = array::<i64>(&file, "ids");
    let (_, expected) = array::<f32>(&file, "logits");
    let ids: Vec<u32> = ids.into_iter().map(|id| id as u32).collect();
    let mut cache = model.decoder().unwrap().cache(shape[0], shape[1]).unwrap();
    let decoder = model.decoder().unwrap();
    let mut hidden = Vec::new();
    for start in (0..shape[1]).step_by(piece) {
        let end = shape[1].min(start + piece);
        let rows = ids.chunks(shape[1]).flat_map(|row| &row[start..end]);
        let rows: Vec<u32> = rows.copied().collect();
        hidden.push(decoder.forward(&rows, &mut cache).unwrap());
    }
    let hidden = candle_core::Tensor::cat(&hidden, 1).unwrap();
    let ours = decoder.vocabulary_logits(&hidden.flatten_to(1).unwrap());
    let ours: Vec<f32> = ours.unwrap().flatten_all().unwrap().to_vec1().unwrap();
    assert_eq!(ours.len(), expected.len());
    assert!(ours.iter().all(|logit| logit.is_finite()));
    let differences: Vec<f32> = ours
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs())
        .collect();
    let mean = differences.iter().sum::<f32>() / differences.len() as f32;
    (differences.into_iter().fold(0.0, f32::max), mean)
}

const FILES: [&str; 9] = [
    "llama-f32",
    "llama-q8_0",
    "llama-q4_k",
    "llama-pieces",
    "qwen2-q8_0",
    "qwen3-q8_0",
    "gemma-f32",
    "gemma2-f32",
    "gemma3-f32",
];

#[test]
fn widened_weights_give_the_logits_of_transformers() {
    for name in FILES {
        let (worst, _) = differences(name, Precision::F32, 1000);
        assert!(worst < 1e-4, "{name}: {worst}");
    }
}

/// The kernels take quantised weights as the numbers that they stand for. The tensor library rounds
/// the activations to eight bits, too, which moves the logits of these small, rough models (up to 6)
/// by a few hundredths; a block or a scale read wrongly moves them by more than 1.
#[test]
fn quantised_products_give_the_logits_of_transformers() {
    for name in FILES.iter().filter(|name| !name.ends_with("f32")) {
        let (worst, mean) = differences(name, Precision::Auto, 4);
        if kernels() {
            assert!(worst < 1e-4, "{name}: {worst}");
        } else {
            assert!(worst > 1e-4, "{name}: not quantised?");
            assert!(mean < 0.05, "{name}: {mean}");
        }
        // Many rows are worth widening the weights for.
        let (worst, _) = differences(name, Precision::Auto, 1000);
        assert!(worst < 1e-4, "{name}: {worst}");
    }
}

#[test]
fn tokenizers_inside_give_the_tokens_of_their_originals() {
    for name in [
        "llama-f32",
        "llama-q4_k",
        "llama-pieces",
        "llama-numbers",
        "qwen2-q8_0",
        "gemma2-f32",
    ] {
        let model = load(name, Precision::Auto);
        let expected = match name {
            "llama-numbers" => "number",
            _ => "digit",
        };
        assert_eq!(model.tokens().format().name, expected, "{name}");
        let mut ids = model.tokens().prefix().to_vec();
        for number in [150, 234, 7] {
            model.tokens().push(&mut ids, Bin::new(number).unwrap());
        }
        let (_, expected) = array::<i64>(&golden(&format!("gguf/{name}.npz")), "text_ids");
        let expected: Vec<u32> = expected.into_iter().map(|id| id as u32).collect();
        assert_eq!(ids, expected, "{name}");
    }
}
