//! Linear-Gaussian models of rows, and the distribution of unknown values given all known ones.

use nalgebra::{DMatrix, DVector};

use super::skyline::Skyline;

/// A run in the model's units.
#[derive(Debug, Clone)]
pub(super) struct Track {
    pub(super) channels: usize,
    /// `[rows, channels]`, row-major, NaN where unknown.
    pub(super) values: Vec<f64>,
    pub(super) width: usize,
    /// `[rows, width]`, row-major: what is known of every row besides.
    pub(super) inputs: Vec<f64>,
}

impl Track {
    pub(super) fn rows(&self) -> usize {
        self.values.len() / self.channels
    }

    pub(super) fn inputs_of(&self, row: usize) -> &[f64] {
        &self.inputs[row * self.width..][..self.width]
    }

    /// The places of unknown values, ascending.
    pub(super) fn holes(&self) -> Vec<usize> {
        let unknown = self.values.iter().enumerate().filter(|(_, x)| x.is_nan());
        unknown.map(|(place, _)| place).collect()
    }
}

/// What a row is given the rows before it: `x[t] = Σ weights[k] x[t - 1 - k] + inputs u[t] + intercept + noise`.
#[derive(Debug, Clone)]
pub(super) struct Equation {
    /// A matrix `[channels, channels]` for each lag from 1.
    pub(super) weights: Vec<DMatrix<f64>>,
    /// `[channels, width]`.
    pub(super) inputs: DMatrix<f64>,
    /// `[channels]`.
    pub(super) intercept: DVector<f64>,
    /// Inverse of the noise's covariance, `[channels, channels]`.
    pub(super) precision: DMatrix<f64>,
}

impl Equation {
    /// How many rows before it a row has to have.
    pub(super) fn order(&self) -> usize {
        self.weights.len()
    }

    /// What the noise is of a row and the rows before it, `[channels, (1 + order) channels]`.
    fn operator(&self) -> DMatrix<f64> {
        let channels = self.intercept.len();
        let mut operator = DMatrix::zeros(channels, channels * (1 + self.order()));
        operator.columns_mut(0, channels).fill_with_identity();
        for (lag, weights) in self.weights.iter().enumerate() {
            let mut part = operator.columns_mut((lag + 1) * channels, channels);
            part.copy_from(&-weights);
        }
        operator
    }
}

/// Equations, of which a row takes the longest that its place allows; the last has no lags.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) equations: Vec<Equation>,
}

impl Model {
    /// Which equation a row has.
    pub(super) fn of_row(&self, row: usize) -> usize {
        let fits = |equation: &Equation| equation.order() <= row;
        let last = self.equations.len() - 1;
        self.equations.iter().position(fits).unwrap_or(last)
    }
}

/// The joint normal distribution of a run's unknown values given the known ones.
#[derive(Debug, Clone)]
pub(super) struct Conditional {
    /// Places of the unknown values in the run, ascending.
    pub(super) holes: Vec<usize>,
    pub(super) mean: Vec<f64>,
    /// Lower triangle of their precision.
    factor: Skyline,
    /// Covariances of values that an equation joins.
    covariance: Skyline,
}

impl Conditional {
    /// Conditions a model on the known values of a run.
    ///
    /// The precision of all rows is a sum of a term a row and equation; what belongs to unknown values of it is their
    /// precision given the others, which couples only values that are few rows apart. This is what a Kalman smoother
    /// computes row by row, without the states of rows that are known.
    pub(super) fn of(model: &Model, track: &Track) -> Self {
        let channels = track.channels;
        let holes = track.holes();
        let mut at = vec![usize::MAX; track.values.len()];
        for (hole, &place) in holes.iter().enumerate() {
            at[place] = hole;
        }
        let operators: Vec<DMatrix<f64>> = model.equations.iter().map(Equation::operator).collect();
        let terms = model.equations.iter().zip(&operators);
        let terms: Vec<(DMatrix<f64>, DMatrix<f64>)> = terms
            .map(|(equation, operator)| {
                let half = operator.transpose() * &equation.precision;
                (&half * operator, half)
            })
            .collect();
        let mut precision = Skyline::zeros(first_columns(model, track, &at));
        let mut pull = vec![0.0; holes.len()];
        let mut found: Vec<(usize, usize)> = Vec::new();
        for row in 0..track.rows() {
            let kind = model.of_row(row);
            let equation = &model.equations[kind];
            found.clear();
            for slot in 0..=equation.order() {
                let places = (row - slot) * channels..(row - slot + 1) * channels;
                let unknown = places
                    .enumerate()
                    .filter(|(_, place)| at[*place] < usize::MAX);
                found.extend(unknown.map(|(c, place)| (slot * channels + c, at[place])));
            }
            if found.is_empty() {
                continue;
            }
            let (joint, half) = &terms[kind];
            let residual = known_residual(equation, &operators[kind], track, row);
            for &(column, hole) in &found {
                pull[hole] -= half.row(column).dot(&residual.transpose());
                for &(other_column, other) in &found {
                    if other <= hole {
                        precision.add(hole, other, joint[(column, other_column)]);
                    }
                }
            }
        }
        let factor = precision.factor();
        factor.solve(&mut pull);
        let covariance = factor.selected_inverse();
        Self {
            holes,
            mean: pull,
            factor,
            covariance,
        }
    }

    /// Covariance of two unknown values; 0 if they are farther apart than an equation reaches.
    pub(super) fn covariance(&self, hole: usize, other: usize) -> f64 {
        self.covariance.value(hole.max(other), hole.min(other))
    }

    /// Standard deviation of an unknown value.
    pub(super) fn std(&self, hole: usize) -> f64 {
        self.covariance.value(hole, hole).max(0.0).sqrt()
    }

    /// Turns independent standard normals, one an unknown value, into a joint draw less the mean.
    pub(super) fn couple(&self, normals: &mut [f64]) {
        self.factor.solve_upper(normals);
    }
}

/// The noise of a row if all unknown values were zero.
fn known_residual(
    equation: &Equation,
    operator: &DMatrix<f64>,
    track: &Track,
    row: usize,
) -> DVector<f64> {
    let channels = track.channels;
    let mut residual = -&equation.intercept;
    for slot in 0..=equation.order() {
        let values = &track.values[(row - slot) * channels..][..channels];
        for (c, &value) in values.iter().enumerate().filter(|(_, x)| !x.is_nan()) {
            residual.axpy(value, &operator.column(slot * channels + c), 1.0);
        }
    }
    for (i, &input) in track.inputs_of(row).iter().enumerate() {
        residual.axpy(-input, &equation.inputs.column(i), 1.0);
    }
    residual
}

/// The first unknown value that each one is joined with; `at` has the number of the unknown value at each place.
fn first_columns(model: &Model, track: &Track, at: &[usize]) -> Vec<usize> {
    let channels = track.channels;
    let mut first: Vec<usize> = (0..at.iter().filter(|&&hole| hole < usize::MAX).count()).collect();
    for row in 0..track.rows() {
        let order = model.equations[model.of_row(row)].order();
        let joined = at[(row - order) * channels..(row + 1) * channels].iter();
        let mut joined = joined.filter(|&&hole| hole < usize::MAX);
        let Some(&lowest) = joined.next() else {
            continue;
        };
        for &hole in joined {
            first[hole] = first[hole].min(lowest);
        }
    }
    first
}
