//! Policy files as others write them, damaged ones, and programs that act or fail to.
//!
//! Where the policies of the recordings are absent (`../shared/data/policies`) their test does nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ndarray::{Array2, array};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use safetensors::tensor::{Dtype, TensorView};
use statecast::environment::ActionSpace;
use statecast::policy::{Policy, PolicySource, Program, ProgramSettings, Widths, read};

const SMALL: Widths = Widths {
    observations: 3,
    actions: 1,
};

fn generators(rows: usize) -> Vec<ChaCha8Rng> {
    (0..rows as u64).map(ChaCha8Rng::seed_from_u64).collect()
}

fn file(path: PathBuf, mean: bool) -> PolicySource {
    PolicySource::File { path, mean }
}

/// `policy_check.json` was written with PyTorch.
#[test]
fn policies_of_the_recordings_act_as_in_pytorch() {
    #[derive(serde::Deserialize)]
    struct Check {
        obs: Vec<Vec<f64>>,
        det_action: Vec<Vec<f64>>,
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/policies");
    let Ok(text) = std::fs::read_to_string(folder.join("policy_check.json")) else {
        eprintln!("skipped: {} is not there", folder.display());
        return;
    };
    let checks: BTreeMap<String, Check> = serde_json::from_str(&text).unwrap();
    let mut read_ones = 0;
    for (name, check) in checks {
        let path = folder.join(format!("{name}.safetensors"));
        if !path.exists() {
            continue;
        }
        let rows = |values: &[Vec<f64>]| {
            Array2::from_shape_vec((values.len(), values[0].len()), values.concat()).unwrap()
        };
        let (observations, expected) = (rows(&check.obs), rows(&check.det_action));
        let widths = Widths {
            observations: observations.ncols(),
            actions: expected.ncols(),
        };
        let mut policy = read(&file(path, true), widths, None).unwrap();
        let mut random = generators(observations.nrows());
        let actions = policy.act(observations.view(), &mut random).unwrap();
        let error = (&actions - &expected)
            .iter()
            .fold(0.0, |m: f64, e| m.max(e.abs()));
        assert!(error < 2e-6, "{name}: {error}");
        read_ones += 1;
    }
    assert!(read_ones > 10, "{read_ones}");
}

/// A policy of one hidden layer of two units, with one tensor changed.
fn tensors(change: impl Fn(&str, &mut Vec<f32>, &mut Vec<usize>)) -> Vec<u8> {
    let parts = [
        ("fc1.weight", vec![2, 3]),
        ("fc1.bias", vec![2]),
        ("fc_mean.weight", vec![1, 2]),
        ("fc_mean.bias", vec![1]),
        ("fc_logstd.weight", vec![1, 2]),
        ("fc_logstd.bias", vec![1]),
        ("action_scale", vec![1]),
        ("action_bias", vec![1]),
    ];
    let mut built: Vec<(String, Vec<u8>, Vec<usize>)> = Vec::new();
    for (name, mut shape) in parts {
        let count: usize = shape.iter().product();
        let mut values: Vec<f32> = (0..count).map(|i| 0.5 + 0.25 * i as f32).collect();
        change(name, &mut values, &mut shape);
        if shape.is_empty() {
            continue;
        }
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        built.push((name.to_owned(), bytes, shape));
    }
    let views = built.iter().map(|(name, bytes, shape)| {
        (
            name,
            TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap(),
        )
    });
    safetensors::serialize(views, None).unwrap()
}

fn refusal(ending: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("pi.{ending}"));
    std::fs::write(&path, bytes).unwrap();
    match read(&file(path, false), SMALL, None) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn damaged_policy_files_are_refused_by_name() {
    assert_eq!(refusal("safetensors", &tensors(|_, _, _| ())), "accepted");
    let cases: [(&str, Vec<u8>); 6] = [
        (
            "fc1.weight holds NaN at position 4",
            tensors(|name, values, _| {
                if name == "fc1.weight" {
                    values[4] = f32::NAN;
                }
            }),
        ),
        (
            "fc_mean.weight is [2, 1], expected [2, 2]",
            tensors(|name, _, shape| {
                if name == "fc_mean.weight" {
                    *shape = vec![2, 1];
                }
            }),
        ),
        (
            "fc_mean.weight is missing",
            tensors(|name, _, shape| {
                if name == "fc_mean.weight" {
                    shape.clear();
                }
            }),
        ),
        (
            "action_scale holds -1",
            tensors(|name, values, _| {
                if name == "action_scale" {
                    values[0] = -1.0;
                }
            }),
        ),
        ("pi.safetensors", tensors(|_, _, _| ())[..40].to_vec()),
        ("pi.safetensors", Vec::new()),
    ];
    for (expected, bytes) in cases {
        let said = refusal("safetensors", &bytes);
        assert!(said.contains(expected), "{said}");
    }
    let cases = [
        ("EOF", "{"),
        (
            "unknown field",
            r#"{"kind":"linear","gain":[[1,2,3]],"bias":[0],"sdt":[1]}"#,
        ),
        (
            "a row of 2",
            r#"{"kind":"linear","gain":[[1,2,3],[1,2]],"bias":[0,0]}"#,
        ),
        (
            "bias is [2]",
            r#"{"kind":"linear","gain":[[1,2,3]],"bias":[0,0]}"#,
        ),
        (
            "std holds 0",
            r#"{"kind":"linear","gain":[[1,2,3]],"bias":[0],"std":[0]}"#,
        ),
        (
            "low (above high)",
            r#"{"kind":"linear","gain":[[1,2,3]],"bias":[0],"low":[1],"high":[0]}"#,
        ),
        (
            "epsilon holds 2",
            r#"{"kind":"threshold","weights":[1,2,3],"epsilon":2}"#,
        ),
        (
            "takes 2 observations",
            r#"{"kind":"threshold","weights":[1,2]}"#,
        ),
        (
            "mean.weight is empty",
            r#"{"kind":"mlp","hidden":[],"mean":{"weight":[],"bias":[]},
            "action_scale":[],"action_bias":[]}"#,
        ),
    ];
    for (expected, text) in cases {
        let said = refusal("json", text.as_bytes());
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn the_same_network_acts_alike_from_both_formats() {
    let json = r#"{"kind":"mlp","hidden":[{"weight":[[0.5,0.75,1.0],[1.25,1.5,1.75]],"bias":[0.5,0.75]}],
        "mean":{"weight":[[0.5,0.75]],"bias":[0.5]},"log_std":{"weight":[[0.5,0.75]],"bias":[0.5]},
        "action_scale":[0.5],"action_bias":[0.5]}"#;
    let folder = tempfile::tempdir().unwrap();
    let paths = [
        ("pi.json", json.as_bytes().to_vec()),
        ("pi.safetensors", tensors(|_, _, _| ())),
    ];
    let acted = paths.map(|(name, bytes)| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let mut policy = read(&file(path, false), SMALL, None).unwrap();
        let observations = array![[0.1, -0.3, 0.2], [-1.0, 0.4, 0.0]];
        policy.act(observations.view(), &mut generators(2)).unwrap()
    });
    assert_eq!(acted[0], acted[1]);
}

