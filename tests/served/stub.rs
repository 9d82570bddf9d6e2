//! Small servers that speak the protocols of real ones, make their mistakes on demand, and answer
//! from a table of probabilities.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokenizers::Tokenizer;

/// Characters of the vocabulary, whose tokens follow that of the beginning of sequence.
const CHARACTERS: &str =
    "0123456789, abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-*/()[]{}<>=!?;:'#$%&@^_~|";

/// Tokens of the vocabulary.
pub const VOCABULARY: usize = 1 + CHARACTERS.len();

/// The token of a digit.
pub fn digit(k: usize) -> u32 {
    1 + k as u32
}

/// What a server speaks.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    /// Gives no more than so many of the likeliest tokens.
    LlamaCpp(usize),
    /// Knows `logprob_token_ids`, or not.
    Vllm(bool),
    Sglang,
    /// Takes tokens, or text only; gives no more than 20 of the likeliest tokens.
    OpenAi(bool),
}

impl Kind {
    /// By how much digits are likelier than other tokens: always among the likeliest, or crowded
    /// out by others.
    pub fn lead(self) -> f64 {
        match self {
            Self::LlamaCpp(usize::MAX) | Self::Vllm(false) | Self::OpenAi(_) => 3.0,
            Self::LlamaCpp(_) | Self::Vllm(true) | Self::Sglang => 0.5,
        }
    }
}

/// What goes wrong with requests for probabilities.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Fault {
    None,
    /// Every third answer ends in its middle, unless the question is asked again.
    Cuts,
    /// The first so many are turned away with this status and header.
    Busy(usize, u16, &'static str),
    /// From so many on, all are refused until the server is mended.
    Breaks(usize),
    /// Every request ends in an error of the server's own.
    Falls,
    /// Every third answer ends the text and gives no probabilities, unless the question is asked again.
    Ends,
    /// Probabilities are no numbers, as those of damaged weights, which are written as null.
    NoNumbers,
    /// No JSON comes, but a page.
    Garbage,
    /// An answer without end.
    Endless,
    /// An answer takes a minute.
    Slow,
    /// Answers come in chunks.
    Chunked,
    /// Requests are sent on to this port.
    SentOn(u16),
    /// The key is wrong, and the answer repeats it.
    WrongKey,
}

/// A server and what it has seen.
pub struct Stub {
    pub port: u16,
    /// Requests for probabilities that were answered in full.
    pub scored: Arc<AtomicUsize>,
    /// Headers with a key.
    pub keys: Arc<Mutex<Vec<String>>>,
    /// Most requests at a time.
    pub most: Arc<AtomicUsize>,
    /// No fault any more.
    pub mended: Arc<AtomicBool>,
}

struct State {
    kind: Kind,
    fault: Fault,
    tokenizer: Tokenizer,
    asked: AtomicUsize,
    now: AtomicUsize,
    /// Questions whose answer was cut or ended once.
    struck: Mutex<HashSet<String>>,
}

/// A tokenizer with one token a character and a beginning of sequence.
pub fn tokenizer_json() -> String {
    let mut vocabulary = serde_json::Map::new();
    vocabulary.insert("<s>".to_owned(), json!(0));
    for (i, c) in CHARACTERS.chars().enumerate() {
        vocabulary.insert(c.to_string(), json!(i + 1));
    }
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [{"id": 0, "content": "<s>", "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true}],
        "normalizer": null, "pre_tokenizer": null, "decoder": {"type": "Fuse"},
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}},
        "model": {"type": "BPE", "dropout": null, "unk_token": null,
            "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
            "byte_fallback": false, "vocab": vocabulary, "merges": []}
    })
    .to_string()
}

/// Logarithms of the probabilities of all tokens after some others, digits with a lead.
pub fn table(ids: &[u32], lead: f64) -> Vec<f64> {
    let last = &ids[ids.len().saturating_sub(6)..];
    let mut seed = ids.len() as u64;
    for &id in last {
        seed = (seed ^ u64::from(id))
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(29);
    }
    let logits: Vec<f64> = (0..VOCABULARY)
        .map(|id| {
            seed = seed
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let random = (seed >> 40) as f64 / (1u64 << 24) as f64;
            3.0 * random + if (1..=10).contains(&id) { lead } else { 0.0 }
        })
        .collect();
    let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
    logits.iter().map(|logit| logit - sum.ln()).collect()
}

