//! Linear one-step models.

use nalgebra::{Cholesky, DMatrix};
use ndarray::{Array2, ArrayView2, Axis, concatenate};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::{Dynamics, NormalDistributions, Steps};

/// Ridge penalty, in units of the standardised inputs' mean square.
const RIDGE: f64 = 1e-3;

/// Ridge regression of the changes on state, action and an intercept, each member on a bootstrap of
/// the runs.
#[derive(Debug, Clone)]
pub struct Ridge {
    members: Vec<Member>,
}

#[derive(Debug, Clone)]
struct Member {
    /// `[states + actions + 1, states + 1]`.
    weights: Array2<f64>,
    /// Standard deviations of the residuals, `[states + 1]`.
    std: Vec<f64>,
}

impl Ridge {
    /// Fits the members to at least one step.
    pub fn fit(steps: &Steps, members: usize, seed: u64) -> Self {
        let inputs = with_intercept(steps.states.view(), steps.actions.view());
        let member = |number: usize| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(number as u64);
            let weights = resampled(&steps.run, &mut random);
            Member::fit(&inputs, &steps.changes, &weights)
        };
        Self {
            members: (0..members.max(1)).map(member).collect(),
        }
    }
}

/// Draws the weight of each row in a bootstrap of the runs.
fn resampled(run: &[usize], random: &mut ChaCha8Rng) -> Vec<f64> {
    let mut runs = run.to_vec();
    runs.dedup();
    let mut drawn = std::collections::BTreeMap::<usize, f64>::new();
    for _ in 0..runs.len() {
        *drawn
            .entry(runs[random.random_range(0..runs.len())])
            .or_default() += 1.0;
    }
    run.iter()
        .map(|run| drawn.get(run).copied().unwrap_or(0.0))
        .collect()
}

fn with_intercept(states: ArrayView2<f64>, actions: ArrayView2<f64>) -> Array2<f64> {
    let ones = Array2::ones((states.nrows(), 1));
    concatenate(Axis(1), &[states, actions, ones.view()])
        .expect("states and actions of the same rows")
}

impl Member {
    /// Fits targets with NaN for unknown values; columns with unknown values share the rows where
    /// all are known.
    fn fit(inputs: &Array2<f64>, targets: &Array2<f64>, weights: &[f64]) -> Self {
        let unknown = targets.mapv(|x| u8::from(x.is_nan()));
        if unknown.sum_axis(Axis(1)).iter().all(|&count| count == 0) {
            return Self::fit_known(inputs, targets, weights);
        }
        let filled = targets.mapv(|x| if x.is_nan() { 0.0 } else { x });
        let complete = weights.iter().zip(unknown.rows());
        let complete = complete.map(|(&w, row)| if row.sum() == 0 { w } else { 0.0 });
        let complete: Vec<f64> = complete.collect();
        let mut member = Self::fit_known(inputs, &filled, weights);
        let of_complete = Self::fit_known(inputs, &filled, &complete);
        for (c, column) in unknown.columns().into_iter().enumerate() {
            if column.iter().any(|&x| x > 0) {
                let own = of_complete.weights.column(c);
                member.weights.column_mut(c).assign(&own);
                member.std[c] = of_complete.std[c];
            }
        }
        member
    }

    fn fit_known(inputs: &Array2<f64>, targets: &Array2<f64>, weights: &[f64]) -> Self {
        let (rows, width) = inputs.dim();
        let weighted = Array2::from_shape_fn((rows, width), |(i, j)| weights[i] * inputs[[i, j]]);
        let squares = weighted.t().dot(inputs);
        let products = weighted.t().dot(targets);
        let total: f64 = weights.iter().sum::<f64>().max(1.0);
        let squares = DMatrix::from_fn(width, width, |i, j| {
            let own = f64::from(u8::from(i == j));
            squares[[i, j]] + own * RIDGE * (squares[[i, i]] + 1e-9 * total)
        });
        let products = DMatrix::from_fn(width, targets.ncols(), |i, j| products[[i, j]]);
        // With the penalty, the matrix is positive definite unless values overflow.
        let solved = Cholesky::new(squares).map(|cholesky| cholesky.solve(&products));
        let solved = solved.unwrap_or_else(|| DMatrix::zeros(width, targets.ncols()));
        let weights_of = Array2::from_shape_fn((width, targets.ncols()), |(i, j)| solved[(i, j)]);
        let errors = targets - &inputs.dot(&weights_of);
        let std = (0..targets.ncols()).map(|c| {
            let errors = errors.column(c);
            let squares = errors.iter().zip(weights).map(|(e, w)| w * e * e);
            let squares: f64 = squares.sum();
            (squares / total).sqrt()
        });
        Self {
            std: std.collect(),
            weights: weights_of,
        }
    }
}

impl Dynamics for Ridge {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn members(&self) -> usize {
        self.members.len()
    }

    fn distributions(
        &self,
        member: usize,
        states: ArrayView2<f64>,
        actions: ArrayView2<f64>,
    ) -> NormalDistributions {
        let member = &self.members[member];
        let mut mean = with_intercept(states, actions).dot(&member.weights);
        let width = states.ncols();
        let mut next = mean.slice_mut(ndarray::s![.., ..width]);
        next += &states;
        let std = Array2::from_shape_fn(mean.dim(), |(_, c)| member.std[c]);
        NormalDistributions { mean, std }
    }
}
