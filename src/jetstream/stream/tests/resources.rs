//! What account and server have no room for.

use headwater_protocol::jetstream::stream_config::{Storage, StreamConfig};

use super::{Rig, SECOND, config};
use crate::jetstream::stream::bounds::Bounds;
use crate::jetstream::stream::room::Budget;

fn in_memory() -> StreamConfig {
    StreamConfig { storage: Storage::Memory, allow_atomic: true, allow_batched: true, ..config() }
}

/// A message `x` on `s.a` counts 20 bytes.
const MESSAGE: i64 = 20;

#[test]
fn an_account_may_store_so_much_on_all_its_streams_together() {
    let account = Budget::new(-1, 3 * MESSAGE);
    let bounds = Bounds { account, ..Bounds::default() };
    let mut rig = Rig::bounded(in_memory(), bounds.clone());
    let mut other = Rig::bounded(in_memory(), bounds);
    rig.store("s.a", &[]);
    rig.store("s.a", &[]);
    rig.pass(0);
    other.store("s.a", &[]);
    other.pass(0);
    assert_eq!(rig.refused("s.a", &[]), 10002);
    assert_eq!(other.refused("s.a", &[]), 10002);
    other.machine.leave();
    other.pass(0);
    rig.store("s.a", &[]);
    assert_eq!(rig.refused("s.a", &[]), 10002);
}

#[test]
fn a_server_beyond_its_limit_takes_nothing() {
    let server = Budget::new(-1, MESSAGE + 1);
    let mut rig = Rig::bounded(in_memory(), Bounds { server, ..Bounds::default() });
    rig.store("s.a", &[]);
    rig.store("s.a", &[]);
    assert_eq!(rig.refused("s.a", &[]), 10023);
}

#[test]
fn a_message_without_room_does_not_end_its_batch() {
    let account = Budget::new(-1, 200);
    let mut rig = Rig::bounded(in_memory(), Bounds { account, ..Bounds::default() });
    let large = "x".repeat(200);
    let batch = |seq| [("Nats-Batch-Id", "b"), ("Nats-Batch-Sequence", seq)];
    rig.publish("s.a", &batch("1"), "x");
    rig.publish("s.a", &batch("2"), &large);
    rig.publish("s.a", &[batch("2")[0], batch("2")[1], ("Nats-Batch-Commit", "1")], "x");
    assert_eq!(rig.live(), [1, 2]);
}

#[test]
fn what_was_stored_before_a_restart_counts() {
    let account = Budget::new(-1, 2 * MESSAGE);
    let bounds = Bounds { account, ..Bounds::default() };
    let mut rig = Rig::bounded(in_memory(), bounds.clone());
    rig.store("s.a", &[]);
    rig.store("s.a", &[]);
    rig.machine =
        crate::jetstream::stream::StreamMachine::recover(in_memory(), bounds, &rig.log, rig.now).unwrap();
    assert_eq!(rig.refused("s.a", &[]), 10002);
}

#[test]
fn what_has_ended_makes_room() {
    let account = Budget::new(-1, 60);
    let ttls = StreamConfig { allow_msg_ttl: true, ..in_memory() };
    let mut rig = Rig::bounded(ttls, Bounds { account, ..Bounds::default() });
    rig.store("s.a", &[("Nats-TTL", "1")]);
    assert_eq!(rig.refused("s.a", &[]), 10002);
    rig.pass(2 * SECOND);
    rig.store("s.a", &[]);
}
