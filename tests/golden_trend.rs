//! Draws of the local linear trend, against the laws that dense algebra gives (`make_trend.py`).

use ndarray::{Axis, s};
use serde::Deserialize;
use statecast::convergence::LocalTrend;

#[derive(Deserialize)]
struct Case {
    name: String,
    values: Vec<f64>,
    ahead: usize,
    rows: Vec<usize>,
    shares: Vec<f64>,
    quantiles: Vec<Vec<f64>>,
    /// Of the mean of the last third of the rows.
    tail: Vec<f64>,
}

/// The share of draws below a quantile is its own, up to four standard errors.
#[test]
fn paths_have_the_laws_of_the_reference() {
    const DRAWS: usize = 20_000;
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/trend.json");
    let text = std::fs::read_to_string(file).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let all = case.values.len() + case.ahead;
        let trend = LocalTrend::of(&case.values, all).unwrap();
        let paths = trend.paths(case.ahead, DRAWS, 7);
        let mut looked: Vec<(String, Vec<f64>, &Vec<f64>)> = Vec::new();
        for (row, quantiles) in case.rows.iter().zip(&case.quantiles) {
            looked.push((format!("row {row}"), paths.column(*row).to_vec(), quantiles));
        }
        let third = case.ahead - case.ahead / 3;
        let tail = paths.slice(s![.., third..]).mean_axis(Axis(1)).unwrap();
        looked.push(("tail".to_owned(), tail.to_vec(), &case.tail));
        for (look, draws, quantiles) in looked {
            for (share, quantile) in case.shares.iter().zip(quantiles) {
                let below = draws.iter().filter(|x| *x < quantile).count();
                let found = below as f64 / DRAWS as f64;
                let error = (share * (1.0 - share) / DRAWS as f64).sqrt();
                assert!(
                    (found - share).abs() < 4.0 * error,
                    "{}, {look}: {found} of the draws below the {share} quantile {quantile}",
                    case.name
                );
            }
        }
    }
}
