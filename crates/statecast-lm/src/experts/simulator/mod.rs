//! Simulators: models of a system that the user has, as one more expert.
//!
//! A [`Simulator`] gives the next state of any state and action, in the recording's own units. What
//! it says is checked, brought to the units of a [`Panel`](super::Panel), and weighed as any expert
//! is: by what it has predicted so far. [`SimulatorProgram`] is one that runs in another process.

mod expert;
mod program;

use ndarray::ArrayView2;

pub(super) use expert::SimulatorExpert;
pub use program::SimulatorProgram;

/// Prediction of a channel's next value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Simulated {
    /// The value that is expected.
    pub mean: f64,
    /// Standard deviation of the value around it, above zero; `None` to have it learned from the
    /// errors.
    pub std: Option<f64>,
}

/// A model of a system.
///
/// Any closure from one state and action to the values that follow, `None` where it knows nothing,
/// is a simulator:
///
/// ```
/// use ndarray::{Array2, array};
/// use statecast_lm::experts::Simulator;
/// let mut map = |state: &[f64], _actions: &[f64]| vec![Some(3.9 * state[0] * (1.0 - state[0]))];
/// let next = map.next(array![[0.5]].view(), Array2::zeros((1, 0)).view())?;
/// assert_eq!(next[0][0].unwrap().mean, 0.975);
/// # Ok::<(), statecast_lm::experts::SimulatorError>(())
/// ```
pub trait Simulator: Send {
    /// Predictions of the values that follow states `[rows, channels]` in which actions
    /// `[rows, actions]` are taken: for every row one a channel, `None` where it knows nothing.
    /// Rows have nothing to do with each other.
    ///
    /// # Errors
    /// [`SimulatorError`] if it fails.
    fn next(
        &mut self,
        states: ArrayView2<f64>,
        actions: ArrayView2<f64>,
    ) -> Result<Vec<Vec<Option<Simulated>>>, SimulatorError>;
}

impl<F: FnMut(&[f64], &[f64]) -> Vec<Option<f64>> + Send> Simulator for F {
    fn next(
        &mut self,
        states: ArrayView2<f64>,
        actions: ArrayView2<f64>,
    ) -> Result<Vec<Vec<Option<Simulated>>>, SimulatorError> {
        let certain = |mean| Simulated { mean, std: None };
        let rows = states.rows().into_iter().zip(actions.rows());
        let next = rows.map(|(state, actions)| {
            let said = self(&state.to_vec(), &actions.to_vec()).into_iter();
            said.map(|mean| mean.map(certain)).collect()
        });
        Ok(next.collect())
    }
}

/// A simulator that cannot be asked, or whose answer cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulatorError {
    /// Predictions of another number of states.
    #[error("it predicts {found} states, not {expected}")]
    States {
        /// States predicted.
        found: usize,
        /// States asked about.
        expected: usize,
    },
    /// Predictions of another number of channels.
    #[error("it predicts {found} channels, not {expected}")]
    Channels {
        /// Channels predicted.
        found: usize,
        /// Channels that there are.
        expected: usize,
    },
    /// A mean that is no number.
    #[error("it predicts {mean} for {channel}")]
    Mean {
        /// Name of the channel.
        channel: String,
        /// The mean.
        mean: f64,
    },
    /// A standard deviation that is not above zero.
    #[error("its standard deviation of {channel} is {std}: must be a number above 0")]
    Std {
        /// Name of the channel.
        channel: String,
        /// The standard deviation.
        std: f64,
    },
    /// Actions of another number than a program was told of.
    #[error("{program}: it was told of {expected} channels and actions, and there are {found}")]
    Names {
        /// The command.
        program: String,
        /// Channels and actions now.
        found: usize,
        /// Channels and actions that it was told of.
        expected: usize,
    },
    /// Another program did not keep to the protocol.
    #[error("{program}: {reason}")]
    Program {
        /// The command.
        program: String,
        /// The failure.
        reason: String,
    },
    /// It failed in its own way.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

/// Predictions of a simulator, checked; `channels` are the names of the states' columns.
pub fn ask(
    simulator: &mut dyn Simulator,
    channels: &[String],
    states: ArrayView2<f64>,
    actions: ArrayView2<f64>,
) -> Result<Vec<Vec<Option<Simulated>>>, SimulatorError> {
    let next = simulator.next(states, actions)?;
    check(&next, states.nrows(), channels)?;
    Ok(next)
}

/// Checks that predictions have one usable value, or none, per channel.
fn check(
    next: &[Vec<Option<Simulated>>],
    states: usize,
    channels: &[String],
) -> Result<(), SimulatorError> {
    if next.len() != states {
        return Err(SimulatorError::States {
            found: next.len(),
            expected: states,
        });
    }
    for row in next {
        if row.len() != channels.len() {
            return Err(SimulatorError::Channels {
                found: row.len(),
                expected: channels.len(),
            });
        }
        for (channel, said) in channels.iter().zip(row) {
            said.map_or(Ok(()), |said| checked(channel, said))?;
        }
    }
    Ok(())
}

fn checked(channel: &str, said: Simulated) -> Result<(), SimulatorError> {
    let channel = channel.to_owned();
    if !said.mean.is_finite() {
        let mean = said.mean;
        return Err(SimulatorError::Mean { channel, mean });
    }
    match said.std {
        Some(std) if !(std > 0.0 && std.is_finite()) => Err(SimulatorError::Std { channel, std }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    struct Says(Vec<Vec<Option<Simulated>>>);

    impl Simulator for Says {
        fn next(
            &mut self,
            _states: ArrayView2<f64>,
            _actions: ArrayView2<f64>,
        ) -> Result<Vec<Vec<Option<Simulated>>>, SimulatorError> {
            Ok(self.0.clone())
        }
    }

    fn asked(says: Vec<Vec<Option<Simulated>>>) -> Result<usize, String> {
        let names = ["x".to_owned(), "v".to_owned()];
        let (states, actions) = (array![[0.0, 1.0]], Array2::zeros((1, 0)));
        let said = ask(&mut Says(says), &names, states.view(), actions.view());
        said.map(|said| said.len())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_simulators_say_is_checked() {
        let of = |mean, std| Some(Simulated { mean, std });
        let sure = of(1.0, None);
        assert_eq!(asked(vec![vec![sure, None]]), Ok(1));
        assert_eq!(asked(vec![vec![of(1.0, Some(1e-300)), None]]), Ok(1));
        let wrong = [
            (vec![], "0 states, not 1"),
            (vec![vec![sure; 2]; 2], "2 states, not 1"),
            (vec![vec![sure]], "1 channels, not 2"),
            (vec![vec![sure, of(f64::NAN, None)]], "predicts NaN for v"),
            (
                vec![vec![of(f64::INFINITY, None), sure]],
                "predicts inf for x",
            ),
            (vec![vec![sure, of(1.0, Some(0.0))]], "of v is 0: must be"),
            (vec![vec![sure, of(1.0, Some(f64::NAN))]], "of v is NaN"),
        ];
        for (says, expected) in wrong {
            let error = asked(says).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
