//! The functions of the fuzz targets on good files that were damaged at random, by a fixed seed: no panic, no abort, no hang.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use statecast::learning::{Training, TrainingSettings};
use statecast::model::FOREIGN_FAMILIES;
use targets::{TARGETS, Target};

/// What a number or a text may be replaced by.
const SPECIAL: [&str; 20] = [
    "0",
    "-1",
    "1",
    "1e308",
    "-0.5",
    "1048576",
    "4294967296",
    "18446744073709551615",
    "99999999999999999999",
    "NaN",
    "Infinity",
    "null",
    "true",
    "\"\"",
    "[]",
    "{}",
    "\"../../x\"",
    "\u{1b}[2J",
    "[[[[[[[[",
    "\n\n",
];

fn damaged(good: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..random.random_range(1..4) {
        if bytes.is_empty() {
            return bytes;
        }
        let at = random.random_range(0..bytes.len());
        let end = (at + random.random_range(1..12)).min(bytes.len());
        let special = SPECIAL[random.random_range(0..SPECIAL.len())].as_bytes();
        match random.random_range(0..7) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            4 => drop(bytes.splice(at..at, special.iter().copied())),
            // A whole number or word in the place of another.
            _ => {
                let inside = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
                let before = bytes[..at].iter().rev().take_while(|b| inside(b)).count();
                let behind = bytes[at..].iter().take_while(|b| inside(b)).count();
                bytes.splice(at - before..at + behind, special.iter().copied());
            }
        }
    }
    bytes
}

/// Runs a target on its good files and on so many damaged ones of each.
fn survives(name: &str, good: &[Vec<u8>], count: usize) {
    let target: Target = TARGETS.iter().find(|(known, _)| *known == name).unwrap().1;
    let mut random = ChaCha8Rng::seed_from_u64(23);
    for good in good {
        target(good);
        for number in 0..count {
            let bytes = damaged(good, &mut random);
            let begun = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| target(&bytes)));
            let said = || String::from_utf8_lossy(&bytes[..bytes.len().min(3000)]).into_owned();
            assert!(outcome.is_ok(), "{name} {number} panicked: {}", said());
            let took = begun.elapsed();
            assert!(
                took < Duration::from_secs(20),
                "{name} {number} took {took:?}: {}",
                said()
            );
        }
    }
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The first rows of a table.
fn head(name: &str, rows: usize) -> Vec<u8> {
    let text = String::from_utf8(file(name)).unwrap();
    let lines: Vec<&str> = text.lines().take(rows).collect();
    lines.join("\n").into_bytes()
}

const MLP: &str = r#"{"kind": "mlp", "activation": "relu",
    "hidden": [{"weight": [[0.5, 0.75, 1.0], [1.25, 1.5, 1.75]], "bias": [0.5, 0.75]}],
    "mean": {"weight": [[0.5, 0.75]], "bias": [0.5]},
    "log_std": {"weight": [[0.5, 0.75]], "bias": [0.5]}, "log_std_bounds": {"tanh": [-5, 2]},
    "action_scale": [2.0], "action_bias": [0.0]}"#;
const LINEAR: &str = r#"{"kind": "linear", "gain": [[0.0, 0.0, -1.0]], "bias": [0.0], "std": [0.5],
    "low": [-2.0], "high": [2.0]}"#;
const THRESHOLD: &str = r#"{"kind": "threshold", "weights": [0.05, 0.1, 1.0], "epsilon": 0.2}"#;

/// A checkpoint of a small agent, and its policy.
fn trained() -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = TrainingSettings {
        steps: 60,
        batch: 8,
        learning_starts: 20,
        evaluate_every: 30,
        evaluation_episodes: 1,
        capacity: 50,
        ..TrainingSettings::of_task("pendulum")
    };
    settings.agent.hidden = 2;
    let mut training = Training::new(settings).unwrap();
    training.advance(None).unwrap();
    training.save(folder.path()).unwrap();
    let list = std::fs::read(folder.path().join("checkpoints.json")).unwrap();
    let checkpoint = folder.path().join("checkpoint-000000030.safetensors");
    let path = folder.path().join("policy.safetensors");
    training.agent().actor().policy().write(&path).unwrap();
    (
        std::fs::read(checkpoint).unwrap(),
        list,
        std::fs::read(path).unwrap(),
    )
}

#[test]
fn policies() {
    let json = [MLP, LINEAR, THRESHOLD].map(|text| text.as_bytes().to_vec());
    survives("policy_json", &json, 1500);
    let replies = [
        "{\"actions\": [[0.5], [-1.0]]}\n",
        "{\"error\": \"no such observation\"}\n",
    ];
    survives(
        "policy_reply",
        &replies.map(|reply| reply.as_bytes().to_vec()),
        15,
    );
}

#[test]
fn trainings() {
    let (checkpoint, list, policy) = trained();
    survives("policy_safetensors", &[policy], 1500);
    survives("checkpoint", &[checkpoint], 300);
    survives("checkpoint_list", &[list], 500);
}

#[test]
fn prompts() {
    let names = ["digit", "llmtime", "number", "spaced-digit", "value"];
    let good = names.map(|name| file(&format!("prompts/{name}.toml")));
    survives("prompt", &good, 500);
}

