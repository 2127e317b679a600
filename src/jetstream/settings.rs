//! What the configuration says of JetStream, in the form the streams use.

use std::path::PathBuf;

use super::stream::Bounds;
use super::stream::bounds::BatchBounds;
use super::stream::room::Budget;
use crate::clock::UnixNanos;

/// Settings of the whole server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the store is.
    pub store_dir: PathBuf,
    /// How often what was written is synced, in nanoseconds; 0 means before every acknowledgement.
    pub sync_interval: UnixNanos,
    /// The largest message a client may publish.
    pub payload_bytes_max: u64,
    /// As INFO reports it.
    pub server_name: String,
    /// The account of operators, which has no streams.
    pub system_account: String,
    /// The JetStream domain, empty for none.
    pub domain: String,
    /// Requests with unknown fields are refused.
    pub strict: bool,
    /// Bytes memory streams may take in all.
    pub memory_bytes_max: i64,
    /// Bytes file streams may take in all.
    pub file_bytes_max: i64,
    /// `limits.max_ack_pending`; 0 for none.
    pub ack_pending_max: i64,
    /// `limits.max_request_batch`; 0 for none.
    pub request_batch_max: i64,
    /// `limits.duplicate_window`; 0 for none.
    pub duplicate_window_max: UnixNanos,
    /// `limits.default_max_consumers`: what `max_consumers: -1` means.
    pub consumers_default_max: i64,
    /// `limits.batch`.
    pub batches: BatchBounds,
}

impl Settings {
    /// What streams may use, with nothing in use yet.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            payload_bytes_max: self.payload_bytes_max,
            batches: self.batches,
            server: Budget::new(self.file_bytes_max, self.memory_bytes_max),
            ..Bounds::default()
        }
    }

    /// The JetStream domain, if there is one.
    pub fn domain(&self) -> Option<&str> {
        Some(self.domain.as_str()).filter(|domain| !domain.is_empty())
    }
}
