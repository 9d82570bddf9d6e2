//! Backtests: no forecast knows what comes after its origin, and mixtures keep their promise.

use ndarray::Array2;
use statecast::backtest::{BacktestSettings, Results, Windows, run, summarise};
use statecast::baselines::{NAMES, named};
use statecast::codec::builtin_formats;
use statecast::forecast::{
    Forecaster, Language, Mixture, Predictor, Recalibrated, Role, RolloutSettings, Settings,
    Temperature, Tolerance, Variables,
};
use statecast::model::{Device, Model, ModelSource, Precision};
use std::sync::Arc;

fn builtin() -> Model {
    let formats = builtin_formats().unwrap();
    Model::load(&ModelSource::Builtin, &formats, Precision::F32, Device::Cpu).unwrap()
}

fn language(model: &Model) -> Arc<dyn Predictor> {
    Arc::new(Language {
        model: model.clone(),
        temperature: Temperature::default(),
        tolerance: Tolerance::default(),
    })
}

fn experts(model: &Model) -> Vec<Arc<dyn Predictor>> {
    let mut experts = vec![Arc::new(Recalibrated::new(language(model))) as Arc<dyn Predictor>];
    experts.extend(NAMES.iter().filter_map(|name| named(name)));
    experts
}

fn forecasters(predictors: Vec<Arc<dyn Predictor>>) -> Vec<Forecaster> {
    let of = |predictor| Forecaster::of(predictor, Settings::default());
    predictors.into_iter().map(of).collect()
}

/// A noisy oscillation that turns into a random walk.
fn series(rows: usize) -> Variables {
    let noise = |t: usize| (t as f64 * 12.9898).sin() * 43758.547 % 1.0;
    let mut walk = 0.0;
    let values = Array2::from_shape_fn((rows, 1), |(t, _)| {
        if t < 150 {
            (0.4 * t as f64).sin() + 0.05 * noise(t)
        } else {
            walk += 0.3 * noise(t);
            walk
        }
    });
    Variables::new(vec!["x".to_owned()], vec![Role::State], values)
}

fn backtest(values: Variables, methods: &[Forecaster]) -> (Results, BacktestSettings) {
    let settings = BacktestSettings {
        windows: Windows::new(80, 6.try_into().unwrap(), 3.try_into().unwrap()).unwrap(),
        samples: 12.try_into().unwrap(),
        seed: 3,
    };
    let series = [("series".to_owned(), values)];
    (run(&series, methods, &settings, &|_| ()).unwrap(), settings)
}

/// A spike changes no sampled forecast of an origin before it, and no one-step density of a row
/// before it.
#[test]
fn a_future_spike_changes_nothing_before_it() {
    let model = builtin();
    let mut predictors = experts(&model);
    predictors.push(Arc::new(Mixture::new(experts(&model), 0.01).unwrap()));
    let methods = forecasters(predictors);
    let plain = series(200);
    let spike = 139;
    let mut spiked = plain.clone();
    spiked.values[[spike, 0]] += 100.0;
    let (before, settings) = backtest(plain, &methods);
    let (after, _) = backtest(spiked, &methods);
    assert_eq!(settings.windows.origins(200), [80, 137, 194]);
    for (a, b) in before.steps.iter().zip(&after.steps) {
        if a.origin + a.step <= spike {
            assert_eq!((a.mean, a.interval, a.crps), (b.mean, b.interval, b.crps));
        }
        // Paths are drawn at the origin: also beyond the spike they are the same.
        if a.origin <= spike {
            assert_eq!((a.median, a.interval), (b.median, b.interval));
        }
    }
    for (a, b) in before.one_step.iter().zip(&after.one_step) {
        if a.row < spike {
            assert_eq!((a.log_score, a.pit), (b.log_score, b.pit));
        }
    }
    let last = |results: &Results| results.steps.last().unwrap().interval;
    assert_ne!(
        last(&before),
        last(&after),
        "the last context holds the spike"
    );
}

/// Total log score within the logarithm of the number of experts of the best one's, on real
/// densities: also across a change of regime that none of them expects.
#[test]
fn the_mixture_keeps_its_promise_on_real_densities() {
    let model = builtin();
    let values = series(300);
    let total = |forecaster: &Forecaster| {
        let reading = forecaster.read(&values).unwrap();
        reading.one_step().log_scores().sum()
    };
    let mixture = |share| {
        let mixture = Mixture::new(experts(&model), share).unwrap();
        total(&Forecaster::of(Arc::new(mixture), Settings::default()))
    };
    let single: Vec<f64> = forecasters(experts(&model)).iter().map(total).collect();
    let best = single.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mixed, count) = (mixture(0.0), single.len() as f64);
    assert!(mixed >= best - count.ln() - 1e-3, "{mixed} {best}");
    let sharing = mixture(0.01);
    assert!(sharing > mixed, "a change of regime: {sharing} {mixed}");
}

