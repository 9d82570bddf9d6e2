//! What the fuzz targets do with any bytes: read them as a file or a message from outside. Nothing but a panic, an abort or
//! a hang is a fault. `tests/damaged.rs` runs the same functions on good files that were damaged.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use candle_core::Device;
use ndarray::Array2;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use sha2::{Digest, Sha256};
use statecast::codec::PromptFormat;
use statecast::environment::ActionSpace;
use statecast::evaluation::read_truth;
use statecast::learning::Training;
use statecast::model::{Architecture, HubModel, ModelWeights, Precision};
use statecast::policy::{self, Policy, PolicySource, Widths};
use statecast::recording::{self, MissingPolicy, RoleSelection};
use zip::write::SimpleFileOptions;

/// A reader of bytes from outside.
pub type Target = fn(&[u8]);

/// What becomes of missing values.
const POLICIES: [MissingPolicy; 3] = [
    MissingPolicy::Error,
    MissingPolicy::Hold,
    MissingPolicy::Model { held_out: 1 },
];

/// The readers by name.
pub const TARGETS: [(&str, Target); 16] = [
    ("policy_json", policy_json),
    ("policy_safetensors", policy_safetensors),
    ("policy_reply", policy_reply),
    ("checkpoint", checkpoint),
    ("checkpoint_list", checkpoint_list),
    ("prompt", prompt),
    ("hub_listing", hub_listing),
    ("weights_index", weights_index),
    ("config", config),
    ("tables", tables),
    ("roles", roles),
    ("text_table", text_table),
    ("json_table", json_table),
    ("tsf", tsf),
    ("folder_of_tables", folder_of_tables),
    ("array_groups", array_groups),
];

