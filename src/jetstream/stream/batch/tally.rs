//! What the messages of an atomic batch will have changed, once they are stored, for the checks of those after them.

use std::collections::{HashMap, HashSet};

use crate::jetstream::stream::counter::Counter;

/// The changes of the messages checked so far.
#[derive(Default)]
pub(super) struct Tally<'a> {
    /// Messages, and what they count against `max_bytes`.
    pub(super) messages: u64,
    pub(super) bytes: u64,
    subjects: HashMap<&'a [u8], Written>,
    pub(super) msg_ids: HashSet<&'a [u8]>,
    pub(super) counters: HashMap<&'a [u8], Counter>,
    /// The last sequences of the filters that messages had expectations of.
    pub(super) last_seqs: HashMap<&'a [u8], u64>,
}

/// What a batch writes to one subject.
#[derive(Default)]
struct Written {
    messages: u64,
    /// Whether the last of them is a schedule.
    schedule: bool,
}

impl<'a> Tally<'a> {
    /// Counts a message.
    pub(super) fn count(&mut self, subject: &'a [u8], is_schedule: bool, bytes: u64) {
        self.messages += 1;
        self.bytes += bytes;
        let written = self.subjects.entry(subject).or_default();
        written.messages += 1;
        written.schedule = is_schedule;
    }

    /// Whether a message of the batch goes to `subject`.
    pub(super) fn writes(&self, subject: &[u8]) -> bool {
        self.subjects.contains_key(subject)
    }

    /// How many messages of the batch go to `subject`.
    pub(super) fn messages_on(&self, subject: &[u8]) -> u64 {
        self.subjects.get(subject).map_or(0, |written| written.messages)
    }

    /// Whether the batch leaves a schedule on `subject`; `None` if it leaves nothing there.
    pub(super) fn schedules_on(&self, subject: &[u8]) -> Option<bool> {
        self.subjects.get(subject).map(|written| written.schedule)
    }
}
