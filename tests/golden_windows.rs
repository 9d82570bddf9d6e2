//! The bundled model's exact chains over windows, against `transformers` and SciPy (`make_windows.py`).
use serde::Deserialize;
use statecast::analysis::chain_of_windows;
use statecast::codec::builtin_formats;
use statecast::forecast::{Language, Temperature, Tolerance};
use statecast::model::{Device, Model, ModelSource, Precision};

#[derive(Deserialize)]
struct Golden {
    least: f64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    states: usize,
    window: usize,
    temperature: f64,
    law: Vec<f64>,
    second: f64,
    entropy: f64,
    classes: usize,
    least_passage: f64,
}

#[test]
fn chains_over_windows_equal_the_reference() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/windows.json");
    let text = std::fs::read_to_string(file).unwrap();
    let reference: Golden = serde_json::from_str(&text).unwrap();
    let formats = builtin_formats().unwrap();
    let source = ModelSource::Builtin;
    let model = Model::load(&source, &formats, Precision::F32, Device::Cpu).unwrap();
    assert!(!reference.cases.is_empty());
    for case in reference.cases {
        let language = Language {
            model: model.clone(),
            temperature: Temperature::new(case.temperature).unwrap(),
            tolerance: Tolerance::default(),
        };
        let chain = chain_of_windows(&language, case.states, case.window, &|_| ()).unwrap();
        let what = format!(
            "{} states, windows of {}, at {}",
            case.states, case.window, case.temperature
        );
        let stationary = chain.stationary().unwrap();
        let long = chain.long_run(&stationary);
        assert_eq!(long.distribution.len(), case.law.len());
        for (found, expected) in long.distribution.iter().zip(&case.law) {
            assert!(
                (found - expected).abs() < 2e-3,
                "{what}: {found} {expected}"
            );
        }
        assert!(
            (long.second - case.second).abs() < 2e-3,
            "{what}: {}",
            long.second
        );
        assert!(
            (long.entropy - case.entropy).abs() < 2e-3,
            "{what}: {}",
            long.entropy
        );
        assert_eq!(chain.classes(reference.least).len(), case.classes, "{what}");
        let passage = chain.least_passage().ln() - case.least_passage.ln();
        assert!(passage.abs() < 0.05, "{what}: {passage}");
    }
}
