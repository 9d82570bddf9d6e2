//! Policies of other programs, which speak lines of JSON on their standard streams.
//!
//! For every step of a batch the program reads one line
//! `{"observations": [[…], …], "seeds": [3, …]}` and answers with one line
//! `{"actions": [[…], …]}`, a row for a row, or `{"error": "…"}`. A seed belongs to its row, so that a
//! program which draws from it gives results that can be repeated. The program ends when its input
//! does.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ndarray::{Array1, Array2, ArrayView2};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Policy, PolicyError, Widths};

/// Longest part of the program's standard error that an error repeats.
const MOST_SAID: usize = 400;

/// Longest line that is read.
const MOST_LINE: u64 = 64 << 20;

/// How long a program may take.
#[derive(Debug, Clone, Copy)]
pub struct ProgramSettings {
    /// For its first reply, while it loads what it needs.
    pub first_reply: Duration,
    /// For every other reply.
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

/// A program that acts.
///
/// ```no_run
/// use statecast::policy::{Policy, Program, ProgramSettings, Widths};
/// let widths = Widths { observations: 3, actions: 1 };
/// let policy = Program::start("python act.py", widths, ProgramSettings::default())?;
/// # Ok::<(), statecast::policy::PolicyError>(())
/// ```
pub struct Program {
    command: String,
    child: Child,
    widths: Widths,
    settings: ProgramSettings,
    /// Lines to write; `None` once the program is told to end.
    requests: Option<SyncSender<Vec<u8>>>,
    /// Lines that were read, or why none could be.
    replies: Receiver<std::io::Result<Vec<u8>>>,
    said: Arc<Mutex<Vec<u8>>>,
    answered: bool,
}

impl Program {
    /// Starts a program by its command line, words apart by spaces and quoted as in a shell, without a
    /// shell.
    ///
    /// # Errors
    /// [`PolicyError::Program`] if it does not start.
    pub fn start(
        command: &str,
        widths: Widths,
        settings: ProgramSettings,
    ) -> Result<Self, PolicyError> {
        let fail = |reason: String| PolicyError::Program {
            program: command.to_owned(),
            reason,
        };
        let words =
            shlex::split(command).ok_or_else(|| fail("a quote is not closed".to_owned()))?;
        let [program, arguments @ ..] = words.as_slice() else {
            return Err(fail("no command".to_owned()));
        };
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| fail(format!("does not start ({e})")))?;
        let (Some(mut input), Some(output), Some(mut errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(fail("has no standard streams".to_owned()));
        };
        let (requests, to_write) = mpsc::sync_channel::<Vec<u8>>(1);
        thread::spawn(move || {
            // A program that is gone is noticed where its reply is missing.
            while let Ok(line) = to_write.recv() {
                if input.write_all(&line).and_then(|()| input.flush()).is_err() {
                    break;
                }
            }
        });
        let (read, replies) = mpsc::sync_channel(1);
        thread::spawn(move || read_lines(output, &read));
        let said = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&said);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = errors.read(&mut buffer) {
                if let Ok(mut said) = keep.lock() {
                    said.extend_from_slice(&buffer[..count]);
                    let surplus = said.len().saturating_sub(MOST_SAID);
                    said.drain(..surplus);
                }
            }
        });
        Ok(Self {
            command: command.to_owned(),
            child,
            widths,
            settings,
            requests: Some(requests),
            replies,
            said,
            answered: false,
        })
    }

    fn fail(&mut self, reason: String) -> PolicyError {
        // It said why it ended just before it did.
        thread::sleep(Duration::from_millis(50));
        let said = self
            .said
            .lock()
            .map(|said| said.clone())
            .unwrap_or_default();
        let said = String::from_utf8_lossy(&said).trim().replace('\n', " | ");
        PolicyError::Program {
            program: self.command.clone(),
            reason: match said.is_empty() {
                true => reason,
                false => format!("{reason}; it said: {said}"),
            },
        }
    }

    fn ask(&mut self, line: Vec<u8>) -> Result<Vec<u8>, PolicyError> {
        let limit = match self.answered {
            true => self.settings.reply,
            false => self.settings.first_reply,
        };
        let sent = self.requests.as_ref().map(|requests| requests.send(line));
        if !matches!(sent, Some(Ok(()))) {
            return Err(self.ended());
        }
        match self.replies.recv_timeout(limit) {
            Ok(Ok(line)) if line.is_empty() => Err(self.ended()),
            Ok(Ok(line)) => {
                self.answered = true;
                Ok(line)
            }
            Ok(Err(error)) => Err(self.fail(format!("its reply cannot be read ({error})"))),
            Err(RecvTimeoutError::Disconnected) => Err(self.ended()),
            Err(RecvTimeoutError::Timeout) => {
                // Nothing can be done about a program that cannot be stopped.
                let _ = self.child.kill();
                Err(self.fail(format!("gave no reply within {} s", limit.as_secs_f64())))
            }
        }
    }

    fn ended(&mut self) -> PolicyError {
        let status = wait_for(&mut self.child, Duration::from_secs(1));
        let how = status.map_or("closed its output".to_owned(), |s| format!("ended ({s})"));
        self.fail(format!("{how} before it replied"))
    }

    fn actions(&mut self, reply: &[u8], rows: usize) -> Result<Array2<f64>, PolicyError> {
        let reply: Reply = match serde_json::from_slice(reply) {
            Ok(reply) => reply,
            Err(error) => {
                let start: String = String::from_utf8_lossy(reply).chars().take(60).collect();
                return Err(self.fail(format!("its reply is no JSON ({error}): {start}")));
            }
        };
        if let Some(error) = reply.error {
            return Err(self.fail(format!("it reports: {error}")));
        }
        let width = self.widths.actions;
        if reply.actions.len() != rows || reply.actions.iter().any(|row| row.len() != width) {
            let found = reply.actions.first().map_or(0, Vec::len);
            let count = reply.actions.len();
            return Err(self.fail(format!(
                "its reply has {count} actions of {found} numbers, not {rows} of {width}"
            )));
        }
        let actions = reply.actions.concat();
        match actions.iter().find(|a| !a.is_finite()) {
            Some(bad) => Err(self.fail(format!("its reply holds the action {bad}"))),
            None => Ok(Array2::from_shape_vec((rows, width), actions)
                .expect("every row was checked to have `width` numbers")),
        }
    }
}

