//! Requests to one server: within time limits and sizes, repeated where that can help, and with the
//! key for this server alone.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER, USER_AGENT};
use ureq::http::{HeaderValue, Response};
use ureq::{Body, Error};

use super::{ServedError, ServerAddress};

/// How often a request is repeated.
const REPEATS: u32 = 4;

/// Answers to a question of a kind that a server does not know.
const REFUSALS: [u16; 3] = [400, 422, 500];

/// Pause before the first repetition where the server names none; each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Longest pause that a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Longest time until a connection stands.
const CONNECT: Duration = Duration::from_secs(10);

/// Longest time until an answer is there, unless `STATECAST_SERVER_TIMEOUT` says otherwise: large
/// models read long contexts for minutes.
const PATIENCE: Duration = Duration::from_secs(300);

/// Requests in flight, unless `STATECAST_SERVER_REQUESTS` says otherwise.
const IN_FLIGHT: usize = 8;

/// Most bytes of an answer: the probabilities of a whole vocabulary take a tenth of it.
const LARGEST_ANSWER: u64 = 128 << 20;

/// Most bytes that are read of an answer which is an error, and characters of it that are shown.
const LARGEST_ERROR: u64 = 16 << 10;
const SHOWN: usize = 200;

/// Sends requests to a server.
pub(super) struct Client {
    agent: ureq::Agent,
    address: ServerAddress,
    key: Option<String>,
    in_flight: usize,
    window: Option<usize>,
    requests: AtomicU64,
    /// Whether it has ever answered: a connection that fails before is not tried again.
    reached: AtomicBool,
}

/// What became of one attempt.
enum Attempt {
    Answer(Vec<u8>),
    /// It may help to ask again, after a pause that the server may have named.
    Again(ServedError, Option<Duration>),
    Failed(ServedError),
}

impl Client {
    /// Of a server, with key and limits of the environment.
    pub(super) fn from_env(address: &ServerAddress) -> Result<Self, ServedError> {
        let patience = setting(
            "STATECAST_SERVER_TIMEOUT",
            0.1..=86_400.0,
            "seconds from 0.1 to 86400",
        )?;
        let patience = patience.map_or(PATIENCE, Duration::from_secs_f64);
        let in_flight = setting(
            "STATECAST_SERVER_REQUESTS",
            1..=512,
            "a number from 1 to 512",
        )?;
        let in_flight = in_flight.unwrap_or(IN_FLIGHT);
        let window = setting(
            "STATECAST_SERVER_WINDOW",
            16..=1 << 24,
            "tokens from 16 to 16777216",
        )?;
        let agent = ureq::Agent::config_builder()
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_resolve(Some(CONNECT.min(patience)))
            .timeout_connect(Some(CONNECT.min(patience)))
            .timeout_global(Some(patience))
            .max_idle_connections(in_flight)
            .max_idle_connections_per_host(in_flight)
            .build()
            .into();
        Ok(Self {
            agent,
            address: address.clone(),
            key: key(address)?,
            in_flight,
            window,
            requests: AtomicU64::new(0),
            reached: AtomicBool::new(false),
        })
    }

    /// Most requests at a time.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Tokens that the model reads, as the user says for servers that do not.
    pub(super) fn window(&self) -> Option<usize> {
        self.window
    }

    /// Requests so far, repetitions among them.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The server, as errors name it.
    pub(super) fn server(&self) -> String {
        self.address.server().to_owned()
    }

    /// The model that the address names.
    pub(super) fn model_name(&self) -> Option<&str> {
        self.address.name()
    }

