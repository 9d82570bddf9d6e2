//! Rows at irregular times, from a file to sample paths.

use std::num::NonZeroUsize;

use ndarray::Array2;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use statecast::baselines::named;
use statecast::forecast::{
    Forecaster, Futures, Irregular, KnownFuture, Method, RolloutSettings, Settings, Variables,
};
use statecast::recording::{MissingPolicy, RoleSelection, read};

const ROWS: usize = 220;
const HORIZON: usize = 20;

fn wave(time: f64) -> f64 {
    (0.3 * time).sin() + 0.5 * (0.11 * time).cos()
}

/// A value at times whose steps are 1 + U(-0.5, 0.5), and its times.
fn jittered(header: &str, beside: &str, value: fn(f64) -> f64) -> (Variables, Vec<f64>) {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut time = 0.0;
    let step = |_| {
        time += 1.0 + random.random_range(-0.5..0.5);
        time
    };
    let times: Vec<f64> = (0..ROWS).map(step).collect();
    let row = |time: &f64| format!("{time},{}{beside}\n", value(*time));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.csv");
    let rows: String = times.iter().map(row).collect();
    std::fs::write(&path, format!("{header}\n{rows}")).unwrap();
    let (recording, _) = read(&path, &RoleSelection::default(), MissingPolicy::Error).unwrap();
    let variables = Variables::of(&recording, &recording.episodes()[0], Method::Vicl, false);
    (variables, times)
}

fn settings() -> RolloutSettings {
    RolloutSettings {
        horizon: NonZeroUsize::new(HORIZON).unwrap(),
        samples: NonZeroUsize::new(20).unwrap(),
        ..RolloutSettings::default()
    }
}

/// Mean error of the median path of a regression on past rows at some times.
fn error(context: &Variables, times: &[f64], irregular: Irregular) -> f64 {
    let set = Settings {
        irregular,
        ..Settings::default()
    };
    let forecaster = Forecaster::of(named("sari").unwrap(), set);
    let found = forecaster.rollouts(context, 0, &settings(), Futures::Unknown, &|_| ());
    let found = found.unwrap();
    assert_eq!(found.even_rows.is_some(), irregular == Irregular::Even);
    let median = found.rollouts[0].quantile(0.5);
    assert_eq!(median.dim(), (HORIZON, 1));
    let off = times.iter().enumerate();
    off.map(|(h, &time)| (median[[h, 0]] - wave(time)).abs())
        .sum::<f64>()
        / HORIZON as f64
}

/// Fault: rows at irregular times were forecast as if their steps were equal.
#[test]
fn rows_at_irregular_times_are_forecast_from_even_ones() {
    let (all, times) = jittered("t,x", "", wave);
    let mut steps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_by(f64::total_cmp);
    let median = steps[steps.len() / 2];
    // Behind the recording rows are a median step apart.
    let ahead: Vec<f64> = (1..=HORIZON)
        .map(|step| times[ROWS - 1] + step as f64 * median)
        .collect();
    let [even, none] = [Irregular::Even, Irregular::None].map(|i| error(&all, &ahead, i));
    assert!(even < 0.1 && even < 0.2 * none, "{even} {none}");
    // Recorded rows ahead have their own times.
    let context = all.slice(0..ROWS - HORIZON);
    let ahead = &times[ROWS - HORIZON..];
    let [even, none] = [Irregular::Even, Irregular::None].map(|i| error(&context, ahead, i));
    assert!(even < 0.1 && even < 0.2 * none, "{even} {none}");
}

/// The step of time is an action to experts, but none that anybody takes.
#[test]
fn driven_rows_have_known_steps() {
    let (context, _) = jittered("t,x,act_u", ",1", wave);
    assert!(context.actions.ncols() == 1 && context.steps.is_some());
    let forecaster = Forecaster::of(named("linear").unwrap(), Settings::default());
    let known = forecaster.steps(&context).unwrap();
    assert_eq!(known.after(ROWS - 1), 1.0);
    let future = [KnownFuture(Array2::ones((HORIZON, 1)))];
    let rollouts = forecaster.rollouts(&context, 0, &settings(), Futures::Known(&future), &|_| ());
    let rollouts = rollouts.unwrap();
    assert_eq!(rollouts.even_rows, None);
    let paths = rollouts.into_first().paths;
    assert_eq!(paths.dim(), (20, HORIZON, 1));
    let none = Settings {
        irregular: Irregular::None,
        ..Settings::default()
    };
    let unaware = Forecaster::of(named("linear").unwrap(), none);
    let rollouts = unaware.rollouts(&context, 0, &settings(), Futures::Known(&future), &|_| ());
    assert_ne!(rollouts.unwrap().into_first().paths, paths);
}

/// Steps that are known tell how far a value went where it goes as far as time.
#[test]
fn known_steps_scale_changes() {
    let (context, _) = jittered("t,x,act_u", ",1", |time| 3.0 * time);
    let error = |irregular: Irregular| {
        let set = Settings {
            irregular,
            ..Settings::default()
        };
        let forecaster = Forecaster::of(named("linear").unwrap(), set);
        let reading = forecaster.read_last(&context, 60).unwrap();
        -reading.one_step().log_scores().mean().unwrap()
    };
    let (known, none) = (error(Irregular::Known), error(Irregular::None));
    assert!(known < none - 1.0, "{known} {none}");
}
