//! Storing what was found in order.

use std::collections::HashMap;

use bytes::Bytes;

use super::StreamMachine;
use super::accept::{Accepted, Rollup};
use super::limits::accounted_bytes;
use super::purge::roll_up_subject;
use super::refusal::Refusal;
use super::turn::{Effect, Turn};
use crate::clock::UnixNanos;
use crate::store::{MessageLog, NewMessage};

impl StreamMachine {
    /// Stores a message; returns its sequence. What nobody wants is not stored, but its sequence is used up.
    pub(super) fn store(&mut self, turn: &mut Turn<'_>, message: &Accepted<'_>) -> Result<u64, Refusal> {
        let slot = self.next_slot(turn);
        self.store_at(turn, message, slot)
    }

    /// Stores a message under a sequence, which must be beyond the last.
    pub(super) fn store_at(
        &mut self,
        turn: &mut Turn<'_>,
        message: &Accepted<'_>,
        Slot { seq, ts }: Slot,
    ) -> Result<u64, Refusal> {
        let (lsn, republish) = if message.wanted {
            let republish = self.republished(turn, ts, std::iter::once((message, seq)));
            (turn.log.append(&new_message(message, seq, ts))?, republish)
        } else {
            (turn.log.skip_to(seq, turn.now)?, Vec::new())
        };
        turn.effects.push(Effect::Stored { seq, lsn });
        turn.effects.extend(republish);
        self.after_store(turn, message, Slot { seq, ts }, &Later::default())?;
        Ok(seq)
    }

    /// Where the next message goes.
    pub(super) fn next_slot(&self, turn: &Turn<'_>) -> Slot {
        Slot { seq: self.next_seq(turn.log), ts: turn.now }
    }

    /// Stores the messages of a batch, all or none; returns the sequence of the last.
    pub(super) fn store_group(
        &mut self,
        turn: &mut Turn<'_>,
        group: &[Accepted<'_>],
    ) -> Result<u64, Refusal> {
        let first_seq = self.next_seq(turn.log);
        let messages = || group.iter().zip(first_seq..);
        let new: Vec<_> = messages()
            .filter(|(message, _)| message.wanted)
            .map(|(message, seq)| new_message(message, seq, turn.now))
            .collect();
        let republish = self.republished(turn, turn.now, messages());
        let mut lsn = turn.log.append_group(&new)?;
        let last_seq = first_seq + (group.len() as u64).saturating_sub(1);
        if turn.log.state().last_seq < last_seq {
            lsn = turn.log.skip_to(last_seq, turn.now)?;
        }
        turn.effects.push(Effect::Stored { seq: last_seq, lsn });
        turn.effects.extend(republish);
        let mut later = Later::of(turn.log, group);
        for (message, seq) in messages() {
            later.step(turn.log, message);
            self.after_store(turn, message, Slot { seq, ts: turn.now }, &later)?;
        }
        Ok(last_seq)
    }

    /// What goes out again when the messages are stored one after the other.
    fn republished<'a>(
        &self,
        turn: &Turn<'_>,
        ts: UnixNanos,
        messages: impl Iterator<Item = (&'a Accepted<'a>, u64)>,
    ) -> Vec<Effect> {
        let Some(republisher) = &self.republisher else { return Vec::new() };
        let mut last_seqs: HashMap<&[u8], u64> = HashMap::new();
        let mut emptied = false;
        let outgoing = messages.filter(|(message, _)| message.wanted).filter_map(|(message, seq)| {
            let stored = if emptied { None } else { turn.log.subject(message.subject) };
            emptied |= message.rollup == Some(Rollup::All);
            let before = last_seqs.insert(message.subject, seq);
            let before = before.unwrap_or_else(|| stored.map_or(0, |state| state.last_seq));
            let to = republisher.subject(message.subject)?;
            let message = new_message(message, seq, ts);
            Some(Effect::Republish(Box::new(republisher.outgoing(to, &self.config.name, &message, before))))
        });
        outgoing.collect()
    }

    /// Limits come first, as with nats-server: what they removed to make room is gone, even if a rollup makes more.
    fn after_store(
        &mut self,
        turn: &mut Turn<'_>,
        message: &Accepted<'_>,
        Slot { seq, ts }: Slot,
        later: &Later,
    ) -> Result<(), Refusal> {
        self.remember_id(message.msg_id, turn.now, seq);
        if message.wanted {
            turn.audience.stored(message.subject, seq);
            if let Some(due) = message.scheduling.due {
                self.note_schedule(turn.log, turn.now, due, seq);
            }
            self.note_life(turn.now, ts, seq, message.ttl);
            self.enforce_subject_limit(turn, message.subject)?;
            self.enforce_limits(turn.log, later)?;
        }
        match message.rollup {
            Some(Rollup::Subject) => roll_up_subject(turn.log, message.subject, seq)?,
            Some(Rollup::All) => drop(turn.log.purge_below(seq + u64::from(!message.wanted))?),
            None => {}
        }
        if let Some(rollup) = message.rollup {
            let subject = (rollup == Rollup::Subject).then(|| Bytes::copy_from_slice(message.subject));
            turn.effects.push(Effect::RolledUp(subject));
        }
        if let Some(schedule) = message.scheduling.ends {
            roll_up_subject(turn.log, schedule, u64::MAX)?;
        }
        Ok(())
    }

    fn remember_id(&mut self, msg_id: &[u8], now: UnixNanos, seq: u64) {
        self.last_msg_id.clear();
        if !msg_id.is_empty() {
            self.dedup.remember(msg_id, now, seq);
            self.last_msg_id.extend_from_slice(msg_id);
        }
    }

    fn next_seq(&self, log: &dyn MessageLog) -> u64 {
        log.state().last_seq + 1
    }
}

/// Where a message is stored: the sequence it gets, and the time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) seq: u64,
    pub(super) ts: UnixNanos,
}

/// The messages of a group that come after the one whose turn it is: stored already, but not yet to be counted.
#[derive(Default)]
pub(super) struct Later {
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

impl Later {
    fn of(log: &dyn MessageLog, group: &[Accepted<'_>]) -> Self {
        let mut later = Self::default();
        for message in group.iter().filter(|message| message.wanted) {
            later.messages += 1;
            later.bytes += accounted_bytes(log.kind(), &message.content());
        }
        later
    }

    /// It is the turn of `message`.
    fn step(&mut self, log: &dyn MessageLog, message: &Accepted<'_>) {
        if message.wanted {
            self.messages -= 1;
            self.bytes -= accounted_bytes(log.kind(), &message.content());
        }
    }
}

fn new_message<'a>(message: &'a Accepted<'_>, seq: u64, ts: UnixNanos) -> NewMessage<'a> {
    let Accepted { subject, headers, payload, .. } = message;
    NewMessage { seq, ts, subject, headers, payload }
}
