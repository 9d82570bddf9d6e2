//! The program as a user runs it.

use std::path::Path;
use std::process::{Command, Output};

fn statecast(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_statecast"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .unwrap()
}

fn fails(arguments: &[&str], says: &str) {
    let output = statecast(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
    let error = stderr.lines().find(|line| line.starts_with("error: "));
    assert!(
        error.is_some_and(|line| line.contains(says)),
        "{arguments:?}: {stderr}"
    );
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn forecast_writes_table_manifest_and_figure() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let output = statecast(&[
        "forecast",
        "examples/pendulum.csv",
        "--select",
        "0",
        "--horizon",
        "5",
        "--samples",
        "20",
        "--output",
        &path("x.csv"),
        "--plot",
        &path("x.svg"),
        "--method",
        "dicl-s",
    ]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let table = std::fs::read_to_string(path("x.csv")).unwrap();
    assert!(table.starts_with("episode,step,time,variable,mean,std,q0.05,"));
    assert_eq!(table.lines().count(), 1 + 5 * 3);
    for line in table.lines().skip(1) {
        let quantiles: Vec<f64> = line
            .split(',')
            .skip(6)
            .map(|x| x.parse().unwrap())
            .collect();
        let (quantiles, band) = quantiles.split_at(7);
        assert!(quantiles.is_sorted(), "{line}");
        assert!(band[0] <= quantiles[0] && band[1] >= quantiles[6], "{line}");
    }
    let manifest = std::fs::read_to_string(path("x.manifest.json")).unwrap();
    assert!(manifest.contains("sha256") && manifest.contains("dicl-s"));
    assert!(
        std::fs::read_to_string(path("x.svg"))
            .unwrap()
            .contains("obs_theta_dot")
    );
}

#[test]
fn seeded_forecast_does_not_depend_on_threads() {
    let run = |threads: &str, more: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_statecast"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("RAYON_NUM_THREADS", threads)
            .args(["forecast", "examples/pendulum.csv"])
            .args(["--horizon", "20", "--samples", "50"])
            .args(more)
            .output()
            .unwrap()
            .stdout
    };
    let one = run("1", &[]);
    assert!(!one.is_empty() && one == run("2", &[]));
    assert!(one == run("1", &["--threads", "2"]));
}

#[test]
fn density_writes_npz() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.npz").display().to_string();
    let output = statecast(&[
        "density",
        "examples/pendulum.csv",
        "--select",
        "1",
        "--output",
        &path,
    ]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(Path::new(&path).exists());
}

/// Tables of "NaN" and exit code 0 were the answer.
#[test]
fn a_backtest_with_nothing_to_score_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("constant.csv");
    std::fs::write(&path, format!("x\n{}", "3.5\n".repeat(60))).unwrap();
    let path = path.display().to_string();
    let windows = ["--context", "20", "--windows", "2", "--horizon", "5"];
    let models = ["--samples", "5", "--models", "ar,mean"];
    let command = [&["backtest", &path], &windows[..], &models].concat();
    fails(&command, "nothing to score");
}

