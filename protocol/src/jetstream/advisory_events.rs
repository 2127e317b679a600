//! The bodies of advisories and metrics, fields in the order nats-server writes them.

use serde::Serialize;

use super::client_info::ClientInfo;
use super::omit;
use super::stream_info::StreamState;
use super::text_enum::text_enum;
use super::timestamp::{Timestamp, ZonedTime};

text_enum! {
    /// What was done to a stream or consumer.
    Action, exact, Refusal::CanNotUnmarshal;
    /// Made.
    Create = "create",
    /// Deleted.
    Delete = "delete",
    /// Changed.
    Modify = "modify",
}

impl Action {
    pub(super) fn stream_family(self) -> &'static str {
        match self {
            Action::Create => "STREAM.CREATED",
            Action::Delete => "STREAM.DELETED",
            Action::Modify => "STREAM.UPDATED",
        }
    }

    pub(super) fn consumer_family(self) -> &'static str {
        match self {
            Action::Create => "CONSUMER.CREATED",
            Action::Delete => "CONSUMER.DELETED",
            Action::Modify => "CONSUMER.UPDATED",
        }
    }
}

text_enum! {
    /// Why a batch was given up.
    AbandonReason, exact, Refusal::CanNotUnmarshal;
    /// Nothing came for too long.
    Timeout = "timeout",
    /// It has too many messages.
    Large = "large",
    /// A message is missing.
    Incomplete = "incomplete",
    /// It asks for more than this broker can do.
    Unsupported = "unsupported",
}

/// An API request was answered.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ApiAudit<'a> {
    /// The server.
    pub server: &'a str,
    /// Who asked for it.
    pub client: &'a ClientInfo,
    /// The subject of the request.
    pub subject: &'a str,
    /// Its body.
    #[serde(skip_serializing_if = "omit::zero")]
    pub request: &'a str,
    /// The answer.
    pub response: &'a str,
    /// The JetStream domain, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<&'a str>,
}

/// API requests were dropped.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ApiLimitReached<'a> {
    /// The server.
    pub server: &'a str,
    /// The JetStream domain, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<&'a str>,
    /// How many.
    pub dropped: u64,
}

/// A stream was made, changed or deleted.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct StreamAction<'a> {
    /// The stream.
    pub stream: &'a str,
    /// What was done.
    pub action: Action,
    /// The JetStream domain, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<&'a str>,
}

/// A consumer was made or deleted.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ConsumerAction<'a> {
    /// The stream.
    pub stream: &'a str,
    /// The consumer.
    pub consumer: &'a str,
    /// What was done.
    pub action: Action,
    /// The JetStream domain, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<&'a str>,
}

/// A consumer was paused or goes on.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ConsumerPause<'a> {
    /// The stream.
    pub stream: &'a str,
    /// The consumer.
    pub consumer: &'a str,
    /// It was paused.
    pub paused: bool,
    /// Until when.
    pub pause_until: ZonedTime,
    /// The JetStream domain, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<&'a str>,
}

/// A client was pinned.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ConsumerPinned<'a> {
    /// The account.
    #[serde(skip_serializing_if = "omit::zero")]
    pub account: &'a str,
    /// The stream.
    pub stream: &'a str,
    /// The consumer.
    pub consumer: &'a str,
    /// The JetStream domain, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<&'a str>,
    /// The priority group.
    pub group: &'a str,
    /// The pin.
    pub pinned_id: &'a str,
}

/// A pin was lost.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ConsumerUnpinned<'a> {
    /// The account.
    #[serde(skip_serializing_if = "omit::zero")]
    pub account: &'a str,
    /// The stream.
    pub stream: &'a str,
    /// The consumer.
    pub consumer: &'a str,
    /// The JetStream domain, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<&'a str>,
    /// The priority group.
    pub group: &'a str,
    /// `admin` or `timeout`.
    pub reason: &'a str,
}

/// A message was delivered as often as allowed.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct MaxDeliver<'a> {
    /// The stream.
    pub stream: &'a str,
    /// The consumer.
    pub consumer: &'a str,
    /// The message's sequence.
    pub stream_seq: u64,
    /// How many times it was delivered.
    pub deliveries: u64,
    /// The JetStream domain, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<&'a str>,
}

/// A message was refused for now.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Nak<'a> {
    /// The stream.
    pub stream: &'a str,
    /// The consumer.
    pub consumer: &'a str,
    /// The delivery's sequence.
    pub consumer_seq: u64,
    /// The message's sequence.
    pub stream_seq: u64,
    /// How many times it was delivered.
    pub deliveries: u64,
    /// The JetStream domain, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<&'a str>,
}

/// A message was refused for good.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Terminated<'a> {
    /// The stream.
    pub stream: &'a str,
    /// The consumer.
    pub consumer: &'a str,
    /// The delivery's sequence.
    pub consumer_seq: u64,
    /// The message's sequence.
    pub stream_seq: u64,
    /// How many times it was delivered.
    pub deliveries: u64,
    /// Why.
    #[serde(skip_serializing_if = "omit::zero")]
    pub reason: &'a str,
    /// The JetStream domain, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<&'a str>,
}

/// A snapshot begins.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct SnapshotCreate<'a> {
    /// The stream.
    pub stream: &'a str,
    /// What the stream holds.
    pub state: &'a StreamState,
    /// Who asked for it.
    pub client: &'a ClientInfo,
    /// The JetStream domain, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<&'a str>,
}

/// A snapshot ended.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct SnapshotComplete<'a> {
    /// The stream.
    pub stream: &'a str,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// Who asked for it.
    pub client: &'a ClientInfo,
    /// The JetStream domain, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<&'a str>,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "omit::zero")]
    pub error: &'a str,
}

/// A restore begins.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RestoreCreate<'a> {
    /// The stream.
    pub stream: &'a str,
    /// Who asked for it.
    pub client: &'a ClientInfo,
    /// The JetStream domain, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<&'a str>,
}

/// A restore ended.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RestoreComplete<'a> {
    /// The stream.
    pub stream: &'a str,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// Bytes received.
    pub bytes: u64,
    /// Who asked for it.
    pub client: &'a ClientInfo,
    /// The JetStream domain, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<&'a str>,
}

/// A batch was given up.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct BatchAbandoned<'a> {
    /// The account.
    #[serde(skip_serializing_if = "omit::zero")]
    pub account: &'a str,
    /// The stream.
    pub stream: &'a str,
    /// The JetStream domain, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<&'a str>,
    /// The batch's id.
    pub batch: &'a str,
    /// Why.
    pub reason: AbandonReason,
}

/// There is no room left on disk.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct OutOfStorage<'a> {
    /// The server.
    pub server: &'a str,
    /// The server's id.
    pub server_id: &'a str,
    /// The stream that needed it.
    #[serde(skip_serializing_if = "omit::zero")]
    pub stream: &'a str,
    /// The cluster; empty on a single server.
    pub cluster: &'a str,
    /// The JetStream domain, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<&'a str>,
}

/// How long an acknowledgement took.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ConsumerAck<'a> {
    /// The stream.
    pub stream: &'a str,
    /// The consumer.
    pub consumer: &'a str,
    /// The delivery's sequence.
    pub consumer_seq: u64,
    /// The message's sequence.
    pub stream_seq: u64,
    /// Nanoseconds from delivery to acknowledgement.
    pub ack_time: i64,
    /// How many times it was delivered.
    pub deliveries: u64,
    /// The JetStream domain, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<&'a str>,
}
