//! What opening the store found.

use super::journal::record::{Kind, Location};

/// Messages named in the report at most.
pub(crate) const LOST_MESSAGES_MAX: usize = 1000;

/// Regions listed in the report at most.
const REGIONS_MAX: usize = 10_000;

/// Bytes of the journal that are no record and should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Where they begin.
    pub at: Location,
    /// How many there are.
    pub len: u32,
    /// They were durable once; otherwise they belong to a commit that was never finished.
    pub durable: bool,
    /// The record that was there, where its header is whole: what it said, its stream, its sequence.
    pub lost: Option<(Kind, u32, u64)>,
}

/// What opening the store found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Segments read, wholly or in part.
    pub segments: u64,
    /// Records read.
    pub records: u64,
    /// Bytes of them.
    pub bytes_replayed: u64,
    /// Regions that were durable once and are damaged now.
    pub damaged_regions: u64,
    /// Bytes of them.
    pub damaged_bytes: u64,
    /// Each of them, up to a limit.
    pub regions: Vec<Region>,
    /// Records in which a single flipped bit was found and flipped back.
    pub repaired_records: u64,
    /// Unreadable bytes of a last commit that was never finished.
    pub torn_bytes: u64,
    /// Records of such a commit that do not count.
    pub records_discarded: u64,
    /// Messages known to be lost: stream number and sequence.
    pub lost_messages: Vec<(u32, u64)>,
    /// Messages known to be lost, named above or not.
    pub messages_lost: u64,
    /// Segments that must have been there and are not, or cannot be read.
    pub lost_segments: Vec<u32>,
    /// Files of the journal that are no segments.
    pub unreadable_files: Vec<String>,
    /// What lies in the store's directory and is not the store's.
    pub foreign_files: Vec<String>,
    /// The catalogue could not be used, so the whole journal was read.
    pub catalog_rebuilt: bool,
}

impl RecoveryReport {
    /// Says in the log what should not have been found.
    pub(crate) fn log(&self) {
        if self.damaged_regions > 0 {
            log::error!(
                "journal: {} bytes in {} places are damaged",
                self.damaged_bytes,
                self.damaged_regions
            );
        }
        if self.repaired_records > 0 {
            log::warn!(
                "journal: {} records had a flipped bit, which was flipped back",
                self.repaired_records
            );
        }
        if self.torn_bytes > 0 || self.records_discarded > 0 {
            log::warn!(
                "journal: the last commit was never finished; {} bytes of it are unreadable, {} records do not count",
                self.torn_bytes,
                self.records_discarded
            );
        }
        for id in &self.lost_segments {
            log::error!("journal: segment {id} is lost; sequences that it may have given are passed over");
        }
        for name in &self.unreadable_files {
            log::error!("journal: {name} is not readable as a segment, left as it is");
        }
        for name in &self.foreign_files {
            log::warn!("store: {name} is none of its files, left as it is");
        }
    }

    /// Takes in what a replay has found.
    pub(crate) fn add(&mut self, found: RecoveryReport) {
        let unreadable_files = std::mem::take(&mut self.unreadable_files);
        let repaired_records = self.repaired_records + found.repaired_records;
        let foreign_files = std::mem::take(&mut self.foreign_files);
        *self = RecoveryReport { unreadable_files, foreign_files, repaired_records, ..found };
    }

    /// A region holds no record.
    pub(crate) fn note_region(&mut self, region: Region) {
        if self.regions.len() < REGIONS_MAX {
            self.regions.push(region);
        }
    }

    /// A message is known to be lost.
    pub(crate) fn note_lost(&mut self, stream: u32, seq: u64) {
        self.messages_lost += 1;
        if self.lost_messages.len() < LOST_MESSAGES_MAX {
            self.lost_messages.push((stream, seq));
        }
    }
}
