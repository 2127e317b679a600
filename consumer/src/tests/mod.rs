//! Dialogues with a consumer. Time stands still unless it is told to move.

mod acks;
mod control;
mod log_twin;
mod model;
mod persistence;
mod priority;
mod pull;
mod push;
mod redelivery;
mod start;

use std::collections::HashSet;

use bytes::Bytes;
use headwater_protocol::jetstream::ack_token;
use headwater_protocol::jetstream::consumer_config::ConsumerConfig;
use headwater_protocol::jetstream::consumer_info::ConsumerInfo;
use headwater_protocol::jetstream::from_json::decode;
use headwater_protocol::jetstream::stream_config::{Retention, StreamConfig};
use headwater_store::{MessageLog, UnixNanos};

use super::config::{Decision, Situation, decide};
use super::{Advisory, Budget, ConsumerMachine, Delivery, Effect, Identity, Progress, StreamTraits, Turn};
use log_twin::LogTwin;

pub const MS: i64 = 1_000_000;
pub const SEC: i64 = 1_000 * MS;
/// When every scene begins.
pub const BEGIN: UnixNanos = 1_700_000_000 * SEC;

/// A stream, its consumer, and everything the consumer has said since it was last asked.
pub struct Scene {
    pub log: LogTwin,
    pub consumer: ConsumerMachine,
    pub now: UnixNanos,
    /// What is visible; `None` all.
    pub visible: Option<u64>,
    /// Reply subjects nobody listens on.
    pub deaf: HashSet<Vec<u8>>,
    pub said: Vec<Effect>,
    pub stream: StreamConfig,
}

impl Scene {
    /// A consumer created on a stream that holds one message for each of `subjects`.
    pub fn new(subjects: &[&str], config: &str) -> Self {
        Self::on_stream(r#"{"name":"S","subjects":["s.>"],"num_replicas":1}"#, subjects, config)
    }

    pub fn on_stream(stream: &str, subjects: &[&str], config: &str) -> Self {
        let stream: StreamConfig = decode(stream.as_bytes(), false).unwrap();
        let mut log = LogTwin::default();
        for subject in subjects {
            log.store(subject, "m", BEGIN);
        }
        let config = complete(&stream, config);
        let traits = StreamTraits::of(&stream, 1 << 20);
        let consumer = ConsumerMachine::new(identity(), config, traits, &log, BEGIN).unwrap();
        Self { log, consumer, now: BEGIN, visible: None, deaf: HashSet::new(), said: Vec::new(), stream }
    }

    pub fn store(&mut self, subject: &str) -> u64 {
        let seq = self.log.store(subject, "m", self.now);
        self.advance();
        seq
    }

    pub fn wait(&mut self, nanos: i64) {
        let until = self.now + nanos;
        while let Some(at) = self.consumer.next_deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.tick();
        }
        self.now = until;
        self.tick();
    }

    pub fn tick(&mut self) {
        self.turn(|consumer, turn| consumer.tick(turn));
        self.advance();
    }

    pub fn advance(&mut self) {
        let progress =
            self.turn(|consumer, turn| consumer.advance(turn, &mut Budget::messages(1_000_000)).unwrap());
        assert_eq!(progress, Progress::Done);
    }

