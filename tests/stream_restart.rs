//! What a stream knows beyond its messages is in their headers: a power cut takes nothing of it.

mod store_support;

use std::path::Path;
use std::sync::Arc;

use headwater::jetstream::stream::{Answer, Audience, Bounds, Effect, Ingest, StreamMachine, Turn};
use headwater::store::{MessageLog, Store};
use headwater_protocol::headers::{self, HeaderBuilder};
use headwater_protocol::jetstream::stream_config::StreamConfig;
use store_support::{create, open, open_one, tiny};
use tempfile::TempDir;

const SECOND: i64 = 1_000_000_000;
const START: i64 = 1_700_000_000 * SECOND;

/// Wants every message.
struct Everybody;

impl Audience for Everybody {
    fn wants(&self, _: &[u8]) -> bool {
        true
    }

    fn stored(&mut self, _: &[u8], _: u64) {}

    fn removed(&mut self, _: &[u8], _: u64) {}
}

/// A stream on disk whose broker can lose its power.
struct Stream {
    dir: TempDir,
    store: Arc<Store>,
    machine: StreamMachine,
    log: Box<dyn MessageLog>,
    now: i64,
}

fn config() -> StreamConfig {
    StreamConfig {
        name: "S".into(),
        subjects: vec!["s.>".into(), "t.>".into()],
        max_msgs: -1,
        max_bytes: -1,
        max_msgs_per_subject: -1,
        max_msg_size: -1,
        duplicate_window: 120 * SECOND,
        allow_msg_ttl: true,
        allow_rollup_hdrs: true,
        allow_msg_schedules: true,
        allow_atomic: true,
        ..StreamConfig::default()
    }
}

impl Stream {
    fn new(config: StreamConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (store, ..) = open(dir.path(), tiny());
        let log = create(&store, "S");
        Self { dir, store, machine: StreamMachine::new(config, Bounds::default()), log, now: START }
    }

    fn publish(&mut self, subject: &str, headers: &[(&str, &str)]) -> Answer {
        let add =
            |block: HeaderBuilder, (name, value): &(&str, &str)| block.add(name.as_bytes(), value.as_bytes());
        let block = headers.iter().fold(HeaderBuilder::new(), add).finish();
        let message = Ingest { subject: subject.as_bytes(), headers: &block, payload: b"" };
        let mut effects = Vec::new();
        let mut turn =
            Turn { log: self.log.as_mut(), now: self.now, audience: &mut Everybody, effects: &mut effects };
        self.machine.publish(&mut turn, &message, b"inbox");
        match effects.pop() {
            Some(Effect::Answer(answer)) => answer,
            other => panic!("no answer but {other:?}"),
        }
    }

    fn pass(&mut self, seconds: i64) {
        self.now += seconds * SECOND;
        let mut turn = Turn {
            log: self.log.as_mut(),
            now: self.now,
            audience: &mut Everybody,
            effects: &mut Vec::new(),
        };
        self.machine.tick(&mut turn).unwrap();
    }

    /// The power goes after everything acknowledged was synced, and comes back after so many seconds.
    fn power_cut(self, seconds: i64) -> Self {
        self.store.flush().unwrap();
        let config = self.machine.config().clone();
        drop((self.log, self.store));
        let (store, found) = open_one(path(&self.dir), tiny());
        let now = self.now + seconds * SECOND;
        let machine = StreamMachine::recover(config, Bounds::default(), found.log.as_ref(), now).unwrap();
        Self { dir: self.dir, store, machine, log: found.log, now }
    }

    fn live(&self) -> Vec<u64> {
        (1..=self.log.state().last_seq).filter(|seq| self.log.meta(*seq).is_some()).collect()
    }
}

fn path(dir: &TempDir) -> &Path {
    dir.path()
}

#[test]
fn lives_end_when_they_would_have() {
    let mut stream = Stream::new(config());
    stream.publish("s.a", &[("Nats-TTL", "10")]);
    stream.publish("s.b", &[("Nats-TTL", "100")]);
    stream.publish("s.c", &[]);
    let mut stream = stream.power_cut(20);
    assert_eq!(stream.live(), [1, 2, 3]);
    stream.pass(0);
    assert_eq!(stream.live(), [2, 3]);
    stream.pass(81);
    assert_eq!(stream.live(), [3]);
}

#[test]
fn schedules_go_on_in_step() {
    let mut stream = Stream::new(config());
    stream.publish("s.every", &[("Nats-Schedule", "@every 60s"), ("Nats-Schedule-Target", "t.out")]);
    stream.pass(60);
    assert_eq!(stream.live(), [1, 2]);
    let mut stream = stream.power_cut(30);
    stream.pass(29);
    assert_eq!(stream.live(), [1, 2]);
    stream.pass(1);
    assert_eq!(stream.live(), [1, 2, 3]);
    let next = stream.log.load(3).unwrap().unwrap();
    assert_eq!(headers::get(next.headers(), b"Nats-Schedule-Next"), Some(&b"2023-11-14T22:16:20Z"[..]));
}

#[test]
fn counters_count_on() {
    let counting = StreamConfig {
        allow_msg_counter: true,
        allow_msg_ttl: false,
        allow_msg_schedules: false,
        ..config()
    };
    let mut stream = Stream::new(counting);
    stream.publish("s.a", &[("Nats-Incr", "99999999999999999999")]);
    let mut stream = stream.power_cut(0);
    let total = "100000000000000000000".into();
    assert_eq!(stream.publish("s.a", &[("Nats-Incr", "1")]), Answer::Counted { seq: 2, total });
}

#[test]
fn message_ids_are_known_within_their_window() {
    let mut stream = Stream::new(config());
    stream.publish("s.a", &[("Nats-Msg-Id", "1")]);
    let mut stream = stream.power_cut(119);
    assert_eq!(stream.publish("s.a", &[("Nats-Msg-Id", "1")]), Answer::Duplicate { seq: 1 });
    let mut stream = stream.power_cut(1);
    assert_eq!(stream.publish("s.a", &[("Nats-Msg-Id", "1")]), Answer::Stored { seq: 2 });
}

#[test]
fn of_a_batch_that_was_not_committed_nothing_is_left() {
    let of_batch = |seq| [("Nats-Batch-Id", "b"), ("Nats-Batch-Sequence", seq)];
    let mut stream = Stream::new(config());
    stream.publish("s.a", &of_batch("1"));
    stream.publish("s.a", &of_batch("2"));
    let mut stream = stream.power_cut(0);
    let [id, seq] = of_batch("3");
    assert!(matches!(stream.publish("s.a", &[id, seq, ("Nats-Batch-Commit", "1")]), Answer::Refused(_)));
    assert_eq!(stream.log.state().last_seq, 0);
}
