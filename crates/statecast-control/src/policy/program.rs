//! Policies of external programs, with lines of JSON on the standard streams.
//!
//! For every step of a batch the program reads one line `{"observations": [[…], …], "seeds": [3,
//! …]}` and answers with one line `{"actions": [[…], …]}` with the same number of rows, or
//! `{"error": "…"}`. Each row has a seed, so that programs that draw from it are reproducible. The
//! program exits at the end of its input.

use std::time::Duration;

use ndarray::{Array1, Array2, ArrayView2};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Policy, PolicyError, Widths};
use crate::pipe::{Pipe, PipeError};

/// Time limits of a program.
#[derive(Debug, Clone, Copy)]
pub struct ProgramSettings {
    /// Limit of the first reply, which includes loading.
    pub first_reply: Duration,
    /// Limit of every other reply.
    pub reply: Duration,
}

impl Default for ProgramSettings {
    fn default() -> Self {
        Self {
            first_reply: Duration::from_secs(60),
            reply: Duration::from_secs(10),
        }
    }
}

#[derive(Serialize)]
struct Request<'r> {
    observations: Vec<Vec<f64>>,
    seeds: &'r [u32],
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    actions: Vec<Vec<f64>>,
    error: Option<String>,
}

/// A policy program.
///
/// ```no_run
/// use statecast::policy::{Policy, Program, ProgramSettings, Widths};
/// let widths = Widths { observations: 3, actions: 1 };
/// let policy = Program::start("python act.py", widths, ProgramSettings::default())?;
/// # Ok::<(), statecast::policy::PolicyError>(())
/// ```
pub struct Program {
    pipe: Pipe,
    widths: Widths,
}

impl Program {
    /// Starts a program by its command line, split and quoted as in a shell, but without a shell.
    ///
    /// # Errors
    /// [`PolicyError::Program`] if it does not start.
    pub fn start(
        command: &str,
        widths: Widths,
        settings: ProgramSettings,
    ) -> Result<Self, PolicyError> {
        let limits = [settings.first_reply, settings.reply];
        let pipe = Pipe::start(command, limits).map_err(failed)?;
        Ok(Self { pipe, widths })
    }

    fn actions(&mut self, reply: Reply, rows: usize) -> Result<Array2<f64>, PipeError> {
        if let Some(error) = reply.error {
            return Err(self.pipe.fail(format!("it reports: {error}")));
        }
        let width = self.widths.actions;
        if reply.actions.len() != rows || reply.actions.iter().any(|row| row.len() != width) {
            let found = reply.actions.first().map_or(0, Vec::len);
            let count = reply.actions.len();
            return Err(self.pipe.fail(format!(
                "its reply has {count} actions of {found} numbers, not {rows} of {width}"
            )));
        }
        let actions = reply.actions.concat();
        match actions.iter().find(|a| !a.is_finite()) {
            Some(bad) => Err(self.pipe.fail(format!("its reply holds the action {bad}"))),
            None => Ok(Array2::from_shape_vec((rows, width), actions)
                .expect("every row was checked to have `width` numbers")),
        }
    }
}

impl Policy for Program {
    fn widths(&self) -> Widths {
        self.widths
    }

    fn act(
        &mut self,
        observations: ArrayView2<f64>,
        random: &mut [ChaCha8Rng],
    ) -> Result<Array2<f64>, PolicyError> {
        let seeds: Vec<u32> = random.iter_mut().map(|random| random.random()).collect();
        let request = Request {
            observations: observations
                .rows()
                .into_iter()
                .map(|row| row.to_vec())
                .collect(),
            seeds: &seeds,
        };
        let reply = self.pipe.ask(&request).map_err(failed)?;
        self.actions(reply, observations.nrows()).map_err(failed)
    }

    fn log_probabilities(&self, _: ArrayView2<f64>, _: ArrayView2<f64>) -> Option<Array1<f64>> {
        None
    }
}

fn failed(error: PipeError) -> PolicyError {
    PolicyError::Program {
        program: error.program,
        reason: error.reason,
    }
}
