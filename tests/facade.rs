//! The short way from a recording to its forecast.

use std::sync::Mutex;

use statecast::forecast::Levels;
use statecast::study::forecast::{
    ActionsAhead, ForecastStudyError, Held, held_out_scores, paths_table, table,
};
use statecast::{Error, ForecastSettings, Forecaster, Method, Observer, Recording};

fn pendulum() -> Recording {
    Recording::read("examples/pendulum.csv").unwrap()
}

fn linear() -> Forecaster {
    Forecaster::builder()
        .experts("linear")
        .unwrap()
        .build()
        .unwrap()
}

/// Which of several series is meant is not guessed.
#[test]
fn several_episodes_are_not_forecast_as_one() {
    let error = linear().forecast(&pendulum(), 5).err().unwrap();
    let Error::Study(error) = error else {
        panic!("{error}")
    };
    assert!(
        matches!(*error, ForecastStudyError::SeveralEpisodes(2)),
        "{error}"
    );
    let one = pendulum().only(&["1"]).unwrap();
    assert_eq!(linear().forecast(&one, 5).unwrap().episode, "1");
    let each = linear().forecast_each(&pendulum(), ForecastSettings::new(5), &());
    assert_eq!(each.unwrap().len(), 2);
    let unknown = pendulum().only(&["7"]).unwrap_err().to_string();
    assert_eq!(unknown, "7: no such episode; they are called 0, 1");
}

/// The exact density of the first step is the one that the paths are drawn from.
#[test]
fn the_next_row_is_what_paths_begin_with() {
    let one = pendulum().only(&["0"]).unwrap();
    let plain = Forecaster::builder().method(Method::Vicl).build().unwrap();
    let mut settings = ForecastSettings::new(1);
    settings.samples = 20_000;
    let forecast = plain.forecast_with(&one, settings, &()).unwrap();
    let (low, mean, high) = (
        forecast.quantile(0.25),
        forecast.mean(),
        forecast.quantile(0.75),
    );
    let next = forecast.next_row().unwrap();
    for v in 0..3 {
        let density = next.density(v);
        let error = (density.mean() - mean[[0, v]]).abs() / density.std();
        assert!(error < 4.0 / 20_000f64.sqrt(), "variable {v}: {error}");
        // Quartiles of 20,000 draws are within 0.012 (four standard errors) of the probability.
        for (level, drawn) in [(0.25, low[[0, v]]), (0.75, high[[0, v]])] {
            let (below, above) = (
                density.quantile(level - 0.012),
                density.quantile(level + 0.012),
            );
            assert!(
                (below..=above).contains(&drawn),
                "variable {v}: {below} {drawn} {above}"
            );
        }
    }
}

/// What is written is what the arrays say.
#[test]
fn tables_have_the_quantiles_of_the_arrays() {
    let one = pendulum().only(&["0"]).unwrap();
    let forecast = linear().forecast(&one, 4).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("forecast.csv");
    forecast.write(&path).unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let column = head.iter().position(|name| *name == "q0.9").unwrap();
    let quantiles = forecast.quantile(0.9);
    let rows = lines.zip(quantiles.iter());
    for (line, expected) in rows {
        let found: f64 = line.split(',').nth(column).unwrap().parse().unwrap();
        assert!((found - expected).abs() < 1e-9 * expected.abs().max(1.0));
    }
    assert_eq!(text.lines().count(), 1 + 4 * 3);
}

#[derive(Default)]
struct Heard(Mutex<(Vec<String>, f64)>);

impl Observer for Heard {
    fn note(&self, text: &str) {
        self.0.lock().unwrap().0.push(text.to_owned());
    }

    fn progress(&self, share: f64) {
        self.0.lock().unwrap().1 = share;
    }
}

/// An observer is told what was assumed, by the names of settings; nothing is printed.
#[test]
fn observers_are_told_assumptions_and_progress() {
    let one = pendulum().only(&["0"]).unwrap();
    let heard = Heard::default();
    let settings = ForecastSettings::new(3);
    linear().forecast_with(&one, settings, &heard).unwrap();
    let (notes, share) = heard.0.into_inner().unwrap();
    assert!(notes[0].contains("`hold-actions=`"), "{notes:?}");
    assert!((share - 1.0).abs() < 1e-9);
    let mut settings = ForecastSettings::new(3);
    settings.actions = ActionsAhead::Held(Held::Zero);
    let quiet = Heard::default();
    linear().forecast_with(&one, settings, &quiet).unwrap();
    assert!(quiet.0.into_inner().unwrap().0.is_empty());
}

/// Steps that were held back are scored beside persistence.
#[test]
fn held_out_steps_are_scored() {
    let mut settings = ForecastSettings::new(20);
    settings.holdout = true;
    let forecasts = linear().forecast_each(&pendulum(), settings, &()).unwrap();
    let scores = held_out_scores(&forecasts, 0).unwrap();
    let mean = scores.mean.unwrap();
    assert!(mean.crps < mean.persistence_crps);
    assert!(held_out_scores(&[], 0).is_none());
}

/// Fault: a table of forecasts of which some had nothing held back, or fewer variables, was a panic.
#[test]
fn tables_of_unlike_forecasts_are_no_panic() {
    let one = pendulum().only(&["0"]).unwrap();
    let mut settings = ForecastSettings::new(3);
    settings.holdout = true;
    let held = linear().forecast_with(&one, settings, &()).unwrap();
    let mut settings = ForecastSettings::new(3);
    settings.with_reward = true;
    let wider = linear().forecast_with(&one, settings, &()).unwrap();
    let all = [wider, held];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.csv");
    table(&all, &Levels::default()).write(&path).unwrap();
    let rows = std::fs::read_to_string(&path).unwrap().lines().count();
    assert_eq!(rows, 1 + 3 * (4 + 3));
    paths_table(&all).write(&path).unwrap();
    let rows = std::fs::read_to_string(&path).unwrap().lines().count();
    assert_eq!(rows, 1 + 3 * (100 + 100));
}

/// A forecast of nothing is refused by the name of the setting.
#[test]
fn nothing_is_not_forecast() {
    let one = pendulum().only(&["0"]).unwrap();
    let error = linear().forecast(&one, 0).err().unwrap();
    assert_eq!(error.to_string(), "`horizon=0`: at least 1");
    fn is_send<T: Send>(_: &T) {}
    is_send(&linear().forecast(&one, 1).unwrap());
}

/// Fault: of the studies' results only some could be serialised.
#[test]
fn results_of_all_studies_are_serialised() {
    fn serialised<T: serde::Serialize>() {}
    serialised::<statecast::Forecast>();
    serialised::<statecast::study::Backtest>();
    serialised::<statecast::study::CalibrationStudy>();
    serialised::<statecast::study::density::DensitySummary>();
    serialised::<statecast::study::Markov>();
    serialised::<statecast::study::Settling>();
    serialised::<statecast::study::Minima>();
    serialised::<statecast::evaluation::PolicyValues>();
    serialised::<statecast::evaluation::ReplayOutcome>();
    serialised::<statecast::learning::Comparison>();
    let one = pendulum().only(&["1"]).unwrap();
    let forecast = linear().forecast(&one, 5).unwrap();
    let json = serde_json::to_value(&forecast).unwrap();
    assert_eq!(json["reading"]["episode"], "1");
    assert_eq!(
        json["table"].as_array().unwrap().len(),
        5 * forecast.names.len()
    );
    assert_eq!(json["table"][0]["mean"], forecast.mean()[[0, 0]]);
}
