//! From values to probabilities, against `transformers` and NumPy (`make_end_to_end.py`).

mod common;
use common::{array, golden};
use ndarray::{Array2, Array3};
use statecast::codec::{Bin, builtin_formats};
use statecast::forecast::{
    Forecaster, Reading, Role, RolloutSettings, Session, Settings, Temperature, Tolerance,
    Variables,
};
use statecast::model::{Device, Model, ModelSource, Precision};

fn load(source: ModelSource) -> Model {
    let formats = builtin_formats().unwrap();
    Model::load(&source, &formats, Precision::F32, Device::Cpu).unwrap()
}

fn series() -> Variables {
    let (shape, values) = array::<f64>(&golden("end_to_end.npz"), "series");
    Variables::new(
        vec!["a".to_owned(), "b".to_owned()],
        vec![Role::State; 2],
        Array2::from_shape_vec((shape[0], shape[1]), values).unwrap(),
    )
}

fn read(model: &Model, series: &Variables) -> Reading {
    let forecaster = Forecaster::new(model, Settings::default());
    forecaster.read(series).unwrap()
}

#[test]
fn probabilities_and_scores_equal_the_reference() {
    let file = golden("end_to_end.npz");
    let series = series();
    let (_, bins) = array::<i64>(&file, "bins");
    let (_, rows) = array::<i64>(&file, "rows");
    for (prefix, source) in [
        ("builtin", ModelSource::Builtin),
        ("llama3", ModelSource::Folder(golden("llama3-scaled"))),
    ] {
        let model = load(source);
        let reading = read(&model, &series);
        let one_step = reading.one_step();
        let observed: Vec<i64> = one_step
            .observed()
            .iter()
            .map(|b| b.index() as i64)
            .collect();
        assert_eq!(observed, bins);
        let (_, expected) = array::<f32>(&file, &format!("{prefix}_probabilities"));
        for (i, &row) in rows.iter().enumerate() {
            for channel in 0..2 {
                for k in 0..1000 {
                    let ours = one_step.masses()[[row as usize, channel, k]];
                    let theirs = expected[(i * 2 + channel) * 1000 + k];
                    assert!((ours - theirs).abs() < 1e-4, "{prefix} {row} {channel} {k}");
                }
            }
        }
        let (_, scores) = array::<f64>(&file, &format!("{prefix}_log_score"));
        for (ours, theirs) in one_step.log_scores().iter().zip(scores) {
            assert!((ours - theirs).abs() < 2e-4, "{prefix}: {ours} {theirs}");
        }
    }
}

/// The session after a context, and the densities of all its rows.
fn start(model: &Model, context: &Array2<Bin>) -> (Session, Array3<f32>) {
    let (temperature, rows) = (Temperature::default(), 0..context.nrows());
    Session::start(model, context, temperature, Tolerance::EXACT, rows).unwrap()
}

fn most_probable(mass: &[f32]) -> Bin {
    let best = (0..mass.len()).max_by(|&i, &j| mass[i].total_cmp(&mass[j]));
    Bin::new(best.unwrap()).unwrap()
}

/// A greedy rollout over the shared cache equals that of the reference, which reads the whole
/// prompt again at every step.
#[test]
fn greedy_rollout_equals_full_recomputation_by_the_reference() {
    let file = golden("end_to_end.npz");
    let series = series();
    let (_, bins) = array::<i64>(&file, "bins");
    let bins = bins
        .iter()
        .map(|&k| Bin::new(k as usize).unwrap())
        .collect();
    let bins = Array2::from_shape_vec(series.values.dim(), bins).unwrap();
    for (prefix, source) in [
        ("builtin", ModelSource::Builtin),
        ("llama3", ModelSource::Folder(golden("llama3-scaled"))),
    ] {
        let model = load(source);
        let (context, _) = start(&model, &bins);
        let mut session = context.fork(3, 10).unwrap();
        let (_, expected) = array::<i64>(&file, &format!("{prefix}_rollout_bins"));
        for step in expected.chunks(2) {
            let next: Vec<Bin> = session
                .next_densities()
                .unwrap()
                .chunks(1000)
                .map(most_probable)
                .collect();
            let ours: Vec<i64> = next.iter().map(|bin| bin.index() as i64).collect();
            assert_eq!(
                ours,
                [step[0], step[0], step[0], step[1], step[1], step[1]],
                "{prefix}"
            );
            session.advance(&next).unwrap();
        }
    }
}

/// The densities along a sampled path equal those of reading that path as a context.
#[test]
fn cached_rollout_equals_full_recomputation() {
    let model = load(ModelSource::Builtin);
    let bins = Array2::from_shape_fn((40, 2), |(t, c)| {
        Bin::new((t * 37 + c * 411) % 1000).unwrap()
    });
    let first = bins.slice(ndarray::s![..25, ..]).to_owned();
    let (context, _) = start(&model, &first);
    let mut session = context.fork(1, 15).unwrap();
    let (_, whole) = start(&model, &bins);
    for t in 25..40 {
        let next = session.next_densities().unwrap();
        for c in 0..2 {
            let cached = &next[c * 1000..(c + 1) * 1000];
            for (k, &p) in cached.iter().enumerate() {
                assert!(
                    (p - whole[[t, c, k]]).abs() < 1e-5,
                    "row {t}, channel {c}, bin {k}"
                );
            }
        }
        session.advance(&bins.row(t).to_vec()).unwrap();
    }
}

#[test]
fn paths_do_not_depend_on_how_many_advance_together() {
    let model = load(ModelSource::Builtin);
    let series = series();
    let reading = read(&model, &series);
    let rollout = |at_once: Option<usize>| {
        let settings = RolloutSettings {
            horizon: 12.try_into().unwrap(),
            samples: 20.try_into().unwrap(),
            seed: 7,
            paths_at_once: at_once.map(|n| n.try_into().unwrap()),
            max_steps: None,
        };
        reading.rollout(&settings, None, &|_| ()).unwrap().paths
    };
    let whole = rollout(None);
    for at_once in [1, 3, 20] {
        let close = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-4;
        assert!(
            rollout(Some(at_once)).iter().zip(&whole).all(close),
            "{at_once}"
        );
    }
}
