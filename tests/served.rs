//! Models that are served: densities through every protocol are those of the server's own table, and
//! what goes wrong with a server costs an error that names it, or nothing.

use ndarray::{Array2, Array3};
use statecast::codec::{BIN_COUNT, Bin, builtin_formats};
use statecast::forecast::{Session, Temperature, Tolerance};
use statecast::model::{Device, Model, ModelSource, Precision, Server, ServerAddress};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

#[path = "served/llama_cpp.rs"]
mod llama_cpp;
#[path = "served/stub.rs"]
mod stub;
use stub::{Fault, Kind, Stub, digit, table};

const ALL: [Kind; 7] = [
    Kind::LlamaCpp(usize::MAX),
    // Not all digits are among those that are asked for first.
    Kind::LlamaCpp(500),
    Kind::Vllm(true),
    Kind::Vllm(false),
    Kind::Sglang,
    Kind::OpenAi(true),
    Kind::OpenAi(false),
];

fn bins(rows: usize) -> Array2<Bin> {
    Array2::from_shape_fn((rows, 1), |(t, _)| Bin::new((t * 387 + 41) % 1000).unwrap())
}

/// The model of a stub; those that tell nothing of their tokenizer get its file.
fn model(stub: &Stub, kind: Kind) -> Model {
    let address: ServerAddress = stub.address().parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = stub::tokenizer_file(folder.path());
    let file = matches!(kind, Kind::OpenAi(_)).then_some(file.as_path());
    let server = Server::connect(&address, file).unwrap();
    let tokens = server.tokens(&builtin_formats().unwrap()).unwrap();
    Model::served(server, tokens).unwrap()
}

fn densities(model: &Model, context: &Array2<Bin>) -> Array3<f32> {
    let (temperature, rows) = (Temperature::default(), 0..context.nrows());
    Session::start(model, context, temperature, Tolerance::EXACT, rows)
        .unwrap()
        .1
}

/// The density that a stub's table has after some tokens.
fn truth(ids: &[u32], lead: f64) -> Vec<f64> {
    let digits = |ids: &[u32]| -> Vec<f64> {
        let table = table(ids, lead);
        let mass: Vec<f64> = (0..10).map(|k| table[digit(k) as usize].exp()).collect();
        let sum: f64 = mass.iter().sum();
        mass.iter().map(|mass| mass / sum).collect()
    };
    let mut density = Vec::with_capacity(BIN_COUNT);
    for (a, first) in digits(ids).into_iter().enumerate() {
        let one = [ids, &[digit(a)]].concat();
        for (b, second) in digits(&one).into_iter().enumerate() {
            let two = [&one[..], &[digit(b)]].concat();
            density.extend(digits(&two).iter().map(|third| first * second * third));
        }
    }
    density
}

/// Largest difference between densities and those of the table.
fn largest_difference(
    densities: &Array3<f32>,
    model: &Model,
    kind: Kind,
    context: &Array2<Bin>,
) -> f64 {
    let mut ids = model.tokens().prefix().to_vec();
    let mut largest = 0.0f64;
    for (t, row) in context.rows().into_iter().enumerate() {
        for (bin, expected) in truth(&ids, kind.lead()).into_iter().enumerate() {
            largest = largest.max((f64::from(densities[[t, 0, bin]]) - expected).abs());
        }
        model.tokens().push(&mut ids, row[0]);
    }
    largest
}

#[test]
fn densities_are_those_of_the_servers_table() {
    let context = bins(4);
    for kind in ALL {
        let stub = Stub::start(kind, Fault::None);
        let model = model(&stub, kind);
        let difference = largest_difference(&densities(&model, &context), &model, kind, &context);
        let served = model.server().unwrap();
        assert_eq!(served.largest_missing(), 0.0, "{kind:?}");
        assert!(difference < 1e-6, "{kind:?}: {difference}");
    }
}