impl Stub {
    pub fn start(kind: Kind, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stub = Self {
            port: listener.local_addr().unwrap().port(),
            scored: Arc::default(),
            keys: Arc::default(),
            most: Arc::default(),
            mended: Arc::default(),
        };
        let state = Arc::new(State {
            kind,
            fault,
            tokenizer: Tokenizer::from_bytes(tokenizer_json()).unwrap(),
            asked: AtomicUsize::new(0),
            now: AtomicUsize::new(0),
            struck: Mutex::default(),
        });
        let seen = (
            stub.scored.clone(),
            stub.keys.clone(),
            stub.most.clone(),
            stub.mended.clone(),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, seen) = (state.clone(), seen.clone());
                std::thread::spawn(move || {
                    // A client that leaves is no fault of the server.
                    let _ = state.serve(stream, &seen);
                });
            }
        });
        stub
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }
}

type Seen = (
    Arc<AtomicUsize>,
    Arc<Mutex<Vec<String>>>,
    Arc<AtomicUsize>,
    Arc<AtomicBool>,
);

impl State {
    fn serve(&self, mut stream: TcpStream, seen: &Seen) -> std::io::Result<()> {
        let (scored, keys, most, mended) = seen;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let (mut length, mut key) = (0, String::new());
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let header = line.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if header.starts_with("authorization:") {
                key = line.trim().to_owned();
                keys.lock().unwrap().push(key.clone());
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let scores = ["/completion", "/v1/completions", "/generate"].contains(&path.as_str());
        let fault = match scores && !mended.load(Ordering::SeqCst) {
            true => self.fault,
            false => Fault::None,
        };
        // Servers of vLLM and OpenAI allow 20 of the likeliest tokens unless they are told otherwise.
        let few = matches!(self.kind, Kind::Vllm(_) | Kind::OpenAi(_));
        let too_many = few && body["logprobs"].as_u64() > Some(20);
        let falls = self.kind == Kind::OpenAi(false) && body["prompt"].is_array();
        let fault = match (too_many, falls) {
            (true, _) => Fault::Breaks(0),
            (_, true) => Fault::Falls,
            _ => fault,
        };
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        if scores {
            most.fetch_max(now, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(1));
        }
        let asked = if scores {
            self.asked.fetch_add(1, Ordering::SeqCst)
        } else {
            0
        };
        let answer = self.answer(&path, &body);
        // Twice the same question would be bad luck when several are asked at a time.
        let strikes = asked % 3 == 1 && self.struck.lock().unwrap().insert(body.to_string());
        // Before the client can know of it.
        let whole = || {
            scored.fetch_add(usize::from(scores), Ordering::SeqCst);
        };
        // A client that has its answer may ask again before this thread goes on.
        self.now.fetch_sub(1, Ordering::SeqCst);
        self.respond(&mut stream, fault, (asked, strikes), answer, &key, &whole)
    }

    /// Writes an answer or what goes wrong with it; says before if it is going to be whole.
    fn respond(
        &self,
        stream: &mut TcpStream,
        fault: Fault,
        (asked, strikes): (usize, bool),
        answer: Option<Value>,
        key: &str,
        whole: &dyn Fn(),
    ) -> std::io::Result<()> {
        let text = answer.as_ref().map(Value::to_string).unwrap_or_default();
        let mut plain = |status: u16, headers: &str, body: &str| {
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
            )
        };
        match fault {
            Fault::Busy(count, status, header) if asked < count => {
                plain(status, header, "{\"error\": \"wait\"}")?;
            }
            Fault::Breaks(from) if asked >= from => plain(400, "", "{\"error\": \"broken\"}")?,
            Fault::Falls => plain(500, "", "{\"error\": \"prompt must be a string\"}")?,
            Fault::Ends if strikes => {
                let choice =
                    json!({"text": "", "finish_reason": "stop", "logprobs": {"top_logprobs": []}});
                plain(200, "", &json!({"choices": [choice]}).to_string())?;
            }
            Fault::NoNumbers => {
                let token = |id: u32| json!({"id": id, "token": "?", "logprob": null});
                let listed: Vec<Value> = (0..VOCABULARY).map(|id| token(id as u32)).collect();
                let position = json!({"top_logprobs": listed});
                plain(
                    200,
                    "",
                    &json!({"completion_probabilities": [position]}).to_string(),
                )?;
            }
            Fault::Garbage => plain(200, "", &format!("<html>{}</html>", "sorry ".repeat(500)))?,
            Fault::WrongKey => {
                plain(401, "", &format!("{{\"error\": \"wrong: {key}\"}}"))?;
            }
            Fault::SentOn(port) => {
                let to = format!("Location: http://127.0.0.1:{port}/elsewhere\r\n");
                plain(307, &to, "")?;
            }
            Fault::Slow => std::thread::sleep(Duration::from_secs(60)),
            Fault::Endless => {
                write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[")?;
                let zeros = "0,".repeat(1 << 19);
                loop {
                    stream.write_all(zeros.as_bytes())?;
                }
            }
            Fault::Cuts if strikes => {
                let length = text.len();
                let half = &text[..length / 2];
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{half}"
                )?;
            }
            Fault::Chunked => {
                whole();
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                )?;
                for chunk in text.as_bytes().chunks(7) {
                    write!(stream, "{:x}\r\n", chunk.len())?;
                    stream.write_all(chunk)?;
                    stream.write_all(b"\r\n")?;
                }
                write!(stream, "0\r\n\r\n")?;
            }
            _ if answer.is_some() => {
                whole();
                plain(200, "", &text)?;
            }
            _ => plain(404, "", "{\"error\": \"no such thing\"}")?,
        }
        Ok(())
    }

    fn encode(&self, text: &Value, special: &Value) -> Vec<u32> {
        let text = text.as_str().unwrap();
        let encoding = self.tokenizer.encode(text, special.as_bool().unwrap());
        encoding.unwrap().get_ids().to_vec()
    }

    fn answer(&self, path: &str, body: &Value) -> Option<Value> {
        let tokens =
            |name: &str| -> Option<Vec<u32>> { serde_json::from_value(body[name].clone()).ok() };
        let decoded = || {
            self.tokenizer
                .decode(&tokens("tokens").unwrap(), false)
                .unwrap()
        };
        let lead = self.kind.lead();
        let models = |entry: Value| Some(json!({"object": "list", "data": [entry]}));
        match (self.kind, path) {
            (Kind::LlamaCpp(_), "/props") => Some(json!({
                "default_generation_settings": {"n_ctx": 4096}, "total_slots": 2,
                "build_info": "b1-stub"})),
            (Kind::LlamaCpp(_), "/v1/models") => {
                models(json!({"id": "/models/tiny.gguf", "meta": {"n_vocab": VOCABULARY}}))
            }
            (Kind::LlamaCpp(_), "/tokenize") => {
                Some(json!({"tokens": self.encode(&body["content"], &body["add_special"])}))
            }
            (Kind::LlamaCpp(_), "/detokenize") => Some(json!({"content": decoded()})),
            (Kind::LlamaCpp(most), "/completion") => {
                let ids = tokens("prompt")?;
                let count = (body["n_probs"].as_u64()? as usize).min(most);
                let listed = likeliest(&ids, lead, count);
                let listed: Vec<Value> = listed
                    .iter()
                    .map(|(id, value)| json!({"id": id, "token": "?", "logprob": value}))
                    .collect();
                Some(
                    json!({"content": "0", "tokens_evaluated": ids.len(), "truncated": false,
                    "completion_probabilities": [{"id": 1, "top_logprobs": listed}]}),
                )
            }
            (Kind::Sglang, "/get_model_info") => Some(json!({"model_path": "org/tiny"})),
            (Kind::Sglang, "/get_server_info") => {
                Some(json!({"version": "0.5.stub", "context_length": 4096}))
            }
            (Kind::Vllm(_), "/version") => Some(json!({"version": "0.stub"})),
            (Kind::Sglang | Kind::Vllm(_), "/v1/models") => {
                models(json!({"id": "org/tiny", "max_model_len": 4096}))
            }
            (Kind::Sglang | Kind::Vllm(_), "/tokenize") => {
                let ids = self.encode(&body["prompt"], &body["add_special_tokens"]);
                Some(json!({"count": ids.len(), "max_model_len": 4096, "tokens": ids}))
            }
            (Kind::Sglang, "/detokenize") => Some(json!({"text": decoded()})),
            (Kind::Vllm(_), "/detokenize") => Some(json!({"prompt": decoded()})),
            (Kind::Sglang, "/generate") => {
                let (ids, chosen) = (tokens("input_ids")?, tokens("token_ids_logprob")?);
                let start = body["logprob_start_len"].as_u64()? as usize;
                let at = |length: usize| -> Vec<Value> {
                    let table = table(&ids[..length], lead);
                    chosen
                        .iter()
                        .map(|&id| json!([table[id as usize], id, null]))
                        .collect()
                };
                let mut inside = vec![Value::Null];
                inside.extend((start + 1..ids.len()).map(|length| json!(at(length))));
                Some(
                    json!({"text": "0", "meta_info": {"input_token_ids_logprobs": inside,
                    "output_token_ids_logprobs": [at(ids.len())]}}),
                )
            }
            (Kind::Vllm(by_id), "/v1/completions") => self.vllm(by_id, body),
            (Kind::OpenAi(_), "/v1/models") => models(json!({"id": "tiny"})),
            (Kind::OpenAi(_), "/v1/completions") => {
                let ids = match tokens("prompt") {
                    Some(ids) => ids,
                    // A server that takes text adds the beginning of sequence itself.
                    None => self.encode(&body["prompt"], &json!(true)),
                };
                let count = body["logprobs"].as_u64()? as usize;
                let text = |id: u32| self.tokenizer.id_to_token(id).unwrap();
                let listed = likeliest(&ids, lead, count).into_iter();
                let listed: serde_json::Map<String, Value> =
                    listed.map(|(id, value)| (text(id), json!(value))).collect();
                Some(
                    json!({"choices": [{"text": "0", "logprobs": {"top_logprobs": [listed]}}],
                    "usage": {"prompt_tokens": ids.len()}}),
                )
            }
            _ => None,
        }
    }

    fn vllm(&self, by_id: bool, body: &Value) -> Option<Value> {
        let ids: Vec<u32> = serde_json::from_value(body["prompt"].clone()).ok()?;
        let (count, lead) = (body["logprobs"].as_u64()? as usize, self.kind.lead());
        let chosen: Option<Vec<u32>> =
            serde_json::from_value(body["logprob_token_ids"].clone()).ok();
        let listed = match chosen.filter(|_| by_id) {
            Some(chosen) => {
                let table = table(&ids, lead);
                chosen.iter().map(|&id| (id, table[id as usize])).collect()
            }
            None => likeliest(&ids, lead, count),
        };
        let listed: serde_json::Map<String, Value> = listed
            .into_iter()
            .map(|(id, value)| (format!("token_id:{id}"), json!(value)))
            .collect();
        let mut choice = json!({"text": "0", "logprobs": {"top_logprobs": [listed]}});
        if let Some(count) = body["prompt_logprobs"].as_u64() {
            let at = |length: usize| -> Value {
                let token = |(id, value): &(u32, f64)| {
                    (id.to_string(), json!({"logprob": value, "rank": 1}))
                };
                // That of the prompt's own token is always among them.
                let mut listed = likeliest(&ids[..length], lead, count as usize);
                let own = (
                    ids[length],
                    table(&ids[..length], lead)[ids[length] as usize],
                );
                listed.push(own);
                Value::Object(listed.iter().map(token).collect())
            };
            let mut positions = vec![Value::Null];
            positions.extend((1..ids.len()).map(at));
            choice["prompt_logprobs"] = json!(positions);
        }
        Some(json!({"choices": [choice], "usage": {"prompt_tokens": ids.len()}}))
    }
}

/// The likeliest tokens after some others.
fn likeliest(ids: &[u32], lead: f64, count: usize) -> Vec<(u32, f64)> {
    let mut listed: Vec<(u32, f64)> = (0..).zip(table(ids, lead)).collect();
    listed.sort_by(|a, b| b.1.total_cmp(&a.1));
    listed.truncate(count);
    listed
}

/// Writes the tokenizer into a folder.
pub fn tokenizer_file(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("tokenizer.json");
    std::fs::write(&path, tokenizer_json()).unwrap();
    path
}
