//! Promises of a link and of the positions it leaves behind, with an origin that is played.

mod following;
mod positions;
mod requests;
mod setbacks;

use headwater_protocol::headers::{self, HeaderBuilder, names};
use headwater_protocol::jetstream::consumer_config::{AckPolicy, ConsumerConfig};
use headwater_protocol::jetstream::consumer_info::{ConsumerInfo, SequenceInfo};
use headwater_protocol::jetstream::error::ErrorCode;
use headwater_protocol::jetstream::from_json::decode;
use headwater_protocol::jetstream::request::CreateConsumerRequest;
use headwater_protocol::jetstream::response::encode_refusal;
use headwater_protocol::jetstream::response_type::ResponseType;
use headwater_protocol::jetstream::stream_source::StreamSource;

use super::request::Request;
use super::{Around, Command, Destination, Link, Origin, Receipt};
use crate::clock::UnixNanos;
use crate::router::Message;
use crate::store::LogState;

pub(super) const SECOND: UnixNanos = 1_000_000_000;
pub(super) const START: UnixNanos = 1_700_000_000 * SECOND;
/// Longer than what is added to every wait.
pub(super) const MOMENT: UnixNanos = SECOND / 5;

pub(super) const HERE: Destination<'static> = Destination { stream: "D", account: "$G", domain: "" };

/// A link with its origin's server and its stream played.
pub(super) struct Rig {
    pub(super) link: Link,
    pub(super) now: UnixNanos,
    pub(super) log: LogState,
    pub(super) commands: Vec<Command>,
}

pub(super) fn origin_named(name: &str) -> StreamSource {
    StreamSource { name: name.into(), ..StreamSource::default() }
}

impl Rig {
    pub(super) fn mirror(source: StreamSource) -> Self {
        Self::new(Origin::of_mirror(source, HERE), 0, "")
    }

    pub(super) fn source(source: StreamSource) -> Self {
        Self::source_at(source, 0, "")
    }

    /// A source that has come to `seq` of a stream that was `identity`.
    pub(super) fn source_at(source: StreamSource, seq: u64, identity: &str) -> Self {
        let all = [source.clone()];
        Self::new(Origin::of_source(source, HERE, &all), seq, identity)
    }

    fn new(origin: Origin, seq: u64, identity: &str) -> Self {
        let mut link = Link::new(origin, seq, identity.into());
        link.start(START);
        Self { link, now: START, log: LogState::default(), commands: Vec::new() }
    }

    pub(super) fn with_unknown_past(self) -> Self {
        Self { link: self.link.with_unknown_past(), ..self }
    }

    /// Lets time pass; returns what the link wants done.
    pub(super) fn pass(&mut self, time: UnixNanos) -> Vec<Command> {
        self.now += time;
        let around = Around { now: self.now, log: self.log, new_id: &|| "id".into() };
        self.link.tick(&around, &mut self.commands);
        std::mem::take(&mut self.commands)
    }

    /// Lets time pass until the link asks, and no longer than `time`.
    pub(super) fn request_within(&mut self, time: UnixNanos) -> Option<(u64, Request)> {
        let wait = self.link.deadline()? - self.now;
        if wait > time {
            return None;
        }
        let asked = |command| {
            if let Command::Ask(number, request) = command { Some((number, request)) } else { None }
        };
        self.pass(wait.max(0)).into_iter().find_map(asked)
    }

    /// The configuration of the consumer that the link asks for next.
    pub(super) fn wanted_consumer(&mut self) -> ConsumerConfig {
        let (_, request) = self.request_within(10 * SECOND).expect("a request");
        decode::<CreateConsumerRequest>(&request.body, true).unwrap().config
    }

    /// Answers the link's request; returns what is missing, and what the link wants done.
    pub(super) fn answer(&mut self, number: u64, block: &[u8], body: &[u8]) -> (Option<u64>, Vec<Command>) {
        let message = Message { headers: block, payload: body, ..Message::default() };
        let around = Around { now: self.now, log: self.log, new_id: &|| "id".into() };
        let missing = self.link.answer(number, &message, &around, &mut self.commands);
        (missing, std::mem::take(&mut self.commands))
    }

    pub(super) fn refuse(&mut self, code: ErrorCode) -> Vec<Command> {
        let (number, _) = self.request_within(200 * SECOND).expect("a request");
        self.answer(number, b"", &encode_refusal(ResponseType::ConsumerCreate, &code.error())).1
    }

    /// The link gets the consumer `C`, to which everything up to `delivered_seq` counts as delivered.
    pub(super) fn grant(&mut self, delivered_seq: u64, identity: &str) -> Option<u64> {
        let (number, _) = self.request_within(200 * SECOND).expect("a request");
        let block = match identity {
            "" => Vec::new(),
            identity => HeaderBuilder::new().add(names::STREAM_IDENTITY, identity.as_bytes()).finish(),
        };
        let (missing, commands) = self.answer(number, &block, &consumer(delivered_seq, AckPolicy::None));
        assert!(matches!(commands.as_slice(), [Command::Listen(_)]), "{commands:?}");
        missing
    }

    /// The consumer delivers message `seq` as its delivery number `delivery`.
    pub(super) fn deliver(&mut self, delivery: u64, seq: u64, pending: u64) -> Receipt {
        self.receive(&format!("$JS.ACK.O.C.1.{seq}.{delivery}.77.{pending}"), b"", b"x")
    }

    pub(super) fn receive(&mut self, reply: &str, block: &[u8], payload: &[u8]) -> Receipt {
        let message = Message { subject: b"o.a", reply: reply.as_bytes(), headers: block, payload };
        self.link.receive(&message, self.now, &mut self.commands)
    }

    /// Whether message `seq` was offered.
    pub(super) fn takes(&mut self, delivery: u64, seq: u64) -> bool {
        matches!(self.deliver(delivery, seq, 1), Receipt::Take(offer) if offer.seq == seq && offer.ts == 77)
    }

    /// What the link wants done since the last time.
    pub(super) fn commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
    }
}

pub(super) fn consumer(delivered_seq: u64, ack_policy: AckPolicy) -> Vec<u8> {
    let info = ConsumerInfo {
        name: "C".into(),
        config: Some(ConsumerConfig { deliver_subject: "$JS.M.id".into(), ack_policy, ..Default::default() }),
        delivered: SequenceInfo { stream_seq: delivered_seq, ..Default::default() },
        ..ConsumerInfo::default()
    };
    serde_json::to_vec(&info).unwrap()
}

/// Delivery and sequence that a confirmation tells.
pub(super) fn confirmed(receipt: &Receipt) -> (String, String, String) {
    let Receipt::Confirm { to, headers } = receipt else { panic!("no confirmation but {receipt:?}") };
    let value = |name| String::from_utf8_lossy(headers::get(headers, name).unwrap_or_default()).into_owned();
    (String::from_utf8_lossy(to).into_owned(), value(names::LAST_CONSUMER), value(names::LAST_STREAM))
}