#[test]
fn faults_that_pass_cost_nothing_but_time() {
    let context = bins(1);
    for (kind, fault) in [
        (Kind::LlamaCpp(usize::MAX), Fault::Cuts),
        (Kind::Vllm(true), Fault::Busy(2, 429, "Retry-After: 0\r\n")),
        (Kind::Sglang, Fault::Busy(2, 500, "")),
        (Kind::OpenAi(false), Fault::Chunked),
        (Kind::OpenAi(false), Fault::Ends),
    ] {
        let stub = Stub::start(kind, fault);
        let model = model(&stub, kind);
        let difference = largest_difference(&densities(&model, &context), &model, kind, &context);
        assert!(difference < 1e-6, "{kind:?} {fault:?}: {difference}");
    }
}

#[test]
fn digits_that_are_left_out_are_bounded_and_told() {
    let kind = Kind::LlamaCpp(40);
    let stub = Stub::start(kind, Fault::None);
    let model = model(&stub, kind);
    let context = bins(2);
    let found = densities(&model, &context);
    for row in found.rows() {
        assert!((row.sum() - 1.0).abs() < 1e-4);
    }
    let missing = model.server().unwrap().largest_missing();
    assert!((0.01..1.0).contains(&missing), "{missing}");
    // A first digit that was left out gets no more than the least likely that was given.
    let ids = model.tokens().prefix();
    let table = table(ids, kind.lead());
    let mut sorted: Vec<f64> = table.iter().map(|value| value.exp()).collect();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let digits: Vec<f64> = (0..10).map(|k| table[digit(k) as usize].exp()).collect();
    let given: f64 = digits.iter().filter(|&&mass| mass >= sorted[39]).sum();
    for (k, mass) in digits.iter().enumerate() {
        let got: f32 = (0..100).map(|i| found[[0, 0, 100 * k + i]]).sum();
        let most = if *mass >= sorted[39] {
            1.0
        } else {
            sorted[39] / given
        };
        assert!(
            f64::from(got) <= most + 1e-6,
            "digit {k}: {got} above {most}"
        );
    }
}

#[test]
fn equal_beginnings_are_asked_once_and_whole_contexts_together() {
    let asked = |kind: Kind, context: &Array2<Bin>, rows: std::ops::Range<usize>| {
        let stub = Stub::start(kind, Fault::None);
        let model = model(&stub, kind);
        let before = stub.scored.load(Ordering::SeqCst);
        let temperature = Temperature::default();
        Session::start(&model, context, temperature, Tolerance::EXACT, rows).unwrap();
        stub.scored.load(Ordering::SeqCst) - before
    };
    let llama = Kind::LlamaCpp(usize::MAX);
    let one = bins(3);
    let two = Array2::from_shape_fn((3, 2), |(t, _)| one[[t, 0]]);
    // The digits of a row, 9 + 90 beside those that are observed, and the digit after the context.
    assert_eq!(asked(llama, &one, 0..1), 3 + 9 + 99 + 1);
    assert_eq!(asked(llama, &two, 0..1), 3 + 9 + 99 + 1);
    assert_eq!(asked(llama, &one, 0..0), 1);
    assert_eq!(asked(Kind::Sglang, &one, 0..0), 1);
    assert_eq!(asked(Kind::Sglang, &one, 0..1), 1 + 9 + 99);
}

#[test]
fn what_was_read_before_a_server_broke_is_not_asked_again() {
    let kind = Kind::LlamaCpp(usize::MAX);
    let stub = Stub::start(kind, Fault::Breaks(40));
    let model = model(&stub, kind);
    let (context, temperature) = (bins(1), Temperature::default());
    let start = || Session::start(&model, &context, temperature, Tolerance::EXACT, 0..1);
    let error = start().err().unwrap().to_string();
    assert!(error.contains(&format!(
        "http://127.0.0.1:{}/completion: status 400",
        stub.port
    )));
    assert_eq!(stub.scored.load(Ordering::SeqCst), 40);
    stub.mended.store(true, Ordering::SeqCst);
    let (_, found) = start().unwrap();
    assert!(largest_difference(&found, &model, kind, &context) < 1e-6);
    assert_eq!(stub.scored.load(Ordering::SeqCst), 3 + 9 + 99 + 1);
}

