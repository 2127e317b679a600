//! Batches that are stored as they come.

use headwater_protocol::jetstream::stream_config::StreamConfig;

use super::{Rig, SECOND, block, config};
use crate::jetstream::stream::Ingest;
use crate::jetstream::stream::bounds::{BatchBounds, Bounds};
use crate::jetstream::stream::turn::{Answer, Effect};
use crate::store::MessageLog;

fn batching() -> StreamConfig {
    StreamConfig { allow_batched: true, ..config() }
}

/// What a publisher is told, in short.
#[derive(Debug, PartialEq)]
enum Told {
    Ack { seq: u64, msgs: u16 },
    Gap { expected: u64, seq: u64 },
    Refused { seq: u64, code: u16 },
    Done { seq: u64, count: u64 },
    Known { seq: u64, count: u64 },
    Error(u16),
}
use Told::{Ack, Done, Error, Gap, Known, Refused};

const START: u8 = 0;
const APPEND: u8 = 1;
const COMMIT: u8 = 2;
const END: u8 = 3;
const PING: u8 = 4;

impl Rig {
    fn fast_with(&mut self, reply: &str, headers: &[(&str, &str)]) -> Vec<Told> {
        let block = block(headers);
        let message = Ingest { subject: b"s.a", headers: &block, payload: b"x" };
        self.turn(|machine, turn| machine.publish(turn, &message, reply.as_bytes()));
        let effects = std::mem::take(&mut self.effects);
        let answers =
            effects.into_iter().filter_map(|e| if let Effect::Answer(told) = e { Some(told) } else { None });
        answers.map(shorten).collect()
    }

    /// Message `seq` of batch `b`, which wants to hear at least every other message.
    fn fast(&mut self, seq: u64, operation: u8) -> Vec<Told> {
        self.fast_with(&format!("inbox.b.2.fail.{seq}.{operation}.$FI"), &[])
    }

    /// The same for a batch that does not mind gaps.
    fn loose(&mut self, seq: u64, operation: u8, headers: &[(&str, &str)]) -> Vec<Told> {
        self.fast_with(&format!("inbox.b.2.ok.{seq}.{operation}.$FI"), headers)
    }
}

