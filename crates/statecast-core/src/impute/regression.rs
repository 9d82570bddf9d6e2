//! Regressions of a row's change on the rows before it, shrunk as far as the evidence says.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

use super::form::{Form, Layout, Regressor};
use super::model::Equation;
use super::moments::Moments;

/// Strengths of the shrinkage that are tried, in rows: so many rows of it weigh as much as the observed ones.
const STRENGTHS: [f64; 8] = [0.1, 1.0, 10.0, 1e2, 1e3, 1e4, 1e6, 1e9];

/// The least variance of noise, in variances of the channel.
const MIN_VARIANCE: f64 = 1e-12;

/// How much of the noise's correlations is dropped: this, and one row a channel.
const UNCORRELATED: f64 = 0.01;

/// Fits an equation of a form to expected moments, each channel by itself; the noise is common to all.
///
/// Each channel's change from the row before, less the expected change of the form, is regressed on standardised
/// regressors with a normal prior around zero. How narrow the prior is, the marginal likelihood chooses.
pub(super) fn fit(form: &Form, layout: &Layout, moments: &Moments) -> Equation {
    let channels = layout.channels;
    let size = moments.sums.nrows();
    let rows = moments.rows.max(1) as f64;
    let all = layout.regressors(form);
    let known = Products::of(&all, moments);
    // What the noise is, of the row, the rows before it, the inputs and 1: a row a channel.
    let mut noise = DMatrix::zeros(channels, size);
    let mut shrunk = Shrunk::default();
    for channel in 0..channels {
        let change = layout.change(form, channel);
        let used: Vec<usize> = (0..all.len())
            .filter(|&i| all[i].serves(channel, form.coupled))
            .collect();
        if shrunk.used != used || channel == 0 {
            shrunk = Shrunk::of(&known, used);
        }
        let weights = shrunk.regress(&known, &Target::of(&change, &all, moments), rows);
        let used = &shrunk.used;
        let mut row = noise.row_mut(channel);
        change
            .iter()
            .for_each(|&(place, factor)| row[place] += factor);
        let mut intercept = known.mean_of(&change, moments, rows);
        for (&i, weight) in used.iter().zip(weights.iter()) {
            let terms = all[i].terms.iter();
            terms.for_each(|&(place, factor)| row[place] -= weight * factor);
            intercept -= weight * known.means[i];
        }
        if form.drifts {
            row[size - 1] -= intercept;
        }
    }
    let covariance = &noise * &moments.sums * noise.transpose() / rows;
    Equation {
        weights: (1..=form.order)
            .map(|lag| -noise.columns(lag * channels, channels))
            .collect(),
        inputs: -noise.columns((1 + form.order) * channels, layout.width),
        intercept: -noise.column(size - 1),
        precision: precision(&covariance, rows),
    }
}

/// The inverse of a covariance with smaller correlations, so that it is one.
fn precision(covariance: &DMatrix<f64>, rows: f64) -> DMatrix<f64> {
    let channels = covariance.nrows();
    let dropped = (UNCORRELATED + channels as f64 / rows).min(1.0);
    let mut shrunk = covariance * (1.0 - dropped);
    for c in 0..channels {
        shrunk[(c, c)] = covariance[(c, c)].max(MIN_VARIANCE);
    }
    let identity = DMatrix::identity(channels, channels);
    match Cholesky::new(shrunk.clone()) {
        Some(factor) => factor.solve(&identity),
        None => DMatrix::from_diagonal(&shrunk.diagonal().map(|variance| 1.0 / variance)),
    }
}

/// Means and centred sums of products of regressors.
struct Products {
    means: Vec<f64>,
    /// Standard deviations; 0 of one that does not vary.
    stds: Vec<f64>,
    centred: DMatrix<f64>,
}

