//! Where the answers come from: what the broker tells about itself, in plain data.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_protocol::jetstream::account_info::ApiStats;
use headwater_protocol::jetstream::consumer_info::ConsumerInfo;
use headwater_protocol::jetstream::stream_info::StreamInfo;
use rustls_pki_types::CertificateDer;
use serde::Serialize;

use super::number::zero;
use super::process::ProcessUse;
use super::store::StoreFacts;
use super::varz::{Configuration, Listen};
use crate::clock::UnixNanos;
use crate::router::{ClientInfo, CloseReason, IndexUsage};

/// What the broker tells about itself. Every call is a snapshot of its own and holds no lock afterwards.
pub trait Source: Send + Sync {
    /// The current moment.
    fn now(&self) -> UnixNanos;

    /// Who the server is.
    fn server(&self) -> ServerFacts;

    /// Addresses and limits, for the first part of `/varz`.
    fn listen(&self) -> Listen;

    /// What is known of the configuration, for the last part of `/varz`.
    fn configuration(&self) -> Configuration;

    /// Counters since the start.
    fn traffic(&self) -> Traffic;

    /// What the process uses.
    fn process(&self) -> ProcessUse;

    /// Clients and leaf nodes that are connected, in any order.
    fn connections(&self) -> Vec<Connection>;

    /// Those that were connected and are remembered, in any order.
    fn closed_connections(&self) -> Vec<Connection>;

    /// The subscriptions of one connection, in any order.
    fn subscriptions_of(&self, cid: u64) -> Vec<SubscriptionFacts>;

    /// Shows every subscription of every account, or of one.
    fn visit_subscriptions(&self, account: Option<&str>, visit: &mut dyn FnMut(&SubscriptionFacts));

    /// How the subject indexes of all accounts, or of one, are used.
    fn subscription_stats(&self, account: Option<&str>) -> SubscriptionStats;

    /// All accounts.
    fn accounts(&self) -> Vec<AccountFacts>;

    /// Leaf node links.
    fn leafs(&self) -> Vec<Leaf>;

    /// The system account's name.
    fn system_account(&self) -> String;

    /// Why clients cannot connect, if they cannot.
    fn not_ready(&self) -> Option<String>;

    /// Whether JetStream is configured, running or not.
    fn jetstream_configured(&self) -> bool;

    /// JetStream, if it runs.
    fn jetstream(&self) -> Option<Arc<dyn JetStreamMonitor>>;
}

/// What JetStream tells about itself.
pub trait JetStreamMonitor: Send + Sync {
    /// Its configuration.
    fn config(&self) -> JetStreamConfig;

    /// Configured limits for single requests and objects.
    fn limits(&self) -> JetStreamLimits;

    /// What it uses in all.
    fn usage(&self) -> JetStreamUse;

    /// What each account uses, in any order.
    fn accounts(&self) -> Vec<JetStreamAccount>;

    /// The streams of an account. Their configurations carry no `_nats.ver` and `_nats.level` here.
    fn streams(&self, account: &str) -> Vec<StreamInfo>;

    /// The consumers of a stream.
    fn consumers(&self, account: &str, stream: &str) -> Vec<ConsumerInfo>;

    /// The consumers of a stream, `most` of them at most, and what they are behind with.
    fn consumer_lags(&self, account: &str, stream: &str, most: usize) -> Vec<ConsumerLag> {
        let lag = |info| ConsumerLag { info, oldest_unacked: None };
        self.consumers(account, stream).into_iter().take(most).map(lag).collect()
    }

    /// Streams that are not well: not recovered, or not writable.
    fn problems(&self) -> Vec<HealthProblem>;

    /// The store, if there is one.
    fn store(&self) -> Option<StoreFacts> {
        None
    }
}

/// A consumer and what it is behind with.
#[derive(Debug, Clone)]
pub struct ConsumerLag {
    pub info: ConsumerInfo,
    /// When the oldest message was stored that is delivered and not acknowledged.
    pub oldest_unacked: Option<UnixNanos>,
}

/// Who a server is.
#[derive(Debug, Clone, Default)]
pub struct ServerFacts {
    pub id: String,
    pub name: String,
    pub start: UnixNanos,
}

/// Counters of the server since its start, and gauges.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Traffic {
    pub connections: u64,
    pub total_connections: u64,
    pub routes: u64,
    pub remotes: u64,
    pub leafnodes: u64,
    pub in_msgs: u64,
    pub in_bytes: u64,
    pub in_client_msgs: u64,
    pub in_client_bytes: u64,
    pub out_msgs: u64,
    pub out_bytes: u64,
    pub out_client_msgs: u64,
    pub out_client_bytes: u64,
    pub slow_consumers: u64,
    pub stale_connections: u64,
    pub stalled_clients: u64,
    pub subscriptions: u64,
}