fn shorten(answer: Answer) -> Told {
    match answer {
        Answer::FlowAck { seq, msgs } => Ack { seq, msgs },
        Answer::FlowGap { expected, seq } => Gap { expected, seq },
        Answer::FlowError { seq, error } => Refused { seq, code: error.err_code },
        Answer::Committed(done) if done.duplicate => Known { seq: done.seq, count: done.count },
        Answer::Committed(done) => Done { seq: done.seq, count: done.count },
        Answer::Refused(error) => Error(error.err_code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn messages_are_stored_as_they_come_and_acknowledged_now_and_then() {
    let mut rig = Rig::new(batching());
    assert_eq!(rig.fast(1, START), [Ack { seq: 0, msgs: 2 }]);
    assert_eq!(rig.live(), [1]);
    assert_eq!(rig.fast(2, APPEND), [Ack { seq: 2, msgs: 2 }]);
    assert_eq!(rig.fast(3, APPEND), []);
    assert_eq!(rig.fast(4, COMMIT), [Done { seq: 4, count: 4 }]);
    assert_eq!(rig.headers(4), "");
    assert_eq!(rig.fast(5, APPEND), [Error(10208)]);
}

#[test]
fn the_end_may_be_told_by_a_message_that_is_not_stored() {
    let mut rig = Rig::new(batching());
    rig.fast(1, START);
    assert_eq!(rig.fast(2, END), [Done { seq: 1, count: 1 }]);
    assert_eq!(rig.live(), [1]);
}

#[test]
fn a_gap_ends_a_batch_that_minds() {
    let mut rig = Rig::new(batching());
    rig.fast(1, START);
    assert_eq!(rig.fast(3, APPEND), [Gap { expected: 2, seq: 3 }, Done { seq: 1, count: 1 }]);
    assert_eq!(rig.fast(4, COMMIT), [Error(10208)]);
    assert_eq!(rig.live(), [1]);
}

#[test]
fn a_batch_that_does_not_mind_goes_on_after_a_gap() {
    let mut rig = Rig::new(batching());
    rig.loose(1, START, &[]);
    assert_eq!(rig.loose(3, APPEND, &[]), [Gap { expected: 2, seq: 3 }, Ack { seq: 2, msgs: 2 }]);
    assert_eq!(rig.loose(4, COMMIT, &[]), [Done { seq: 3, count: 4 }]);
}

#[test]
fn a_message_that_comes_again_ends_the_batch() {
    let mut rig = Rig::new(batching());
    rig.loose(1, START, &[]);
    rig.loose(2, APPEND, &[]);
    assert_eq!(rig.loose(2, APPEND, &[]), [Gap { expected: 3, seq: 2 }, Done { seq: 2, count: 2 }]);
}

#[test]
fn a_ping_tells_how_far_the_batch_has_come() {
    let mut rig = Rig::new(batching());
    rig.fast(1, START);
    assert_eq!(rig.fast(1, PING), [Ack { seq: 0, msgs: 2 }]);
    rig.fast(2, APPEND);
    assert_eq!(rig.fast(2, PING), [Ack { seq: 2, msgs: 2 }]);
    assert_eq!(rig.fast(4, PING), [Gap { expected: 3, seq: 5 }, Done { seq: 2, count: 2 }]);
    rig.loose(1, START, &[]);
    assert_eq!(rig.loose(4, PING, &[]), [Gap { expected: 2, seq: 5 }, Ack { seq: 4, msgs: 2 }]);
    assert_eq!(rig.loose(5, COMMIT, &[]), [Done { seq: 4, count: 5 }]);
}

#[test]
fn a_refused_message_ends_a_batch_that_minds() {
    let wrong = [("Nats-Expected-Last-Sequence", "9")];
    let mut rig = Rig::new(batching());
    rig.fast(1, START);
    let told = rig.fast_with("inbox.b.2.fail.2.1.$FI", &wrong);
    assert_eq!(told, [Refused { seq: 2, code: 10071 }, Done { seq: 1, count: 1 }]);
    let told = rig.fast_with("inbox.b.2.fail.1.0.$FI", &wrong);
    assert_eq!(told, [Ack { seq: 0, msgs: 2 }, Error(10071)]);
    assert_eq!(rig.fast(2, APPEND), [Error(10208)]);
}

#[test]
fn a_batch_that_does_not_mind_goes_on_after_a_refusal() {
    let wrong = [("Nats-Expected-Last-Sequence", "9")];
    let mut rig = Rig::new(batching());
    rig.loose(1, START, &[]);
    assert_eq!(rig.loose(2, APPEND, &wrong), [Refused { seq: 2, code: 10071 }]);
    assert_eq!(rig.loose(3, APPEND, &[]), [Ack { seq: 2, msgs: 2 }]);
    assert_eq!(rig.loose(4, COMMIT, &wrong), [Refused { seq: 4, code: 10071 }, Done { seq: 2, count: 3 }]);
}

#[test]
fn what_is_known_is_passed_over() {
    let id = [("Nats-Msg-Id", "1")];
    let mut rig = Rig::new(batching());
    rig.fast_with("inbox.b.2.fail.1.0.$FI", &id);
    assert_eq!(rig.fast_with("inbox.b.2.fail.2.1.$FI", &id), [Ack { seq: 2, msgs: 2 }]);
    assert_eq!(rig.fast_with("inbox.b.2.fail.3.2.$FI", &id), [Done { seq: 1, count: 3 }]);
    assert_eq!(rig.fast_with("inbox.c.2.fail.1.2.$FI", &id), [Known { seq: 1, count: 1 }]);
    assert_eq!(rig.live(), [1]);
}

#[test]
fn beside_others_a_publisher_starts_slowly_and_gets_its_share() {
    let mut rig = Rig::new(batching());
    assert_eq!(rig.fast_with("inbox.a.1000.ok.1.0.$FI", &[]), [Ack { seq: 0, msgs: 500 }]);
    assert_eq!(
        rig.fast_with("inbox.b.1000.ok.1.0.$FI", &[]),
        [Ack { seq: 0, msgs: 1 }, Ack { seq: 1, msgs: 2 }]
    );
    for seq in 2..500 {
        assert_eq!(rig.fast_with(&format!("inbox.a.1000.ok.{seq}.1.$FI"), &[]), []);
    }
    assert_eq!(rig.fast_with("inbox.a.1000.ok.500.1.$FI", &[]), [Ack { seq: 500, msgs: 250 }]);
}

#[test]
fn what_a_message_says_of_its_batch_must_make_sense() {
    let mut rig = Rig::new(batching());
    assert_eq!(rig.fast_with("b.2.fail.1.0.$FI", &[]), [Error(10206)]);
    assert_eq!(rig.fast_with(&format!("inbox.{}.2.fail.1.0.$FI", "i".repeat(65)), &[]), [Error(10207)]);
    assert_eq!(rig.fast(5, APPEND), [Error(10208)]);
    assert_eq!(rig.fast_with("inbox.b.2.fail.1.2.$FI", &[("Nats-Required-Api-Level", "99")]), [Error(10185)]);
    assert_eq!(Rig::new(config()).fast(1, START), [Error(10205)]);
}

#[test]
fn open_batches_are_bounded_and_end_when_nothing_comes() {
    let batches = BatchBounds { fast_per_stream_max: 1, ..BatchBounds::default() };
    let mut rig = Rig::bounded(batching(), Bounds { batches, ..Bounds::default() });
    rig.fast(1, START);
    assert_eq!(rig.fast_with("inbox.c.2.fail.1.0.$FI", &[]), [Error(10211)]);
    rig.pass(9 * SECOND);
    rig.fast(2, APPEND);
    rig.pass(10 * SECOND);
    assert_eq!(rig.fast(3, APPEND), [Error(10208)]);
    assert_eq!(rig.fast_with("inbox.c.2.fail.1.2.$FI", &[]), [Done { seq: 3, count: 1 }]);
    assert_eq!(rig.log.state().last_seq, 3);
}