/// Context and horizon together are twice as long as the model's window.
#[test]
fn horizons_go_beyond_the_window_of_the_model() {
    let model = builtin();
    let methods = forecasters(experts(&model));
    let (language, window) = (&methods[0], model.window());
    let reading = language.read(&series(window / 2)).unwrap();
    let beyond = |max_steps: Option<usize>| {
        let settings = RolloutSettings {
            horizon: (3 * window / 2).try_into().unwrap(),
            samples: 2.try_into().unwrap(),
            max_steps: max_steps.map(|s| s.try_into().unwrap()),
            ..RolloutSettings::default()
        };
        reading.rollout(&settings, None, &|_| ())
    };
    for max_steps in [None, Some(window / 4)] {
        let paths = beyond(max_steps).unwrap().paths;
        assert!(paths.iter().all(|x| x.is_finite()));
        let last = paths.slice(ndarray::s![.., paths.dim().1 - 50.., 0]);
        assert!(last.std(0.0) > 0.0, "paths go on moving");
    }
}

#[test]
fn a_summary_holds_what_was_scored() {
    let methods = forecasters(vec![named("ar").unwrap(), named("mean").unwrap()]);
    let (results, settings) = backtest(series(200), &methods);
    let summary = summarise(&results, &settings.windows, 0);
    assert_eq!(summary.windows, 3);
    let ar = &summary.methods[0];
    let crps: Vec<f64> = results
        .steps
        .iter()
        .filter(|s| s.method == 0)
        .map(|s| s.crps / s.spread)
        .collect();
    let mean = crps.iter().sum::<f64>() / crps.len() as f64;
    assert!((ar.crps.mean - mean).abs() < 1e-12);
    assert_eq!(ar.by_step.len(), 6);
    assert_eq!(ar.crps_difference.mean, 0.0);
    assert!(ar.crps.low <= mean && mean <= ar.crps.high);
}

/// A coin that a sensor reads as 0 or 1: that a density knows the two bins on which the readings fall earns
/// nothing, and one that gives each half of the axis its half of the probability is right.
#[test]
fn a_coarse_sensor_is_scored_by_its_steps() {
    let coin = |t: usize| f64::from(u8::from((t * t * 7 + t / 3) % 5 < 2));
    let values = Array2::from_shape_fn((260, 1), |(t, _)| coin(t));
    let series = Variables::new(vec!["x".to_owned()], vec![Role::State], values);
    let reading = Forecaster::of(named("mean").unwrap(), Settings::default())
        .read_last(&series, 60)
        .unwrap();
    assert!((reading.encoding().resolutions()[0] - 7.0).abs() < 1e-9);
    let scores = reading.one_step().log_scores();
    for score in &scores {
        // Each of the two cells is a step of the sensor: half of the axis, 5 units, and 2 beyond its end.
        assert!((score.exp() * 7.0 - 0.5).abs() < 0.15, "{score}");
    }
}

#[test]
fn given_actions_are_not_scored() {
    let values =
        Array2::from_shape_fn((120, 2), |(t, v)| ((0.3 + 0.2 * v as f64) * t as f64).sin());
    let names = ["x", "force"].map(str::to_owned).to_vec();
    let series = Variables::new(names, vec![Role::State, Role::Action], values);
    let settings = Settings {
        method: statecast::forecast::Method::DiclSa,
        ..Settings::default()
    };
    let methods = [Forecaster::of(named("ar").unwrap(), settings)];
    let backtest = BacktestSettings {
        windows: Windows::new(80, 10.try_into().unwrap(), 2.try_into().unwrap()).unwrap(),
        samples: 10.try_into().unwrap(),
        seed: 0,
    };
    let results = run(&[("s".to_owned(), series)], &methods, &backtest, &|_| ()).unwrap();
    assert_eq!(results.variables, ["x"]);
    assert_eq!(results.steps.len(), 2 * 10);
}

/// A network that has seen other recordings of the system knows it before the context says much.
#[test]
fn mlp_learns_from_other_recordings() {
    let pendulum = |start: f64, rows: usize| {
        let (mut angle, mut speed): (f64, f64) = (start, 0.0);
        let values = (0..rows).flat_map(|_| {
            speed -= 0.15 * angle.sin();
            angle += 0.3 * speed;
            [angle, speed]
        });
        let values = Array2::from_shape_vec((rows, 2), values.collect()).unwrap();
        let names = ["angle", "speed"].map(str::to_owned).to_vec();
        Variables::new(names, vec![Role::State; 2], values)
    };
    let training = (0..6)
        .map(|i| pendulum(0.4 + 0.4 * f64::from(i), 200))
        .collect();
    let methods = forecasters(vec![
        named("mlp").unwrap(),
        statecast::baselines::trained_mlp(training),
    ]);
    let backtest = BacktestSettings {
        windows: Windows::new(40, 10.try_into().unwrap(), 3.try_into().unwrap()).unwrap(),
        samples: 20.try_into().unwrap(),
        seed: 0,
    };
    let series = [("s".to_owned(), pendulum(1.7, 120))];
    let results = run(&series, &methods, &backtest, &|_| ()).unwrap();
    let crps = |method: usize| -> f64 {
        let of = results.steps.iter().filter(|s| s.method == method);
        of.map(|s| s.crps).sum()
    };
    assert!(crps(1) < 0.5 * crps(0), "{} {}", crps(0), crps(1));
}
