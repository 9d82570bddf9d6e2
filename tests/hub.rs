//! Fetching models, against a small server that speaks the hub's language and makes its mistakes.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest, Sha256};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What the server does wrong.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// Every answer has this status.
    Status(u16),
    /// The weights end in the middle, so many times.
    Cut(usize),
    /// The weights are not what their hash says.
    Hash,
    /// A hash is a path.
    Traversal,
    /// The commit is a path.
    Commit,
    /// The listing is no JSON.
    Garbage,
    /// There is no tokenizer.
    Incomplete,
    /// More bytes come than were announced.
    TooLong,
}

struct Server {
    port: u16,
    requests: Arc<AtomicUsize>,
}

/// Where the server has a repository's files.
fn repository(id: &str) -> PathBuf {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    golden.join(match id {
        "org/tiny" => "gguf/llama-folder",
        "org/parts" => "llama-bf16-sharded",
        _ => "gguf",
    })
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

fn listing(id: &str, fault: Fault) -> String {
    if fault == Fault::Garbage {
        return "<html>".to_owned();
    }
    let mut files = Vec::new();
    let entries = std::fs::read_dir(repository(id)).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains('.'))
        .collect();
    names.push("pytorch_model.bin".to_owned());
    for (i, name) in names.iter().enumerate() {
        if fault == Fault::Incomplete && name == "tokenizer.json" {
            continue;
        }
        let bytes = std::fs::read(repository(id).join(name)).unwrap_or_default();
        let (size, hash) = (bytes.len(), sha256(&bytes));
        let git = match fault {
            Fault::Traversal => "../../../../outside".to_owned(),
            _ => format!("{i:040x}"),
        };
        let lfs = if name.ends_with("json") {
            String::new()
        } else {
            format!(r#", "lfs": {{"sha256": "{hash}", "size": {size}, "pointerSize": 1}}"#)
        };
        files.push(format!(
            r#"{{"rfilename": "{name}", "size": {size}, "blobId": "{git}"{lfs}}}"#
        ));
    }
    let commit = match fault {
        Fault::Commit => "../../../../outside",
        _ => COMMIT,
    };
    format!(
        r#"{{"id": "{id}", "sha": "{commit}", "siblings": [{}]}}"#,
        files.join(", ")
    )
}

fn answer(mut stream: TcpStream, fault: Fault, cuts: &AtomicUsize) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or(Ok(String::new()))?;
    let mut from = 0;
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if let Some(range) = line.strip_prefix("range: bytes=") {
            from = range.trim_end_matches('-').parse().unwrap_or(0);
        }
        if line.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or("").to_owned();
    if let Fault::Status(status) = fault {
        return write!(
            stream,
            "HTTP/1.1 {status} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
    }
    let listed = path
        .strip_prefix("/api/models/")
        .and_then(|rest| rest.split_once("/revision/"));
    let resolved = path.split_once(&format!("/resolve/{COMMIT}/"));
    let mut body = match (listed, resolved) {
        (Some((id, _)), _) => listing(id, fault).into_bytes(),
        (_, Some((id, name))) => std::fs::read(repository(&id[1..]).join(name))?,
        _ => {
            return write!(
                stream,
                "HTTP/1.1 404 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
        }
    };
    let weights = path.ends_with(".safetensors");
    if weights && fault == Fault::Hash {
        body[100] ^= 1;
    }
    if weights && fault == Fault::TooLong {
        body.extend([0; 1000]);
    }
    let status = if from > 0 { "206 Partial" } else { "200 OK" };
    let body = &body[from.min(body.len())..];
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )?;
    let cut = weights
        && matches!(fault, Fault::Cut(times) if cuts.fetch_add(1, Ordering::SeqCst) < times);
    stream.write_all(if cut { &body[..body.len() / 2] } else { body })
}

impl Server {
    fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = requests.clone();
        std::thread::spawn(move || {
            let cuts = AtomicUsize::new(0);
            for stream in listener.incoming().flatten() {
                counter.fetch_add(1, Ordering::SeqCst);
                let _ = answer(stream, fault, &cuts);
            }
        });
        Self { port, requests }
    }
}

fn run(port: u16, home: &Path, offline: bool) -> Output {
    run_model("org/tiny", port, home, offline)
}

