//! Storing what was found in order.

use std::collections::HashMap;

use super::StreamMachine;
use super::accept::{Accepted, Rollup};
use super::purge::roll_up_subject;
use super::refusal::Refusal;
use super::turn::{Effect, Turn};
use crate::clock::UnixNanos;
use crate::store::{MessageLog, NewMessage};

impl StreamMachine {
    /// Stores a message; returns its sequence. What nobody wants is not stored, but its sequence is used up.
    pub(super) fn store(&mut self, turn: &mut Turn<'_>, message: &Accepted<'_>) -> Result<u64, Refusal> {
        let seq = self.next_seq(turn.log);
        let (lsn, republish) = if message.wanted {
            let new = new_message(message, seq, turn.now);
            let republish = self.republished_group(turn.log, std::slice::from_ref(&new));
            (turn.log.append(&new)?, republish)
        } else {
            (turn.log.skip_to(seq)?, Vec::new())
        };
        turn.effects.push(Effect::Stored { seq, lsn });
        turn.effects.extend(republish);
        self.after_store(turn, message, seq)?;
        Ok(seq)
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
        let republish = self.republished_group(turn.log, &new);
        let mut lsn = turn.log.append_group(&new)?;
        let last_seq = first_seq + (group.len() as u64).saturating_sub(1);
        if turn.log.state().last_seq < last_seq {
            lsn = turn.log.skip_to(last_seq)?;
        }
        turn.effects.push(Effect::Stored { seq: last_seq, lsn });
        turn.effects.extend(republish);
        for (message, seq) in messages() {
            self.after_store(turn, message, seq)?;
        }
        Ok(last_seq)
    }

    /// What goes out again when the messages are stored one after the other.
    fn republished_group(&self, log: &dyn MessageLog, messages: &[NewMessage<'_>]) -> Vec<Effect> {
        let Some(republisher) = &self.republisher else { return Vec::new() };
        let mut last_seqs: HashMap<&[u8], u64> = HashMap::new();
        let outgoing = messages.iter().filter_map(|message| {
            let before = last_seqs.insert(message.subject, message.seq);
            let before =
                before.unwrap_or_else(|| log.subject(message.subject).map_or(0, |state| state.last_seq));
            let to = republisher.subject(message.subject)?;
            Some(Effect::Republish(Box::new(republisher.outgoing(to, &self.config.name, message, before))))
        });
        outgoing.collect()
    }

    fn after_store(&mut self, turn: &mut Turn<'_>, message: &Accepted<'_>, seq: u64) -> Result<(), Refusal> {
        self.remember_id(message.msg_id, turn.now, seq);
        match message.rollup {
            Some(Rollup::Subject) => roll_up_subject(turn.log, message.subject, seq)?,
            Some(Rollup::All) => drop(turn.log.purge_below(seq + u64::from(!message.wanted))?),
            None => {}
        }
        if let Some(schedule) = message.scheduling.ends {
            roll_up_subject(turn.log, schedule, u64::MAX)?;
        }
        if message.wanted {
            if let Some(due) = message.scheduling.due {
                self.note_schedule(turn.log, turn.now, due, seq);
            }
            self.note_life(turn.now, turn.now, seq, message.ttl);
            self.enforce_subject_limit(turn.log, message.subject)?;
            self.enforce_limits(turn.log)?;
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
        (log.state().last_seq + 1).max(self.config.first_seq)
    }
}

fn new_message<'a>(message: &'a Accepted<'_>, seq: u64, now: UnixNanos) -> NewMessage<'a> {
    let Accepted { subject, headers, payload, .. } = message;
    NewMessage { seq, ts: now, subject, headers, payload }
}
