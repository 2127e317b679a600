//! `STATSZ`: the server's own summary of itself.

use headwater_protocol::jetstream::timestamp::Timestamp;
use serde::Serialize;

use crate::monitor::{JetStreamConfig, JetStreamLimits, JetStreamUse, Source};

/// The summary, as nats-server writes it.
#[derive(Debug, Serialize)]
pub(super) struct Statsz {
    start: Timestamp,
    mem: u64,
    cores: usize,
    cpu: f64,
    connections: u64,
    total_connections: u64,
    active_accounts: usize,
    subscriptions: u64,
    sent: Volume,
    sent_to_clients: Volume,
    received: Volume,
    received_from_clients: Volume,
    slow_consumers: u64,
    active_servers: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    jetstream: Option<JetStreamStats>,
    gomaxprocs: usize,
}

#[derive(Debug, Serialize)]
struct Volume {
    msgs: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct JetStreamStats {
    config: JetStreamConfig,
    stats: JetStreamUse,
    limits: JetStreamLimits,
}

/// What `source` says now.
pub(super) fn statsz(source: &dyn Source) -> Statsz {
    let (process, traffic) = (source.process(), source.traffic());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let active = source.accounts().iter().filter(|account| account.client_connections > 0).count();
    Statsz {
        start: Timestamp(source.server().start),
        mem: process.resident_bytes,
        cores,
        cpu: process.cpu_percent,
        connections: traffic.connections,
        total_connections: traffic.total_connections,
        active_accounts: active,
        subscriptions: traffic.subscriptions,
        sent: Volume { msgs: traffic.out_msgs, bytes: traffic.out_bytes },
        sent_to_clients: Volume { msgs: traffic.out_client_msgs, bytes: traffic.out_client_bytes },
        received: Volume { msgs: traffic.in_msgs, bytes: traffic.in_bytes },
        received_from_clients: Volume { msgs: traffic.in_client_msgs, bytes: traffic.in_client_bytes },
        slow_consumers: traffic.slow_consumers,
        active_servers: 1,
        jetstream: source.jetstream().map(|jetstream| JetStreamStats {
            config: JetStreamConfig { store_dir: String::new(), ..jetstream.config() },
            stats: jetstream.usage(),
            limits: jetstream.limits(),
        }),
        gomaxprocs: cores,
    }
}
