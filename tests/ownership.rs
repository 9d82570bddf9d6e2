//! Models and forecasters can be owned, kept and shared among threads, as services need it.

use ndarray::Array2;
use statecast::baselines::named;
use statecast::codec::builtin_formats;
use statecast::environment::Environment;
use statecast::forecast::{
    Continuation, Forecaster, Method, Predictor, Reading, Role, RolloutSettings, Session, Settings,
    Variables,
};
use statecast::model::{Device, HintedModel, Model, ModelSource, Precision, Sequences};
use statecast::policy::Policy;
use std::num::NonZeroUsize;

/// What a service keeps.
struct Service {
    model: Model,
    forecaster: Forecaster,
    readings: Vec<Reading>,
}

fn service(method: Method) -> Service {
    let formats = builtin_formats().unwrap();
    let model = Model::load(&ModelSource::Builtin, &formats, Precision::F32, Device::Cpu).unwrap();
    let settings = Settings {
        method,
        ..Settings::default()
    };
    Service {
        forecaster: Forecaster::new(&model, settings),
        model,
        readings: Vec::new(),
    }
}

fn wave(phase: f64) -> Variables {
    let values = Array2::from_shape_fn((80, 1), |(t, _)| (0.3 * t as f64 + phase).sin());
    Variables::new(vec!["angle".to_owned()], vec![Role::State], values)
}

fn mean_of_paths(reading: &Reading) -> f64 {
    let settings = RolloutSettings {
        horizon: NonZeroUsize::new(5).unwrap(),
        ..RolloutSettings::default()
    };
    let rollout = reading.rollout(&settings, None, &|_| ()).unwrap();
    rollout.summary(&Default::default()).mean.sum()
}

#[test]
fn models_and_forecasters_go_among_threads() {
    fn sent<T: Send + ?Sized>() {}
    fn shared<T: Send + Sync + ?Sized>() {}
    shared::<Model>();
    shared::<HintedModel>();
    shared::<Forecaster>();
    shared::<dyn Predictor>();
    sent::<Reading>();
    sent::<Session>();
    sent::<dyn Sequences>();
    sent::<dyn Continuation>();
    sent::<dyn Environment>();
    sent::<dyn Policy>();
    sent::<Service>();
}

#[test]
fn threads_share_a_forecaster_and_say_what_one_says() {
    for method in [Method::Vicl, Method::Residual] {
        let shared = service(method);
        let alone: Vec<f64> = (0..3)
            .map(|i| mean_of_paths(&shared.forecaster.read(&wave(f64::from(i))).unwrap()))
            .collect();
        let threads: Vec<_> = (0..3)
            .map(|i| {
                let forecaster = shared.forecaster.clone();
                std::thread::spawn(move || {
                    mean_of_paths(&forecaster.read(&wave(f64::from(i))).unwrap())
                })
            })
            .collect();
        let together: Vec<f64> = threads.into_iter().map(|t| t.join().unwrap()).collect();
        assert_eq!(alone, together, "{method}");
    }
}

#[test]
fn a_reading_outlives_what_made_it() {
    let mut service = service(Method::Residual);
    let reading = service.forecaster.read(&wave(0.0)).unwrap();
    service.readings.push(reading);
    let Service {
        model,
        forecaster,
        mut readings,
    } = service;
    drop((model, forecaster));
    let reading = readings.pop().unwrap();
    let there = std::thread::spawn(move || mean_of_paths(&reading));
    assert!(there.join().unwrap().is_finite());
}

#[test]
fn baselines_are_owned_as_models_are() {
    let forecaster = Forecaster::of(named("ar").unwrap(), Settings::default());
    let there = std::thread::spawn(move || mean_of_paths(&forecaster.read(&wave(1.0)).unwrap()));
    assert!(there.join().unwrap().is_finite());
}
