//! Limits that remove messages: count, bytes, per subject. What grows too old is [`expiry`](super::expiry)'s.

use std::ops::ControlFlow;

use bytes::Bytes;
use headwater_protocol::jetstream::go_duration::SECOND;

use super::expiry::load;
use super::storing::Later;
use super::turn::Turn;
use super::{Discard, Ingest, StreamMachine};
use crate::clock::UnixNanos;
use crate::store::{InDoubt, MessageLog, StorageKind, StoreError};

/// What a message counts against `max_bytes`: the sum nats-server reports for its file and memory stores.
pub(super) fn accounted_bytes(kind: StorageKind, message: &Ingest<'_>) -> u64 {
    let content = message.subject.len() + message.payload.len();
    let size = match kind {
        StorageKind::File if message.headers.is_empty() => content + 30,
        StorageKind::File => content + 34 + message.headers.len(),
        StorageKind::Memory => content + 16 + message.headers.len(),
    };
    size as u64
}

/// A limit as configured: `-1` (and 0, which configs never keep) means none.
pub(super) fn limit(configured: i64) -> Option<u64> {
    u64::try_from(configured).ok().filter(|limit| *limit > 0)
}

/// When what a full disk has not let go is tried again.
const RETRY_AFTER: UnixNanos = SECOND;

impl StreamMachine {
    /// Removes the oldest messages until the stream is within `max_msgs` and `max_bytes`. A stream that discards new
    /// messages keeps what it has.
    pub(super) fn enforce_limits(
        &mut self,
        log: &mut dyn MessageLog,
        later: &Later,
    ) -> Result<(), StoreError> {
        while self.config.discard == Discard::Old && self.over_limits(log, later) {
            let first = log.state().first_seq;
            log.purge_below(first + 1)?;
        }
        Ok(())
    }

    fn over_limits(&self, log: &dyn MessageLog, later: &Later) -> bool {
        let (messages_max, bytes_max) = (limit(self.config.max_msgs), limit(self.config.max_bytes));
        if messages_max.is_none() && bytes_max.is_none() {
            return false;
        }
        let state = log.state();
        let over = |used: u64, max: Option<u64>| max.is_some_and(|max| used > max);
        let messages = state.messages.saturating_sub(later.messages);
        messages > 0
            && (over(messages, messages_max) || over(state.bytes.saturating_sub(later.bytes), bytes_max))
    }

    /// Removes the oldest messages of `subject` until it is within `max_msgs_per_subject`.
    pub(super) fn enforce_subject_limit(
        &mut self,
        turn: &mut Turn<'_>,
        subject: &[u8],
    ) -> Result<(), StoreError> {
        let Some(max) = limit(self.config.max_msgs_per_subject) else { return Ok(()) };
        let audience = &mut *turn.audience;
        keep_newest_of_subject(turn.log, subject, max, &mut |seq| audience.removed(subject, seq))
    }

    /// Brings a stream within its limits after a crash: what messages of the last commit pushed out may be there again. Those of
    /// a subject go first, as they had gone when the others came.
    pub fn enforce_limits_after_crash(
        &mut self,
        log: &mut dyn MessageLog,
        in_doubt: &InDoubt,
    ) -> Result<(), StoreError> {
        let seqs = match in_doubt {
            InDoubt::All => {
                self.enforce_subject_limits(log)?;
                return self.enforce_limits(log, &Later::default());
            }
            InDoubt::Messages(seqs) if seqs.is_empty() => return Ok(()),
            InDoubt::Messages(seqs) => seqs,
        };
        if let Some(max) = limit(self.config.max_msgs_per_subject) {
            for seq in seqs {
                if let Some(message) = load(log, *seq)? {
                    keep_newest_of_subject(log, &message.subject, max, &mut |_| {})?;
                }
            }
        }
        self.enforce_limits(log, &Later::default())
    }

    /// Brings a stream whose limits were tightened within them; where the disk is too full to write down what goes, as soon
    /// as it is not.
    pub(super) fn enforce_all_limits(
        &mut self,
        log: &mut dyn MessageLog,
        now: UnixNanos,
    ) -> Result<(), StoreError> {
        let enforced =
            self.enforce_limits(log, &Later::default()).and_then(|()| self.enforce_subject_limits(log));
        let full = matches!(enforced, Err(StoreError::DiskFull));
        self.limits_due = full.then_some(now.saturating_add(RETRY_AFTER));
        if full { Ok(()) } else { enforced }
    }

    /// Tries again when it is time to; returns when that is.
    pub(super) fn enforce_due_limits(
        &mut self,
        log: &mut dyn MessageLog,
        now: UnixNanos,
    ) -> Result<Option<UnixNanos>, StoreError> {
        if self.limits_due.is_some_and(|due| due <= now) {
            self.enforce_all_limits(log, now)?;
        }
        Ok(self.limits_due)
    }

    /// A start that finds more than there may be did not come to remove it before.
    pub(super) fn find_limits_due(&mut self, log: &dyn MessageLog, now: UnixNanos) {
        let over = self.config.discard == Discard::Old && self.over_limits(log, &Later::default());
        self.limits_due = over.then_some(now);
    }

    fn enforce_subject_limits(&self, log: &mut dyn MessageLog) -> Result<(), StoreError> {
        if let Some(max) = limit(self.config.max_msgs_per_subject) {
            for subject in subjects_over(log, max) {
                keep_newest_of_subject(log, &subject, max, &mut |_| {})?;
            }
        }
        Ok(())
    }
}

/// Removes all but the newest `keep` messages of a literal subject, and tells which.
fn keep_newest_of_subject(
    log: &mut dyn MessageLog,
    subject: &[u8],
    keep: u64,
    removed: &mut dyn FnMut(u64),
) -> Result<(), StoreError> {
    while let Some(state) = log.subject(subject).filter(|state| state.count > keep) {
        if log.remove(state.first_seq)?.is_none() {
            break;
        }
        removed(state.first_seq);
    }
    Ok(())
}

fn subjects_over(log: &dyn MessageLog, max: u64) -> Vec<Bytes> {
    let mut over = Vec::new();
    log.for_each_subject(b">", &mut |subject, state| {
        if state.count > max {
            over.push(Bytes::copy_from_slice(subject));
        }
        ControlFlow::Continue(())
    });
    over
}