/// A connection, open or closed.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Who it is.
    pub info: Arc<ClientInfo>,
    /// When it last sent or was sent something.
    pub last_activity: UnixNanos,
    /// When and why it was closed; `None` while it is open.
    pub closed: Option<(UnixNanos, CloseReason)>,
    pub rtt_nanos: u64,
    pub pending_bytes: u64,
    pub in_msgs: u64,
    pub out_msgs: u64,
    pub in_bytes: u64,
    pub out_bytes: u64,
    /// Times it was held back for a slow receiver.
    pub stalls: u64,
    pub subscriptions: u64,
    pub tls: Option<TlsFacts>,
    /// MQTT client identifier; empty for others.
    pub mqtt_client: String,
    /// Subjects a closed connection was subscribed to.
    pub closed_subjects: Vec<String>,
}

/// How a connection is encrypted.
#[derive(Debug, Clone)]
pub struct TlsFacts {
    /// `1.3`.
    pub version: &'static str,
    pub cipher_suite: &'static str,
    /// Whether the handshake came before INFO.
    pub first: bool,
    pub peer_certificates: Arc<[CertificateDer<'static>]>,
}

/// A subscription.
#[derive(Debug, Clone, Default)]
pub struct SubscriptionFacts {
    pub account: Arc<str>,
    /// What its operator calls it, else its name.
    pub account_tag: Arc<str>,
    pub subject: String,
    pub queue: String,
    pub sid: String,
    /// Messages delivered.
    pub msgs: u64,
    /// Messages after which it ends; 0 for never.
    pub max: u64,
    pub cid: u64,
}

/// How subject indexes are used.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct SubscriptionStats {
    pub num_subscriptions: u64,
    pub num_cache: u64,
    pub num_inserts: u64,
    pub num_removes: u64,
    pub num_matches: u64,
    #[serde(serialize_with = "super::number::float")]
    pub cache_hit_rate: f64,
    pub max_fanout: u64,
    #[serde(serialize_with = "super::number::float")]
    pub avg_fanout: f64,
}

impl SubscriptionStats {
    /// Of the fan-out, nats-server has that of its cached answers; here it is that of all look-ups. Answers are cached with
    /// each connection, not in the index, and what is found there is no look-up.
    pub fn new(usage: IndexUsage) -> Self {
        Self {
            num_subscriptions: usage.inserts.saturating_sub(usage.removes),
            num_inserts: usage.inserts,
            num_removes: usage.removes,
            num_matches: usage.lookups,
            max_fanout: usage.found_max,
            avg_fanout: usage.found as f64 / usage.lookups.max(1) as f64,
            ..Self::default()
        }
    }
}

/// An account of the server.
#[derive(Debug, Clone, Default)]
pub struct AccountFacts {
    pub name: Arc<str>,
    /// What its operator calls it, else its name.
    pub tag: Arc<str>,
    /// When it was last configured.
    pub updated: UnixNanos,
    pub client_connections: u64,
    pub leafnode_connections: u64,
    pub subscriptions: u64,
    pub jetstream_enabled: bool,
    pub slow_consumers: u64,
    pub sent: LinkTraffic,
    pub received: LinkTraffic,
    pub mappings: BTreeMap<String, Vec<MappingDestination>>,
    pub exports: Vec<AccountExport>,
    pub imports: Vec<AccountImport>,
}

/// Messages and bytes of an account, and how many of them went through leaf nodes.
#[derive(Debug, Clone, Copy, Default)]
pub struct LinkTraffic {
    pub msgs: u64,
    pub bytes: u64,
    pub leaf_msgs: u64,
    pub leaf_bytes: u64,
}

/// A destination of a subject mapping.
#[derive(Debug, Clone, Default, Serialize)]
pub struct MappingDestination {
    pub subject: String,
    /// Percent.
    pub weight: u8,
    #[serde(skip_serializing_if = "zero")]
    pub cluster: String,
}

/// Something an account offers to others.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AccountExport {
    pub subject: String,
    /// `service` or `stream`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "zero")]
    pub token_req: bool,
    /// `Singleton`, `Streamed` or `Chunked`, for a service.
    #[serde(skip_serializing_if = "zero")]
    pub response_type: &'static str,
    #[serde(skip_serializing_if = "zero")]
    pub approved_accounts: Vec<String>,
}

