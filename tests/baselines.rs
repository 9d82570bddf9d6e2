//! The baselines behind the trait of the language model.

use std::num::NonZeroUsize;
use std::sync::Arc;

use ndarray::{Array2, s};
use statecast::baselines::{NAMES, named};
use statecast::codec::BIN_COUNT;
use statecast::experts::ExpertKind;
use statecast::forecast::{
    Forecaster, KnownFuture, Mixture, Online, Role, RolloutSettings, Settings, Variables,
};

fn normal(i: usize) -> f64 {
    // Sum of twelve low-discrepancy values: close enough to normal for tests.
    (0..12)
        .map(|k| ((i * 12 + k) as f64 * 0.618_033_988_75).fract())
        .sum::<f64>()
        - 6.0
}

/// A driven, damped oscillator with an action, and a second variable that follows it.
fn recording(rows: usize) -> Variables {
    let mut values = Array2::zeros((rows, 3));
    let (mut x, mut v) = (1.0, 0.0);
    for t in 0..rows {
        let action = (t as f64 * 0.37).sin() + 0.3 * normal(3 * t);
        values[[t, 0]] = x;
        values[[t, 1]] = v;
        values[[t, 2]] = action;
        v += -0.3 * x - 0.1 * v + 0.5 * action + 0.01 * normal(t);
        x += 0.3 * v;
    }
    let names = ["x", "v", "u"].map(str::to_owned).to_vec();
    let all = Variables::new(names, vec![Role::State, Role::State, Role::Action], values);
    Variables {
        names: all.names[..2].to_vec(),
        roles: all.roles[..2].to_vec(),
        values: all.values.slice(ndarray::s![.., ..2]).to_owned(),
        ..all
    }
}

fn forecaster(name: &str) -> Forecaster {
    Forecaster::of(named(name).unwrap(), Settings::default())
}

fn mean_log_score(name: &str, recording: &Variables, from: usize) -> f64 {
    let reading = forecaster(name).read(recording).unwrap();
    let scores = reading.one_step().log_scores();
    scores.slice(ndarray::s![from.., ..]).mean().unwrap()
}

#[test]
fn densities_are_probabilities_and_seeded_paths_repeat_whatever_the_groups() {
    let recording = recording(80);
    let future = KnownFuture(Array2::from_elem((6, 1), 0.2));
    for name in NAMES {
        let reading = forecaster(name).read(&recording).unwrap();
        for mass in reading.one_step().masses().lanes(ndarray::Axis(2)) {
            assert!((mass.sum() - 1.0).abs() < 1e-3, "{name}");
        }
        let paths = |at_once: usize| {
            let settings = RolloutSettings {
                horizon: 6.try_into().unwrap(),
                samples: 10.try_into().unwrap(),
                seed: 7,
                paths_at_once: Some(at_once.try_into().unwrap()),
                max_steps: None,
            };
            reading
                .rollout(&settings, Some(&future), &|_| ())
                .unwrap()
                .paths
        };
        let (one, all) = (paths(1), paths(10));
        // Sums of a network may round differently in batches of another size.
        assert!(
            one.iter().zip(&all).all(|(a, b)| (a - b).abs() < 1e-4),
            "{name}"
        );
        assert!(one.std(0.0) > 0.0, "{name}");
    }
}

/// Where one run ends and the next begins, nobody can know what comes: weights stay as they were.
#[test]
fn the_first_row_of_a_run_teaches_a_mixture_nothing() {
    let line = |t: usize| 0.02 * t as f64 + 0.1 * normal(t);
    let jump = 30;
    let values = Array2::from_shape_fn(
        (80, 1),
        |(t, _)| if t < jump { line(t) } else { line(t) - 0.5 },
    );
    let mut told = Variables::new(vec!["x".to_owned()], vec![Role::State], values);
    let untold = told.clone();
    told.begins[jump] = true;
    let experts = || vec![named("ar").unwrap(), named("mean").unwrap()];
    let densities = |variables: &Variables| {
        let mixture = Arc::new(Mixture::new(experts(), 0.0).unwrap());
        let reading = Forecaster::of(mixture, Settings::default())
            .read(variables)
            .unwrap();
        reading.one_step().masses().to_owned()
    };
    let (told, untold) = (densities(&told), densities(&untold));
    let same = |rows: std::ops::Range<usize>| {
        let rows = ndarray::s![rows, .., ..];
        told.slice(rows) == untold.slice(rows)
    };
    assert!(same(0..jump + 1) && !same(jump + 1..80));
}

/// No density of a row depends on that row or a later one.
#[test]
fn no_baseline_looks_ahead() {
    let recording = recording(100);
    let mut spiked = recording.clone();
    spiked.values[[70, 0]] *= 0.5;
    spiked.actions[[70, 0]] *= 0.5;
    for name in NAMES {
        let before = forecaster(name).read(&recording).unwrap();
        let after = forecaster(name).read(&spiked).unwrap();
        let size = 71 * 2 * BIN_COUNT;
        let masses = |m: &ndarray::Array3<f32>| m.iter().take(size).copied().collect::<Vec<_>>();
        assert!(
            masses(before.one_step().masses()) == masses(after.one_step().masses()),
            "{name}"
        );
        assert!(
            before.one_step().masses() != after.one_step().masses(),
            "{name}"
        );
    }
}

#[test]
fn the_linear_model_wins_where_the_system_is_linear() {
    let recording = recording(300);
    let scores = NAMES.map(|name| (mean_log_score(name, &recording, 100), name));
    // The scales are a mixture that has the linear model in it.
    let single = scores.iter().filter(|s| s.1 != "scales");
    let best = single.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    assert_eq!(best.1, "linear", "{scores:?}");
    let of = |name: &str| scores.iter().find(|s| s.1 == name).unwrap().0;
    assert!(
        of("ar") > of("persistence")
            && of("mlp") > of("mean")
            && of("scales") > of("linear") - 0.05,
        "{scores:?}"
    );
}