/// One jump in a recording, which experts cannot foresee, warned of experts that run off.
#[test]
fn residuals_warn_of_paths_but_not_of_a_single_jump() {
    let folder = tempfile::tempdir().unwrap();
    let warnings = |name: &str, value: &dyn Fn(f64) -> f64, horizon: &str| {
        let path = folder.path().join(name);
        let rows = (0..200).map(|t| format!("{}\n", value(f64::from(t))));
        std::fs::write(&path, format!("x\n{}", rows.collect::<String>())).unwrap();
        let path = path.display().to_string();
        let method = ["--method", "residual", "--samples", "5"];
        let command = [&["forecast", &path, "--horizon", horizon], &method[..]].concat();
        let output = statecast(&command);
        assert!(output.status.success(), "{output:?}");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let lines = stderr.lines().filter(|line| line.starts_with("warning"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let jump = |t: f64| (0.3 * t).sin() + if t == 150.0 { 50.0 } else { 0.0 };
    let jump = warnings("jump.csv", &jump, "1");
    assert!(jump.is_empty(), "{jump:?}");
    let ramp = |t: f64| t + 0.1 * (1.7 * t).sin();
    let ramp = warnings("ramp.csv", &ramp, "400");
    assert!(
        ramp.len() == 1 && ramp[0].contains("sampled paths"),
        "{ramp:?}"
    );
}

#[test]
fn bad_input_is_one_line_and_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    fails(&["forecast", "nowhere.csv"], "nowhere.csv");
    fails(&["forecast", &file("empty.csv", "")], "empty");
    fails(&["forecast", &file("one.csv", "x\n1.0\n")], "too few");
    fails(
        &["forecast", &file("text.csv", "x,y\na,b\nc,d\n")],
        "text.csv",
    );
    fails(
        &[
            "forecast",
            &file("nan.csv", "x,y\n1,2\nnan,3\n4,5\n"),
            "--missing",
            "error",
        ],
        "nan.csv",
    );
    fails(
        &["forecast", &file("ragged.csv", "x,y\n1,2\n3\n4,5\n")],
        "ragged.csv",
    );
    let pendulum = "examples/pendulum.csv";
    fails(
        &["forecast", pendulum, "--model", "nowhere"],
        "no such folder",
    );
    fails(&["forecast", pendulum, "--output", "x.xlsx"], ".parquet");
    fails(
        &[
            "forecast",
            pendulum,
            "--horizon",
            "1",
            "--output",
            "/nowhere/x.csv",
        ],
        "/nowhere/x.csv",
    );
    fails(&["forecast", pendulum, "--select", "7"], "no such episode");
    assert_eq!(
        statecast(&["forecast", pendulum, "--horizon", "0"])
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn damaged_weights_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let builtin = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/builtin");
    for name in ["config.json", "tokenizer.json"] {
        std::fs::copy(builtin.join(name), folder.path().join(name)).unwrap();
    }
    let model = folder.path().display().to_string();
    let run = |says: &str| {
        fails(
            &["forecast", "examples/pendulum.csv", "--model", &model],
            says,
        )
    };
    run("model.safetensors");
    let weights = std::fs::read(builtin.join("model.safetensors")).unwrap();
    std::fs::write(
        folder.path().join("model.safetensors"),
        &weights[..weights.len() / 2],
    )
    .unwrap();
    run("safetensors");
    std::fs::write(folder.path().join("model.safetensors"), weights).unwrap();
    let config = std::fs::read_to_string(builtin.join("config.json")).unwrap();
    let wider = config.replace("\"intermediate_size\": 512", "\"intermediate_size\": 513");
    assert_ne!(wider, config);
    std::fs::write(folder.path().join("config.json"), wider).unwrap();
    run("513");
}

#[test]
fn closed_pipe_ends_quietly() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_statecast"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["forecast", "examples/pendulum.csv", "--horizon", "2"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(
        !stderr.contains("error") && !stderr.contains("panicked"),
        "{stderr}"
    );
}

#[test]
fn what_is_read_of_a_context_longer_than_the_window_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.csv");
    let rows: String = (0..1500)
        .map(|t| format!("{:.4}\n", (0.3 * f64::from(t)).sin()))
        .collect();
    std::fs::write(&path, format!("x\n{rows}")).unwrap();
    let path = path.display().to_string();
    for (method, said) in [
        ("residual", "experts read all, the model the last 1022"),
        ("vicl", "only the last 1022 are used"),
    ] {
        let forecast = ["forecast", &path, "--horizon", "2", "--samples", "3"];
        let output = statecast(&[&forecast[..], &["--method", method]].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
}

/// Fault: one short episode ended the forecast of all.
#[test]
fn short_episodes_are_left_out_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uneven.csv");
    let mut text = "episode,x\na,1\n".to_owned();
    (0..20).for_each(|t| text += &format!("b,{}\n", t % 4));
    std::fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    let output = statecast(&["forecast", &path, "--horizon", "2", "--samples", "3"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(
        stderr.contains("1 of 2 episodes are left out, a the first"),
        "{stderr}"
    );
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(table.lines().count(), 1 + 2);
}

#[test]
fn constant_channel_is_forecast_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("constant.csv");
    let rows: String = (0..30).map(|t| format!("{},4.25\n", (t * 7) % 5)).collect();
    std::fs::write(&path, format!("x,y\n{rows}")).unwrap();
    let output = statecast(&["forecast", &path.display().to_string(), "--horizon", "2"]);
    let table = String::from_utf8(output.stdout).unwrap();
    let constant: Vec<_> = table.lines().filter(|line| line.contains(",y,")).collect();
    assert_eq!(constant.len(), 2);
    assert!(
        constant.iter().all(|line| line.contains(",y,4.25,0,4.25,")),
        "{table}"
    );
}

#[test]
fn backtest_prints_scores_and_writes_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scores.csv").display().to_string();
    let report = folder.path().join("report.html").display().to_string();
    let output = statecast(&[
        "backtest",
        "examples/pendulum.csv",
        "--select",
        "0",
        "--context",
        "60",
        "--horizon",
        "4",
        "--windows",
        "3",
        "--samples",
        "10",
        "--models",
        "builtin,mixture,ar",
        "--experts",
        "builtin,linear",
        "--recalibrate",
        "online",
        "--origins",
        "3",
        "--output",
        &path,
        "--report",
        &report,
    ]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for method in [
        "builtin ",
        "builtin+recalibrated ",
        "mixture ",
        "mixture+recalibrated ",
    ] {
        let lines = stdout.lines().filter(|line| line.starts_with(method));
        // One step ahead, paths, and rows of all variables.
        assert_eq!(lines.count(), 3, "{method}: {stdout}");
    }
    let table = std::fs::read_to_string(&path).unwrap();
    assert_eq!(table.lines().count(), 1 + 5 * 3 * 4 * 3);
    let manifest = std::fs::read_to_string(folder.path().join("scores.manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["summary"]["windows"], 3);
    assert!(manifest["summary"]["methods"][2]["log_score"]["mean"].is_number());
    let page = std::fs::read_to_string(&report).unwrap();
    for part in [
        "<svg",
        "Expert weights over time",
        "builtin+recalibrated",
        "obs_theta_dot",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let outside = ["src=", "href=", "@import", "NaN"];
    assert!(
        outside.iter().all(|o| !page.contains(o)),
        "the page needs nothing else"
    );
}

#[test]
fn a_mixture_forecasts_and_asks_for_actions_only_where_it_needs_them() {
    let forecast = |experts: &str| {
        statecast(&[
            "forecast",
            "examples/pendulum.csv",
            "--select",
            "0",
            "--horizon",
            "3",
            "--samples",
            "8",
            "--experts",
            experts,
            "--recalibrate",
            "online",
        ])
    };
    let output = forecast("builtin,ar,knn");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).lines().count(),
        1 + 9
    );
    let output = forecast("builtin,linear");
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("the last one of every episode is taken to go on"),
        "{said}"
    );
}

#[test]
fn a_backtest_that_cannot_be_made_says_why() {
    let run = |more: &[&str], says: &str| {
        let mut arguments = vec!["backtest", "examples/pendulum.csv"];
        arguments.extend_from_slice(more);
        fails(&arguments, says);
    };
    run(&["--context", "500"], "no episode has the 520 rows");
    run(&["--context", "1"], "at least 2");
    run(&["--samples", "1"], "at least 2");
    run(&["--report", "report.pdf"], ".html");
    run(
        &["--context", "60", "--models", "nowhere/at-all/x"],
        "nowhere",
    );
    run(
        &["--context", "60", "--models", "mixture", "--share", "1.5"],
        "alpha from 0 to 1",
    );
}

#[test]
fn calibrate_says_how_far_intervals_hold() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("scores.csv");
    let output = statecast(&[
        "calibrate",
        "examples/pendulum.csv",
        "--select",
        "0",
        "--context",
        "100",
        "--horizon",
        "5",
        "--windows",
        "2",
        "--origins",
        "6",
        "--experts",
        "builtin,linear",
        "--output",
        table.to_str().unwrap(),
    ]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "one step ahead",
        "in 90 %",
        "p at any time",
        "steps ahead",
        "obs_theta_dot",
        "Multi-step densities",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let one_step = std::fs::read_to_string(folder.path().join("scores.one-step.csv")).unwrap();
    // Two windows of five rows, three channels, two methods.
    assert_eq!(one_step.lines().count(), 1 + 2 * 5 * 3 * 2);
    assert!(one_step.starts_with("series,origin,method,row,channel,log_score,crps,pit,std"));
    let manifest = std::fs::read_to_string(folder.path().join("scores.manifest.json")).unwrap();
    assert!(manifest.contains("\"command\": \"calibrate\""));
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert!(manifest.to_string().contains("\"evidence\":[{"));
}

#[test]
fn recordings_to_train_on_have_the_same_columns() {
    fails(
        &[
            "forecast",
            "examples/pendulum.csv",
            "--experts",
            "mlp",
            "--train",
            "examples/hopper.csv",
        ],
        "examples/hopper.csv: its columns are not those of the recording",
    );
}

/// The name was taken for that of a loaded model.
#[test]
fn a_mixture_as_an_expert_is_an_error_and_no_panic() {
    for command in ["forecast", "calibrate", "backtest"] {
        let mut arguments = vec![command, "examples/pendulum.csv", "--experts", "mixture,ar"];
        if command != "forecast" {
            arguments.extend(["--context", "100"]);
        }
        fails(&arguments, "'mixture' cannot be an expert");
    }
}

/// A table's columns by name, from CSV.
fn column(table: &str, name: &str) -> Vec<String> {
    let mut lines = table.lines();
    let names = lines.next().unwrap().split(',').collect::<Vec<_>>();
    let place = names.iter().position(|n| *n == name).unwrap();
    let cell = |line: &str| line.split(',').nth(place).unwrap().to_owned();
    lines.map(cell).collect()
}

#[test]
fn derived_quantities_stand_in_table_figure_scores_and_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let output = statecast(&[
        "forecast",
        "examples/pendulum.csv",
        "--select",
        "0",
        "--horizon",
        "4",
        "--samples",
        "20",
        "--holdout",
        "--derive",
        "energy = 0.5 * obs_theta_dot^2 + 10 * \"obs_cos_theta\"",
        "--derive",
        "power = act_torque * obs_theta_dot",
        "--derive",
        "root = sqrt(-1 - energy)",
        "--output",
        &path("x.csv"),
        "--plot",
        &path("x.svg"),
    ]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let table = std::fs::read_to_string(path("x.csv")).unwrap();
    assert_eq!(table.lines().count(), 1 + 4 * 6);
    let names = column(&table, "variable");
    assert_eq!(names[3..6], ["energy", "power", "root"]);
    let means = column(&table, "mean");
    // A pendulum upright and at rest.
    assert!((means[3].parse::<f64>().unwrap() - 10.0).abs() < 0.1);
    assert_eq!(means[5], "NaN");
    assert!(
        std::fs::read_to_string(path("x.svg"))
            .unwrap()
            .contains("energy")
    );
    let manifest = std::fs::read_to_string(path("x.manifest.json")).unwrap();
    assert!(manifest.contains("power = act_torque * obs_theta_dot"));
    assert!(manifest.contains("\"undefined\": 80"), "{manifest}");
    assert!(
        stderr.contains("root = sqrt(-1 - energy) is not defined at 80 of 80 sampled steps, the first of them step "),
        "{stderr}"
    );
    let scores = |name: &str| {
        let line = stderr.lines().find(|line| line.starts_with(name));
        line.unwrap()
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert!(scores("energy ")[1].parse::<f64>().unwrap() < 0.1);
    assert_eq!(scores("root ")[1..], ["-"; 6]);
    assert!(stderr.contains("the simultaneous 90 % band holds every step"));
    assert!(stderr.contains("if variables were drawn independently"));
}

#[test]
fn faults_of_derived_quantities_say_where_they_are() {
    let derive = |text: &str, says: &str, code: i32| {
        let command = [
            "forecast",
            "examples/pendulum.csv",
            "--method",
            "vicl",
            "--derive",
            text,
        ];
        let output = statecast(&command);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(says), "{text}: {stderr}");
    };
    derive("e = 2 * (obs_theta_dot", "it ends where", 2);
    derive("2 * obs_theta_dot", "NAME = EXPRESSION", 2);
    derive(
        "e = 2 * speed",
        "position 5: no variable 'speed'; there are obs_cos_theta",
        1,
    );
    derive(
        "obs_theta_dot = 1",
        "a variable, an action or another one is",
        1,
    );
    derive("p = 2 * act_torque", "'act_torque' is an action", 1);
}

#[test]
fn forked_futures_stand_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    for (name, torque) in [("pull.csv", "-1\n"), ("push.csv", "1\n")] {
        std::fs::write(path(name), format!("act_torque\n{}", torque.repeat(6))).unwrap();
    }
    let forecast = |actions: &[&str], to: &str| {
        let command = [
            "forecast",
            "examples/pendulum.csv",
            "--select",
            "0",
            "--horizon",
            "6",
        ];
        let files = ["--samples", "20", "--output", to];
        let output = statecast(&[&command[..], &files, actions].concat());
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{stderr}");
        (std::fs::read_to_string(to).unwrap(), stderr)
    };
    let both = format!("{},{}", path("pull.csv"), path("push.csv"));
    let figure = path("x.svg");
    let (table, stderr) = forecast(&["--fork", &both, "--plot", &figure], &path("x.csv"));
    assert!(table.starts_with("episode,future,step,time,variable,mean,"));
    assert_eq!(table.lines().count(), 1 + 2 * 6 * 3);
    let futures = column(&table, "future");
    assert_eq!(
        (&futures[0][..], &futures[35][..]),
        ("pull.csv", "push.csv")
    );
    // The same random numbers: each future is what it is alone.
    let (alone, _) = forecast(&["--future", &path("push.csv")], &path("y.csv"));
    assert_eq!(column(&table, "mean")[18..], column(&alone, "mean"));
    assert!(
        stderr.contains("mean at step 205  pull.csv  push.csv"),
        "{stderr}"
    );
    assert!(stderr.contains("experts: obs_theta_dot: "), "{stderr}");
    let manifest = std::fs::read_to_string(path("x.manifest.json")).unwrap();
    assert!(manifest.contains("\"futures\"") && manifest.contains("push.csv"));
    assert!(manifest.contains("\"at_the_end\""));
    assert!(
        std::fs::read_to_string(figure)
            .unwrap()
            .contains("push.csv")
    );

    let twice = format!("{0},{0}", path("push.csv"));
    fails(
        &["forecast", "examples/pendulum.csv", "--fork", &twice],
        "given twice",
    );
    let blind = ["--horizon", "6", "--method", "vicl", "--fork", &both];
    let blind = [&["forecast", "examples/pendulum.csv"], &blind[..]].concat();
    fails(&blind, "--fork needs --method residual");
}

/// Runs the program with something on standard input; what it prints on standard output.
fn piped(arguments: &[&str], input: &[u8]) -> String {
    use std::io::Write;
    use std::process::Stdio;
    let mut child = Command::new(env!("CARGO_BIN_EXE_statecast"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn recordings_come_from_standard_input_and_tables_go_to_standard_output() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let quick = [
        "--horizon",
        "3",
        "--samples",
        "5",
        "--experts",
        "persistence",
    ];
    let of = |file: &str, input: &[u8]| {
        let named = [&["forecast", file], &quick[..], &["--output", "-"]].concat();
        piped(&named, input)
    };
    let files = [
        "layouts/records.jsonl.gz",
        "layouts/minari.hdf5",
        "layouts/pandas.parquet",
    ];
    for file in files {
        let path = folder.join("tests").join(file);
        let table = of("-", &std::fs::read(&path).unwrap());
        assert!(table.starts_with("episode,step,"), "{table}");
        assert_eq!(table, of(path.to_str().unwrap(), b""));
    }
    assert!(!folder.join("-.manifest.json").exists());
    // Text for people leaves standard output to the table.
    let path = folder.join("tests/layouts/pandas.csv");
    let arguments = [
        "--context",
        "6",
        "--horizon",
        "2",
        "--samples",
        "5",
        "-o",
        "-",
    ];
    let models = ["backtest", "-", "--models", "persistence,ar"];
    let table = piped(
        &[&models[..], &arguments].concat(),
        &std::fs::read(path).unwrap(),
    );
    let widths: Vec<usize> = table.lines().map(|line| line.split(',').count()).collect();
    assert!(
        widths.len() > 1 && widths.iter().all(|width| *width == widths[0]),
        "{table}"
    );
}

/// Fault: a forecast of dates had steps only.
#[test]
fn forecasts_have_times_observed_values_and_paths() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("monthly.csv");
    let mut text = String::from("month,x\n");
    let months = [
        "01-31", "02-29", "03-31", "04-30", "05-31", "06-30", "07-31", "08-31",
    ];
    for (row, month) in months.iter().enumerate() {
        text += &format!("2024-{month},{}\n", row * row);
    }
    std::fs::write(&recording, text).unwrap();
    let recording = recording.to_str().unwrap();
    let paths = folder.path().join("paths.csv").display().to_string();
    let quick = [
        "--samples",
        "4",
        "--experts",
        "persistence",
        "--horizon",
        "2",
    ];
    let run = |more: &[&str]| piped(&[&["forecast", recording], &quick[..], more].concat(), b"");
    let table = run(&["--paths", &paths]);
    assert!(
        table.starts_with("episode,step,time,variable,mean,"),
        "{table}"
    );
    assert!(
        table.contains("8,2024-09-30,x") && table.contains("9,2024-10-31,x"),
        "{table}"
    );
    let paths = std::fs::read_to_string(paths).unwrap();
    assert!(paths.starts_with("episode,path,step,time,x\n"), "{paths}");
    assert_eq!(paths.lines().count(), 1 + 4 * 2);
    let held = run(&["--holdout"]);
    assert!(
        held.starts_with("episode,step,time,variable,observed,mean,"),
        "{held}"
    );
    assert!(
        held.contains("6,2024-07-31,x,36,") && held.contains("7,2024-08-31,x,49,"),
        "{held}"
    );
}

/// Faults: counts of 1e8 aborted for want of memory, a million threads hung, and an unknown kernel was passed over.
#[test]
fn sizes_beyond_sense_are_usage_errors_that_name_the_largest() {
    let check = |command: &mut Command, says: &[&str]| {
        let output = command
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        says.iter()
            .for_each(|said| assert!(stderr.contains(said), "{stderr}"));
    };
    let with = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_statecast"));
        command.args(arguments);
        command
    };
    let file = "examples/pendulum.csv";
    let policy = ["--policy", "zero"];
    for arguments in [
        &["forecast", file, "--samples", "100000000"][..],
        &["forecast", file, "--horizon", "100000000"],
        &["backtest", file, "--samples", "100000000"],
        &["backtest", file, "--horizon", "100000000"],
        &[
            "evaluate",
            file,
            policy[0],
            policy[1],
            "--paths",
            "100000000",
        ],
        &[
            "evaluate",
            file,
            policy[0],
            policy[1],
            "--horizon",
            "100000000",
        ],
        &[
            "evaluate",
            file,
            policy[0],
            policy[1],
            "--env",
            "pendulum",
            "--simulate",
            "100000000",
        ],
        &["replay", file, "--paths", "100000000"],
        &["training-run", file, "--samples", "100000000"],
    ] {
        let flag = arguments[arguments.len() - 2];
        check(&mut with(arguments), &[flag, "at most 100000"]);
    }
    check(
        &mut with(&["forecast", file, "--samples", "100000", "--horizon", "1000"]),
        &["at most 20000 paths of 1000 steps"],
    );
    check(
        &mut with(&["forecast", file, "--threads", "1000000"]),
        &["1024"],
    );
    for (name, value, says) in [
        ("RAYON_NUM_THREADS", "1000000", "1024"),
        ("RAYON_NUM_THREADS", "many", "1024"),
        ("CANDLE_NUM_THREADS", "1000000", "1024"),
        ("STATECAST_KERNEL", "avx", "plain, f32 or bf16"),
    ] {
        check(
            with(&["forecast", file]).env(name, value),
            &[name, value, says],
        );
    }
}

/// Fault: commands of the README named files that nobody has.
#[test]
fn files_of_the_readme_are_there_or_made_above() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("README.md")).unwrap();
    let text = text.replace("\\\n", " ");
    let commands: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("    statecast "))
        .map(|line| line.split("  #").next().unwrap_or(line))
        .collect();
    assert!(commands.len() > 15, "{commands:?}");
    let written = ["--out", "--output", "--plot", "--report", "--figure", "-o"];
    let endings = [
        "csv",
        "npz",
        "npy",
        "parquet",
        "json",
        "safetensors",
        "gguf",
        "py",
        "html",
        "svg",
    ];
    let mut made: Vec<String> = Vec::new();
    for command in commands {
        let parts: Vec<&str> = command
            .split([' ', ',', '=', ':', '\''])
            .filter(|part| !part.is_empty())
            .collect();
        for (place, part) in parts.iter().enumerate() {
            if written.contains(&parts[place.saturating_sub(1)]) {
                made.push((*part).to_owned());
                continue;
            }
            let ending = part.rsplit_once('.').map_or("", |(_, ending)| ending);
            let there = root.join(part).exists() || made.iter().any(|made| part.starts_with(made));
            assert!(there || !endings.contains(&ending), "{part} in {command}");
        }
    }
    assert!(text.contains("cargo install --path ."));
}