/// Something an account takes from another.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AccountImport {
    pub subject: String,
    pub account: String,
    #[serde(skip_serializing_if = "zero")]
    pub to: String,
    pub local_subject: String,
    /// `service` or `stream`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub invalid: bool,
    pub share: bool,
    pub tracking: bool,
}

/// A leaf node link.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Leaf {
    pub id: u64,
    pub name: String,
    pub is_spoke: bool,
    #[serde(skip_serializing_if = "zero")]
    pub is_isolated: bool,
    pub account: String,
    #[serde(flatten)]
    pub peer: Peer,
    /// As Go prints a duration.
    #[serde(skip_serializing_if = "zero")]
    pub rtt: String,
    pub in_msgs: u64,
    pub out_msgs: u64,
    pub in_bytes: u64,
    pub out_bytes: u64,
    pub subscriptions: u64,
    /// Shown only when asked for.
    #[serde(skip_serializing_if = "zero")]
    pub subscriptions_list: Vec<String>,
    #[serde(skip_serializing_if = "zero")]
    pub compression: String,
}

/// The other end of a link.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Peer {
    pub ip: String,
    pub port: u16,
}

/// JetStream's configuration.
#[derive(Debug, Clone, Default, Serialize)]
pub struct JetStreamConfig {
    /// Bytes for memory streams.
    pub max_memory: i64,
    /// Bytes for file streams.
    pub max_storage: i64,
    #[serde(skip_serializing_if = "zero")]
    pub store_dir: String,
    /// Nanoseconds.
    #[serde(skip_serializing_if = "zero")]
    pub sync_interval: i64,
    #[serde(skip_serializing_if = "zero")]
    pub sync_always: bool,
    #[serde(skip_serializing_if = "zero")]
    pub domain: String,
    #[serde(skip_serializing_if = "zero")]
    pub compress_ok: bool,
    #[serde(skip_serializing_if = "zero")]
    pub unique_tag: String,
    #[serde(skip_serializing_if = "zero")]
    pub strict: bool,
}

/// `jetstream { limits }`; 0 is not configured.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct JetStreamLimits {
    #[serde(skip_serializing_if = "zero")]
    pub max_request_batch: u64,
    #[serde(skip_serializing_if = "zero")]
    pub max_ack_pending: u64,
    #[serde(skip_serializing_if = "zero")]
    pub max_ha_assets: u64,
    /// Nanoseconds.
    #[serde(skip_serializing_if = "zero")]
    pub max_duplicate_window: i64,
    #[serde(skip_serializing_if = "zero")]
    pub max_batch_inflight_per_stream: u64,
    #[serde(skip_serializing_if = "zero")]
    pub max_batch_inflight_total: u64,
    #[serde(skip_serializing_if = "zero")]
    pub max_batch_size: u64,
    /// Nanoseconds.
    #[serde(skip_serializing_if = "zero")]
    pub max_batch_timeout: i64,
    /// Below zero for none.
    #[serde(skip_serializing_if = "zero")]
    pub default_max_consumers: i64,
}

/// What JetStream uses. Without it everything is zero, the API level too.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct JetStreamUse {
    /// Bytes.
    pub memory: u64,
    /// Bytes.
    pub storage: u64,
    /// Bytes promised to streams and accounts; a promise without limit is `u64::MAX`.
    pub reserved_memory: u64,
    /// Like `reserved_memory`.
    pub reserved_storage: u64,
    /// Accounts with JetStream.
    pub accounts: u64,
    pub ha_assets: u64,
    pub api: ApiStats,
}

impl Default for JetStreamUse {
    fn default() -> Self {
        let api = ApiStats { level: 0, ..ApiStats::default() };
        Self {
            memory: 0,
            storage: 0,
            reserved_memory: 0,
            reserved_storage: 0,
            accounts: 0,
            ha_assets: 0,
            api,
        }
    }
}

/// What one account uses of JetStream.
#[derive(Debug, Clone, Default)]
pub struct JetStreamAccount {
    pub name: String,
    /// What its operator calls it, else its name.
    pub tag: String,
    /// Its `accounts` stays 0 and its API level too.
    pub usage: JetStreamUse,
    pub streams: u64,
    pub consumers: u64,
    pub messages: u64,
    pub bytes: u64,
}

/// Something that keeps JetStream from being healthy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthProblem {
    pub account: String,
    pub stream: String,
    /// For people, complete: `JetStream stream 'A > S' could not be recovered`.
    pub error: String,
}
