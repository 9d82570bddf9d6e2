//! Agents are trained, stopped, gone on with and judged from outside.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_statecast"));
    command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> (bool, String, String) {
    let output = program(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.success(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Evaluations without the column of seconds.
fn evaluations(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("evaluations.csv")).unwrap();
    let lines = text
        .lines()
        .map(|line| line.rsplit_once(',').unwrap().0.to_owned());
    lines.collect()
}

/// The reference: above -200 within 10,000 steps; here with a fifth of the evaluations.
#[test]
fn soft_actor_critic_swings_the_pendulum_up() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let (good, text, said) = run(&[
        "train",
        "pendulum",
        "--out",
        out,
        "--steps",
        "10000",
        "--evaluate-every",
        "2500",
        "--seed",
        "3",
    ]);
    assert!(good, "{said}");
    let last = evaluations(folder.path()).pop().unwrap();
    let mean: f64 = last.split(',').nth(1).unwrap().parse().unwrap();
    assert!(mean > -200.0, "{text}");

    // The best policy is one that evaluate takes.
    let policy = folder.path().join("best.safetensors");
    let logged = folder.path().join("logged.csv");
    let mut rows = "episode,obs_0,obs_1,obs_2,act_0,reward,next_0,next_1,next_2\n".to_owned();
    for row in 0..60 {
        let x = f64::from(row) / 60.0;
        rows += &format!("{},{x},{x},{x},{x},-1,{x},{x},{x}\n", row / 20);
    }
    std::fs::write(&logged, rows).unwrap();
    let (good, judged, said) = run(&[
        "evaluate",
        logged.to_str().unwrap(),
        "--env",
        "pendulum",
        "--policy",
        policy.to_str().unwrap(),
        "--estimators",
        "behaviour",
        "--simulate",
        "100",
        "--discount",
        "1",
    ]);
    assert!(good, "{said}");
    let truth = judged
        .lines()
        .nth(1)
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap();
    assert!(truth.parse::<f64>().unwrap() > -250.0, "{judged}");
}

#[test]
fn a_killed_run_goes_on_and_ends_like_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let (killed, whole) = (folder.path().join("killed"), folder.path().join("whole"));
    let arguments = |out: &'static str| {
        let mut all = vec![
            "train",
            "pendulum",
            "--steps",
            "3000",
            "--evaluate-every",
            "250",
        ];
        all.extend([
            "--learning-starts",
            "500",
            "--evaluation-episodes",
            "2",
            "--out",
            out,
        ]);
        all
    };
    let path = |path: &Path| -> &'static str {
        Box::leak(path.to_str().unwrap().to_owned().into_boxed_str())
    };
    let mut child = program(&arguments(path(&killed))).spawn().unwrap();
    let begin = Instant::now();
    // Killed at any moment behind the second checkpoint.
    while !killed.join("checkpoint-000000500.safetensors").exists() {
        assert!(begin.elapsed() < Duration::from_secs(60) && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (good, _, said) = run(&arguments(path(&killed)));
    assert!(good && said.contains("going on behind step"), "{said}");
    let (good, _, said) = run(&arguments(path(&whole)));
    assert!(good && !said.contains("going on"), "{said}");
    assert_eq!(evaluations(&killed), evaluations(&whole));
    let policy = |folder: &Path| std::fs::read(folder.join("last.safetensors")).unwrap();
    assert_eq!(policy(&killed), policy(&whole));

    // The same folder with another seed is another run.
    let mut other = arguments(path(&whole));
    other.extend(["--seed", "9"]);
    let (good, _, said) = run(&other);
    assert!(!good && said.contains("holds another run"), "{said}");
    assert!(said.contains("its seed is 1, not 9"), "{said}");
}

#[test]
fn what_cannot_be_trained_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let out = out.to_str().unwrap();
    let wrong: [(&[&str], &str); 4] = [
        (&["train", "cart-pole"], "choices for actions"),
        (&["train", "chess"], "pendulum"),
        (
            &["train", "pendulum", "--batch", "0"],
            "batch: must not be 0",
        ),
        (
            &["train", "pendulum", "--hidden", "100000"],
            "hidden is at most",
        ),
    ];
    for (given, expected) in wrong {
        let mut arguments = given.to_vec();
        arguments.extend(["--out", out]);
        let (good, _, said) = run(&arguments);
        assert!(!good && said.contains(expected), "{given:?}: {said}");
    }
}