fn run_model(model: &str, port: u16, home: &Path, offline: bool) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_statecast"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("HF_ENDPOINT", format!("http://127.0.0.1:{port}"))
        .env("HF_HOME", home)
        .env_remove("HF_HUB_CACHE")
        .env_remove("HF_TOKEN")
        .env("HF_HUB_OFFLINE", if offline { "1" } else { "0" })
        .args(["forecast", "examples/pendulum.csv", "--select", "0"])
        .args([
            "--model",
            model,
            "--horizon",
            "1",
            "--samples",
            "2",
            "--context",
            "20",
        ]);
    command.output().unwrap()
}

fn error(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    let line = stderr.lines().find(|line| line.starts_with("error: "));
    line.unwrap_or_else(|| panic!("{stderr}")).to_owned()
}

fn succeeds(output: &Output) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
}

#[test]
fn model_is_fetched_once_and_found_offline() {
    let server = Server::start(Fault::None);
    let home = tempfile::tempdir().unwrap();
    let first = run(server.port, home.path(), false);
    succeeds(&first);
    let requests = server.requests.load(Ordering::SeqCst);
    // The listing, config, tokenizer and weights; never the pickle.
    assert_eq!(requests, 4);
    let again = run(server.port, home.path(), true);
    succeeds(&again);
    assert_eq!(first.stdout, again.stdout);
    assert_eq!(server.requests.load(Ordering::SeqCst), requests);
    let snapshot = home
        .path()
        .join(format!("hub/models--org--tiny/snapshots/{COMMIT}"));
    assert!(snapshot.join("model.safetensors").exists());
}

#[test]
fn cut_connection_is_taken_up_again() {
    let server = Server::start(Fault::Cut(2));
    let home = tempfile::tempdir().unwrap();
    succeeds(&run(server.port, home.path(), false));

    let server = Server::start(Fault::Cut(4));
    let home = tempfile::tempdir().unwrap();
    let error = error(&run(server.port, home.path(), false));
    assert!(
        error.contains("was cut at") && error.contains("run again"),
        "{error}"
    );
    succeeds(&run(server.port, home.path(), false));
}

#[test]
fn faults_of_the_server_are_one_clear_line_and_leave_no_model() {
    for (fault, says) in [
        (Fault::Status(404), "not found"),
        (Fault::Status(401), "HF_TOKEN"),
        (Fault::Status(403), "accept its licence"),
        (Fault::Status(500), "500"),
        (Fault::Hash, "wrong SHA-256"),
        (Fault::Traversal, "would leave the cache"),
        (Fault::Commit, "commit is no hash"),
        (Fault::Garbage, "no listing"),
        (Fault::Incomplete, "no tokenizer.json"),
        (Fault::TooLong, "is longer than"),
    ] {
        let server = Server::start(fault);
        let home = tempfile::tempdir().unwrap();
        let home = home.path().join("a/b/c/d/e");
        let error = error(&run(server.port, &home, false));
        assert!(error.contains(says), "{error}");
        assert!(error.contains("org/tiny"), "{error}");
        assert!(!home.join("../outside").exists());
        let offline = self::error(&run(server.port, &home, true));
        assert!(offline.contains("HF_HUB_OFFLINE"), "{offline}");
    }
}

#[test]
fn no_network_is_one_clear_line() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let home = tempfile::tempdir().unwrap();
    let error = error(&run(port, home.path(), false));
    assert!(error.contains("without a network use 'builtin'"), "{error}");
}

#[test]
fn parts_pinned_revisions_and_gguf_files_are_fetched() {
    let server = Server::start(Fault::None);
    let home = tempfile::tempdir().unwrap();
    let pinned = format!("org/tiny@{COMMIT}");
    for model in ["org/parts", pinned.as_str(), "org/gguf/qwen2-q8_0.gguf"] {
        let first = run_model(model, server.port, home.path(), false);
        succeeds(&first);
        let again = run_model(model, server.port, home.path(), true);
        succeeds(&again);
        assert_eq!(first.stdout, again.stdout, "{model}");
    }
}

#[test]
fn cache_that_cannot_be_written_is_one_clear_line() {
    let server = Server::start(Fault::None);
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = error(&run(server.port, &file, false));
    assert!(error.contains("cannot be written"), "{error}");
}