/// The density of the actions sums to one, and so do the probabilities of clipped and discrete ones.
/// A network over two discrete actions as JSON and as safetensors: the hidden unit is `tanh(x)`, the logits are `0` and `2 tanh(x)`.
#[test]
fn networks_over_discrete_actions_are_read_from_both_formats() {
    let folder = tempfile::tempdir().unwrap();
    let widths = Widths {
        observations: 1,
        actions: 1,
    };
    let json = folder.path().join("pi.json");
    let text = r#"{"kind": "categorical", "activation": "tanh", "hidden": [{"weight": [[1]], "bias": [0]}],
        "logits": {"weight": [[0], [2]], "bias": [0, 0]}}"#;
    std::fs::write(&json, text).unwrap();
    let bytes = |values: &[f32]| {
        values
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    let parts = [
        ("fc1.weight", vec![1, 1], bytes(&[1.0])),
        ("fc1.bias", vec![1], bytes(&[0.0])),
        ("fc_logits.weight", vec![2, 1], bytes(&[0.0, 2.0])),
        ("fc_logits.bias", vec![2], bytes(&[0.0, 0.0])),
    ];
    let views = parts.iter().map(|(name, shape, bytes)| {
        (
            *name,
            TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap(),
        )
    });
    let metadata = [("activation".to_owned(), "tanh".to_owned())].into();
    let made = safetensors::serialize(views, Some(metadata)).unwrap();
    let tensors = folder.path().join("pi.safetensors");
    std::fs::write(&tensors, made).unwrap();
    let two = Some(ActionSpace::Discrete(2));
    let seen = array![[0.5], [-0.5]];
    for path in [json.clone(), tensors] {
        let mut policy = read(&file(path.clone(), false), widths, two).unwrap();
        let logs = policy.log_probabilities(seen.view(), array![[1.0], [0.0]].view());
        let expected = -(1.0 + (-2.0 * 0.5f64.tanh()).exp()).ln();
        for log in logs.unwrap().unwrap() {
            assert!((log - expected).abs() < 1e-6, "{log} {expected}");
        }
        let actions = policy.act(seen.view(), &mut generators(2)).unwrap();
        assert!(actions.iter().all(|action| [0.0, 1.0].contains(action)));
        let mut mean = read(&file(path, true), widths, two).unwrap();
        let actions = mean.act(seen.view(), &mut generators(2)).unwrap();
        assert_eq!(actions, array![[1.0], [0.0]]);
    }
    let other = read(&file(json, false), widths, Some(ActionSpace::Discrete(3)));
    let error = other.err().unwrap().to_string();
    assert!(
        error.contains("logits is of 2 actions, expected of 3"),
        "{error}"
    );
}

