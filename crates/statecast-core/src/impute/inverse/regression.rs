//! Regressions of actions on standardised states and changes.

use std::fmt;

use nalgebra::{Cholesky, DMatrix, Dyn};

/// The ridge of the linear regression, in steps.
const RIDGE: f64 = 1e-2;

/// Neighbours whose mean is taken.
const NEIGHBOURS: usize = 5;

/// Prior variance of the linear part of the Gaussian process, over that of its smooth part.
const LINEAR_PART: f64 = 10.0;

/// Length scales, in root mean squares of a distance, and variances of the noise that are tried.
const LENGTHS: [f64; 4] = [0.7, 1.5, 3.0, 8.0];
const NOISES: [f64; 3] = [1e-4, 1e-2, 0.3];

/// Steps that the scales are tried on.
const TRIED: usize = 400;

/// What labels an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InverseMethod {
    /// The distribution of all known actions, whatever the states are.
    Mean,
    /// The mean of the five steps with the nearest states and changes.
    Neighbours,
    /// Linear regression.
    Linear,
    /// A Gaussian process of a linear and a smooth part.
    Kernel,
}

impl InverseMethod {
    /// All, in the order in which they are tried.
    pub const ALL: [Self; 4] = [Self::Mean, Self::Neighbours, Self::Linear, Self::Kernel];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Neighbours => "neighbours",
            Self::Linear => "linear",
            Self::Kernel => "kernel",
        }
    }
}

impl fmt::Display for InverseMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Targets of some steps.
#[derive(Debug)]
pub(super) struct Predicted {
    /// `[steps, targets]`.
    pub(super) locations: DMatrix<f64>,
    /// How wide errors are, relatively.
    pub(super) spreads: Vec<f64>,
}

/// Scales of the Gaussian process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scales {
    length: f64,
    noise: f64,
}

impl Scales {
    /// Those that predict held-out steps best, by the mean error of all targets.
    pub(super) fn chosen(
        inputs: &DMatrix<f64>,
        targets: &DMatrix<f64>,
        folds: &[usize],
        count: usize,
    ) -> Self {
        let tried = evenly(&(0..inputs.nrows()).collect::<Vec<_>>(), TRIED);
        let error = |scales: Self| {
            let mut sum = 0.0;
            for fold in 0..count {
                let (known, held): (Vec<usize>, Vec<usize>) =
                    tried.iter().partition(|&&step| folds[step] != fold);
                if known.is_empty() || held.is_empty() {
                    continue;
                }
                let fitted = Kernel::fit(
                    inputs.select_rows(&known),
                    &targets.select_rows(&known),
                    scales,
                );
                let locations = fitted.locations(&inputs.select_rows(&held));
                sum += (locations - targets.select_rows(&held)).abs().sum();
            }
            sum
        };
        let all = LENGTHS
            .iter()
            .flat_map(|&length| NOISES.map(|noise| Self { length, noise }));
        let scored: Vec<(f64, Self)> = all.map(|scales| (error(scales), scales)).collect();
        let best = scored.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
        best.expect("there are scales to try").1
    }
}

/// As many of some steps, evenly chosen.
pub(super) fn evenly(steps: &[usize], most: usize) -> Vec<usize> {
    let count = steps.len().min(most);
    (0..count).map(|i| steps[i * steps.len() / count]).collect()
}

/// A regression that is fitted.
#[derive(Debug)]
pub(super) enum Fitted {
    Mean {
        targets: usize,
    },
    Neighbours {
        inputs: DMatrix<f64>,
        targets: DMatrix<f64>,
    },
    Linear {
        weights: DMatrix<f64>,
        factor: Cholesky<f64, Dyn>,
    },
    Kernel(Kernel),
}

impl Fitted {
    /// Fits all targets to some of the steps; at most `most` where time grows with their square.
    pub(super) fn of(
        method: InverseMethod,
        (inputs, targets): (&DMatrix<f64>, &DMatrix<f64>),
        steps: &[usize],
        scales: Scales,
        most: usize,
    ) -> Self {
        let few = evenly(steps, most);
        match method {
            InverseMethod::Mean => Self::Mean {
                targets: targets.ncols(),
            },
            InverseMethod::Neighbours => Self::Neighbours {
                inputs: inputs.select_rows(&few),
                targets: targets.select_rows(&few),
            },
            InverseMethod::Linear => {
                let features = with_one(inputs.select_rows(steps));
                let gram = features.tr_mul(&features)
                    + DMatrix::identity(features.ncols(), features.ncols()) * RIDGE;
                let factor = Cholesky::new(gram).expect("a ridge makes the sum positive definite");
                let weights = factor.solve(&features.tr_mul(&targets.select_rows(steps)));
                Self::Linear { weights, factor }
            }
            InverseMethod::Kernel => Self::Kernel(Kernel::fit(
                inputs.select_rows(&few),
                &targets.select_rows(&few),
                scales,
            )),
        }
    }

