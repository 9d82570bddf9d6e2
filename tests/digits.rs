//! Numbers that a model writes digit by digit.

use ndarray::{Array2, s};
use statecast::codec::{Bin, builtin_formats};
use statecast::density::locate;
use statecast::forecast::{
    Forecaster, Role, RolloutSettings, Session, Settings, Temperature, Tolerance, Variables,
};
use statecast::model::{Device, Model, ModelSource, Precision};
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn load(source: ModelSource) -> Model {
    let formats = builtin_formats().unwrap();
    Model::load(&source, &formats, Precision::F32, Device::Cpu).unwrap()
}

fn folder() -> Model {
    load(ModelSource::Folder(golden("gguf/llama-folder")))
}

fn context(rows: usize) -> Array2<Bin> {
    Array2::from_shape_fn((rows, 2), |(t, c)| {
        Bin::new((t * 37 + c * 411 + t * t * 5) % 1000).unwrap()
    })
}

fn start(
    model: &Model,
    context: &Array2<Bin>,
    tolerance: Tolerance,
) -> (Session, ndarray::Array3<f32>) {
    let (temperature, rows) = (Temperature::default(), 0..context.nrows());
    Session::start(model, context, temperature, tolerance, rows).unwrap()
}

/// Probability of a number after a prompt, by reading the whole prompt and the number.
fn brute_force(model: &Model, prompt: &[Bin], number: Bin) -> f64 {
    let tokens = model.tokens();
    let mut ids = tokens.prefix().to_vec();
    prompt.iter().for_each(|&bin| tokens.push(&mut ids, bin));
    let first = ids.len();
    tokens.push(&mut ids, number);
    let mut cache = model.decoder().unwrap().cache(1, ids.len()).unwrap();
    let hidden = model.decoder().unwrap().forward(&ids, &mut cache).unwrap();
    let logits = model
        .decoder()
        .unwrap()
        .vocabulary_logits(&hidden.squeeze(0).unwrap());
    let logits: Vec<Vec<f32>> = logits.unwrap().to_vec2().unwrap();
    tokens
        .places()
        .iter()
        .enumerate()
        .map(|(place, symbols)| {
            let row = &logits[first + place - 1];
            let sum: f64 = symbols
                .symbols
                .iter()
                .map(|&id| f64::from(row[id as usize]).exp())
                .sum();
            f64::from(row[ids[first + place] as usize]).exp() / sum
        })
        .product()
}

#[test]
fn exact_density_equals_brute_force() {
    let model = folder();
    let context = context(12);
    let (mut session, rows) = start(&model, &context, Tolerance::EXACT);
    let next = session.next_densities().unwrap();
    for channel in 0..2 {
        let prompt = context.column(channel).to_vec();
        for k in (0..1000).step_by(13) {
            let number = Bin::new(k).unwrap();
            let expected = brute_force(&model, &prompt, number);
            let ours = f64::from(next[channel * 1000 + k]);
            assert!(
                (ours - expected).abs() < 1e-6 + 1e-4 * expected,
                "{channel} {k}"
            );
            let expected = brute_force(&model, &prompt[..7], number);
            let ours = f64::from(rows[[7, channel, k]]);
            assert!(
                (ours - expected).abs() < 1e-6 + 1e-4 * expected,
                "{channel} {k}"
            );
        }
    }
}

#[test]
fn tolerance_bounds_the_error_of_cumulated_probabilities() {
    let model = folder();
    let context = context(12);
    let (_, exact) = start(&model, &context, Tolerance::EXACT);
    for tolerance in [1e-3, 0.1] {
        let (_, rough) = start(&model, &context, Tolerance::new(tolerance).unwrap());
        for t in 1..12 {
            for c in 0..2 {
                let mut error = 0.0;
                for k in 0..1000 {
                    error += f64::from(exact[[t, c, k]] - rough[[t, c, k]]);
                    assert!(error.abs() <= tolerance + 1e-4, "row {t}, {k}: {error}");
                }
                // What was observed is always refined.
                let k = context[[t, c]].index();
                let (a, b) = (exact[[t, c, k]], rough[[t, c, k]]);
                assert!((a - b).abs() <= 1e-3 * a, "row {t}: {a} {b}");
            }
        }
    }
}

/// Three draws of a digit are one draw of the number.
#[test]
fn draws_invert_the_cumulated_density_and_leave_the_session_as_it_was() {
    let model = folder();
    let context = context(12);
    let (session, _) = start(&model, &context, Tolerance::EXACT);
    let mut paths = session.fork(3, 2).unwrap();
    for _ in 0..2 {
        let next = paths.next_densities().unwrap();
        let levels = [0.02, 0.5, 0.97, 0.3, 0.6, 0.999];
        let drawn = paths.draw(&levels).unwrap();
        for (i, &(bin, fraction)) in drawn.iter().enumerate() {
            let (expected, within) = locate(&next[i * 1000..(i + 1) * 1000], levels[i]);
            assert_eq!(bin.index(), expected);
            assert!((fraction - within).abs() < 1e-2, "{fraction} {within}");
        }
        assert_eq!(drawn, paths.draw(&levels).unwrap());
        let bins: Vec<Bin> = drawn.iter().map(|&(bin, _)| bin).collect();
        paths.advance(&bins).unwrap();
    }
}

/// A text before the numbers counts towards the window.
#[test]
fn preamble_is_read_first_and_counted() {
    let mut format = builtin_formats().unwrap().remove(2);
    format.preamble = "angles: ".to_owned();
    let source = ModelSource::Folder(golden("gguf/llama-folder"));
    let model = Model::load(&source, &[format], Precision::F32, Device::Cpu).unwrap();
    let plain = folder();
    let text = "angles: ".len();
    assert_eq!(model.tokens().prefix().len(), text);
    assert_eq!(model.tokens().tokens(10), plain.tokens().tokens(10) + text);
    let longest = |model| Forecaster::new(model, Settings::default()).longest_context(5);
    assert!(longest(&model) < longest(&plain));
    let context = context(12);
    let (_, with) = start(&model, &context, Tolerance::EXACT);
    let (_, without) = start(&plain, &context, Tolerance::EXACT);
    assert_ne!(with, without);
}

#[test]
fn safetensors_and_gguf_give_the_same_forecast() {
    let variables = Variables::new(
        vec!["x".to_owned()],
        vec![Role::State],
        Array2::from_shape_fn((30, 1), |(t, _)| (0.4 * t as f64).sin()),
    );
    let settings = RolloutSettings {
        horizon: 6.try_into().unwrap(),
        samples: 5.try_into().unwrap(),
        ..RolloutSettings::default()
    };
    let forecast = |model: &Model| {
        let reading = Forecaster::new(model, Settings::default())
            .read(&variables)
            .unwrap();
        let paths = reading.rollout(&settings, None, &|_| ()).unwrap().paths;
        (paths, reading.one_step().masses().clone())
    };
    let (paths, masses) = forecast(&folder());
    let (gguf_paths, gguf_masses) =
        forecast(&load(ModelSource::Gguf(golden("gguf/llama-f32.gguf"))));
    assert!((&paths - &gguf_paths).iter().all(|d| d.abs() < 1e-3));
    assert!((&masses - &gguf_masses).iter().all(|d| d.abs() < 1e-5));
    assert_eq!(paths.slice(s![0, .., 0]).len(), 6);
}