#[test]
fn a_linear_model_asks_for_the_actions_to_come() {
    let reading = forecaster("linear").read(&recording(50)).unwrap();
    let error = reading.rollout(&RolloutSettings::default(), None, &|_| ());
    assert!(error.unwrap_err().to_string().contains("`future=`"));
}

/// Fault: rewards that were imagined wrongly led the states that were imagined after them.
#[test]
fn states_do_not_follow_from_a_predicted_reward() {
    let of = |last_reward: f64| {
        let (rows, mut x) = (90, 0.5);
        let mut values = Array2::zeros((rows, 3));
        for t in 0..rows {
            values[[t, 1]] = x;
            values[[t, 2]] = if t + 1 == rows { last_reward } else { x * x };
            x = 0.8 * x + 0.1 * normal(t);
        }
        // The first variable is constant and no channel.
        let names = ["mass", "x", "reward"].map(str::to_owned).into();
        Variables::new(names, vec![Role::State, Role::State, Role::Outcome], values)
    };
    let settings = RolloutSettings {
        horizon: NonZeroUsize::new(5).unwrap(),
        samples: NonZeroUsize::new(20).unwrap(),
        ..RolloutSettings::default()
    };
    for name in [
        "linear",
        "quadratic",
        "fourier",
        "analogue",
        "scales",
        "mlp",
    ] {
        let states = [0.05, 0.2].map(|last| {
            let reading = forecaster(name).read(&of(last)).unwrap();
            let paths = reading.rollout(&settings, None, &|_| ()).unwrap().paths;
            paths.slice(s![.., .., 1]).to_owned()
        });
        assert_eq!(states[0], states[1], "{name}");
    }
}

#[test]
fn neighbours_repeat_a_period() {
    let values = Array2::from_shape_fn((200, 1), |(t, _)| [1.0, 4.0, 2.0, 8.0, 5.0][t % 5]);
    let periodic = Variables::new(vec!["x".to_owned()], vec![Role::State], values);
    let settings = RolloutSettings {
        horizon: 10.try_into().unwrap(),
        samples: 20.try_into().unwrap(),
        ..RolloutSettings::default()
    };
    let reading = forecaster("knn").read(&periodic).unwrap();
    let paths = reading.rollout(&settings, None, &|_| ()).unwrap().paths;
    for h in 0..10 {
        let mut step = paths.slice(ndarray::s![.., h, 0]).to_vec();
        step.sort_by(f64::total_cmp);
        assert!((step[10] - [1.0, 4.0, 2.0, 8.0, 5.0][h % 5]).abs() < 0.1);
    }
}

#[test]
fn a_shared_predictor_is_read_many_times() {
    let ar = named("ar").unwrap();
    let twice = [&ar, &ar].map(|p| Forecaster::of(Arc::clone(p), Settings::default()));
    let recording = recording(40);
    let [a, b] = twice.map(|f| f.read(&recording).unwrap().one_step().masses().clone());
    assert_eq!(a, b);
}

/// Fault: an action far beyond those of the context left the range of a float, and the density with it.
#[test]
fn a_later_action_of_any_size_leaves_densities() {
    let recording = recording(80);
    let mut came = recording.slice(0..5);
    came.actions[[1, 0]] = 1e308;
    let mut small = recording.clone();
    small.actions *= 1e-10;
    for name in NAMES {
        let mut reading = forecaster(name).read(&small).unwrap();
        let one_step = reading.observe(&came).unwrap();
        for mass in one_step.masses().lanes(ndarray::Axis(2)) {
            assert!((mass.sum() - 1.0).abs() < 1e-3, "{name}");
        }
    }
}

/// A level far above what varies costs the digits that it takes, and no more.
#[test]
fn a_level_of_a_thousand_million_changes_no_density() {
    let plain = recording(120);
    let mut lifted = plain.clone();
    lifted.values += 1e9;
    for name in ["linear", "quadratic", "scales"] {
        let (plain, lifted) = (
            mean_log_score(name, &plain, 60),
            mean_log_score(name, &lifted, 60),
        );
        assert!((plain - lifted).abs() < 1e-3, "{name}: {plain} {lifted}");
    }
}

/// Fault: the first step of such paths was of the density, not of the weights that were drawn.
#[test]
fn drawn_weights_lead_paths_from_the_first_step_on() {
    let noise = |t: usize| ((t * t * 7919 + t * 104_729) % 1000) as f64 / 1000.0;
    let values = Array2::from_shape_fn((60, 1), |(t, _)| (0.4 * t as f64).sin() + noise(t));
    let context = Variables::new(vec!["x".to_owned()], vec![Role::State], values);
    let plain = Online::first("quadratic", &[ExpertKind::Quadratic]);
    let of = |online: Online| {
        let reading = Forecaster::of(Arc::new(online), Settings::default());
        let reading = reading.read(&context).unwrap();
        let settings = RolloutSettings {
            horizon: 2.try_into().unwrap(),
            samples: 20.try_into().unwrap(),
            ..RolloutSettings::default()
        };
        let paths = reading.rollout(&settings, None, &|_| ()).unwrap().paths;
        let first: Vec<f64> = paths.slice(s![.., 0, 0]).to_vec();
        (first, reading.one_step().masses().clone())
    };
    let (plain, drawn) = (of(plain), of(plain.by_draw("drawn")));
    assert!(plain.0.iter().zip(&drawn.0).all(|(a, b)| a != b));
    assert_eq!(plain.1, drawn.1);
}