/// Reads lines until there are none; an empty one stands for the end.
fn read_lines(output: impl Read, lines: &SyncSender<std::io::Result<Vec<u8>>>) {
    let mut output = BufReader::new(output);
    loop {
        let mut line = Vec::new();
        let read = output.by_ref().take(MOST_LINE).read_until(b'\n', &mut line);
        let read = match read {
            Ok(count) if count as u64 == MOST_LINE => Err(std::io::Error::other("it has no end")),
            Ok(_) => Ok(line),
            Err(error) => Err(error),
        };
        let last = !matches!(&read, Ok(line) if !line.is_empty());
        if lines.send(read).is_err() || last {
            return;
        }
    }
}

/// Waits for a program's end, at most so long.
fn wait_for(child: &mut Child, limit: Duration) -> Option<std::process::ExitStatus> {
    let begin = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if begin.elapsed() < limit => thread::sleep(Duration::from_millis(5)),
            _ => return None,
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
        let mut line = match serde_json::to_vec(&request) {
            Ok(line) => line,
            Err(error) => return Err(self.fail(format!("cannot be asked ({error})"))),
        };
        line.push(b'\n');
        let reply = self.ask(line)?;
        self.actions(&reply, observations.nrows())
    }

    fn log_probabilities(&self, _: ArrayView2<f64>, _: ArrayView2<f64>) -> Option<Array1<f64>> {
        None
    }
}

impl Drop for Program {
    /// Closes the program's input, and ends it if it does not end by itself.
    fn drop(&mut self) {
        self.requests = None;
        if wait_for(&mut self.child, Duration::from_millis(500)).is_none() {
            // It may have ended in between.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