/// What `simulate` writes is what `evaluate` reads.
#[test]
fn simulated_recordings_are_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("random.npz").display().to_string();
    let task = ["simulate", "pendulum", "--policy", "random"];
    let made = statecast(&[&task[..], &["--episodes", "6", "--out", &path]].concat());
    assert!(made.status.success(), "{made:?}");
    let said = String::from_utf8_lossy(&made.stdout);
    assert!(
        said.starts_with("6 episodes of pendulum, 1200 steps; mean return -"),
        "{said}"
    );
    let judged = statecast(&[
        "evaluate",
        &path,
        "--behaviour",
        "random",
        "--policy",
        "constant:0.5",
        "--env",
        "pendulum",
        "--estimators",
        "behaviour,linear",
        "--paths",
        "5",
    ]);
    let stderr = String::from_utf8_lossy(&judged.stderr);
    assert!(judged.status.success(), "{stderr}");
    assert!(
        stderr.contains("next state: next_obs_cos_theta"),
        "{stderr}"
    );
    fails(
        &[&task[..], &["--out", "x.json"]].concat(),
        ".npz, .csv or .parquet",
    );
    let unknown = statecast(&["simulate", "pong", "--out", &path]);
    let stderr = String::from_utf8_lossy(&unknown.stderr);
    assert_eq!(unknown.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("there is no task"), "{stderr}");
}

