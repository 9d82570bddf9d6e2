//! Requests to the hub: within time limits, repeated where the server asks for patience, and with
//! the token for the hub alone, not for the storage that it sends us on to.

use std::io::Read;
use std::time::{Duration, Instant};

use ureq::http::header::{AUTHORIZATION, LOCATION, RANGE, RETRY_AFTER, USER_AGENT};
use ureq::http::{Response, Uri};

/// How often a request is repeated that the server is too busy for.
const REPEATS: u32 = 3;

/// Pause before the first repetition where the server names none; each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Longest pause that a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How often a request is sent on to another address.
const REDIRECTS: usize = 5;

/// Longest silence of a server, unless `HF_HUB_DOWNLOAD_TIMEOUT` says otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// Fewest bytes that must come in the time of the longest silence.
const MIN_BYTES: u64 = 1024;

/// Why there is no answer.
pub(super) enum Failure {
    /// The server answers with an error.
    Status(u16),
    /// The server asks for a longer pause than is made.
    Busy { status: u16, pause: Duration },
    /// The server cannot be reached, or is silent.
    Network(String),
    /// It sends us on to where we do not go.
    Redirect(String),
}

/// Sends requests to a hub.
pub(super) struct Client {
    agent: ureq::Agent,
    home: Option<Origin>,
    token: Option<String>,
    patience: Duration,
}

/// What comes back of a request.
pub(super) struct Answer {
    /// Whether it begins where the request asked it to.
    pub(super) continued: bool,
    body: ureq::Body,
    patience: Duration,
}

/// Scheme, host and port of an address.
#[derive(Clone, PartialEq, Eq)]
struct Origin(String, String, u16);

impl Origin {
    fn of(uri: &Uri) -> Option<Self> {
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let port = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let host = uri.host()?.to_ascii_lowercase();
        Some(Self(scheme, host, uri.port_u16().unwrap_or(port)))
    }
}

impl Client {
    /// Of the hub at an address.
    pub(super) fn new(endpoint: &str, token: Option<String>) -> Self {
        let patience = std::env::var("HF_HUB_DOWNLOAD_TIMEOUT").ok();
        let patience = patience
            .and_then(|text| text.parse::<f64>().ok())
            .filter(|seconds| (0.1..=86_400.0).contains(seconds))
            .map_or(PATIENCE, Duration::from_secs_f64);
        let limit = Some(patience);
        let agent = ureq::Agent::config_builder()
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_resolve(limit)
            .timeout_connect(limit)
            .timeout_send_request(limit)
            .timeout_recv_response(limit)
            .timeout_per_read(limit)
            .build()
            .into();
        Self {
            agent,
            home: endpoint.parse().ok().as_ref().and_then(Origin::of),
            token,
            patience,
        }
    }

    /// The content of an address from a byte on.
    pub(super) fn get(&self, url: &str, from: u64) -> Result<Answer, Failure> {
        let mut repeats = 0;
        loop {
            let response = self.follow(url, from)?;
            let status = response.status().as_u16();
            if response.status().is_success() {
                return Ok(Answer {
                    continued: status == 206,
                    body: response.into_body(),
                    patience: self.patience,
                });
            }
            if !(status == 429 || status >= 500) || repeats == REPEATS {
                return Err(Failure::Status(status));
            }
            let pause = asked_pause(&response).unwrap_or(FIRST_PAUSE * 2u32.pow(repeats));
            if pause > LONGEST_PAUSE {
                return Err(Failure::Busy { status, pause });
            }
            std::thread::sleep(pause);
            repeats += 1;
        }
    }

    /// Sends a request, and on to where the answer says.
    fn follow(&self, url: &str, from: u64) -> Result<Response<ureq::Body>, Failure> {
        let mut at: Uri = url
            .parse()
            .map_err(|error| Failure::Network(format!("{url}: {error}")))?;
        for _ in 0..=REDIRECTS {
            let mut request = self
                .agent
                .get(&at)
                .header(USER_AGENT, concat!("statecast/", env!("CARGO_PKG_VERSION")));
            let at_home = self.home.is_some() && Origin::of(&at) == self.home;
            if let Some(token) = self.token.as_ref().filter(|_| at_home) {
                request = request.header(AUTHORIZATION, format!("Bearer {token}"));
            }
            if from > 0 {
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            let response = request
                .call()
                .map_err(|error| Failure::Network(error.to_string()))?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let to = response.headers().get(LOCATION);
            let to = to.and_then(|to| to.to_str().ok()).unwrap_or_default();
            at = joined(&at, to)
                .ok_or_else(|| Failure::Redirect(format!("it sends us on to '{to}'")))?;
        }
        Err(Failure::Redirect(format!(
            "it sends us on more than {REDIRECTS} times"
        )))
    }
}

/// The pause in seconds that an answer asks for.
fn asked_pause<T>(response: &Response<T>) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// The address that an answer from another names; none if encryption would be lost.
fn joined(from: &Uri, to: &str) -> Option<Uri> {
    let text = if to.starts_with("//") {
        format!("{}:{to}", from.scheme_str()?)
    } else if to.starts_with('/') {
        format!("{}://{}{to}", from.scheme_str()?, from.authority()?)
    } else {
        to.to_owned()
    };
    let uri: Uri = text.parse().ok()?;
    let origin = Origin::of(&uri)?;
    (origin.0 == "https" || from.scheme_str() == Some("http")).then_some(uri)
}

impl Answer {
    /// Hands on what comes until its end, a cut connection, a silence or a trickle; true at its
    /// end.
    pub(super) fn read<E>(self, mut take: impl FnMut(&[u8]) -> Result<(), E>) -> Result<bool, E> {
        let mut body = self.body.into_reader();
        let mut buffer = vec![0; 1 << 16];
        let (mut since, mut bytes) = (Instant::now(), 0);
        loop {
            let Ok(count) = body.read(&mut buffer) else {
                return Ok(false);
            };
            if count == 0 {
                return Ok(true);
            }
            take(&buffer[..count])?;
            bytes += count as u64;
            if since.elapsed() >= self.patience {
                if bytes < MIN_BYTES {
                    return Ok(false);
                }
                (since, bytes) = (Instant::now(), 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Origin, joined};

    fn at(from: &str, to: &str) -> Option<String> {
        joined(&from.parse().unwrap(), to).map(|uri| uri.to_string())
    }

    #[test]
    fn redirects_are_joined_and_keep_encryption() {
        let hub = "https://hub.example/a/b?c=d";
        assert_eq!(at(hub, "/x?y").unwrap(), "https://hub.example/x?y");
        assert_eq!(at(hub, "//cdn.example/x").unwrap(), "https://cdn.example/x");
        assert_eq!(at(hub, "http://hub.example/x"), None);
        assert_eq!(at(hub, "file:///etc/passwd"), None);
        assert_eq!(at(hub, "x"), None);
        assert!(at("http://hub.example/a", "https://hub.example/x").is_some());
    }

    #[test]
    fn origins_are_scheme_host_and_port() {
        let origin = |text: &str| Origin::of(&text.parse().unwrap()).unwrap();
        let home = origin("https://hub.example");
        assert!(home == origin("https://HUB.example:443/x"));
        for other in [
            "http://hub.example",
            "https://hub.example:8443",
            "https://hub.example@evil.example/",
            "https://cdn.hub.example",
        ] {
            assert!(home != origin(other), "{other}");
        }
    }
}
