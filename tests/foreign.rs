//! Architectures that are read through candle-transformers, against `transformers`
//! (`make_others.py`), and what sessions do with them.

mod common;
use common::{array, golden};
use ndarray::Array2;
use statecast::codec::{Bin, builtin_formats};
use statecast::forecast::{
    Forecaster, Role, RolloutSettings, Session, Settings, Temperature, Tolerance, Variables,
};
use statecast::model::{Device, FOREIGN_FAMILIES, Model, ModelSource, Precision};

fn load(family: &str) -> Model {
    let source = ModelSource::Folder(golden(&format!("others/{family}")));
    let formats = builtin_formats().unwrap();
    Model::load(&source, &formats, Precision::Auto, Device::Cpu)
        .unwrap_or_else(|e| panic!("{family}: {e}"))
}

#[test]
fn every_family_gives_the_logits_of_transformers() {
    let mut wrong = Vec::new();
    // transformers has no RWKV 5 and 6 to compare with.
    for family in FOREIGN_FAMILIES
        .into_iter()
        .filter(|f| !f.starts_with("rwkv"))
    {
        let model = load(family);
        assert!(model.decoder().is_none());
        let file = golden(&format!("others/{family}/golden.npz"));
        let (_, ids) = array::<i64>(&file, "ids");
        let (_, expected) = array::<f32>(&file, "logits");
        let ids: Vec<u32> = ids.into_iter().map(|id| id as u32).collect();
        let ours = model.network().vocabulary_logits(&ids).unwrap();
        let ours: Vec<f32> = ours.flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(ours.len(), expected.len(), "{family}");
        let worst = ours
            .iter()
            .zip(expected)
            .map(|(a, b)| (a - b).abs())
            .fold(
                0f32,
                |worst, d| if d.is_nan() { f32::NAN } else { worst.max(d) },
            );
        eprintln!("{family}: {worst:e}");
        // candle-transformers approximates Falcon's activation by a hyperbolic tangent.
        let tolerance = if family == "falcon" { 5e-3 } else { 1e-4 };
        if worst.is_nan() || worst > tolerance {
            wrong.push(family);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Forks, drawn digits and re-read beginnings are those of one sequence read from its beginning.
#[test]
fn continuations_are_those_of_the_whole_sequence() {
    for family in ["mixtral", "mamba", "falcon"] {
        let model = load(family);
        let bins = Array2::from_shape_fn((6, 2), |(t, c)| {
            Bin::new((t * 137 + c * 411) % 1000).unwrap()
        });
        let start = |rows: usize| {
            let context = bins.slice(ndarray::s![..rows, ..]).to_owned();
            let (temperature, exact) = (Temperature::default(), Tolerance::EXACT);
            Session::start(&model, &context, temperature, exact, 0..rows).unwrap()
        };
        let (_, whole) = start(6);
        let (short, _) = start(4);
        let mut paths = short.fork(2, 3).unwrap();
        for t in 4..6 {
            let drawn = paths.draw(&[0.3; 4]).unwrap();
            assert_eq!(drawn, paths.draw(&[0.3; 4]).unwrap(), "{family}");
            let next = paths.next_densities().unwrap();
            for sequence in 0..4 {
                for k in 0..1000 {
                    let (ours, theirs) = (next[sequence * 1000 + k], whole[[t, sequence / 2, k]]);
                    assert!(
                        (ours - theirs).abs() < 1e-5,
                        "{family} {t} {k}: {ours} {theirs}"
                    );
                }
            }
            let values: Vec<Bin> = (0..4).map(|sequence| bins[[t, sequence / 2]]).collect();
            paths.advance(&values).unwrap();
        }
    }
}

#[test]
fn forecast_runs_through_a_foreign_model() {
    let model = load("qwen3_moe");
    let variables = Variables::new(
        vec!["x".to_owned()],
        vec![Role::State],
        Array2::from_shape_fn((12, 1), |(t, _)| (0.4 * t as f64).sin()),
    );
    let reading = Forecaster::new(&model, Settings::default())
        .read_last(&variables, 3)
        .unwrap();
    let settings = RolloutSettings {
        horizon: 3.try_into().unwrap(),
        samples: 4.try_into().unwrap(),
        ..RolloutSettings::default()
    };
    let paths = reading.rollout(&settings, None, &|_| ()).unwrap().paths;
    assert!(paths.iter().all(|x| x.is_finite()));
    assert_eq!(reading.one_step().rows(), 3);
}
