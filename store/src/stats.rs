//! Counters of the store.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// Counters since the process opened the store first, and a few sizes of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct StoreStats {
    /// Bytes written to the journal, what compaction copies among them.
    pub bytes_written: u64,
    /// Bytes of index pages written by checkpoints.
    pub index_bytes_written: u64,
    /// Commits written.
    pub commits: u64,
    /// fdatasync calls on journal segments.
    pub syncs: u64,
    /// Bytes of payloads of the messages stored; [`Self::bytes_written`] over these is what the flash feels.
    pub payload_bytes: u64,
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
    /// Places of the journal that were on disk once and are damaged now, found at a start or while reading.
    pub damage_regions: u64,
    /// Bytes of them.
    pub damaged_bytes: u64,
    /// Messages known to be lost with them. Of a region without any header left it is not known how many it held.
    pub messages_lost: u64,
    /// Segments that must have been there and were not, or could not be read.
    pub lost_segments: u64,
    /// Records in which a flipped bit was found and flipped back, and segment headers made good.
    pub repaired_records: u64,
    /// Files in the quarantine, those of earlier runs among them.
    pub quarantine_files: u64,
    /// Times the store was opened anew after a disk error.
    pub reopened: u64,
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
    pub commits: AtomicU64,
    pub syncs: AtomicU64,
    pub bytes_compacted: AtomicU64,
    pub segments_reclaimed: AtomicU64,
    pub checkpoints: AtomicU64,
    pub damaged_reads: AtomicU64,
    pub payload_bytes: AtomicU64,
    pub repaired_records: AtomicU64,
    pub lost_segments: AtomicU64,
    pub reopened: AtomicU64,
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
            commits: get(&self.commits),
            syncs: get(&self.syncs),
            bytes_compacted: get(&self.bytes_compacted),
            segments_reclaimed: get(&self.segments_reclaimed),
            checkpoints: get(&self.checkpoints),
            damaged_reads: get(&self.damaged_reads),
            payload_bytes: get(&self.payload_bytes),
            repaired_records: get(&self.repaired_records),
            lost_segments: get(&self.lost_segments),
            reopened: get(&self.reopened),
            ..StoreStats::default()
        }
    }
}
