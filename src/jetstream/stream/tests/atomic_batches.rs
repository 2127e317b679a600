//! Batches that are stored all or none.

use headwater_protocol::jetstream::advisory::AbandonReason;
use headwater_protocol::jetstream::stream_config::{Discard, Republish, Retention, StreamConfig};

use super::{Rig, SECOND, config};
use crate::jetstream::stream::bounds::{BatchBounds, Bounds};
use crate::jetstream::stream::turn::{Answer, Effect};
use crate::store::MessageLog;

fn batching() -> StreamConfig {
    StreamConfig { allow_atomic: true, ..config() }
}

/// What a message of a batch is answered, in short.
#[derive(Debug, PartialEq)]
enum Told {
    Staged,
    Committed { seq: u64, count: u64 },
    Error(u16),
}

impl Rig {
    /// Publishes message `seq` of batch `id`, with more headers.
    fn batch(&mut self, subject: &str, id: &str, seq: u64, more: &[(&str, &str)]) -> Told {
        let seq = seq.to_string();
        let mut headers = vec![("Nats-Batch-Id", id), ("Nats-Batch-Sequence", &seq)];
        headers.extend_from_slice(more);
        let payload = if more.iter().any(|(name, _)| *name == "Nats-Incr") { "" } else { "x" };
        match self.publish(subject, &headers, payload) {
            Answer::Staged => Told::Staged,
            Answer::Committed(committed) => {
                assert_eq!(&*committed.id, id);
                Told::Committed { seq: committed.seq, count: committed.count }
            }
            Answer::Refused(error) => Told::Error(error.err_code),
            other => panic!("{other:?}"),
        }
    }

    fn abandoned(&mut self) -> Vec<AbandonReason> {
        let effects = std::mem::take(&mut self.effects);
        let reason = |e| if let Effect::BatchAbandoned { reason, .. } = e { Some(reason) } else { None };
        effects.into_iter().filter_map(reason).collect()
    }
}

const COMMIT: (&str, &str) = ("Nats-Batch-Commit", "1");
const END: (&str, &str) = ("Nats-Batch-Commit", "eob");

#[test]
fn nothing_is_there_before_the_commit_and_everything_after_it() {
    let mut rig = Rig::new(batching());
    assert_eq!(rig.batch("s.a", "b", 1, &[]), Told::Staged);
    rig.store("s.z", &[]);
    assert_eq!(rig.batch("s.b", "b", 2, &[]), Told::Staged);
    assert_eq!(rig.live(), [1]);
    assert_eq!(rig.batch("s.c", "b", 3, &[COMMIT]), Told::Committed { seq: 4, count: 3 });
    assert_eq!(rig.live(), [1, 2, 3, 4]);
    assert_eq!(rig.headers(2), "NATS/1.0\r\nNats-Batch-Id: b\r\nNats-Batch-Sequence: 1\r\n\r\n");
}

#[test]
fn the_outside_sees_all_of_a_batch_at_once() {
    let mut rig = Rig::new(batching());
    rig.batch("s.a", "b", 1, &[]);
    rig.batch("s.a", "b", 2, &[COMMIT]);
    assert!(matches!(rig.effects[..], [Effect::Stored { seq: 2, .. }]), "{:?}", rig.effects);
}

#[test]
fn the_end_may_be_told_by_a_message_that_is_not_stored() {
    let mut rig = Rig::new(batching());
    rig.batch("s.a", "b", 1, &[]);
    rig.batch("s.a", "b", 2, &[]);
    assert_eq!(rig.batch("s.a", "b", 3, &[END]), Told::Committed { seq: 2, count: 2 });
    assert!(rig.headers(2).contains("Nats-Batch-Commit: 1\r\n"), "{}", rig.headers(2));
    assert_eq!(rig.batch("s.a", "c", 1, &[END]), Told::Error(10176));
}

#[test]
fn a_gap_gives_the_batch_up_and_is_told() {
    let mut rig = Rig::new(batching());
    rig.batch("s.a", "b", 1, &[]);
    assert_eq!(rig.batch("s.a", "b", 3, &[]), Told::Error(10176));
    assert_eq!(rig.abandoned(), [AbandonReason::Incomplete]);
    assert_eq!(rig.batch("s.a", "b", 2, &[COMMIT]), Told::Error(10176));
    assert_eq!((rig.abandoned(), rig.live()), (vec![], vec![]));
}

#[test]
fn a_batch_is_given_up_when_nothing_comes_for_too_long() {
    let mut rig = Rig::new(batching());
    rig.batch("s.a", "b", 1, &[]);
    rig.pass(9 * SECOND);
    rig.batch("s.a", "b", 2, &[]);
    rig.pass(9 * SECOND);
    assert_eq!(rig.abandoned(), []);
    rig.pass(SECOND);
    assert_eq!(rig.abandoned(), [AbandonReason::Timeout]);
    assert_eq!(rig.batch("s.a", "b", 3, &[COMMIT]), Told::Error(10176));
}

