//! Faults that users of the program saw, each with the test that would have found it.

use std::process::{Command, Output};

fn statecast(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_statecast"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const PENDULUM: [&str; 4] = ["forecast", "examples/pendulum.csv", "--select", "0"];

/// Scores that need two paths were printed as NaN.
#[test]
fn a_single_path_has_no_scores_that_need_two() {
    let single = ["--samples", "1", "--holdout", "--horizon", "5"];
    let output = statecast(&[&PENDULUM[..], &single].concat());
    let says = stderr(&output);
    assert!(output.status.success(), "{says}");
    assert!(!says.contains("NaN"), "{says}");
    let line = says.lines().find(|line| line.starts_with("obs_cos_theta"));
    let crps = line.and_then(|line| line.split_whitespace().nth(1));
    assert_eq!(crps, Some("-"), "{says}");
}

/// `.csv: written as .npz` was the whole answer to a name that ends in `.csv`.
#[test]
fn a_name_that_does_not_end_as_it_must_is_told_how_it_must() {
    let output = statecast(&["density", "examples/pendulum.csv", "-o", "x.csv"]);
    let says = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{says}");
    assert!(
        says.contains("x.csv: the name of the file to write must end in .npz"),
        "{says}"
    );
}

/// The same file by another spelling was taken for another future.
#[test]
fn a_future_that_is_spelled_twice_is_given_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("push.csv");
    std::fs::write(&path, format!("act_torque\n{}", "1\n".repeat(5))).unwrap();
    let both = format!("{},{}/./push.csv", path.display(), folder.path().display());
    let output = statecast(&[&PENDULUM[..], &["--horizon", "5", "--fork", &both]].concat());
    let says = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{says}");
    assert!(says.contains("given twice"), "{says}");
}

/// Errors showed the whole text of an expression, however long.
#[test]
fn errors_of_long_expressions_are_short() {
    let long = "x".repeat(4000);
    for derive in [
        format!("e = {long}"),
        format!("e = 2 * {long}("),
        format!("e = {long}{long}{long}"),
        long.clone(),
        format!("2{long} = 1"),
    ] {
        let output = statecast(&[&PENDULUM[..], &["--derive", &derive]].concat());
        let says = stderr(&output);
        assert!(!output.status.success());
        assert!(says.contains("error: ") && says.len() < 1000, "{says}");
    }
}

/// The help said that the model is alone where paths are pooled, and its examples were not aligned.
#[test]
fn the_help_of_forecasts_says_that_paths_are_pooled() {
    let output = statecast(&["forecast", "--help"]);
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!help.contains("the model alone"), "{help}");
    let words: Vec<&str> = help.split_whitespace().collect();
    assert!(
        words
            .join(" ")
            .contains("paths of several steps are shared out")
    );
    let examples = help
        .lines()
        .filter(|line| line.trim_start().starts_with("statecast "));
    for line in examples {
        assert!(line.starts_with("  statecast "), "{line}");
    }
}

