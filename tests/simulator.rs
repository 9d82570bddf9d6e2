//! Simulators of the user as experts: closures, programs that keep to the protocol, and others.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use ndarray::{Array2, ArrayView2, ArrayViewMut2};
use statecast::baselines::named;
use statecast::experts::{Simulated, Simulator, SimulatorError};
use statecast::forecast::{
    Control, ForecastError, Forecaster, Knowledge, KnownFuture, Reading, Residual, Role,
    RolloutSettings, Settings, Variables,
};

/// A step of a damped pendulum that is driven.
fn step(state: &[f64], actions: &[f64]) -> [f64; 2] {
    let (x, v) = (state[0], state[1]);
    [x + 0.2 * v, 0.97 * v - 0.8 * x.sin() + 0.3 * actions[0]]
}

fn pendulum(rows: usize) -> Variables {
    let mut values = Array2::zeros((rows, 2));
    let actions = Array2::from_shape_fn((rows, 1), |(t, _)| (0.37 * t as f64).sin());
    (values[[0, 0]], values[[0, 1]]) = (2.0, 0.5);
    for t in 1..rows {
        let next = step(&values.row(t - 1).to_vec(), &actions.row(t - 1).to_vec());
        (values[[t, 0]], values[[t, 1]]) = (next[0], next[1]);
    }
    Variables {
        actions,
        ..Variables::new(
            vec!["x".to_owned(), "v".to_owned()],
            vec![Role::State; 2],
            values,
        )
    }
}

type Shared = Arc<Mutex<dyn Simulator>>;

fn shared(simulator: impl Simulator + 'static) -> Shared {
    Arc::new(Mutex::new(simulator))
}

fn exact() -> Shared {
    shared(|state: &[f64], actions: &[f64]| step(state, actions).map(Some).to_vec())
}

/// A reader of digits that knows nothing stands in for the language model.
fn forecaster(simulator: Option<Shared>) -> Forecaster {
    let knowledge = Knowledge::default();
    let knowledge = match simulator {
        Some(simulator) => knowledge.with_simulator(simulator),
        None => knowledge,
    };
    let residual = Residual::new(named("mean").unwrap()).knowing(knowledge);
    Forecaster::of(Arc::new(residual), Settings::default())
}

fn read(context: &Variables, simulator: Option<Shared>) -> Reading {
    forecaster(simulator).read(context).unwrap()
}

/// Mean log score of rows.
fn score(reading: &Reading, rows: Range<usize>) -> f64 {
    let scores = reading.one_step().log_scores();
    scores.slice(ndarray::s![rows, ..]).mean().unwrap()
}

#[test]
fn an_exact_simulator_is_the_best_expert_after_few_rows() {
    let context = pendulum(40);
    let (alone, with) = (read(&context, None), read(&context, Some(exact())));
    // Three rows teach it its scale, then it is the best.
    let (alone, with) = (score(&alone, 5..20), score(&with, 5..20));
    assert!(with > alone + 3.0, "{with} {alone}");
}

#[test]
fn a_wrong_simulator_does_no_harm() {
    let context = pendulum(80);
    let wrong = |state: &[f64], _: &[f64]| vec![Some(-3.0 * state[1]), Some(1e12 * state[0])];
    let alone = score(&read(&context, None), 5..80);
    let with = score(&read(&context, Some(shared(wrong))), 5..80);
    assert!(with > alone - 0.05, "{with} {alone}");
    let silent = |_: &[f64], _: &[f64]| vec![None; 2];
    let silent = score(&read(&context, Some(shared(silent))), 0..80);
    assert_eq!(silent, score(&read(&context, None), 0..80));
}

/// One that was right for long must not be believed for long when it no longer is.
#[test]
fn a_simulator_that_goes_wrong_is_left() {
    let context = pendulum(160);
    let mut asked = 0;
    let failing = move |state: &[f64], actions: &[f64]| {
        asked += 1;
        let off = if asked > 80 { 0.5 } else { 0.0 };
        step(state, actions).map(|x| Some(x + off)).to_vec()
    };
    let (alone, with) = (read(&context, None), read(&context, Some(shared(failing))));
    let (alone, with) = (alone.one_step().grids(), with.one_step().grids());
    assert_ne!(alone.row(80), with.row(80));
    for t in 83..160 {
        assert_eq!(alone.row(t), with.row(t), "row {t}");
    }
}