#[test]
fn what_a_batch_says_of_itself_must_make_sense() {
    let mut rig = Rig::new(batching());
    assert_eq!(rig.refused("s.a", &[("Nats-Batch-Id", "b")]), 10175);
    assert_eq!(rig.refused("s.a", &[("Nats-Batch-Id", "b"), ("Nats-Batch-Sequence", "x")]), 10175);
    assert_eq!(rig.batch("s.a", &"i".repeat(65), 1, &[COMMIT]), Told::Error(10179));
    assert_eq!(rig.batch("s.a", "b", 1, &[("Nats-Batch-Commit", "2")]), Told::Error(10200));
    assert_eq!(rig.batch("s.a", "b", 1, &[("Nats-Required-Api-Level", "99")]), Told::Error(10185));
    assert_eq!(rig.abandoned(), [AbandonReason::Unsupported]);
    assert_eq!(rig.batch("s.a", "b", 1, &[COMMIT, ("Nats-Expected-Last-Msg-Id", "x")]), Told::Error(10177));
    assert_eq!(Rig::new(config()).batch("s.a", "b", 1, &[COMMIT]), Told::Error(10174));
}

#[test]
fn the_required_level_is_not_stored() {
    let mut rig = Rig::new(batching());
    rig.batch("s.a", "b", 1, &[COMMIT, ("Nats-Required-Api-Level", "1")]);
    assert!(!rig.headers(1).contains("Required"), "{}", rig.headers(1));
}

#[test]
fn one_message_out_of_order_and_none_is_stored() {
    let refused = [
        (("Nats-Expected-Stream", "T"), 10060),
        (("Nats-TTL", "5"), 10166),
        (("Nats-Rollup", "sub"), 10111),
        (("Nats-Incr", "1"), 10168),
        (("Nats-Expected-Last-Subject-Sequence", "4"), 10071),
        (("Nats-Stream-Source", "X 1"), 10227),
    ];
    for (header, code) in refused {
        let mut rig = Rig::new(batching());
        rig.batch("s.a", "b", 1, &[]);
        assert_eq!(rig.batch("s.b", "b", 2, &[COMMIT, header]), Told::Error(code), "{header:?}");
        assert_eq!(rig.live(), [0u64; 0]);
    }
}

#[test]
fn an_expectation_the_batch_itself_decides_is_refused() {
    let mut rig = Rig::new(batching());
    rig.store("s.z", &[]);
    rig.batch("s.a", "b", 1, &[("Nats-Expected-Last-Subject-Sequence", "0")]);
    let again = [COMMIT, ("Nats-Expected-Last-Subject-Sequence", "2")];
    assert_eq!(rig.batch("s.a", "b", 2, &again), Told::Error(10164));
    rig.batch("s.a", "c", 1, &[("Nats-Expected-Last-Sequence", "1")]);
    let second = [COMMIT, ("Nats-Expected-Last-Sequence", "2")];
    assert_eq!(rig.batch("s.b", "c", 2, &second), Told::Error(10164));
    rig.batch("s.a", "d", 1, &[("Nats-Expected-Last-Sequence", "1")]);
    assert_eq!(rig.batch("s.b", "d", 2, &[COMMIT]), Told::Committed { seq: 3, count: 2 });
}

#[test]
fn message_ids_are_remembered_and_must_be_new() {
    let mut rig = Rig::new(batching());
    rig.batch("s.a", "b", 1, &[("Nats-Msg-Id", "1")]);
    rig.batch("s.a", "b", 2, &[COMMIT, ("Nats-Msg-Id", "2")]);
    assert_eq!(rig.publish("s.a", &[("Nats-Msg-Id", "1")], ""), Answer::Duplicate { seq: 1 });
    assert_eq!(rig.batch("s.a", "c", 1, &[COMMIT, ("Nats-Msg-Id", "2")]), Told::Error(10201));
    rig.batch("s.a", "d", 1, &[("Nats-Msg-Id", "3")]);
    assert_eq!(rig.batch("s.a", "d", 2, &[COMMIT, ("Nats-Msg-Id", "3")]), Told::Error(10201));
}