fn written(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("a temporary file can be written");
    path
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

/// Lets a policy act, if there is one.
fn act(policy: &mut dyn Policy) {
    let widths = policy.widths();
    let observations = Array2::from_elem((2, widths.observations), 0.5);
    let mut random = [0, 1].map(ChaCha8Rng::seed_from_u64);
    if let Ok(actions) = policy.act(observations.view(), &mut random) {
        let _ = policy.log_probabilities(observations.view(), actions.view());
    }
}

fn policy_of(name: &str, bytes: &[u8]) {
    let folder = folder();
    let path = written(folder.path(), name, bytes);
    let widths = Widths {
        observations: 3,
        actions: 1,
    };
    let space = ActionSpace::Box {
        low: &[-2.0],
        high: &[2.0],
    };
    for mean in [false, true] {
        let source = PolicySource::File {
            path: path.clone(),
            mean,
        };
        if let Ok(mut policy) = policy::read(&source, widths, Some(space)) {
            act(&mut *policy);
        }
    }
}

/// A policy as JSON.
pub fn policy_json(bytes: &[u8]) {
    policy_of("x.json", bytes);
}

/// A policy as safetensors.
pub fn policy_safetensors(bytes: &[u8]) {
    policy_of("x.safetensors", bytes);
}

/// The reply of a policy program.
pub fn policy_reply(bytes: &[u8]) {
    let folder = folder();
    let path = written(folder.path(), "reply", bytes);
    let widths = Widths {
        observations: 3,
        actions: 1,
    };
    let command = format!("sh -c 'read line; cat {}'", path.display());
    if let Ok(mut policy) = policy::read(&PolicySource::Program(command), widths, None) {
        act(&mut *policy);
    }
}

/// A checkpoint of a training whose hash is right.
pub fn checkpoint(bytes: &[u8]) {
    let folder = folder();
    written(folder.path(), "x.safetensors", bytes);
    let digest = Sha256::digest(bytes);
    let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!(r#"[{{"file": "x.safetensors", "step": 1, "sha256": "{hash}"}}]"#);
    written(folder.path(), "checkpoints.json", list.as_bytes());
    let _ = Training::resume(folder.path());
}

/// The list of a training's checkpoints.
pub fn checkpoint_list(bytes: &[u8]) {
    let folder = folder();
    written(folder.path(), "checkpoints.json", bytes);
    let _ = Training::resume(folder.path());
}

/// A prompt format as TOML.
pub fn prompt(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(format) = PromptFormat::parse("prompt.toml", text)
    {
        format.write(&[]);
    }
}

/// A hub's listing of a repository.
pub fn hub_listing(bytes: &[u8]) {
    for model in ["org/tiny", "org/tiny/x.gguf"] {
        let model = HubModel::parse(model).expect("it is a model's name");
        for name in model.files(bytes).unwrap_or_default() {
            assert!(!name.contains('/') && !name.starts_with('.'), "{name}");
        }
    }
}

/// The index of a model's weights.
pub fn weights_index(bytes: &[u8]) {
    let folder = folder();
    written(folder.path(), "model.safetensors.index.json", bytes);
    let _ = ModelWeights::folder(folder.path(), Precision::F32, &Device::Cpu);
}

/// config.json of any family, our decoder's or not.
pub fn config(bytes: &[u8]) {
    if let Ok(architecture) = Architecture::parse("config.json", bytes)
        && let Some(config) = architecture.described()
    {
        for rope in &config.ropes {
            rope.frequencies(config.window);
        }
    }
}

/// True values, and actions to come.
pub fn tables(bytes: &[u8]) {
    let folder = folder();
    let path = written(folder.path(), "x.csv", bytes);
    let _ = read_truth(&path);
    let _ = recording::read_future_actions(&path, &["act_torque".to_owned()], None, None);
}

/// Roles that a user names, a line each, and behind an empty line the table that they are of.
pub fn roles(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (names, table) = text.split_once("\n\n").unwrap_or((&text, "a,b\n1,2\n"));
    let mut names = names.lines().map(str::to_owned);
    let mut some = || names.next().filter(|name| !name.is_empty());
    let selection = RoleSelection {
        episode: some(),
        time: some(),
        reward: some(),
        action: some().into_iter().collect(),
        state: names.collect(),
        transitions: true,
        ..RoleSelection::default()
    };
    let folder = folder();
    let path = written(folder.path(), "x.csv", table.as_bytes());
    for missing in POLICIES {
        let _ = recording::read(&path, &selection, missing);
    }
    let _ = recording::read_runs(&path, &selection);
    let column = selection.state.first().map_or("a", String::as_str);
    let _ = recording::read_labels(&path, column, &selection);
}

/// Reads a recording whose roles are guessed.
fn guess(path: &Path) {
    for missing in POLICIES {
        let _ = recording::read(path, &RoleSelection::default(), missing);
    }
}

fn guess_of(name: &str, bytes: &[u8]) {
    let folder = folder();
    guess(&written(folder.path(), name, bytes));
}

/// A text table: lines around it, its header, a series a row or a row a step.
pub fn text_table(bytes: &[u8]) {
    guess_of("x.csv", bytes);
}

/// Rows, columns or episodes as JSON.
pub fn json_table(bytes: &[u8]) {
    guess_of("x.json", bytes);
}

/// Series of the Monash archive.
pub fn tsf(bytes: &[u8]) {
    guess_of("x.tsf", bytes);
}

/// A folder of recordings. A form feed stands between its files; the first line of each is its name.
pub fn folder_of_tables(bytes: &[u8]) {
    let folder = folder();
    for part in bytes.split(|&byte| byte == b'\x0c').take(8) {
        let end = part.iter().position(|&byte| byte == b'\n');
        let (name, content) = part.split_at(end.unwrap_or(part.len()));
        let name: String = String::from_utf8_lossy(name)
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || "._".contains(*c))
            .take(40)
            .collect();
        if name.chars().any(|c| c != '.') {
            written(folder.path(), &name, content.get(1..).unwrap_or_default());
        }
    }
    guess(folder.path());
}

/// An NPZ file of arrays: in every line a key, a shape such as `3x2`, and values that repeat to fill it.
pub fn array_groups(bytes: &[u8]) {
    const MOST_VALUES: usize = 4096;
    let text = String::from_utf8_lossy(bytes);
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for line in text.lines().take(32) {
        let mut words = line.split_whitespace();
        let (Some(key), Some(shape)) = (words.next(), words.next()) else {
            continue;
        };
        let sizes = shape.split('x').filter(|size| !size.is_empty());
        let Ok(sizes) = sizes.map(str::parse).collect::<Result<Vec<usize>, _>>() else {
            continue;
        };
        let product = sizes
            .iter()
            .try_fold(1_usize, |all, &size| all.checked_mul(size));
        let Some(count) = product.filter(|&count| count <= MOST_VALUES) else {
            continue;
        };
        let values: Vec<f64> = words.filter_map(|word| word.parse().ok()).collect();
        let values = match values.is_empty() {
            true => vec![0.0],
            false => values,
        };
        let shape: String = sizes.iter().map(|size| format!("{size},")).collect();
        let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({shape}), }}\n");
        let mut array = b"\x93NUMPY\x01\x00".to_vec();
        array.extend((header.len() as u16).to_le_bytes());
        array.extend(header.as_bytes());
        let filled = values.iter().cycle().take(count);
        array.extend(filled.flat_map(|value| value.to_le_bytes()));
        if archive
            .start_file(format!("{key}.npy"), SimpleFileOptions::default())
            .is_ok()
        {
            archive.write_all(&array).expect("memory can be written");
        }
    }
    let archive = archive.finish().expect("memory can be written");
    guess_of("x.npz", archive.get_ref());
}