/// What the pool of paths had chosen was not told anywhere.
#[test]
fn a_forecast_says_whose_paths_were_pooled() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("x.csv").display().to_string();
    let few = ["--samples", "4", "--horizon", "6", "--output", &table];
    let output = statecast(&[&PENDULUM[..], &few].concat());
    let says = stderr(&output);
    assert!(output.status.success(), "{says}");
    let paths = says.lines().find_map(|line| line.strip_prefix("paths: "));
    assert!(paths.is_some_and(|paths| paths.contains(" % ")), "{says}");
    let manifest = std::fs::read_to_string(folder.path().join("x.manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let weights = manifest["episodes"][0]["paths"].as_array().unwrap();
    let total: f64 = weights.iter().filter_map(|w| w["weight"].as_f64()).sum();
    assert!((total - 1.0).abs() < 1e-9, "{weights:?}");
}

/// Horizons of more than three quarters of the window took rows from the context, and longer ones than
/// the window were an error.
#[test]
fn a_horizon_may_be_longer_than_the_window() {
    let long = ["--samples", "1", "--horizon", "1100"];
    let output = statecast(&[&PENDULUM[..], &long].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        !stderr(&output).contains("leaves room"),
        "{}",
        stderr(&output)
    );
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(table.lines().count(), 1 + 1100 * 3);
}

/// Persistence stood in principal components if the model did.
#[test]
fn a_rival_is_the_same_whatever_the_model_reads() {
    let line = |method: &str| {
        let few = [
            "--windows",
            "1",
            "--context",
            "60",
            "--horizon",
            "5",
            "--samples",
            "20",
        ];
        let command = ["backtest", "examples/pendulum.csv", "--select", "0"];
        let models = ["--models", "builtin,persistence", "--method", method];
        let output = statecast(&[&command[..], &few, &models].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let paths = text.split("\npaths").nth(1).unwrap();
        let line = paths.lines().find(|line| line.starts_with("persistence"));
        line.unwrap().split_whitespace().nth(1).unwrap().to_owned()
    };
    let alone = line("vicl");
    for method in ["residual", "dicl-s", "dicl-sa"] {
        assert_eq!(line(method), alone, "{method}");
    }
}

/// The same beside a forecast whose truth was held back.
#[test]
fn persistence_is_the_same_beside_every_forecast() {
    let folder = tempfile::tempdir().unwrap();
    let scores = |method: &str| {
        let output = folder.path().join(format!("{method}.csv"));
        let output = output.to_str().unwrap();
        let few = [
            "--context",
            "60",
            "--horizon",
            "3",
            "--samples",
            "30",
            "--holdout",
        ];
        let written = ["--method", method, "--output", output];
        let run = statecast(&[&PENDULUM[..], &few, &written].concat());
        let says = stderr(&run);
        assert!(run.status.success(), "{says}");
        let line = says.lines().find(|line| line.starts_with("obs_theta_dot"));
        let cells: Vec<String> = line
            .unwrap()
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        (cells[2].clone(), cells[4].clone())
    };
    let alone = scores("vicl");
    for method in ["residual", "dicl-s"] {
        assert_eq!(scores(method), alone, "{method}");
    }
    // Actions are channels there, too, and take draws of their own.
    assert_eq!(scores("dicl-sa").1, alone.1);
}

/// What backtest printed of its bands was not what its file held: 63 % where 50 % of the outcomes lie between its quantiles.
#[test]
fn bands_of_a_backtest_hold_what_its_file_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.csv");
    let path = path.to_str().unwrap();
    let few = [
        "--windows",
        "3",
        "--context",
        "60",
        "--horizon",
        "5",
        "--samples",
        "20",
    ];
    let command = [
        "backtest",
        "examples/half_cheetah.csv",
        "--models",
        "linear",
        "-o",
        path,
    ];
    let output = statecast(&[&command[..], &few].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.split("\npaths").nth(1).unwrap();
    let line = line
        .lines()
        .find(|line| line.starts_with("linear"))
        .unwrap();
    let cells: Vec<&str> = line.split_whitespace().collect();
    let place = cells.iter().position(|cell| *cell == "%").unwrap();
    let printed = cells[place - 1];
    let table = std::fs::read_to_string(path).unwrap();
    let names: Vec<&str> = table.lines().next().unwrap().split(',').collect();
    let place = |name: &str| names.iter().position(|known| *known == name).unwrap();
    let [observed, low, high, spread, method] =
        ["observed", "q0.05", "q0.95", "context_std", "method"].map(place);
    let mut held = Vec::new();
    for row in table.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let number = |place: usize| cells[place].parse::<f64>().unwrap();
        if cells[method] == "linear" && number(spread) > 0.0 {
            held.push((number(low)..=number(high)).contains(&number(observed)));
        }
    }
    let share = held.iter().filter(|held| **held).count() as f64 / held.len() as f64;
    assert_eq!(printed, format!("{:.1}", 100.0 * share), "{text}");
}

/// All probability of a level is in one bin, and paths were spread in it: 8 % "in 90 %" of a perfect wave.
#[test]
fn a_switch_is_forecast_as_a_switch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("switch.csv");
    let rows: String = (0..140).map(|t| format!("{}\n", (t / 4) % 2)).collect();
    std::fs::write(&path, format!("x\n{rows}")).unwrap();
    let path = path.display().to_string();
    let output = statecast(&["forecast", &path, "--holdout", "--horizon", "20"]);
    let says = stderr(&output);
    assert!(output.status.success(), "{says}");
    let line = says.lines().find(|line| line.starts_with("x ")).unwrap();
    let inside: f64 = line.split_whitespace().nth(5).unwrap().parse().unwrap();
    assert!(inside >= 85.0, "{line}");
}