#[test]
fn counters_count_on_within_a_batch() {
    let mut rig = Rig::new(StreamConfig { allow_msg_counter: true, ..batching() });
    rig.batch("s.a", "b", 1, &[("Nats-Incr", "2")]);
    rig.batch("s.b", "b", 2, &[("Nats-Incr", "7")]);
    rig.batch("s.a", "b", 3, &[COMMIT, ("Nats-Incr", "3")]);
    assert_eq!(rig.message(3).unwrap().payload(), br#"{"val":"5"}"#);
}

#[test]
fn a_rollup_removes_what_was_there_and_nothing_of_the_batch() {
    let mut rig = Rig::new(StreamConfig { allow_rollup_hdrs: true, ..batching() });
    rig.store("s.a", &[]);
    rig.store("s.b", &[]);
    rig.batch("s.a", "b", 1, &[("Nats-Rollup", "sub")]);
    rig.batch("s.a", "b", 2, &[COMMIT]);
    assert_eq!(rig.live(), [2, 3, 4]);
    rig.batch("s.c", "c", 1, &[("Nats-Rollup", "all")]);
    rig.batch("s.c", "c", 2, &[COMMIT]);
    assert_eq!(rig.live(), [5, 6]);
    rig.batch("s.c", "d", 1, &[]);
    assert_eq!(rig.batch("s.c", "d", 2, &[COMMIT, ("Nats-Rollup", "sub")]), Told::Error(10111));
}

#[test]
fn discard_new_refuses_the_batch_that_does_not_fit() {
    let mut rig = Rig::new(StreamConfig { max_msgs: 3, discard: Discard::New, ..batching() });
    rig.store("s.a", &[]);
    rig.batch("s.a", "b", 1, &[]);
    rig.batch("s.a", "b", 2, &[]);
    assert_eq!(rig.batch("s.a", "b", 3, &[COMMIT]), Told::Error(10077));
    rig.batch("s.a", "c", 1, &[]);
    assert_eq!(rig.batch("s.a", "c", 2, &[COMMIT]), Told::Committed { seq: 3, count: 2 });
}

#[test]
fn discard_old_makes_room_for_the_batch() {
    let mut rig = Rig::new(StreamConfig { max_msgs: 2, ..batching() });
    rig.store("s.z", &[]);
    rig.batch("s.a", "b", 1, &[]);
    rig.batch("s.a", "b", 2, &[]);
    rig.batch("s.a", "b", 3, &[COMMIT]);
    assert_eq!(rig.live(), [3, 4]);
}

#[test]
fn what_nobody_wants_of_a_batch_uses_sequences_up() {
    let mut rig = Rig::new(StreamConfig { retention: Retention::Interest, ..batching() });
    rig.interest = vec!["s.a"];
    rig.batch("s.a", "b", 1, &[]);
    rig.batch("s.b", "b", 2, &[]);
    rig.batch("s.a", "b", 3, &[]);
    assert_eq!(rig.batch("s.b", "b", 4, &[COMMIT]), Told::Committed { seq: 4, count: 4 });
    assert_eq!((rig.live(), rig.log.state().last_seq), (vec![1, 3], 4));
}

#[test]
fn a_batch_goes_out_again_as_its_messages_would() {
    let republish = Some(Republish { src: "s.>".into(), dest: "r.>".into(), headers_only: false });
    let mut rig = Rig::new(StreamConfig { republish, ..batching() });
    rig.batch("s.a", "b", 1, &[]);
    rig.batch("s.a", "b", 2, &[COMMIT]);
    let out = rig.republished();
    assert!(out[1].headers.ends_with(b"Nats-Last-Sequence: 1\r\n\r\n"));
}

#[test]
fn open_batches_and_what_they_hold_are_bounded() {
    let batches = BatchBounds { atomic_per_stream_max: 2, atomic_messages_max: 3, ..BatchBounds::default() };
    let mut rig = Rig::bounded(batching(), Bounds { batches, ..Bounds::default() });
    rig.batch("s.a", "a", 1, &[]);
    rig.batch("s.a", "b", 1, &[]);
    assert_eq!(rig.batch("s.a", "c", 1, &[COMMIT]), Told::Error(10210));
    rig.batch("s.a", "a", 2, &[]);
    rig.batch("s.a", "a", 3, &[]);
    assert_eq!(rig.batch("s.a", "a", 4, &[]), Told::Error(10199));
    assert_eq!(rig.abandoned(), [AbandonReason::Large]);
    assert_eq!(rig.batch("s.a", "c", 1, &[COMMIT]), Told::Committed { seq: 1, count: 1 });
    let batches = BatchBounds { staged_bytes_max: 200, ..BatchBounds::default() };
    let mut rig = Rig::bounded(batching(), Bounds { batches, ..Bounds::default() });
    rig.batch("s.a", "a", 1, &[]);
    rig.batch("s.a", "a", 2, &[]);
    assert_eq!(rig.batch("s.a", "a", 3, &[]), Told::Error(10023));
    assert_eq!(rig.batch("s.a", "b", 1, &[COMMIT]), Told::Committed { seq: 1, count: 1 });
}

#[test]
fn batches_end_when_the_stream_no_longer_takes_them() {
    let mut rig = Rig::new(batching());
    rig.batch("s.a", "b", 1, &[]);
    let now = rig.now;
    rig.machine.reconfigure(config(), &mut rig.log, now).unwrap();
    rig.machine.reconfigure(batching(), &mut rig.log, now).unwrap();
    assert_eq!(rig.batch("s.a", "b", 2, &[COMMIT]), Told::Error(10176));
}
