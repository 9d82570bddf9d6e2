//! Real weights: SmolLM2-135M-Instruct in Q4_1, against transformers and llama.cpp (`tests/golden/make_open_model.py`).
//! `python bench/open_model.py fetch` gets them; without them these tests say so and pass.

mod common;

use common::{array, golden};
use ndarray::Array2;
use statecast::codec::{Bin, builtin_formats};
use statecast::forecast::{Session, Temperature, Tolerance};
use statecast::model::{Device, Model, ModelSource, Precision};
use std::path::Path;

fn load(precision: Precision) -> Option<Model> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("models/open/SmolLM2-135M-Instruct.Q4_1.gguf");
    if !path.exists() {
        eprintln!("skipped: no registry, {} is not there", path.display());
        return None;
    }
    let formats = builtin_formats().unwrap();
    Some(Model::load(&ModelSource::Gguf(path), &formats, precision, Device::Cpu).unwrap())
}

fn integers(name: &str) -> Vec<usize> {
    let (_, values) = array::<i64>(&golden("open_model.npz"), name);
    values.into_iter().map(|value| value as usize).collect()
}

fn context() -> Array2<Bin> {
    let bins: Vec<Bin> = integers("bins")
        .into_iter()
        .map(|bin| Bin::new(bin).unwrap())
        .collect();
    Array2::from_shape_vec((bins.len(), 1), bins).unwrap()
}

/// Logits of the whole vocabulary at all positions of the golden prompt.
fn logits(model: &Model) -> Vec<Vec<f32>> {
    let ids: Vec<u32> = integers("ids").into_iter().map(|id| id as u32).collect();
    let decoder = model.decoder().unwrap();
    let mut cache = decoder.cache(1, ids.len()).unwrap();
    let hidden = decoder
        .forward(&ids, &mut cache)
        .unwrap()
        .squeeze(0)
        .unwrap();
    decoder
        .vocabulary_logits(&hidden)
        .unwrap()
        .to_vec2()
        .unwrap()
}

/// Largest and mean difference of logarithms of the digits' probabilities from golden ones at some positions.
fn differences(
    logits: &[Vec<f32>],
    positions: &[usize],
    expected: &[f32],
    width: usize,
) -> (f64, f64) {
    let symbols = integers("symbols");
    let (mut worst, mut sum, mut count) = (0f64, 0.0, 0.0);
    for (&position, expected) in positions.iter().zip(expected.chunks(width)) {
        let ours: Vec<f64> = symbols[..10]
            .iter()
            .map(|&id| logits[position][id].into())
            .collect();
        let theirs: Vec<f64> = expected[..10].iter().map(|&logit| logit.into()).collect();
        let normalised = |all: &[f64]| {
            let total = all.iter().map(|logit| logit.exp()).sum::<f64>().ln();
            all.iter().map(|logit| logit - total).collect::<Vec<f64>>()
        };
        for (ours, theirs) in normalised(&ours).iter().zip(normalised(&theirs)) {
            worst = worst.max((ours - theirs).abs());
            sum += (ours - theirs).abs();
            count += 1.0;
        }
    }
    (worst, sum / count)
}

#[test]
fn prompts_are_those_of_the_tokenizer_without_a_chat() {
    let Some(model) = load(Precision::Auto) else {
        return;
    };
    let mut ids = model.tokens().prefix().to_vec();
    context()
        .iter()
        .for_each(|&bin| model.tokens().push(&mut ids, bin));
    let ids: Vec<usize> = ids.into_iter().map(|id| id as usize).collect();
    assert_eq!(ids, integers("ids"));
    assert!(!ids.contains(&integers("chat_id")[0]));
}

#[test]
fn widened_weights_give_the_logits_of_transformers() {
    let Some(model) = load(Precision::F32) else {
        return;
    };
    let logits = logits(&model);
    let (_, expected) = array::<f32>(&golden("open_model.npz"), "logits");
    let (_, totals) = array::<f32>(&golden("open_model.npz"), "total");
    let symbols = integers("symbols");
    let mut worst = 0f32;
    for ((row, expected), total) in logits
        .iter()
        .zip(expected.chunks(symbols.len()))
        .zip(totals)
    {
        let ours = row
            .iter()
            .map(|&logit| f64::from(logit).exp())
            .sum::<f64>()
            .ln();
        worst = worst.max((ours as f32 - total).abs());
        for (&symbol, logit) in symbols.iter().zip(expected) {
            worst = worst.max((row[symbol] - logit).abs());
        }
    }
    eprintln!("worst difference of a logit: {worst:e}");
    // Logits are up to 39; float32 of transformers itself is 3.6e-5 from its double precision.
    assert!(worst < 1e-4, "{worst}");
}

/// llama.cpp takes the products with activations of eight bits, so it is farther from the numbers that the file stands for.
/// So many rows at once are widened where there are no kernels.
#[test]
fn quantised_weights_give_the_densities_of_transformers_and_llama_cpp() {
    let Some(model) = load(Precision::Auto) else {
        return;
    };
    let logits = logits(&model);
    let (_, expected) = array::<f32>(&golden("open_model.npz"), "logits");
    let all: Vec<usize> = (0..logits.len()).collect();
    let (worst, mean) = differences(&logits, &all, &expected, integers("symbols").len());
    eprintln!("transformers: worst {worst:e}, mean {mean:e} nats");
    let positions = integers("llama_cpp_positions");
    let (_, theirs) = array::<f32>(&golden("open_model.npz"), "llama_cpp");
    let (worst_of_other, mean_of_other) = differences(&logits, &positions, &theirs, 10);
    eprintln!("llama.cpp: worst {worst_of_other:e}, mean {mean_of_other:e} nats");
    assert!(worst < 2e-4 && mean < 3e-5, "{worst} {mean}");
    assert!(
        worst_of_other < 0.5 && mean_of_other < 0.05,
        "{worst_of_other} {mean_of_other}"
    );
}

#[test]
fn greedy_and_drawn_digits_are_those_of_transformers() {
    let Some(model) = load(Precision::F32) else {
        return;
    };
    let (temperature, tolerance) = (Temperature::default(), Tolerance::default());
    let start = || {
        Session::start(&model, &context(), temperature, tolerance, 0..0)
            .unwrap()
            .0
    };
    let (_, levels) = array::<f64>(&golden("open_model.npz"), "levels");
    let mut drawn = start().fork(levels.len(), 1).unwrap();
    let drawn: Vec<usize> = drawn
        .draw(&levels)
        .unwrap()
        .iter()
        .map(|d| d.0.index())
        .collect();
    assert_eq!(drawn, integers("drawn"));
    let decoder = model.decoder().unwrap();
    let symbols = integers("symbols");
    let mut ids: Vec<u32> = integers("ids").into_iter().map(|id| id as u32).collect();
    for expected in integers("greedy") {
        let mut number = 0;
        for _ in 0..3 {
            let mut cache = decoder.cache(1, ids.len()).unwrap();
            let hidden = decoder
                .forward(&ids, &mut cache)
                .unwrap()
                .squeeze(0)
                .unwrap();
            let last = hidden.narrow(0, ids.len() - 1, 1).unwrap();
            let logits: Vec<Vec<f32>> =
                decoder.vocabulary_logits(&last).unwrap().to_vec2().unwrap();
            let best =
                (0..10).max_by(|&a, &b| logits[0][symbols[a]].total_cmp(&logits[0][symbols[b]]));
            number = 10 * number + best.unwrap();
            ids.push(symbols[best.unwrap()] as u32);
        }
        assert_eq!(number, expected);
        ids.push(symbols[10] as u32);
    }
}
