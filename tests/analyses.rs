//! `statecast markov` and `statecast training-run` as a user runs them.

use std::process::{Command, Output};

use serde_json::Value;

fn statecast(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_statecast"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .unwrap()
}

/// What a command prints; it must succeed.
fn says(arguments: &[&str]) -> String {
    let output = statecast(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The error of a command that must fail, without a panic.
fn fails(arguments: &[&str], with: &str) {
    let output = statecast(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
    assert!(
        stderr.contains(with) && !stderr.contains("panicked"),
        "{arguments:?}: {stderr}"
    );
}

fn json(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A column of labels, one a row.
    fn column<T: ToString>(
        &self,
        name: &str,
        head: &str,
        labels: impl Iterator<Item = T>,
    ) -> String {
        let rows: Vec<String> = labels.map(|label| label.to_string()).collect();
        self.file(name, &format!("{head}\n{}\n", rows.join("\n")))
    }
}

/// A sequence in which state follows state by a fixed rule that looks random.
fn chaotic(rows: usize, states: u64) -> impl Iterator<Item = u64> {
    let mut random = 7u64;
    (0..rows).map(move |_| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 40) % states
    })
}

#[test]
fn markov_reads_words_and_writes_all_numbers_and_a_figure() {
    let folder = Folder::new();
    let words = ["fog", "rain", "sun"];
    let sky = folder.column("sky.csv", "sky", chaotic(150, 3).map(|k| words[k as usize]));
    let truth = folder.file(
        "truth.csv",
        "a,b,c\n0.5,0.25,0.25\n0.2,0.6,0.2\n0.3,0.3,0.4\n",
    );
    let (output, figure) = (folder.path("chain.json"), folder.path("chain.svg"));
    let text = says(&[
        "markov",
        &sky,
        "--label",
        "sky",
        "--truth",
        &truth,
        "--label-permutations",
        "2",
        "--window",
        "3",
        "--output",
        &output,
        "--figure",
        &figure,
    ]);
    for expected in [
        "builtin",
        "counts",
        "truth",
        "sun",
        "27 windows",
        "temperature",
        "labels permuted 2 times",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let found = json(&output);
    assert_eq!(found["labels"], serde_json::json!(words));
    assert_eq!(found["study"]["rows"], 150);
    assert_eq!(found["study"]["chains"].as_array().unwrap().len(), 3);
    let visits = found["study"]["visits"].as_array().unwrap().iter();
    assert_eq!(visits.map(|n| n.as_u64().unwrap()).sum::<u64>(), 50);
    let distribution = found["windows"]["long_run"]["distribution"]
        .as_array()
        .unwrap()
        .iter();
    assert!((distribution.map(|p| p.as_f64().unwrap()).sum::<f64>() - 1.0).abs() < 1e-6);
    assert_eq!(found["windows"]["transient"], 1 + 3 + 9);
    let drawn = std::fs::read_to_string(&figure).unwrap();
    assert!(drawn.contains("inferred") && !drawn.contains("NaN"));
}

#[test]
fn markov_cuts_a_continuous_channel_and_takes_experts() {
    let folder = Folder::new();
    let wave = (0..120).map(|t| (f64::from(t) * 0.7).sin());
    let file = folder.column("wave.csv", "x", wave);
    let text = says(&[
        "markov",
        &file,
        "--states",
        "4",
        "--cuts",
        "count",
        "--experts",
        "mean,knn",
        "--relabellings",
        "0",
        "--temperatures",
        "none",
    ]);
    assert!(
        text.contains("4 states") && text.contains("\nmixture "),
        "{text}"
    );
}

/// States that come once or never, are never left, or do not lead to each other: words, not numbers alone.
#[test]
fn markov_says_what_a_sequence_does_not_show() {
    let folder = Folder::new();
    let quick = [
        "--relabellings",
        "0",
        "--temperatures",
        "none",
        "--experts",
        "mean,ar",
    ];
    let run = |file: &str, more: &[&str]| {
        let mut arguments = vec!["markov", file];
        arguments.extend(quick);
        arguments.extend(more);
        says(&arguments)
    };
    let absorbed = folder.column("absorbed.csv", "s", (0..60).map(|t| t.min(2)));
    let text = run(&absorbed, &[]);
    assert!(text.contains("never left once reached: 2"), "{text}");
    assert!(text.contains("reducible"), "{text}");
    let once = folder.column(
        "once.csv",
        "s",
        (0..60).map(|t| if t == 30 { 9 } else { t % 2 }),
    );
    let text = run(&once, &["--order", "0,1,9,12"]);
    assert!(
        text.contains("seen once: 9") && text.contains("never seen: 12"),
        "{text}"
    );
    let ring = folder.column("ring.csv", "s", (0..60).map(|t| t % 3));
    let text = run(&ring, &[]);
    assert!(text.contains("go round in 3 steps"), "{text}");
    assert!(!text.contains("reducible"), "{text}");
}

#[test]
fn markov_refuses_what_is_no_chain_in_one_line() {
    let folder = Folder::new();
    let still = folder.column("still.csv", "s", std::iter::repeat_n(3, 40));
    fails(&["markov", &still], "1 state(s)");
    let many = folder.column("many.csv", "s", 0..60);
    fails(&["markov", &many], "--states");
    let words = folder.column("words.csv", "s", ["a", "b", "a", "c"].into_iter());
    fails(&["markov", &words], "--label");
    fails(&["markov", &words, "--label", "t"], "no column fits");
    fails(
        &["markov", &words, "--label", "s", "--order", "a,b"],
        "'c' is not",
    );
    fails(
        &["markov", &words, "--label", "s", "--last", "9"],
        "--last 9",
    );
    let two = folder.column("two.csv", "s", chaotic(50, 2));
    let truth = folder.file(
        "truth.csv",
        "a,b,c\n0.5,0.25,0.25\n0.2,0.6,0.2\n0.3,0.3,0.4\n",
    );
    fails(
        &["markov", &two, "--truth", &truth],
        "3 states for a sequence of 2",
    );
    let wrong = folder.file("wrong.csv", "a,b\n0.5,0.4\n0.2,0.8\n");
    fails(&["markov", &two, "--truth", &wrong], "row 0");
    fails(&["markov", &two, "--window", "40"], "2^40");
    fails(&["markov", &two, "--window", "0"], "2^0");
    fails(&["markov", &two, "--states", "99"], "99 state(s)");
    fails(&["markov", &two, "--scale", "none"], "--scale");
    fails(&["markov", &two, "--temperatures", "0"], "temperature");
    fails(&["markov", &two, "--figure", "x.gif"], ".svg or .png");
    fails(&["markov", "/nowhere.csv"], "/nowhere.csv");
}

#[test]
fn training_run_judges_forecasts_of_simulated_runs() {
    let folder = Folder::new();
    let (output, saved, figure) = (
        folder.path("q.json"),
        folder.path("runs.csv"),
        folder.path("q.svg"),
    );
    // Runs are told apart by --run, which errors of other commands call --episode.
    let twice = folder.file("twice.csv", "step,loss\n0,1\n0,2\n1,3\n2,2\n");
    fails(&["training-run", &twice, "--until", "90"], "(--run)");
    let simulated = [
        "training-run",
        "--simulate",
        "quadratic",
        "--runs",
        "3",
        "--steps",
        "400",
        "--floor",
        "0.3",
    ];
    let quick = [
        "--blocks",
        "60",
        "--samples",
        "20",
        "--until",
        "400",
        "--prefix",
        "200",
    ];
    let models = ["--models", "builtin,power-law,exponential,ar,last"];
    let more = ["--output", &output, "--save", &saved, "--figure", &figure];
    let text = says(&[&simulated[..], &quick, &models, &more].concat());
    assert!(
        text.contains("run 0: loss settles at") && text.contains("in 90 %"),
        "{text}"
    );
    let found = json(&output);
    assert_eq!(found["runs"].as_array().unwrap().len(), 3);
    assert_eq!(found["scores"].as_array().unwrap().len(), 5);
    for run in found["runs"].as_array().unwrap() {
        for settles in run["settles"].as_array().unwrap() {
            let number = |key: &str| settles[key].as_f64().unwrap();
            assert!(number("low") <= number("median") && number("median") <= number("high"));
        }
    }
    assert!(
        std::fs::read_to_string(&figure)
            .unwrap()
            .contains("loss of run 2")
    );
    // The log that was saved is forecast alike; its runs are told apart by their column.
    let logged = [
        "training-run",
        &saved,
        "--metric",
        "loss",
        "--models",
        "last,exponential,trend",
    ];
    let text = says(&[&logged[..], &quick].concat());
    assert!(text.contains("run 2: loss settles at"), "{text}");
    // Until beyond the log: nothing to judge by.
    let text = says(&[&logged[..], &["--select", "1", "--until", "900"]].concat());
    assert!(
        text.contains("by step 900, from 400 rows\n") && text.contains("last value"),
        "{text}"
    );
}

#[test]
fn training_run_says_which_minimum_is_reached() {
    let folder = Folder::new();
    let output = folder.path("m.json");
    let text = says(&[
        "training-run",
        "--simulate",
        "double-well",
        "--minima",
        "x",
        "--runs",
        "8",
        "--context-runs",
        "6",
        "--steps",
        "200",
        "--step-size",
        "0.05",
        "--models",
        "builtin,knn",
        "--output",
        &output,
    ]);
    assert!(text.contains("minima of x at -1.000, 1.000"), "{text}");
    for start in json(&output)["starts"].as_array().unwrap() {
        for shares in start["forecast"].as_array().unwrap() {
            let shares = shares.as_array().unwrap().iter();
            assert!((shares.map(|p| p.as_f64().unwrap()).sum::<f64>() - 1.0).abs() < 1e-5);
        }
    }
}

#[test]
fn a_weight_of_the_pool_is_what_draws_count() {
    let folder = Folder::new();
    let (log, output) = (
        folder.column("log.csv", "loss", (0..100).map(|t| 1.0 / f64::from(t + 1))),
        folder.path("pool.json"),
    );
    let draws = |pool: &str| {
        let asked = ["training-run", &log, "--until", "150", "--samples", "20"];
        says(
            &[
                &asked[..],
                &[
                    "--models",
                    "pool,ar,trend",
                    "--pool",
                    pool,
                    "--output",
                    &output,
                ],
            ]
            .concat(),
        );
        let settles = &json(&output)["runs"][0]["settles"];
        let of = |k: usize| settles[k]["draws"].as_array().unwrap().len();
        (of(0), of(1), of(2))
    };
    assert_eq!(draws("ar,trend"), (40, 20, 20));
    assert_eq!(draws("ar,trend=0.5"), (30, 20, 20));
    assert_eq!(draws("ar=0.25,trend=0.5"), (30, 20, 20));
}

#[test]
fn training_run_refuses_in_one_line_and_leaves_out_what_is_short() {
    let folder = Folder::new();
    let log = folder.column("log.csv", "loss", (0..50).map(|t| 1.0 / f64::from(t + 1)));
    let run = |more: &[&'static str]| [&["training-run", log.as_str()][..], more].concat();
    fails(&run(&[]), "--until");
    fails(&run(&["--until", "40"]), "row 40, but 50 rows");
    fails(&run(&["--until", "100000"]), "50 rows are too few");
    fails(&run(&["--until", "90", "--metric", "accuracy"]), "accuracy");
    fails(&run(&["--until", "90", "--level", "1"]), "--level");
    fails(&run(&["--until", "90", "--samples", "2"]), "--samples");
    fails(&run(&["--until", "90", "--pool", "ar,pool=0.5"]), "--pool");
    fails(&run(&["--until", "90", "--output", "x.csv"]), ".json");
    fails(&run(&["--minima", "loss"]), "--context-runs");
    let rising: String = (0..50).map(|t| format!("{}\n", t * t)).collect();
    let diverged = folder.file("rising.csv", &format!("loss\n{rising}inf\nnan\n"));
    fails(
        &["training-run", &diverged, "--until", "90"],
        "the run diverges: row 51",
    );
    let silent = folder.file("silent.csv", "step,loss\n0,\n1,\n");
    fails(
        &["training-run", &silent, "--until", "90"],
        "no row has a value of loss",
    );
    let simulated = [
        "training-run",
        "--simulate",
        "quadratic",
        "--until",
        "90",
        "--steps",
        "50",
    ];
    fails(
        &[&simulated[..], &["--step-size", "0"]].concat(),
        "step size 0",
    );
    // A step size beyond what the curvature bears: the loss is not finite in the end.
    fails(
        &[&simulated[..], &["--step-size", "1e9", "--runs", "1"]].concat(),
        "diverges",
    );
    let mut text = String::from("run,loss\n");
    for (run, rows) in [(0, 60), (1, 8), (2, 60)] {
        (0..rows).for_each(|t| text += &format!("{run},{}\n", 1.0 + 1.0 / f64::from(t + 1)));
    }
    let uneven = folder.file("uneven.csv", &text);
    let output = statecast(&[
        "training-run",
        &uneven,
        "--run",
        "run",
        "--until",
        "60",
        "--prefix",
        "40",
        "--models",
        "last",
    ]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stderr.contains("1 of 3 runs are left out: 1 has 8 rows"),
        "{stderr}"
    );
    // Nothing is known of the end: every run has its own lines.
    let text = says(&[
        "training-run",
        &uneven,
        "--run",
        "run",
        "--select",
        "0,2",
        "--until",
        "90",
        "--models",
        "last,exponential",
    ]);
    assert!(text.contains("run 0 ") && text.contains("run 2 "), "{text}");
    fails(
        &[
            "training-run",
            &uneven,
            "--run",
            "run",
            "--select",
            "7",
            "--until",
            "90",
        ],
        "no such run",
    );
    fails(
        &[
            "training-run",
            &uneven,
            "--run",
            "run",
            "--until",
            "90",
            "--models",
            "last",
            "--figure",
            "x.svg",
        ],
        "sampled paths",
    );
    let wells = [
        "training-run",
        "--simulate",
        "double-well",
        "--minima",
        "x",
        "--models",
        "knn",
    ];
    fails(&[&wells[..], &["--figure", "x.svg"]].concat(), "--figure");
    fails(
        &[&wells[..], &["--runs", "100000", "--steps", "100"]].concat(),
        "fewer --runs",
    );
}

/// Fault: one run that diverges within the rows that are known ended the forecasts of all.
#[test]
fn runs_that_diverge_are_left_out_of_settling_values() {
    let output = statecast(&[
        "training-run",
        "--simulate",
        "double-well",
        "--step-size",
        "0.95",
        "--noise",
        "0.2",
        "--steps",
        "100",
        "--runs",
        "30",
        "--seed",
        "3",
        "--prefix",
        "80",
        "--until",
        "100",
        "--models",
        "last",
    ]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(
        stderr.contains("left out") && stderr.contains("the run diverges"),
        "{stderr}"
    );
}

/// Fault: logs in which a metric stands in some rows only, as trainers write them, and logs with a run that diverged
/// were refused.
#[test]
fn rows_that_do_not_log_the_metric_are_left_out() {
    let folder = Folder::new();
    let mut text = String::from("run_id,step,loss,val_loss\n");
    for step in 0..400 {
        let loss = 1.0 / f64::from(step + 1);
        let cells = match step % 10 {
            9 => format!(",{}", 2.0 * loss),
            _ => format!("{loss},"),
        };
        text += &format!("good,{step},{cells}\n");
    }
    for step in 0..400 {
        let cells = match step % 10 {
            9 if step < 200 => ",0.5".to_owned(),
            9 => ",nan".to_owned(),
            _ => "0.5,".to_owned(),
        };
        text += &format!("lost,{step},{cells}\n");
    }
    let log = folder.file("sparse.csv", &text);
    let asked = ["--metric", "val_loss", "--until", "600", "--models", "last"];
    let output = statecast(&[&["training-run", log.as_str()][..], &asked].concat());
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        stdout.contains("by step 600, from 40 rows"),
        "{stdout}{stderr}"
    );
    assert!(
        stderr.contains("rows have no value of val_loss")
            && stderr.contains("lost: the run diverges: row 21"),
        "{stderr}"
    );
    let both = [&asked[..], &["--select", "good"]].concat();
    let output = statecast(&[&["training-run", log.as_str()][..], &both].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("diverge"), "{stderr}");
}

/// Fault: runs that ended at no number counted as runs into the first minimum.
#[test]
fn runs_that_diverge_are_left_out_of_minima() {
    let output = statecast(&[
        "training-run",
        "--simulate",
        "double-well",
        "--minima",
        "x",
        "--models",
        "knn",
        "--step-size",
        "0.95",
        "--noise",
        "0.2",
        "--steps",
        "100",
        "--runs",
        "30",
        "--shown",
        "4",
        "--seed",
        "3",
    ]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("diverge") && !stderr.contains("panicked"),
        "{stderr}"
    );
}

/// Fault: the spectrum of nearly cyclic chains was looked for for ever.
#[test]
fn rings_of_four_states_end() {
    let folder = Folder::new();
    let ring = folder.column("ring.csv", "s", (0..80).map(|t| t % 4));
    let truth = folder.file("truth.csv", "a,b,c,d\n0,1,0,0\n0,0,1,0\n0,0,0,1\n1,0,0,0\n");
    let text = says(&[
        "markov",
        &ring,
        "--truth",
        &truth,
        "--relabellings",
        "0",
        "--temperatures",
        "0.02,1",
    ]);
    let line = text
        .lines()
        .find(|line| line.starts_with("true   ") && line.contains("never"));
    assert!(
        line.is_some_and(|line| line.contains("0.250 0.250 0.250 0.250")),
        "{text}"
    );
}
