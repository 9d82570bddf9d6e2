//! Inverse dynamics: the density of an action given the state before and the state after it.
//!
//! Steps whose actions are known teach it, and label steps whose actions are not. The state and its change are
//! standardised; of the mean, the nearest neighbours, a linear regression and a Gaussian process, each action takes what
//! forecasts it best in episodes that were held out. Errors there, over the regression's own spread, are the shape of the
//! density. An action of few values is a level: regressions of all levels become probabilities.

mod action;
mod chosen;
mod regression;
#[cfg(test)]
mod tests;

use nalgebra::DMatrix;
use ndarray::{Array2, ArrayView2, Axis, concatenate};

use action::Action;
pub use chosen::InverseDynamics;
pub use regression::InverseMethod;

/// Fewest steps with actions that anything is learned from.
const MIN_STEPS: usize = 20;

/// How inverse dynamics are learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InverseSettings {
    /// Parts of the labelled steps, whole episodes where there are as many, each held out once.
    pub folds: usize,
    /// Steps that the Gaussian process and the neighbours have at most, evenly chosen; time grows with their square.
    pub kernel_steps: usize,
}

impl Default for InverseSettings {
    fn default() -> Self {
        Self {
            folds: 4,
            kernel_steps: 1000,
        }
    }
}

impl InverseSettings {
    fn check(&self) -> Result<(), InverseError> {
        let settings = [
            ("folds", self.folds, 2),
            ("kernel_steps", self.kernel_steps, MIN_STEPS),
        ];
        match settings.into_iter().find(|(_, value, least)| value < least) {
            Some((setting, value, least)) => Err(InverseError::Setting {
                setting,
                value,
                least,
            }),
            None => Ok(()),
        }
    }
}

/// Steps whose actions are known.
#[derive(Debug, Clone)]
pub struct KnownSteps {
    /// States before the steps, `[steps, states]`.
    pub states: Array2<f64>,
    /// States after them, `[steps, states]`.
    pub next: Array2<f64>,
    /// Actions, `[steps, actions]`.
    pub actions: Array2<f64>,
    /// Number of the episode of each step; those of one follow each other.
    pub episodes: Vec<usize>,
}

/// Why inverse dynamics cannot be learned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InverseError {
    /// A setting out of its range.
    #[error("`{setting}={value}`: at least {least}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What it is.
        value: usize,
        /// The least it may be.
        least: usize,
    },
    /// Too few steps to learn from.
    #[error("{steps} steps with actions are too few to learn from; at least {least}")]
    TooFew {
        /// How many there are.
        steps: usize,
        /// How many it takes.
        least: usize,
    },
    /// Arrays that do not belong together, or values that are no finite numbers.
    #[error("{0}")]
    Invalid(&'static str),
}

/// How well an action is labelled where its episodes were held out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ActionScore {
    /// What labels it.
    pub method: InverseMethod,
    /// Whether it is one of few levels.
    pub is_level: bool,
    /// Mean CRPS over the standard deviation of the action; of levels the Brier score, the sum of squared errors of all
    /// probabilities.
    pub loss: f64,
    /// The same of the action's mean, with the quantiles of all actions; of levels, of their frequencies.
    pub loss_of_mean: f64,
    /// The same of the five nearest neighbours.
    pub loss_of_neighbours: f64,
    /// Share of actions in their 80 % interval; of levels, share of labels that are right.
    pub hit: f64,
}

impl ActionScore {
    /// The share of the mean's loss from which on labels say nothing.
    const NO_BETTER: f64 = 0.95;

    /// Whether labels are better than the mean.
    pub fn is_informed(&self) -> bool {
        self.loss < Self::NO_BETTER * self.loss_of_mean
    }
}

/// What is known of the actions of some steps.
#[derive(Debug, Clone)]
pub struct ActionLabels {
    actions: Vec<Action>,
    densities: Vec<Density>,
}

/// What is known of an action, step by step.
#[derive(Debug, Clone)]
enum Density {
    /// A quantile function: locations, spreads and sorted errors in spreads.
    Real {
        locations: Vec<f64>,
        spreads: Vec<f64>,
        errors: std::sync::Arc<Vec<f64>>,
    },
    /// Probabilities of the levels of each step.
    Levels(Vec<Vec<f64>>),
}

impl ActionLabels {
    /// How many steps there are.
    pub fn steps(&self) -> usize {
        match self.densities.first() {
            Some(Density::Real { locations, .. }) => locations.len(),
            Some(Density::Levels(probabilities)) => probabilities.len(),
            None => 0,
        }
    }

