//! Recordings as other programs write them (`tests/layouts/make_layouts.py`): each is read right
//! without an option, and none that is damaged makes the reader panic, hang or take the memory.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use serde::Deserialize;
use statecast::recording::{MissingPolicy, Recording, RecordingError, RoleSelection, Roles, read};

/// What a file holds.
#[derive(Debug, Deserialize)]
struct Layout {
    file: String,
    states: Vec<String>,
    actions: Vec<String>,
    reward: bool,
    lengths: Vec<usize>,
    first: Vec<f64>,
    last: Vec<f64>,
    time: Option<String>,
    #[serde(rename = "final")]
    final_state: Option<Vec<f64>>,
    encoding: Option<String>,
    #[serde(default)]
    choose: Vec<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layouts")
}

fn layouts() -> Vec<Layout> {
    let text = std::fs::read_to_string(folder().join("layouts.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn read_layout(layout: &Layout) -> Result<(Recording, Roles), RecordingError> {
    // Names with commas in them come from the command line in parts.
    let state = layout.choose.join(",");
    let state = state.split(',').filter(|part| !part.is_empty());
    let selection = RoleSelection {
        state: state.map(str::to_owned).collect(),
        encoding: layout.encoding.clone(),
        ..RoleSelection::default()
    };
    read(
        &folder().join(&layout.file),
        &selection,
        MissingPolicy::Error,
    )
}

/// What is wrong with how a layout is read.
fn faults(layout: &Layout) -> Vec<String> {
    let (recording, roles) = match read_layout(layout) {
        Ok(read) => read,
        Err(fault) => return vec![fault.to_string()],
    };
    let mut faults = Vec::new();
    let mut expect = |what: &str, found: String, expected: String| {
        if found != expected {
            faults.push(format!("{what}: {found}, not {expected}"));
        }
    };
    let text = |names: &[String]| names.join("; ");
    expect(
        "states",
        text(recording.state_names()),
        text(&layout.states),
    );
    expect(
        "actions",
        text(recording.action_names()),
        text(&layout.actions),
    );
    expect(
        "reward",
        recording.reward_name().is_some().to_string(),
        layout.reward.to_string(),
    );
    let lengths: Vec<usize> = recording.episodes().iter().map(|e| e.rows()).collect();
    expect(
        "rows",
        format!("{lengths:?}"),
        format!("{:?}", layout.lengths),
    );
    let time = layout.time.iter().cloned().collect::<Vec<_>>();
    expect("time", text(&roles.time.columns), text(&time));
    let episode = &recording.episodes()[0];
    let row = |row: usize| episode.states().row(row).to_vec();
    let near = |found: Vec<f64>, expected: &[f64]| {
        let same = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-6 * b.abs().max(1.0);
        found.len() == expected.len() && found.iter().zip(expected).all(same)
    };
    for (what, found, expected) in [
        ("first row", row(0), &layout.first),
        ("last row", row(episode.rows() - 1), &layout.last),
    ] {
        if !near(found.clone(), expected) {
            faults.push(format!("{what}: {found:?}, not {expected:?}"));
        }
    }
    let last = episode.final_state().map(|state| state.to_vec());
    let fits = match (&last, &layout.final_state) {
        (Some(found), Some(expected)) => near(found.clone(), expected),
        (None, None) => true,
        _ => false,
    };
    if !fits {
        faults.push(format!(
            "final state: {last:?}, not {:?}",
            layout.final_state
        ));
    }
    faults
}

#[test]
fn files_of_other_programs_are_read_at_once() {
    let layouts = layouts();
    assert!(layouts.len() >= 60);
    let faults: Vec<String> = layouts
        .iter()
        .flat_map(|layout| {
            let faults = faults(layout).into_iter();
            faults.map(|fault| format!("{}: {fault}", layout.file))
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_folder_of_lerobot_is_one_recording() {
    let table = folder().join("lerobot/data/chunk-000/file-000.parquet");
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path();
    std::fs::create_dir_all(root.join("meta")).unwrap();
    std::fs::copy(
        folder().join("lerobot/meta/info.json"),
        root.join("meta/info.json"),
    )
    .unwrap();
    for chunk in ["chunk-000", "chunk-001"] {
        let data = root.join("data").join(chunk);
        std::fs::create_dir_all(&data).unwrap();
        std::fs::copy(&table, data.join("file-000.parquet")).unwrap();
    }
    let selection = RoleSelection {
        time: Some("none".to_owned()),
        ..RoleSelection::default()
    };
    let (recording, _) = read(root, &selection, MissingPolicy::Error).unwrap();
    assert_eq!(recording.rows(), 32);
    assert_eq!(recording.action_names(), ["action.torque"]);
}

#[test]
fn the_page_of_formats_names_every_layout() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/formats.md");
    let page = std::fs::read_to_string(page).unwrap();
    for layout in layouts() {
        let name = Path::new(&layout.file)
            .file_name()
            .unwrap()
            .to_str()
            .unwrap();
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}

/// Reads some bytes as a file of some name; how long it took.
fn read_bytes(folder: &Path, name: &str, bytes: &[u8]) -> (Result<(), String>, Duration) {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    let start = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        read(&path, &RoleSelection::default(), MissingPolicy::Hold)
            .map(|_| ())
            .map_err(|fault| fault.to_string())
    }));
    let time = start.elapsed();
    let Ok(outcome) = outcome else {
        let kept = std::env::temp_dir().join(format!("damaged-{name}"));
        std::fs::write(&kept, bytes).unwrap();
        panic!("{} made the reader panic", kept.display());
    };
    (outcome, time)
}

/// The most memory that this process has had, in bytes.
fn most_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(1024 * kilobytes)
}

/// Every format: cut off, and with bytes changed, most of them where headers are.
#[test]
fn damaged_files_of_every_format_get_an_answer() {
    let mut random = rand::rngs::ChaCha8Rng::seed_from_u64(7);
    let scratch = tempfile::tempdir().unwrap();
    for layout in layouts() {
        let good = std::fs::read(folder().join(&layout.file)).unwrap();
        let name = Path::new(&layout.file)
            .file_name()
            .unwrap()
            .to_str()
            .unwrap();
        for trial in 0..60 {
            let mut bytes = good.clone();
            if trial % 6 == 0 {
                bytes.truncate(random.random_range(0..bytes.len()));
            }
            for _ in 0..random.random_range(1..5) {
                let head = bytes.len().min(512);
                let place = match random.random_range(0..3) {
                    _ if bytes.is_empty() => break,
                    0 => random.random_range(0..head),
                    1 => bytes.len() - 1 - random.random_range(0..head),
                    _ => random.random_range(0..bytes.len()),
                };
                bytes[place] = match random.random_range(0..4) {
                    0 => 0xff,
                    1 => bytes[place] ^ 1 << random.random_range(0..8),
                    2 => 0,
                    _ => random.random(),
                };
            }
            let (_, time) = read_bytes(scratch.path(), name, &bytes);
            assert!(
                time < Duration::from_secs(5),
                "{name}, trial {trial}: {time:?}"
            );
        }
    }
    if let Some(bytes) = most_memory() {
        assert!(bytes < 2 << 30, "{bytes} bytes of memory were taken");
    }
}

fn refusal(name: &str, bytes: &[u8]) -> String {
    let scratch = tempfile::tempdir().unwrap();
    let (outcome, time) = read_bytes(scratch.path(), name, bytes);
    assert!(time < Duration::from_secs(30), "{name}: {time:?}");
    outcome.unwrap_err()
}

/// Fault: an archive of 14 MB took 29 seconds and 8 GB.
#[test]
fn arrays_that_unpack_to_more_than_the_limit_are_refused() {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("obs.npy", options).unwrap();
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (100000000, 10), }\n";
    zip.write_all(b"\x93NUMPY\x01\x00").unwrap();
    zip.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
    zip.write_all(header.as_bytes()).unwrap();
    zip.write_all(&vec![0; 1 << 20]).unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    let refusal = refusal("bomb.npz", &bytes);
    assert!(
        refusal.contains("unpacks to more than 67108864 values"),
        "{refusal}"
    );
}

#[test]
fn text_that_unpacks_to_more_than_the_limit_is_refused() {
    let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    member
        .write_all("1,2,3\n".repeat(4 << 20).as_bytes())
        .unwrap();
    let member = member.finish().unwrap();
    // Members one after the other are one file.
    let bytes = member.repeat(50);
    let refusal = refusal("bomb.csv.gz", &bytes);
    assert!(
        refusal.contains("unpacks to more than 1073741824 bytes"),
        "{refusal}"
    );
}

#[test]
fn json_that_is_nested_without_end_is_refused() {
    let refusal = refusal("deep.json", "[".repeat(100_000).as_bytes());
    assert!(refusal.contains("cannot be read as JSON"), "{refusal}");
    let deep = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    assert!(
        read_bytes(
            tempfile::tempdir().unwrap().path(),
            "deep.jsonl",
            deep.as_bytes()
        )
        .0
        .is_err()
    );
}
