//! Recordings with missing values, as a user gives them to the program.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Output};

fn statecast(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_statecast"))
        .args(arguments)
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn succeeds(arguments: &[&str]) -> String {
    let output = statecast(arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    stderr(&output)
}

#[track_caller]
fn fails(arguments: &[&str], says: &str) {
    let output = statecast(arguments);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(says) && !text.contains("panicked"), "{text}");
}

/// Two waves of 80 rows, of which some cells are empty.
fn write(path: &Path, is_missing: impl Fn(usize, usize) -> bool) {
    let wave = |t: usize, c: usize| (0.25 * t as f64 + c as f64).sin();
    let cell = |t, c| match is_missing(t, c) {
        true => String::new(),
        false => wave(t, c).to_string(),
    };
    let row = |t: usize| format!("{t},{},{}\n", cell(t, 0), cell(t, 1));
    let rows: String = (0..80).map(row).collect();
    std::fs::write(path, format!("t,x,y\n{rows}")).unwrap();
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }
}

#[test]
fn forecasts_fill_missing_states_and_say_so() {
    let folder = Folder::new();
    let path = folder.at("run.csv");
    let forecast = ["forecast", &path, "--horizon", "3", "--samples", "3"];
    write(path.as_ref(), |t, c| {
        (30..34).contains(&t) && c == 0 || t == 50
    });
    let said = succeeds(&forecast);
    assert!(
        said.contains("6 missing values filled from both sides")
            && said.contains("5 of x, 1 of y; the longest gap is 4 rows of x"),
        "{said}"
    );
    fails(&[&forecast[..], &["--missing", "error"]].concat(), "row 31");
    let hold = succeeds(&[&forecast[..], &["--missing", "hold"]].concat());
    assert!(!hold.contains("filled"), "{hold}");
}

#[test]
fn values_at_the_end_are_filled_with_a_warning() {
    let folder = Folder::new();
    let path = folder.at("run.csv");
    write(path.as_ref(), |t, c| c == 1 && (t == 0 || t >= 77));
    let said = succeeds(&["forecast", &path, "--horizon", "2", "--samples", "3"]);
    assert!(said.contains("4 missing values"), "{said}");
    assert!(
        said.contains("warning: the last rows of y are missing"),
        "{said}"
    );
}

#[test]
fn what_nothing_can_fill_is_named() {
    let folder = Folder::new();
    let path = folder.at("run.csv");
    let forecast = ["forecast", &path, "--state", "x,y", "--horizon", "2"];
    write(path.as_ref(), |t, c| c == 1 && t >= 20);
    fails(
        &forecast,
        "column y has no value in 60 rows from row 21 on, more than half of the 80 rows",
    );
    write(path.as_ref(), |_, c| c == 1);
    fails(&forecast, "column y has no value at all");
}

