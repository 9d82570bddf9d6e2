//! A simulator that runs as another program, which speaks lines of JSON on its standard streams.
//!
//! The first line that it reads says what the numbers are, and is not answered:
//! `{"channels": ["x", "v"], "actions": ["u"]}`. Every further line asks about one or more states, a
//! row each, and the actions taken in them: `{"states": [[0.5, -1.0]], "actions": [[0.2]]}`. The
//! answer is one line, `{"next": [[0.4, -1.05]]}`: for every state the value that follows of every
//! channel, `null` where nothing is known. `"std"`, of the same shape, may state standard
//! deviations, and `{"error": "…"}` that there is no answer. The program ends when its input does.

use std::time::Duration;

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::{Simulated, Simulator, SimulatorError};
use crate::pipe::{Pipe, PipeError};

#[derive(Serialize)]
struct Names<'n> {
    channels: &'n [String],
    actions: &'n [String],
}

#[derive(Serialize)]
struct Request {
    states: Vec<Vec<f64>>,
    actions: Vec<Vec<f64>>,
}

/// Numbers of channels, a row a state.
type Rows = Vec<Vec<Option<f64>>>;

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    next: Rows,
    std: Option<Rows>,
    error: Option<String>,
}

/// A program that simulates.
///
/// ```no_run
/// use std::time::Duration;
/// use statecast::experts::SimulatorProgram;
/// let channels = ["x".to_owned(), "v".to_owned()];
/// let limit = Duration::from_secs(10);
/// let simulator = SimulatorProgram::start("python model.py", &channels, &[], limit)?;
/// # Ok::<(), statecast::experts::SimulatorError>(())
/// ```
pub struct SimulatorProgram {
    pipe: Pipe,
    command: String,
    channels: usize,
    actions: usize,
}

impl SimulatorProgram {
    /// Starts a program by its command line, words apart by spaces and quoted as in a shell, but
    /// without one, and tells it the names of the channels and actions. `limit` is the time that
    /// each of its replies may take.
    ///
    /// # Errors
    /// [`SimulatorError::Program`] if it does not start.
    pub fn start(
        command: &str,
        channels: &[String],
        actions: &[String],
        limit: Duration,
    ) -> Result<Self, SimulatorError> {
        let mut pipe = Pipe::start(command, [limit; 2]).map_err(failed)?;
        pipe.tell(&Names { channels, actions }).map_err(failed)?;
        Ok(Self {
            pipe,
            command: command.to_owned(),
            channels: channels.len(),
            actions: actions.len(),
        })
    }

    fn predictions(&mut self, reply: Reply) -> Result<Vec<Vec<Option<Simulated>>>, PipeError> {
        let Reply { next, std, error } = reply;
        if let Some(error) = error {
            return Err(self.pipe.fail(format!("reports: {error}")));
        }
        let widths = |rows: &Rows| rows.iter().map(Vec::len).collect::<Vec<_>>();
        match std {
            Some(std) if widths(&std) != widths(&next) => {
                let shape = "has not as many numbers in \"std\" as in \"next\"";
                Err(self.pipe.fail(shape.to_owned()))
            }
            Some(std) => Ok(next.iter().zip(&std).map(|(m, s)| stated(m, s)).collect()),
            None => {
                let learned = |means: &Vec<Option<f64>>| stated(means, &vec![None; means.len()]);
                Ok(next.iter().map(learned).collect())
            }
        }
    }
}

/// Predictions of one row.
fn stated(means: &[Option<f64>], stds: &[Option<f64>]) -> Vec<Option<Simulated>> {
    let both = means.iter().zip(stds);
    both.map(|(&mean, &std)| mean.map(|mean| Simulated { mean, std }))
        .collect()
}

fn failed(error: PipeError) -> SimulatorError {
    SimulatorError::Program {
        program: error.program,
        reason: error.reason,
    }
}

impl Simulator for SimulatorProgram {
    fn next(
        &mut self,
        states: ArrayView2<f64>,
        actions: ArrayView2<f64>,
    ) -> Result<Vec<Vec<Option<Simulated>>>, SimulatorError> {
        if (states.ncols(), actions.ncols()) != (self.channels, self.actions) {
            return Err(SimulatorError::Names {
                program: self.command.clone(),
                found: states.ncols() + actions.ncols(),
                expected: self.channels + self.actions,
            });
        }
        let rows = |of: ArrayView2<f64>| of.rows().into_iter().map(|row| row.to_vec()).collect();
        let request = Request {
            states: rows(states),
            actions: rows(actions),
        };
        let reply = self.pipe.ask(&request).map_err(failed)?;
        self.predictions(reply).map_err(failed)
    }
}
