//! What the origin's server is asked for: a push consumer, or that one made beforehand begins anew.

use headwater_protocol::headers::{HeaderBuilder, names};
use headwater_protocol::jetstream::consumer_config::{AckPolicy, ConsumerConfig, DeliverPolicy};
use headwater_protocol::jetstream::go_duration::{HOUR, SECOND};
use headwater_protocol::jetstream::request::CreateConsumerRequest;
use headwater_protocol::jetstream::timestamp::{Timestamp, ZonedTime};

use super::link::{HEARTBEAT, SILENCE_MAX};
use super::origin::{Kind, Origin};
use crate::store::LogState;

/// Acknowledgements are not awaited; the value is nats-server's.
const ACK_WAIT: i64 = 22 * HOUR;

/// How much of the protocol the origin's server is taken to understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// All of it, down to the identity of the origin.
    #[default]
    Full,
    /// Sourcing consumers, but no identities (API level 4).
    Sourcing,
    /// Plain consumers only, as before 2.14.
    Plain,
}

impl Dialect {
    /// What to try next with a server that does not understand.
    pub fn simpler(self, kind: Kind) -> Option<Self> {
        match (self, kind) {
            (Self::Full, Kind::Source) => Some(Self::Sourcing),
            (Self::Full, Kind::Mirror) | (Self::Sourcing, _) => Some(Self::Plain),
            (Self::Plain, _) => None,
        }
    }
}

/// Where the consumer is to begin, and how it is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The last sequence that was taken over, 0 if none.
    pub seq: u64,
    /// The identity the origin had then, empty if unknown.
    pub identity: &'a str,
    /// Nothing was taken over as far as is known, but the stream comes from where that was not kept: from a backup.
    pub past_is_unknown: bool,
    /// What the destination holds.
    pub log: LogState,
    /// How much the origin's server understands.
    pub dialect: Dialect,
    /// A new id, for subjects and names.
    pub id: &'a str,
}

/// A request, ready to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The subject of the API.
    pub subject: String,
    /// The header block, or empty.
    pub headers: Vec<u8>,
    /// The body, or empty.
    pub body: Vec<u8>,
}

/// Asks for a consumer of `origin`.
pub fn request(origin: &Origin, wish: &Wish<'_>) -> Request {
    let stream = &origin.config().name;
    if let Some(consumer) = &origin.config().consumer {
        let subject = origin.api_subject(&format!("CONSUMER.RESET.{stream}.{}", consumer.name));
        let headers = if origin.kind() == Kind::Source { headers(origin.kind(), wish) } else { Vec::new() };
        return Request { subject, headers, body: Vec::new() };
    }
    let config = consumer(origin, wish);
    let call = match config.filter_subject.as_str() {
        "" => format!("CONSUMER.CREATE.{stream}"),
        filter => format!("CONSUMER.CREATE.{stream}.{}.{filter}", config.name),
    };
    let body = CreateConsumerRequest { stream_name: stream.clone(), config, ..Default::default() };
    // Strings, numbers and times: writing them does not fail.
    let body = serde_json::to_vec(&body).unwrap_or_default();
    Request { subject: origin.api_subject(&call), headers: headers(origin.kind(), wish), body }
}

fn headers(kind: Kind, wish: &Wish<'_>) -> Vec<u8> {
    let level: &[u8] = match (wish.dialect, kind) {
        (Dialect::Plain, _) => return Vec::new(),
        (Dialect::Full, Kind::Source) => b"5",
        _ => b"4",
    };
    let block = HeaderBuilder::new().add(names::REQUIRED_API_LEVEL, level);
    match (wish.dialect, kind) {
        (Dialect::Full, Kind::Source) => block.add(names::STREAM_IDENTITY, wish.identity.as_bytes()),
        _ => block,
    }
    .finish()
}

fn consumer(origin: &Origin, wish: &Wish<'_>) -> ConsumerConfig {
    let plain = wish.dialect == Dialect::Plain;
    let stable_name = origin.consumer_name();
    let mut config = ConsumerConfig {
        name: if plain { format!("{stable_name}_{}", wish.id) } else { stable_name.to_owned() },
        deliver_subject: origin.deliver_subject(wish.id),
        ack_policy: AckPolicy::None,
        ack_wait: ACK_WAIT,
        max_deliver: 1,
        idle_heartbeat: HEARTBEAT,
        flow_control: true,
        direct: true,
        sourcing: !plain,
        inactive_threshold: SILENCE_MAX,
        metadata: origin.metadata().clone(),
        ..ConsumerConfig::default()
    };
    select(origin, &mut config);
    match origin.kind() {
        Kind::Mirror => begin_mirror(origin, wish, &mut config),
        Kind::Source => begin_source(origin, wish, &mut config),
    }
    config
}

fn select(origin: &Origin, config: &mut ConsumerConfig) {
    let source = origin.config();
    config.filter_subject.clone_from(&source.filter_subject);
    match source.subject_transforms.as_slice() {
        [] => {}
        [only] => config.filter_subject.clone_from(&only.src),
        several => config.filter_subjects = several.iter().map(|transform| transform.src.clone()).collect(),
    }
}

/// A mirror goes on behind its own last message; where to begin counts only the first time.
fn begin_mirror(origin: &Origin, wish: &Wish<'_>, config: &mut ConsumerConfig) {
    let source = origin.config();
    let first_time = wish.log.messages == 0 && wish.log.first_seq == 0;
    if !first_time {
        begin_at(wish.log.last_seq.saturating_add(1), config);
    } else if source.opt_start_seq > 0 {
        begin_at(source.opt_start_seq, config);
    } else if let Some(time) = source.opt_start_time {
        begin_then(time, config);
    }
}

/// A source without a position begins where it is configured to. If its past is unknown, it does not begin before what the
/// stream had last, as with nats-server: what a work queue has done is not to be done once more.
fn begin_source(origin: &Origin, wish: &Wish<'_>, config: &mut ConsumerConfig) {
    let source = origin.config();
    let last_ts = Timestamp(wish.log.last_ts);
    let had_messages = wish.past_is_unknown && wish.log.last_ts != 0;
    if wish.seq > 0 {
        begin_at(wish.seq.saturating_add(1), config);
    } else if source.opt_start_seq > 0 {
        begin_at(source.opt_start_seq, config);
    } else if let Some(time) = source.opt_start_time {
        let later = had_messages && time.timestamp().0 < last_ts.0;
        begin_then(if later { last_ts.into() } else { time }, config);
    } else if wish.log.first_seq > 1 && had_messages {
        begin_then(last_ts.into(), config);
    }
}

fn begin_at(seq: u64, config: &mut ConsumerConfig) {
    config.deliver_policy = DeliverPolicy::ByStartSequence;
    config.opt_start_seq = seq;
}

fn begin_then(time: ZonedTime, config: &mut ConsumerConfig) {
    config.deliver_policy = DeliverPolicy::ByStartTime;
    config.opt_start_time = Some(time);
}

const _: () = assert!(HEARTBEAT == SECOND);
