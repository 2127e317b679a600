//! `websocket { … }` in the form the listener uses.

use std::fmt;
use std::time::Duration;

use super::origin::Origin;
use crate::auth::AuthSettings;
use crate::net::tls::TlsSettings;

/// How long a connection may take to become a WebSocket, unless the configuration says otherwise.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Settings of the WebSocket listener.
#[derive(Debug, Clone)]
pub struct WebSocketOptions {
    /// Where to listen: a name or an address.
    pub host: String,
    /// Where to listen; 0 takes any free port.
    pub port: u16,
    /// Encryption, if configured.
    pub tls: Option<TlsSettings>,
    /// Who may log in.
    pub auth: AuthSettings,
    /// Which pages may connect.
    pub origins: Origins,
    /// Whether messages are compressed for clients that offer it.
    pub compression: bool,
    /// Where clients may leave their credentials.
    pub cookies: Cookies,
    /// Whole header lines for the upgrade response.
    pub headers: String,
    /// From connecting to the upgrade.
    pub handshake_timeout: Duration,
    /// How long a client may take to log in; `None` for the general time.
    pub auth_timeout: Option<Duration>,
    /// As the general one, for these clients; `None` for the general one.
    pub ping_interval: Option<Duration>,
}

impl Default for WebSocketOptions {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".to_owned(),
            port: 0,
            tls: None,
            auth: AuthSettings::default(),
            origins: Origins::default(),
            compression: false,
            cookies: Cookies::default(),
            headers: String::new(),
            handshake_timeout: HANDSHAKE_TIMEOUT,
            auth_timeout: None,
            ping_interval: None,
        }
    }
}

/// Names of cookies that carry credentials.
#[derive(Debug, Clone, Default)]
pub struct Cookies {
    /// Of a user JWT.
    pub jwt: Option<String>,
    /// Of a user name.
    pub user: Option<String>,
    /// Of a password.
    pub password: Option<String>,
    /// Of a token.
    pub token: Option<String>,
}

/// Which pages may connect. Clients that are no browsers name no origin and may always.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    /// Only pages from the server they connect to.
    pub same: bool,
    /// Only these; empty for any.
    allowed: Vec<Origin>,
}

/// Why a page may not connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginError {
    /// The header cannot be read.
    Unreadable,
    /// It comes from elsewhere.
    NotSame,
    /// It is not in the list.
    NotAllowed,
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "not a URL",
            Self::NotSame => "not same origin",
            Self::NotAllowed => "not in the allowed list",
        })
    }
}

impl std::error::Error for OriginError {}

impl Origins {
    /// `same_origin` and `allowed_origins`; what is no origin allows nothing.
    pub fn new(same: bool, allowed: &[String]) -> Self {
        Self { same, allowed: allowed.iter().filter_map(|origin| Origin::parse(origin)).collect() }
    }

    /// Whether a page may connect to `host`, as the request names it.
    pub fn check(&self, origin: Option<&str>, host: &str, is_encrypted: bool) -> Result<(), OriginError> {
        let restricted = self.same || !self.allowed.is_empty();
        let Some(origin) = origin.filter(|origin| restricted && !origin.is_empty()) else { return Ok(()) };
        let origin = Origin::parse(origin).ok_or(OriginError::Unreadable)?;
        if self.same && origin != Origin::of_host(host, is_encrypted) {
            return Err(OriginError::NotSame);
        }
        if !self.allowed.is_empty() && !self.allowed.contains(&origin) {
            return Err(OriginError::NotAllowed);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_from_the_same_server_may_connect() {
        let same = Origins::new(true, &[]);
        assert_eq!(same.check(None, "host:80", false), Ok(()));
        assert_eq!(same.check(Some("http://HOST"), "host:80", false), Ok(()));
        assert_eq!(same.check(Some("https://host"), "host:443", true), Ok(()));
        for other in ["http://host:81", "https://host", "http://other"] {
            assert_eq!(same.check(Some(other), "host", false), Err(OriginError::NotSame));
        }
        assert_eq!(same.check(Some("null"), "host", false), Err(OriginError::Unreadable));
    }

    #[test]
    fn only_pages_in_the_list_may_connect() {
        let listed = Origins::new(false, &["https://a.example".to_owned(), "http://b:8080".to_owned()]);
        for good in ["https://a.example", "https://a.example:443", "http://b:8080"] {
            assert_eq!(listed.check(Some(good), "x", false), Ok(()));
        }
        for bad in ["http://a.example", "http://b", "https://c"] {
            assert_eq!(listed.check(Some(bad), "x", false), Err(OriginError::NotAllowed));
        }
        assert_eq!(Origins::default().check(Some("rubbish"), "x", false), Ok(()));
    }
}
