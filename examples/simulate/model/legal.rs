//! Why a message may go.

use std::collections::BTreeMap;

use headwater_protocol::headers::names;
use headwater_protocol::jetstream::stream_config::{Discard, Retention};

use super::stream::StreamModel;

/// Why a message may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Somebody asked for it.
    Asked,
    /// It was too old, or its own time was over.
    Age,
    /// Limits allow no more messages, bytes, or messages of its subject.
    Limit,
    /// A newer message replaced it.
    Rollup,
    /// Those who wanted it had it.
    Had,
}

impl Reason {
    /// Whether it went because a newer message came.
    pub fn makes_room(self) -> bool {
        matches!(self, Reason::Limit | Reason::Rollup)
    }
}

/// What is needed to judge many messages of one stream.
pub struct Reasons {
    now: i64,
    /// For each message: how many live ones follow, how many of its subject, and the bytes of it and those.
    after: BTreeMap<u64, After>,
    /// The newest message that replaced all others.
    rolled_up: u64,
    /// The newest message of each subject that replaced the others of it.
    rolled_up_by_subject: BTreeMap<String, u64>,
}

#[derive(Clone, Copy)]
struct After {
    messages: u64,
    of_subject: u64,
    bytes: u64,
}

impl Reasons {
    /// The reasons there are in a stream, in which what goes now still counts as live.
    pub fn of(stream: &StreamModel, now: i64) -> Self {
        Self::among(stream, now, &|_| true)
    }

    /// The reasons there are in a stream for messages that go beside those that are `there`.
    pub fn among(stream: &StreamModel, now: i64, there: &dyn Fn(u64) -> bool) -> Self {
        let mut reasons =
            Self { now, after: BTreeMap::new(), rolled_up: 0, rolled_up_by_subject: BTreeMap::new() };
        let (mut messages, mut bytes) = (0, 0);
        let mut of_subject: BTreeMap<&str, u64> = BTreeMap::new();
        for (seq, stored) in stream.live().rev().filter(|(seq, _)| there(*seq)) {
            bytes += stored.accounted_bytes(stream.is_file()).unwrap_or(0);
            let same = of_subject.entry(stored.subject()).or_default();
            reasons.after.insert(seq, After { messages, of_subject: *same, bytes });
            messages += 1;
            *same += 1;
        }
        for (seq, stored) in stream.messages.iter().filter(|(seq, _)| there(**seq)) {
            match stored.header(names::ROLLUP) {
                Some(b"all") => reasons.rolled_up = *seq,
                Some(_) => drop(reasons.rolled_up_by_subject.insert(stored.subject().to_owned(), *seq)),
                None => {}
            }
        }
        reasons
    }

    /// Why message `seq` may go; `None` if it must stay.
    pub fn find(&mut self, stream: &StreamModel, seq: u64) -> Option<Reason> {
        let stored = stream.messages.get(&seq)?;
        let config = &stream.config;
        if stream.unwanted.contains(&seq) {
            return Some(Reason::Asked);
        }
        if stream.is_due(stored, self.now) {
            return Some(Reason::Age);
        }
        if seq < self.rolled_up || self.rolled_up_by_subject.get(stored.subject()).is_some_and(|by| seq < *by)
        {
            return Some(Reason::Rollup);
        }
        if self.had(stream, seq, stored.subject()) {
            return Some(Reason::Had);
        }
        if stored.content.is_none() && self.may_go_unseen(stream, seq) {
            return Some(Reason::Limit);
        }
        let after = self.after(stream, seq)?;
        let beyond = |used: u64, max: i64| u64::try_from(max).is_ok_and(|max| max > 0 && used > max);
        let full = beyond(after.messages + 1, config.max_msgs) || beyond(after.bytes, config.max_bytes);
        let subject_full = beyond(after.of_subject + 1, config.max_msgs_per_subject);
        (subject_full || (full && config.discard == Discard::Old)).then_some(Reason::Limit)
    }

    /// Whether what the stream made up, and nobody saw, may have had to go: its subject is not known, nor its size.
    fn may_go_unseen(&self, stream: &StreamModel, seq: u64) -> bool {
        let config = &stream.config;
        let old_go = config.discard == Discard::Old && (config.max_msgs > 0 || config.max_bytes > 0);
        let replaced = self.rolled_up_by_subject.values().any(|by| seq < *by);
        old_go || config.max_msgs_per_subject > 0 || replaced
    }

    /// What follows a message, which may not be there itself.
    fn after(&self, stream: &StreamModel, seq: u64) -> Option<After> {
        if let Some(after) = self.after.get(&seq) {
            return Some(*after);
        }
        let stored = stream.messages.get(&seq)?;
        let own = stored.accounted_bytes(stream.is_file()).unwrap_or(0);
        let next = self.after.range(seq..).next().map(|(_, after)| *after);
        let later = self.after.range(seq..).filter_map(|(seq, _)| stream.messages.get(seq));
        Some(After {
            messages: next.map_or(0, |next| next.messages + 1),
            of_subject: later.filter(|later| later.subject() == stored.subject()).count() as u64,
            bytes: next.map_or(0, |next| next.bytes) + own,
        })
    }

    fn had(&self, stream: &StreamModel, seq: u64, subject: &str) -> bool {
        let mut all = stream.consumers.values().chain(&stream.former_consumers);
        match stream.config.retention {
            Retention::Limits => false,
            Retention::WorkQueue => {
                all.any(|consumer| consumer.acked.contains(seq) || !consumer.awaits_acks())
            }
            Retention::Interest => !stream.consumers.values().any(|consumer| consumer.may_need(seq, subject)),
        }
    }
}
