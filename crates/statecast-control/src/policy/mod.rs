//! Control policies: maps from observations to actions.
//!
//! A [`Policy`] acts on a batch of observations, each with its own random generator, and gives the
//! log probabilities of actions where these are known. Policies come from files ([`read`]), rules
//! ([`Constant`], [`Uniform`]), external programs ([`Program`]) and recordings ([`Cloned`]).

mod categorical;
mod cloned;
mod file;
mod gaussian;
mod linear;
mod program;
mod rules;
mod source;
mod writing;

use ndarray::{Array1, Array2, ArrayView2};
use rand::rngs::ChaCha8Rng;

pub use categorical::Categorical;
pub use cloned::Cloned;
pub use gaussian::TanhGaussian;
pub use linear::{LinearPolicy, ThresholdPolicy};
pub use program::{Program, ProgramSettings};
pub use rules::{Constant, Uniform};
pub use source::{PolicySource, read};

/// Dimensions of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Widths {
    /// Number of observed variables.
    pub observations: usize,
    /// Number of action dimensions.
    pub actions: usize,
}

/// A control policy.
///
/// ```
/// use ndarray::array;
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
/// use statecast::policy::{LinearPolicy, Policy};
///
/// let mut damper = LinearPolicy::new(array![[0.0, -2.0]], array![0.5], None, vec![(-1.0, 1.0)])?;
/// let mut random = [ChaCha8Rng::seed_from_u64(0)];
/// let action = damper.act(array![[0.3, 0.1]].view(), &mut random)?;
/// assert!((action[[0, 0]] - 0.3).abs() < 1e-12);
/// # Ok::<(), statecast::policy::PolicyError>(())
/// ```
pub trait Policy: Send {
    /// Returns the dimensions.
    fn widths(&self) -> Widths;

    /// Returns actions `[rows, actions]` at observations `[rows, observations]`. Each row has its
    /// own random generator, which deterministic policies do not use.
    ///
    /// # Errors
    /// [`PolicyError`] if the policy cannot act.
    fn act(
        &mut self,
        observations: ArrayView2<f64>,
        random: &mut [ChaCha8Rng],
    ) -> Result<Array2<f64>, PolicyError>;

    /// Returns log densities (log probabilities of discrete actions) of actions `[rows, actions]`
    /// at observations `[rows, observations]`; `None` if they are unknown, as they are unless a policy says otherwise.
    ///
    /// # Errors
    /// [`PolicyError`] if the policy should know them and cannot tell.
    fn log_probabilities(
        &self,
        observations: ArrayView2<f64>,
        actions: ArrayView2<f64>,
    ) -> Result<Option<Array1<f64>>, PolicyError> {
        let _ = (observations, actions);
        Ok(None)
    }
}

/// Errors of policies.
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
    /// A tensor or list is missing or has the wrong shape.
    #[error("{what} is {found}, expected {expected}")]
    Shape {
        /// The tensor.
        what: String,
        /// Its shape, or `missing`.
        found: String,
        /// The expected shape.
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
        /// Dimensions of the policy.
        policy: Widths,
        /// Dimensions of the system.
        system: Widths,
    },
    /// An invalid discrete action.
    #[error("constant:{action} is none of the actions 0 to {}", choices - 1)]
    Choice {
        /// The action.
        action: f64,
        /// Number of choices.
        choices: usize,
    },
    /// A text that names no policy.
    #[error(
        "policy '{0}': use a .safetensors or .json file, mean:FILE, constant:NUMBERS, random or command:PROGRAM"
    )]
    Source(String),
    /// Unknown action limits that a rule needs.
    #[error("a random policy needs limits of the actions: name the environment (`env=`)")]
    NoLimits,
    /// A violation of the protocol by a policy program.
    #[error("policy program '{program}': {reason}")]
    Program {
        /// The command.
        program: String,
        /// What went wrong.
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
