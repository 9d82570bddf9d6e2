//! What a copy of a regression has learned by itself.

use std::rc::Rc;

use super::posterior::Posterior;
use super::products::{add, dot};

/// Share of a vector's length below which what is left of it outside of the directions is made
/// orthogonal to them again: its rounding errors have grown by the inverse (Giraud et al. 2005,
/// "twice is enough").
const AGAIN: f64 = 0.01;

/// Share below which nothing is left but rounding errors.
const NOTHING: f64 = 1e-13;

/// Rows that a copy of a [`Posterior`] has learned, as a regression of its own on the few
/// directions in which they lie.
///
/// In units in which the weights of the shared posterior are independent and of variance 1, rows
/// teach nothing about directions orthogonal to all of them. So after k rows there are k weights
/// more to keep, each with a direction, instead of a posterior of all features.
#[derive(Debug, Clone)]
pub(super) struct Branch {
    rows: Vec<Rc<Row>>,
    /// Orthonormal.
    directions: Vec<Rc<[f64]>>,
    /// Of the weights along the directions; what the shared posterior expects is zero.
    posterior: Posterior,
}

/// Features and the targets' values.
#[derive(Debug)]
pub(super) struct Row {
    features: Rc<[f64]>,
    values: Rc<[f64]>,
}

impl Row {
    pub(super) fn new(features: &Rc<[f64]>, values: &Rc<[f64]>) -> Self {
        Self {
            features: Rc::clone(features),
            values: Rc::clone(values),
        }
    }
}

/// Whitened features, inside and outside of a branch's directions.
#[derive(Debug)]
pub(super) struct Parts {
    /// Along the directions.
    inside: Vec<f64>,
    /// The same, as the branch's factors project them.
    projected: Vec<f64>,
    /// What is orthogonal to all directions, of length 1 unless there is nothing.
    outside: Vec<f64>,
    /// Its length.
    distance: f64,
}

impl Branch {
    pub(super) fn new(targets: usize) -> Self {
        Self {
            rows: Vec::new(),
            directions: Vec::new(),
            posterior: Posterior::new(1.0, Vec::new(), targets),
        }
    }

    /// Bytes of a branch of so many rows, but for the rows themselves.
    pub(super) fn bytes(rows: usize, features: usize, targets: usize) -> usize {
        let row = 2 * size_of::<Rc<[f64]>>() + features * size_of::<f64>();
        rows * row + Posterior::bytes(rows, targets)
    }

    /// Rows that were learned.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn split(&self, whitened: Vec<f64>) -> Parts {
        let size = dot(&whitened, &whitened).sqrt();
        let (mut inside, mut outside) = (vec![0.0; self.directions.len()], whitened);
        let mut distance = self.take(&mut inside, &mut outside);
        if distance < AGAIN * size {
            distance = self.take(&mut inside, &mut outside);
        }
        if distance <= NOTHING * size {
            distance = 0.0;
        } else {
            outside.iter_mut().for_each(|x| *x /= distance);
        }
        Parts {
            projected: self.posterior.factors.project(&inside),
            inside,
            outside,
            distance,
        }
    }

    /// Moves what lies along the directions from outside to inside; gives the length of the rest.
    fn take(&self, inside: &mut [f64], outside: &mut [f64]) -> f64 {
        for (direction, inside) in self.directions.iter().zip(inside) {
            let part = dot(direction, outside);
            add(outside, -part, direction);
            *inside += part;
        }
        dot(outside, outside).sqrt()
    }

    /// Variance of what the weights make of features.
    pub(super) fn variance(&self, at: &Parts) -> f64 {
        self.posterior.factors.variance(&at.projected) + at.distance * at.distance
    }

    /// Adds to every target's value what the branch expects beyond the shared posterior.
    pub(super) fn add_locations(&self, at: &Parts, to: &mut [f64]) {
        self.posterior.add_locations(&at.inside, to);
    }

    /// Learns a row from the targets' errors.
    pub(super) fn learn(&mut self, at: &Parts, errors: &[f64], row: Row) {
        let mut projected = at.projected.clone();
        if at.distance > 0.0 {
            self.directions.push(Rc::from(&at.outside[..]));
            self.posterior.grow(1.0);
            projected.push(at.distance);
        }
        self.posterior.learn(&projected, errors);
        self.rows.push(Rc::new(row));
    }

    /// The shared posterior with the rows of the branch.
    pub(super) fn onto(&self, shared: &Posterior) -> Posterior {
        let mut whole = shared.clone();
        for Row { features, values } in self.rows.iter().map(Rc::as_ref) {
            let locations = whole.locate(features);
            let errors = values.iter().zip(locations).map(|(x, y)| x - y);
            let errors: Vec<f64> = errors.collect();
            whole.learn(&whole.factors.project(features), &errors);
        }
        whole
    }
}
