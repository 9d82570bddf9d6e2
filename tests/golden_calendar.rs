//! Regressions that read the calendar against batch algebra and Python's dates (`make_calendar.py`).

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use statecast::codec::Scale;
use statecast::forecast::{
    Forecaster, Form, Method, RolloutSettings, Settings, Univariate, Variables,
};
use statecast::recording::Recording;

#[derive(Deserialize)]
struct Series {
    times: Vec<String>,
    /// Times of the rows that follow.
    ahead: Vec<String>,
    values: Vec<f64>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    form: String,
    rows: Vec<Row>,
}

/// Probabilities that the value of a row lies below positions.
#[derive(Deserialize)]
struct Row {
    row: usize,
    positions: Vec<f64>,
    below: Vec<f64>,
}

fn golden() -> Vec<Series> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/calendar.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// Reads times and values from a file.
fn dated(path: &Path, times: &[String], values: &[f64]) -> Variables {
    let rows = times.iter().zip(values);
    let rows: String = rows
        .map(|(time, value)| format!("{time},{value}\n"))
        .collect();
    std::fs::write(path, "date,x\n".to_owned() + &rows).unwrap();
    let recording = Recording::read(path).unwrap();
    Variables::of(&recording, &recording.episodes()[0], Method::Vicl, false)
}

fn forecaster(name: &str, scale: Scale) -> Forecaster {
    let mut forms = Form::ALL.into_iter();
    let form = forms
        .find(|form| form.name() == name)
        .expect("a form's name");
    let settings = Settings {
        scale,
        ..Settings::default()
    };
    Forecaster::of(Arc::new(Univariate::of(form)), settings)
}

/// But for the uniform share of every density, and Simpson's rule in its bins.
#[test]
fn densities_are_those_of_the_reference() {
    let folder = tempfile::tempdir().unwrap();
    for series in golden() {
        let path = folder.path().join("series.csv");
        let context = dated(&path, &series.times, &series.values);
        for case in &series.cases {
            let reading = forecaster(&case.form, Scale::None).read(&context).unwrap();
            assert!(!case.rows.is_empty());
            for row in &case.rows {
                let density = reading.one_step().density(row.row, 0);
                for (&position, &below) in row.positions.iter().zip(&row.below) {
                    let found = density.cdf(position);
                    let what = format!("{} {}, row {}, {position}", case.name, case.form, row.row);
                    assert!((found - below).abs() < 2e-3, "{what}: {found} {below}");
                }
            }
        }
    }
}

#[test]
fn clocks_go_on_as_dates_of_python_do() {
    let folder = tempfile::tempdir().unwrap();
    for series in golden() {
        let context = dated(
            &folder.path().join("series.csv"),
            &series.times,
            &series.values,
        );
        let calendar = context.calendar.unwrap();
        let moments = (0..series.times.len() + series.ahead.len())
            .map(|row| calendar.moment(row).unwrap().to_string());
        let expected: Vec<String> = series.times.into_iter().chain(series.ahead).collect();
        assert_eq!(moments.collect::<Vec<_>>(), expected);
    }
}

/// Sundays are low, but workdays are left out now and then, so that no number of rows is a week.
#[test]
fn what_only_the_calendar_sees_is_forecast() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("visits.csv");
    let kept = (0..200).filter(|day| day * 7919 % 11 != 0);
    // The first of January 2024 was a Monday.
    let value = |day: usize| {
        if day % 7 == 6 {
            2.0
        } else {
            8.0 + 0.1 * (day % 3) as f64
        }
    };
    let month = |day: usize| {
        let lengths = [31, 29, 31, 30, 31, 30, 31];
        let mut left = day;
        let month = lengths.iter().position(|&days| {
            let is = left < days;
            left -= if is { 0 } else { days };
            is
        });
        format!("2024-{:02}-{:02}", month.unwrap() + 1, left + 1)
    };
    let days: Vec<usize> = kept.collect();
    let times: Vec<String> = days.iter().map(|&day| month(day)).collect();
    let values: Vec<f64> = days.iter().map(|&day| value(day)).collect();
    let context = dated(&path, &times, &values);
    let settings = RolloutSettings {
        horizon: 14.try_into().unwrap(),
        samples: 20.try_into().unwrap(),
        ..RolloutSettings::default()
    };
    let error = |context: &Variables, name: &str| {
        let reading = forecaster(name, Scale::MinMax).read(context).unwrap();
        let paths = reading.rollout(&settings, None, &|_| ()).unwrap().paths;
        let last = days[days.len() - 1];
        let off = |step: usize| {
            let mean = (0..20).map(|path| paths[[path, step, 0]]).sum::<f64>() / 20.0;
            (mean - value(last + 1 + step)).abs()
        };
        (0..14).map(off).sum::<f64>() / 14.0
    };
    let unknown = Variables {
        calendar: None,
        ..context.clone()
    };
    assert!(error(&context, "calendar") < 0.3);
    assert!(error(&context, "calendar-ari") < 0.3);
    assert!(error(&unknown, "calendar") > 1.0);
}
