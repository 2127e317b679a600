//! The end of messages' lives, by `max_age` or their own `Nats-TTL`, and the delete markers they leave behind (ADR-43).

use std::borrow::Cow;

use bytes::Bytes;
use headwater_protocol::headers::{self, HeaderBuilder, names};
use headwater_protocol::jetstream::go_duration::{GoDuration, SECOND};

use super::StreamMachine;
use super::accept::{Accepted, Rollup};
use super::schedule::Scheduling;
use super::timers::Timers;
use super::ttl::Ttl;
use super::turn::Turn;
use crate::clock::UnixNanos;
use crate::store::{MessageLog, StorageKind, StoreError, StoredMessage};

/// Messages removed in one go, so that a publish never waits for a long expiry.
const ENDED_PER_ROUND_MAX: u64 = 10_000;
/// Where every message has to be read before it goes, fewer go at once.
const READ_PER_ROUND_MAX: usize = 1_000;
/// Ends of messages long gone that are kept besides those of live messages.
const STALE_ENDS_MAX: u64 = 4_096;

/// When messages end.
#[derive(Default)]
pub(super) struct Lives {
    /// Ends set by `Nats-TTL`.
    ttls: Timers,
    /// Every live message below this sequence outlives `max_age`.
    aged_below: u64,
    /// No message outgrows `max_age` before this; `None` if that has to be found out.
    age_deadline: Option<UnixNanos>,
}

impl Lives {
    /// The configuration has changed.
    pub(super) fn forget_deadline(&mut self) {
        self.age_deadline = None;
    }

    #[cfg(test)]
    pub(super) fn ends_kept(&self) -> u64 {
        self.ttls.len()
    }
}

impl StreamMachine {
    /// Ends the lives that are over; returns when to look again.
    pub(super) fn expire(&mut self, turn: &mut Turn<'_>) -> Result<Option<UnixNanos>, StoreError> {
        let aged = self.expire_aged(turn)?;
        self.expire_ttls(turn)?;
        Ok([aged, self.lives.ttls.next()].into_iter().flatten().min())
    }

    /// Notes the life of a message stored at `ts`.
    pub(super) fn note_life(&mut self, now: UnixNanos, ts: UnixNanos, seq: u64, ttl: Option<Ttl>) {
        if let Some(end) = ttl.and_then(|ttl| ttl.end(ts)) {
            self.lives.ttls.add(now, end, seq);
        }
        let max_age = self.config.max_age;
        if let Some(deadline) = self.lives.age_deadline.as_mut().filter(|_| max_age > 0) {
            *deadline = ts.saturating_add(max_age).min(*deadline);
        }
    }

    /// Forgets all ends, to learn them anew.
    pub(super) fn forget_lives(&mut self) {
        self.lives.ttls = Timers::default();
    }

    /// Learns from a stored message when it ends.
    pub(super) fn learn_life(&mut self, now: UnixNanos, message: &StoredMessage) {
        self.note_life(now, message.ts, message.seq, ttl_of(message));
    }

    fn expire_aged(&mut self, turn: &mut Turn<'_>) -> Result<Option<UnixNanos>, StoreError> {
        if self.config.max_age <= 0 {
            return Ok(None);
        }
        if let Some(deadline) = self.lives.age_deadline.filter(|deadline| *deadline > turn.now) {
            return Ok(Some(deadline).filter(|deadline| *deadline < UnixNanos::MAX));
        }
        let next =
            if self.config.allow_msg_ttl { self.expire_one_by_one(turn)? } else { self.expire_front(turn)? };
        self.lives.age_deadline = Some(next.unwrap_or(UnixNanos::MAX));
        Ok(next)
    }

    /// Messages without lives of their own go all at once.
    fn expire_front(&mut self, turn: &mut Turn<'_>) -> Result<Option<UnixNanos>, StoreError> {
        let oldest_kept = self.oldest_kept(turn.now);
        let state = turn.log.state();
        if state.messages > 0 && state.first_ts < oldest_kept {
            let keep_from = turn.log.seq_at_or_after(oldest_kept)?;
            let up_to = keep_from.min(state.first_seq.saturating_add(ENDED_PER_ROUND_MAX));
            turn.log.purge_below(up_to)?;
        }
        let state = turn.log.state();
        Ok((state.messages > 0).then(|| state.first_ts.saturating_add(self.config.max_age)))
    }

    fn expire_one_by_one(&mut self, turn: &mut Turn<'_>) -> Result<Option<UnixNanos>, StoreError> {
        let oldest_kept = self.oldest_kept(turn.now);
        for _ in 0..READ_PER_ROUND_MAX {
            let Some(seq) = turn.log.next_match(self.lives.aged_below, &[])? else { return Ok(None) };
            let ts = turn.log.timestamp(seq)?.unwrap_or(0);
            if ts >= oldest_kept {
                return Ok(Some(ts.saturating_add(self.config.max_age)));
            }
            self.lives.aged_below = seq + 1;
            let message = load_with_headers(turn.log, seq)?;
            if message.and_then(|message| ttl_of(&message)) != Some(Ttl::Never) {
                self.end_life(turn, seq)?;
            }
        }
        Ok(Some(turn.now))
    }