    /// The JSON at a path.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ServedError> {
        self.parsed(path, &self.patiently(path, None, &[])?)
    }

    /// The JSON at a path, or nothing if there is none of this kind.
    pub(super) fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, ServedError> {
        match self.get(path) {
            Ok(found) => Ok(Some(found)),
            // A server that loads its model or is busy may have it later.
            Err(ServedError::Status { status, .. }) if status != 503 && status != 429 => Ok(None),
            Err(ServedError::Answer { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// The JSON that answers a question.
    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        question: &impl Serialize,
    ) -> Result<T, ServedError> {
        self.asked(path, question, &[])
    }

    /// The JSON that answers a question of a kind that a server may not know: some fall over it
    /// (status 500), which a retry does not fix.
    pub(super) fn offer<T: DeserializeOwned>(
        &self,
        path: &str,
        question: &impl Serialize,
    ) -> Result<Option<T>, ServedError> {
        match self.asked(path, question, &REFUSALS) {
            Ok(answer) => Ok(Some(answer)),
            Err(ServedError::Status { status, .. }) if REFUSALS.contains(&status) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn asked<T: DeserializeOwned>(
        &self,
        path: &str,
        question: &impl Serialize,
        final_statuses: &[u16],
    ) -> Result<T, ServedError> {
        let question = serde_json::to_vec(question)
            .map_err(|error| self.wrong(path, &format!("cannot be asked: {error}")))?;
        self.parsed(
            path,
            &self.patiently(path, Some(&question), final_statuses)?,
        )
    }

    /// An answer that makes no sense.
    pub(super) fn wrong(&self, path: &str, reason: &str) -> ServedError {
        ServedError::Answer {
            server: self.server(),
            path: path.to_owned(),
            reason: reason.to_owned(),
        }
    }

    fn parsed<T: DeserializeOwned>(&self, path: &str, answer: &[u8]) -> Result<T, ServedError> {
        serde_json::from_slice(answer).map_err(|error| {
            let shown = self.shown(&answer[..answer.len().min(LARGEST_ERROR as usize)]);
            self.wrong(
                path,
                &format!("not the answer of such a server ({error}): {shown}"),
            )
        })
    }

    /// Asks again where that can help, but not after statuses that are final.
    fn patiently(
        &self,
        path: &str,
        question: Option<&[u8]>,
        final_statuses: &[u16],
    ) -> Result<Vec<u8>, ServedError> {
        let mut repeats = 0;
        loop {
            let (error, pause) = match self.attempt(path, question) {
                Attempt::Answer(answer) => return Ok(answer),
                Attempt::Failed(error) => return Err(error),
                Attempt::Again(error, pause) => (error, pause),
            };
            let settled = matches!(&error, ServedError::Status { status, .. } if final_statuses.contains(status));
            if repeats == REPEATS || settled {
                return Err(error);
            }
            let pause = pause.unwrap_or_else(|| jittered(FIRST_PAUSE * 2u32.pow(repeats)));
            if pause > LONGEST_PAUSE {
                return Err(ServedError::Busy {
                    server: self.server(),
                    seconds: pause.as_secs(),
                });
            }
            std::thread::sleep(pause);
            repeats += 1;
        }
    }

    fn attempt(&self, path: &str, question: Option<&[u8]>) -> Attempt {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut response = match self.send(path, question) {
            Ok(response) => response,
            Err(error) => return self.failed(&error),
        };
        self.reached.store(true, Ordering::Relaxed);
        let status = response.status();
        if status.is_redirection() {
            return Attempt::Failed(ServedError::Redirect {
                server: self.server(),
                to: self.hidden(header(&response, LOCATION.as_str()).unwrap_or_default()),
            });
        }
        if !status.is_success() {
            let pause = header(&response, RETRY_AFTER.as_str());
            let pause = pause.and_then(|text| text.trim().parse().ok());
            let body = response.body_mut().with_config().limit(LARGEST_ERROR);
            let error = ServedError::Status {
                server: self.server(),
                path: path.to_owned(),
                status: status.as_u16(),
                answer: self.shown(&body.read_to_vec().unwrap_or_default()),
            };
            return match status.as_u16() {
                429 | 500 | 502..=599 => Attempt::Again(error, pause.map(Duration::from_secs)),
                _ => Attempt::Failed(error),
            };
        }
        let body = response.body_mut().with_config().limit(LARGEST_ANSWER);
        match body.read_to_vec() {
            Ok(answer) => Attempt::Answer(answer),
            Err(Error::BodyExceedsLimit(_)) => Attempt::Failed(self.wrong(
                path,
                &format!("answer of more than {} MiB", LARGEST_ANSWER >> 20),
            )),
            Err(error) => self.failed(&error),
        }
    }

    fn send(&self, path: &str, question: Option<&[u8]>) -> Result<Response<Body>, Error> {
        let (url, agent) = (
            self.address.url(path),
            concat!("statecast/", env!("CARGO_PKG_VERSION")),
        );
        let bearer = self.key.as_ref().map(|key| format!("Bearer {key}"));
        match question {
            None => {
                let mut request = self.agent.get(&url).header(USER_AGENT, agent);
                if let Some(bearer) = bearer {
                    request = request.header(AUTHORIZATION, bearer);
                }
                request.call()
            }
            Some(question) => {
                let mut request = self.agent.post(&url).header(USER_AGENT, agent);
                if let Some(bearer) = bearer {
                    request = request.header(AUTHORIZATION, bearer);
                }
                request
                    .header(CONTENT_TYPE, "application/json")
                    .send(question)
            }
        }
    }

    /// A server that was never reached, or is silent for too long, is not asked again.
    fn failed(&self, error: &Error) -> Attempt {
        let reason = match error {
            Error::Timeout(_) => "no answer in time; STATECAST_SERVER_TIMEOUT gives it more \
                                  seconds"
                .to_owned(),
            other => self.hidden(&other.to_string()),
        };
        let reason = match self.reached.load(Ordering::Relaxed) || !self.address.is_encrypted() {
            true => reason,
            false => format!("{reason}; if it speaks http without encryption, write http://"),
        };
        let failure = ServedError::Connection {
            server: self.server(),
            reason,
        };
        match matches!(error, Error::Timeout(_)) || !self.reached.load(Ordering::Relaxed) {
            true => Attempt::Failed(failure),
            false => Attempt::Again(failure, None),
        }
    }

    /// The beginning of an answer on one line, without the key.
    fn shown(&self, answer: &[u8]) -> String {
        let text = String::from_utf8_lossy(answer);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        self.hidden(&text).chars().take(SHOWN).collect()
    }

    /// A text of the server's, in which the key might be repeated.
    fn hidden(&self, text: &str) -> String {
        match &self.key {
            Some(key) => text.replace(key.as_str(), "***"),
            None => text.to_owned(),
        }
    }
}

/// The key for servers that ask for one. That of OpenAI was not set for this address: it goes
/// nowhere in the clear.
fn key(address: &ServerAddress) -> Result<Option<String>, ServedError> {
    let names: &[&'static str] = match address.is_private() {
        true => &["STATECAST_API_KEY", "OPENAI_API_KEY"],
        false => &["STATECAST_API_KEY"],
    };
    for &name in names {
        let Some(key) = std::env::var_os(name).filter(|key| !key.is_empty()) else {
            continue;
        };
        let key = key.into_string().ok();
        let key = key.map(|key| key.trim().to_owned());
        let sendable = |key: &String| key.is_ascii() && HeaderValue::from_str(key).is_ok();
        let key = key.filter(|key| !key.is_empty() && sendable(key));
        let reason = "not a key that can be sent";
        return key.map(Some).ok_or(ServedError::Setting { name, reason });
    }
    Ok(None)
}

/// A number of the environment within its range.
fn setting<T: FromStr + PartialOrd>(
    name: &'static str,
    range: RangeInclusive<T>,
    reason: &'static str,
) -> Result<Option<T>, ServedError> {
    let Ok(text) = std::env::var(name) else {
        return Ok(None);
    };
    let number = text.trim().parse().ok().filter(|n| range.contains(n));
    let fault = ServedError::Setting { name, reason };
    number.map(Some).ok_or(fault)
}

fn header<'r>(response: &'r Response<Body>, name: &str) -> Option<&'r str> {
    response.headers().get(name)?.to_str().ok()
}

/// Half to all of a pause, so that requests which failed together do not come again together.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 1000;
    pause.mul_f64(0.5 + random as f64 / 2000.0)
}
