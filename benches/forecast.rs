//! Reading a context, one step of a rollout, an observation that comes, and the whole program.
//!
//!     cargo bench --bench forecast
//!
//! The bundled model in F32. `rollout_step/context_read_again` is what a rollout costs a step
//! without a shared cache: every path's context and past are read anew.

use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};
use ndarray::Array2;
use statecast::codec::{Bin, builtin_formats};
use statecast::forecast::{Session, Temperature, Tolerance};
use statecast::model::{Device, Model, ModelSource, Precision};
use std::hint::black_box;
use std::process::{Command, Stdio};
use std::time::Duration;

const CHANNELS: usize = 3;
const CONTEXT: usize = 500;
const PATHS: usize = 100;

fn model() -> Model {
    let formats = builtin_formats().expect("the embedded prompt formats are valid");
    Model::load(&ModelSource::Builtin, &formats, Precision::F32, Device::Cpu)
        .expect("the bundled model is part of the program")
}

/// Sines of different periods, over the middle of the axis.
fn waves(rows: usize, channels: usize) -> Array2<Bin> {
    Array2::from_shape_fn((rows, channels), |(t, c)| {
        let phase = t as f64 * (0.05 + 0.013 * c as f64);
        Bin::quantise(5.0 + 3.5 * phase.sin()).bin
    })
}

fn start(model: &Model, context: &Array2<Bin>) -> Session {
    let (temperature, rows) = (Temperature::default(), 0..context.nrows());
    let (session, densities) = Session::start(model, context, temperature, Tolerance::EXACT, rows)
        .expect("the context fits into the window");
    black_box(densities);
    session
}

fn prefill(criterion: &mut Criterion) {
    let model = model();
    let mut group = criterion.benchmark_group("prefill");
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(30));
    for rows in [500, 1000] {
        let context = waves(rows, CHANNELS);
        group.bench_with_input(BenchmarkId::from_parameter(rows), &context, |b, context| {
            b.iter(|| start(&model, context));
        });
    }
    group.finish();
}

fn rollout_step(criterion: &mut Criterion) {
    let model = model();
    let context = waves(CONTEXT, CHANNELS);
    let session = start(&model, &context);
    let feed = vec![Bin::quantise(5.0).bin; CHANNELS * PATHS];
    let mut group = criterion.benchmark_group("rollout_step");
    group
        .sample_size(10)
        .sampling_mode(SamplingMode::Flat)
        .measurement_time(Duration::from_secs(70));
    group.bench_function("shared_context", |b| {
        b.iter_batched(
            || session.fork(PATHS, 1).expect("memory for one step"),
            |mut paths| paths.advance(&feed).expect("room for one step"),
            BatchSize::LargeInput,
        );
    });
    let again = waves(CONTEXT + 1, CHANNELS * PATHS);
    group.bench_function("context_read_again", |b| b.iter(|| start(&model, &again)));
    group.finish();
}

/// An observation is read and the next one predicted; then the session goes back.
fn observation(criterion: &mut Criterion) {
    let model = model();
    let mut session = start(&model, &waves(CONTEXT, 1));
    criterion.bench_function("observation", |b| {
        b.iter(|| {
            session
                .advance(&[Bin::quantise(5.0).bin])
                .expect("room for one observation");
            let densities = session.next_densities().expect("the model has read");
            session.rollback(CONTEXT).expect("there is a context");
            black_box(densities)
        });
    });
}

fn program(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("program");
    group
        .sample_size(10)
        .sampling_mode(SamplingMode::Flat)
        .measurement_time(Duration::from_secs(50));
    for horizon in ["1", "50"] {
        group.bench_function(BenchmarkId::new("half_cheetah", horizon), |b| {
            b.iter(|| {
                let status = Command::new(env!("CARGO_BIN_EXE_statecast"))
                    .current_dir(env!("CARGO_MANIFEST_DIR"))
                    .args([
                        "forecast",
                        "examples/half_cheetah.csv",
                        "--horizon",
                        horizon,
                    ])
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status()
                    .expect("the program was built");
                assert!(status.success());
            });
        });
    }
    group.finish();
}

criterion_group!(benches, prefill, rollout_step, observation, program);
criterion_main!(benches);
