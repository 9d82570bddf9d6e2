//! Environments of external programs, with lines of JSON on the standard streams.
//!
//! The program answers every line with one line, or with `{"error": "…"}`:
//!
//! | request | reply |
//! |---|---|
//! | `{"request": "describe"}` | a [`TaskDescription`] |
//! | `{"request": "reset", "seed": 7}` | `{"observation": […]}` |
//! | `{"request": "step", "action": […]}` | `{"observation": […], "reward": 0.5, "terminated": false, "truncated": false}` |
//!
//! It exits at the end of its input.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{ActionSpace, Environment, EnvironmentError, StepResult, Task, TaskDescription};
use crate::pipe::{Pipe, PipeError};

/// Limits of the first reply, which includes loading, and of every other.
const LIMITS: [Duration; 2] = [Duration::from_secs(120), Duration::from_secs(60)];

/// An environment program.
pub(super) struct ProgramEnvironment {
    pipe: Pipe,
    task: Task,
    /// Steps until the time limit; `None` while no episode runs.
    left: Option<usize>,
}

#[derive(Deserialize)]
struct ResetReply {
    observation: Vec<f64>,
}

#[derive(Deserialize)]
struct StepReply {
    observation: Vec<f64>,
    reward: f64,
    #[serde(default)]
    terminated: bool,
    #[serde(default)]
    truncated: bool,
}

impl ProgramEnvironment {
    /// Starts a program by its command line, split and quoted as in a shell, but without a shell, and asks what it simulates.
    pub(super) fn start(command: &str) -> Result<Self, EnvironmentError> {
        Self::start_within(command, LIMITS)
    }

    fn start_within(command: &str, limits: [Duration; 2]) -> Result<Self, EnvironmentError> {
        let mut pipe = Pipe::start(command, limits).map_err(failed)?;
        let description: TaskDescription = ask(&mut pipe, &json!({"request": "describe"}))?;
        let task = description
            .task()
            .map_err(|error| failed(pipe.fail(format!("it describes itself wrongly: {error}"))))?;
        Ok(Self {
            pipe,
            task,
            left: None,
        })
    }

    fn checked(&mut self, observation: Vec<f64>) -> Result<Vec<f64>, EnvironmentError> {
        let expected = self.task.observation.len();
        match observation.len() == expected {
            true => Ok(observation),
            false => Err(failed(self.pipe.fail(format!(
                "it observes {} numbers, not {expected}",
                observation.len()
            )))),
        }
    }
}

/// Sends a request and reads its answer. JSON has no NaN and no infinite numbers, so that there are none in it.
fn ask<T: DeserializeOwned>(
    pipe: &mut Pipe,
    request: &serde_json::Value,
) -> Result<T, EnvironmentError> {
    let reply: serde_json::Value = pipe.ask(request).map_err(failed)?;
    if let Some(error) = reply.get("error").filter(|error| !error.is_null()) {
        let error = error.as_str().map_or(error.to_string(), str::to_owned);
        return Err(failed(pipe.fail(format!("it reports: {error}"))));
    }
    serde_json::from_value(reply).map_err(|error| {
        let request = request["request"].as_str().unwrap_or_default();
        failed(pipe.fail(format!(
            "its reply to {request} breaks the protocol: {error}"
        )))
    })
}

impl Environment for ProgramEnvironment {
    fn task(&self) -> &Task {
        &self.task
    }

    fn reset(&mut self, seed: u64) -> Result<Vec<f64>, EnvironmentError> {
        self.left = None;
        let request = json!({"request": "reset", "seed": seed});
        let reply: ResetReply = ask(&mut self.pipe, &request)?;
        let observation = self.checked(reply.observation)?;
        self.left = Some(self.task.time_limit);
        Ok(observation)
    }

    fn state(&self) -> Result<Vec<f64>, EnvironmentError> {
        Err(EnvironmentError::NoState {
            task: self.task.name,
        })
    }

    fn restore(&mut self, _state: &[f64]) -> Result<Vec<f64>, EnvironmentError> {
        Err(EnvironmentError::NoState {
            task: self.task.name,
        })
    }

    fn step(&mut self, action: &[f64]) -> Result<StepResult, EnvironmentError> {
        self.task.check_action(action)?;
        let Some(left) = self.left else {
            return Err(EnvironmentError::NotRunning {
                task: self.task.name,
            });
        };
        let mut action = action.to_vec();
        if let ActionSpace::Box { low, high } = self.task.action_space {
            let limits = low.iter().zip(high);
            for (action, (low, high)) in action.iter_mut().zip(limits) {
                *action = action.clamp(*low, *high);
            }
        }
        // An error leaves the program in an unknown state.
        self.left = None;
        let request = json!({"request": "step", "action": action});
        let reply: StepReply = ask(&mut self.pipe, &request)?;
        let step = StepResult {
            observation: self.checked(reply.observation)?,
            reward: reply.reward,
            terminated: reply.terminated,
            truncated: reply.truncated || left == 1,
        };
        self.left = (!step.terminated && !step.truncated).then_some(left - 1);
        Ok(step)
    }
}

