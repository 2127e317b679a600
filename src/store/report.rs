//! What opening the store found.

/// Messages named in the report at most.
pub(crate) const LOST_MESSAGES_MAX: usize = 1000;

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
    /// Records in which a single flipped bit was found and flipped back.
    pub repaired_records: u64,
    /// Unreadable bytes of a last commit that was never finished.
    pub torn_bytes: u64,
    /// Records of such a commit that do not count.
    pub records_discarded: u64,
    /// Messages known to be lost: stream number and sequence.
    pub lost_messages: Vec<(u32, u64)>,
    /// Files of the journal that are no segments.
    pub unreadable_files: Vec<String>,
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
            log::warn!("journal: {} records have a flipped bit, read all the same", self.repaired_records);
        }
        if self.torn_bytes > 0 || self.records_discarded > 0 {
            log::warn!(
                "journal: the last commit was never finished; {} bytes of it are unreadable, {} records do not count",
                self.torn_bytes,
                self.records_discarded
            );
        }
        for name in &self.unreadable_files {
            log::error!("journal: {name} is not readable as a segment, left as it is");
        }
    }

    /// Takes in what a replay has found.
    pub(crate) fn add(&mut self, found: RecoveryReport) {
        let unreadable_files = std::mem::take(&mut self.unreadable_files);
        *self = RecoveryReport { unreadable_files, ..found };
    }

    /// A message is known to be lost.
    pub(crate) fn note_lost(&mut self, stream: u32, seq: u64) {
        if self.lost_messages.len() < LOST_MESSAGES_MAX {
            self.lost_messages.push((stream, seq));
        }
    }
}