    /// The levels of an action, ascending; none if it takes any value.
    pub fn levels(&self, action: usize) -> Option<&[f64]> {
        self.actions[action].levels()
    }

    /// Probabilities of the levels of an action of a step; none if it takes any value.
    pub fn probabilities(&self, step: usize, action: usize) -> Option<&[f64]> {
        match &self.densities[action] {
            Density::Levels(probabilities) => Some(&probabilities[step]),
            Density::Real { .. } => None,
        }
    }

    /// A quantile of an action of a step; of levels, the lowest that is not less probable together with those below it.
    pub fn quantile(&self, step: usize, action: usize, level: f64) -> f64 {
        let kind = &self.actions[action];
        match &self.densities[action] {
            Density::Real {
                locations,
                spreads,
                errors,
            } => kind.bounded(locations[step] + spreads[step] * action::quantile(errors, level)),
            Density::Levels(probabilities) => {
                let mut sum = 0.0;
                let reaches = |p: &f64| {
                    sum += p;
                    sum >= level - 1e-12
                };
                let levels = kind.levels().unwrap_or_default();
                let place = probabilities[step].iter().position(reaches);
                levels[place.unwrap_or(levels.len() - 1)]
            }
        }
    }

    /// The label of an action of a step: its median, or its likeliest level.
    pub fn label(&self, step: usize, action: usize) -> f64 {
        match (self.levels(action), self.probabilities(step, action)) {
            (Some(levels), Some(probabilities)) => levels[action::likeliest(probabilities)],
            _ => self.quantile(step, action, 0.5),
        }
    }
}

/// Standardises states and their changes.
#[derive(Debug, Clone)]
struct Inputs {
    means: Vec<f64>,
    /// Inverse standard deviations; 0 of what does not vary.
    scales: Vec<f64>,
}

impl Inputs {
    fn raw(states: ArrayView2<f64>, next: ArrayView2<f64>) -> Array2<f64> {
        let changes = &next - &states;
        concatenate(Axis(1), &[states, changes.view()]).expect("changes of the same states")
    }

    fn of(raw: &Array2<f64>) -> Self {
        let means = raw.mean_axis(Axis(0)).map_or(Vec::new(), |m| m.to_vec());
        let stds = raw.std_axis(Axis(0), 0.0);
        let scales = stds.iter().zip(&means).map(|(&std, mean)| {
            // What is left of a constant by rounding is no variation.
            let varies = std > 1e-12 * mean.abs();
            if varies { 1.0 / std } else { 0.0 }
        });
        Self {
            scales: scales.collect(),
            means,
        }
    }

    /// `[steps, inputs]`.
    fn standardised(&self, raw: &Array2<f64>) -> DMatrix<f64> {
        DMatrix::from_fn(raw.nrows(), raw.ncols(), |step, i| {
            (raw[[step, i]] - self.means[i]) * self.scales[i]
        })
    }
}

impl KnownSteps {
    fn check(&self) -> Result<(), InverseError> {
        let steps = self.states.nrows();
        let fits = self.next.dim() == self.states.dim()
            && self.actions.nrows() == steps
            && self.episodes.len() == steps;
        let values = self.states.iter().chain(&self.next).chain(&self.actions);
        if !fits {
            Err(InverseError::Invalid(
                "states, next states, actions and episodes are of different steps",
            ))
        } else if self.actions.ncols() == 0 || self.states.ncols() == 0 {
            Err(InverseError::Invalid("there is no state or no action"))
        } else if values.into_iter().any(|x| !x.is_finite()) {
            Err(InverseError::Invalid("a state or an action is unknown"))
        } else if steps < MIN_STEPS {
            Err(InverseError::TooFew {
                steps,
                least: MIN_STEPS,
            })
        } else {
            Ok(())
        }
    }

    /// The fold of each step: whole episodes, or stretches of steps where there are fewer episodes than folds.
    fn folds(&self, count: usize) -> Vec<usize> {
        let steps = self.episodes.len();
        let mut number = 0;
        let numbers: Vec<usize> = (0..steps)
            .map(|step| {
                let begins = step > 0 && self.episodes[step] != self.episodes[step - 1];
                number += usize::from(begins);
                number
            })
            .collect();
        let episodes = number + 1;
        match episodes >= count {
            true => numbers.iter().map(|n| n * count / episodes).collect(),
            false => (0..steps).map(|step| step * count / steps).collect(),
        }
    }
}
