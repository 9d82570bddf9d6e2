//! Environments against what Gymnasium recorded: traces of states and rewards under given actions,
//! and the rewards and ends of whole recordings. Neither is part of the repository; without them
//! (`../shared/data`) these tests do nothing.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::ArrayView1;
use statecast::environment::{Task, named};
use statecast::recording::{MissingPolicy, Recording, RoleSelection, read};

fn shared(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/data")
        .join(folder);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}

/// A trace: the state it starts in, and one row per step with action, state and reward, and
/// whether the episode ended where the file has that column.
struct Trace {
    init: Vec<f64>,
    rows: Vec<Vec<f64>>,
}

fn numbers(line: &str) -> Vec<f64> {
    line.split(',').map(|cell| cell.parse().unwrap()).collect()
}

fn trace(path: &Path) -> Trace {
    let text = fs::read_to_string(path).unwrap();
    let init = text.lines().next().unwrap().strip_prefix("#init,").unwrap();
    Trace {
        init: numbers(init),
        rows: text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(numbers)
            .collect(),
    }
}

/// Replays a trace without correcting the state, on from where it is after the time limit. Hopper's
/// goes on after a fall, too: there from what was recorded, for a restored simulator lacks the
/// solver's warm start.
fn replay(file: &str, name: &str) {
    let Some(folder) = shared("traces") else {
        return;
    };
    let mut environment = named(name).unwrap();
    let Trace { init, rows } = trace(&folder.join(file));
    let width = environment.task().action.len();
    environment.restore(&init).unwrap();
    let mut worst: (f64, f64) = (0.0, 0.0);
    for (t, row) in rows.iter().enumerate() {
        let (action, rest) = row.split_at(width);
        let (state, rest) = rest.split_at(init.len());
        let step = environment.step(action).unwrap();
        for (found, expected) in environment.state().unwrap().iter().zip(state) {
            worst.0 = worst.0.max((found - expected).abs());
        }
        worst.1 = worst.1.max((step.reward - rest[0]).abs());
        assert!(
            worst.0 < 1e-9 && worst.1 < 1e-9,
            "{name}, step {t}: {worst:?}"
        );
        match rest[1..] {
            [] => {}
            [terminated] => assert_eq!(step.terminated, terminated == 1.0, "step {t}"),
            // Pendulum: no end, but the observation.
            _ => assert_eq!(step.observation, rest[1..], "step {t}"),
        }
        if step.terminated {
            environment.restore(state).unwrap();
        } else if step.truncated {
            let state = environment.state().unwrap();
            environment.restore(&state).unwrap();
        }
    }
    let (states, rewards) = worst;
    eprintln!(
        "{name}: {} steps, states within {states:e}, rewards within {rewards:e}",
        rows.len()
    );
}

#[test]
fn pendulum_follows_gymnasium() {
    replay("pendulum.csv", "Pendulum-v1");
}

#[test]
fn cart_pole_follows_gymnasium() {
    replay("cartpole.csv", "CartPole-v1");
}

#[test]
fn mountain_car_follows_gymnasium() {
    replay("mcc.csv", "MountainCarContinuous-v0");
}

/// Needs the models of MuJoCo's robots, too.
#[cfg(feature = "mujoco")]
#[test]
fn robots_follow_gymnasium() {
    if std::env::var_os("STATECAST_MUJOCO_MODELS").is_none() {
        eprintln!("skipped: STATECAST_MUJOCO_MODELS is not set");
        return;
    }
    replay("HalfCheetah-v5.csv", "HalfCheetah-v5");
    replay("Hopper-v5.csv", "Hopper-v5");
}

/// A recording's observations before its steps, or after them.
fn observations(path: &Path, which: &str) -> Recording {
    let selection = RoleSelection {
        state: vec![which.to_owned()],
        ..RoleSelection::default()
    };
    read(path, &selection, MissingPolicy::Error).unwrap().0
}

/// The recordings of a format with their tasks.
fn recordings(ending: &str) -> Vec<(PathBuf, &'static Task)> {
    let Some(folder) = shared("trajectories") else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let id = path.file_name().unwrap().to_str().unwrap();
            let task = Task::named(id.split("__").next().unwrap()).unwrap();
            (path, task)
        })
        .collect()
}

