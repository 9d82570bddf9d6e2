//! Fetching models, against a small server that speaks the hub's language and makes its mistakes.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sha1::Sha1;
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
    /// Nothing comes of this file; of the listing if it is empty.
    Silent(&'static str),
    /// The weights stop coming in the middle, and the connection stays open.
    Stalls,
    /// The weights come byte by byte.
    Trickles,
    /// The weights take a second.
    Slow,
    /// This file is not what its hash says.
    Altered(&'static str),
    /// The listing says that this file is larger than any of its kind.
    Large(&'static str),
    /// So many requests are turned away with this status and header.
    Busy(usize, u16, &'static str),
    /// Files lie on another server, at this port.
    Elsewhere(u16),
}

struct Server {
    port: u16,
    requests: Arc<AtomicUsize>,
    /// Requests that came with a token.
    tokens: Arc<AtomicUsize>,
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

/// The hash by which git names a file.
fn git_hash(bytes: &[u8]) -> String {
    let header = format!("blob {}\0", bytes.len());
    let digest = Sha1::new().chain_update(header).chain_update(bytes);
    let digest = digest.finalize();
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
    for name in &names {
        if fault == Fault::Incomplete && name == "tokenizer.json" {
            continue;
        }
        let bytes = std::fs::read(repository(id).join(name)).unwrap_or_default();
        let hash = sha256(&bytes);
        let size = match fault {
            Fault::Large(file) if file == name => 1 << 30,
            _ => bytes.len(),
        };
        let git = match fault {
            Fault::Traversal => "../../../../outside".to_owned(),
            _ => git_hash(&bytes),
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

fn answer(
    mut stream: TcpStream,
    fault: Fault,
    cuts: &AtomicUsize,
    tokens: &AtomicUsize,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or(Ok(String::new()))?;
    let mut from = 0;
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if let Some(range) = line.strip_prefix("range: bytes=") {
            from = range.trim_end_matches('-').parse().unwrap_or(0);
        }
        if line.starts_with("authorization: ") {
            tokens.fetch_add(1, Ordering::SeqCst);
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
    if let Fault::Busy(times, status, header) = fault
        && cuts.fetch_add(1, Ordering::SeqCst) < times
    {
        return write!(
            stream,
            "HTTP/1.1 {status} No\r\n{header}content-length: 0\r\nconnection: close\r\n\r\n"
        );
    }
    let silent = match fault {
        Fault::Silent("") => path.starts_with("/api/"),
        Fault::Silent(file) => path.ends_with(file),
        _ => false,
    };
    if silent {
        std::thread::sleep(Duration::from_secs(60));
        return Ok(());
    }
    if let Fault::Elsewhere(port) = fault
        && !path.starts_with("/api/")
    {
        // The same server first, then another.
        let to = match path.strip_prefix("/moved") {
            Some(path) => format!("http://127.0.0.1:{port}{path}"),
            None => format!("/moved{path}"),
        };
        return write!(
            stream,
            "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
    }
    let path = path.strip_suffix("?blobs=true").unwrap_or(&path).to_owned();
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
    if matches!(fault, Fault::Altered(file) if path.ends_with(file)) {
        // Still a file that could be read.
        let at = body.iter().rposition(|&byte| byte == b' ').unwrap();
        body[at] = b'\t';
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
    match fault {
        Fault::Stalls if weights => {
            stream.write_all(&body[..body.len() / 2])?;
            std::thread::sleep(Duration::from_secs(60));
            return Ok(());
        }
        Fault::Trickles if weights => {
            for byte in body {
                stream.write_all(&[*byte])?;
                std::thread::sleep(Duration::from_millis(50));
            }
            return Ok(());
        }
        Fault::Slow if weights => {
            let (first, second) = body.split_at(body.len() / 2);
            stream.write_all(first)?;
            std::thread::sleep(Duration::from_secs(1));
            return stream.write_all(second);
        }
        _ => (),
    }
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
        let tokens = Arc::new(AtomicUsize::new(0));
        let with_token = tokens.clone();
        std::thread::spawn(move || {
            let cuts = Arc::new(AtomicUsize::new(0));
            for stream in listener.incoming().flatten() {
                counter.fetch_add(1, Ordering::SeqCst);
                let (cuts, tokens) = (cuts.clone(), with_token.clone());
                std::thread::spawn(move || answer(stream, fault, &cuts, &tokens));
            }
        });
        Self {
            port,
            requests,
            tokens,
        }
    }
}

fn run(port: u16, home: &Path, offline: bool) -> Output {
    run_model("org/tiny", port, home, offline)
}

fn run_model(model: &str, port: u16, home: &Path, offline: bool) -> Output {
    command(model, port, home, offline).output().unwrap()
}

fn command(model: &str, port: u16, home: &Path, offline: bool) -> Command {
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
    command
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
        error.contains("was truncated at") && error.contains("run again"),
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
        (
            Fault::Altered("config.json"),
            "config.json has the wrong git hash",
        ),
        (
            Fault::Altered("tokenizer.json"),
            "tokenizer.json has the wrong git hash",
        ),
        (Fault::Large("config.json"), "more than 64 MiB"),
        (Fault::Large("tokenizer.json"), "more than 64 MiB"),
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

/// Fault: nothing limited the time of a request; a silent server held the program for ever.
#[test]
fn silent_server_is_an_error_within_the_time_limit() {
    for fault in [
        Fault::Silent(""),
        Fault::Silent("tokenizer.json"),
        Fault::Silent(".safetensors"),
        Fault::Stalls,
        Fault::Trickles,
    ] {
        let server = Server::start(fault);
        let home = tempfile::tempdir().unwrap();
        let begun = Instant::now();
        let output = command("org/tiny", server.port, home.path(), false)
            .env("HF_HUB_DOWNLOAD_TIMEOUT", "0.5")
            .output()
            .unwrap();
        let error = error(&output);
        assert!(error.contains("org/tiny"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(30), "{error}");
    }
}

/// Fault: two pulls of one model wrote into one unfinished file.
#[test]
fn two_pulls_at_once_fetch_every_file_once() {
    let server = Server::start(Fault::Slow);
    let home = tempfile::tempdir().unwrap();
    let start = || {
        let mut command = command("org/tiny", server.port, home.path(), false);
        let piped = std::process::Stdio::piped;
        command.stdout(piped()).stderr(piped()).spawn().unwrap()
    };
    let pulls = [start(), start()].map(|pull| pull.wait_with_output().unwrap());
    pulls.iter().for_each(succeeds);
    // Fault: the second pull waited without a word.
    let said = pulls.map(|pull| String::from_utf8_lossy(&pull.stderr).into_owned());
    let waits = said.each_ref().map(|said| {
        let notes = said.lines().filter(|line| {
            line.starts_with("note: another process fetches ") && line.ends_with("waiting for it")
        });
        notes.count()
    });
    assert!(
        waits.contains(&1) && waits.iter().all(|&w| w <= 1),
        "{said:?}"
    );
    // Two listings, config, tokenizer and weights.
    assert_eq!(server.requests.load(Ordering::SeqCst), 5);
}

/// Fault: a busy server ended the fetch at once.
#[test]
fn busy_server_is_asked_again_as_it_wishes() {
    for (status, header, least) in [(429, "retry-after: 1\r\n", 2.0), (503, "", 1.0)] {
        let server = Server::start(Fault::Busy(2, status, header));
        let home = tempfile::tempdir().unwrap();
        let begun = Instant::now();
        succeeds(&run(server.port, home.path(), false));
        assert_eq!(server.requests.load(Ordering::SeqCst), 6);
        assert!(begun.elapsed().as_secs_f64() >= least);
    }
    let server = Server::start(Fault::Status(502));
    let home = tempfile::tempdir().unwrap();
    assert!(error(&run(server.port, home.path(), false)).contains("502"));
    assert_eq!(server.requests.load(Ordering::SeqCst), 4);

    let server = Server::start(Fault::Busy(9, 429, "retry-after: 3600\r\n"));
    let begun = Instant::now();
    let error = error(&run(server.port, home.path(), false));
    assert!(error.contains("3600 seconds"), "{error}");
    assert_eq!(server.requests.load(Ordering::SeqCst), 1);
    assert!(begun.elapsed() < Duration::from_secs(20));
}

/// Fault: another port of the host got the token.
#[test]
fn the_token_does_not_follow_to_another_server() {
    let storage = Server::start(Fault::None);
    let server = Server::start(Fault::Elsewhere(storage.port));
    let home = tempfile::tempdir().unwrap();
    let output = command("org/tiny", server.port, home.path(), false)
        .env("HF_TOKEN", "hf_secret")
        .output()
        .unwrap();
    succeeds(&output);
    // The listing, and every file at its two addresses here.
    assert_eq!(server.tokens.load(Ordering::SeqCst), 7);
    assert_eq!(storage.requests.load(Ordering::SeqCst), 3);
    assert_eq!(storage.tokens.load(Ordering::SeqCst), 0);
}