    pub(super) fn predict(&self, inputs: &DMatrix<f64>) -> Predicted {
        let steps = inputs.nrows();
        let even = vec![1.0; steps];
        match self {
            Self::Mean { targets } => Predicted {
                locations: DMatrix::zeros(steps, *targets),
                spreads: even,
            },
            Self::Neighbours {
                inputs: known,
                targets,
            } => Predicted {
                locations: mean_of_nearest(known, targets, inputs),
                spreads: even,
            },
            Self::Linear { weights, factor } => {
                let features = with_one(inputs.clone());
                let solved = factor.solve(&features.transpose());
                let leverage =
                    |step: usize| features.row(step).transpose().dot(&solved.column(step));
                Predicted {
                    locations: &features * weights,
                    spreads: (0..steps).map(|s| (1.0 + leverage(s)).sqrt()).collect(),
                }
            }
            Self::Kernel(kernel) => kernel.predict(inputs),
        }
    }
}

fn with_one(inputs: DMatrix<f64>) -> DMatrix<f64> {
    let columns = inputs.ncols();
    inputs.insert_column(columns, 1.0)
}

/// Squared distances, `[steps of a, steps of b]`, and inner products.
fn distances(a: &DMatrix<f64>, b: &DMatrix<f64>) -> (DMatrix<f64>, DMatrix<f64>) {
    let products = a * b.transpose();
    let squares =
        |of: &DMatrix<f64>| -> Vec<f64> { of.row_iter().map(|row| row.norm_squared()).collect() };
    let (of_a, of_b) = (squares(a), squares(b));
    let squared = DMatrix::from_fn(a.nrows(), b.nrows(), |i, j| {
        (of_a[i] + of_b[j] - 2.0 * products[(i, j)]).max(0.0)
    });
    (squared, products)
}

fn mean_of_nearest(
    known: &DMatrix<f64>,
    targets: &DMatrix<f64>,
    inputs: &DMatrix<f64>,
) -> DMatrix<f64> {
    let (squared, _) = distances(inputs, known);
    let count = NEIGHBOURS.min(known.nrows());
    let mut means = DMatrix::zeros(inputs.nrows(), targets.ncols());
    let mut order: Vec<usize> = Vec::new();
    for (step, mut mean) in means.row_iter_mut().enumerate() {
        order.clear();
        order.extend(0..known.nrows());
        let nearer = |a: &usize, b: &usize| squared[(step, *a)].total_cmp(&squared[(step, *b)]);
        order.select_nth_unstable_by(count - 1, nearer);
        for &near in &order[..count] {
            mean += targets.row(near) / count as f64;
        }
    }
    means
}

/// A Gaussian process (Rasmussen and Williams 2006) of targets with variance 1.
#[derive(Debug)]
pub(super) struct Kernel {
    inputs: DMatrix<f64>,
    scales: Scales,
    factor: Cholesky<f64, Dyn>,
    weights: DMatrix<f64>,
}

impl Kernel {
    fn fit(inputs: DMatrix<f64>, targets: &DMatrix<f64>, scales: Scales) -> Self {
        let mut covariance = covariances(&inputs, &inputs, scales.length);
        for step in 0..inputs.nrows() {
            covariance[(step, step)] += scales.noise;
        }
        let factor = Cholesky::new(covariance).expect("noise makes covariances positive definite");
        Self {
            weights: factor.solve(targets),
            inputs,
            scales,
            factor,
        }
    }

    fn locations(&self, inputs: &DMatrix<f64>) -> DMatrix<f64> {
        covariances(inputs, &self.inputs, self.scales.length) * &self.weights
    }

    fn predict(&self, inputs: &DMatrix<f64>) -> Predicted {
        let mut across = covariances(&self.inputs, inputs, self.scales.length);
        let locations = across.tr_mul(&self.weights);
        self.factor
            .l_dirty()
            .solve_lower_triangular_mut(&mut across);
        let width = inputs.ncols().max(1) as f64;
        let variance = |step: usize| {
            let own = 1.0 + LINEAR_PART * (1.0 + inputs.row(step).norm_squared() / width);
            (own - across.column(step).norm_squared()).max(0.0) + self.scales.noise
        };
        Predicted {
            locations,
            spreads: (0..inputs.nrows()).map(|s| variance(s).sqrt()).collect(),
        }
    }
}

/// Covariances of a linear and a smooth part, `[steps of a, steps of b]`.
fn covariances(a: &DMatrix<f64>, b: &DMatrix<f64>, length: f64) -> DMatrix<f64> {
    let width = a.ncols().max(1) as f64;
    let (squared, products) = distances(a, b);
    squared.zip_map(&products, |squared, product| {
        LINEAR_PART * (1.0 + product / width) + (-0.5 * squared / (width * length * length)).exp()
    })
}
