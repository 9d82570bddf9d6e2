//! Systems that are not built in: environments of programs, rewards and ends by expression.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use statecast::Recording;
use statecast::environment::{EnvironmentSource, RewardRule};
use statecast::evaluation::{EvaluationError, Logged, Rules};
use tempfile::TempDir;

/// `command:` of the point mass, or none without Python.
fn point() -> Option<String> {
    let python = Command::new("python3")
        .arg("-c")
        .arg("")
        .stderr(Stdio::null())
        .status();
    if !python.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no python3");
        return None;
    }
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/programs/point.py");
    Some(format!("command:python3 '{}'", program.display()))
}

fn program(arguments: &[&str]) -> Result<String, String> {
    let program = env!("CARGO_BIN_EXE_statecast");
    let run = Command::new(program).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    match run.status.success() {
        true => Ok(text(run.stdout)),
        false => Err(text(run.stderr)),
    }
}

struct Recorded {
    folder: TempDir,
    file: String,
}

impl Recorded {
    /// Random episodes.
    fn of(environment: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("random.csv").display().to_string();
        let made = program(&[
            "simulate",
            environment,
            "--episodes",
            "8",
            "--seed",
            "5",
            "--out",
            &file,
        ]);
        assert!(made.unwrap().starts_with("8 episodes of "));
        Self { folder, file }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

/// Numbers of a CSV file's column.
fn column(file: &str, name: &str) -> Vec<f64> {
    let table = std::fs::read_to_string(file).unwrap();
    let mut rows = table
        .lines()
        .map(|line| line.split(',').collect::<Vec<_>>());
    let place = rows.next().unwrap().iter().position(|known| *known == name);
    let place = place.unwrap_or_else(|| panic!("no column {name}"));
    rows.map(|row| row[place].parse().unwrap()).collect()
}

#[test]
fn programs_are_recorded_as_tasks_are() {
    let Some(point) = point() else { return };
    let recorded = Recorded::of(&point);
    let again = Recorded::of(&point);
    let read = |of: &Recorded| std::fs::read_to_string(&of.file).unwrap();
    assert_eq!(read(&recorded), read(&again));
    let (x, v) = (
        column(&recorded.file, "obs_x"),
        column(&recorded.file, "obs_v"),
    );
    for (t, next) in column(&recorded.file, "next_obs_x").into_iter().enumerate() {
        assert!((next - x[t] - 0.1 * v[t]).abs() < 1e-12);
    }
    assert_eq!(x.len(), 8 * 40);
    assert_eq!(column(&recorded.file, "truncated").iter().sum::<f64>(), 8.0);
}

#[test]
fn a_program_is_controlled_by_plans() {
    let Some(point) = point() else { return };
    let (recorded, quick) = (
        Recorded::of(&point),
        ["--experts", "quadratic", "--candidates", "32"],
    );
    let out = recorded.path("out.csv");
    let mut control = vec![
        "control",
        "--env",
        &point,
        "--context",
        &recorded.file,
        "--out",
        &out,
    ];
    control.extend(quick);
    // The program does not say what its reward is a function of: it is predicted, which a linear model cannot.
    program(&control).unwrap();
    let earned: f64 = column(&out, "reward").iter().sum();
    // From the same start without a force.
    let still = recorded.path("still.csv");
    program(&[
        "simulate",
        &point,
        "--policy",
        "constant:0",
        "--episodes",
        "1",
        "--out",
        &still,
    ])
    .unwrap();
    let idle: f64 = column(&still, "reward").iter().sum();
    assert_eq!(column(&still, "obs_x")[0], column(&out, "obs_x")[0]);
    assert!(earned > idle + 1.0, "{earned} {idle}");
    // Another wish than the program's.
    control.extend(["--reward-expr", "-(next_x - 0.8)^2 - next_v^2"]);
    let said = program(&control).unwrap();
    let last = *column(&out, "next_obs_x").last().unwrap();
    assert!((last - 0.8).abs() < 0.1, "{last}: {said}");
    let (next_x, next_v) = (column(&out, "next_obs_x"), column(&out, "next_obs_v"));
    for (t, reward) in column(&out, "reward").into_iter().enumerate() {
        let expected = -(next_x[t] - 0.8).powi(2) - next_v[t].powi(2);
        assert!((reward - expected).abs() < 1e-9);
    }
    let wrong = ["--reward-expr", "-height^2"];
    let error = program(&[&control[..7], &wrong].concat()).unwrap_err();
    assert!(
        error.contains("no variable 'height'; there are x, v, u, next_x, next_v"),
        "{error}"
    );
}

#[test]
fn policies_are_evaluated_in_a_program() {
    let Some(point) = point() else { return };
    let recorded = Recorded::of(&point);
    let table = recorded.path("values.csv");
    let said = program(&[
        "evaluate",
        &recorded.file,
        "--env",
        &point,
        "--policy",
        "push=constant:0.5",
        "--policy",
        "still=constant:0",
        "--reward-expr",
        "-abs(x)",
        "--terminated-expr",
        "abs(x) > 2",
        "--estimators",
        "linear,behaviour",
        "--simulate",
        "20",
        "--discount",
        "1",
        "--horizon",
        "30",
        "--output",
        &table,
    ]);
    said.unwrap();
    let text = std::fs::read_to_string(&table).unwrap();
    let value = |policy: &str, estimator: &str| -> f64 {
        let row = text
            .lines()
            .find(|line| line.starts_with(&format!("{policy},{estimator},")));
        row.unwrap_or_else(|| panic!("{text}"))
            .split(',')
            .nth(2)
            .unwrap()
            .parse()
            .unwrap()
    };
    assert!(
        value("push", "linear") < value("still", "linear") - 2.0,
        "{text}"
    );
    let manifest = std::fs::read_to_string(recorded.path("values.manifest.json")).unwrap();
    assert!(manifest.contains("\"reward\": \"-abs(x)\""), "{manifest}");
}

/// Soft actor-critic learns nothing in so few steps: it runs, goes on where it was, and imagines.
#[test]
fn agents_are_trained_in_a_program() {
    let Some(point) = point() else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run").display().to_string();
    let train = |steps: &str, more: &[&str]| {
        let mut arguments = vec![
            "train",
            &point,
            "--steps",
            steps,
            "--out",
            &out,
            "--learning-starts",
            "40",
            "--batch",
            "8",
            "--hidden",
            "8",
            "--evaluate-every",
            "60",
            "--evaluation-episodes",
            "2",
        ];
        arguments.extend(more);
        program(&arguments)
    };
    let imagining = [
        "--algorithm",
        "dicl-sac",
        "--experts",
        "linear",
        "--actions",
        "policy",
        "--rollout",
        "2",
        "--llm-every",
        "10",
    ];
    let one_step = [&imagining[..6], &imagining[8..]].concat();
    let error = train("60", &one_step).unwrap_err();
    assert!(
        error.contains("no reward function; give one with --reward-expr"),
        "{error}"
    );
    let error = train("60", &imagining).unwrap_err();
    assert!(error.contains("--terminated-expr"), "{error}");
    let with_end = [&imagining[..], &["--terminated-expr", "abs(x) > 3"]].concat();
    assert!(train("60", &with_end).unwrap().contains("step       60"));
    std::fs::remove_dir_all(&out).unwrap();
    let with_rules = [&with_end[..], &["--reward-expr", "-x^2 - 0.01*u^2"]].concat();
    assert!(train("60", &with_rules).unwrap().contains("step       60"));
    assert!(train("120", &with_rules).unwrap().contains("step      120"));
}

/// The program in `docs/environments.md` is one, with a reward that plans know.
#[test]
fn the_program_of_the_page_runs() {
    if point().is_none() {
        return;
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/environments.md")).unwrap();
    let code = page
        .split("```python\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tank.py");
    std::fs::write(&file, code.unwrap()).unwrap();
    let tank = format!("command:python3 '{}'", file.display());
    let recorded = Recorded::of(&tank);
    let out = recorded.path("out.csv");
    program(&[
        "control",
        "--env",
        &tank,
        "--context",
        &recorded.file,
        "--experts",
        "linear",
        "--candidates",
        "16",
        "--steps",
        "60",
        "--out",
        &out,
    ])
    .unwrap();
    let last = *column(&out, "next_obs_level").last().unwrap();
    assert!((last - 1.0).abs() < 0.05, "{last}");
}

/// What recordings say of rewards and ends is computed anew by expressions.
#[test]
fn expressions_replace_recorded_rewards_and_ends() {
    let recording = Recording::read("examples/pendulum.csv").unwrap();
    let recordings = [recording.clone()];
    let rules = |reward: Option<&str>, terminated: Option<&str>| {
        let reward = reward.map(|text| text.parse().unwrap());
        let terminated = terminated.map(|text| text.parse().unwrap());
        Rules::default().with(reward.as_ref(), terminated.as_ref(), &recordings)
    };
    let recorded = Logged::new(&recordings, &Rules::default()).unwrap();
    let speed = rules(Some("2 * theta_dot"), Some("obs_cos_theta > 0.5")).unwrap();
    let replaced = Logged::new(&recordings, &speed).unwrap();
    assert_eq!(recorded.runs.len(), replaced.runs.len());
    for (before, after) in recorded.runs.iter().zip(&replaced.runs) {
        let up = before
            .states
            .column(0)
            .iter()
            .skip(1)
            .position(|&cos| cos > 0.5);
        match up {
            Some(row) => assert_eq!((after.steps(), after.terminated), (row + 1, true)),
            None => assert!(!after.terminated && after.steps() + 1 >= before.steps()),
        }
        assert_eq!(
            after.states.nrows(),
            (after.steps() + 1).min(before.states.nrows())
        );
        for (t, reward) in after.rewards.iter().enumerate() {
            assert_eq!(*reward, 2.0 * before.states[[t, 2]]);
        }
    }
    // A task's own rule leaves them.
    let pendulum = "pendulum"
        .parse::<EnvironmentSource>()
        .unwrap()
        .task()
        .unwrap();
    let own = Logged::new(&recordings, &Rules::of(&pendulum)).unwrap();
    assert_eq!(own.runs[0].rewards, recorded.runs[0].rewards);
    let undefined = rules(Some("sqrt(theta_dot)"), None).unwrap();
    let error = Logged::new(&recordings, &undefined).unwrap_err();
    assert!(
        matches!(
            error,
            EvaluationError::Undefined {
                setting: "reward-expr",
                recording: 0,
                ..
            }
        ),
        "{error}"
    );
    let undefined = rules(None, Some("1 / (obs_theta_dot > -100) - 1 / 0 > 1")).unwrap();
    let error = Logged::new(&recordings, &undefined)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`terminated-expr=` is not defined"),
        "{error}"
    );
    assert!(rules(Some("height"), None).is_err());
    let cost = Rules {
        reward: Some(RewardRule::of_function(|_, action, _| -action[0].abs())),
        terminated: None,
    };
    let cost = Logged::new(&recordings, &cost).unwrap();
    assert_eq!(cost.runs[0].rewards[3], -cost.runs[0].actions[[3, 0]].abs());
}

/// The value by an expression is that of the same reward in the recording's column.
#[test]
fn values_by_expression_are_those_of_recorded_rewards() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (plain, written) = (path("plain.csv"), path("written.csv"));
    let simulate = |file: &str, more: &[&str]| {
        let mut arguments = vec![
            "simulate",
            "pendulum",
            "--episodes",
            "4",
            "--steps",
            "50",
            "--out",
            file,
        ];
        arguments.extend(more);
        program(&arguments).unwrap()
    };
    simulate(&plain, &[]);
    simulate(&written, &["--reward-expr", "cos_theta"]);
    assert_eq!(
        column(&written, "reward"),
        column(&written, "obs_cos_theta")
    );
    let value = |file: &str, more: &[&str]| {
        let mut arguments = vec![
            "evaluate",
            file,
            "--policy",
            "still=constant:0",
            "--estimators",
            "behaviour,linear",
            "--horizon",
            "50",
        ];
        arguments.extend(more);
        let said = program(&arguments).unwrap();
        let behaviour = said.lines().find(|line| line.contains("behaviour"));
        behaviour.unwrap_or_else(|| panic!("{said}")).to_owned()
    };
    let reward = ["--reward-expr", "obs_cos_theta"];
    assert_eq!(value(&plain, &reward), value(&written, &reward));
    assert_ne!(value(&plain, &[]), value(&plain, &reward));
    let error = program(&[
        "evaluate",
        &plain,
        "--policy",
        "constant:0",
        "--terminated-expr",
        "0",
        "--termination",
        "never",
    ]);
    assert!(
        error
            .unwrap_err()
            .contains("excludes --termination recorded")
    );
}

/// Faults: rewards by expression were computed from other systems' rows, a panic, and from columns in another order,
/// without a word.
#[test]
fn recordings_of_another_system_or_order_are_refused() {
    let recorded = Recorded::of("pendulum");
    let evaluate = |task: &str, rest: &[&str]| {
        let mut arguments = vec!["evaluate", &recorded.file, "--reward-expr", "cos_theta"];
        arguments.extend(["--env", task, "--policy", "constant:0"]);
        arguments.extend(["--estimators", "linear"]);
        arguments.extend(rest);
        program(&arguments).unwrap_err()
    };
    let error = evaluate("cart-pole-swing-up", &[]);
    assert!(error.contains("observations and 1 actions"), "{error}");
    let turned = ["--state", "obs_theta_dot,obs_cos_theta,obs_sin_theta"];
    let error = evaluate("pendulum", &turned);
    assert!(error.contains("in this order"), "{error}");
    let mut arguments = vec![
        "replay",
        &recorded.file,
        "--env",
        "pendulum",
        "--context",
        "20",
    ];
    arguments.extend(["--horizon", "10", "--estimators", "linear"]);
    arguments.extend(turned);
    let error = program(&arguments).unwrap_err();
    assert!(error.contains("in this order"), "{error}");
}

/// Fault: a rule for ends was dropped without a word where ends should be as recorded.
#[test]
fn ends_by_expression_are_not_ends_as_recorded() {
    let recorded = Recorded::of("pendulum");
    let arguments = [
        "evaluate",
        &recorded.file,
        "--policy",
        "constant:0",
        "--estimators",
        "linear",
        "--terminated-expr",
        "obs_cos_theta > 0.9",
        "--termination",
        "recorded",
    ];
    let error = program(&arguments).unwrap_err();
    assert!(error.contains("--termination recorded"), "{error}");
}

#[test]
fn failures_are_as_likely_as_the_expression_says() {
    let recorded = Recorded::of("pendulum");
    let evaluate = |rest: &[&str]| {
        let mut arguments = vec!["evaluate", &recorded.file, "--policy", "still=constant:0"];
        arguments.extend(["--estimators", "linear", "--horizon", "20"]);
        arguments.extend(rest);
        program(&arguments)
    };
    let simulated = ["--env", "pendulum", "--simulate", "3"];
    for (expression, share) in [("cos_theta < 2", "100 %"), ("obs_cos_theta > 2", "0 %")] {
        let said = evaluate(&[&simulated[..], &["--failure-expr", expression]].concat()).unwrap();
        let row = said
            .lines()
            .rfind(|line| line.starts_with("still"))
            .unwrap();
        assert!(
            row.contains(&format!("{share} [")) && row.ends_with(&format!("] ({share})")),
            "{said}"
        );
        assert!(said.contains("of termination and of a failure"), "{said}");
    }
    let plain = evaluate(&["--failure-expr", "cos_theta > 2"]).unwrap();
    assert!(
        plain.contains("0 % [0 %, ") && !plain.contains("in brackets"),
        "{plain}"
    );
    let error = evaluate(&["--failure-expr", "omega > 2"]).unwrap_err();
    assert!(
        error.contains("--failure-expr omega > 2: position 1: no variable 'omega'"),
        "{error}"
    );
}

/// Where recorded ends are learned, an imagined episode ends with a probability at every step.
#[test]
fn failures_need_known_ends() {
    let recorded = Recorded::of("cart-pole");
    let error = program(&[
        "evaluate",
        &recorded.file,
        "--policy",
        "constant:1",
        "--estimators",
        "linear",
        "--failure-expr",
        "x > 1",
    ]);
    let error = error.unwrap_err();
    assert!(
        error.contains("--failure-expr x > 1: needs ends by a rule, --terminated-expr"),
        "{error}"
    );
}
