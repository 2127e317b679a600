//! Purging a stream: all of it, a subject, up to a sequence, or all but the newest few (ADR-10).

use std::ops::ControlFlow;

use bytes::Bytes;
use headwater_protocol::subject::has_wildcards;

use super::StreamMachine;
use super::refusal::Refusal;
use crate::store::{Lsn, MessageLog, StoreError};

/// Messages that a filtered purge lists before it removes them.
const KNOWN_AT_A_TIME_MAX: usize = 4096;

/// What to purge; nothing set purges everything.
#[derive(Debug, Clone, Default)]
pub struct Purge {
    /// Only messages whose subject matches.
    pub filter: Option<Bytes>,
    /// Only messages below this sequence.
    pub below: Option<u64>,
    /// All but the newest so many.
    pub keep: Option<u64>,
}

impl StreamMachine {
    /// Purges; returns how many messages went and where the record of it ends.
    pub fn purge(&mut self, log: &mut dyn MessageLog, purge: &Purge) -> Result<(u64, Lsn), Refusal> {
        if self.config.sealed {
            return Err(Refusal::Sealed);
        }
        if self.config.deny_purge {
            return Err(Refusal::PurgeDenied);
        }
        if purge.below == Some(1) {
            return Ok((0, Lsn::ZERO));
        }
        Ok(match &purge.filter {
            Some(filter) if filter.as_ref() != b">" => purge_filtered(log, filter, purge)?,
            _ => {
                self.begun |= purge.keep.is_none();
                purge_front(log, purge)?
            }
        })
    }

    /// What the stream holds, or none, went with its last consumer.
    pub fn emptied(&mut self, log: &mut dyn MessageLog) -> Result<Lsn, StoreError> {
        self.begun = true;
        log.purge_below(log.state().last_seq + 1).map(|(_, lsn)| lsn)
    }

    /// Whether the stream says that it begins at 1 although it has never held a message.
    pub fn begins_at_one(&self) -> bool {
        self.begun || self.config.first_seq == 1
    }

    /// Removes one message by its sequence.
    pub fn delete(&mut self, log: &mut dyn MessageLog, seq: u64) -> Result<Option<Lsn>, Refusal> {
        if self.config.sealed {
            return Err(Refusal::Sealed);
        }
        if self.config.deny_delete {
            return Err(Refusal::DeleteDenied);
        }
        Ok(log.remove(seq)?.map(|(_, lsn)| lsn))
    }
}

fn purge_front(log: &mut dyn MessageLog, purge: &Purge) -> Result<(u64, Lsn), StoreError> {
    let state = log.state();
    let below = match (purge.below, purge.keep) {
        (Some(below), _) => below,
        (None, Some(keep)) => first_of_newest(log, keep)?,
        (None, None) => state.last_seq + 1,
    };
    log.purge_below(below)
}

/// The sequence from which `keep` messages are left.
fn first_of_newest(log: &dyn MessageLog, keep: u64) -> Result<u64, StoreError> {
    let state = log.state();
    if keep >= state.messages {
        return Ok(state.first_seq);
    }
    let mut left_out = state.messages - keep;
    let mut seq = state.first_seq;
    while left_out > 0 {
        let Some(next) = log.next_match(seq, &[])? else { break };
        seq = next + 1;
        left_out -= 1;
    }
    Ok(seq)
}

fn purge_filtered(log: &mut dyn MessageLog, filter: &Bytes, purge: &Purge) -> Result<(u64, Lsn), StoreError> {
    let filters = [filter.clone()];
    let state = log.state();
    let last = purge.below.map_or(state.last_seq, |below| below.saturating_sub(1).min(state.last_seq));
    let mut done = (0, Lsn::ZERO);
    if purge.keep.is_none() && purge_known(log, filter, last, &mut done)? {
        return Ok(done);
    }
    let matching = log.count_matches(state.first_seq, last, &filters)?;
    let mut left = matching.saturating_sub(purge.keep.unwrap_or(0));
    let mut from = state.first_seq;
    while left > 0 {
        let Some(seq) = log.next_match(from, &filters)?.filter(|seq| *seq <= last) else { break };
        if let Some((_, lsn)) = log.remove(seq)? {
            done = (done.0 + 1, lsn);
        }
        from = seq + 1;
        left -= 1;
    }
    Ok(done)
}

/// Removes the messages up to `last` of those subjects that have one or two, which are known without a search; `true` if
/// that is all there was to remove.
fn purge_known(
    log: &mut dyn MessageLog,
    filter: &[u8],
    last: u64,
    done: &mut (u64, Lsn),
) -> Result<bool, StoreError> {
    let (mut after, mut is_all) = (Vec::new(), true);
    loop {
        let (from, mut found) = (std::mem::take(&mut after), Vec::new());
        log.for_each_subject_after(filter, &from, &mut |subject, state| {
            let is_known = state.count <= 2 && state.last_seq <= last;
            is_all &= is_known || state.first_seq > last;
            if is_known {
                found.extend(
                    [state.first_seq, state.last_seq].map(|seq| (seq, Bytes::copy_from_slice(subject))),
                );
            }
            if found.len() < KNOWN_AT_A_TIME_MAX {
                return ControlFlow::Continue(());
            }
            after.extend_from_slice(subject);
            ControlFlow::Break(())
        });
        found.sort_unstable();
        found.dedup();
        for (seq, subject) in found {
            if let Some((_, lsn)) = log.remove_of(seq, &subject)? {
                *done = (done.0 + 1, lsn);
            }
        }
        if after.is_empty() {
            return Ok(is_all);
        }
    }
}

/// Removes what is older than `seq` and matches `subject`: a publish on `a.*` rolls up all of them.
pub(super) fn roll_up_subject(log: &mut dyn MessageLog, subject: &[u8], seq: u64) -> Result<(), StoreError> {
    if has_wildcards(subject) {
        let purge = Purge { below: Some(seq), ..Purge::default() };
        return purge_filtered(log, &Bytes::copy_from_slice(subject), &purge).map(drop);
    }
    while let Some(state) = log.subject(subject).filter(|state| state.first_seq < seq) {
        if log.remove(state.first_seq)?.is_none() {
            break;
        }
    }
    Ok(())
}
