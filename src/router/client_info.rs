//! Who a message comes from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::auth::TokenIdentity;
use crate::clock::UnixNanos;

/// What kind of connection a client uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConnectionKind {
    /// The NATS protocol over TCP.
    #[default]
    Nats,
    /// The NATS protocol over a WebSocket.
    WebSocket,
    /// MQTT.
    Mqtt,
    /// A leaf node link.
    Leafnode,
}

/// A logged-in connection, as advisories, `$SYS` replies and service imports describe it.
///
/// One per login: a second CONNECT makes a new one.
#[derive(Debug, Default)]
pub struct ClientInfo {
    /// The connection's number, unique in this server's life.
    pub cid: u64,
    /// How it is connected.
    pub kind: ConnectionKind,
    /// The peer's address, without port.
    pub host: Box<str>,
    /// The peer's port.
    pub port: u16,
    /// When it connected.
    pub start: UnixNanos,
    /// The account it is bound to.
    pub account: Arc<str>,
    /// The user it logged in as; empty without authentication.
    pub user: Box<str>,
    /// The client's name from CONNECT.
    pub name: Box<str>,
    /// The client library's language.
    pub lang: Box<str>,
    /// The client library's version.
    pub version: Box<str>,
    /// Whether it wants a 503 when nobody gets its request.
    pub no_responders: bool,
    /// What its user token says about it, if it came with one.
    pub token: Option<Arc<TokenIdentity>>,
    /// Last measured round trip in nanoseconds; shared by all logins of the connection.
    pub rtt: Arc<AtomicU64>,
}

impl ClientInfo {
    /// What its account is called by the operator, else the account's name.
    pub fn account_tag(&self) -> &str {
        let tag = self.token.as_ref().map(|token| &*token.account_name);
        tag.filter(|tag| !tag.is_empty()).unwrap_or(&self.account)
    }

    /// The last measured round trip, in nanoseconds; 0 before the first.
    pub fn rtt_nanos(&self) -> u64 {
        self.rtt.load(Ordering::Relaxed)
    }
}