/// Fault: the list said one million parameters where `inspect` said more.
#[test]
fn models_are_listed_as_they_are_inspected() {
    let said = |arguments: &[&str]| {
        let output = statecast(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let list = said(&["models", "list"]);
    let listed: Vec<&str> = list
        .lines()
        .find(|line| line.starts_with("builtin"))
        .unwrap()
        .split_whitespace()
        .collect();
    let inspected = said(&["models", "inspect", "builtin", "--headers"]);
    let of = |name: &str| {
        let line = inspected
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap();
        line.split_whitespace().nth(1).unwrap()
    };
    assert_eq!(listed[1], of("family"));
    assert_eq!(listed[2], of("parameters"));
    assert!(
        listed.contains(&of("window")) && listed.contains(&of("chosen")),
        "{listed:?}"
    );
}

/// Fault: the error at a gap did not say how to go on, nor how many there are.
#[test]
fn the_error_at_a_gap_counts_them_and_names_the_flag() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gaps.csv").display().to_string();
    let forecast = ["forecast", &path, "--horizon", "2", "--samples", "3"];
    let refused = [&forecast[..], &["--missing", "error"]].concat();
    let rows = |gap: &dyn Fn(i32) -> bool| {
        let row = |t: i32| match gap(t) {
            true => format!("{t},\n"),
            false => format!("{t},{}\n", f64::from(t).sin()),
        };
        format!("t,x\n{}", (0..60).map(row).collect::<String>())
    };
    std::fs::write(&path, rows(&|t| t % 20 == 7)).unwrap();
    fails(&refused, "row 8");
    fails(&refused, "--missing hold; it is the first of 3 gaps");
    assert!(
        statecast(&[&forecast[..], &["--missing", "hold"]].concat())
            .status
            .success()
    );
    std::fs::write(&path, rows(&|t| t == 7)).unwrap();
    fails(&refused, "it is the only gap");
}

/// Faults: --until counted rows of a log that has one every ten steps, and the figure had no pool.
#[test]
fn a_training_run_ends_at_a_step_and_its_figure_shows_the_pool() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (log, figure) = (at("log.csv"), at("x.svg"));
    let row = |t: i32| format!("{},{}\n", 10 * (t + 1), 0.3 + (-f64::from(t) / 40.0).exp());
    let rows: String = (0..200).map(row).collect();
    std::fs::write(&log, format!("step,loss\n{rows}")).unwrap();
    let output = statecast(&[
        "training-run",
        &log,
        "--metric",
        "loss",
        "--prefix",
        "100",
        "--until",
        "2000",
        "--pool",
        "ar,power-law",
        "--models",
        "pool,ar,power-law",
        "--samples",
        "20",
        "--figure",
        &figure,
    ]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("by step 2000, from 100 rows; actual 0.3"),
        "{said}"
    );
    let figure = std::fs::read_to_string(&figure).unwrap();
    assert!(figure.contains("pool, median") && figure.contains("until step 2000"));
    assert!(!figure.contains("one step ahead"));
}

