//! Tails beyond the ends of the axis, against scipy's generalised Pareto law (`make_tails.py`).

use proptest::prelude::*;
use serde::Deserialize;
use statecast::codec::{Axis, Cell};
use statecast::density::{AxisTails, BinnedDensity, EndTail, ParetoTail};

#[derive(Deserialize)]
struct Golden {
    fits: Vec<Fit>,
    laws: Vec<Law>,
    density: Density,
}

#[derive(Deserialize)]
struct Fit {
    excesses: Vec<f64>,
    scale: f64,
    shape: f64,
}

#[derive(Deserialize)]
struct Law {
    scale: f64,
    shape: f64,
    at: Vec<f64>,
    density: Vec<f64>,
    cdf: Vec<f64>,
    levels: Vec<f64>,
    quantiles: Vec<f64>,
}

#[derive(Debug, Deserialize)]
struct End {
    share: f64,
    raised: f64,
    scale: f64,
    shape: f64,
}

#[derive(Deserialize)]
struct Density {
    mass: Vec<f32>,
    ends: [End; 2],
    positions: Vec<f64>,
    cdf: Vec<f64>,
    log_scores: Vec<f64>,
    levels: Vec<f64>,
    quantiles: Vec<f64>,
}

fn golden() -> Golden {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tails.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

#[test]
fn fits_are_those_of_the_reference() {
    let cases = golden().fits;
    assert_eq!(cases.len(), 7);
    for case in cases {
        let tail = ParetoTail::fit(&case.excesses).unwrap();
        assert!(
            (tail.shape() - case.shape).abs() < 1e-9,
            "{tail:?} {}",
            case.shape
        );
        assert!(
            (tail.scale() / case.scale - 1.0).abs() < 1e-9,
            "{tail:?} {}",
            case.scale
        );
    }
    assert_eq!(ParetoTail::fit(&[]), None);
    assert_eq!(ParetoTail::fit(&[0.0; 3]), None);
}

#[test]
fn laws_are_those_of_scipy() {
    for case in golden().laws {
        let tail = ParetoTail::new(case.scale, case.shape).unwrap();
        for ((&at, density), cdf) in case.at.iter().zip(&case.density).zip(&case.cdf) {
            assert!(
                (tail.density(at) / density - 1.0).abs() < 1e-9,
                "{tail:?} {at}"
            );
            assert!((tail.cdf(at) - cdf).abs() < 1e-12, "{tail:?} {at}");
        }
        for (&level, quantile) in case.levels.iter().zip(&case.quantiles) {
            assert!(
                (tail.quantile(level) / quantile - 1.0).abs() < 1e-9,
                "{tail:?} {level}"
            );
        }
    }
    assert_eq!(ParetoTail::new(0.0, 0.1), None);
    assert_eq!(ParetoTail::new(1.0, -0.1), None);
}

fn tails(ends: &[End; 2]) -> AxisTails {
    let [low, high] = [0, 1].map(|i: usize| {
        let law = ParetoTail::new(ends[i].scale, ends[i].shape).unwrap();
        EndTail {
            share: ends[i].share,
            raised: ends[i].raised,
            law,
        }
    });
    AxisTails { low, high }
}

#[test]
fn a_whole_density_is_that_of_the_reference() {
    let case = golden().density;
    let density = BinnedDensity::new(Axis::Identity, &case.mass).unwrap();
    let density = density.with_tails(tails(&case.ends));
    for ((&y, cdf), score) in case.positions.iter().zip(&case.cdf).zip(&case.log_scores) {
        assert!(
            (density.cdf(y) - cdf).abs() < 1e-9,
            "{y}: {}",
            density.cdf(y)
        );
        let found = density.log_score(Cell::of(y, 0.0));
        assert!((found - score).abs() < 1e-6, "{y}: {found} {score}");
    }
    // To the resolution of the reference's grid.
    for (&level, quantile) in case.levels.iter().zip(&case.quantiles) {
        let found = density.quantile(level);
        assert!(
            (found - quantile).abs() < 3e-4,
            "{level}: {found} {quantile}"
        );
    }
}

fn end() -> impl Strategy<Value = End> {
    (0.0..0.99f64, 0.0..0.4f64, 0.01..3.0f64, 0.0..0.5f64).prop_map(
        |(share, raised, scale, shape)| End {
            share,
            raised,
            scale,
            shape,
        },
    )
}

fn masses() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec((0..1000usize, 0.01f32..1.0), 1..40).prop_map(|spikes| {
        let mut mass = vec![1e-6; 1000];
        spikes.into_iter().for_each(|(k, p)| mass[k] += p);
        mass
    })
}

