//! `/connz`: connections, open and closed.

mod options;
mod sort;

use headwater_protocol::jetstream::go_duration::GoDuration;
use headwater_protocol::subject;
pub use options::{ConnzOptions, State};
use serde::Serialize;

use super::number::{time, zero};
use super::query::BadRequest;
use super::source::{Connection, Source, SubscriptionFacts, TlsFacts};
use super::uptime::uptime;
use crate::auth::certificate::{CertificateNames, sha256_hex};
use crate::clock::UnixNanos;
use crate::router::ConnectionKind;

/// Connections per answer when no limit is asked for.
const LIMIT_DEFAULT: usize = 1024;

/// The account that is not worth naming.
const GLOBAL_ACCOUNT: &str = "$G";

/// The answer.
#[derive(Debug, Default, Serialize)]
pub struct Connz {
    pub server_id: String,
    #[serde(serialize_with = "time")]
    pub now: UnixNanos,
    /// How many are in this answer.
    pub num_connections: usize,
    /// How many there are before filters and paging.
    pub total: usize,
    pub offset: usize,
    pub limit: usize,
    /// `None` for an account that does not exist.
    pub connections: Option<Vec<ConnInfo>>,
}

/// One connection.
#[derive(Debug, Serialize)]
pub struct ConnInfo {
    pub cid: u64,
    pub kind: &'static str,
    #[serde(rename = "type", skip_serializing_if = "zero")]
    pub client_type: &'static str,
    pub ip: String,
    pub port: u16,
    #[serde(serialize_with = "time")]
    pub start: UnixNanos,
    #[serde(serialize_with = "time")]
    pub last_activity: UnixNanos,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    #[serde(skip_serializing_if = "zero")]
    pub reason: &'static str,
    pub rtt: String,
    pub uptime: String,
    pub idle: String,
    pub pending_bytes: u64,
    pub in_msgs: u64,
    pub out_msgs: u64,
    pub in_bytes: u64,
    pub out_bytes: u64,
    #[serde(skip_serializing_if = "zero")]
    pub stalls: u64,
    pub subscriptions: u64,
    #[serde(skip_serializing_if = "zero")]
    pub name: String,
    #[serde(skip_serializing_if = "zero")]
    pub lang: String,
    #[serde(skip_serializing_if = "zero")]
    pub version: String,
    #[serde(skip_serializing_if = "zero")]
    pub tls_version: &'static str,
    #[serde(skip_serializing_if = "zero")]
    pub tls_cipher_suite: &'static str,
    #[serde(skip_serializing_if = "zero")]
    pub tls_peer_certs: Vec<PeerCertificate>,
    #[serde(skip_serializing_if = "zero")]
    pub tls_first: bool,
    #[serde(skip_serializing_if = "zero")]
    pub authorized_user: String,
    #[serde(skip_serializing_if = "zero")]
    pub account: String,
    #[serde(skip_serializing_if = "zero")]
    pub subscriptions_list: Vec<String>,
    #[serde(skip_serializing_if = "zero")]
    pub subscriptions_list_detail: Vec<SubscriptionDetail>,
    #[serde(skip_serializing_if = "zero")]
    pub name_tag: String,
    #[serde(skip_serializing_if = "zero")]
    pub mqtt_client: String,
}

/// When a connection was closed.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Stop(#[serde(serialize_with = "time")] pub UnixNanos);

/// A certificate that a client showed.
#[derive(Debug, PartialEq, Serialize)]
pub struct PeerCertificate {
    pub subject: String,
    pub spki_sha256: String,
    pub cert_sha256: String,
}

/// A subscription, as lists show it.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct SubscriptionDetail {
    #[serde(skip_serializing_if = "zero")]
    pub account: String,
    #[serde(skip_serializing_if = "zero")]
    pub account_tag: String,
    pub subject: String,
    #[serde(skip_serializing_if = "zero")]
    pub qgroup: String,
    pub sid: String,
    pub msgs: u64,
    #[serde(skip_serializing_if = "zero")]
    pub max: u64,
    pub cid: u64,
}

/// Lists connections.
pub fn connz(source: &dyn Source, options: &ConnzOptions) -> Result<Connz, BadRequest> {
    options.check()?;
    let now = source.now();
    let limit = if options.cid > 0 { 1 } else { options.limit_or(LIMIT_DEFAULT) };
    let offset = options.offset();
    let mut answer = Connz { now, offset, limit, ..Connz::default() };
    if !options.acc.is_empty() && !source.accounts().iter().any(|account| *account.name == *options.acc) {
        return Ok(answer);
    }
    answer.server_id = source.server().id;
    let mut found = in_state(source, options);
    answer.total = found.len();
    found.retain(|connection| options.wants(connection) && has_interest(source, options, connection));
    sort::sort(&mut found, options.sort(), now);
    let page = found.iter().skip(offset).take(limit);
    let shown: Vec<_> = page.map(|connection| conn_info(source, options, connection, now)).collect();
    answer.num_connections = shown.len();
    answer.connections = Some(shown);
    Ok(answer)
}

/// The connections of the wanted account and state. A connection number finds an open one before a closed one.
fn in_state(source: &dyn Source, options: &ConnzOptions) -> Vec<Connection> {
    let mut found = match options.state {
        State::Open => source.connections(),
        State::Closed => source.closed_connections(),
        State::All => [source.connections(), source.closed_connections()].concat(),
    };
    if !options.acc.is_empty() {
        found.retain(|connection| *connection.info.account == *options.acc);
    }
    found
}