/// States and actions of a request.
type Asked = (Array2<f64>, Array2<f64>);

/// Keeps what it is asked about.
struct Recorder(Arc<Mutex<Vec<Asked>>>);

impl Simulator for Recorder {
    fn next(
        &mut self,
        states: ArrayView2<f64>,
        actions: ArrayView2<f64>,
    ) -> Result<Vec<Vec<Option<Simulated>>>, SimulatorError> {
        let asked = (states.to_owned(), actions.to_owned());
        self.0.lock().unwrap().push(asked);
        let rows = states.rows().into_iter().zip(actions.rows());
        let next = rows.map(|(x, u)| step(&x.to_vec(), &u.to_vec()));
        let certain = |mean| Some(Simulated { mean, std: None });
        Ok(next.map(|next| next.map(certain).to_vec()).collect())
    }
}

/// What was learned from rows is right about them: that proves nothing.
#[test]
fn learned_simulators_are_not_asked_about_earlier_recordings() {
    let asked = |knowledge: fn(Shared) -> Knowledge| {
        let questions = Arc::default();
        let recorder = shared(Recorder(Arc::clone(&questions)));
        let residual = Residual::new(named("mean").unwrap()).knowing(knowledge(recorder));
        let forecaster = Forecaster::of(Arc::new(residual), Settings::default());
        let informed = forecaster.with_earlier(&[pendulum(30)]).unwrap();
        informed.read(&pendulum(20)).unwrap();
        questions.lock().unwrap().len()
    };
    let given = asked(|simulator| Knowledge::default().with_simulator(simulator));
    let learned = asked(|simulator| Knowledge::default().with_learned(simulator));
    assert_eq!((given, learned), (29 + 19, 19));
}

/// Row by row in a context; along paths once a step; never about a row that nobody wants.
#[test]
fn simulators_are_asked_about_wanted_rows_only() {
    let all = pendulum(30);
    let mut context = all.slice(0..20);
    context.begins[10] = true;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let recorder = shared(Recorder(Arc::clone(&asked)));
    let reading = forecaster(Some(recorder)).read(&context).unwrap();
    {
        let asked = asked.lock().unwrap();
        let rows: Vec<usize> = (0..19).filter(|&t| t != 9).collect();
        assert_eq!(asked.len(), rows.len());
        for (&t, (states, actions)) in rows.iter().zip(asked.iter()) {
            assert_eq!((states.nrows(), actions.nrows()), (1, 1));
            let error = &states.row(0) - &context.values.row(t);
            assert!(error.iter().all(|e| e.abs() < 1e-12), "row {t}: {error}");
            assert_eq!(actions.row(0), context.actions.row(t));
        }
    }
    asked.lock().unwrap().clear();
    let future = KnownFuture(all.actions.slice(ndarray::s![20..25, ..]).to_owned());
    let rollout = reading.rollout(&paths(5, 7), Some(&future), &|_| ());
    let rollout = rollout.unwrap();
    {
        let asked = asked.lock().unwrap();
        assert_eq!(asked.len(), 5);
        let error = &asked[0].0 - &context.values.slice(ndarray::s![19.., ..]);
        assert!(error.iter().all(|e| e.abs() < 1e-12), "{error}");
        along(&asked[1..], &rollout.paths, &future);
    }
    // The last row was asked about before.
    asked.lock().unwrap().clear();
    let again = reading.rollout(&paths(5, 7), Some(&future), &|_| ());
    assert_eq!(again.unwrap().paths, rollout.paths);
    assert_eq!(asked.lock().unwrap().len(), 4);
}

fn paths(horizon: usize, samples: usize) -> RolloutSettings {
    RolloutSettings {
        horizon: horizon.try_into().unwrap(),
        samples: samples.try_into().unwrap(),
        ..RolloutSettings::default()
    }
}

