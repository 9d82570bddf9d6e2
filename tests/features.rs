//! The library without the features `foreign`, `hub` and `served`:
//! `cargo test --release --no-default-features --features figures --test features`.

#![cfg(not(any(feature = "foreign", feature = "hub", feature = "served")))]

use statecast::codec::builtin_formats;
use statecast::model::{Device, Model, ModelError, Precision};
use statecast::{Forecaster, Recording};

#[test]
fn the_bundled_model_forecasts() {
    let recording = Recording::read("examples/pendulum.csv").unwrap();
    let recording = recording.only(&["0"]).unwrap();
    let forecast = Forecaster::builtin().unwrap().forecast(&recording, 5);
    let median = forecast.unwrap().quantile(0.5);
    assert!(median.nrows() == 5 && median.iter().all(|value| value.is_finite()));
}

#[test]
fn folders_and_gguf_files_of_described_families_are_read() {
    for source in [
        "tests/golden/gguf/llama-folder",
        "tests/golden/gguf/qwen3-q8_0.gguf",
    ] {
        assert!(load(source).unwrap().decoder().is_some(), "{source}");
    }
}

#[test]
fn errors_name_the_feature_that_is_missing() {
    for (source, missing) in [
        ("tests/golden/others/mamba", "foreign"),
        ("Qwen/Qwen2.5-0.5B", "hub"),
        ("http://localhost:8000/v1", "served"),
    ] {
        match load(source).err().unwrap() {
            ModelError::Feature { feature, model, .. } => {
                assert_eq!((feature, model.as_str()), (missing, source));
            }
            other => panic!("{source}: {other}"),
        }
    }
}

fn load(source: &str) -> Result<Model, ModelError> {
    let (source, formats) = (source.parse().unwrap(), builtin_formats().unwrap());
    Model::load(&source, &formats, Precision::Auto, Device::Cpu)
}
