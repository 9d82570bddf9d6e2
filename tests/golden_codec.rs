//! Axes, bins, densities and components against NumPy (`make_codec.py`).
//!
//! Densities carry their probabilities in F32, so their sums are held to 1e-5, not to the 1e-9 that
//! double precision would allow.

mod common;

use common::{array, golden};
use ndarray::{Array1, Array2};
use statecast::codec::{Axis, Bin, Scale};
use statecast::density::BinnedDensity;
use statecast::disentangle::{Components, Disentangler};

fn values(name: &str) -> Vec<f64> {
    array::<f64>(&golden("codec.npz"), name).1
}

fn integers(name: &str) -> Vec<i64> {
    array::<i64>(&golden("codec.npz"), name).1
}

fn flags(name: &str) -> Vec<bool> {
    let flags = array::<u8>(&golden("codec.npz"), name).1;
    flags.into_iter().map(|flag| flag == 1).collect()
}

fn matrix(name: &str) -> Array2<f64> {
    let (shape, values) = array::<f64>(&golden("codec.npz"), name);
    Array2::from_shape_vec((shape[0], shape[1]), values).unwrap()
}

fn axes() -> Vec<Axis> {
    let (low, high) = (values("axis_minimum"), values("axis_maximum"));
    let channels = matrix("axis_values");
    flags("axis_fixed")
        .into_iter()
        .enumerate()
        .map(|(c, fixed)| {
            let scale = if fixed {
                Scale::range(low[c], high[c]).unwrap()
            } else {
                Scale::MinMax
            };
            Axis::fit(scale, channels.row(c).iter().copied()).unwrap()
        })
        .collect()
}

/// Equal up to 1e-12 of the axis' length and four units in the last place.
fn assert_on_axis(ours: f64, theirs: f64, length: f64, what: &str) {
    let last_place = (theirs.abs() * f64::EPSILON).max(f64::from_bits(1));
    let slack = 1e-12 * length + 4.0 * last_place;
    assert!((ours - theirs).abs() <= slack, "{what}: {ours} {theirs}");
}

/// On edges of bins, too: the order of operations is part of the contract.
#[test]
fn bins_and_saturation_equal_numpy() {
    let channels = matrix("axis_values");
    let (bins, saturated) = (integers("axis_bins"), flags("axis_saturated"));
    let mut compared = 0;
    for (c, axis) in axes().iter().enumerate() {
        for (t, &x) in channels.row(c).iter().enumerate() {
            let i = c * channels.ncols() + t;
            if axis.is_constant() {
                assert_eq!(bins[i], -1);
                continue;
            }
            let ours = axis.quantise(x);
            assert_eq!(ours.bin.index() as i64, bins[i], "channel {c}, row {t}");
            assert_eq!(ours.clipped, saturated[i], "channel {c}, row {t}");
            compared += 1;
        }
    }
    assert_eq!(compared, 13 * 128);
}

#[test]
fn axis_ends_and_centres_equal_numpy() {
    let (low, high) = (values("axis_low"), values("axis_high"));
    let (bins, decoded) = (integers("axis_bins"), matrix("axis_decoded"));
    for (c, axis) in axes().iter().enumerate() {
        let length = high[c] - low[c];
        assert_on_axis(axis.low(), low[c], length, "low");
        assert_on_axis(axis.high(), high[c], length, "high");
        for (t, &expected) in decoded.row(c).iter().enumerate() {
            let bin = Bin::new(bins[c * decoded.ncols() + t].max(0) as usize).unwrap();
            let ours = axis.value(bin.centre());
            assert_on_axis(ours, expected, length, &format!("channel {c}, row {t}"));
        }
    }
}

struct Densities {
    axes: Vec<Axis>,
    masses: Vec<Vec<f32>>,
}

impl Densities {
    /// The densities of the golden file; `in_units` on the axes of their contexts, otherwise on the
    /// axis `[0, 10)` itself.
    fn read(in_units: bool) -> Self {
        let (minimum, maximum) = (values("density_minimum"), values("density_maximum"));
        let axis = |(&low, &high): (&f64, &f64)| match in_units {
            true => Axis::fit(Scale::MinMax, [low, high].into_iter()).unwrap(),
            false => Axis::Identity,
        };
        let rows = matrix("density_probabilities");
        let single = |row: ndarray::ArrayView1<f64>| row.iter().map(|&p| p as f32).collect();
        Self {
            axes: minimum.iter().zip(&maximum).map(axis).collect(),
            masses: rows.rows().into_iter().map(single).collect(),
        }
    }

    fn each(&self) -> impl Iterator<Item = (usize, BinnedDensity<'_>)> {
        let densities = self.axes.iter().zip(&self.masses);
        densities
            .map(|(&axis, mass)| BinnedDensity::new(axis, mass).unwrap())
            .enumerate()
    }
}

/// Holds a number to 1e-5 units of the axis and the rounding of its offset.
fn assert_close(ours: f64, theirs: f64, unit: f64, what: &str) {
    let slack = 1e-5 * unit + 1e-12 * theirs.abs();
    assert!((ours - theirs).abs() <= slack, "{what}: {ours} {theirs}");
}

#[test]
fn density_moments_equal_numpy() {
    for (in_units, prefix) in [(false, "density"), (true, "density_value")] {
        let means = values(&format!("{prefix}_mean"));
        let variances = values(&format!("{prefix}_variance"));
        for (i, density) in Densities::read(in_units).each() {
            let unit = density.axis().unit();
            assert_close(density.mean(), means[i], unit, "mean");
            let square = unit * unit * (1.0 + variances[i] / (unit * unit));
            assert_close(density.variance(), variances[i], square, "variance");
        }
    }
}

