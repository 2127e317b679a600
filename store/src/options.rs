//! What can be set.

use std::time::Duration;

use super::journal::core::Reserves;
use super::sealing::Encryption;

/// When what was written is made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Every commit ends with an fdatasync; nothing is acknowledged before.
    Always,
    /// Commits are written at once and synced this often.
    Interval(Duration),
}

/// The store's settings. Sizes are bytes.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// When what was written is made durable.
    pub sync: SyncPolicy,
    /// How long a commit waits for more to gather; zero: not at all.
    pub commit_window: Duration,
    /// Length of a journal segment. A record must fit into one.
    pub segment_bytes: u32,
    /// Appended and not yet written; above this callers are asked to pause.
    pub pending_bytes_max: u64,
    /// Recent commits kept in memory for readers near the tail.
    pub tail_cache_bytes_max: usize,
    /// End of the last segment that is left to deletes while no further segment can be had; as much as a sparse segment
    /// holds is left to copying it forward.
    pub reserve_bytes: u32,
    /// Damaged regions set aside; beyond this they are reported only.
    pub quarantine_bytes_max: u64,
    /// Segments with a smaller share of live bytes are copied forward, in percent.
    pub compact_below_percent: u8,
    /// Index pages kept in memory, all streams together.
    pub index_bytes_max: usize,
    /// A checkpoint is made when so much was written to the journal since the last.
    pub checkpoint_bytes: u64,
    /// A checkpoint is made when something was written and the last one is this old.
    pub checkpoint_interval: Duration,
    /// Whether the index is kept in the catalogue between runs.
    pub catalog: bool,
    /// What content is sealed with before it is written; `None` to write it as it is.
    pub encryption: Option<Encryption>,
    /// Whether threads commit and reclaim; without them the owner calls [`super::Store::commit`] and
    /// [`super::Store::maintain`].
    pub threads: bool,
    /// Called when much memory has been freed at once.
    pub relieve: fn(),
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            sync: SyncPolicy::Always,
            commit_window: Duration::ZERO,
            segment_bytes: 16 << 20,
            pending_bytes_max: 8 << 20,
            tail_cache_bytes_max: 4 << 20,
            reserve_bytes: 1 << 20,
            quarantine_bytes_max: 64 << 20,
            compact_below_percent: 50,
            index_bytes_max: 64 << 20,
            checkpoint_bytes: 8 << 20,
            checkpoint_interval: Duration::from_secs(30),
            catalog: true,
            encryption: None,
            threads: true,
            relieve: || {},
        }
    }
}

impl StoreOptions {
    /// Smallest segment the store works with; tests use it, devices should not.
    pub const SEGMENT_BYTES_MIN: u32 = 4096;

    /// Largest segment the store works with.
    pub const SEGMENT_BYTES_MAX: u32 = 1 << 30;

    /// What messages leave to others. A segment that is copied forward holds less than the share of live bytes that makes it
    /// sparse.
    pub(crate) fn reserves(&self) -> Reserves {
        let copies = u64::from(self.segment_bytes) * u64::from(self.compact_below_percent) / 100;
        Reserves { deletes: u64::from(self.reserve_bytes), copies }
    }

    /// The settings with everything in its bounds.
    pub(crate) fn bounded(mut self) -> Self {
        let segment = self.segment_bytes.clamp(Self::SEGMENT_BYTES_MIN, Self::SEGMENT_BYTES_MAX);
        self.segment_bytes = segment.next_multiple_of(4096);
        self.reserve_bytes = self.reserve_bytes.min(self.segment_bytes / 8);
        self.compact_below_percent = self.compact_below_percent.min(90);
        self
    }
}
