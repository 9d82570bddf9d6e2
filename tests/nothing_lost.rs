//! Results are not lost where the terminal, the disk or another run is in their way.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn statecast(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_statecast"));
    command.current_dir(folder).args(arguments);
    command
}

fn says(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Fails unless a run ended with an error, whose line it returns.
fn refusal(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let says = says(&output);
    assert!(matches!(output.status.code(), Some(1 | 2)), "{says}");
    says
}

/// The line with which a command and its flags are refused.
fn refused(folder: &tempfile::TempDir, command: &[&str], flags: &[&str]) -> String {
    refusal(&mut statecast(folder.path(), &[command, flags].concat()))
}

/// Fails unless all files are in the folder.
fn has(folder: &Path, files: &[&str]) {
    for file in files {
        assert!(folder.join(file).exists(), "no {file}");
    }
}

/// A folder with a recording of two swing-ups and a sequence of weather.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for name in ["pendulum.csv", "weather.csv"] {
        fs::copy(examples.join(name), folder.path().join(name)).unwrap();
    }
    folder
}

/// Commands with the files that they write.
const WRITING: [(&[&str], &[&str]); 4] = [
    (
        &[
            "backtest",
            "pendulum.csv",
            "--context",
            "100",
            "--horizon",
            "5",
            "--windows",
            "1",
            "--samples",
            "4",
            "--models",
            "linear",
            "-o",
            "t.csv",
            "--report",
            "r.html",
        ],
        &["t.csv", "t.manifest.json", "t.one-step.csv", "r.html"],
    ),
    (
        &[
            "markov",
            "weather.csv",
            "--label",
            "sky",
            "--experts",
            "persistence",
            "-o",
            "m.json",
        ],
        &["m.json"],
    ),
    (
        &[
            "evaluate",
            "pendulum.csv",
            "--policy",
            "zero=constant:0",
            "--estimators",
            "linear",
            "--paths",
            "4",
            "--horizon",
            "5",
            "-o",
            "v.csv",
            "--report",
            "v.html",
        ],
        &["v.csv", "v.manifest.json", "v.html"],
    ),
    (
        &[
            "forecast",
            "pendulum.csv",
            "--horizon",
            "3",
            "--experts",
            "linear",
            "-o",
            "f.csv",
            "--plot",
            "f.svg",
        ],
        &["f.csv", "f.manifest.json", "f.svg"],
    ),
];

/// Commands panicked on a closed standard output and wrote nothing.
#[test]
fn a_closed_standard_output_loses_no_file() {
    for (arguments, files) in WRITING {
        let folder = folder();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = statecast(folder.path(), arguments)
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let says = says(&output);
        assert!(output.status.success(), "{arguments:?}: {says}");
        assert!(!says.contains("panicked"), "{arguments:?}: {says}");
        has(folder.path(), files);
    }
}

/// Notes on a closed standard error ended the program before its files were written.
#[test]
fn a_closed_standard_error_loses_no_file() {
    for (arguments, files) in WRITING {
        let folder = folder();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = statecast(folder.path(), arguments)
            .stdout(Stdio::null())
            .stderr(writer)
            .status()
            .unwrap();
        assert!(status.success(), "{arguments:?}: {status}");
        has(folder.path(), files);
    }
}

/// A full disk behind standard output was a panic.
#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_an_error_behind_the_files() {
    for (arguments, files) in &WRITING[..3] {
        let folder = folder();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let says = refusal(statecast(folder.path(), arguments).stdout(full));
        assert!(
            says.contains("error: standard output: No space left"),
            "{says}"
        );
        has(folder.path(), files);
    }
}

/// What was to be printed was lost and the command succeeded.
#[cfg(target_os = "linux")]
#[test]
fn a_standard_output_that_was_closed_before_is_an_error_behind_the_files() {
    let closed = |folder: &Path, arguments: &[&str]| {
        let program = env!("CARGO_BIN_EXE_statecast");
        let mut shell = Command::new("sh");
        shell
            .current_dir(folder)
            .args(["-c", "exec \"$0\" \"$@\" >&-"]);
        shell.arg(program).args(arguments);
        shell
    };
    for (arguments, files) in &WRITING[..3] {
        let folder = folder();
        let says = refusal(&mut closed(folder.path(), arguments));
        assert!(says.contains("error: standard output: is closed"), "{says}");
        has(folder.path(), files);
    }
    let folder = folder();
    let forecast = ["forecast", "weather.csv", "--horizon", "3", "-o", "-"];
    for arguments in [&["models", "list"][..], &["man"], &forecast] {
        let says = refusal(&mut closed(folder.path(), arguments));
        assert_eq!(says.matches("is closed").count(), 1, "{says}");
    }
    // All that this one has to say is in its files.
    let (arguments, files) = WRITING[3];
    let output = closed(folder.path(), arguments).output().unwrap();
    assert!(output.status.success(), "{}", says(&output));
    has(folder.path(), files);
}

