//! The typed configuration: what the rest of the broker is built from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::accounts::Account;
use super::authorization::{Authorization, User};
use super::cluster::Cluster;
use super::defaults;
use super::http_auth::HttpAuth;
use super::jetstream::JetStream;
use super::leafnodes::LeafNodes;
use super::log_format::LogFormat;
use super::mappings::Mapping;
use super::mqtt::Mqtt;
use super::ocsp::{Ocsp, OcspCache};
use super::operator::Operator;
use super::tls::Tls;
use super::websocket::WebSocket;
use super::write_timeout::WriteTimeout;

/// Everything an operator can set, with the defaults filled in.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Config {
    /// The file it was read from.
    pub source: Option<Source>,
    pub server: Server,
    pub client: ClientListener,
    pub monitor: Monitor,
    pub limits: Limits,
    pub logging: Logging,
    pub files: Files,
    pub lame_duck: LameDuck,
    pub authorization: Authorization,
    /// Clients that say nothing about themselves are this user.
    pub no_auth_user: Option<String>,
    pub accounts: Vec<Account>,
    /// Of the global account.
    pub mappings: Vec<Mapping>,
    /// Absent: `$SYS`, unless `no_system_account`.
    pub system_account: Option<String>,
    pub no_system_account: bool,
    pub jetstream: JetStream,
    pub cluster: Cluster,
    pub leafnodes: LeafNodes,
    pub websocket: WebSocket,
    pub mqtt: Mqtt,
    pub operator: Operator,
    pub ocsp: Option<Ocsp>,
    pub ocsp_cache: Option<OcspCache>,
    /// Public keys of proxies that may speak for others.
    pub trusted_proxies: Vec<String>,
    pub profiling: Profiling,
    /// Bounds the memory of the whole process; absent: a share of what the machine or container has.
    pub memory_ceiling_bytes: Option<u64>,
    /// What was read and will not be done, a line each.
    pub not_served: Vec<String>,
    /// What was read and looks wrong, a line each.
    pub warnings: Vec<String>,
}

/// Where a configuration came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub path: String,
    /// `sha256:<hex>`
    pub digest: String,
}

/// What the server calls itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Server {
    /// Absent: the server's id.
    pub name: Option<String>,
    pub tags: Vec<String>,
    pub metadata: BTreeMap<String, String>,
    pub feature_flags: BTreeMap<String, bool>,
    /// Account to JetStream domain, for clients that name none.
    pub default_js_domains: BTreeMap<String, String>,
}

/// Where clients connect.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientListener {
    pub host: String,
    /// 0 stands for any free port.
    pub port: u16,
    /// `host[:port]` that clients are told instead.
    pub advertise: Option<String>,
    pub tls: Option<Tls>,
    /// Clients choose whether to speak TLS.
    pub allow_non_tls: bool,
    /// Connections start with a PROXY header.
    pub proxy_protocol: bool,
    pub no_header_support: bool,
}

impl Default for ClientListener {
    fn default() -> Self {
        Self {
            host: defaults::HOST.to_owned(),
            port: defaults::CLIENT_PORT,
            advertise: None,
            tls: None,
            allow_non_tls: false,
            proxy_protocol: false,
            no_header_support: false,
        }
    }
}

/// The HTTP endpoints for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitor {
    /// Absent: the clients' host.
    pub host: Option<String>,
    /// 0 stands for any free port; absent: no HTTP.
    pub http_port: Option<u16>,
    /// As `http_port`, with the clients' TLS.
    pub https_port: Option<u16>,
    pub base_path: String,
    /// Absent: everyone who can connect.
    pub auth: Option<HttpAuth>,
}

impl Default for Monitor {
    fn default() -> Self {
        Self {
            host: None,
            http_port: None,
            https_port: None,
            auth: None,
            base_path: defaults::MONITOR_BASE_PATH.to_owned(),
        }
    }
}

/// Bounds on clients.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Absent: no limit.
    pub connections_max: Option<u64>,
    /// Per connection; absent: no limit.
    pub subscriptions_max: Option<u64>,
    /// Per subject; absent: no limit.
    pub subject_tokens_max: Option<u8>,
    pub control_line_bytes_max: u32,
    pub payload_bytes_max: u32,
    /// Waiting to be sent, per connection.
    pub pending_bytes_max: u64,
    pub closed_connections_kept_max: u64,
    pub ping_interval: Duration,
    /// Unanswered pings before a connection is closed.
    pub pings_outstanding_max: u32,
    pub write_deadline: Duration,
    pub write_timeout: WriteTimeout,
    /// Do not slow publishers down for slow subscribers.
    pub no_fast_producer_stall: bool,
    pub no_sublist_cache: bool,
    /// Every how many failed attempts to connect a remote is complained about.
    pub connect_error_reports: u64,
    pub reconnect_error_reports: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: Some(defaults::CONNECTIONS_MAX),
            subscriptions_max: None,
            subject_tokens_max: None,
            control_line_bytes_max: defaults::CONTROL_LINE_BYTES_MAX,
            payload_bytes_max: defaults::PAYLOAD_BYTES_MAX,
            pending_bytes_max: defaults::PENDING_BYTES_MAX,
            closed_connections_kept_max: defaults::CLOSED_CONNECTIONS_KEPT_MAX,
            ping_interval: defaults::PING_INTERVAL,
            pings_outstanding_max: defaults::PINGS_OUTSTANDING_MAX,
            write_deadline: defaults::WRITE_DEADLINE,
            write_timeout: WriteTimeout::default(),
            no_fast_producer_stall: false,
            no_sublist_cache: false,
            connect_error_reports: defaults::CONNECT_ERROR_REPORTS,
            reconnect_error_reports: defaults::RECONNECT_ERROR_REPORTS,
        }
    }
}

