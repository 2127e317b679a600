//! A client connection as the rest of the broker sees it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use crate::account::Account;
use crate::clock::UnixNanos;
use crate::router::{ClientInfo, CloseReason, ConnectionKind, Receiver, Subscriber};
use crate::server::TrafficTotals;

/// A client connection, shared by its session, the registry and monitoring.
pub struct Client {
    kind: ConnectionKind,
    start: UnixNanos,
    addr: SocketAddr,
    /// Where it really comes from, if a proxy said so.
    proxied: OnceLock<SocketAddr>,
    subscriber: Arc<Subscriber>,
    login: RwLock<Bound>,
    rtt: Arc<AtomicU64>,
    in_msgs: AtomicU64,
    in_bytes: AtomicU64,
    stalls: AtomicU64,
    last_activity: AtomicI64,
    /// Whether it understands an INFO at any time.
    async_info: AtomicBool,
    /// It has to prove again who it is.
    recheck: AtomicBool,
    tls: RwLock<Option<Box<TlsFacts>>>,
}

/// Who the connection is logged in as.
struct Bound {
    info: Arc<ClientInfo>,
    account: Option<Arc<Account>>,
    label: Arc<str>,
}

/// How a connection is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// The cipher suite's IANA name.
    pub cipher: &'static str,
}

/// A client at one moment, for monitoring.
#[derive(Debug, Clone)]
pub struct ClientSnapshot {
    /// Who it is.
    pub info: Arc<ClientInfo>,
    /// Nanoseconds of the last measured round trip, 0 if there was none.
    pub rtt_nanos: u64,
    /// When it last sent something or something was sent to it.
    pub last_activity: UnixNanos,
    /// Messages and bytes.
    pub traffic: TrafficTotals,
    /// Bytes that wait for it.
    pub pending_bytes: usize,
    /// Its subscriptions.
    pub subscriptions: usize,
    /// Times it was held back for a slow receiver.
    pub stalls: u64,
    /// How it is encrypted.
    pub tls: Option<TlsFacts>,
}

impl Client {
    /// A client that has just connected and belongs to no account yet.
    pub fn new(
        cid: u64,
        kind: ConnectionKind,
        addr: SocketAddr,
        start: UnixNanos,
        outbound_bytes_max: usize,
    ) -> Arc<Self> {
        let rtt = Arc::new(AtomicU64::new(0));
        let info = ClientInfo {
            cid,
            kind,
            host: addr.ip().to_string().into(),
            port: addr.port(),
            start,
            rtt: rtt.clone(),
            ..ClientInfo::default()
        };
        Arc::new(Self {
            kind,
            start,
            addr,
            proxied: OnceLock::new(),
            subscriber: Arc::new(Subscriber::new(cid, outbound_bytes_max)),
            login: RwLock::new(Bound { info: Arc::new(info), account: None, label: "".into() }),
            rtt,
            in_msgs: AtomicU64::new(0),
            in_bytes: AtomicU64::new(0),
            stalls: AtomicU64::new(0),
            last_activity: AtomicI64::new(start),
            async_info: AtomicBool::new(false),
            recheck: AtomicBool::new(false),
            tls: RwLock::new(None),
        })
    }

    /// The connection's number.
    pub fn cid(&self) -> u64 {
        self.subscriber.cid()
    }

    /// How it is connected.
    pub fn kind(&self) -> ConnectionKind {
        self.kind
    }

    /// Where it connects from.
    pub fn addr(&self) -> SocketAddr {
        self.proxied.get().copied().unwrap_or(self.addr)
    }

    /// A proxy says where it comes from. To be called before it logs in.
    pub(crate) fn set_proxied(&self, addr: SocketAddr) {
        if self.proxied.set(addr).is_ok() {
            let mut login = self.login.write();
            let known = &login.info;
            let info = ClientInfo {
                cid: known.cid,
                kind: known.kind,
                host: addr.ip().to_string().into(),
                port: addr.port(),
                start: known.start,
                rtt: known.rtt.clone(),
                ..ClientInfo::default()
            };
            login.info = Arc::new(info);
        }
    }

    /// When it connected.
    pub fn start(&self) -> UnixNanos {
        self.start
    }

    /// Its receiving end.
    pub fn subscriber(&self) -> &Arc<Subscriber> {
        &self.subscriber
    }