#[test]
fn stated_probabilities_are_probabilities() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pi.safetensors");
    std::fs::write(&path, tensors(|_, _, _| ())).unwrap();
    let gaussian = read(&file(path, false), SMALL, None).unwrap();
    let rows = 20_000;
    // Actions lie between bias - scale and bias + scale: 0 and 1.
    let actions = Array2::from_shape_fn((rows, 1), |(i, _)| (i as f64 + 0.5) / rows as f64);
    // Where no hidden unit is active the spread is 1.1, so that hardly anything is squashed to the ends.
    let observed = Array2::from_elem((rows, 3), -10.0);
    let density = gaussian
        .log_probabilities(observed.view(), actions.view())
        .unwrap()
        .unwrap();
    let total: f64 = density.iter().map(|log| log.exp()).sum::<f64>() / rows as f64;
    assert!((total - 1.0).abs() < 1e-3, "{total}");

    let observed = Array2::from_shape_fn((rows, 3), |(_, c)| [-0.4, 0.2, -0.1][c]);
    let path = folder.path().join("linear.json");
    let text =
        r#"{"kind":"linear","gain":[[1,0,0]],"bias":[0.2],"std":[0.5],"low":[-0.5],"high":[1]}"#;
    std::fs::write(&path, text).unwrap();
    let clipped = read(&file(path, false), SMALL, None).unwrap();
    let actions = Array2::from_shape_fn((rows, 1), |(i, _)| {
        -0.5 + 1.5 * (i as f64 + 0.5) / rows as f64
    });
    let density = clipped
        .log_probabilities(observed.view(), actions.view())
        .unwrap()
        .unwrap();
    let inside: f64 = density.iter().map(|log| log.exp()).sum::<f64>() * 1.5 / rows as f64;
    let ends = clipped.log_probabilities(
        observed.slice(ndarray::s![..2, ..]),
        array![[-0.5], [1.0]].view(),
    );
    let at_ends: f64 = ends.unwrap().unwrap().iter().map(|log| log.exp()).sum();
    assert!((inside + at_ends - 1.0).abs() < 1e-3, "{inside} {at_ends}");
}

#[cfg(unix)]
mod programs {
    use super::*;

    const FAST: ProgramSettings = ProgramSettings {
        first_reply: Duration::from_millis(1500),
        reply: Duration::from_millis(1500),
    };

    fn asked(command: &str) -> Result<Array2<f64>, String> {
        let mut policy = Program::start(command, SMALL, FAST).map_err(|e| e.to_string())?;
        let observations = array![[0.1, 0.2, 0.3], [1.0, 2.0, 3.0]];
        let actions = policy.act(observations.view(), &mut generators(2));
        actions.map_err(|e| e.to_string())
    }

    #[test]
    fn a_program_that_keeps_to_the_protocol_acts() {
        let command = r#"sh -c 'while read line; do echo "{\"actions\": [[0.5], [-1]]}"; done'"#;
        assert_eq!(asked(command).unwrap(), array![[0.5], [-1.0]]);
    }

    #[test]
    fn programs_that_do_not_are_errors_and_nothing_hangs() {
        let cases = [
            ("gave no reply within 1.5 s", "sleep 100"),
            (
                "ended (exit status: 3) before it replied; it said: no model",
                "sh -c 'echo no model >&2; exit 3'",
            ),
            ("has 0 actions of 0 numbers, not 2 of 1", "cat"),
            ("is no JSON", "sh -c 'read line; echo hello'"),
            (
                "it reports: out of range",
                r#"sh -c 'read line; echo "{\"error\": \"out of range\"}"'"#,
            ),
            (
                "is no JSON",
                r#"sh -c 'read line; echo "{\"actions\": [[NaN], [0]]}"'"#,
            ),
            (
                "2 actions of 2 numbers",
                r#"sh -c 'read line; echo "{\"actions\": [[1, 2], [1, 2]]}"'"#,
            ),
            ("does not start", "/nowhere/act"),
            ("a quote is not closed", "sh -c 'oh"),
        ];
        for (expected, command) in cases {
            let begin = Instant::now();
            let said = asked(command).unwrap_err();
            assert!(said.contains(expected), "{command}: {said}");
            assert!(begin.elapsed() < Duration::from_secs(5), "{command}");
        }
    }
}
