//! A broker that consists of nothing but what it tells monitoring.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater::monitor::varz::{Configuration, Listen};
use headwater::monitor::{
    AccountExport, AccountFacts, AccountImport, Connection, HealthProblem, JetStreamAccount, JetStreamConfig,
    JetStreamLimits, JetStreamMonitor, JetStreamUse, Leaf, LinkTraffic, MappingDestination, ProcessUse,
    ServerFacts, Source, SubscriptionFacts, SubscriptionStats, Traffic,
};
use headwater::router::{ClientInfo, CloseReason};
use headwater_protocol::jetstream::account_info::ApiStats;
use headwater_protocol::jetstream::consumer_config::ConsumerConfig;
use headwater_protocol::jetstream::consumer_info::ConsumerInfo;
use headwater_protocol::jetstream::stream_config::StreamConfig;
use headwater_protocol::jetstream::stream_info::{StreamInfo, StreamState};
use headwater_protocol::jetstream::timestamp::Timestamp;

pub const SECOND: i64 = 1_000_000_000;
/// 2026-11-21T22:26:04Z.
pub const NOW: i64 = 1_795_299_964 * SECOND;

pub struct FakeSource {
    pub open: Vec<Connection>,
    pub closed: Vec<Connection>,
    pub subscriptions: Vec<SubscriptionFacts>,
    pub accounts: Vec<AccountFacts>,
    pub leafs: Vec<Leaf>,
    pub not_ready: Option<String>,
    pub jetstream_configured: bool,
    pub jetstream: Option<Arc<dyn JetStreamMonitor>>,
}

impl Default for FakeSource {
    fn default() -> Self {
        let jetstream = FakeJetStream { problems: Vec::new() };
        Self {
            open: vec![connection(7, "A", "a"), connection(13, "B", "b")],
            closed: vec![closed(14, "B", 3, CloseReason::ReadError), refused(15)],
            subscriptions: vec![
                subscription("A", 7, "foo.*", "", 0),
                subscription("A", 7, "q.x", "grp", 10),
                subscription("B", 13, "bar", "", 0),
            ],
            accounts: vec![account("SYS", 0), account("B", 1), account_with_everything()],
            leafs: Vec::new(),
            not_ready: None,
            jetstream_configured: true,
            jetstream: Some(Arc::new(jetstream)),
        }
    }
}

pub fn connection(cid: u64, account: &str, user: &str) -> Connection {
    let info = ClientInfo {
        cid,
        host: "127.0.0.1".into(),
        port: 4000,
        start: NOW - 90 * SECOND,
        account: account.into(),
        user: user.into(),
        name: "n1".into(),
        lang: "go".into(),
        version: "1.0".into(),
        ..ClientInfo::default()
    };
    Connection {
        info: Arc::new(info),
        last_activity: NOW - SECOND,
        closed: None,
        rtt_nanos: 377_123,
        pending_bytes: 0,
        in_msgs: cid,
        out_msgs: 100 - cid,
        in_bytes: 139,
        out_bytes: 1441,
        stalls: 0,
        subscriptions: 2,
        tls: None,
        mqtt_client: String::new(),
        closed_subjects: Vec::new(),
    }
}

pub fn closed(cid: u64, account: &str, seconds_ago: i64, reason: CloseReason) -> Connection {
    Connection {
        closed: Some((NOW - seconds_ago * SECOND, reason)),
        closed_subjects: vec!["bye".to_owned()],
        ..connection(cid, account, "b")
    }
}

/// A client that never got into an account.
fn refused(cid: u64) -> Connection {
    Connection { closed_subjects: Vec::new(), ..closed(cid, "", 1, CloseReason::AuthenticationViolation) }
}

pub fn subscription(account: &str, cid: u64, subject: &str, queue: &str, max: u64) -> SubscriptionFacts {
    SubscriptionFacts {
        account: account.into(),
        account_tag: account.into(),
        subject: subject.to_owned(),
        queue: queue.to_owned(),
        sid: "1".to_owned(),
        msgs: 2,
        max,
        cid,
    }
}

pub fn account(name: &str, client_connections: u64) -> AccountFacts {
    AccountFacts { name: name.into(), tag: name.into(), client_connections, ..AccountFacts::default() }
}

fn account_with_everything() -> AccountFacts {
    let service = AccountExport {
        subject: "svc.>".to_owned(),
        kind: "service",
        response_type: "Singleton",
        ..AccountExport::default()
    };
    let import = AccountImport {
        subject: "$SYS.REQ.ACCOUNT.A.CONNZ".to_owned(),
        account: "SYS".to_owned(),
        to: "$SYS.REQ.SERVER.PING.CONNZ".to_owned(),
        local_subject: "$SYS.REQ.SERVER.PING.CONNZ".to_owned(),
        kind: "service",
        ..AccountImport::default()
    };
    let destination = MappingDestination { subject: "m.b".to_owned(), weight: 100, cluster: String::new() };
    AccountFacts {
        jetstream_enabled: true,
        mappings: BTreeMap::from([("m.a".to_owned(), vec![destination])]),
        exports: vec![service],
        imports: vec![import],
        sent: LinkTraffic { msgs: 4, bytes: 40, ..LinkTraffic::default() },
        ..account("A", 1)
    }
}

impl Source for FakeSource {
    fn now(&self) -> i64 {
        NOW
    }

    fn server(&self) -> ServerFacts {
        ServerFacts { id: "NDVW".to_owned(), name: "probe".to_owned(), start: NOW - 63 * SECOND }
    }