/// Whether the connection is subscribed to something the filter overlaps. Closed ones are not asked.
fn has_interest(source: &dyn Source, options: &ConnzOptions, connection: &Connection) -> bool {
    let Some(filter) = options.subject_filter().filter(|_| connection.closed.is_none()) else { return true };
    let subscriptions = source.subscriptions_of(connection.info.cid);
    subscriptions.iter().any(|found| subject::overlaps(filter.as_bytes(), found.subject.as_bytes()))
}

fn conn_info(
    source: &dyn Source,
    options: &ConnzOptions,
    connection: &Connection,
    now: UnixNanos,
) -> ConnInfo {
    let info = &connection.info;
    let end = connection.closed.map_or(now, |(stop, _)| stop);
    let (kind, client_type) = client_kind(info.kind);
    let tls = connection.tls.as_ref();
    let mut shown = ConnInfo {
        cid: info.cid,
        kind,
        client_type,
        ip: info.host.to_string(),
        port: info.port,
        start: info.start,
        last_activity: connection.last_activity,
        stop: connection.closed.map(|(stop, _)| Stop(stop)),
        reason: connection.closed.map_or("", |(_, reason)| reason.as_str()),
        rtt: rtt(connection.rtt_nanos),
        uptime: uptime(end.saturating_sub(info.start)),
        idle: uptime(end.saturating_sub(connection.last_activity)),
        pending_bytes: connection.pending_bytes,
        in_msgs: connection.in_msgs,
        out_msgs: connection.out_msgs,
        in_bytes: connection.in_bytes,
        out_bytes: connection.out_bytes,
        stalls: connection.stalls,
        subscriptions: connection.subscriptions,
        name: info.name.to_string(),
        lang: info.lang.to_string(),
        version: info.version.to_string(),
        tls_version: tls.map_or("", |tls| tls.version),
        tls_cipher_suite: tls.map_or("", |tls| tls.cipher_suite),
        tls_peer_certs: Vec::new(),
        tls_first: tls.is_some_and(|tls| tls.first),
        authorized_user: String::new(),
        account: String::new(),
        subscriptions_list: Vec::new(),
        subscriptions_list_detail: Vec::new(),
        name_tag: String::new(),
        mqtt_client: connection.mqtt_client.clone(),
    };
    if options.auth {
        add_identity(&mut shown, connection);
    }
    add_subscriptions(&mut shown, source, options, connection);
    shown
}

fn add_identity(shown: &mut ConnInfo, connection: &Connection) {
    let account = &connection.info.account;
    shown.authorized_user = connection.info.user.to_string();
    if **account != *GLOBAL_ACCOUNT {
        shown.account = account.to_string();
    }
    shown.name_tag = connection.info.account_tag().to_string();
    shown.tls_peer_certs = connection.tls.as_ref().map(peer_certificates).unwrap_or_default();
}

fn add_subscriptions(
    shown: &mut ConnInfo,
    source: &dyn Source,
    options: &ConnzOptions,
    connection: &Connection,
) {
    if !options.subscriptions && !options.subscriptions_detail {
        return;
    }
    if connection.closed.is_some() {
        shown.subscriptions_list = connection.closed_subjects.clone();
        return;
    }
    let found = source.subscriptions_of(connection.info.cid);
    if options.subscriptions_detail {
        shown.subscriptions_list_detail = found.into_iter().map(SubscriptionDetail::of_client).collect();
    } else {
        shown.subscriptions_list = found.into_iter().map(|found| found.subject).collect();
    }
}

impl SubscriptionDetail {
    /// Without the account, as under a connection.
    pub(super) fn of_client(found: SubscriptionFacts) -> Self {
        Self {
            subject: found.subject,
            qgroup: found.queue,
            sid: found.sid,
            msgs: found.msgs,
            max: found.max,
            cid: found.cid,
            ..Self::default()
        }
    }
}

/// `kind` and `client_type` of events, `kind` and `type` here.
pub(crate) fn client_kind(kind: ConnectionKind) -> (&'static str, &'static str) {
    match kind {
        ConnectionKind::Nats => ("Client", "nats"),
        ConnectionKind::WebSocket => ("Client", "websocket"),
        ConnectionKind::Mqtt => ("Client", "mqtt"),
        ConnectionKind::Leafnode => ("Leafnode", ""),
    }
}

/// A round trip as Go prints it, cut to microseconds below a millisecond.
pub(super) fn rtt(nanos: u64) -> String {
    let nanos = i64::try_from(nanos).unwrap_or(i64::MAX);
    let cut = if (1_000..1_000_000).contains(&nanos) { nanos - nanos % 1_000 } else { nanos };
    GoDuration(cut).to_string()
}

fn peer_certificates(tls: &TlsFacts) -> Vec<PeerCertificate> {
    let read = |der: &[u8]| {
        let names = CertificateNames::read(der);
        PeerCertificate {
            subject: names.as_ref().map(|names| names.subject.to_string()).unwrap_or_default(),
            spki_sha256: names.map(|names| names.key_sha256).unwrap_or_default(),
            cert_sha256: sha256_hex(der),
        }
    };
    tls.peer_certificates.iter().map(|certificate| read(certificate)).collect()
}
