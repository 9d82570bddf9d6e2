//! Control policies: from what is observed to what is done.
//!
//! A [`Policy`] acts on a batch of observations, each with random numbers of its own, and knows how
//! likely it was to take an action, where that can be said. Policies come from files ([`read`]), from
//! rules ([`Constant`], [`Uniform`]), from other programs ([`Program`]) and from what was done ([`Cloned`]).

mod cloned;
mod gaussian;
mod linear;
mod program;
mod rules;
mod source;
mod writing;

use ndarray::{Array1, Array2, ArrayView2};
use rand::rngs::ChaCha8Rng;

pub use cloned::Cloned;
pub use gaussian::TanhGaussian;
pub use linear::{Linear, Threshold};
pub use program::{Program, ProgramSettings};
pub use rules::{Constant, Uniform};
pub use source::{PolicySource, read};

/// How many numbers a policy takes and gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Widths {
    /// Observed numbers.
    pub observations: usize,
    /// Numbers of an action.
    pub actions: usize,
}

/// Chooses actions.
///
/// ```
/// use ndarray::array;
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
/// use statecast::policy::{Linear, Policy};
///
/// let mut damper = Linear::new(array![[0.0, -2.0]], array![0.5], None, vec![(-1.0, 1.0)])?;
/// let mut random = [ChaCha8Rng::seed_from_u64(0)];
/// let action = damper.act(array![[0.3, 0.1]].view(), &mut random)?;
/// assert!((action[[0, 0]] - 0.3).abs() < 1e-12);
/// # Ok::<(), statecast::policy::PolicyError>(())
/// ```
pub trait Policy: Send {
    /// What the policy takes and gives.
    fn widths(&self) -> Widths;

    /// Actions `[rows, actions]` at observations `[rows, observations]`; one random generator a row,
    /// which a policy without chance leaves alone.
    ///
    /// # Errors
    /// [`PolicyError`] if the policy cannot act.
    fn act(
        &mut self,
        observations: ArrayView2<f64>,
        random: &mut [ChaCha8Rng],
    ) -> Result<Array2<f64>, PolicyError>;

    /// Log densities (of discrete actions: log probabilities) of actions `[rows, actions]` at
    /// observations `[rows, observations]`; `None` if the policy cannot say.
    fn log_probabilities(
        &self,
        observations: ArrayView2<f64>,
        actions: ArrayView2<f64>,
    ) -> Option<Array1<f64>>;
}

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A policy file is absent, too large or damaged.
    #[error("{file}: {reason}")]
    File {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A tensor or list is missing or has another shape than the others ask for.
    #[error("{what} is {found} where {expected} is needed")]
    Shape {
        /// The tensor.
        what: String,
        /// Its shape, or `missing`.
        found: String,
        /// The shape that fits.
        expected: String,
    },
    /// A weight is NaN or infinite.
    #[error("{what} holds {value} at position {position}")]
    Weight {
        /// The tensor.
        what: String,
        /// Position in it, row by row, from 0.
        position: usize,
        /// The value.
        value: f64,
    },
    /// A policy does not fit the system.
    #[error(
        "the policy takes {} observations and gives {} actions, the system has {} and {}",
        policy.observations, policy.actions, system.observations, system.actions
    )]
    Widths {
        /// What the policy takes and gives.
        policy: Widths,
        /// What the system has.
        system: Widths,
    },
    /// An action that is none of a system's choices.
    #[error("constant:{action} is none of the actions 0 to {}", choices - 1)]
    Choice {
        /// The action.
        action: f64,
        /// Number of choices.
        choices: usize,
    },
    /// A text names no policy.
    #[error(
        "policy '{0}': use a .safetensors or .json file, mean:FILE, constant:NUMBERS, random or command:PROGRAM"
    )]
    Source(String),
    /// The limits of actions that a rule needs are not known.
    #[error("a random policy needs limits of the actions: name the environment (--env)")]
    NoLimits,
    /// Another program that acts did not keep to the protocol.
    #[error("policy program '{program}': {reason}")]
    Program {
        /// The command.
        program: String,
        /// What happened.
        reason: String,
    },
}

/// Checks that values are finite and that there are `rows * columns` of them.
fn checked(
    what: &str,
    values: Vec<f64>,
    found: &[usize],
    expected: &[usize],
) -> Result<Vec<f64>, PolicyError> {
    if found != expected {
        return Err(PolicyError::Shape {
            what: what.to_owned(),
            found: format!("{found:?}"),
            expected: format!("{expected:?}"),
        });
    }
    match values.iter().position(|v| !v.is_finite()) {
        Some(position) => Err(PolicyError::Weight {
            what: what.to_owned(),
            position,
            value: values[position],
        }),
        None => Ok(values),
    }
}
