//! A simulator that runs as another program, which speaks lines of JSON on its standard streams.
//!
//! The first line that it reads says what the numbers are, and is not answered:
//! `{"channels": ["x", "v"], "actions": ["u"]}`. Every further line asks about one or more states,
//! a row each, and the actions taken in them:
//! `{"id": 7, "states": [[0.5, -1.0]], "actions": [[0.2]]}`. The answer is one line,
//! `{"id": 7, "next": [[0.4, -1.05]]}`: for every state the value that follows of every channel,
//! `null` where nothing is known. `"std"`, of the same shape, may state standard deviations, and
//! `{"error": "…"}` that there is no answer. An `"id"` must be that of the question. The program
//! ends when its input does.

use std::time::Duration;

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::{Simulated, Simulator, SimulatorError, check};
use crate::pipe::{Pipe, PipeError};

#[derive(Serialize)]
struct Names<'n> {
    channels: &'n [String],
    actions: &'n [String],
}

#[derive(Serialize)]
struct Request {
    id: u64,
    states: Vec<Vec<f64>>,
    actions: Vec<Vec<f64>>,
}

/// Numbers of channels, a row a state.
type Rows = Vec<Vec<Option<f64>>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    id: Option<u64>,
    next: Option<Rows>,
    std: Option<Rows>,
    error: Option<String>,
}

/// A program that simulates.
///
/// ```no_run
/// use std::time::Duration;
/// use statecast_lm::experts::SimulatorProgram;
/// let channels = ["x".to_owned(), "v".to_owned()];
/// let limit = Duration::from_secs(10);
/// let simulator = SimulatorProgram::start("python model.py", &channels, &[], limit)?;
/// # Ok::<(), statecast_lm::experts::SimulatorError>(())
/// ```
pub struct SimulatorProgram {
    pipe: Pipe,
    command: String,
    channels: Vec<String>,
    actions: usize,
    /// Questions so far: the number of the last one.
    asked: u64,
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
            channels: channels.to_vec(),
            actions: actions.len(),
            asked: 0,
        })
    }

    /// Tells the program to end after its last answer.
    ///
    /// # Errors
    /// [`SimulatorError::Program`] if it writes another line: without ids in its answers, they may
    /// have been those to other questions.
    pub fn finish(&mut self) -> Result<(), SimulatorError> {
        self.pipe.finish().map_err(failed)
    }

    /// Parses the predictions of a number of states, or describes the fault of the reply.
    fn predictions(
        &self,
        reply: Reply,
        states: usize,
    ) -> Result<Vec<Vec<Option<Simulated>>>, String> {
        let id = reply.id.unwrap_or(self.asked);
        if id != self.asked {
            return Err(format!("answers question {id}, not {}", self.asked));
        }
        if let Some(error) = reply.error {
            return Err(format!("reports: {error}"));
        }
        let Some(next) = reply.next else {
            return Err("its reply has neither \"next\" nor \"error\"".to_owned());
        };
        let widths = |rows: &Rows| rows.iter().map(Vec::len).collect::<Vec<_>>();
        let std = match reply.std {
            Some(std) if widths(&std) != widths(&next) => {
                return Err("has not as many numbers in \"std\" as in \"next\"".to_owned());
            }
            Some(std) => std,
            None => next.iter().map(|row| vec![None; row.len()]).collect(),
        };
        let rows = next.iter().zip(&std);
        let predicted: Vec<_> = rows.map(|(means, stds)| stated(means, stds)).collect();
        check(&predicted, states, &self.channels).map_err(|error| error.to_string())?;
        Ok(predicted)
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
        let channels = self.channels.len();
        if (states.ncols(), actions.ncols()) != (channels, self.actions) {
            return Err(SimulatorError::Names {
                program: self.command.clone(),
                found: states.ncols() + actions.ncols(),
                expected: channels + self.actions,
            });
        }
        let rows = |of: ArrayView2<f64>| of.rows().into_iter().map(|row| row.to_vec()).collect();
        self.asked += 1;
        let request = Request {
            id: self.asked,
            states: rows(states),
            actions: rows(actions),
        };
        let reply = self.pipe.ask(&request).map_err(failed)?;
        let predicted = self.predictions(reply, states.nrows());
        predicted.map_err(|reason| failed(self.pipe.fail(reason)))
    }
}