/// No filled value knows the rows that a forecast is scored on, and none of these is filled.
#[test]
fn rows_that_are_held_out_are_neither_filled_nor_looked_at() {
    let folder = Folder::new();
    let (path, other) = (folder.at("run.csv"), folder.at("other.csv"));
    let held_out = |path: &str| {
        let forecast = [
            "forecast",
            path,
            "--holdout",
            "--horizon",
            "5",
            "--samples",
            "3",
        ];
        forecast.map(str::to_owned).to_vec()
    };
    write(path.as_ref(), |t, c| c == 0 && t == 74);
    let table = |path: &str| {
        let arguments = held_out(path);
        let output = statecast(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(output.status.success(), "{}", stderr(&output));
        let table = String::from_utf8(output.stdout).unwrap();
        // All but what was observed.
        let kept = |line: &str| {
            let cells = line.split(',').enumerate().filter(|(i, _)| *i != 4);
            cells
                .map(|(_, cell)| format!("{cell},"))
                .collect::<String>()
        };
        table.lines().map(kept).collect::<Vec<_>>()
    };
    let text = std::fs::read_to_string(&path).unwrap();
    let changed = text.lines().map(|line| match line.split(',').next() {
        Some("76") => "76,0.5,-0.5\n".to_owned(),
        _ => format!("{line}\n"),
    });
    std::fs::write(&other, changed.collect::<String>()).unwrap();
    assert_eq!(table(&path), table(&other));
    write(path.as_ref(), |t, c| c == 0 && t == 77);
    let arguments = held_out(&path);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    fails(&arguments, "row 78, column x is NaN or missing");
}

#[test]
fn scores_are_of_observed_values_unless_asked_otherwise() {
    let folder = Folder::new();
    let path = folder.at("run.csv");
    write(path.as_ref(), |t, c| c == 0 && t == 60);
    let backtest = [
        "backtest",
        &path,
        "--models",
        "persistence",
        "--context",
        "30",
    ];
    fails(
        &backtest,
        "--missing model or --missing hold; it is the only gap",
    );
    let said = succeeds(&[&backtest[..], &["--windows", "2", "--missing", "model"]].concat());
    assert!(
        said.contains("filled values count as if they had been observed"),
        "{said}"
    );
}

/// Fault: policies were judged by filled values without the warning that forecasts are scored with.
#[test]
fn judging_policies_by_filled_values_is_warned_of() {
    let folder = Folder::new();
    let path = folder.at("run.csv");
    let row = |t: usize| {
        let wave = (0.3 * t as f64).sin();
        let x = if t == 40 {
            String::new()
        } else {
            wave.to_string()
        };
        format!("{},{t},{x},{},{wave}\n", t / 30, t % 3)
    };
    let rows: String = (0..120).map(row).collect();
    std::fs::write(&path, format!("episode,t,obs_x,act_u,reward\n{rows}")).unwrap();
    let said = succeeds(&[
        "replay",
        &path,
        "--estimators",
        "baselines",
        "--missing",
        "model",
        "--context",
        "10",
        "--horizon",
        "5",
    ]);
    assert!(
        said.contains("filled values count as if they had been observed"),
        "{said}"
    );
}

/// Fault: nothing was said to be missing where words were.
#[test]
fn impute_says_what_became_of_missing_words() {
    let folder = Folder::new();
    let path = folder.at("run.csv");
    let row = |t: usize| match t {
        20 => format!("{t},{},\n", t * t % 7),
        _ => format!("{t},{},{}\n", t * t % 7, ["open", "shut"][t / 6 % 2]),
    };
    let rows: String = (0..40).map(row).collect();
    std::fs::write(&path, format!("t,x,valve\n{rows}")).unwrap();
    let said = succeeds(&["impute", &path, "--levels", "valve"]);
    assert!(
        said.contains("1 missing word of valve repeats the word before")
            && said.contains("no number is missing")
            && !said.contains("no state is missing"),
        "{said}"
    );
}

#[test]
fn impute_writes_densities_and_the_filled_recording() {
    let folder = Folder::new();
    let path = folder.at("run.csv");
    let (output, filled) = (folder.at("missing.csv"), folder.at("filled.csv"));
    write(path.as_ref(), |t, c| t % 20 == 7 && c == 0);
    succeeds(&[
        "impute",
        &path,
        "--quantiles",
        "0.1,0.9",
        "--output",
        &output,
        "--filled",
        &filled,
    ]);
    let table = std::fs::read_to_string(&output).unwrap();
    let mut lines = table.lines();
    assert_eq!(
        lines.next(),
        Some("episode,step,time,variable,median,q0.1,q0.9")
    );
    let medians = lines.map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        let [low, median, high] = [5, 4, 6].map(|i| cells[i].parse::<f64>().unwrap());
        assert!(low <= median && median <= high, "{line}");
        assert_eq!(cells[3], "x");
        (cells[2].to_owned(), median)
    });
    let medians: HashMap<String, f64> = medians.collect();
    assert_eq!(medians.len(), 4);
    let before = std::fs::read_to_string(&path).unwrap();
    let after = std::fs::read_to_string(&filled).unwrap();
    assert_eq!(after.lines().next(), Some("episode,time,x,y"));
    for (before, after) in before.lines().zip(after.lines()).skip(1) {
        let (before, after): (Vec<_>, Vec<_>) =
            (before.split(',').collect(), after.split(',').collect());
        let number = |text: &str| text.parse::<f64>().unwrap();
        match before[1] {
            "" => {
                let truth = (0.25 * number(before[0])).sin();
                assert_eq!(number(after[2]), medians[before[0]]);
                assert!((number(after[2]) - truth).abs() < 0.01, "{after:?}");
            }
            x => assert_eq!(number(after[2]), number(x)),
        }
        assert_eq!(number(after[3]), number(before[2]));
    }
    let manifest = std::fs::read_to_string(folder.at("missing.manifest.json")).unwrap();
    assert!(manifest.contains("\"missing\": 4"), "{manifest}");
    let said = succeeds(&["impute", &filled, "--output", &output]);
    assert!(said.contains("no state is missing"), "{said}");
    let refused = statecast(&["impute", &path, "--missing", "hold"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("--missing has no effect"));
}

