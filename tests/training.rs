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

/// A short run: 600 steps, small networks and batches, the first updates after an episode.
const SHORT: &str = "--steps 600 --learning-starts 200 --evaluate-every 200 --evaluation-episodes 2 --hidden 16 --batch 32";

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
fn a_killed_run_resumes_and_equals_an_uninterrupted_one() {
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
    // Killed at any moment after the second checkpoint.
    while !killed.join("checkpoint-000000500.safetensors").exists() {
        assert!(begin.elapsed() < Duration::from_secs(60) && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (good, _, said) = run(&arguments(path(&killed)));
    assert!(good && said.contains("resuming after step"), "{said}");
    let (good, _, said) = run(&arguments(path(&whole)));
    assert!(good && !said.contains("resuming"), "{said}");
    assert_eq!(evaluations(&killed), evaluations(&whole));
    let policy = |folder: &Path| std::fs::read(folder.join("last.safetensors")).unwrap();
    assert_eq!(policy(&killed), policy(&whole));

    // Neither with fewer steps, nor while another process trains there.
    let fewer: Vec<&str> = arguments(path(&whole))
        .iter()
        .map(|&word| if word == "3000" { "1000" } else { word })
        .collect();
    let (good, _, said) = run(&fewer);
    assert!(
        !good && said.contains("it has 3000 steps, not 1000"),
        "{said}"
    );
    let lock = std::fs::File::create(whole.join("lock")).unwrap();
    lock.try_lock().unwrap();
    let (good, _, said) = run(&arguments(path(&whole)));
    assert!(
        !good && said.contains("another process trains here"),
        "{said}"
    );
    drop(lock);

    // The same folder with another seed is another run.
    let mut other = arguments(path(&whole));
    other.extend(["--seed", "9"]);
    let (good, _, said) = run(&other);
    assert!(!good && said.contains("holds another run"), "{said}");
    assert!(said.contains("its seed is 1, not 9"), "{said}");
}

#[test]
fn invalid_training_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let out = out.to_str().unwrap();
    let wrong: [(&[&str], &str); 4] = [
        (&["train", "cart-pole"], "discrete actions"),
        (&["train", "chess"], "pendulum"),
        (
            &["train", "pendulum", "--batch", "0"],
            "batch: must not be 0",
        ),
        (
            &["train", "pendulum", "--hidden", "100000"],
            "--hidden 100000: at most 4096",
        ),
    ];
    for (given, expected) in wrong {
        let mut arguments = given.to_vec();
        arguments.extend(["--out", out]);
        let (good, _, said) = run(&arguments);
        assert!(!good && said.contains(expected), "{given:?}: {said}");
    }
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// Former names of flags and values are read.
#[test]
fn former_flags_train_the_same_run() {
    let folder = tempfile::tempdir().unwrap();
    let train = |name: &str, flags: &str| {
        let out = folder.path().join(name);
        let mut arguments = words("train pendulum --algorithm dicl-sac --experts ar");
        arguments.extend(words(SHORT));
        arguments.extend(words(flags));
        arguments.extend(["--out", out.to_str().unwrap()]);
        let (good, _, said) = run(&arguments);
        assert!(good, "{said}");
        evaluations(&out)
    };
    let new = train(
        "new",
        "--llm-starts 250 --tau 0.02 --policy-frequency 3 --segments 2 --min-context 30 --weighting low-variance-half \
         --actions recorded",
    );
    let former = train(
        "former",
        "--llm-starts 250 --follow 0.02 --actor-every 3 --stretches 2 --shortest-context 30 --trust surer-half \
         --actions taken",
    );
    assert_eq!(new, former);
}

/// The bundled model reads whole episodes, as many rows as Pendulum has.
#[test]
fn the_bundled_model_imagines_transitions() {
    let folder = tempfile::tempdir().unwrap();
    let train = |name: &str, flags: &str| {
        let out = folder.path().join(name);
        let mut arguments = words("train pendulum");
        arguments.extend(words(SHORT));
        arguments.extend(words(flags));
        arguments.extend(["--out", out.to_str().unwrap()]);
        let (good, _, said) = run(&arguments);
        assert!(good, "{said}");
        evaluations(&out)
    };
    let plain = train("plain", "--algorithm sac");
    let augmented = "--algorithm dicl-sac --llm-every 100 --llm-starts 200";
    let alone = train("alone", augmented);
    let mixed = train("mixed", &format!("{augmented} --method dicl-s"));
    // The same until updates are made with what was imagined.
    assert_eq!(plain[1], alone[1]);
    assert!(plain[3] != alone[3] && alone[3] != mixed[3]);
    assert_eq!(train("again", augmented), alone);
}

#[test]
fn training_arms_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (out, table, page) = (path("runs"), path("learning.csv"), path("learning.html"));
    let mut arguments =
        words("train compare --env pendulum --algorithms sac --controls --seeds 2 --steps 600");
    let every = SHORT.replace("--steps 600", "");
    arguments.extend([
        "--every-arm",
        &every,
        "--augmented",
        "--llm-every 100 --context 100",
    ]);
    arguments.extend([
        "--arm",
        "paths=--algorithm dicl-sac --control truth --rollout 2 --alpha 0.5",
    ]);
    arguments.extend(["--out", &out, "--output", &table, "--report", &page]);
    let (good, text, said) = run(&arguments);
    assert!(good, "{said}");
    let arms = ["sac", "paths", "linear", "persistence", "truth", "replay"];
    for (line, arm) in text.lines().skip(1).zip(arms) {
        assert!(line.starts_with(arm), "{text}");
    }
    let rows = std::fs::read_to_string(&table).unwrap();
    assert_eq!(rows.lines().count(), 1 + 6 * 2 * 3, "{rows}");
    let manifest = std::fs::read_to_string(path("learning.manifest.json")).unwrap();
    assert!(
        manifest.contains("--control truth --rollout 2 --alpha 0.5 --llm-every 100"),
        "{manifest}"
    );
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.contains("<svg") && html.contains("paths") && !html.contains("src="));
    let run_folder = folder.path().join("runs/truth/seed-2");
    let events = std::fs::read(run_folder.join("events.out.tfevents.statecast")).unwrap();
    let holds = |text: &str| {
        events
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    assert!(holds("evaluation/return"));

    // All arms begin alike, and what is there is not trained again.
    let first =
        |arm: &str| evaluations(&folder.path().join("runs").join(arm).join("seed-1"))[1].clone();
    assert!(arms.iter().all(|arm| first(arm) == first("sac")));
    let begin = Instant::now();
    let (good, again, _) = run(&arguments);
    assert!(good && again == text && begin.elapsed() < Duration::from_secs(20));
}

#[test]
fn invalid_comparisons_and_augmentations_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let out = out.to_str().unwrap();
    let compare = |rest: &[&'static str]| {
        let mut arguments = words("train compare --env pendulum");
        arguments.extend(rest);
        arguments
    };
    let single = |rest: &'static str| {
        let mut arguments = words("train pendulum");
        arguments.extend(words(rest));
        arguments
    };
    let wrong = [
        (compare(&[]), "--algorithms or --arm"),
        (compare(&["--arm", "../x=--algorithm sac"]), "NAME=FLAGS"),
        (compare(&["--arm", "x=--algorithm sacc"]), "arm x"),
        (compare(&["--arm", "x=--batch 0"]), "batch: must not be 0"),
        (compare(&["--arm", "x=--batch '3"]), "quote"),
        (
            compare(&["--algorithms", "sac", "--arm", "sac=--batch 3"]),
            "two arms",
        ),
        (
            compare(&["--algorithms", "sac", "--seeds", "0"]),
            "--seeds 0",
        ),
        (single("--alpha 0.1"), "--algorithm dicl-sac"),
        (single("--algorithm dicl-sac --alpha 11"), "alpha"),
        (
            single("--algorithm dicl-sac --method vicl --context 9000"),
            "window is shorter",
        ),
        (
            single("--algorithm dicl-sac --experts linear --actions policy"),
            "--rollout 1",
        ),
        (
            single("--algorithm dicl-sac --model nowhere/at/all.gguf"),
            "nowhere",
        ),
        (single("--discount 1.5"), "discount"),
        (single("--method dicl-s"), "--algorithm dicl-sac"),
        (
            single("--algorithm dicl-sac --method vicl --rollout 3"),
            "does not see actions",
        ),
        (
            single("--algorithm dicl-sac --control truth --experts linear"),
            "give no --model",
        ),
        (
            single("--algorithm dicl-sac --control replay --trust weighted"),
            "real transitions",
        ),
        (
            single("--algorithm dicl-sac --batch 9223372036854775808 --alpha 1"),
            "at most 65536",
        ),
    ];
    for (given, expected) in wrong {
        let mut arguments = given;
        arguments.extend(["--out", out]);
        let (good, _, said) = run(&arguments);
        assert!(!good && said.contains(expected), "{arguments:?}: {said}");
    }
    let (good, _, said) = run(&["train", "mountain-car", "--preset", "paper", "--out", out]);
    assert!(
        !good && said.contains("no settings for mountain-car"),
        "{said}"
    );
}

