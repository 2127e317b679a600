//! A message that was looked for.

/// A message that the log has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Its stream sequence.
    pub seq: u64,
    /// `subject + headers + payload`, in bytes.
    pub content_bytes: u64,
}
