//! `websocket { … }`

use std::collections::BTreeMap;
use std::time::Duration;

use super::defaults;
use super::diff::Changes;
use super::grammar::{Node, Value};
use super::keys::{Key, block, field, nested, timed, unknown_field};
use super::report::{Problem, Report};
use super::simple_auth::{self, SimpleAuth};
use super::tls::{self, Tls};
use super::top;

/// NATS over WebSocket.
#[derive(Debug, Clone, PartialEq)]
pub struct WebSocket {
    pub host: String,
    /// 0 stands for any free port; absent: no listener.
    pub port: Option<u16>,
    pub advertise: Option<String>,
    /// Has to be said if there is no `tls`.
    pub no_tls: bool,
    pub tls: Option<Tls>,
    pub same_origin: bool,
    /// Empty: any.
    pub allowed_origins: Vec<String>,
    pub handshake_timeout: Option<Duration>,
    pub compression: bool,
    /// Instead of the rules for clients.
    pub authorization: SimpleAuth,
    pub no_auth_user: Option<String>,
    pub jwt_cookie: Option<String>,
    pub user_cookie: Option<String>,
    pub pass_cookie: Option<String>,
    pub token_cookie: Option<String>,
    /// Added to the upgrade response.
    pub headers: BTreeMap<String, String>,
    pub ping_interval: Option<Duration>,
}

impl Default for WebSocket {
    fn default() -> Self {
        Self {
            host: defaults::HOST.to_owned(),
            port: None,
            advertise: None,
            no_tls: false,
            tls: None,
            same_origin: false,
            allowed_origins: Vec::new(),
            handshake_timeout: None,
            compression: false,
            authorization: SimpleAuth::default(),
            no_auth_user: None,
            jwt_cookie: None,
            user_cookie: None,
            pass_cookie: None,
            token_cookie: None,
            headers: BTreeMap::new(),
            ping_interval: None,
        }
    }
}

const KEYS: &[Key<WebSocket>] = &[
    Key::new("listen", &[], |ws, node, _| {
        let listen = node.host_port()?;
        if !listen.host.is_empty() {
            ws.host = listen.host;
        }
        ws.port = listen.port.listen();
        Ok(())
    }),
    Key::new("port", &[], |ws, node, _| {
        ws.port = node.port()?.listen();
        Ok(())
    }),
    field!("host", ["net"], host, top::host),
    field!("advertise", [], advertise, Node::name),
    field!("no_tls", [], no_tls, Node::bool),
    nested!("tls", [], tls, tls::read_for_clients),
    field!("same_origin", [], same_origin, Node::bool),
    field!(
        "allowed_origins",
        ["allowed_origin", "allow_origins", "allow_origin", "origins", "origin"],
        allowed_origins,
        Node::strings
    ),
    field!("handshake_timeout", [], handshake_timeout, handshake_timeout),
    field!("compression", ["compress"], compression, Node::bool),
    nested!("authorization", ["authentication"], authorization, simple_auth::read),
    field!("no_auth_user", [], no_auth_user, Node::name),
    field!("jwt_cookie", [], jwt_cookie, Node::name),
    field!("user_cookie", [], user_cookie, Node::name),
    field!("pass_cookie", [], pass_cookie, Node::name),
    field!("token_cookie", [], token_cookie, Node::name),
    field!("headers", [], headers, Node::string_map),
    timed!("ping_interval", [], ping_interval),
];

/// Reads a `websocket { … }` block.
pub(super) fn read(node: &Node, report: &mut Report) -> Result<WebSocket, Problem> {
    block(KEYS, unknown_field, node, report)
}

/// Certificates can be exchanged, everything else needs a restart.
pub(super) fn changes(old: &WebSocket, new: &WebSocket, changes: &mut Changes) {
    let without_tls = |ws: &WebSocket| WebSocket { tls: None, ..ws.clone() };
    if without_tls(old) != without_tls(new) {
        changes.refused("Websocket", "config reload not supported for Websocket".to_owned());
    } else if old.tls != new.tls {
        changes.applied("Websocket", "websocket tls".to_owned());
    }
}

fn handshake_timeout(node: &Node) -> Result<Option<Duration>, Problem> {
    match &node.value {
        Value::Integer(_) | Value::Text(_) => Ok(Some(node.seconds()?).filter(|timeout| !timeout.is_zero())),
        other => {
            Err(node.problem(format!("error parsing handshake timeout: unsupported type {}", other.kind())))
        }
    }
}