fn failed(error: PipeError) -> EnvironmentError {
    EnvironmentError::Program {
        program: error.program,
        reason: error.reason,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::time::Instant;

    use super::*;

    const DESCRIPTION: &str = r#"{"name": "tank", "observations": [{"name": "level"}], "actions": [{"name": "valve", "low": 0, "high": 1}], "time_limit": 3}"#;

    /// A shell's program that answers these lines one after another, then runs `last`.
    fn answering(replies: &[&str], last: &str) -> Result<ProgramEnvironment, EnvironmentError> {
        let replies = replies
            .iter()
            .map(|reply| format!("read -r line; echo '{reply}'\n"));
        let script = format!("{}{last}\n", replies.collect::<String>());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tank.sh");
        std::fs::write(&file, script).unwrap();
        let command = format!("sh {}", file.display());
        let limits = [Duration::from_secs(5), Duration::from_secs(2)];
        // The shell has opened its script once it has answered.
        ProgramEnvironment::start_within(&command, limits)
    }

    #[test]
    fn actions_are_clipped_and_episodes_end_at_the_time_limit() {
        let step = r#"{"observation": [2], "reward": 0.5}"#;
        let mut tank = answering(
            &[DESCRIPTION, r#"{"observation": [1.5]}"#, step, step, step],
            "cat >/dev/null",
        )
        .unwrap();
        assert!(matches!(
            tank.step(&[0.5]),
            Err(EnvironmentError::NotRunning { .. })
        ));
        assert_eq!(tank.reset(7).unwrap(), [1.5]);
        for left in [2, 1, 0] {
            let found = tank.step(&[5.0]).unwrap();
            assert_eq!((found.reward, found.truncated), (0.5, left == 0));
        }
        assert!(matches!(
            tank.step(&[0.5]),
            Err(EnvironmentError::NotRunning { .. })
        ));
        assert!(matches!(
            tank.state(),
            Err(EnvironmentError::NoState { .. })
        ));
    }

    /// Whatever a program does is an error in bounded time that names it and what it said.
    #[test]
    fn hostile_programs_are_errors() {
        let reset = r#"{"observation": [1.5]}"#;
        let cases: [(&[&str], &str, &str); 12] = [
            (&[], "exit 3", "ended (exit status: 3)"),
            (&[], "echo broken >&2; exit 1", "it said: broken"),
            (&["hello"], "", "is no JSON"),
            (&["[1, 2]"], "", "reply to describe breaks the protocol"),
            (
                &[r#"{"error": "no such thing"}"#],
                "",
                "it reports: no such thing",
            ),
            (&[r#"{"error": {"a": 1}}"#], "", r#"it reports: {"a":1}"#),
            (
                &[&DESCRIPTION.replace('3', "0")],
                "",
                "describes itself wrongly",
            ),
            (
                &[DESCRIPTION],
                "read -r line; sleep 60",
                "gave no reply within 2 s",
            ),
            (
                &[DESCRIPTION, r#"{"observation": [1, 2]}"#],
                "",
                "it observes 2 numbers, not 1",
            ),
            (
                &[DESCRIPTION, r#"{"observation": [NaN]}"#],
                "",
                "is no JSON",
            ),
            (
                &[DESCRIPTION, r#"{"observation": [1e999]}"#],
                "",
                "out of range",
            ),
            (
                &[
                    DESCRIPTION,
                    reset,
                    r#"{"observation": [1], "reward": null}"#,
                ],
                "",
                "expected f64",
            ),
        ];
        for (replies, last, says) in cases {
            let begin = Instant::now();
            let made = answering(replies, last);
            let error = made.and_then(|mut tank| {
                tank.reset(1)?;
                tank.step(&[0.5]).map(|_| ())
            });
            let error = error.unwrap_err().to_string();
            assert!(error.starts_with("environment program 'sh "), "{error}");
            assert!(error.contains(says), "{says}: {error}");
            assert!(begin.elapsed() < Duration::from_secs(8), "{says}");
        }
    }

    /// A line without an end is not read for ever, and a program in the middle of it is ended.
    #[test]
    fn an_endless_line_is_an_error() {
        let error = answering(&[], "yes | tr -d '\\n'")
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("it has no end") || error.contains("no reply within"),
            "{error}"
        );
    }

    /// After an error nothing is known of the episode.
    #[test]
    fn an_error_ends_the_episode() {
        let reset = r#"{"observation": [1.5]}"#;
        let mut tank = answering(
            &[DESCRIPTION, reset, r#"{"error": "jammed"}"#, reset],
            "cat",
        )
        .unwrap();
        tank.reset(0).unwrap();
        assert!(
            tank.step(&[0.1])
                .unwrap_err()
                .to_string()
                .contains("jammed")
        );
        assert!(matches!(
            tank.step(&[0.1]),
            Err(EnvironmentError::NotRunning { .. })
        ));
        tank.reset(0).unwrap();
    }
}