/// A small recording, and the folder it lies in.
fn recording() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wave.csv");
    let mut text = "t,y\n".to_owned();
    for t in 0..12 {
        text += &format!("{t},{:.3}\n", (0.5 * f64::from(t)).sin());
    }
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn statecast(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_statecast"));
    for name in [
        "STATECAST_API_KEY",
        "OPENAI_API_KEY",
        "STATECAST_SERVER_TIMEOUT",
    ] {
        command.env_remove(name);
    }
    command
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

/// A forecast through a stub, and what it says on standard error.
fn forecast(stub: &Stub, more: &[&str], environment: &[(&str, &str)]) -> (bool, String) {
    let (folder, file) = recording();
    let output = folder.path().join("forecast.csv");
    let model = stub.address();
    let mut arguments = vec!["forecast", file.to_str().unwrap(), "--model", &model];
    arguments.extend([
        "--state",
        "y",
        "--horizon",
        "2",
        "--samples",
        "3",
        "--recalibrate",
        "none",
    ]);
    arguments.extend(["--output", output.to_str().unwrap()]);
    arguments.extend(more);
    let done = statecast(&arguments, environment);
    (
        done.status.success(),
        String::from_utf8(done.stderr).unwrap(),
    )
}

#[test]
fn a_forecast_goes_through_a_server_within_its_requests_at_a_time() {
    let stub = Stub::start(Kind::Sglang, Fault::None);
    let environment = [
        ("STATECAST_API_KEY", "secret-1"),
        ("STATECAST_SERVER_REQUESTS", "2"),
    ];
    let (done, said) = forecast(&stub, &[], &environment);
    assert!(done, "{said}");
    assert!(said.contains("SGLang 0.5.stub"), "{said}");
    assert!(stub.most.load(Ordering::SeqCst) <= 2);
    let keys = stub.keys.lock().unwrap();
    assert!(!keys.is_empty() && keys.iter().all(|key| key.ends_with(": Bearer secret-1")));
    assert!(!said.contains("secret"));
}

#[test]
fn commands_with_language_models_take_an_address() {
    let stub = Stub::start(Kind::Sglang, Fault::None);
    let (folder, file) = recording();
    let (file, model) = (file.to_str().unwrap(), stub.address());
    let output = folder.path().join("densities.npz");
    let output = output.to_str().unwrap();
    for arguments in [
        &[
            "forecast",
            file,
            "--model",
            &model,
            "--method",
            "residual",
            "--samples",
            "2",
        ][..],
        &["density", file, "--model", &model, "--output", output],
        &[
            "density",
            file,
            "--experts",
            &format!("{model},ar"),
            "--output",
            output,
        ],
        &[
            "backtest",
            file,
            "--models",
            &format!("{model},ar"),
            "--context",
            "8",
            "--windows",
            "1",
        ],
        &["calibrate", file, "--model", &model, "--context", "8"],
    ] {
        let mut arguments = [arguments, &["--state", "y"]].concat();
        if arguments[0] != "density" {
            arguments.extend(["--horizon", "2"]);
        }
        let done = statecast(&arguments, &[]);
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(
            done.status.success() && said.contains(" requests"),
            "{arguments:?}: {said}"
        );
    }
}

#[test]
fn estimators_of_policies_take_an_address() {
    let stub = Stub::start(Kind::Sglang, Fault::None);
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("random.npz");
    let (runs, model) = (runs.to_str().unwrap(), stub.address());
    let pendulum = ["pendulum", "--episodes", "2", "--steps", "16"];
    let done = statecast(
        &[&["simulate"], &pendulum[..], &["--out", runs]].concat(),
        &[],
    );
    assert!(done.status.success());
    let policies = [
        "--behaviour",
        "random",
        "--policy",
        "random",
        "--env",
        "pendulum",
    ];
    let sizes = ["--paths", "1", "--contexts", "1", "--context", "10"];
    let by = [
        "evaluate",
        runs,
        "--estimators",
        "builtin",
        "--model",
        &model,
    ];
    let done = statecast(&[&by[..], &policies[..], &sizes[..]].concat(), &[]);
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(
        done.status.success() && said.contains(" requests"),
        "{said}"
    );
}

#[test]
fn missing_probability_is_told_at_the_end() {
    let stub = Stub::start(Kind::LlamaCpp(15), Fault::None);
    let (done, said) = forecast(&stub, &[], &[]);
    assert!(done, "{said}");
    assert!(
        said.contains("of a digit's probability was not given by the server"),
        "{said}"
    );
}

#[test]
fn faults_that_stay_are_errors_that_name_the_server() {
    let server = |stub: &Stub| format!("http://127.0.0.1:{}", stub.port);
    for (fault, expected) in [
        (
            Fault::Garbage,
            "/completion: not the answer of such a server",
        ),
        (Fault::Endless, "/completion: answer of more than 128 MiB"),
        (Fault::Slow, "no answer in time"),
        (Fault::NoNumbers, "/completion: its probabilities are none"),
        (
            Fault::Busy(99, 503, "Retry-After: 4000\r\n"),
            "it asks to wait for 4000 seconds",
        ),
    ] {
        let stub = Stub::start(Kind::LlamaCpp(usize::MAX), fault);
        let patience = if fault == Fault::Slow { "0.5" } else { "60" };
        let began = Instant::now();
        let (done, said) = forecast(&stub, &[], &[("STATECAST_SERVER_TIMEOUT", patience)]);
        let error = said.lines().last().unwrap_or_default();
        assert!(!done && error.contains(expected), "{fault:?}: {said}");
        assert!(error.contains(&server(&stub)), "{said}");
        assert!(error.len() < 450, "{} characters: {said}", error.len());
        assert!(began.elapsed() < Duration::from_secs(40), "{fault:?}");
    }
}

#[test]
fn the_key_is_neither_shown_nor_sent_elsewhere() {
    let key = [("OPENAI_API_KEY", "secret-2")];
    let stub = Stub::start(Kind::LlamaCpp(usize::MAX), Fault::WrongKey);
    let (done, said) = forecast(&stub, &[], &key);
    assert!(!done && said.contains("status 401"), "{said}");
    assert!(said.contains("***") && !said.contains("secret"), "{said}");
    let elsewhere = Stub::start(Kind::LlamaCpp(usize::MAX), Fault::None);
    let stub = Stub::start(Kind::LlamaCpp(usize::MAX), Fault::SentOn(elsewhere.port));
    let (done, said) = forecast(&stub, &[], &key);
    assert!(
        !done && said.contains("sends requests on to 'http://127.0.0.1:"),
        "{said}"
    );
    assert!(!stub.keys.lock().unwrap().is_empty());
    assert!(elsewhere.keys.lock().unwrap().is_empty());
}

#[test]
fn inspect_says_what_was_found() {
    for (kind, expected) in [
        (
            Kind::LlamaCpp(usize::MAX),
            ["llama.cpp b1-stub", "exact", "2 at a time"],
        ),
        (Kind::Vllm(true), ["vLLM 0.stub", "exact", "8 at a time"]),
        (
            Kind::Vllm(false),
            ["vLLM 0.stub", "bounded: the 20 likeliest", "4096 tokens"],
        ),
        (
            Kind::Sglang,
            ["SGLang 0.5.stub", "exact", "the server's own"],
        ),
    ] {
        let stub = Stub::start(kind, Fault::None);
        let done = statecast(&["models", "inspect", &stub.address()], &[]);
        let said = String::from_utf8(done.stdout).unwrap();
        assert!(done.status.success(), "{kind:?}");
        let digits = "prompt       digit         4 token(s) a value, 1 before the first";
        for expected in expected.into_iter().chain([digits, "chosen       digit"]) {
            assert!(said.contains(expected), "{kind:?}: {expected} in {said}");
        }
    }
}

#[test]
fn servers_without_a_tokenizer_ask_for_its_file() {
    let stub = Stub::start(Kind::OpenAi(true), Fault::None);
    let (done, said) = forecast(&stub, &[], &[]);
    assert!(!done && said.contains("--tokenizer"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let file = stub::tokenizer_file(folder.path());
    let (done, said) = forecast(&stub, &["--tokenizer", file.to_str().unwrap()], &[]);
    assert!(done, "{said}");
    assert!(said.contains("bounded: the 20 likeliest tokens"), "{said}");
}

/// Densities were read with the tokens of another model.
#[test]
fn a_tokenizer_that_is_not_the_servers_is_refused() {
    let other = concat!(env!("CARGO_MANIFEST_DIR"), "/models/builtin/tokenizer.json");
    for kind in [Kind::LlamaCpp(usize::MAX), Kind::Vllm(true)] {
        let stub = Stub::start(kind, Fault::None);
        let (done, said) = forecast(&stub, &["--tokenizer", other], &[]);
        let expected = "--tokenizer is another one than the server's";
        assert!(!done && said.contains(expected), "{kind:?}: {said}");
        let folder = tempfile::tempdir().unwrap();
        let own = stub::tokenizer_file(folder.path());
        let (done, said) = forecast(&stub, &["--tokenizer", own.to_str().unwrap()], &[]);
        assert!(done, "{kind:?}: {said}");
    }
}

#[test]
fn settings_of_servers_name_their_range() {
    let stub = Stub::start(Kind::Sglang, Fault::None);
    for (name, value, expected) in [
        ("STATECAST_SERVER_REQUESTS", "0.5", "a number from 1 to 512"),
        ("STATECAST_SERVER_REQUESTS", "513", "a number from 1 to 512"),
        ("STATECAST_SERVER_TIMEOUT", "0", "seconds from 0.1 to 86400"),
        ("STATECAST_SERVER_WINDOW", "3", "tokens from 16"),
        ("STATECAST_API_KEY", "ключ", "not a key that can be sent"),
    ] {
        let (done, said) = forecast(&stub, &[], &[(name, value)]);
        assert!(
            !done && said.contains(&format!("{name}: {expected}")),
            "{said}"
        );
    }
}

#[test]
fn flags_and_addresses_without_effect_are_errors() {
    let (_folder, file) = recording();
    let file = file.to_str().unwrap();
    let refused = |arguments: &[&str], expected: &str| {
        let done = statecast(
            &[&["forecast", file, "--state", "y"], arguments].concat(),
            &[],
        );
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(!done.status.success() && said.contains(expected), "{said}");
    };
    refused(&["--tokenizer", "x.json"], "no model is served");
    let there = "http://127.0.0.1:1/v1";
    refused(
        &["--model", there, "--precision", "f32"],
        "the model is served",
    );
    refused(
        &["--model", "http://me:pw@h/v1"],
        "must not hold credentials",
    );
    let began = Instant::now();
    refused(&["--model", there], "http://127.0.0.1:1: ");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn what_needs_the_weights_says_so() {
    let stub = Stub::start(Kind::Sglang, Fault::None);
    let source: ModelSource = stub.address().parse().unwrap();
    let formats = builtin_formats().unwrap();
    let model = Model::load(&source, &formats, Precision::F32, Device::Cpu).unwrap();
    let error = model
        .off_grammar_mass(&[Bin::new(5).unwrap()])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("needs its weights on this machine"),
        "{error}"
    );
    assert_eq!(model.info().unwrap().sha256, "unknown");
    assert!(model.decoder().is_none() && model.hinted().is_none());
}
