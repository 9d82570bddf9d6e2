//! Policies of external programs, with lines of JSON on the standard streams.
//!
//! For every step of a batch the program reads one line `{"observations": [[…], …], "seeds": [3,
//! …]}` and answers with one line `{"actions": [[…], …]}` with the same number of rows, or
//! `{"error": "…"}`. Each row has a seed, so that programs that draw from it are reproducible. The
//! program exits at the end of its input.
//!
//! A program that knows how probable its actions are adds their `"log_probabilities": […]` (log densities of continuous
//! actions) to its replies. Then it is also asked for those of given actions, by lines `{"observations": [[…], …], "actions":
//! [[…], …]}`, to which it answers `{"log_probabilities": […]}`; `null` stands for minus infinity, an impossible action.

use std::cell::RefCell;
use std::time::Duration;

use ndarray::{Array1, Array2, ArrayView2, s};
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
    #[serde(skip_serializing_if = "Option::is_none")]
    seeds: Option<&'r [u32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actions: Option<Vec<Vec<f64>>>,
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    actions: Vec<Vec<f64>>,
    log_probabilities: Option<Vec<Option<f64>>>,
    error: Option<String>,
}

fn rows(of: ArrayView2<f64>) -> Vec<Vec<f64>> {
    of.rows().into_iter().map(|row| row.to_vec()).collect()
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
    talk: RefCell<Talk>,
    widths: Widths,
}

/// What was said, which goes on while probabilities are asked for.
struct Talk {
    pipe: Pipe,
    /// Whether the program tells how probable its actions are, once it has acted.
    tells: Option<bool>,
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
        let talk = Talk { pipe, tells: None };
        Ok(Self {
            talk: RefCell::new(talk),
            widths,
        })
    }
}

impl Talk {
    /// Actions at observations, with a seed each.
    fn act(
        &mut self,
        observations: ArrayView2<f64>,
        seeds: &[u32],
        width: usize,
    ) -> Result<Array2<f64>, PipeError> {
        let request = Request {
            observations: rows(observations),
            seeds: Some(seeds),
            actions: None,
        };
        let reply: Reply = self.pipe.ask(&request)?;
        self.tells = Some(reply.log_probabilities.is_some());
        self.actions(reply, observations.nrows(), width)
    }

    fn log_probabilities(
        &mut self,
        observations: ArrayView2<f64>,
        actions: ArrayView2<f64>,
    ) -> Result<Option<Array1<f64>>, PipeError> {
        if self.tells.is_none() && observations.nrows() > 0 {
            self.act(observations.slice(s![..1, ..]), &[0], actions.ncols())?;
        }
        if self.tells != Some(true) {
            return Ok(None);
        }
        let request = Request {
            observations: rows(observations),
            seeds: None,
            actions: Some(rows(actions)),
        };
        let reply: Reply = self.pipe.ask(&request)?;
        if let Some(error) = reply.error {
            return Err(self.pipe.fail(format!("it reports: {error}")));
        }
        let found = reply.log_probabilities.unwrap_or_default();
        let expected = observations.nrows();
        if found.len() != expected {
            let count = found.len();
            return Err(self.pipe.fail(format!(
                "its reply has {count} log probabilities for {expected} actions"
            )));
        }
        let logs = found
            .into_iter()
            .map(|log| log.unwrap_or(f64::NEG_INFINITY));
        Ok(Some(logs.collect()))
    }

    fn actions(
        &mut self,
        reply: Reply,
        rows: usize,
        width: usize,
    ) -> Result<Array2<f64>, PipeError> {
        if let Some(error) = reply.error {
            return Err(self.pipe.fail(format!("it reports: {error}")));
        }
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
        let talk = self.talk.get_mut();
        talk.act(observations, &seeds, self.widths.actions)
            .map_err(failed)
    }

    fn log_probabilities(
        &self,
        observations: ArrayView2<f64>,
        actions: ArrayView2<f64>,
    ) -> Result<Option<Array1<f64>>, PolicyError> {
        let mut talk = self.talk.borrow_mut();
        talk.log_probabilities(observations, actions)
            .map_err(failed)
    }
}

fn failed(error: PipeError) -> PolicyError {
    PolicyError::Program {
        program: error.program,
        reason: error.reason,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use ndarray::array;
    use rand::SeedableRng;

    use super::*;

    /// A policy of one observation and action that answers these lines one after another.
    fn answering(replies: &[&str]) -> Program {
        let replies = replies
            .iter()
            .map(|reply| format!("read -r line; echo '{reply}'\n"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("act.sh");
        std::fs::write(
            &file,
            format!("{}cat > /dev/null", replies.collect::<String>()),
        )
        .unwrap();
        let widths = Widths {
            observations: 1,
            actions: 1,
        };
        let limit = Duration::from_secs(20);
        let settings = ProgramSettings {
            first_reply: limit,
            reply: limit,
        };
        let mut program =
            Program::start(&format!("sh {}", file.display()), widths, settings).unwrap();
        let first = program.act(array![[0.0]].view(), &mut [ChaCha8Rng::seed_from_u64(0)]);
        assert_eq!(first.unwrap(), array![[0.5]]);
        program
    }

    fn logs(program: &Program) -> Result<Option<Array1<f64>>, PolicyError> {
        program.log_probabilities(array![[1.0], [2.0]].view(), array![[0.1], [0.2]].view())
    }

    #[test]
    fn programs_may_tell_how_probable_actions_are() {
        let told = r#"{"actions": [[0.5]], "log_probabilities": [-1]}"#;
        let program = answering(&[told, r#"{"log_probabilities": [-2.5, null]}"#]);
        let found = logs(&program).unwrap().unwrap();
        assert_eq!(found, array![-2.5, f64::NEG_INFINITY]);
        // A program that tells nothing is asked nothing.
        let silent = answering(&[r#"{"actions": [[0.5]]}"#]);
        assert_eq!(logs(&silent).unwrap(), None);
    }

    /// Fault: a failure was reported by the next action, and lost where there was none.
    #[test]
    fn a_failure_to_tell_is_an_error() {
        let told = r#"{"actions": [[0.5]], "log_probabilities": [-1]}"#;
        let program = answering(&[told, r#"{"log_probabilities": [-2.5]}"#]);
        let error = logs(&program).unwrap_err().to_string();
        assert!(
            error.contains("1 log probabilities for 2 actions"),
            "{error}"
        );
    }
}