fn along(asked: &[Asked], paths: &ndarray::Array3<f64>, future: &KnownFuture) {
    for (h, (states, actions)) in asked.iter().enumerate() {
        let drawn = paths.slice(ndarray::s![.., h, ..]);
        assert!((states - &drawn).iter().all(|e| e.abs() < 1e-12));
        assert!(actions.iter().all(|&u| u == future.0[[h, 0]]));
    }
}

/// Sets all paths to a state, and ends the first one in its third row.
struct Ends([f64; 2]);

impl Control for Ends {
    fn act(
        &mut self,
        step: usize,
        _first: usize,
        mut drawn: ArrayViewMut2<f64>,
    ) -> Result<Option<Array2<f64>>, ForecastError> {
        if step == 0 {
            drawn.rows_mut().into_iter().for_each(|mut row| {
                (row[0], row[1]) = (self.0[0], self.0[1]);
            });
        }
        Ok(Some(Array2::zeros((drawn.nrows(), 1))))
    }

    fn detached(&self, step: usize, paths: Range<usize>) -> Vec<usize> {
        let detached = |&path: &usize| step == 0 || (path == 0 && step > 2);
        paths.filter(detached).collect()
    }
}

/// A simulator that refuses terminal states failed where a context or a path ends in one.
#[test]
fn simulators_are_not_asked_about_ended_paths_and_the_row_before_a_set_state() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let recorder = shared(Recorder(Arc::clone(&asked)));
    let reading = forecaster(Some(recorder)).read(&pendulum(20)).unwrap();
    asked.lock().unwrap().clear();
    // Paths restart from the context after every fourth step.
    let settings = RolloutSettings {
        max_steps: Some(4.try_into().unwrap()),
        ..paths(8, 3)
    };
    let control = &mut Ends([1.0, -0.5]);
    reading
        .rollout_with_policy(&settings, control, &|_| ())
        .unwrap();
    let asked = asked.lock().unwrap();
    let rows: Vec<usize> = asked.iter().map(|(states, _)| states.nrows()).collect();
    assert_eq!(rows, [3, 3, 2, 2, 2, 2, 2]);
    assert!(
        (&asked[0].0.row(2) - &ndarray::arr1(&[1.0, -0.5]))
            .sum()
            .abs()
            < 1e-12
    );
}

#[test]
fn sampled_paths_follow_an_exact_simulator() {
    let all = pendulum(50);
    let reading = read(&all.slice(0..30), Some(exact()));
    let drawn = |at_once: usize| {
        let settings = RolloutSettings {
            horizon: 20.try_into().unwrap(),
            samples: 6.try_into().unwrap(),
            paths_at_once: Some(at_once.try_into().unwrap()),
            ..RolloutSettings::default()
        };
        let future = KnownFuture(all.actions.slice(ndarray::s![30..50, ..]).to_owned());
        let rollout = reading.rollout(&settings, Some(&future), &|_| ());
        rollout.unwrap().paths
    };
    let (one, all_at_once) = (drawn(1), drawn(6));
    assert_eq!(one, all_at_once);
    for path in one.outer_iter() {
        let error = &path - &all.values.slice(ndarray::s![30..50, ..]);
        assert!(error.iter().all(|e| e.abs() < 0.2), "{error}");
    }
}

/// Constant channels are no channels of the panel, but states have them.
#[test]
fn states_have_constant_channels_and_only_known_values_count() {
    let wave = pendulum(40);
    let values = Array2::from_shape_fn((40, 3), |(t, c)| match c {
        0 => 7.25,
        _ => wave.values[[t, c - 1]],
    });
    let names = ["mass", "x", "v"].map(str::to_owned);
    let context = Variables {
        actions: wave.actions.clone(),
        ..Variables::new(names.to_vec(), vec![Role::State; 3], values)
    };
    let partial = |state: &[f64], actions: &[f64]| {
        assert_eq!(state[0], 7.25);
        vec![None, None, Some(step(&state[1..], actions)[1])]
    };
    let reading = read(&context, Some(shared(partial)));
    let density = reading.one_step().density(10, 2);
    assert!(density.std() < 0.1 && (density.mean() - context.values[[10, 2]]).abs() < 0.01);
}

