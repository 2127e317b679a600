//! Counters of the store.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the store was opened, and a few sizes of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreStats {
    /// Bytes written to the journal.
    pub bytes_written: u64,
    /// Bytes of index pages written by checkpoints.
    pub index_bytes_written: u64,
    /// Bytes of subjects, headers and payloads stored.
    pub content_bytes: u64,
    /// Commits written.
    pub commits: u64,
    /// fdatasync calls on journal segments.
    pub syncs: u64,
    /// Records appended.
    pub records: u64,
    /// Bytes copied forward by compaction.
    pub bytes_compacted: u64,
    /// Segments given back or reused.
    pub segments_reclaimed: u64,
    /// Checkpoints completed.
    pub checkpoints: u64,
    /// Records found damaged while reading.
    pub damaged_reads: u64,
    /// Bytes appended and not yet written.
    pub pending_bytes: u64,
    /// Segments on disk.
    pub segments: u64,
    /// Bytes of live records.
    pub live_bytes: u64,
    /// Bytes of all segments.
    pub journal_bytes: u64,
    /// Whether new messages are refused for lack of space.
    pub disk_full: bool,
}

/// The counters as they are counted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub bytes_written: AtomicU64,
    pub index_bytes_written: AtomicU64,
    pub content_bytes: AtomicU64,
    pub commits: AtomicU64,
    pub syncs: AtomicU64,
    pub bytes_compacted: AtomicU64,
    pub segments_reclaimed: AtomicU64,
    pub checkpoints: AtomicU64,
    pub damaged_reads: AtomicU64,
}

impl Counters {
    /// Adds to a counter.
    pub fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    /// The counters now; sizes are left at zero.
    pub fn snapshot(&self) -> StoreStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StoreStats {
            bytes_written: get(&self.bytes_written),
            index_bytes_written: get(&self.index_bytes_written),
            content_bytes: get(&self.content_bytes),
            commits: get(&self.commits),
            syncs: get(&self.syncs),
            bytes_compacted: get(&self.bytes_compacted),
            segments_reclaimed: get(&self.segments_reclaimed),
            checkpoints: get(&self.checkpoints),
            damaged_reads: get(&self.damaged_reads),
            ..StoreStats::default()
        }
    }
}
