//! A durable consumer with explicit acknowledgements.

use bytes::Bytes;
use headwater::jetstream::consumer::config::{Decision, Situation, decide};
use headwater::jetstream::consumer::{Budget, ConsumerMachine, Effect, Identity, StreamTraits, Turn};
use headwater::store::{MemoryLog, MessageLog, NewMessage};
use headwater_protocol::jetstream::ack_token::Delivery;
use headwater_protocol::jetstream::consumer_config::ConsumerConfig;
use headwater_protocol::jetstream::from_json::decode;
use headwater_protocol::jetstream::stream_config::StreamConfig;

use super::{Operation, Work};

const BATCH: u64 = 256;
const NOW: i64 = 1_700_000_000_000_000_000;

pub fn operations() -> Vec<Operation> {
    vec![
        Operation { name: "consumer delivery", items: BATCH, make: || Box::new(Deliver(Subscribed::new())) },
        Operation { name: "consumer ack", items: BATCH, make: || Box::new(Acknowledge(Subscribed::new())) },
    ]
}

/// A stream in memory and its consumer.
struct Subscribed {
    log: MemoryLog,
    consumer: ConsumerMachine,
    effects: Vec<Effect>,
}

impl Subscribed {
    fn new() -> Self {
        let stream: StreamConfig =
            decode(br#"{"name":"S","subjects":["s.>"],"num_replicas":1}"#, false).unwrap();
        let log = MemoryLog::new();
        let identity = Identity { name: "C".into(), created: NOW, seed: 7 };
        let traits = StreamTraits::of(&stream, 1 << 20);
        let consumer = ConsumerMachine::new(identity, consumer_config(&stream), traits, &log, NOW).unwrap();
        Self { log, consumer, effects: Vec::new() }
    }

    fn turn(&mut self, step: impl FnOnce(&mut ConsumerMachine, &mut Turn<'_>)) {
        let mut turn = Turn {
            log: &self.log,
            visible_last_seq: self.log.state().last_seq,
            now: NOW,
            interest: &|_| true,
            effects: &mut self.effects,
        };
        step(&mut self.consumer, &mut turn);
    }

    /// Replaces the stream's messages by a batch of new ones and asks for them.
    fn store_and_pull(&mut self) {
        let first = self.log.state().last_seq + 1;
        self.log.purge_below(first).unwrap();
        for seq in first..first + BATCH {
            let message = NewMessage { seq, ts: NOW, subject: b"s.a", headers: b"", payload: b"7" };
            self.log.append(&message).unwrap();
        }
        self.turn(|consumer, turn| {
            let reply = Bytes::from_static(b"_INBOX.a");
            consumer.pull(turn, br#"{"batch":256}"#, reply, false).unwrap();
        });
    }

    fn deliver(&mut self) {
        self.turn(|consumer, turn| {
            consumer.advance(turn, &mut Budget::messages(BATCH as usize)).unwrap();
        });
        assert_eq!(self.effects.len(), BATCH as usize);
    }

    /// Acknowledges the whole batch, one by one, and takes what there is to be stored of that.
    fn acknowledge(&mut self) {
        let last = self.log.state().last_seq;
        for seq in last - BATCH + 1..=last {
            let delivery =
                Delivery { delivered: 1, stream_seq: seq, consumer_seq: seq, timestamp: NOW, pending: 0 };
            self.turn(|consumer, turn| consumer.ack(turn, delivery, b"+ACK", None).unwrap());
        }
        assert!(self.consumer.take_delta().is_some());
    }
}

fn consumer_config(stream: &StreamConfig) -> ConsumerConfig {
    let config = br#"{"durable_name":"C","ack_policy":"explicit"}"#;
    let mut config: ConsumerConfig = decode(config, true).unwrap();
    config.name = "C".into();
    let situation = Situation::of_first(stream);
    match decide(config, Default::default(), false, &situation).unwrap() {
        Decision::Create(config) => config,
        Decision::Update(_) => panic!("there is nothing to update"),
    }
}

struct Deliver(Subscribed);

impl Work for Deliver {
    fn prepare(&mut self) {
        if !self.0.effects.is_empty() {
            self.0.effects.clear();
            self.0.acknowledge();
        }
        self.0.store_and_pull();
    }

    fn run(&mut self) {
        self.0.deliver();
    }
}

struct Acknowledge(Subscribed);

impl Work for Acknowledge {
    fn prepare(&mut self) {
        self.0.effects.clear();
        self.0.store_and_pull();
        self.0.deliver();
    }

    fn run(&mut self) {
        self.0.acknowledge();
    }
}