#[test]
fn errors_name_the_row_and_what_is_wrong() {
    let mut asked = 0;
    let mut broken = move |state: &[f64], _: &[f64]| {
        asked += 1;
        vec![Some(state[0]), (asked == 7).then_some(f64::NAN)]
    };
    let _ = broken(&[0.0], &[]);
    let forecast = forecaster(Some(shared(broken)));
    let error = forecast.read(&pendulum(20)).err().unwrap().to_string();
    let expected = "simulator, asked for row 6 (the context's first is 0): it predicts NaN for v";
    assert_eq!(error, expected);
    let few = shared(|_: &[f64], _: &[f64]| vec![Some(1.0)]);
    let error = forecaster(Some(few)).read(&pendulum(20)).err().unwrap();
    assert!(error.to_string().contains("row 1 "), "{error}");
    assert!(error.to_string().contains("1 channels, not 2"), "{error}");
    let settings = Settings {
        method: "dicl-s".parse().unwrap(),
        ..Settings::default()
    };
    let knowledge = Knowledge::default().with_simulator(exact());
    let residual = Residual::new(named("mean").unwrap()).knowing(knowledge);
    let mixed = Forecaster::of(Arc::new(residual), settings).read(&pendulum(20));
    assert!(matches!(mixed, Err(ForecastError::SimulatedComponents)));
}

/// A season that is too long to be found in so few rows.
#[test]
fn a_known_period_is_used_before_it_could_be_found() {
    let season = [0.3, 2.0, -1.0, 4.0, 1.5, 0.2, -3.0];
    let values = Array2::from_shape_fn((15, 1), |(t, _)| season[t % 7]);
    let context = Variables::new(vec!["x".to_owned()], vec![Role::State], values);
    let of = |period: Option<usize>| {
        let knowledge = Knowledge::default();
        let knowledge = match period {
            Some(rows) => knowledge.with_period(rows),
            None => knowledge,
        };
        let residual = Residual::new(named("mean").unwrap()).knowing(knowledge);
        let forecaster = Forecaster::of(Arc::new(residual), Settings::default());
        score(&forecaster.read(&context).unwrap(), 11..15)
    };
    let (found, known) = (of(None), of(Some(7)));
    assert!(known > found + 3.0, "{known} {found}");
    assert!(of(Some(0)).is_finite());
}

#[cfg(unix)]
mod programs {
    use super::*;
    use statecast::experts::SimulatorProgram;
    use std::path::Path;
    use std::process::{Command, Output};
    use std::time::{Duration, Instant};

    /// Answers with the pendulum's next states, and counts the questions in a file. Each line has
    /// an awk of its own, for some wait for more input than a line.
    const PENDULUM: &str = r#"
read -r names
[ "$names" = '{"channels":["x","v"],"actions":["u"]}' ] || exit 4
while read -r line; do
    if [ -n "$1" ]; then echo asked >> "$1"; fi
    echo "$line" | awk '{
        split($0, parts, /"actions":/)
        sub(/.*"states":/, "", parts[1])
        count = split(parts[1], state, /[^-+.0-9e]+/) - 2
        split(parts[2], action, /[^-+.0-9e]+/)
        for (i = 1; 2 * i <= count; i++) {
            x = state[2 * i]; v = state[2 * i + 1]
            v1 = 0.97 * v - 0.8 * sin(x) + 0.3 * action[i + 1]
            all = all (i > 1 ? "," : "") sprintf("[%.17g,%.17g]", x + 0.2 * v, v1)
        }
        print "{\"next\":[" all "]}"
    }'
