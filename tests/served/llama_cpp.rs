//! The real server of llama.cpp.

use ndarray::Array2;
use statecast::codec::{BIN_COUNT, Bin, builtin_formats};
use statecast::forecast::{Session, Temperature, Tolerance};
use statecast::model::{Checkpoint, Device, Model, ModelSource, Precision};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Densities through llama.cpp's own server are those of our decoder on the same file: to rounding if
/// its weights are floats. By quantised weights the server multiplies activations that it rounds to
/// eight bits, which ours does not: that moves hundredths of a density's mass (SmolLM2-135M at Q4_1:
/// 0.034 on average).
#[test]
fn densities_through_llama_cpp_are_those_of_our_decoder() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = |variable, usual: &str| {
        std::env::var_os(variable).map_or_else(|| root.join(usual), PathBuf::from)
    };
    let file = named(
        "STATECAST_OPEN_MODEL",
        "models/open/SmolLM2-135M-Instruct.Q4_1.gguf",
    );
    let python = named("STATECAST_PYTHON", "target/training/bin/python");
    let has_server = Command::new(&python)
        .args(["-c", "import xllamacpp"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !file.exists() || !has_server {
        println!(
            "skipped: {} or xllamacpp of {} is not there (tests/served/requirements.txt)",
            file.display(),
            python.display()
        );
        return;
    }
    let mut server = Command::new(python)
        .arg(root.join("tests/served/llama_cpp.py"))
        .arg(&file)
        .arg("2")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let output = server.stdout.take().unwrap();
    BufReader::new(output).read_line(&mut line).unwrap();
    let source: ModelSource = line.trim().parse().unwrap();
    let formats = builtin_formats().unwrap();
    let load = |source: &ModelSource| Model::load(source, &formats, Precision::Auto, Device::Cpu);
    let context = Array2::from_shape_fn((30, 1), |(t, _)| {
        Bin::quantise(5.0 + 3.0 * (0.4 * t as f64).sin()).bin
    });
    let rows = |model: &Model| {
        let (temperature, tolerance) = (Temperature::default(), Tolerance::new(0.1).unwrap());
        Session::start(model, &context, temperature, tolerance, 0..30)
            .unwrap()
            .1
    };
    let served = rows(&load(&source).unwrap());
    let file = ModelSource::Gguf(file);
    let checkpoint = Checkpoint::open(&file, Precision::Auto, Device::Cpu).unwrap();
    let quantised = checkpoint
        .formats()
        .iter()
        .any(|(format, _)| format.starts_with('Q'));
    let own = rows(&load(&file).unwrap());
    // Ends the server.
    drop(server.stdin.take());
    server.wait().unwrap();
    let distances: Vec<f32> = (0..30)
        .map(|t| {
            (0..BIN_COUNT)
                .map(|k| (served[[t, 0, k]] - own[[t, 0, k]]).abs())
                .sum::<f32>()
                / 2.0
        })
        .collect();
    let mean = distances.iter().sum::<f32>() / 30.0;
    let largest = distances.iter().copied().fold(0.0, f32::max);
    println!("total variation: mean {mean:.6}, largest {largest:.6}");
    let (most, of_all) = if quantised {
        (0.15, 0.05)
    } else {
        (1e-3, 1e-3)
    };
    assert!(
        mean < of_all && largest < most,
        "mean {mean}, largest {largest}"
    );
}
