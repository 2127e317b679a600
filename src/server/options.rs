//! What the core broker needs to know, in the form it uses.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::AuthSettings;
use crate::net::tls::TlsSettings;
use crate::net::websocket::WebSocketOptions;

/// Settings of the core broker. The defaults are those of an empty configuration, except that the port is a random one.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen: a name or an address.
    pub host: String,
    /// Where to listen; 0 takes any free port.
    pub port: u16,
    /// The server's name; its id if empty.
    pub server_name: String,
    /// `server_tags`.
    pub tags: Vec<String>,
    /// `server_metadata`.
    pub metadata: BTreeMap<String, String>,
    /// `feature_flags`.
    pub feature_flags: BTreeMap<String, bool>,
    /// `host:port` that INFO names instead of where the server listens.
    pub client_advertise: Option<(String, u16)>,
    /// Largest message.
    pub payload_bytes_max: usize,
    /// Longest arguments of a protocol line.
    pub control_line_bytes_max: usize,
    /// Most that may wait for one connection.
    pub outbound_bytes_max: usize,
    /// Most clients at a time; `None` for none at all.
    pub connections_max: Option<usize>,
    /// Most subscriptions of a connection; 0 for no limit.
    pub subscriptions_max: usize,
    /// Most tokens of a subscription's subject; 0 for no limit.
    pub subscription_tokens_max: usize,
    /// Closed connections that are remembered.
    pub closed_clients_max: usize,
    /// How long a connection may be silent before it is asked for a sign of life.
    pub ping_interval: Duration,
    /// Unanswered PINGs after which it is closed.
    pub pings_out_max: u32,
    /// Whether the first PING waits a full interval; otherwise it comes after about two seconds, to measure the round trip.
    pub disable_short_first_ping: bool,
    /// How long a connection may take nothing of what waits for it.
    pub write_deadline: Duration,
    /// How long a client may take to log in.
    pub auth_timeout: Duration,
    /// Who may log in.
    pub auth: AuthSettings,
    /// Encryption, if configured.
    pub tls: Option<TlsSettings>,
    /// The WebSocket listener, if configured.
    pub websocket: Option<Arc<WebSocketOptions>>,
    /// Whether clients may do without TLS although it is configured.
    pub allow_non_tls: bool,
    /// TLS handshakes that may start per second; 0 for no limit.
    pub tls_connections_per_second_max: u32,
    /// Whether connections begin with a PROXY header.
    pub proxy_protocol: bool,
    /// Whether a client that takes nothing for [`write_deadline`](Self::write_deadline) is kept.
    pub write_timeout_retries: bool,
    /// Whether producers are never slowed down for slow receivers, which miss messages instead.
    pub no_fast_producer_stall: bool,
    /// Whether clients are told that there are no headers.
    pub no_header_support: bool,
    /// How long lame duck mode takes in all.
    pub lame_duck_duration: Duration,
    /// How long lame duck mode waits before it closes the first connection.
    pub lame_duck_grace: Duration,
    /// The system account, if it is not `$SYS`.
    pub system_account: Option<String>,
    /// Whether INFO says that there is JetStream.
    pub jetstream: bool,
    /// JetStream domain that INFO names.
    pub jetstream_domain: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".to_owned(),
            port: 0,
            server_name: String::new(),
            tags: Vec::new(),
            metadata: BTreeMap::new(),
            feature_flags: BTreeMap::new(),
            client_advertise: None,
            payload_bytes_max: 1024 * 1024,
            control_line_bytes_max: 4096,
            outbound_bytes_max: 64 * 1024 * 1024,
            connections_max: Some(64 * 1024),
            subscriptions_max: 0,
            subscription_tokens_max: 0,
            closed_clients_max: 10_000,
            ping_interval: Duration::from_secs(120),
            pings_out_max: 2,
            disable_short_first_ping: false,
            write_deadline: Duration::from_secs(10),
            auth_timeout: Duration::from_secs(2),
            auth: AuthSettings::default(),
            tls: None,
            websocket: None,
            allow_non_tls: false,
            tls_connections_per_second_max: 0,
            proxy_protocol: false,
            write_timeout_retries: false,
            no_fast_producer_stall: false,
            no_header_support: false,
            lame_duck_duration: Duration::from_secs(120),
            lame_duck_grace: Duration::from_secs(10),
            system_account: None,
            jetstream: false,
            jetstream_domain: String::new(),
        }
    }
}
