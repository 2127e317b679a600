//! What INFO says.

use std::sync::atomic::Ordering;

use headwater_protocol::client::Info;

use super::{Phase, Server};
use crate::net::tls::HandshakeFirst;
use crate::router::ConnectionKind;
use crate::session::Client;
use crate::version::NATS_VERSION;

/// The level of the JetStream API that is spoken.
const API_LEVEL: i32 = 5;

impl Server {
    /// The INFO for one client. `nonce` is what it may have to sign.
    pub fn info_for(&self, client: &Client, nonce: &str) -> Info {
        Info {
            client_id: client.cid(),
            client_ip: client.addr().ip().to_string(),
            nonce: nonce.to_owned(),
            ..self.info_of_kind(client.kind())
        }
    }

    fn info_of_kind(&self, kind: ConnectionKind) -> Info {
        let general = self.info();
        let Some(side) = self.websocket().filter(|_| kind == ConnectionKind::WebSocket) else {
            return general;
        };
        let encrypted = side.tls.is_some();
        let login = side.authenticator.auth_required() && side.options.auth.no_auth_user.is_none();
        Info {
            host: side.options.host.clone(),
            port: self.websocket_port.load(Ordering::Relaxed),
            auth_required: login,
            tls_required: encrypted,
            tls_available: encrypted,
            tls_verify: side.tls.as_ref().is_some_and(|tls| tls.current().verifies_clients),
            ..general
        }
    }

    /// What INFO says to everyone.
    pub fn info(&self) -> Info {
        let options = self.options();
        let (host, port) = self.advertised.read().clone();
        let authenticator = self.authenticator();
        let tls = self.tls().map(|tls| tls.current());
        let handshake_first = tls.as_ref().is_some_and(|tls| tls.handshake_first == HandshakeFirst::Always);
        let tls_optional = options.allow_non_tls && !handshake_first;
        Info {
            server_id: self.id.clone(),
            server_name: self.name.clone(),
            version: NATS_VERSION.to_owned(),
            proto: 1,
            go: "rust".to_owned(),
            host,
            port,
            headers: !options.no_header_support,
            auth_required: authenticator.auth_required() && options.auth.no_auth_user.is_none(),
            tls_required: tls.is_some() && !tls_optional,
            tls_verify: tls.as_ref().is_some_and(|tls| tls.verifies_clients),
            tls_available: tls.is_some() && tls_optional,
            max_payload: i32::try_from(options.payload_bytes_max).unwrap_or(i32::MAX),
            jetstream: options.jetstream,
            domain: options.jetstream_domain.clone(),
            ldm: self.phase() == Phase::LameDuck,
            api_lvl: API_LEVEL,
            ..Info::default()
        }
    }
}
