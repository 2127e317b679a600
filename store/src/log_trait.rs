//! One stream's messages, as the state machines see them.

use std::fmt;
use std::ops::ControlFlow;

use bytes::Bytes;

use crate::{StoredMessage, UnixNanos};

/// A position in the journal. It only grows, from record to record and from segment to segment; it is not a count of bytes.
///
/// What an append or removal did is durable once the store's durable position is not below the [`Lsn`] it returned.
/// Memory streams return [`Lsn::ZERO`], which is always durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

impl Lsn {
    /// The position before the first record: durable from the start.
    pub const ZERO: Lsn = Lsn(0);
}

/// Where a stream keeps its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageKind {
    /// In the journal on disk.
    File,
    /// In memory, gone with the process.
    Memory,
}

/// Why the store could not do what it was asked.
#[derive(Debug, Clone)]
pub enum StoreError {
    /// No space is left for messages; deletes and purges still go through.
    DiskFull,
    /// A write or sync failed; nothing is accepted until the store has been reopened.
    Poisoned(String),
    /// The record is larger than the journal takes.
    TooLarge,
    /// The record was damaged on disk and has been set aside.
    Damaged {
        /// The stream sequence that was lost.
        seq: u64,
    },
    /// Any other IO failure, with its context.
    Io(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::DiskFull => write!(f, "no space left for messages"),
            StoreError::Poisoned(cause) => write!(f, "store closed after a disk error: {cause}"),
            StoreError::TooLarge => write!(f, "message too large"),
            StoreError::Damaged { seq } => write!(f, "message {seq} was damaged on disk"),
            StoreError::Io(context) => write!(f, "{context}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// A message on its way into a log. `headers` is a complete `NATS/1.0` block or empty.
#[derive(Debug, Clone, Copy)]
pub struct NewMessage<'a> {
    /// Must be greater than the log's last sequence; a gap reads as deleted messages.
    pub seq: u64,
    /// When the server received it.
    pub ts: UnixNanos,
    /// The subject it is stored under.
    pub subject: &'a [u8],
    /// The header block, or empty.
    pub headers: &'a [u8],
    /// The body.
    pub payload: &'a [u8],
}

/// What can be said of a message without reading its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageMeta {
    /// `subject + headers + payload`, in bytes.
    pub content_bytes: u64,
    /// What it counts against `max_bytes` (behaviour: file and memory streams account differently).
    pub accounted_bytes: u64,
}

/// A handle to one stored message that can be read without holding the stream's lock.
pub trait MessageHandle: Send {
    /// Reads the message; `None` when it has been removed meanwhile.
    fn read(&self) -> Result<Option<StoredMessage>, StoreError>;
}

/// Totals of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogState {
    /// Live messages.
    pub messages: u64,
    /// Their accounted bytes.
    pub bytes: u64,
    /// Sequence of the first live message; `last_seq + 1` when empty, 0 when nothing was ever stored.
    pub first_seq: u64,
    /// Timestamp of the first live message, 0 when empty.
    pub first_ts: UnixNanos,
    /// The last sequence ever given, live or not.
    pub last_seq: u64,
    /// Timestamp of the last message ever stored, 0 when none.
    pub last_ts: UnixNanos,
    /// Distinct subjects among live messages.
    pub subjects: u64,
}

/// What the log knows of one subject's live messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectState {
    /// How many are live; never 0.
    pub count: u64,
    /// The oldest of them.
    pub first_seq: u64,
    /// The newest of them.
    pub last_seq: u64,
}

/// The messages of one stream. Implemented by the journal and by its memory twin.
///
/// Changes take effect at once for every reader of the log; whether they are durable is told by the returned [`Lsn`].
/// Who may see what before it is durable is the caller's decision.
///
/// `filters` name subjects with wildcards; an empty list matches every message. Filters of one call never overlap.
pub trait MessageLog: Send {
    /// Where the messages live.
    fn kind(&self) -> StorageKind;

    /// Totals.
    fn state(&self) -> LogState;

    /// Grows by one with every removal or purge, so that a caller can tell whether a count it keeps is still true.
    fn removals(&self) -> u64;