/// An agent learns from a recording alone, and its policy is chosen without the simulator.
#[test]
fn recordings_alone_train_an_agent() {
    let folder = tempfile::tempdir().unwrap();
    let logged = folder.path().join("logged.csv");
    let mut rows = "episode,obs_0,obs_1,obs_2,act_0,reward,next_0,next_1,next_2\n".to_owned();
    for row in 0..60 {
        let x = f64::from(row) / 60.0;
        rows += &format!("{},{x},{x},{x},{x},-1,{x},{x},{x}\n", row / 20);
    }
    std::fs::write(&logged, rows).unwrap();
    let out = folder.path().join("run");
    let (logged, run_folder) = (logged.to_str().unwrap(), out.to_str().unwrap());
    let short = "--steps 40 --evaluate-every 20 --evaluation-episodes 0 --hidden 8 --batch 8";
    let flags = |algorithm: &'static str| -> Vec<&str> {
        ["train", "pendulum", "--out", run_folder, "--algorithm"]
            .into_iter()
            .chain([algorithm])
            .chain(short.split(' '))
            .collect()
    };
    let (good, _, said) = run(&flags("td3-bc"));
    assert!(!good && said.contains("--offline"), "{said}");
    let offline = [
        flags("td3-bc"),
        vec!["--offline", logged, "--candidates", "1"],
    ]
    .concat();
    let (good, text, said) = run(&offline);
    assert!(good, "{said}");
    assert!(!text.contains("NaN") && text.contains("chosen: "), "{text}");
    assert!(out.join("chosen.safetensors").exists());
    assert!(out.join("policy-000000040.safetensors").exists());
    let (good, _, said) = run(&[offline.clone(), vec!["--state-weight", "3"]].concat());
    assert!(!good && said.contains("needs --algorithm prdc"), "{said}");
    // Another algorithm is another run.
    let nearest = [
        flags("prdc"),
        vec!["--offline", logged, "--candidates", "0"],
    ]
    .concat();
    let (good, _, said) = run(&nearest);
    assert!(
        !good && said.contains("its algorithm is td3-bc, not prdc"),
        "{said}"
    );
    let folder_of_nearest = folder.path().join("nearest");
    let elsewhere = [
        "--out",
        folder_of_nearest.to_str().unwrap(),
        "--state-weight",
        "3",
    ];
    let nearest: Vec<&str> = nearest
        .iter()
        .copied()
        .filter(|&flag| flag != "--out" && flag != run_folder)
        .chain(elsewhere)
        .collect();
    let (good, _, said) = run(&nearest);
    assert!(good, "{said}");
    // Another recording is another run.
    let renamed = folder.path().join("renamed.csv");
    std::fs::copy(logged, &renamed).unwrap();
    let other = [
        flags("td3-bc"),
        vec!["--offline", renamed.to_str().unwrap()],
    ]
    .concat();
    let (good, _, said) = run(&other);
    assert!(!good && said.contains("holds another run"), "{said}");
    let (good, _, said) = run(&[offline.clone(), vec!["--learning-starts", "5"]].concat());
    assert!(
        !good && said.contains("--learning-starts: there are no steps"),
        "{said}"
    );
    // Fault: recordings were known by their name and length.
    let changed = std::fs::read_to_string(logged)
        .unwrap()
        .replacen(",-1,", ",-2,", 1);
    std::fs::write(logged, changed).unwrap();
    let (good, _, said) = run(&offline);
    assert!(!good && said.contains("holds another run"), "{said}");
}
