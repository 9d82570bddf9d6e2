//! Regressions of a channel on its own past against batch algebra (`make_univariate.py`).

use std::sync::Arc;

use ndarray::Array2;
use serde::Deserialize;
use statecast::codec::Scale;
use statecast::forecast::{
    Forecaster, Form, Role, RolloutSettings, Settings, Univariate, Variables,
};

#[derive(Deserialize)]
struct Golden {
    values: Vec<f64>,
    shares: Vec<f64>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    /// Rows of the season that is known.
    period: Option<usize>,
    rows: Vec<Row>,
    steps: Vec<usize>,
    quantiles: Vec<Vec<f64>>,
}

/// Probabilities that the value of a row lies below positions.
#[derive(Deserialize)]
struct Row {
    row: usize,
    positions: Vec<f64>,
    below: Vec<f64>,
}

fn read() -> Golden {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/univariate.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn forecaster(name: &str, period: Option<usize>) -> Forecaster {
    let mut forms = Form::ALL.into_iter();
    let form = forms
        .find(|form| form.name() == name)
        .expect("a form's name");
    let settings = Settings {
        scale: Scale::None,
        ..Settings::default()
    };
    let predictor = Univariate::of(form).with_period(period);
    Forecaster::of(Arc::new(predictor), settings)
}

fn context(golden: &Golden) -> Variables {
    let values = Array2::from_shape_vec((golden.values.len(), 1), golden.values.clone()).unwrap();
    Variables::new(vec!["x".to_owned()], vec![Role::State], values)
}

/// But for the uniform share of every density, and Simpson's rule in its bins.
#[test]
fn densities_are_those_of_the_reference() {
    let golden = read();
    assert_eq!(golden.cases.len(), 10);
    for case in &golden.cases {
        let reading = forecaster(&case.name, case.period);
        let reading = reading.read(&context(&golden)).unwrap();
        assert!(case.rows.len() > 8);
        for row in &case.rows {
            let density = reading.one_step().density(row.row, 0);
            for (&position, &below) in row.positions.iter().zip(&row.below) {
                let found = density.cdf(position);
                let what = format!(
                    "{} {:?}, row {}, {position}",
                    case.name, case.period, row.row
                );
                assert!((found - below).abs() < 2e-3, "{what}: {found} {below}");
            }
        }
    }
}

/// The share of paths below a quantile is its own, up to four standard errors. Quantiles at the ends of where paths are held
/// are left out: many paths are equal there.
#[test]
fn paths_have_the_laws_of_the_reference() {
    const PATHS: usize = 5000;
    let golden = read();
    let least = golden.values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = golden.values.iter().copied().fold(0.0, f64::max);
    let held = 2.0 * least - most + 1e-6..2.0 * most - least - 1e-6;
    for case in &golden.cases {
        let reading = forecaster(&case.name, case.period);
        let reading = reading.read(&context(&golden)).unwrap();
        let settings = RolloutSettings {
            horizon: (case.steps[case.steps.len() - 1] + 1).try_into().unwrap(),
            samples: PATHS.try_into().unwrap(),
            ..RolloutSettings::default()
        };
        let paths = reading.rollout(&settings, None, &|_| ()).unwrap().paths;
        for (&step, quantiles) in case.steps.iter().zip(&case.quantiles) {
            let shares = golden.shares.iter().zip(quantiles);
            for (&share, &quantile) in shares.filter(|(_, q)| held.contains(q)) {
                let below = (0..PATHS).filter(|&path| paths[[path, step, 0]] < quantile);
                let found = below.count() as f64 / PATHS as f64;
                let error = (share * (1.0 - share) / PATHS as f64).sqrt();
                let what = format!("{} {:?}, step {step}, {share}", case.name, case.period);
                assert!(
                    (found - share).abs() < 4.0 * error + 2e-3,
                    "{what}: {found}"
                );
            }
        }
    }
}