/// Holds the known functions of a recording's task to its rows; the largest difference of a reward
/// and the number of ends. Ends are compared where the numbers are written in full, for what has
/// six digits may lie on the other side of a limit.
fn compare(path: &Path, task: &Task, [before, after]: [&str; 2], ends: bool) -> (f64, usize) {
    let (before, after) = (observations(path, before), observations(path, after));
    let (mut worst, mut count): (f64, usize) = (0.0, 0);
    for (now, next) in before.episodes().iter().zip(after.episodes()) {
        assert_eq!(now.states().ncols(), task.observation.len());
        assert_eq!(now.actions().ncols(), task.action.len());
        for t in 0..now.rows() {
            let row = next.states().row(t).to_vec();
            if ends {
                let ended = task.ends(&row);
                assert_eq!(ended, now.terminated()[t], "{}: {row:?}", path.display());
                count += usize::from(ended);
            }
            let Some(reward) = &task.reward else {
                continue;
            };
            let found = reward.of_step(
                &now.states().row(t).to_vec(),
                &now.actions().row(t).to_vec(),
                &row,
            );
            worst = worst.max((found - now.rewards().unwrap()[t]).abs());
        }
    }
    (worst, count)
}

#[test]
fn known_functions_agree_with_full_recordings() {
    for (path, task) in recordings("npz") {
        let (worst, ends) = compare(&path, task, ["obs", "next_obs"], true);
        assert!(worst < 1e-5, "{}: {worst}", path.display());
        let rewards = match &task.reward {
            Some(_) => format!("rewards within {worst:e}"),
            None => "rewards unknown".to_owned(),
        };
        eprintln!("{}: {rewards}, {ends} ends", path.display());
    }
}

#[test]
fn known_rewards_agree_with_recordings_of_six_digits() {
    for (path, task) in recordings("csv") {
        let (worst, _) = compare(&path, task, ["obs_*", "next_*"], false);
        assert!(worst < 1e-4, "{}: {worst}", path.display());
    }
}

/// Steps through the first episodes of a recording from their exact starts, which ends each where
/// the recording says and shows and pays the same in 32 bits.
fn replay_recording(path: &Path, name: &str) {
    let mut environment = named(name).unwrap();
    let starts = observations(path, "initial_state");
    let starts = starts.episodes()[0].states();
    let [before, after] = ["obs", "next_obs"].map(|which| observations(path, which));
    let rows = before.episodes().iter().zip(after.episodes()).take(5);
    for (start, (now, next)) in starts.rows().into_iter().zip(rows) {
        let first = environment.restore(&start.to_vec()).unwrap();
        assert_close(&first, now.states().row(0), path);
        for t in 0..now.rows() {
            let step = environment.step(&now.actions().row(t).to_vec()).unwrap();
            assert_close(&step.observation, next.states().row(t), path);
            let reward = now.rewards().unwrap()[t];
            assert!((step.reward - reward).abs() < 1e-5, "{}", path.display());
            assert_eq!(step.terminated, now.terminated()[t], "{}", path.display());
            assert_eq!(step.truncated, now.truncated()[t], "{}", path.display());
        }
    }
}

fn assert_close(found: &[f64], expected: ArrayView1<f64>, path: &Path) {
    for (found, expected) in found.iter().zip(expected) {
        let scale = expected.abs().max(1.0);
        assert!(
            (found - expected).abs() < 1e-6 * scale,
            "{}",
            path.display()
        );
    }
}

#[test]
fn recorded_episodes_replay() {
    for (path, task) in recordings("npz") {
        match named(task.name) {
            Ok(_) => replay_recording(&path, task.name),
            Err(error) => eprintln!("skipped: {error}"),
        }
    }
}

/// The columns of our recordings are named as the tasks name them.
#[test]
fn quantities_are_called_as_in_recordings() {
    for (path, task) in recordings("csv") {
        let recording = observations(&path, "obs_*");
        let names = |columns: &[String], prefix: &str| -> Vec<String> {
            let bare = |name: &String| name.strip_prefix(prefix).unwrap().to_owned();
            columns.iter().map(bare).collect()
        };
        let stated: Vec<&str> = task.observation.iter().map(|column| column.name).collect();
        assert_eq!(names(recording.state_names(), "obs_"), stated);
        let stated: Vec<&str> = task.action.iter().map(|column| column.name).collect();
        assert_eq!(names(recording.action_names(), "act_"), stated);
    }
}