/// A valve that is open in every fifth row, beside a flow.
#[test]
fn probabilities_of_few_levels_are_in_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let rows =
        (0..100).map(|t| format!("{},{}\n", u8::from(t % 5 == 0), (0.3 * f64::from(t)).sin()));
    std::fs::write(
        path("x.csv"),
        format!("valve,flow\n{}", rows.collect::<String>()),
    )
    .unwrap();
    let output = statecast(&[
        "forecast",
        &path("x.csv"),
        "--horizon",
        "10",
        "--experts",
        "knn",
        "--output",
        &path("y.csv"),
    ]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("levels: valve takes 0, 1\n"), "{said}");
    let table = std::fs::read_to_string(path("y.csv")).unwrap();
    let head: Vec<&str> = table.lines().next().unwrap().split(',').collect();
    let column = |name: &str| head.iter().position(|found| *found == name).unwrap();
    let (closed, open) = (column("p(0)"), column("p(1)"));
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let share = |column: usize| cells[column].parse::<f64>().unwrap();
        match cells[column("variable")] {
            "valve" => {
                assert_eq!(share(closed) + share(open), 1.0);
                assert_eq!(share(open), cells[column("mean")].parse::<f64>().unwrap());
                let is_open = cells[column("step")].parse::<usize>().unwrap() % 5 == 0;
                assert!((share(open) > 0.5) == is_open, "{line}");
            }
            _ => assert!(share(closed).is_nan() && share(open).is_nan(), "{line}"),
        }
    }
}