done
"#;

    fn write(folder: &Path, name: &str, text: &str) -> String {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn recording(folder: &Path, rows: usize) -> String {
        let all = pendulum(rows);
        let mut text = "x,v,u\n".to_owned();
        for t in 0..rows {
            let (values, u) = (&all.values, all.actions[[t, 0]]);
            text += &format!("{},{},{u}\n", values[[t, 0]], values[[t, 1]]);
        }
        write(folder, "pendulum.csv", &text)
    }

    fn statecast(arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_statecast"))
            .args(arguments)
            .output()
            .unwrap()
    }

    fn error_of(output: &Output) -> String {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let error = stderr.lines().find(|line| line.starts_with("error: "));
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        error.unwrap().to_owned()
    }

    #[test]
    fn a_program_says_what_the_closure_says() {
        let folder = tempfile::tempdir().unwrap();
        let script = write(folder.path(), "pendulum.sh", PENDULUM);
        let names = ["x", "v", "u"].map(str::to_owned);
        let command = format!("sh '{script}'");
        let limit = Duration::from_secs(10);
        let start = SimulatorProgram::start(&command, &names[..2], &names[2..], limit);
        let context = pendulum(30);
        let reading = read(&context, Some(shared(start.unwrap())));
        let of_closure = read(&context, Some(exact()));
        let (one, other) = (score(&reading, 0..30), score(&of_closure, 0..30));
        assert!((one - other).abs() < 0.2, "{one} {other}");
    }

    #[test]
    fn every_command_takes_a_simulator() {
        let folder = tempfile::tempdir().unwrap();
        let script = write(folder.path(), "pendulum.sh", PENDULUM);
        let file = recording(folder.path(), 70);
        let at = |name: &str| folder.path().join(name).display().to_string();
        let asked = at("asked");
        let command = format!("sh '{script}' '{asked}'");
        let hints = [
            "--action",
            "u",
            "--method",
            "residual",
            "--simulator",
            &command,
        ];
        let windows = ["--context", "30", "--horizon", "5", "--windows", "2"];
        let few = ["--samples", "10"];
        let only = ["--models", "builtin"];
        let (npz, json) = (at("d.npz"), at("b.json"));
        let horizon = ["--horizon", "5", "--holdout"];
        let backtest = [&few[..], &windows, &only, &["--output", &json]].concat();
        let calibrate = [&few[..], &windows].concat();
        // One a row after the first, and one a step of paths.
        let cases = [
            ("forecast", [&few[..], &horizon].concat(), 64 + 5),
            ("density", vec!["--output", &npz], 69),
            ("backtest", backtest, 2 * (29 + 5)),
            ("calibrate", calibrate, 2 * 2 * (29 + 5)),
        ];
        for (name, more, fewest) in cases {
            let case = [&[name, &file][..], &hints, &more].concat();
            let output = statecast(&case);
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{case:?}: {stderr}");
            let count = std::fs::read_to_string(&asked).unwrap().lines().count();
            std::fs::remove_file(&asked).unwrap();
            assert!(count >= fewest, "{name}: {count} questions");
            assert!(name != "density" || count == fewest, "{count} questions");
        }
        for manifest in ["d.manifest.json", "b.manifest.json"] {
            let manifest = std::fs::read_to_string(at(manifest)).unwrap();
            assert!(manifest.contains("pendulum.sh"), "{manifest}");
        }
    }

    /// Knows nothing of any row and refuses states at x = 99; keeps the names that it is told, and
    /// counts the lines that ask.
    const SILENT: &str = r#"
read -r names
echo "$names" > "$1"
while read -r line; do
    echo asked >> "$1"
    case "$line" in *'"states":[[99'*|*'"states":[[98.9'*)
        echo '{"error": "state is terminal"}'
        continue
    esac
    echo "$line" | awk '{
        split($0, parts, /"actions":/)
        rows = gsub(/\],\[/, "", parts[1])
        all = "[null,null,null]"
        for (i = 1; i <= rows; i++) all = all ",[null,null,null]"
        print "{\"next\":[" all "]}"
    }'