#[test]
fn density_cdf_equals_numpy() {
    let (points, expected) = (values("density_cdf_points"), matrix("density_cdf"));
    for (i, density) in Densities::read(false).each() {
        for (j, &point) in points.iter().enumerate() {
            assert_close(density.cdf(point), expected[[i, j]], 1.0, "cdf");
        }
    }
}

/// Where the density is 0 or nearly so, rounding of F32 may move a quantile far; there the
/// probability below it must be the level.
#[test]
fn density_quantiles_equal_numpy() {
    let levels = values("density_levels");
    let mut elsewhere = 0;
    for (in_units, name) in [
        (false, "density_quantiles"),
        (true, "density_value_quantiles"),
    ] {
        let expected = matrix(name);
        for (i, density) in Densities::read(in_units).each() {
            for (j, &level) in levels.iter().enumerate() {
                let (ours, theirs) = (density.quantile(level), expected[[i, j]]);
                let slack = 1e-5 * density.axis().unit() + 1e-12 * theirs.abs();
                if (ours - theirs).abs() > slack {
                    elsewhere += 1;
                    let below = density.cdf(ours) - density.cdf(theirs);
                    assert!(below.abs() < 1e-6, "density {i}, level {level}");
                }
            }
        }
    }
    assert!(elsewhere <= 20, "{elsewhere} quantiles lie elsewhere");
}

/// Logarithmic score `ln(100 p)` of the smallest probability above zero that F32 can hold.
const BELOW_F32: f64 = -98.6;

#[test]
fn log_scores_equal_numpy() {
    let observations = matrix("density_observations");
    let bins = integers("density_observation_bins");
    let on_axis = matrix("density_log_score");
    let in_units = matrix("density_value_log_score");
    let mut impossible = 0;
    for (i, density) in Densities::read(true).each() {
        for j in 0..observations.ncols() {
            let bin = Bin::quantise(observations[[i, j]]).bin;
            assert_eq!(bin.index() as i64, bins[i * observations.ncols() + j]);
            let ours = density.log_score(bin);
            if ours == f64::NEG_INFINITY {
                assert!(on_axis[[i, j]] < BELOW_F32, "{}", on_axis[[i, j]]);
                impossible += usize::from(on_axis[[i, j]] == f64::NEG_INFINITY);
                continue;
            }
            // The few digits of a subnormal F32 give the logarithm to a nat only.
            let slack = if density.probability(bin) < f64::from(f32::MIN_POSITIVE) {
                1e5
            } else {
                1.0
            };
            assert_close(ours, on_axis[[i, j]], slack, "log score");
            let value = ours - density.axis().unit().ln();
            assert_close(value, in_units[[i, j]], slack, "log score in units");
        }
    }
    assert_eq!(impossible, 28);
}

fn assert_matrix(ours: &Array2<f64>, theirs: &Array2<f64>, scale: &dyn Fn(usize, usize) -> f64) {
    assert_eq!(ours.dim(), theirs.dim());
    for ((i, j), &expected) in theirs.indexed_iter() {
        let slack = 1e-9 * scale(i, j);
        assert!((ours[[i, j]] - expected).abs() <= slack, "at {i}, {j}");
    }
}

#[test]
fn principal_components_equal_numpy() {
    let (context, later) = (matrix("pca_context"), matrix("pca_later"));
    let deviation = values("pca_std");
    let share = values("pca_share")[0];
    let pca = Disentangler::principal(context.view(), Components::Share(share)).unwrap();
    assert_eq!(pca.channels() as i64, integers("pca_count")[0]);
    let explained: f64 = values("pca_explained_share")[..pca.channels()].iter().sum();
    assert!((pca.explained() - explained).abs() < 1e-9);
    for (rows, squares, reconstruction) in [
        (&context, "pca_squared_components", "pca_reconstruction"),
        (
            &later,
            "pca_later_squared_components",
            "pca_later_reconstruction",
        ),
    ] {
        let z = pca.to_channels(rows.view());
        let expected = matrix(squares);
        let largest = expected.iter().fold(1.0, |m: f64, &v| m.max(v));
        assert_matrix(&(&z * &z), &expected, &|_, _| largest);
        let back = pca.to_variables(z.view());
        assert_matrix(&back, &matrix(reconstruction), &|_, j| deviation[j]);
    }
}

#[test]
fn covariance_of_states_equals_numpy() {
    let context = matrix("pca_context");
    let deviation = values("pca_std");
    let product = |i: usize, j: usize| deviation[i] * deviation[j];
    let all = Disentangler::principal(context.view(), Components::All).unwrap();
    let variance = Array1::from(values("pca_full_component_variance"));
    let expected = matrix("pca_full_state_covariance");
    assert_matrix(&all.covariance(variance.view()), &expected, &product);

    let kept = Disentangler::principal(context.view(), Components::Count(3)).unwrap();
    let variance = Array1::from(values("pca_component_variance"));
    let residuals = kept.residuals().unwrap();
    let dropped = residuals.t().dot(&residuals) / residuals.nrows() as f64;
    let mapped = kept.covariance(variance.view()) - dropped;
    assert_matrix(&mapped, &matrix("pca_state_covariance"), &product);
}
