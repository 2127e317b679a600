//! Promises of the stream's state machine, on a log in memory and with time that moves when told to.

mod atomic_batches;
mod counters;
mod fast_batches;
mod foreign;
mod limits;
mod lives;
mod noise;
mod purges;
mod republished;
mod resources;
mod schedules;

use headwater_protocol::headers::HeaderBuilder;
use headwater_protocol::jetstream::stream_config::StreamConfig;
use headwater_protocol::subject;

use super::turn::{Answer, Audience, Effect, Outgoing, Turn};
use super::{Bounds, Ingest, StreamMachine};
use crate::clock::UnixNanos;
use crate::store::{MemoryLog, MessageLog, StoredMessage};

pub(super) const SECOND: UnixNanos = 1_000_000_000;
/// What is due is done at most this late.
pub(super) const TICK: UnixNanos = 50_000_000;
const START: UnixNanos = 1_700_000_000 * SECOND;

/// A stream with its messages, and what it has said.
pub(super) struct Rig {
    pub(super) machine: StreamMachine,
    pub(super) log: MemoryLog,
    pub(super) now: UnixNanos,
    /// Filters of consumers, for interest retention.
    pub(super) interest: Vec<&'static str>,
    pub(super) effects: Vec<Effect>,
}

/// A configuration without limits.
pub(super) fn config() -> StreamConfig {
    StreamConfig {
        name: "S".into(),
        subjects: vec!["s.>".into()],
        max_consumers: -1,
        max_msgs: -1,
        max_bytes: -1,
        max_msgs_per_subject: -1,
        max_msg_size: -1,
        duplicate_window: 120 * SECOND,
        ..StreamConfig::default()
    }
}

impl Audience for Vec<&'static str> {
    fn wants(&self, subject: &[u8]) -> bool {
        self.iter().any(|filter| subject::matches(filter.as_bytes(), subject))
    }

    fn stored(&mut self, _: &[u8], _: u64) {}

    fn removed(&mut self, _: &[u8], _: u64) {}
}

impl Rig {
    pub(super) fn new(config: StreamConfig) -> Self {
        Self::bounded(config, Bounds::default())
    }

    pub(super) fn bounded(config: StreamConfig, bounds: Bounds) -> Self {
        let machine = StreamMachine::new(config, bounds);
        Self { machine, log: MemoryLog::new(), now: START, interest: Vec::new(), effects: Vec::new() }
    }

    /// Gives an input; its effects are kept.
    pub(super) fn turn<T>(&mut self, input: impl FnOnce(&mut StreamMachine, &mut Turn<'_>) -> T) -> T {
        let effects = &mut self.effects;
        let mut turn = Turn { log: &mut self.log, now: self.now, audience: &mut self.interest, effects };
        input(&mut self.machine, &mut turn)
    }

    /// Publishes; returns what the publisher is told.
    pub(super) fn publish(&mut self, subject: &str, headers: &[(&str, &str)], payload: &str) -> Answer {
        let block = block(headers);
        let message = Ingest { subject: subject.as_bytes(), headers: &block, payload: payload.as_bytes() };
        self.turn(|machine, turn| machine.publish(turn, &message, b"inbox"));
        match self.effects.pop() {
            Some(Effect::Answer(answer)) => answer,
            other => panic!("no answer but {other:?}"),
        }
    }

    /// Publishes what must be stored; returns its sequence.
    pub(super) fn store(&mut self, subject: &str, headers: &[(&str, &str)]) -> u64 {
        match self.publish(subject, headers, "x") {
            Answer::Stored { seq } => seq,
            other => panic!("not stored but {other:?}"),
        }
    }

    /// Publishes what must be refused; returns the error's number.
    pub(super) fn refused(&mut self, subject: &str, headers: &[(&str, &str)]) -> u16 {
        match self.publish(subject, headers, "x") {
            Answer::Refused(error) => error.err_code,
            other => panic!("not refused but {other:?}"),
        }
    }

    /// Lets time pass, looking as often as the stream wants to.
    pub(super) fn pass(&mut self, time: UnixNanos) {
        let until = self.now + time;
        loop {
            let next = self.turn(|machine, turn| machine.tick(turn)).unwrap();
            if next.is_none_or(|next| next > until) {
                break;
            }
            self.now = next.unwrap_or(until).max(self.now);
        }
        self.now = until;
        self.turn(|machine, turn| machine.tick(turn)).unwrap();
    }

    /// The broker starts anew with what is stored.
    pub(super) fn restart(&mut self) {
        let config = self.machine.config().clone();
        self.machine = StreamMachine::recover(config, Bounds::default(), &self.log, self.now).unwrap();
    }

    pub(super) fn message(&self, seq: u64) -> Option<StoredMessage> {
        self.log.load(seq).unwrap()
    }

    pub(super) fn headers(&self, seq: u64) -> String {
        self.message(seq)
            .map(|message| String::from_utf8(message.headers().to_vec()).unwrap())
            .unwrap_or_default()
    }

    /// The sequences that are live.
    pub(super) fn live(&self) -> Vec<u64> {
        (1..=self.log.state().last_seq).filter(|seq| self.log.meta(*seq).is_some()).collect()
    }

    /// What went out again.
    pub(super) fn republished(&mut self) -> Vec<Outgoing> {
        let effects = std::mem::take(&mut self.effects);
        effects
            .into_iter()
            .filter_map(|e| if let Effect::Republish(out) = e { Some(*out) } else { None })
            .collect()
    }
}

pub(super) fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    if headers.is_empty() {
        return Vec::new();
    }
    let add =
        |block: HeaderBuilder, (name, value): &(&str, &str)| block.add(name.as_bytes(), value.as_bytes());
    headers.iter().fold(HeaderBuilder::new(), add).finish()
}
