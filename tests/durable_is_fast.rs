//! Durable is fast: on a card, publishes that are in flight together share its syncs, through the whole broker.

mod kit;
mod store_support;

use std::sync::Arc;
use std::time::Duration;

use headwater::server::Options;
use kit::jetstream::{Client, claim_on};
use kit::{Broker, MODERN};
use store_support::slow::Card;
use store_support::wrapped::WrappedDisk;

const PAYLOAD: usize = 256;

/// What cheap cards take to make something durable.
const SYNC_TAKES: Duration = Duration::from_millis(10);

/// What the journal did for 1,024 publishes of 256 bytes, sent in four bursts, each after the acks of the one before.
struct Cost {
    syncs: u64,
    bytes: u64,
}

fn four_bursts(jetstream: &str) -> Cost {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(Options::default());
    let card = Arc::new(Card { sync_takes: SYNC_TAKES });
    let jetstream = claim_on(&broker, dir.path(), jetstream, |dir| Arc::new(WrappedDisk::new(dir, &card)));
    jetstream.recover().unwrap();
    let mut client = Client::over(broker.client(MODERN));
    client.api("STREAM.CREATE.S", r#"{"name":"S","subjects":["s"],"storage":"file"}"#);
    let before = jetstream.env().store.stats();
    let publish = format!("PUB s inbox.ack {PAYLOAD}\r\n{}\r\n", "x".repeat(PAYLOAD));
    for burst in 0..4 {
        client.peer.send(&publish.repeat(256));
        for nth in 1..=256 {
            assert_eq!(client.answer(), format!("{{\"stream\":\"S\",\"seq\":{}}}", burst * 256 + nth));
        }
    }
    let after = jetstream.env().store.stats();
    Cost { syncs: after.syncs - before.syncs, bytes: after.bytes_written - before.bytes_written }
}

#[test]
fn a_thousand_publishes_in_four_bursts_cost_at_most_sixteen_syncs_and_400_bytes_each() {
    let cost = four_bursts("");
    assert!(cost.syncs <= 16, "{} syncs", cost.syncs);
    assert!(cost.bytes <= 1024 * 400, "{} bytes per message", cost.bytes / 1024);
}

#[test]
fn with_a_commit_window_of_20_ms_they_cost_at_most_five() {
    let cost = four_bursts("commit_window: 20ms");
    assert!(cost.syncs <= 5, "{} syncs", cost.syncs);
}