#[test]
fn what_a_hub_says() {
    let entry = |name: &str, lfs: &str| {
        let blob = "ce013625030ba8dba906f756967f9e9ca394464a";
        format!(r#"{{"rfilename": "{name}", "size": 7, "blobId": "{blob}"{lfs}}}"#)
    };
    let lfs = format!(r#", "lfs": {{"sha256": "{}", "size": 7}}"#, "ab".repeat(32));
    let files = [
        entry("config.json", ""),
        entry("tokenizer.json", ""),
        entry("model.safetensors", &lfs),
        entry("x.gguf", &lfs),
    ];
    let listing = format!(
        r#"{{"sha": "0123456789abcdef0123456789abcdef01234567", "siblings": [{}]}}"#,
        files.join(", ")
    );
    survives("hub_listing", &[listing.into_bytes()], 3000);
    let index = file("tests/golden/llama-bf16-sharded/model.safetensors.index.json");
    survives("weights_index", &[index], 500);
}

#[test]
fn configurations() {
    let kept = FOREIGN_FAMILIES
        .into_iter()
        .filter(|family| !family.starts_with("rwkv"));
    let mut good: Vec<Vec<u8>> = kept
        .map(|family| file(&format!("tests/golden/others/{family}/config.json")))
        .collect();
    good.push(file("models/builtin/config.json"));
    for family in ["rwkv5", "rwkv6"] {
        let config = format!(
            r#"{{"model_type": "{family}", "vocab_size": 44, "hidden_size": 32, "num_hidden_layers": 2,
            "attention_hidden_size": 32, "head_size": 8, "layer_norm_epsilon": 1e-5, "rescale_every": 6}}"#
        );
        good.push(config.into_bytes());
    }
    survives("config", &good, 500);
}

const BUOY: &str = "#YY MM DD hh mm WSPD WVHT\n#yr mo dy hr mn  m/s    m\n2024 05 03 01 50  5.1  MM\n\
    2024 05 03 00 50  5.3 1.2\n2024 05 02 23 50  4.9 1.1\n";
const WIDE: &str = "Country,Code,1960 [YR1960],1961 [YR1961],1962,1963,1964,1965,1966,1967\n\
    France,FRA,1,2,3,4,5,6,7,8\nChile,CHL,..,2.5,3,..,5,6,7,8\n";
const SERIES: &str = r#"{"start": "2024-01-31", "freq": "2MS", "target": [1, "NaN", 4], "item_id": "a",
    "feat_dynamic_real": [[5, 6, 7, 8]], "feat_static_cat": [3]}
{"start": "2024-01-31", "freq": "2MS", "target": [1, 3], "item_id": "b", "feat_dynamic_real": [[0, 1]]}"#;
const WEATHER: &str = r#"{"latitude": 52.5, "hourly_units": {"time": "iso8601"}, "hourly": {
    "time": ["2024-01-01T00:00", "2024-01-01T01:00", "2024-01-01T02:00"], "rain": [0, 0.5, null]}}"#;
const MONASH: &str = "@attribute name string\n@attribute start_timestamp date\n@frequency half_hourly\n@data\n\
    T1:1979-01-01 00-00-00:1,2,?,4.5\nT2:1980-02-28 23-30-00:1,2,3\n";
const FOLDER: &str =
    "a.csv\nt,x,act_u\n0,1,0\n1,2,0.5\n2,4,1\n\u{c}b.csv\nt,x,act_u\n0,1.5,0\n1,2.5,0.25\n";
const GROUPS: [&str; 4] = [
    "left/obs 4x2 1 2 3 0.5\nleft/actions 4 0 1\nright/obs 5x2 2 3 1\nright/actions 5 1 0\n",
    "ep0_obs 5x2 1 2 3\nep0_act 4x1 0 1\nep1_obs 6x2 1 2 5\nep1_act 5x1 1\n",
    "obs 7x3x2 1 2 3 4 5\nactions 6x3x1 0 1 5\ndones 6x3 0 0 0 0 1\n",
    "obs 12x2 1 2 3 4 5\naction 10 0 1 5\nepisode_ends 2 5 10\nis_pad 10 0 0 0 1\n",
];

#[test]
fn recordings_whose_roles_are_guessed() {
    let bytes = |texts: &[&str]| -> Vec<Vec<u8>> {
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    };
    survives("text_table", &bytes(&[BUOY, WIDE]), 1000);
    survives("json_table", &bytes(&[SERIES, WEATHER]), 1000);
    survives("tsf", &bytes(&[MONASH]), 1000);
    survives("folder_of_tables", &bytes(&[FOLDER]), 1000);
    survives("array_groups", &bytes(&GROUPS), 500);
}

#[test]
fn tables_and_roles() {
    let truth = "policy,value\npi,-132.5\nother,\"-7\"\n";
    let good = [
        truth.as_bytes().to_vec(),
        head("examples/pendulum_left.csv", 20),
        head("examples/pendulum.csv", 8),
    ];
    survives("tables", &good, 500);
    let of = |names: &str, table: Vec<u8>| [names.as_bytes(), b"\n\n", &table].concat();
    let pendulum = || head("examples/pendulum.csv", 12);
    let good = [
        of(
            "episode\nt\nreward\nact_torque\nobs_cos_theta\nobs_*",
            pendulum(),
        ),
        of("obs_*\nreward\nt\nobs_*\n*", pendulum()),
        of("sky\nday\n\n\nsky", head("examples/weather.csv", 12)),
        of("\nstep\n\n\nloss", head("examples/training.csv", 12)),
    ];
    survives("roles", &good, 500);
}