/// `-o` with the recording's name replaced the recording.
#[test]
fn what_is_read_is_not_overwritten() {
    let folder = folder();
    let before = fs::read(folder.path().join("pendulum.csv")).unwrap();
    let same = format!("{}/pendulum.csv", folder.path().display());
    let backtest = [
        "backtest",
        "pendulum.csv",
        "--context",
        "100",
        "--models",
        "linear",
        "-o",
    ];
    let forecast = [
        "forecast",
        "weather.csv",
        "--also",
        "pendulum.csv",
        "--output",
    ];
    for (command, output) in [
        (&backtest[..], "pendulum.csv"),
        (&backtest[..], "./pendulum.csv"),
        (&backtest[..], same.as_str()),
        (&forecast[..], "pendulum.csv"),
    ] {
        let says = refused(&folder, command, &[output]);
        assert!(says.contains("pendulum.csv, which is read"), "{says}");
    }
    assert_eq!(
        fs::read(folder.path().join("pendulum.csv")).unwrap(),
        before
    );
}

/// The table of one step, beside that of all, replaced the recording; paths and manifest had one name.
#[test]
fn files_beside_an_output_are_no_other_files() {
    let folder = folder();
    let recording = folder.path().join("x.one-step.csv");
    fs::copy(folder.path().join("pendulum.csv"), &recording).unwrap();
    let backtest = [
        "backtest",
        "x.one-step.csv",
        "--context",
        "100",
        "--models",
        "linear",
        "-o",
        "x.csv",
    ];
    let forecast = [
        "forecast",
        "pendulum.csv",
        "-o",
        "y.json",
        "--paths",
        "y.manifest.json",
    ];
    for (arguments, what) in [
        (&backtest[..], "which is read"),
        (&forecast[..], "would write the same file"),
    ] {
        let says = refused(&folder, arguments, &[]);
        assert!(says.contains(what), "{says}");
    }
}

/// A recording that was given as another one told forecasts what they were compared with.
#[test]
fn a_recording_is_no_other_recording() {
    let folder = folder();
    let backtest = [
        "backtest",
        "pendulum.csv",
        "--context",
        "100",
        "--models",
        "linear",
        "--also",
        "./pendulum.csv",
    ];
    let says = refused(&folder, &backtest, &[]);
    assert!(says.contains("is the recording itself"), "{says}");
}

/// `evaluate` and `replay` read all episodes whatever was selected.
#[test]
fn only_selected_episodes_are_evaluated() {
    let folder = folder();
    let text: String = (0..6)
        .flat_map(|episode| {
            (0..30).map(move |t| format!("{episode},{t},{t},0,{episode},{}\n", i32::from(t == 29)))
        })
        .collect();
    let text = format!("episode,t,obs_x,action,reward,terminated\n{text}");
    fs::write(folder.path().join("runs.csv"), text).unwrap();
    let evaluate = [
        "evaluate",
        "runs.csv",
        "--policy",
        "constant:0",
        "--estimators",
        "behaviour",
        "--discount",
        "1",
        "--horizon",
        "30",
    ];
    let value = |select: &[&str]| {
        let output = statecast(folder.path(), &[&evaluate[..], select].concat())
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &says(&output),
        )
    };
    let (code, text) = value(&["--select", "2,3"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("75.0"), "{text}");
    let (code, text) = value(&["--select", "7"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("--select 7: no such episode"), "{text}");
}

/// A folder that is missing was found once all was computed.
#[test]
fn a_wrong_output_is_found_before_the_work() {
    let folder = folder();
    for flags in [
        ["-o", "nowhere/f.csv"],
        ["-o", "f.gif"],
        ["--plot", "nowhere/f.svg"],
        ["--plot", "f.gif"],
    ] {
        let forecast = ["forecast", "no-such-recording.csv", "--horizon", "3"];
        let says = refused(&folder, &forecast, &flags);
        assert!(
            says.contains(flags[1]) && !says.contains("recording"),
            "{says}"
        );
    }
}

const TRAINING: [&str; 8] = [
    "train",
    "pendulum",
    "--steps",
    "100000",
    "--evaluate-every",
    "100",
    "--evaluation-episodes",
    "1",
];

/// The log of a run that was killed was empty.
#[test]
fn progress_of_training_is_written_line_by_line() {
    let folder = folder();
    let mut child = statecast(folder.path(), &[&TRAINING[..], &["--out", "run"]].concat());
    let mut child = child
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut shown = BufReader::new(child.stdout.take().unwrap());
    shown.read_line(&mut line).unwrap();
    let goes_on = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.starts_with("step") && line.contains("100"), "{line}");
    assert!(goes_on, "the line came with the end only");
}

/// Runs of a comparison that was killed trained on, and the next one could not begin.
#[cfg(unix)]
#[test]
fn runs_end_with_the_comparison_that_started_them() {
    let folder = folder();
    let comparison = [
        "train",
        "compare",
        "--env",
        "pendulum",
        "--algorithms",
        "sac",
        "--seeds",
        "2",
        "--steps",
        "1000000",
        "--out",
        "runs",
    ];
    let mut child = statecast(folder.path(), &comparison)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lock = folder.path().join("runs/sac/seed-1/lock");
    let until = Instant::now() + Duration::from_secs(60);
    while !lock.exists() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(lock.exists(), "no run began");
    child.kill().unwrap();
    child.wait().unwrap();
    let is_free = || File::open(&lock).unwrap().try_lock().is_ok();
    while !is_free() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(is_free(), "the run trains on");
}