impl Products {
    fn of(all: &[Regressor], moments: &Moments) -> Self {
        let rows = moments.rows.max(1) as f64;
        let one = moments.sums.nrows() - 1;
        let sum = |terms: &[(usize, f64)], place: usize| -> f64 {
            terms
                .iter()
                .map(|&(i, f)| f * moments.sums[(i, place)])
                .sum()
        };
        let means: Vec<f64> = all.iter().map(|r| sum(&r.terms, one) / rows).collect();
        let mut centred = DMatrix::zeros(all.len(), all.len());
        for (i, a) in all.iter().enumerate() {
            for (j, b) in all[..=i].iter().enumerate() {
                let of_b = b.terms.iter().map(|&(place, f)| f * sum(&a.terms, place));
                let value = of_b.sum::<f64>() - rows * means[i] * means[j];
                centred[(i, j)] = value;
                centred[(j, i)] = value;
            }
        }
        let raw =
            |r: &Regressor| -> f64 { r.terms.iter().map(|&(i, f)| f * sum(&r.terms, i)).sum() };
        let stds = all.iter().enumerate().map(|(i, regressor)| {
            // What is left of a mean that is subtracted from itself is no variation.
            match centred[(i, i)] > 1e-12 * raw(regressor) {
                true => (centred[(i, i)] / rows).sqrt(),
                false => 0.0,
            }
        });
        Self {
            means,
            stds: stds.collect(),
            centred,
        }
    }

    fn mean_of(&self, change: &[(usize, f64)], moments: &Moments, rows: f64) -> f64 {
        let one = moments.sums.nrows() - 1;
        let sum: f64 = change
            .iter()
            .map(|&(i, f)| f * moments.sums[(i, one)])
            .sum();
        sum / rows
    }
}

/// Sums of products of a channel's change, not centred.
struct Target {
    /// With each regressor.
    products: Vec<f64>,
    squares: f64,
    sum: f64,
}

impl Target {
    fn of(change: &[(usize, f64)], all: &[Regressor], moments: &Moments) -> Self {
        let size = moments.sums.nrows();
        let mut along = vec![0.0; size];
        for &(place, factor) in change {
            (0..size).for_each(|i| along[i] += factor * moments.sums[(place, i)]);
        }
        let of = |terms: &[(usize, f64)]| terms.iter().map(|&(i, f)| f * along[i]).sum::<f64>();
        Self {
            products: all.iter().map(|r| of(&r.terms)).collect(),
            squares: of(change),
            sum: along[size - 1],
        }
    }
}

/// Some regressors, standardised, under priors of all strengths.
#[derive(Default)]
struct Shrunk {
    used: Vec<usize>,
    /// Inverse standard deviations; 0 of what does not vary.
    scales: Vec<f64>,
    priors: Vec<Prior>,
}

/// A prior's precision added to the regressors' products.
struct Prior {
    factor: Cholesky<f64, Dyn>,
    /// The part of the logarithm of the marginal likelihood that does not depend on the target.
    volume: f64,
}

impl Shrunk {
    fn of(known: &Products, used: Vec<usize>) -> Self {
        let count = used.len();
        let inverse = |&i: &usize| match known.stds[i] > 0.0 {
            true => 1.0 / known.stds[i],
            false => 0.0,
        };
        let scales: Vec<f64> = used.iter().map(inverse).collect();
        let gram = DMatrix::from_fn(count, count, |a, b| {
            scales[a] * scales[b] * known.centred[(used[a], used[b])]
        });
        let prior = |strength: f64| {
            let mut with_prior = gram.clone();
            (0..count).for_each(|i| with_prior[(i, i)] += strength);
            let factor = Cholesky::new(with_prior)?;
            let diagonal = factor.l_dirty().diagonal();
            let determinant: f64 = diagonal.iter().map(|l| l.ln()).sum();
            Some(Prior {
                factor,
                volume: 0.5 * count as f64 * strength.ln() - determinant,
            })
        };
        Self {
            priors: STRENGTHS.into_iter().filter_map(prior).collect(),
            used,
            scales,
        }
    }

    /// Weights of the regressors, under the prior that makes the target likeliest.
    fn regress(&self, known: &Products, target: &Target, rows: f64) -> DVector<f64> {
        let count = self.used.len();
        let centred = self.used.iter().zip(&self.scales);
        let centred =
            centred.map(|(&i, scale)| scale * (target.products[i] - known.means[i] * target.sum));
        let along = DVector::from_iterator(count, centred);
        let total = (target.squares - target.sum * target.sum / rows).max(0.0);
        let floor = 1e-12 * target.squares + f64::MIN_POSITIVE;
        let evidence = |prior: &Prior| {
            let weights = prior.factor.solve(&along);
            let left = (total - along.dot(&weights)).max(floor);
            (prior.volume - 0.5 * rows * left.ln(), weights)
        };
        let found = self.priors.iter().map(evidence);
        let best = found.max_by(|a, b| a.0.total_cmp(&b.0));
        let weights = best.map_or_else(|| DVector::zeros(count), |(_, weights)| weights);
        weights.component_mul(&DVector::from_column_slice(&self.scales))
    }
}