    /// Stores a message.
    fn append(&mut self, message: &NewMessage<'_>) -> Result<Lsn, StoreError>;

    /// Stores messages of which, after a crash, all are there or none. A log that survives a crash must override this, and
    /// store none when one cannot be.
    fn append_group(&mut self, messages: &[NewMessage<'_>]) -> Result<Lsn, StoreError> {
        messages.iter().try_fold(Lsn::ZERO, |_, message| self.append(message))
    }

    /// Gives sequences up to `last_seq` away without storing anything; `ts` is when that was.
    fn skip_to(&mut self, last_seq: u64, ts: UnixNanos) -> Result<Lsn, StoreError>;

    /// Removes one message; `None` when it is not there. Works on a full disk.
    fn remove(&mut self, seq: u64) -> Result<Option<(MessageMeta, Lsn)>, StoreError>;

    /// The same for a message whose subject is known, which need not be looked up then.
    fn remove_of(&mut self, seq: u64, subject: &[u8]) -> Result<Option<(MessageMeta, Lsn)>, StoreError> {
        let _ = subject;
        self.remove(seq)
    }

    /// Removes every message below `seq` and makes `seq` the first sequence (if beyond the end, the last sequence
    /// becomes `seq - 1`). Returns how many went. Works on a full disk.
    fn purge_below(&mut self, seq: u64) -> Result<(u64, Lsn), StoreError>;

    /// Whether a message is live, and its sizes.
    fn meta(&self, seq: u64) -> Option<MessageMeta>;

    /// Reads a message; `None` when it is not live.
    fn load(&self, seq: u64) -> Result<Option<StoredMessage>, StoreError>;

    /// Reads several messages, each as [`Self::load`] does: cheaper where they lie together.
    fn load_each(&self, seqs: &[u64], take: &mut dyn FnMut(Result<Option<StoredMessage>, StoreError>)) {
        seqs.iter().for_each(|seq| take(self.load(*seq)));
    }

    /// A handle to read the message with later, without the log; `None` when it is not live.
    fn handle(&self, seq: u64) -> Option<Box<dyn MessageHandle>>;

    /// What is known of one literal subject.
    fn subject(&self, subject: &[u8]) -> Option<SubjectState>;

    /// Visits the subjects that match `filter` (wildcards allowed, `>` for all) in byte order.
    fn for_each_subject(&self, filter: &[u8], visit: &mut dyn FnMut(&[u8], SubjectState) -> ControlFlow<()>) {
        self.for_each_subject_after(filter, b"", visit);
    }

    /// The same for those that sort after `after`, so that who visits many need not do it in one go.
    fn for_each_subject_after(
        &self,
        filter: &[u8],
        after: &[u8],
        visit: &mut dyn FnMut(&[u8], SubjectState) -> ControlFlow<()>,
    );

    /// The first live message at or after `from` that matches.
    fn next_match(&self, from: u64, filters: &[Bytes]) -> Result<Option<u64>, StoreError>;

    /// Visits the live messages of `from..=up_to` that match, in order. One that cannot be told to match ends it with an error.
    fn for_each_match(
        &self,
        from: u64,
        up_to: u64,
        filters: &[Bytes],
        visit: &mut dyn FnMut(u64, MessageMeta) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut next = self.next_match(from, filters)?;
        while let Some(seq) = next.filter(|seq| *seq <= up_to) {
            let meta = self.meta(seq).ok_or_else(|| not_indexed(seq))?;
            if visit(seq, meta).is_break() {
                break;
            }
            next = self.next_match(seq.saturating_add(1), filters)?.filter(|next| *next > seq);
        }
        Ok(())
    }

    /// The first live message at or after `from` that may have headers, found without reading messages.
    fn next_with_headers(&self, from: u64) -> Result<Option<u64>, StoreError> {
        self.next_match(from, &[])
    }

    /// The last live message at or before `up_to` that matches.
    fn last_match(&self, up_to: u64, filters: &[Bytes]) -> Result<Option<u64>, StoreError>;

    /// How many live messages in `from..=up_to` match.
    fn count_matches(&self, from: u64, up_to: u64, filters: &[Bytes]) -> Result<u64, StoreError>;

    /// The sequence of the first live message with a timestamp at or after `ts`; `last_seq + 1` when there is none.
    fn seq_at_or_after(&self, ts: UnixNanos) -> Result<u64, StoreError>;

    /// The timestamp of a live message.
    fn timestamp(&self, seq: u64) -> Result<Option<UnixNanos>, StoreError>;

    /// Visits the sequences between first and last that hold no live message, in order.
    fn for_each_deleted(&self, visit: &mut dyn FnMut(u64) -> ControlFlow<()>);

    /// How many sequences between first and last hold no live message.
    fn deleted_count(&self) -> u64;
}

/// A message that was found is not there when it is looked up.
pub(crate) fn not_indexed(seq: u64) -> StoreError {
    StoreError::Io(format!("message {seq} is not in the index"))
}
