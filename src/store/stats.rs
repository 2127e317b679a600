//! Counters of the store.

use std::sync::atomic::{AtomicU64, Ordering};

use super::report::RecoveryReport;

/// Counters since the store was opened, and a few sizes of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreStats {
    /// Bytes written to the journal.
    pub bytes_written: u64,
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
    /// Regions found damaged when the store was opened.
    pub damaged_regions: u64,
    /// Bytes of them.
    pub damaged_bytes: u64,
    /// Records with a flipped bit that was flipped back, and segment headers made good, when the store was opened.
    pub repaired_records: u64,
    /// Messages known to have been lost when the store was opened.
    pub messages_lost: u64,
    /// Segments that were missing when the store was opened.
    pub lost_segments: u64,
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
    pub commits: AtomicU64,
    pub syncs: AtomicU64,
    pub bytes_compacted: AtomicU64,
    pub segments_reclaimed: AtomicU64,
    pub checkpoints: AtomicU64,
    pub damaged_reads: AtomicU64,
    pub damaged_regions: AtomicU64,
    pub damaged_bytes: AtomicU64,
    pub repaired_records: AtomicU64,
    pub messages_lost: AtomicU64,
    pub lost_segments: AtomicU64,
}

impl Counters {
    /// Adds to a counter.
    pub fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    /// Counts what opening the store has found.
    pub fn count_recovery(&self, report: &RecoveryReport) {
        Self::add(&self.damaged_regions, report.damaged_regions);
        Self::add(&self.damaged_bytes, report.damaged_bytes);
        Self::add(&self.repaired_records, report.repaired_records);
        Self::add(&self.messages_lost, report.messages_lost);
        Self::add(&self.lost_segments, report.lost_segments.len() as u64);
    }

    /// The counters now; sizes are left at zero.
    pub fn snapshot(&self) -> StoreStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StoreStats {
            bytes_written: get(&self.bytes_written),
            commits: get(&self.commits),
            syncs: get(&self.syncs),
            bytes_compacted: get(&self.bytes_compacted),
            segments_reclaimed: get(&self.segments_reclaimed),
            checkpoints: get(&self.checkpoints),
            damaged_reads: get(&self.damaged_reads),
            damaged_regions: get(&self.damaged_regions),
            damaged_bytes: get(&self.damaged_bytes),
            repaired_records: get(&self.repaired_records),
            messages_lost: get(&self.messages_lost),
            lost_segments: get(&self.lost_segments),
            ..StoreStats::default()
        }
    }
}
