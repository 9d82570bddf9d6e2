//! Scores against the values of other implementations; tests/golden/make_scores.py makes them.

use ndarray::{Array2, aview1};
use serde::Deserialize;
use statecast::codec::Axis;
use statecast::density::BinnedDensity;
use statecast::metrics::{
    Pit, crps, density_crps, energy_score, interval_score, ks_distance, ks_p_value, mase,
    r_squared, rmse, smape, valid_prediction_time, variogram_score,
};

#[derive(Deserialize)]
struct Golden {
    samples: Vec<Sample>,
    energies: Vec<Energy>,
    intervals: Vec<Interval>,
    uniformity: Vec<Uniformity>,
    densities: Vec<Density>,
    points: Points,
    calibration: Calibration,
}

#[derive(Deserialize)]
struct Points {
    context: Vec<f64>,
    observed: Vec<f64>,
    forecast: Vec<f64>,
    mase: f64,
    smape: f64,
    r_squared: f64,
    rmse: f64,
    valid_steps: usize,
}

#[derive(Deserialize)]
struct Calibration {
    values: Vec<f64>,
    ece: f64,
    coverage_90: f64,
}

#[derive(Deserialize)]
struct Sample {
    sample: Vec<f64>,
    observed: f64,
    crps: f64,
}

#[derive(Deserialize)]
struct Energy {
    draws: Vec<Vec<f64>>,
    observed: Vec<f64>,
    energy: f64,
    variogram: f64,
}

#[derive(Deserialize)]
struct Interval {
    low: f64,
    high: f64,
    level: f64,
    observed: f64,
    score: f64,
}

#[derive(Deserialize)]
struct Uniformity {
    values: Vec<f64>,
    distance: f64,
    p: f64,
}

#[derive(Deserialize)]
struct Density {
    bins: Vec<usize>,
    mass: Vec<f32>,
    low: f64,
    high: f64,
    observed: f64,
    crps: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/scores.json")).unwrap()
}

#[test]
fn crps_of_samples() {
    for mut case in golden().samples {
        let ours = crps(&mut case.sample, case.observed);
        assert!((ours - case.crps).abs() < 1e-9, "{ours} {}", case.crps);
    }
}

#[test]
fn energy_and_variogram_scores() {
    for case in golden().energies {
        let (rows, variables) = (case.draws.len(), case.observed.len());
        let draws = case.draws.into_iter().flatten().collect();
        let draws = Array2::from_shape_vec((rows, variables), draws).unwrap();
        let ones = vec![1.0; variables];
        let ours = energy_score(draws.view(), aview1(&case.observed), aview1(&ones));
        assert!((ours - case.energy).abs() < 1e-9, "{ours} {}", case.energy);
        let ours = variogram_score(draws.view(), aview1(&case.observed), aview1(&ones));
        assert!(
            (ours - case.variogram).abs() < 1e-9,
            "{ours} {}",
            case.variogram
        );
    }
}

#[test]
fn interval_scores() {
    for case in golden().intervals {
        let ours = interval_score((case.low, case.high), case.level, case.observed);
        assert!((ours - case.score).abs() < 1e-9, "{ours} {}", case.score);
    }
}

#[test]
fn distances_from_uniform_and_their_probability() {
    for case in golden().uniformity {
        let ours = ks_distance(&case.values);
        assert!((ours - case.distance).abs() < 1e-9);
        let p = ks_p_value(ours, case.values.len());
        let tolerance = if case.values.len() > 2000 { 1e-4 } else { 1e-6 };
        assert!((p - case.p).abs() < tolerance, "{p} {}", case.p);
    }
}

#[test]
fn crps_of_piecewise_uniform_densities() {
    for case in golden().densities {
        // The axis' ends from its span: 1.5 and 8.5 of 10.
        let at = |position: f64| case.low + (case.high - case.low) * position / 10.0;
        let axis = Axis::Span {
            min: at(1.5),
            max: at(8.5),
        };
        let mut mass = vec![0.0; 1000];
        for (&k, &p) in case.bins.iter().zip(&case.mass) {
            mass[k] = p;
        }
        let density = BinnedDensity::new(axis, &mass).unwrap();
        let ours = density_crps(&density, case.observed);
        assert!((ours - case.crps).abs() < 1e-6, "{ours} {}", case.crps);
    }
}

#[test]
fn errors_of_points() {
    let case = golden().points;
    let pairs: Vec<(f64, f64)> = case
        .forecast
        .iter()
        .copied()
        .zip(case.observed.clone())
        .collect();
    let all = || pairs.iter().copied();
    let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
    assert!(near(mase(all(), &case.context), case.mase));
    assert!(near(smape(all()), case.smape));
    assert!(near(r_squared(&pairs), case.r_squared));
    assert!(near(rmse(all()), case.rmse));
    let spread = aview1(&case.context).std(0.0);
    let steps = valid_prediction_time(&case.forecast, &case.observed, spread, 0.4);
    assert_eq!(steps, case.valid_steps);
}

#[test]
fn calibration_of_transforms() {
    let case = golden().calibration;
    let mut pit = Pit::new();
    case.values.iter().for_each(|&u| pit.push(u));
    let ours = pit.calibration();
    assert!((ours.ece - case.ece).abs() < 1e-9);
    assert!((ours.coverage_90 - case.coverage_90).abs() < 1e-9);
}