/// What backtest ranked best needed actions to come that forecast did not take.
#[test]
fn mixtures_of_experts_take_actions_to_come_however_they_are_given() {
    let experts = [
        "--experts",
        "builtin,linear",
        "--horizon",
        "4",
        "--samples",
        "8",
    ];
    let command = [&PENDULUM[..], &experts].concat();
    let given: [&[&str]; 6] = [
        &[],
        &["--holdout"],
        &["--hold-actions", "zero"],
        &["--hold-actions", "mean"],
        &["--policy", "constant:1"],
        &["--hold-actions", "last", "--holdout"],
    ];
    let tables = given.map(|given| {
        let output = statecast(&[&command[..], given].concat());
        assert!(output.status.success(), "{given:?}: {}", stderr(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    });
    assert_ne!(tables[2], tables[4], "zero and one are other actions");
    let both = ["--policy", "constant:1", "--holdout"];
    assert!(!statecast(&[&command[..], &both].concat()).status.success());
    let vicl = [
        "forecast",
        "examples/pendulum.csv",
        "--method",
        "vicl",
        "--hold-actions",
        "zero",
    ];
    let says = stderr(&statecast(&vicl));
    assert!(says.contains("--hold-actions needs"), "{says}");
}

/// `--derive` wrote infinite spreads, and 0 for 1 / (1 / 0), without a word.
#[test]
fn quantities_that_are_not_defined_are_missing_and_named() {
    let few = ["--experts", "linear", "--horizon", "3", "--samples", "20"];
    let command = [&PENDULUM[..], &few].concat();
    for (derive, everywhere) in [
        ("z = 1 / (1 / (obs_cos_theta - obs_cos_theta))", true),
        ("z = 1e200 * (2 + obs_cos_theta)", true),
        ("z = log(obs_sin_theta)", false),
    ] {
        let output = statecast(&[&command[..], &["--derive", derive]].concat());
        let says = stderr(&output);
        assert!(output.status.success(), "{says}");
        let warning = says.lines().find(|line| line.contains(derive));
        let names_step = |line: &str| line.contains("the first of them step 20");
        assert!(warning.is_some_and(names_step), "{says}");
        let table = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!table.contains("inf"), "{table}");
        let mut lines = table.lines().filter(|line| line.contains(",z,"));
        assert!(
            lines.all(|line| line.ends_with(",NaN,NaN") || !everywhere),
            "{table}"
        );
    }
}

/// The error named flags that exclude `--policy`.
#[test]
fn quantities_of_a_policys_actions_are_refused_in_words_of_policies() {
    let policy = [
        "--experts",
        "linear",
        "--policy",
        "constant:1",
        "--horizon",
        "3",
    ];
    let derive = ["--derive", "p = act_torque * obs_theta_dot"];
    let output = statecast(&[&PENDULUM[..], &policy, &derive].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("with --policy every path takes actions of its own"));
}

/// A policy of actions that were never recorded was followed without a word.
#[test]
fn a_policy_far_from_what_was_recorded_is_warned_of() {
    let few = ["--experts", "linear", "--horizon", "3", "--samples", "4"];
    let warning = |policy: &str| {
        let output = statecast(&[&PENDULUM[..], &few, &["--policy", policy]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let says = stderr(&output);
        let line = says
            .lines()
            .find(|line| line.starts_with("warning: policy "));
        line.map(str::to_owned)
    };
    assert_eq!(warning("constant:1"), None);
    let far = warning("constant:50").unwrap();
    assert!(
        far.contains("at 100 % of the recorded states, act_torque leaves the recorded range"),
        "{far}"
    );
}

/// The first row of a plan was taken for the first step, whatever its time was.
#[test]
fn a_plan_that_begins_elsewhere_is_cut_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.csv").display().to_string();
    let few = ["--experts", "linear", "--horizon", "3", "--samples", "4"];
    let future = |first: usize| {
        let rows = (first..first + 20).map(|t| format!("{t},1\n"));
        std::fs::write(&path, format!("t,act_torque\n{}", rows.collect::<String>())).unwrap();
        statecast(&[&PENDULUM[..], &few, &["--future", &path]].concat())
    };
    assert!(future(200).status.success());
    let early = future(190);
    assert!(early.status.success(), "{}", stderr(&early));
    assert!(
        stderr(&early).contains("10 row(s) up to t 199"),
        "{}",
        stderr(&early)
    );
    let late = future(203);
    assert_eq!(late.status.code(), Some(1));
    assert!(
        stderr(&late).contains("no action for t 200"),
        "{}",
        stderr(&late)
    );
}

/// Ends were said to be never or recorded ones where there is none.
#[test]
fn ends_that_are_nowhere_cannot_be_chosen() {
    let policy = [
        "evaluate",
        "examples/pendulum.csv",
        "--policy",
        "constant:0",
    ];
    for termination in ["never", "recorded"] {
        let output = statecast(&[&policy[..], &["--termination", termination]].concat());
        let says = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{says}");
        assert!(
            says.contains("has no effect: no recorded episode terminated"),
            "{says}"
        );
    }
}

/// What one episode earned stood in an interval of no width.
#[test]
fn one_episode_earns_without_an_interval() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.csv").display().to_string();
    let rows = (0..60).map(|t| {
        let x = (0.3 * t as f64).sin();
        format!("{t},{x},{},{}\n", t % 5, 1.0 + 0.1 * x)
    });
    let rows = rows.collect::<String>();
    std::fs::write(&path, format!("t,obs_x,act_u,reward\n{rows}")).unwrap();
    let few = ["--policy", "constant:1", "--estimators", "is,behaviour"];
    let output = statecast(&[&["evaluate", &path][..], &few].concat());
    let says = stderr(&output);
    assert!(output.status.success(), "{says}");
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(table.contains(" [-]"), "{table}");
    assert!(says.contains("note: is of constant:1: no value"), "{says}");
}

/// An old `done` that is set at the time limit, too, ended the longest episodes where others were shorter.
#[test]
fn a_done_at_the_time_limit_is_no_end() {
    let mut rows = String::new();
    for episode in 0..24 {
        // A walk that ends beyond 2 and is cut off after 30 steps.
        let (mut x, mut t) = (0.0_f64, 0);
        loop {
            let action = ((episode * 37 + t * t * 11 + t * 29 + 5) % 41) as f64 / 20.5 - 1.0;
            let next = 0.9 * x + action;
            let done = next.abs() > 2.0 || t == 29;
            rows += &format!("{episode},{t},{x},{action},1,{}\n", i32::from(done));
            if done {
                break;
            }
            (x, t) = (next, t + 1);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let evaluated = |flag: &str, options: &[&str]| {
        let path = folder.path().join("runs.csv");
        std::fs::write(&path, format!("episode,t,obs_x,act,reward,{flag}\n{rows}")).unwrap();
        let path = path.to_str().unwrap();
        let evaluate = [
            "evaluate",
            path,
            "--policy",
            "constant:0",
            "--discount",
            "1",
        ];
        let others = ["--estimators", "linear", "--paths", "4"];
        let output = statecast(&[&evaluate[..], &others, options].concat());
        let says = stderr(&output);
        assert!(output.status.success(), "{says}");
        says
    };
    let cut = rows
        .lines()
        .filter(|row| row.split(',').nth(1) == Some("29"))
        .count();
    assert!((2..22).contains(&cut), "{cut}");
    let says = evaluated("done", &[]);
    let note = format!("note: {cut} of 24 episodes are done after 30 steps");
    assert!(says.contains(&note), "{says}");
    let ended = format!("({} of 24 terminated", 24 - cut);
    assert!(says.contains(&ended), "{says}");
    let says = evaluated("done", &["--termination", "recorded"]);
    assert!(says.contains("(24 of 24 terminated"), "{says}");
    let says = evaluated("terminated", &[]);
    assert!(says.contains("(24 of 24 terminated"), "{says}");
}

/// Flags that did nothing, and lists that named a thing twice, ended with 1 or with a result.
#[test]
fn flags_without_effect_are_wrong_usage() {
    for (arguments, says) in [
        (
            &[
                "backtest",
                "examples/pendulum.csv",
                "--models",
                "linear,linear",
            ][..],
            "error: --models names linear twice; name it once\n",
        ),
        (
            &["forecast", "examples/pendulum.csv", "--origins", "5"],
            "error: --origins has no effect: bands are adjusted with --recalibrate online only\n",
        ),
    ] {
        let output = statecast(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(stderr(&output), says);
    }
}

/// `--components 99` of two variables was taken for 2.
#[test]
fn more_components_than_variables_are_refused() {
    let flags = [
        "--experts",
        "linear",
        "--method",
        "dicl-s",
        "--components",
        "99",
    ];
    let output = statecast(&[&PENDULUM[..], &flags].concat());
    let says = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{says}");
    assert!(
        says.contains("--components 99: there are 3 variables"),
        "{says}"
    );
}

/// A recording of 20,000 columns took minutes and all of the memory.
#[test]
fn more_variables_than_are_forecast_together_are_refused_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wide.csv");
    let row = |of: &dyn Fn(usize) -> String| (0..20_000).map(of).collect::<Vec<_>>().join(",");
    let mut text = row(&|column| format!("v{column}"));
    for t in 0..20 {
        text += "\n";
        text += &row(&|column| ((t * t * 7 + column) % 11).to_string());
    }
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    for command in ["forecast", "backtest", "calibrate"] {
        let output = statecast(&[command, path]);
        let says = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{says}");
        let wanted = "20000 variables are more than the 1000 that are forecast together; choose those that matter by --state";
        assert!(says.contains(wanted), "{says}");
    }
    let few = ["--state", "v3,v5", "--experts", "linear", "--horizon", "2"];
    let output = statecast(&[&["forecast", path][..], &few].concat());
    assert!(output.status.success(), "{}", stderr(&output));
}

/// Weights and policies that `git lfs` had not fetched were damaged files.
#[test]
fn pointers_of_git_lfs_are_no_models_and_no_policies() {
    let folder = tempfile::tempdir().unwrap();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0a\nsize 99\n";
    let write = |name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, pointer).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (gguf, policy) = (write("model.gguf"), write("pi.safetensors"));
    let model = format!("{}/models/builtin", env!("CARGO_MANIFEST_DIR"));
    let weights = tempfile::tempdir().unwrap();
    for name in ["config.json", "tokenizer.json"] {
        std::fs::copy(format!("{model}/{name}"), weights.path().join(name)).unwrap();
    }
    std::fs::write(weights.path().join("model.safetensors"), pointer).unwrap();
    let weights = weights.path().to_str().unwrap();
    for arguments in [
        &[&PENDULUM[..], &["--model", &gguf]].concat()[..],
        &[&PENDULUM[..], &["--model", weights, "--method", "vicl"]].concat(),
        &["evaluate", "examples/pendulum.csv", "--policy", &policy],
    ] {
        let output = statecast(arguments);
        let says = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{says}");
        assert!(
            says.contains("is a pointer of Git LFS") && says.contains("git lfs pull"),
            "{says}"
        );
    }
}

/// A forecast under a plan was scored against rows recorded under other actions without a word.
#[test]
fn held_out_rows_of_other_actions_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run.csv");
    let plan = folder.path().join("plan.csv");
    let push = |t: u32| f64::from(t * 7 % 5) / 4.0;
    let rows: String = (0..40)
        .map(|t| format!("{t},{},{}\n", (0.3 * f64::from(t)).sin(), push(t)))
        .collect();
    std::fs::write(&run, format!("t,obs_x,act_u\n{rows}")).unwrap();
    let says = |action: &dyn Fn(u32) -> f64| {
        let rows: String = (35..40).map(|t| format!("{t},{}\n", action(t))).collect();
        std::fs::write(&plan, format!("t,act_u\n{rows}")).unwrap();
        let [run, plan] = [&run, &plan].map(|path| path.to_str().unwrap());
        let output = statecast(&[
            "forecast",
            run,
            "--holdout",
            "--horizon",
            "5",
            "--future",
            plan,
            "--samples",
            "2",
        ]);
        assert!(output.status.success(), "{}", stderr(&output));
        stderr(&output)
    };
    let note = "the observed rows were recorded under other actions than those of the forecast";
    let other = says(&|t| 1.0 - push(t));
    assert_eq!(other.matches(note).count(), 1, "{other}");
    let same = says(&push);
    assert!(!same.contains(note), "{same}");
}

/// A day that was skipped was a transition like others.
#[test]
fn a_transition_over_a_gap_is_not_counted() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("sky.csv");
    let day = |row: usize| row + usize::from(row >= 20);
    let sky = |row: usize| ["sun", "rain"][usize::from(row >= 20)];
    let rows: String = (0..40)
        .map(|row| {
            format!(
                "2024-{:02}-{:02},{}\n",
                1 + day(row) / 31,
                1 + day(row) % 31,
                sky(row)
            )
        })
        .collect();
    std::fs::write(&run, format!("date,sky\n{rows}")).unwrap();
    let found = folder.path().join("chain.json");
    let output = statecast(&[
        "markov",
        run.to_str().unwrap(),
        "--label",
        "sky",
        "--last",
        "25",
        "--relabellings",
        "0",
        "--temperatures",
        "none",
        "--output",
        found.to_str().unwrap(),
    ]);
    let says = stderr(&output);
    assert!(output.status.success(), "{says}");
    let note = "note: 1 transition(s) over gaps of the time are neither counted nor scored";
    assert!(says.contains(note), "{says}");
    let found: serde_json::Value = serde_json::from_slice(&std::fs::read(&found).unwrap()).unwrap();
    // States in the alphabet's order: rain, sun.
    assert_eq!(
        found["study"]["counts"],
        serde_json::json!([[19, 0], [0, 19]])
    );
    // The row after the gap is none of those that are scored.
    assert_eq!(found["study"]["visits"], serde_json::json!([19, 5]));
}

/// A single plan of `--fork` was called `--future`, and a policy without actions was said to have wrong widths.
#[test]
fn actions_to_come_are_called_by_their_flag() {
    let folder = tempfile::tempdir().unwrap();
    let bare = folder.path().join("bare.csv");
    let rows: String = (0..30).map(|t| format!("{t},{}\n", t % 7)).collect();
    std::fs::write(&bare, format!("t,obs_x\n{rows}")).unwrap();
    let bare = bare.to_str().unwrap();
    let persistence = ["--experts", "persistence", "--horizon", "2"];
    let fork = ["--fork", "examples/pendulum_left.csv"];
    let output = statecast(&[&PENDULUM[..], &persistence, &fork].concat());
    assert!(stderr(&output).contains("--fork needs --method residual"));
    let policy = ["--experts", "linear", "--policy", "constant:1"];
    let output = statecast(&[&["forecast", bare][..], &policy].concat());
    assert!(stderr(&output).contains("--policy: the recording has no action columns"));
}