    /// Who it is logged in as.
    pub fn info(&self) -> Arc<ClientInfo> {
        self.login.read().info.clone()
    }

    /// The account it is bound to, once it is.
    pub fn account(&self) -> Option<Arc<Account>> {
        self.login.read().account.clone()
    }

    /// Ends the connection from outside.
    pub fn close(&self, reason: CloseReason) {
        self.subscriber.outbound().close(reason);
    }

    /// Has it prove again who it is.
    pub fn recheck(&self) {
        self.recheck.store(true, Ordering::Release);
        self.subscriber.outbound().wake_owner();
    }

    #[inline]
    pub(super) fn recheck_wanted(&self) -> bool {
        self.recheck.load(Ordering::Relaxed)
    }

    pub(super) fn take_recheck(&self) -> bool {
        self.recheck.swap(false, Ordering::AcqRel)
    }

    /// Sends a protocol line from outside, such as an INFO.
    pub fn send_line(&self, line: &[u8]) {
        self.subscriber.outbound().send_line(line);
    }

    /// What it has sent and received so far.
    pub fn traffic(&self) -> TrafficTotals {
        let (out_msgs, out_bytes) = self.subscriber.outbound().totals();
        TrafficTotals {
            in_msgs: self.in_msgs.load(Ordering::Relaxed),
            in_bytes: self.in_bytes.load(Ordering::Relaxed),
            out_msgs,
            out_bytes,
        }
    }

    /// Everything monitoring shows.
    pub fn snapshot(&self) -> ClientSnapshot {
        ClientSnapshot {
            info: self.info(),
            rtt_nanos: self.rtt.load(Ordering::Relaxed),
            last_activity: self.last_activity.load(Ordering::Relaxed),
            traffic: self.traffic(),
            pending_bytes: self.subscriber.outbound().pending_bytes(),
            subscriptions: self.subscriber.subscription_count(),
            stalls: self.stalls.load(Ordering::Relaxed),
            tls: self.tls.read().as_deref().cloned(),
        }
    }

    /// What log lines start with: address, number, and what the client said about itself.
    pub fn log_name(&self) -> String {
        let login = self.login.read();
        let prefix = match self.kind {
            ConnectionKind::Nats => "cid",
            ConnectionKind::WebSocket => "wid",
            ConnectionKind::Mqtt => "mid",
            ConnectionKind::Leafnode => "lid",
        };
        let mut name = format!("{} - {prefix}:{}", self.addr(), self.cid());
        let info = &login.info;
        let version = if info.version.is_empty() { String::new() } else { format!("v{}", info.version) };
        let parts = [&*version, &info.lang, &info.name];
        let about: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        if !about.is_empty() {
            name.push_str(&format!(" - {:?}", about.join(":")));
        }
        if !login.label.is_empty() {
            let (account, tag) = (&info.account, info.account_tag());
            let account = if *tag == **account { account.to_string() } else { format!("{account}/{tag}") };
            name.push_str(&format!(" - {:?}", format!("{account}/{}", login.label)));
        }
        name
    }

    pub(super) fn bind(&self, info: Arc<ClientInfo>, account: Option<Arc<Account>>, label: Arc<str>) {
        *self.login.write() = Bound { info, account, label };
    }

    /// Whether it understands an INFO at any time.
    pub fn wants_async_info(&self) -> bool {
        self.async_info.load(Ordering::Relaxed)
    }

    pub(super) fn set_async_info(&self, wanted: bool) {
        self.async_info.store(wanted, Ordering::Relaxed);
    }

    pub(super) fn rtt(&self) -> &Arc<AtomicU64> {
        &self.rtt
    }

    pub(crate) fn set_tls(&self, facts: TlsFacts) {
        *self.tls.write() = Some(Box::new(facts));
    }

    /// Only the session counts what comes in, so plain stores are enough.
    pub(super) fn count_in(&self, messages: u64, bytes: u64, now: UnixNanos) {
        if messages > 0 {
            self.in_msgs.store(self.in_msgs.load(Ordering::Relaxed) + messages, Ordering::Relaxed);
            self.in_bytes.store(self.in_bytes.load(Ordering::Relaxed) + bytes, Ordering::Relaxed);
        }
        self.last_activity.store(now, Ordering::Relaxed);
    }

    pub(super) fn count_stall(&self) {
        self.stalls.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.log_name())
    }
}