proptest! {
    /// Cells side by side share out all of the probability, on the axis and beyond it, and PIT values agree.
    #[test]
    fn total_probability_is_one(mass in masses(), low in end(), high in end(), step in 0.01..0.7f64) {
        let density = BinnedDensity::new(Axis::Identity, &mass).unwrap();
        let density = density.with_tails(tails(&[low, high]));
        let first = -60.0;
        let mut sum = density.cdf(first);
        for i in 0..(130.0 / step) as usize {
            let cell = Cell::of(first + (i as f64 + 0.5) * step, step);
            // Cells as fine as a bin are those bins.
            if step > 0.011 {
                prop_assert!((density.pit(cell, 0.0) - sum).abs() < 1e-5);
                sum += density.log_score(cell).exp() * step;
            }
        }
        let end = first + ((130.0 / step) as usize) as f64 * step;
        prop_assert!(step <= 0.011 || (sum - density.cdf(end)).abs() < 1e-5, "{sum}");
        prop_assert!(density.cdf(1e9) > 1.0 - 1e-6 && density.cdf(-1e9) < 1e-6);
    }

    #[test]
    fn quantiles_ascend_and_invert_the_cdf(
        mass in masses(), low in end(), high in end(),
        levels in prop::collection::vec(1e-6..0.999_999f64, 2..20),
    ) {
        let density = BinnedDensity::new(Axis::Identity, &mass).unwrap();
        let density = density.with_tails(tails(&[low, high]));
        let mut levels = levels;
        levels.sort_by(f64::total_cmp);
        let quantiles: Vec<f64> = levels.iter().map(|&level| density.quantile(level)).collect();
        prop_assert!(quantiles.is_sorted());
        for (level, x) in levels.iter().zip(quantiles) {
            prop_assert!((density.cdf(x) - level).abs() < 1e-6, "{level} {x} {}", density.cdf(x));
        }
    }

    /// Where nothing is raised, scores on the axis but for its end bins are those without tails, to the last digit.
    #[test]
    fn nothing_changes_on_the_axis(mass in masses(), low in end(), high in end(), y in 0.01..9.99f64) {
        let plain = BinnedDensity::new(Axis::Identity, &mass).unwrap();
        let [low, high] = [low, high].map(|end| End { raised: 0.0, ..end });
        let tailed = plain.with_tails(tails(&[low, high]));
        let cell = Cell::of(y, 0.0);
        prop_assert_eq!(plain.log_score(cell), tailed.log_score(cell));
        prop_assert!((plain.cdf(y) - tailed.cdf(y)).abs() < 1e-12);
    }

    /// Fault: from 1e13 on, where a cell is narrower than the distance of two numbers, the score was minus infinity.
    #[test]
    fn scores_far_out_are_finite_and_fall(mass in masses(), low in end(), high in end(), exponent in 0.0..300.0f64) {
        let far = 10f64.powf(exponent);
        let density = BinnedDensity::new(Axis::Identity, &mass).unwrap();
        let density = density.with_tails(tails(&[low, high]));
        for of in [|d: f64| 10.0 + d, |d: f64| -d] {
            let [near, further] = [far, 2.0 * far].map(|d| density.log_score(Cell::of(of(d), 0.0)));
            prop_assert!(near.is_finite() && further.is_finite() && further < near, "{near} {further}");
        }
    }
}