/// What is logged, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    pub debug: bool,
    pub trace: bool,
    /// Trace the system account too.
    pub trace_verbose: bool,
    /// Trace headers only, not payloads.
    pub trace_headers: bool,
    /// Put the time on every line.
    pub time: bool,
    /// … in UTC.
    pub time_utc: bool,
    /// Absent: standard error.
    pub file: Option<PathBuf>,
    /// The file is set aside when it is larger; absent: never.
    pub file_bytes_max: Option<u64>,
    /// Files kept, the current one included; absent: all.
    pub files_max: Option<u64>,
    /// What a line looks like, in a file or on standard error.
    pub format: LogFormat,
    pub syslog: bool,
    pub remote_syslog: Option<String>,
    /// Of a traced message; absent: all of it.
    pub traced_message_bytes_max: Option<u64>,
}

impl Default for Logging {
    fn default() -> Self {
        Self {
            debug: false,
            trace: false,
            trace_verbose: false,
            trace_headers: false,
            time: true,
            time_utc: false,
            file: None,
            file_bytes_max: None,
            files_max: None,
            format: LogFormat::Text,
            syslog: false,
            remote_syslog: None,
            traced_message_bytes_max: None,
        }
    }
}

/// Files for whoever started the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Files {
    pub pid_file: Option<PathBuf>,
    pub ports_file_dir: Option<PathBuf>,
}

/// How the server says good-bye to its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LameDuck {
    /// From the signal to the end.
    pub duration: Duration,
    /// From the signal to the first connection that is closed.
    pub grace_period: Duration,
}

impl Default for LameDuck {
    fn default() -> Self {
        Self { duration: defaults::LAME_DUCK_DURATION, grace_period: defaults::LAME_DUCK_GRACE_PERIOD }
    }
}

/// The profiling endpoint of nats-server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profiling {
    pub port: Option<u16>,
    pub block_rate: i64,
}

impl Config {
    /// Where streams are kept: `jetstream/` in the storage directory, which by default is `nats/` among the system's
    /// temporary files.
    pub fn jetstream_dir(&self) -> PathBuf {
        let store_dir = self.jetstream.store_dir.clone();
        store_dir.unwrap_or_else(|| std::env::temp_dir().join("nats")).join("jetstream")
    }

    /// How long a client has from connecting to being logged in.
    pub fn auth_timeout(&self) -> Duration {
        let by_default = match &self.client.tls {
            Some(tls) => tls.handshake_timeout() + Duration::from_secs(1),
            None => defaults::AUTH_TIMEOUT,
        };
        self.authorization.timeout.filter(|timeout| !timeout.is_zero()).unwrap_or(by_default)
    }

    /// The account that the server itself speaks in, if there is one.
    pub fn system_account_name(&self) -> Option<&str> {
        match &self.system_account {
            Some(name) => Some(name),
            None if self.no_system_account => None,
            None => Some(defaults::SYSTEM_ACCOUNT),
        }
    }

    /// All users with the account they belong to.
    pub fn users(&self) -> impl Iterator<Item = (&str, &User)> {
        let global = self.authorization.users.iter().flatten().map(|user| (defaults::GLOBAL_ACCOUNT, user));
        let of_accounts = self
            .accounts
            .iter()
            .flat_map(|account| account.users.iter().map(|user| (account.name.as_str(), user)));
        global.chain(of_accounts)
    }

    /// Whether clients that say nothing about themselves join the global account although users are defined: so it is
    /// if the only thing an operator did was to give the system account users.
    pub fn anonymous_join_global_account(&self) -> bool {
        let only_system = match self.accounts.as_slice() {
            [account] => Some(account.name.as_str()) == self.system_account_name(),
            _ => false,
        };
        only_system
            && self.no_auth_user.is_none()
            && !self.authorization.is_written
            && !self.operator.is_used()
    }

    /// Whether a client has to say who it is (`auth_required`); see also [`Config::anonymous_join_global_account`].
    pub fn requires_login(&self) -> bool {
        let auth = &self.authorization;
        let single = auth.user.is_some() || auth.password.is_some() || auth.token.is_some();
        single || auth.callout.is_some() || self.operator.is_used() || self.users().next().is_some()
    }
}