    fn listen(&self) -> Listen {
        Listen {
            server_id: "NDVW".to_owned(),
            server_name: "probe".to_owned(),
            version: "2.15.1".to_owned(),
            proto: 1,
            git_commit: "b2fd3ef".to_owned(),
            auth_required: true,
            auth_timeout: 2.0,
            tls_timeout: 0.5,
            ..Listen::default()
        }
    }

    fn configuration(&self) -> Configuration {
        Configuration {
            config_load_time: NOW,
            feature_flags: BTreeMap::from([("js_api_reply_v2".to_owned(), false)]),
            system_account: "SYS".to_owned(),
            ..Configuration::default()
        }
    }

    fn traffic(&self) -> Traffic {
        Traffic { connections: 2, slow_consumers: 3, ..Traffic::default() }
    }

    fn process(&self) -> ProcessUse {
        ProcessUse { resident_bytes: 1 << 20, cpu_percent: 0.0 }
    }

    fn connections(&self) -> Vec<Connection> {
        self.open.clone()
    }

    fn closed_connections(&self) -> Vec<Connection> {
        self.closed.clone()
    }

    fn subscriptions_of(&self, cid: u64) -> Vec<SubscriptionFacts> {
        self.subscriptions.iter().filter(|found| found.cid == cid).cloned().collect()
    }

    fn visit_subscriptions(&self, account: Option<&str>, visit: &mut dyn FnMut(&SubscriptionFacts)) {
        let wanted = |found: &&SubscriptionFacts| account.is_none_or(|account| *found.account == *account);
        self.subscriptions.iter().filter(wanted).for_each(visit);
    }

    fn subscription_stats(&self, _account: Option<&str>) -> SubscriptionStats {
        SubscriptionStats { num_subscriptions: 3, cache_hit_rate: 0.5, ..SubscriptionStats::default() }
    }

    fn accounts(&self) -> Vec<AccountFacts> {
        self.accounts.clone()
    }

    fn leafs(&self) -> Vec<Leaf> {
        self.leafs.clone()
    }

    fn system_account(&self) -> String {
        "SYS".to_owned()
    }

    fn not_ready(&self) -> Option<String> {
        self.not_ready.clone()
    }

    fn jetstream_configured(&self) -> bool {
        self.jetstream_configured
    }

    fn jetstream(&self) -> Option<Arc<dyn JetStreamMonitor>> {
        self.jetstream.clone()
    }
}

/// JetStream with a stream `S1` and its consumer `D` in account `A`, and an empty account `C`.
pub struct FakeJetStream {
    pub problems: Vec<HealthProblem>,
}

impl JetStreamMonitor for FakeJetStream {
    fn config(&self) -> JetStreamConfig {
        JetStreamConfig {
            store_dir: "js/jetstream".to_owned(),
            sync_interval: 120 * SECOND,
            compress_ok: true,
            strict: true,
            ..JetStreamConfig::default()
        }
    }

    fn limits(&self) -> JetStreamLimits {
        JetStreamLimits { default_max_consumers: 1000, ..JetStreamLimits::default() }
    }

    fn usage(&self) -> JetStreamUse {
        JetStreamUse { storage: 36, accounts: 2, api: ApiStats::default(), ..JetStreamUse::default() }
    }

    fn accounts(&self) -> Vec<JetStreamAccount> {
        let unlimited = JetStreamUse { reserved_storage: u64::MAX, ..JetStreamUse::default() };
        let full = JetStreamAccount {
            name: "A".to_owned(),
            tag: "A".to_owned(),
            usage: unlimited,
            streams: 1,
            consumers: 1,
            messages: 1,
            bytes: 36,
        };
        vec![
            JetStreamAccount { name: "C".to_owned(), tag: "C".to_owned(), ..JetStreamAccount::default() },
            full,
        ]
    }

    fn streams(&self, account: &str) -> Vec<StreamInfo> {
        let config = StreamConfig {
            name: "S1".to_owned(),
            subjects: vec!["s1.>".to_owned()],
            max_msg_size: -1,
            duplicate_window: 120 * SECOND,
            metadata: BTreeMap::from([("_nats.req.level".to_owned(), "0".to_owned())]),
            ..StreamConfig::default()
        };
        let state = StreamState { messages: 1, num_subjects: 1, consumer_count: 1, ..StreamState::default() };
        let stream = StreamInfo { config, state, created: Timestamp(NOW), ..StreamInfo::default() };
        if account == "A" { vec![stream] } else { Vec::new() }
    }

    fn consumers(&self, account: &str, stream: &str) -> Vec<ConsumerInfo> {
        let config = ConsumerConfig {
            durable_name: "D".to_owned(),
            name: "D".to_owned(),
            metadata: BTreeMap::from([("_nats.req.level".to_owned(), "0".to_owned())]),
            ack_wait: 30 * SECOND,
            max_deliver: -1,
            max_waiting: 512,
            max_ack_pending: 1000,
            ..ConsumerConfig::default()
        };
        let consumer = ConsumerInfo {
            stream_name: "S1".to_owned(),
            name: "D".to_owned(),
            config: Some(config),
            ..ConsumerInfo::default()
        };
        if (account, stream) == ("A", "S1") { vec![consumer] } else { Vec::new() }
    }

    fn problems(&self) -> Vec<HealthProblem> {
        self.problems.clone()
    }
}
