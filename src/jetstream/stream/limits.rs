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

    /// Brings a stream within its limits after a crash: what messages of the last commit pushed out may be there again. What has
    /// ended goes first, for it had gone and made room; then those of a subject, as they had gone when the others came.
    pub fn enforce_limits_after_crash(
        &mut self,
        log: &mut dyn MessageLog,
        in_doubt: &InDoubt,
        now: UnixNanos,
    ) -> Result<(), StoreError> {
        let over = self.subjects_in_doubt(log, in_doubt)?;
        if !over.is_empty() || self.has_too_many(log) {
            self.remove_ended(log, now)?;
        }
        self.keep_newest(log, over, &mut |_, _| {})?;
        self.enforce_limits(log, &Later::default())
    }

    /// Subjects of which there is more than there may be, among those that the last commit touched.
    fn subjects_in_doubt(&self, log: &dyn MessageLog, in_doubt: &InDoubt) -> Result<Vec<Bytes>, StoreError> {
        let Some(max) = limit(self.config.max_msgs_per_subject) else { return Ok(Vec::new()) };
        let InDoubt::Messages(seqs) = in_doubt else { return Ok(subjects_over(log, max)) };
        let mut over = Vec::new();
        for seq in seqs {
            let subject = load(log, *seq)?.map(|message| message.into_subject());
            let is_over = |subject: &Bytes| log.subject(subject).is_some_and(|state| state.count > max);
            over.extend(subject.filter(is_over));
        }
        Ok(over)
    }

    /// Brings a stream whose limits were tightened within them; where the disk is too full to write down what goes, as soon
    /// as it is not. `removed` is told which go of a subject that has too many.
    pub(super) fn enforce_all_limits(
        &mut self,
        log: &mut dyn MessageLog,
        now: UnixNanos,
        removed: &mut dyn FnMut(&[u8], u64),
    ) -> Result<(), StoreError> {
        let mut enforced = self.enforce_limits(log, &Later::default());
        if let Some(max) = limit(self.config.max_msgs_per_subject) {
            let over = subjects_over(log, max);
            enforced = enforced.and_then(|()| self.keep_newest(log, over, removed));
        }
        let full = matches!(enforced, Err(StoreError::DiskFull));
        self.limits_due = full.then_some(now.saturating_add(RETRY_AFTER));
        if full { Ok(()) } else { enforced }
    }

    /// Tries again when it is time to, and nothing has ended by then that is still there, as `next_end` tells; returns when that
    /// is.
    pub(super) fn enforce_due_limits(
        &mut self,
        turn: &mut Turn<'_>,
        next_end: Option<UnixNanos>,
    ) -> Result<Option<UnixNanos>, StoreError> {
        let some_have_ended = next_end.is_some_and(|end| end <= turn.now);
        if self.limits_due.is_some_and(|due| due <= turn.now) && !some_have_ended {
            let audience = &mut *turn.audience;
            self.enforce_all_limits(turn.log, turn.now, &mut |subject, seq| audience.removed(subject, seq))?;
        }
        Ok(self.limits_due)
    }

    /// A crash has left more than there may be, and the disk was too full to remove it.
    pub fn owe_limits(&mut self, now: UnixNanos) {
        self.limits_due = Some(now);
    }

    /// A start that finds more than there may be did not come to remove it before.
    pub(super) fn find_limits_due(&mut self, log: &dyn MessageLog, now: UnixNanos) {
        let state = log.state();
        let crowded = |max: u64| state.messages > state.subjects.saturating_mul(max);
        // Single subjects that have too many among others that have few are left to their next message: to find them would mean
        // to look at all.
        let over = self.has_too_many(log) || limit(self.config.max_msgs_per_subject).is_some_and(crowded);
        self.limits_due = over.then_some(now);
    }

    fn has_too_many(&self, log: &dyn MessageLog) -> bool {
        self.config.discard == Discard::Old && self.over_limits(log, &Later::default())
    }

    fn keep_newest(
        &self,
        log: &mut dyn MessageLog,
        subjects: Vec<Bytes>,
        removed: &mut dyn FnMut(&[u8], u64),
    ) -> Result<(), StoreError> {
        let Some(max) = limit(self.config.max_msgs_per_subject) else { return Ok(()) };
        subjects.iter().try_for_each(|subject| {
            keep_newest_of_subject(log, subject, max, &mut |seq| removed(subject, seq))
        })
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
