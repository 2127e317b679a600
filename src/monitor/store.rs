//! What `/jsz` shows of the store under the key `headwater`, where nats-server shows nothing.

use serde::Serialize;

use crate::store::StoreStats;

/// The store: how it is, what it has counted, what it has lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StoreFacts {
    /// `ready`, `recovering`, or `failed` until it is opened anew.
    pub state: &'static str,
    /// Counters and sizes.
    #[serde(flatten)]
    pub stats: StoreStats,
    /// Streams that have lost messages to damage since the start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<LostMessages>,
}

/// What damage has taken from a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LostMessages {
    pub account: String,
    pub stream: String,
    pub messages: u64,
}
