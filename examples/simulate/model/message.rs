//! What was sent, and what a stream should hold of it.

use std::fmt;

use headwater_protocol::headers::{self, names};
use headwater_protocol::jetstream::go_duration::SECOND;

use super::SIM_ID;

/// A message's bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    pub subject: String,
    pub headers: Vec<u8>,
    pub payload: Vec<u8>,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, headers, payload } = self;
        let (headers, beginning) = (headers.escape_ascii(), &payload[..payload.len().min(8)]);
        write!(f, "{subject} {headers} {} bytes {beginning:?}", payload.len())
    }
}

/// A message that was sent to a stream.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub subject: String,
    pub headers: Vec<u8>,
    pub payload: Vec<u8>,
    /// It should be stored just so: the stream makes nothing else of it.
    pub exact: bool,
    /// The batch it belongs to.
    pub batch: Option<u64>,
    /// By how much its subject counts on.
    pub increment: Option<i64>,
}

impl Attempt {
    /// As it was sent.
    pub fn content(&self) -> Content {
        Content {
            subject: self.subject.clone(),
            headers: self.headers.clone(),
            payload: self.payload.clone(),
        }
    }
}

/// A message in a stream.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Which attempt it is; `None` if the stream made it up.
    pub attempt: Option<u64>,
    /// Its bytes; `None` if it went before anybody saw it.
    pub content: Option<Content>,
    /// When it was stored.
    pub ts: i64,
    /// The batch it belongs to.
    pub batch: Option<u64>,
    /// It was acknowledged, or seen by a client: it must not be lost.
    pub promised: bool,
    /// Whether it is there.
    pub presence: Presence,
}

/// Whether a message is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It is.
    Live,
    /// It was rightly removed.
    Gone {
        /// It had to make room for this message.
        cause: Option<u64>,
        /// A client was told that it is gone.
        promised: bool,
    },
}

impl Stored {
    /// A message of the stream's own, which no client has heard of and which waits for a commit yet.
    pub fn made_up(content: Content, ts: i64) -> Self {
        Self {
            attempt: None,
            content: Some(content),
            ts,
            batch: None,
            promised: false,
            presence: Presence::Live,
        }
    }

    /// Whether it is there.
    pub fn is_live(&self) -> bool {
        self.presence == Presence::Live
    }

    /// Its subject, if anybody saw it.
    pub fn subject(&self) -> &str {
        self.content.as_ref().map_or("", |content| &content.subject)
    }

    /// A header of it.
    pub fn header(&self, name: &[u8]) -> Option<&[u8]> {
        headers::get(&self.content.as_ref()?.headers, name)
    }

    /// Its own end, from `Nats-TTL` in whole seconds.
    pub fn end(&self) -> Option<i64> {
        Some(self.ts + ttl_seconds(&self.content.as_ref()?.headers)? * SECOND)
    }

    /// What it counts against `max_bytes`.
    pub fn accounted_bytes(&self, file: bool) -> Option<u64> {
        let content = self.content.as_ref()?;
        let bytes = content.subject.len() + content.headers.len() + content.payload.len();
        let own = match (file, content.headers.is_empty()) {
            (false, _) => 16,
            (true, true) => 30,
            (true, false) => 34,
        };
        Some((bytes + own) as u64)
    }

    /// What a counter's message says.
    pub fn count(&self) -> Option<i64> {
        let value: serde_json::Value = serde_json::from_slice(&self.content.as_ref()?.payload).ok()?;
        value.get("val")?.as_str()?.parse().ok()
    }
}

/// `Nats-TTL`, in whole seconds.
pub fn ttl_seconds(block: &[u8]) -> Option<i64> {
    std::str::from_utf8(headers::get(block, names::TTL)?).ok()?.trim_end_matches('s').parse().ok()
}

/// Which attempt a message is, by the simulator's own header.
pub fn attempt_of(block: &[u8]) -> Option<u64> {
    std::str::from_utf8(headers::get(block, SIM_ID)?).ok()?.parse().ok()
}
