//! `/varz`: the server, its settings and its counters.

use std::collections::BTreeMap;

use serde::Serialize;

use super::number::{float, time, zero};
use super::source::{JetStreamConfig, JetStreamLimits, JetStreamUse, Source, Traffic};
use super::uptime::uptime;
use crate::clock::UnixNanos;

/// The answer.
#[derive(Debug, Serialize)]
pub struct Varz {
    #[serde(flatten)]
    pub listen: Listen,
    pub jetstream: JetStreamVarz,
    #[serde(flatten)]
    pub runtime: Runtime,
    #[serde(flatten)]
    pub traffic: Traffic,
    /// Requests by path.
    pub http_req_stats: BTreeMap<&'static str, u64>,
    #[serde(flatten)]
    pub configuration: Configuration,
    pub slow_consumer_stats: ByLink,
    pub stale_connection_stats: ByLink,
    pub disk_io_wait_stats: DiskWait,
    /// When the server's certificate ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_cert_not_after: Option<super::connz::Stop>,
    /// The version of this program; `version` is the protocol's.
    pub headwater: &'static str,
}

/// Addresses and limits.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Listen {
    pub server_id: String,
    pub server_name: String,
    pub version: String,
    pub proto: u32,
    #[serde(skip_serializing_if = "zero")]
    pub git_commit: String,
    pub go: String,
    pub host: String,
    pub port: u16,
    #[serde(skip_serializing_if = "zero")]
    pub auth_required: bool,
    #[serde(skip_serializing_if = "zero")]
    pub tls_required: bool,
    #[serde(skip_serializing_if = "zero")]
    pub tls_verify: bool,
    #[serde(skip_serializing_if = "zero")]
    pub ip: String,
    #[serde(skip_serializing_if = "zero")]
    pub connect_urls: Vec<String>,
    #[serde(skip_serializing_if = "zero")]
    pub ws_connect_urls: Vec<String>,
    /// -1 if no client may connect.
    pub max_connections: i64,
    #[serde(skip_serializing_if = "zero")]
    pub max_subscriptions: u64,
    /// Nanoseconds.
    pub ping_interval: i64,
    pub ping_max: u64,
    pub http_host: String,
    pub http_port: u16,
    pub http_base_path: String,
    pub https_port: u16,
    /// Seconds.
    #[serde(serialize_with = "float")]
    pub auth_timeout: f64,
    pub max_control_line: u64,
    pub max_payload: u64,
    pub max_pending: u64,
    pub cluster: Absent,
    pub gateway: Absent,
    pub leaf: LeafListen,
    pub mqtt: OtherListen,
    pub websocket: OtherListen,
    /// Seconds; written after `jetstream`.
    #[serde(skip)]
    pub tls_timeout: f64,
    /// Nanoseconds; written after `jetstream`.
    #[serde(skip)]
    pub write_deadline: i64,
    /// When the certificate ends, if there is one.
    #[serde(skip)]
    pub tls_cert_not_after: Option<UnixNanos>,
}

/// A part that a single server does not have.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Absent {}

/// Where leaf nodes connect, and where this server connects to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LeafListen {
    #[serde(skip_serializing_if = "zero")]
    pub host: String,
    #[serde(skip_serializing_if = "zero")]
    pub port: u16,
    /// Seconds.
    #[serde(skip_serializing_if = "zero", serialize_with = "float")]
    pub auth_timeout: f64,
    /// Seconds.
    #[serde(skip_serializing_if = "zero", serialize_with = "float")]
    pub tls_timeout: f64,
    #[serde(skip_serializing_if = "zero")]
    pub tls_required: bool,
    #[serde(skip_serializing_if = "zero")]
    pub tls_verify: bool,
    #[serde(skip_serializing_if = "zero")]
    pub remotes: Vec<LeafRemote>,
}

/// A server that this one connects to as a leaf node.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LeafRemote {
    #[serde(skip_serializing_if = "zero")]
    pub local_account: String,
    /// `host:port`, without credentials.
    #[serde(skip_serializing_if = "zero")]
    pub urls: Vec<String>,
}