    pub fn turn<T>(&mut self, step: impl FnOnce(&mut ConsumerMachine, &mut Turn<'_>) -> T) -> T {
        let deaf = &self.deaf;
        let interest = |subject: &[u8]| !deaf.contains(subject);
        let mut turn = Turn {
            log: &self.log,
            visible_last_seq: self.visible.unwrap_or(self.log.state().last_seq),
            now: self.now,
            interest: &interest,
            effects: &mut self.said,
        };
        step(&mut self.consumer, &mut turn)
    }

    /// Sends a pull request and lets the consumer act.
    pub fn pull(&mut self, reply: &'static str, body: &str) -> Vec<String> {
        self.turn(|consumer, turn| {
            consumer.pull(turn, body.as_bytes(), Bytes::from_static(reply.as_bytes()), false).unwrap()
        });
        self.advance();
        self.lines()
    }

    /// Sends an acknowledgement for the delivery of `seq` as `consumer_seq` and lets the consumer act.
    pub fn ack(&mut self, seq: u64, consumer_seq: u64, body: &str) -> Vec<String> {
        self.ack_replying(seq, consumer_seq, body, None)
    }

    pub fn ack_replying(
        &mut self,
        seq: u64,
        consumer_seq: u64,
        body: &str,
        reply: Option<&'static str>,
    ) -> Vec<String> {
        let delivery =
            ack_token::Delivery { delivered: 1, stream_seq: seq, consumer_seq, timestamp: BEGIN, pending: 0 };
        let reply = reply.map(|reply| Bytes::from_static(reply.as_bytes()));
        self.turn(|consumer, turn| consumer.ack(turn, delivery, body.as_bytes(), reply).unwrap());
        self.advance();
        self.lines()
    }

    pub fn listen(&mut self, active: bool) -> Vec<String> {
        self.consumer.set_push_interest(active, self.now);
        self.advance();
        self.lines()
    }

    pub fn info(&mut self) -> ConsumerInfo {
        self.turn(|consumer, turn| consumer.info(turn).unwrap())
    }

    /// `delivered ack_floor ack_pending redelivered pending`, positions as consumer/stream sequence.
    pub fn position(&mut self) -> String {
        let info = self.info();
        format!(
            "delivered {}/{} floor {}/{} unacked {} redelivered {} pending {}",
            info.delivered.consumer_seq,
            info.delivered.stream_seq,
            info.ack_floor.consumer_seq,
            info.ack_floor.stream_seq,
            info.num_ack_pending,
            info.num_redelivered,
            info.num_pending
        )
    }

    /// What has been said since the last time, one line each.
    pub fn lines(&mut self) -> Vec<String> {
        self.said.drain(..).map(|effect| line(&effect)).collect()
    }

    /// Puts the consumer through a restart.
    pub fn restart(&mut self, snapshot: &[u8], deltas: &[Vec<u8>]) {
        let config = self.consumer.config().clone();
        let traits = StreamTraits::of(&self.stream, 1 << 20);
        let deltas = deltas.iter().map(Vec::as_slice);
        self.consumer =
            ConsumerMachine::restore(identity(), config, traits, snapshot, deltas, &self.log, self.now)
                .unwrap();
    }
}

pub fn identity() -> Identity {
    Identity { name: "C".into(), created: BEGIN, seed: 7 }
}

pub fn complete(stream: &StreamConfig, config: &str) -> ConsumerConfig {
    let mut config: ConsumerConfig = decode(config.as_bytes(), true).unwrap();
    config.name = "C".into();
    let situation = Situation::of_first(stream);
    match decide(config, Default::default(), false, &situation).unwrap() {
        Decision::Create(config) => config,
        Decision::Update(_) => panic!("there is nothing to update"),
    }
}

/// `<to> <seq> #<consumer seq> x<deliveries> +<pending>` for a delivery, the header lines for a status.
pub fn line(effect: &Effect) -> String {
    match effect {
        Effect::Deliver(Delivery { seq, to, deliveries, consumer_seq, pending, pin_id, headers_only }) => {
            let pin = if pin_id.is_some() { " pinned" } else { "" };
            let bare = if *headers_only { " headers" } else { "" };
            format!("{} {seq} #{consumer_seq} x{deliveries} +{pending}{pin}{bare}", text(to))
        }
        Effect::Status { to, headers, reply } => {
            let headers = text(headers);
            let headers = headers.strip_prefix("NATS/1.0 ").unwrap().trim_end().replace("\r\n", " | ");
            let reply = reply.as_ref().map_or(String::new(), |reply| format!(" @{}", text(reply)));
            format!("{} {headers}{reply}", text(to))
        }
        Effect::AckReply { to } => format!("confirm {}", text(to)),
        Effect::Acked { seq } => format!("acked {seq}"),
        Effect::AckedThrough { from, to } => format!("acked {from}..={to}"),
        Effect::Advisory(advisory) => advisory_line(advisory),
        Effect::Gone => "gone".into(),
    }
}

fn advisory_line(advisory: &Advisory) -> String {
    match advisory {
        Advisory::MaxDeliveries { stream_seq, deliveries } => {
            format!("! max deliveries {stream_seq} x{deliveries}")
        }
        Advisory::Naked { stream_seq, consumer_seq, deliveries } => {
            format!("! nak {stream_seq} #{consumer_seq} x{deliveries}")
        }
        Advisory::Terminated { stream_seq, consumer_seq, deliveries, reason } => {
            format!("! term {stream_seq} #{consumer_seq} x{deliveries} {reason}")
        }
        Advisory::AckSample { stream_seq, ack_time_nanos, .. } => {
            format!("! sample {stream_seq} {ack_time_nanos}ns")
        }
        Advisory::Pause { paused, until } => format!("! paused {paused} {}", until.is_some()),
        Advisory::Pinned { group, .. } => format!("! pinned {group}"),
        Advisory::Unpinned { group, reason } => format!("! unpinned {group} {reason}"),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn work_queue() -> &'static str {
    let stream = r#"{"name":"S","subjects":["s.>"],"num_replicas":1,"retention":"workqueue"}"#;
    assert_eq!(decode::<StreamConfig>(stream.as_bytes(), true).unwrap().retention, Retention::WorkQueue);
    stream
}