/// Fault: a season that is known was refused for all but one of the forecasters that take it.
#[test]
fn known_seasons_are_for_all_that_take_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv").display().to_string();
    let rows = (0..60).map(|t| format!("{}\n", t % 6 + t / 20));
    std::fs::write(&path, format!("sold\n{}", rows.collect::<String>())).unwrap();
    let period = |experts| {
        vec![
            "forecast",
            &path,
            "--horizon",
            "4",
            "--period",
            "6",
            "--experts",
            experts,
            "--output",
            "-",
        ]
    };
    for experts in [
        "seasonal",
        "sari",
        "log-sari",
        "harmonic",
        "log-harmonic-ari",
    ] {
        let output = statecast(&period(experts));
        assert!(
            output.status.success(),
            "{experts}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let output = statecast(&period("ari"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("--period has no effect") && said.contains("seasonal, sari, log-sari"),
        "{said}"
    );
}

/// A shop that is closed on Sundays and lost a few days of its book.
#[test]
fn the_calendar_is_read_where_rows_have_dates() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.csv");
    let mut rows = "date,sold\n".to_owned();
    // The first of January 2024 was a Monday.
    for day in (0..119).filter(|day| ![17, 40, 59, 83].contains(day)) {
        let (month, of_month) = [(1, 0), (2, 31), (3, 60), (4, 91)]
            .into_iter()
            .rfind(|(_, before)| day >= *before)
            .map(|(month, before)| (month, day - before + 1))
            .unwrap();
        let sold = if day % 7 == 6 { 1 } else { 40 + day * 7 % 5 };
        rows += &format!("2024-{month:02}-{of_month:02},{sold}\n");
    }
    std::fs::write(&path, rows).unwrap();
    let path = path.to_str().unwrap();
    let forecast = |calendar: &str, experts: &[&str]| {
        let command = ["forecast", path, "--horizon", "7", "--calendar", calendar];
        let output = statecast(&[&command[..], experts].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        (said, String::from_utf8(output.stdout).unwrap())
    };
    let (said, table) = forecast("auto", &[]);
    assert!(said.contains("calendar: days of the week"), "{said}");
    assert!(
        table
            .lines()
            .nth(1)
            .unwrap()
            .starts_with("0,119,2024-04-29,sold"),
        "{table}"
    );
    let (said, without) = forecast("none", &[]);
    assert!(!said.contains("calendar"), "{said}");
    assert_ne!(table, without);
    // The 5th of May is a Sunday.
    let (_, table) = forecast("auto", &["--experts", "calendar"]);
    let sunday = table.lines().nth(7).unwrap();
    let mean: f64 = sunday.split(',').nth(4).unwrap().parse().unwrap();
    assert!(sunday.contains("2024-05-05") && mean < 10.0, "{sunday}");
    let output = statecast(&["forecast", path, "--experts", "ar", "--calendar", "none"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("no forecaster reads the calendar"), "{said}");
}

/// A tank that is filled, held and drained in turn.
fn tank(path: &Path, header: &str, cell: impl Fn(usize) -> String) {
    let mut rows = format!("{header}\n");
    let mut level = 1.0;
    for t in 0..120 {
        let mode = ["fill", "hold", "drain"][t / 5 % 3];
        level += [0.3, 0.0, -0.3][t / 5 % 3];
        rows += &format!("{level:.1},{mode}{}\n", cell(t));
    }
    std::fs::write(path, rows).unwrap();
}

#[test]
fn words_are_levels_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tank.csv");
    tank(&path, "level,mode,valve", |t| {
        format!(",{}", ["open", "closed"][t / 5 % 2])
    });
    let file = path.to_str().unwrap();
    let forecast = |more: &[&str]| {
        let command = ["forecast", file, "--horizon", "4", "--samples", "50"];
        let output = statecast(&[&command[..], more].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        (said, String::from_utf8(output.stdout).unwrap())
    };
    let (_, table) = forecast(&[]);
    assert!(!table.contains("p(fill)"), "{table}");
    let (said, table) = forecast(&["--levels", "mode,valve", "--holdout"]);
    assert!(said.contains("mode takes drain, fill, hold"), "{said}");
    let mut lines = table.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let place = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let words = ["p(drain)", "p(fill)", "p(hold)"].map(place);
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let of = |name: &str| {
        let rows = rows.iter().filter(|row| row[place("variable")] == name);
        rows.cloned().collect::<Vec<_>>()
    };
    assert_eq!((rows.len(), of("level").len()), (12, 4));
    for row in of("mode") {
        let shares = words.map(|word| row[word].parse::<f64>().unwrap());
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{row:?}");
        assert_eq!(row[place("level")], "drain");
        assert_eq!(row[place("observed_level")], "drain");
        assert_eq!((row[place("q0.5")], row[place("p(open)")]), ("NaN", "NaN"));
    }
    for row in of("valve") {
        let shares = ["p(closed)", "p(open)"].map(|word| row[place(word)].parse::<f64>().unwrap());
        assert!((shares[0] + shares[1] - 1.0).abs() < 1e-9, "{row:?}");
    }
    let rows = (0..90).map(|row| format!("{row},w{}\n", row % 25));
    let many = folder.path().join("many.csv");
    std::fs::write(&many, "x,mode\n".to_owned() + &rows.collect::<String>()).unwrap();
    fails(
        &["forecast", many.to_str().unwrap(), "--levels", "mode"],
        "column mode holds 25 different words, at most 20 can be levels",
    );
    fails(&["forecast", file, "--levels", "made"], "made");
}