    fn expire_ttls(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let ttls = &mut self.lives.ttls;
        if ttls.is_empty() {
            return Ok(());
        }
        if ttls.len() > 2 * turn.log.state().messages + STALE_ENDS_MAX {
            ttls.sweep(READ_PER_ROUND_MAX, |seq| turn.log.meta(seq).is_some());
        }
        let mut ended = ttls.take_due(turn.now, READ_PER_ROUND_MAX);
        ended.sort_unstable();
        for seq in ended {
            self.end_life(turn, seq)?;
        }
        Ok(())
    }

    /// Removes what has ended, but for what a delete marker will take the place of.
    pub(super) fn remove_ended(
        &mut self,
        log: &mut dyn MessageLog,
        now: UnixNanos,
    ) -> Result<(), StoreError> {
        self.learn_headers(log, now)?;
        while self.lives.ttls.next().is_some_and(|due| due <= now) {
            for seq in self.lives.ttls.take_due(now, READ_PER_ROUND_MAX) {
                if self.subject_to_mark(log, seq)?.is_none() {
                    log.remove(seq)?;
                }
            }
        }
        Ok(())
    }

    /// Removes a message; the last of its subject makes room for a delete marker, if such are wanted.
    fn end_life(&mut self, turn: &mut Turn<'_>, seq: u64) -> Result<(), StoreError> {
        if let Some(subject) = self.subject_to_mark(turn.log, seq)? {
            if self.store_marker(turn, &subject) {
                return Ok(());
            }
        }
        turn.log.remove(seq)?;
        Ok(())
    }

    /// The subject of which this message is the last, if it is to leave a delete marker.
    fn subject_to_mark(&self, log: &dyn MessageLog, seq: u64) -> Result<Option<Bytes>, StoreError> {
        if self.config.subject_delete_marker_ttl <= 0 {
            return Ok(None);
        }
        let last = |message: &StoredMessage| {
            log.subject(message.subject()).is_some_and(|state| state.count == 1)
                && !is_delete_marker(message.headers())
        };
        Ok(load(log, seq)?.filter(last).map(StoredMessage::into_subject))
    }

    /// Puts a delete marker in the place of the last message of a subject. `false` where there is no room for it.
    fn store_marker(&mut self, turn: &mut Turn<'_>, subject: &[u8]) -> bool {
        let seconds = self.config.subject_delete_marker_ttl / SECOND;
        let block = HeaderBuilder::new()
            .add(names::MARKER_REASON, b"MaxAge")
            .add(names::TTL, GoDuration(seconds * SECOND).to_string().as_bytes())
            .add(names::ROLLUP, b"sub")
            .finish();
        let marker = Accepted {
            subject,
            headers: Cow::Owned(block),
            payload: Cow::Borrowed(b""),
            msg_id: b"",
            rollup: Some(Rollup::Subject),
            ttl: Some(Ttl::Seconds(seconds)),
            total: None,
            scheduling: Scheduling::default(),
            wanted: self.is_wanted(turn, subject),
        };
        self.check_discard_new(turn.log, &marker).and_then(|()| self.store(turn, &marker)).is_ok()
    }

    fn oldest_kept(&self, now: UnixNanos) -> UnixNanos {
        now.saturating_sub(self.config.max_age).saturating_add(1)
    }
}

fn ttl_of(message: &StoredMessage) -> Option<Ttl> {
    headers::get(message.headers(), names::TTL).and_then(|value| Ttl::parse(value).ok()?)
}

/// A delete marker, ours or a client's, leaves none behind.
fn is_delete_marker(block: &[u8]) -> bool {
    headers::get(block, names::MARKER_REASON).is_some_and(|reason| !reason.is_empty())
        || headers::get(block, b"KV-Operation") == Some(b"PURGE")
}

/// Reads a message, unless its size tells that it has no headers.
pub(super) fn load_with_headers(log: &dyn MessageLog, seq: u64) -> Result<Option<StoredMessage>, StoreError> {
    let bare = |meta: crate::store::MessageMeta| {
        log.kind() == StorageKind::File && meta.accounted_bytes == meta.content_bytes + FILE_OVERHEAD_BARE
    };
    if log.meta(seq).is_none_or(bare) { Ok(None) } else { load(log, seq) }
}

/// What a message without headers counts in a file stream besides its content (behaviour §15).
const FILE_OVERHEAD_BARE: u64 = 30;

/// A damaged message says nothing; the others count on.
pub(super) fn load(log: &dyn MessageLog, seq: u64) -> Result<Option<StoredMessage>, StoreError> {
    match log.load(seq) {
        Err(StoreError::Damaged { .. }) => Ok(None),
        read => read,
    }
}