/// Actions are held, which a first row without one cannot be.
#[test]
fn missing_actions_repeat_the_last_one() {
    let folder = Folder::new();
    let path = folder.at("run.csv");
    let rows = |gap: usize| {
        let row = |t: usize| match t == gap {
            true => format!("{t},{},\n", (0.3 * t as f64).sin()),
            false => format!("{t},{},{}\n", (0.3 * t as f64).sin(), t % 3),
        };
        format!("t,obs_x,act_u\n{}", (0..60).map(row).collect::<String>())
    };
    let forecast = ["forecast", &path, "--horizon", "2", "--samples", "3"];
    std::fs::write(&path, rows(30)).unwrap();
    let said = succeeds(&forecast);
    assert!(
        said.contains("1 missing action or reward repeats the value before it"),
        "{said}"
    );
    std::fs::write(&path, rows(0)).unwrap();
    fails(&forecast, "there is no value to hold");
}

/// A cart of 60 rows in two episodes, with or without the pushes that move it.
fn cart(path: &Path, columns: &str, push: impl Fn(usize) -> f64, with_actions: bool) {
    let mut rows = format!("{columns}\n");
    let (mut speed, mut place) = (0.0, 0.0);
    for t in 0..60 {
        let pushed = if with_actions {
            format!(",{}", push(t))
        } else {
            String::new()
        };
        rows += &format!("{},{},{place},{speed}{pushed}\n", t / 30, t % 30);
        speed += 0.1 * push(t);
        place += 0.1 * speed;
    }
    std::fs::write(path, rows).unwrap();
}

#[test]
fn impute_labels_actions_by_those_of_other_recordings() {
    let folder = Folder::new();
    let at = |name: &str| folder.at(name);
    let (known, run) = (at("known.csv"), at("run.csv"));
    let push = |t: usize| (t as f64 * t as f64).sin();
    cart(
        known.as_ref(),
        "episode,t,obs_x,obs_v,act_u",
        |t| push(t + 7),
        true,
    );
    cart(run.as_ref(), "episode,t,obs_x,obs_v", push, false);
    let (output, filled) = (at("labels.csv"), at("filled.csv"));
    let label = [
        "impute",
        &run,
        "--actions",
        &known,
        "--output",
        &output,
        "--filled",
        &filled,
    ];
    let said = succeeds(&[&label[..], &["--quantiles", "0.1,0.9"]].concat());
    assert!(
        said.contains("act_u: by") && said.contains("2 last rows of episodes have no label"),
        "{said}"
    );
    assert!(!said.contains("no better than"), "{said}");
    let table = std::fs::read_to_string(&output).unwrap();
    assert!(
        table.starts_with("episode,step,time,variable,label,q0.1,q0.9\n"),
        "{table}"
    );
    assert_eq!(table.lines().count(), 1 + 58);
    for (line, t) in table.lines().skip(1).zip((0..29).chain(30..59)) {
        let cells: Vec<&str> = line.split(',').collect();
        let label: f64 = cells[4].parse().unwrap();
        assert!((label - push(t)).abs() < 0.05, "{line}: {}", push(t));
    }
    let forecast = ["forecast", &filled, "--horizon", "2", "--samples", "3"];
    let said = succeeds(&[&forecast[..], &["--hold-actions", "last"]].concat());
    assert!(
        said.contains("action: act_u") && said.contains("it is the final state"),
        "{said}"
    );
    fails(
        &["impute", &known, "--actions", &known],
        "has actions already, act_u",
    );
    fails(
        &["impute", &run, "--actions", &run],
        "has no actions to learn from",
    );
    let other = at("other.csv");
    cart(other.as_ref(), "episode,t,obs_x,obs_speed", push, false);
    fails(
        &["impute", &other, "--actions", &known],
        "has no state obs_speed",
    );
}

/// Pushes that change nothing cannot be seen in the states.
#[test]
fn labels_that_are_no_better_than_the_mean_are_warned_of() {
    let folder = Folder::new();
    let (known, run) = (folder.at("known.csv"), folder.at("run.csv"));
    let row = |t: usize, end: String| format!("{t},{}{end}\n", (0.3 * t as f64).sin());
    let noise = |t: usize| format!(",{}", (t * t * 7919 % 101) as f64 / 101.0);
    let rows: String = (0..80).map(|t| row(t, noise(t))).collect();
    std::fs::write(&known, format!("t,obs_x,act_u\n{rows}")).unwrap();
    let rows: String = (0..40).map(|t| row(t, String::new())).collect();
    std::fs::write(&run, format!("t,obs_x\n{rows}")).unwrap();
    let said = succeeds(&["impute", &run, "--actions", &known]);
    assert!(
        said.contains("labels of act_u are no better than their mean"),
        "{said}"
    );
}