done
"#;

    /// Where the reward is not known it is a channel. The contexts of `evaluate` end in a terminal
    /// state, from which no imagined path goes on.
    #[test]
    fn mixtures_of_evaluate_and_replay_take_a_simulator() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let script = write(folder.path(), "silent.sh", SILENT);
        let mut text = "episode,x,v,u,reward\n".to_owned();
        for episode in 0..3 {
            let all = pendulum(40 + episode);
            for t in episode..40 + episode {
                let (x, v) = (all.values[[t, 0]], all.values[[t, 1]]);
                let x = if t == 39 + episode { 99.0 } else { x };
                let u = all.actions[[t, 0]];
                text += &format!("{episode},{x},{v},{u},{}\n", -x * x - u * u);
            }
        }
        let file = write(folder.path(), "runs.csv", &text);
        let only = ["--estimators", "mixture", "--action", "u", "--paths", "3"];
        let cases = [
            ["evaluate", "--policy", "constant:0.5", "--horizon", "3"],
            ["replay", "--context", "20", "--horizon", "3"],
        ];
        for case in cases {
            let names = at(case[0]);
            let command = format!("sh '{script}' '{names}'");
            let hints = ["--method", "residual", "--simulator", &command];
            let arguments = [&case[..1], &[&file], &case[1..], &only, &hints].concat();
            let output = statecast(&arguments);
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{arguments:?}: {stderr}");
            let told = std::fs::read_to_string(names).unwrap();
            let expected = r#"{"channels":["x","v","reward"],"actions":["u"]}"#;
            assert_eq!(told.lines().next(), Some(expected));
            assert!(told.lines().count() > 20, "{told}");
            let without = ["--estimators", "linear", "--period", "5"];
            let other = [&case[..1], &[&file], &case[1..], &only[2..4], &without];
            let error = error_of(&statecast(&other.concat()));
            assert!(
                error.contains("need the estimator 'builtin' or 'mixture'"),
                "{error}"
            );
        }
    }

    #[test]
    fn programs_that_break_the_protocol_are_errors_and_nothing_hangs() {
        let folder = tempfile::tempdir().unwrap();
        let file = recording(folder.path(), 30);
        let says = |text: &str| format!("sh -c 'read names; while read line; do {text}; done'");
        let echo = |reply: &str| says(&format!("echo \"{}\"", reply.replace('"', "\\\"")));
        let cases = [
            ("gave no reply within 1 s", says("sleep 20")),
            ("gave no reply within 1 s", "sleep 20".to_owned()),
            (
                "ended (exit status: 3) before it replied; it said: out of memory",
                "sh -c 'read names; read line; echo out of memory >&2; exit 3'".to_owned(),
            ),
            ("ended (exit status: 0)", "true".to_owned()),
            ("is no JSON", echo("hello")),
            ("is no JSON", echo(r#"{"next": [[NaN, 0]]}"#)),
            ("is no JSON", echo(r#"{"next": [[1e999, 0]]}"#)),
            ("breaks the protocol", echo(r#"{"next": [["1", 0]]}"#)),
            (
                "done': it predicts 1 channels, not 2",
                echo(r#"{"next": [[1]]}"#),
            ),
            ("2 states, not 1", echo(r#"{"next": [[1, 2], [1, 2]]}"#)),
            ("0 states, not 1", echo(r#"{"next": []}"#)),
            ("neither \"next\" nor \"error\"", echo("{}")),
            ("unknown field `nxt`", echo(r#"{"nxt": [[1, 2]]}"#)),
            (
                "unknown field `stds`",
                echo(r#"{"next": [[1, 2]], "stds": 1}"#),
            ),
            (
                "answers question 9, not 1",
                echo(r#"{"id": 9, "next": [[1, 2]]}"#),
            ),
            (
                "reports: \\u{1b}[2J; it said: \\u{1b}c\\r",
                says(r#"printf "\033c\rx" >&2; echo "{\"error\": \"\u001b[2J\"}""#),
            ),
            (
                "numbers in \"std\"",
                echo(r#"{"next": [[1, 2]], "std": [[1]]}"#),
            ),
            (
                "deviation of v is -1: must be",
                echo(r#"{"next": [[1, 2]], "std": [[1, -1]]}"#),
            ),
            ("reports: unstable", echo(r#"{"error": "unstable"}"#)),
            (
                "a line that nobody asked for: {\"next\"",
                says(r#"echo "{\"next\": [[1, 2]]}"; echo "{\"next\": [[1, 2]]}""#),
            ),
            (
                "cannot be read (it has no end)",
                "sh -c 'read names; tr \"\\0\" 1 < /dev/zero'".to_owned(),
            ),
            (
                "--simulator: /nowhere/model: does not start",
                "/nowhere/model".to_owned(),
            ),
            ("a quote is not closed", "sh -c 'oh".to_owned()),
            ("no command", String::new()),
        ];
        for (expected, command) in cases {
            let begin = Instant::now();
            let output = statecast(&[
                "forecast",
                &file,
                "--action",
                "u",
                "--method",
                "residual",
                "--simulator-timeout",
                "1",
                "--simulator",
                &command,
            ]);
            let error = error_of(&output);
            assert!(error.contains(expected), "{command}: {error}");
            assert!(begin.elapsed() < Duration::from_secs(15), "{command}");
        }
    }

    /// The timeout killed the program before, so that nobody saw whether the end does.
    #[test]
    fn a_program_that_ignores_its_inputs_end_is_killed_when_the_simulator_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let answer = r#"read names; read line; echo "{\"next\": [[]]}"; exec sleep 60"#;
        let command = format!("sh -c 'echo $$ > {}; {answer}'", pid.display());
        let limit = Duration::from_secs(10);
        let mut simulator = SimulatorProgram::start(&command, &[], &[], limit).unwrap();
        let nothing = Array2::zeros((1, 0));
        simulator.next(nothing.view(), nothing.view()).unwrap();
        let pid = std::fs::read_to_string(pid).unwrap();
        let is_alive = || {
            let sent = Command::new("kill").args(["-0", pid.trim()]).output();
            sent.unwrap().status.success()
        };
        assert!(is_alive());
        simulator.finish().unwrap();
        drop(simulator);
        assert!(!is_alive());
    }

    /// One that repeated an answer a little later shifted all that followed by a row.
    #[test]
    fn a_late_second_answer_is_an_error() {
        let answer = r#"echo "{\"id\": 1, \"next\": [[1]]}""#;
        let command = format!("sh -c 'read names; read line; {answer}; read line; {answer}'");
        let (names, limit) = (["x".to_owned()], Duration::from_secs(10));
        let mut simulator = SimulatorProgram::start(&command, &names, &[], limit).unwrap();
        let (state, action) = (Array2::zeros((1, 1)), Array2::zeros((1, 0)));
        simulator.next(state.view(), action.view()).unwrap();
        let error = simulator.next(state.view(), action.view()).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("answers question 1, not 2"), "{error}");
        // Without ids it is noticed at the end.
        let folder = tempfile::tempdir().unwrap();
        let file = recording(folder.path(), 20);
        let answer = r#"echo "{\"next\": [[1, 2]]}""#;
        let command = format!(
            "sh -c 'read names; read line; {answer}; sleep 0.05; {answer}; \
             while read line; do {answer}; done'"
        );
        let error = error_of(&statecast(
            &[
                &["density", &file, "--action", "u", "--method", "residual"],
                &["--simulator", &command][..],
                &[
                    "--output",
                    &folder.path().join("d.npz").display().to_string(),
                ],
            ]
            .concat(),
        ));
        assert!(error.contains("a line that nobody asked for"), "{error}");
        assert!(!folder.path().join("d.npz").exists());
    }

    /// The last row may be terminal: asking about what follows it failed the whole command.
    #[test]
    fn nobody_asks_what_follows_the_last_row() {
        let folder = tempfile::tempdir().unwrap();
        let file = recording(folder.path(), 40);
        let script = r#"
read names
for i in $(seq 39); do read line; echo '{"next": [[1, 2]]}'; done
while read line; do echo '{"error": "state is terminal"}'; done
"#;
        let script = write(folder.path(), "refuses.sh", script);
        let output = folder.path().join("d.npz").display().to_string();
        let command = format!("sh '{script}'");
        let hints = ["--method", "residual", "--simulator", &command];
        let density = ["density", &file, "--action", "u", "--output", &output];
        let output = statecast(&[&density[..], &hints].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
    }

    #[test]
    fn evaluations_name_the_channel_that_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let rows: String = (0..30)
            .map(|t| format!("{},{},0,1\n", 7 * t % 5, t * t))
            .collect();
        let file = write(
            folder.path(),
            "run.csv",
            &format!("height,speed,u,reward\n{rows}"),
        );
        let answer = r#"echo "{\"next\": [[1, 2, 3]], \"std\": [[1, 0, 1]]}""#;
        let command = format!("sh -c 'read names; while read line; do {answer}; done'");
        let replay = [
            "replay",
            &file,
            "--context",
            "12",
            "--horizon",
            "3",
            "--action",
            "u",
        ];
        let hints = ["--method", "residual", "--simulator", &command];
        let only = ["--estimators", "mixture"];
        let error = error_of(&statecast(&[&replay[..], &hints, &only].concat()));
        assert!(error.contains("deviation of speed is 0"), "{error}");
    }

    #[test]
    fn options_that_cannot_be_used_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let file = recording(folder.path(), 30);
        let fails = |more: &[&str], expected: &str| {
            let error = error_of(&statecast(&[&["forecast", &file][..], more].concat()));
            assert!(error.contains(expected), "{error}");
        };
        let residual = |more: &[&'static str]| [&["--method", "residual"], more].concat();
        fails(
            &["--method", "vicl", "--simulator", "cat"],
            "--simulator is for --method residual",
        );
        fails(
            &["--method", "vicl", "--period", "5"],
            "--period is for --method residual",
        );
        fails(&residual(&["--period", "1"]), "--period 1: at least 2 rows");
        fails(&residual(&["--period", "28"]), "periods of at most 27 rows");
        fails(
            &residual(&["--period", "12", "--context", "14"]),
            "at most 11 rows",
        );
        for limit in ["0", "-1", "nan", "1e30"] {
            let limit = format!("--simulator-timeout={limit}");
            fails(
                &["--method", "residual", "--simulator", "cat", &limit],
                "must be a number of seconds above 0",
            );
        }
        let alone = [
            "forecast",
            &file,
            "--method",
            "residual",
            "--simulator-timeout",
            "5",
        ];
        let alone = statecast(&alone);
        assert_eq!(alone.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&alone.stderr).contains("--simulator <COMMAND>"));
        // Nothing takes them: the line cannot be meant so.
        let period = ["--period", "5"];
        let simulator = ["--simulator", "cat"];
        for (flag, says) in [
            (
                period,
                "neither a language model nor one of seasonal, sari, log-sari",
            ),
            (simulator, "no language model takes part"),
        ] {
            let unused = [&["forecast", &file, "--experts", "ar,knn"], &flag[..]].concat();
            let unused = statecast(&unused);
            assert_eq!(unused.status.code(), Some(2));
            assert!(String::from_utf8_lossy(&unused.stderr).contains(says));
        }
    }

    #[test]
    fn a_period_is_taken_from_the_command_line() {
        let folder = tempfile::tempdir().unwrap();
        let season = [0.3, 2.0, -1.0, 4.0, 1.5, 0.2, -3.0];
        let text: String = (0..30).map(|t| format!("{}\n", season[t % 7])).collect();
        let file = write(folder.path(), "season.csv", &format!("x\n{text}"));
        // As digits: hints of a lone channel stand beside its digits, which predict better here.
        let digits = concat!(env!("CARGO_MANIFEST_DIR"), "/models/builtin");
        let spread = |more: &[&str]| {
            let context = ["--context", "12", "--horizon", "1", "--model", digits];
            let context = [&context[..], &["--method", "residual"]].concat();
            let output = statecast(&[&["forecast", &file][..], &context, more].concat());
            let table = String::from_utf8(output.stdout).unwrap();
            let row = table.lines().nth(1).unwrap_or_else(|| panic!("{table}"));
            row.split(',').nth(4).unwrap().parse::<f64>().unwrap()
        };
        let (found, known) = (spread(&[]), spread(&["--period", "7"]));
        assert!(known < 0.1 * found, "{known} {found}");
        // The baseline of a season takes it, too.
        let seasonal = |more: &[&str]| {
            let flags = ["--context", "12", "--horizon", "1", "--experts", "seasonal"];
            let output = statecast(&[&["forecast", &file][..], &flags, more].concat());
            assert!(output.status.success(), "{output:?}");
            output.stdout
        };
        assert_ne!(seasonal(&[]), seasonal(&["--period", "7"]));
    }
}
