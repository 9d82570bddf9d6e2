//! Addresses of servers.

use std::str::FromStr;

use http::Uri;

/// Why an address is none of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// No `http://` or `https://` with a host.
    #[error("no address of a server; write it as http://HOST:PORT/v1#MODEL")]
    Form,
    /// A user name or password, which would end up in results.
    #[error("the address must not hold credentials; put the key into STATECAST_API_KEY")]
    Credentials,
    /// A query, which might be a key.
    #[error("the address must not hold a query; put a key into STATECAST_API_KEY")]
    Query,
}

/// Where a model is served: `http://HOST:PORT/PATH#NAME`, without anything secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    /// Scheme, host, port and path before `/v1`.
    root: String,
    /// Whether the address was written with `/v1`.
    versioned: bool,
    /// The model among those of the server.
    name: Option<String>,
}

impl ServerAddress {
    /// True of texts that are meant as addresses of servers.
    pub fn is_meant(text: &str) -> bool {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        scheme.is_some_and(|scheme| {
            scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
        })
    }

    /// The model's name, if one is given.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

#[cfg(feature = "served")]
impl ServerAddress {
    /// The address of something on the server, a path that begins with `/`.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.root)
    }

    /// Whether it is spoken to by TLS.
    pub(super) fn is_encrypted(&self) -> bool {
        self.root.starts_with("https://")
    }

    /// Whether nobody on the way reads what is sent: by encryption, or because it stays on this
    /// machine.
    pub(super) fn is_private(&self) -> bool {
        let Some(rest) = self.root.strip_prefix("http://") else {
            return true;
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => authority,
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_loopback = |ip: std::net::IpAddr| ip.is_loopback();
        host == "localhost" || host.parse().is_ok_and(is_loopback)
    }

    /// Scheme, host, port and path, as errors name it.
    pub(super) fn server(&self) -> &str {
        &self.root
    }
}

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (url, name) = match text.split_once('#') {
            Some((url, name)) => (url, Some(name.to_owned())),
            None => (text, None),
        };
        if !Self::is_meant(url) {
            return Err(AddressError::Form);
        }
        let uri: Uri = url.parse().map_err(|_| AddressError::Form)?;
        let (scheme, authority) = uri
            .scheme_str()
            .zip(uri.authority())
            .ok_or(AddressError::Form)?;
        if authority.as_str().contains('@') {
            return Err(AddressError::Credentials);
        }
        if uri.query().is_some() {
            return Err(AddressError::Query);
        }
        let port = authority.as_str().strip_prefix(authority.host());
        if authority.host().is_empty() || (port != Some("") && authority.port_u16().is_none()) {
            return Err(AddressError::Form);
        }
        let path = uri.path().trim_end_matches('/');
        let (path, versioned) = match path.strip_suffix("/v1") {
            Some(path) => (path, true),
            None => (path, false),
        };
        Ok(Self {
            root: format!("{scheme}://{authority}{path}"),
            versioned,
            name: name.filter(|name| !name.is_empty()),
        })
    }
}

impl std::fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.root)?;
        if self.versioned {
            f.write_str("/v1")?;
        }
        match &self.name {
            Some(name) => write!(f, "#{name}"),
            None => Ok(()),
        }
    }
}

#[cfg(all(test, feature = "served"))]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, AddressError> {
        let address: ServerAddress = text.parse()?;
        Ok(format!("{address} {}", address.url("/props")))
    }

    #[test]
    fn addresses_are_shown_as_given_and_lead_to_the_root() {
        for (text, url) in [
            (
                "http://127.0.0.1:8000/v1#a/b-7B",
                "http://127.0.0.1:8000/props",
            ),
            ("https://h.example/llm/v1", "https://h.example/llm/props"),
            ("http://[::1]:8080#x", "http://[::1]:8080/props"),
            ("http://h", "http://h/props"),
        ] {
            assert_eq!(parsed(text).unwrap(), format!("{text} {url}"));
        }
        assert!(
            parsed("http://h:1/v1/#")
                .unwrap()
                .starts_with("http://h:1/v1 ")
        );
    }

    #[test]
    fn what_others_may_read_on_the_way_is_not_private() {
        for (text, private) in [
            ("http://localhost:8000/v1", true),
            ("http://127.0.0.1", true),
            ("http://[::1]:8080#x", true),
            ("https://h.example/v1", true),
            ("http://h.example:8000/v1", false),
            ("HTTP://10.0.0.3", false),
            ("http://127.0.0.1.example", false),
            ("http://localhost.example:80", false),
        ] {
            let address: ServerAddress = text.parse().unwrap();
            assert_eq!(address.is_private(), private, "{text}");
        }
    }

    #[test]
    fn addresses_with_secrets_or_without_a_host_are_refused() {
        use AddressError::{Credentials, Form, Query};
        for (text, error) in [
            ("http://user:pass@h:1/v1", Credentials),
            ("https://key@h", Credentials),
            ("https://h/v1?key=abc", Query),
            ("http://", Form),
            ("http://:80/v1", Form),
            ("http://h:port/v1", Form),
            ("http://h:99999/v1", Form),
            ("ftp://h/v1", Form),
            ("http://a b/", Form),
        ] {
            assert_eq!(parsed(text).unwrap_err(), error, "{text}");
        }
    }
}
