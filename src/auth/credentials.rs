//! What a client brings along to identify itself.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use headwater_protocol::client::ConnectOptions;
use rustls_pki_types::CertificateDer;

/// The identifying fields of a CONNECT; the empty string is an absent field.
#[derive(Clone, Copy, Default)]
pub struct Credentials<'a> {
    pub user: &'a str,
    pub password: &'a str,
    pub token: &'a str,
    /// Public user nkey.
    pub nkey: &'a str,
    /// Base64 of the signature over the nonce.
    pub signature: &'a str,
    pub jwt: &'a str,
}

impl<'a> From<&'a ConnectOptions> for Credentials<'a> {
    fn from(connect: &'a ConnectOptions) -> Self {
        fn text(field: &Option<String>) -> &str {
            field.as_deref().unwrap_or_default()
        }
        Self {
            user: text(&connect.user),
            password: text(&connect.pass),
            token: text(&connect.auth_token),
            nkey: text(&connect.nkey),
            signature: text(&connect.sig),
            jwt: text(&connect.jwt),
        }
    }
}

impl Credentials<'_> {
    /// How the client calls itself, as monitoring shows it (`authorized_user`); empty if it does not.
    pub fn shown_user(&self) -> &str {
        match (self.nkey, self.user, self.token) {
            ("", "", "") => "",
            ("", "", _) => "[REDACTED]",
            ("", user, _) => user,
            (nkey, _, _) => nkey,
        }
    }

    /// How log lines call the client; empty if it does not name itself.
    pub(super) fn label(&self) -> String {
        match (self.nkey, self.user, self.token) {
            ("", "", "") => String::new(),
            ("", "", _) => "token".to_owned(),
            ("", user, _) => format!("user:{user}"),
            (nkey, _, _) => format!("nkey:{nkey}"),
        }
    }

    /// Whether neither user, password nor token was sent, so that `no_auth_user` may apply.
    pub(super) fn names_nobody(&self) -> bool {
        self.user.is_empty() && self.password.is_empty() && self.token.is_empty()
    }
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.shown_user()).finish_non_exhaustive()
    }
}

/// What the listener knows about a client before it has said anything.
#[derive(Debug, Clone, Copy)]
pub struct Peer<'a> {
    /// The nonce sent in INFO, as ASCII; empty if none was sent.
    pub nonce: &'a [u8],
    /// The verified certificate chain, the client's own first; empty without TLS verification.
    pub client_certs: &'a [CertificateDer<'static>],
    pub connection_type: ConnectionType,
    /// `None` for a connection inside the process.
    pub addr: Option<SocketAddr>,
}

/// How a client is connected, in the words of `allowed_connection_types`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectionType {
    Standard,
    Websocket,
    Leafnode,
    LeafnodeWs,
    Mqtt,
    MqttWs,
    InProcess,
}

/// A word that names no connection type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownConnectionType(pub String);

impl fmt::Display for UnknownConnectionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown connection type {:?}", self.0)
    }
}

impl std::error::Error for UnknownConnectionType {}

impl FromStr for ConnectionType {
    type Err = UnknownConnectionType;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word.to_ascii_uppercase().as_str() {
            "STANDARD" => Ok(Self::Standard),
            "WEBSOCKET" => Ok(Self::Websocket),
            "LEAFNODE" => Ok(Self::Leafnode),
            "LEAFNODE_WS" => Ok(Self::LeafnodeWs),
            "MQTT" => Ok(Self::Mqtt),
            "MQTT_WS" => Ok(Self::MqttWs),
            "IN_PROCESS" => Ok(Self::InProcess),
            _ => Err(UnknownConnectionType(word.to_owned())),
        }
    }
}
