//! What the running server tells monitoring.

mod accounts;
mod settings;

use std::sync::Arc;

use parking_lot::RwLock;

use super::process::{ProcessMeter, ProcessUse};
use super::source::{
    AccountFacts, Connection, JetStreamMonitor, Leaf, ServerFacts, Source, SubscriptionFacts,
    SubscriptionStats, TlsFacts, Traffic,
};
use super::varz::{Configuration, Listen};
use crate::account::Account;
use crate::clock::UnixNanos;
use crate::config::Config;
use crate::router::{ClientInfo, IndexUsage, Subscription};
use crate::server::{ClosedClient, Phase, Server};
use crate::session::ClientSnapshot;

/// The server, its configuration and, once it runs, JetStream.
pub struct BrokerSource {
    server: Arc<Server>,
    loaded: RwLock<Loaded>,
    jetstream: RwLock<Option<Arc<dyn JetStreamMonitor>>>,
    meter: ProcessMeter,
}

/// A configuration and when it was read.
#[derive(Clone)]
struct Loaded {
    config: Arc<Config>,
    at: UnixNanos,
}

impl BrokerSource {
    /// Without JetStream yet.
    pub fn new(server: Arc<Server>, config: Arc<Config>) -> Self {
        let now = server.clock().now();
        Self {
            server,
            loaded: RwLock::new(Loaded { config, at: now }),
            jetstream: RwLock::new(None),
            meter: ProcessMeter::new(now),
        }
    }

    /// JetStream has started or, with `None`, ended.
    pub fn set_jetstream(&self, jetstream: Option<Arc<dyn JetStreamMonitor>>) {
        *self.jetstream.write() = jetstream;
    }

    /// The configuration was reloaded, or a port of it is known now.
    pub fn set_config(&self, config: Arc<Config>) {
        *self.loaded.write() = Loaded { config, at: self.server.clock().now() };
    }

    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.loaded.read().config)
    }

    fn accounts_of(&self, name: Option<&str>) -> Vec<Arc<Account>> {
        match name {
            Some(name) => self.server.accounts().get(name).into_iter().collect(),
            None => self.server.accounts().all(),
        }
    }
}

impl Source for BrokerSource {
    fn now(&self) -> UnixNanos {
        self.server.clock().now()
    }

    fn server(&self) -> ServerFacts {
        let server = &self.server;
        ServerFacts { id: server.id().to_owned(), name: server.name().to_owned(), start: server.started() }
    }

    fn listen(&self) -> Listen {
        settings::listen(&self.config(), &self.server)
    }

    fn configuration(&self) -> Configuration {
        let loaded = self.loaded.read().clone();
        settings::configuration(&loaded.config, loaded.at, self.system_account())
    }

    fn traffic(&self) -> Traffic {
        traffic(&self.server)
    }

    fn process(&self) -> ProcessUse {
        self.meter.measure(self.now())
    }

    fn connections(&self) -> Vec<Connection> {
        self.server.clients().all().iter().map(|client| connection(client.snapshot())).collect()
    }

    fn closed_connections(&self) -> Vec<Connection> {
        self.server.clients().closed().into_iter().map(closed_connection).collect()
    }

    fn subscriptions_of(&self, cid: u64) -> Vec<SubscriptionFacts> {
        let Some(client) = self.server.clients().get(cid) else { return Vec::new() };
        let info = client.info();
        let subscriptions = client.subscriber().subscriptions();
        subscriptions.iter().map(|subscription| subscription_facts(&info, subscription)).collect()
    }

    fn visit_subscriptions(&self, account: Option<&str>, visit: &mut dyn FnMut(&SubscriptionFacts)) {
        for client in self.server.clients().all() {
            if account.is_none_or(|account| *client.info().account == *account) {
                self.subscriptions_of(client.cid()).iter().for_each(&mut *visit);
            }
        }
    }