/// Where WebSocket or MQTT clients connect.
#[derive(Debug, Clone, Default, Serialize)]
pub struct OtherListen {
    #[serde(skip_serializing_if = "zero")]
    pub host: String,
    #[serde(skip_serializing_if = "zero")]
    pub port: u16,
    #[serde(skip_serializing_if = "zero")]
    pub no_auth_user: String,
    #[serde(skip_serializing_if = "zero")]
    pub no_tls: bool,
    #[serde(skip_serializing_if = "zero")]
    pub same_origin: bool,
    #[serde(skip_serializing_if = "zero")]
    pub allowed_origins: Vec<String>,
    #[serde(skip_serializing_if = "zero")]
    pub compression: bool,
}

/// JetStream's part; empty without JetStream.
#[derive(Debug, Default, Serialize)]
pub struct JetStreamVarz {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<JetStreamConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stats: Option<JetStreamUse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<JetStreamLimits>,
}

/// Deadlines, time and what the process uses.
#[derive(Debug, Serialize)]
pub struct Runtime {
    /// Seconds.
    #[serde(serialize_with = "float")]
    pub tls_timeout: f64,
    /// Nanoseconds.
    pub write_deadline: i64,
    #[serde(serialize_with = "time")]
    pub start: UnixNanos,
    #[serde(serialize_with = "time")]
    pub now: UnixNanos,
    pub uptime: String,
    /// Resident bytes.
    pub mem: u64,
    pub cores: usize,
    pub gomaxprocs: usize,
    /// Percent of one core.
    #[serde(serialize_with = "float")]
    pub cpu: f64,
}

/// What is known of the configuration.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Configuration {
    #[serde(serialize_with = "time")]
    pub config_load_time: UnixNanos,
    /// `sha256:…`; empty without a configuration file.
    pub config_digest: String,
    #[serde(skip_serializing_if = "zero")]
    pub tags: Vec<String>,
    #[serde(skip_serializing_if = "zero")]
    pub metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "zero")]
    pub feature_flags: BTreeMap<String, bool>,
    #[serde(skip_serializing_if = "zero")]
    pub system_account: String,
}

/// A counter by kind of link.
#[derive(Debug, Default, Serialize)]
pub struct ByLink {
    pub clients: u64,
    pub routes: u64,
    pub gateways: u64,
    pub leafs: u64,
}

/// How often a turn at the disk had to be waited for; this server has no such turns.
#[derive(Debug, Default, Serialize)]
pub struct DiskWait {
    pub waiters: u64,
    pub waits: u64,
    pub wait_time: u64,
    pub max_wait_time: u64,
}

/// Shows the server. `http_req_stats` are the requests that reached this endpoint's server so far.
pub fn varz(source: &dyn Source, http_req_stats: BTreeMap<&'static str, u64>) -> Varz {
    let listen = source.listen();
    let traffic = source.traffic();
    Varz {
        runtime: runtime(source, &listen),
        jetstream: jetstream(source),
        traffic,
        http_req_stats,
        configuration: source.configuration(),
        slow_consumer_stats: ByLink { clients: traffic.slow_consumers, ..ByLink::default() },
        stale_connection_stats: ByLink { clients: traffic.stale_connections, ..ByLink::default() },
        disk_io_wait_stats: DiskWait::default(),
        tls_cert_not_after: listen.tls_cert_not_after.map(super::connz::Stop),
        headwater: env!("CARGO_PKG_VERSION"),
        listen,
    }
}

fn runtime(source: &dyn Source, listen: &Listen) -> Runtime {
    let (now, start, process) = (source.now(), source.server().start, source.process());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Runtime {
        tls_timeout: listen.tls_timeout,
        write_deadline: listen.write_deadline,
        start,
        now,
        uptime: uptime(now.saturating_sub(start)),
        mem: process.resident_bytes,
        cores,
        gomaxprocs: cores,
        cpu: process.cpu_percent,
    }
}

fn jetstream(source: &dyn Source) -> JetStreamVarz {
    let Some(jetstream) = source.jetstream() else { return JetStreamVarz::default() };
    JetStreamVarz {
        config: Some(jetstream.config()),
        stats: Some(jetstream.usage()),
        limits: Some(jetstream.limits()),
    }
}
