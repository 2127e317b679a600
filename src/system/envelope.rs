//! What all answers of the server are wrapped in.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::server::Server;
use crate::version::NATS_VERSION;

/// An answer: who gives it, and what it says.
#[derive(Debug, Serialize)]
pub struct Envelope<T> {
    /// Who answers.
    pub server: ServerInfo,
    /// The answer.
    pub data: T,
}

/// The server as events and answers name it.
#[derive(Debug, Serialize)]
pub struct ServerInfo {
    /// Its name.
    pub name: String,
    /// The host it listens on, as configured.
    pub host: String,
    /// Its id.
    pub id: String,
    /// JetStream domain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// The nats-server version it stands for.
    pub ver: &'static str,
    /// `server_tags`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// `server_metadata`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// `feature_flags`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub feature_flags: BTreeMap<String, bool>,
    /// Whether it has JetStream.
    pub jetstream: bool,
    /// Bits for what it is able to do; 0 without JetStream.
    pub flags: u64,
    /// Grows with every answer and event.
    pub seq: u64,
    /// RFC 3339, UTC.
    pub time: String,
}

/// `flags`: JetStream, and snapshots in binary.
const JETSTREAM_FLAGS: u64 = 3;

static LAST_SEQ: AtomicU64 = AtomicU64::new(0);

impl ServerInfo {
    /// The server at this moment.
    pub fn now(server: &Server) -> Self {
        let options = server.options();
        let time = jiff::Timestamp::from_nanosecond(i128::from(server.clock().now())).unwrap_or_default();
        Self {
            name: server.name().to_owned(),
            host: options.host.clone(),
            id: server.id().to_owned(),
            domain: options.jetstream_domain.clone(),
            ver: NATS_VERSION,
            tags: options.tags.clone(),
            metadata: options.metadata.clone(),
            feature_flags: options.feature_flags.clone(),
            jetstream: options.jetstream,
            flags: if options.jetstream { JETSTREAM_FLAGS } else { 0 },
            seq: LAST_SEQ.fetch_add(1, Ordering::Relaxed) + 1,
            time: time.to_string(),
        }
    }
}