    fn subscription_stats(&self, account: Option<&str>) -> SubscriptionStats {
        let usages = self.accounts_of(account).into_iter().map(|account| account.index_usage());
        SubscriptionStats::new(usages.fold(IndexUsage::default(), IndexUsage::and))
    }

    fn accounts(&self) -> Vec<AccountFacts> {
        let running = self.jetstream();
        let with_jetstream: Vec<_> = running.iter().flat_map(|jetstream| jetstream.accounts()).collect();
        let mut accounts = accounts::facts(&self.server, &self.config());
        for account in &mut accounts {
            account.jetstream_enabled = with_jetstream.iter().any(|found| *found.name == *account.name);
        }
        accounts
    }

    fn leafs(&self) -> Vec<Leaf> {
        Vec::new()
    }

    fn system_account(&self) -> String {
        self.server.accounts().system().name().to_string()
    }

    fn not_ready(&self) -> Option<String> {
        let listening = self.server.phase() == Phase::Running;
        (!listening).then(|| "failed to be ready for connections after 1ms: server".to_owned())
    }

    fn jetstream_configured(&self) -> bool {
        self.config().jetstream.enabled
    }

    fn jetstream(&self) -> Option<Arc<dyn JetStreamMonitor>> {
        self.jetstream.read().clone()
    }
}

fn traffic(server: &Server) -> Traffic {
    use std::sync::atomic::Ordering::Relaxed;
    let (totals, counters) = (server.clients().traffic(), server.counters());
    let subscriptions =
        server.accounts().all().iter().map(|account| account.subscription_count() as u64).sum();
    Traffic {
        connections: server.clients().len() as u64,
        total_connections: counters.connections_total.load(Relaxed),
        in_msgs: totals.in_msgs,
        in_bytes: totals.in_bytes,
        in_client_msgs: totals.in_msgs,
        in_client_bytes: totals.in_bytes,
        out_msgs: totals.out_msgs,
        out_bytes: totals.out_bytes,
        out_client_msgs: totals.out_msgs,
        out_client_bytes: totals.out_bytes,
        slow_consumers: counters.slow_consumers.load(Relaxed),
        stale_connections: counters.stale_connections.load(Relaxed),
        stalled_clients: counters.stalls.load(Relaxed),
        subscriptions,
        ..Traffic::default()
    }
}

fn connection(client: ClientSnapshot) -> Connection {
    let tls = client.tls.map(|tls| TlsFacts {
        version: tls.version,
        cipher_suite: tls.cipher,
        first: false,
        peer_certificates: Arc::new([]),
    });
    Connection {
        info: client.info,
        last_activity: client.last_activity,
        closed: None,
        rtt_nanos: client.rtt_nanos,
        pending_bytes: client.pending_bytes as u64,
        in_msgs: client.traffic.in_msgs,
        out_msgs: client.traffic.out_msgs,
        in_bytes: client.traffic.in_bytes,
        out_bytes: client.traffic.out_bytes,
        stalls: client.stalls,
        subscriptions: client.subscriptions as u64,
        tls,
        mqtt_client: String::new(),
        closed_subjects: Vec::new(),
    }
}

fn closed_connection(gone: ClosedClient) -> Connection {
    Connection {
        closed: Some((gone.stop, gone.reason)),
        closed_subjects: gone.subjects.iter().map(|subject| text(subject)).collect(),
        ..connection(gone.client)
    }
}

fn subscription_facts(client: &ClientInfo, subscription: &Subscription) -> SubscriptionFacts {
    SubscriptionFacts {
        account: Arc::clone(&client.account),
        account_tag: client.account_tag().into(),
        subject: text(subscription.subject()),
        queue: text(subscription.queue().unwrap_or_default()),
        sid: text(subscription.sid()),
        msgs: subscription.delivered(),
        max: subscription.max(),
        cid: client.cid,
    }
}

/// Bytes of the protocol, which need not be UTF-8.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
