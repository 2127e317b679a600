//! What the messages of an atomic batch will have changed, once they are stored, for the checks of those after them.

use std::collections::{HashMap, HashSet};

use crate::jetstream::stream::counter::Counter;

/// The changes of the messages checked so far.
#[derive(Default)]
pub(super) struct Tally<'a> {
    /// Messages, and what they count against `max_bytes`.
    pub(super) messages: u64,
    pub(super) bytes: u64,
    /// How many messages each subject gets.
    pub(super) per_subject: HashMap<&'a [u8], u64>,
    pub(super) msg_ids: HashSet<&'a [u8]>,
    pub(super) counters: HashMap<&'a [u8], Counter>,
    /// The last sequences of the filters that messages had expectations of.
    pub(super) last_seqs: HashMap<&'a [u8], u64>,
}

impl<'a> Tally<'a> {
    /// Counts a message.
    pub(super) fn count(&mut self, subject: &'a [u8], bytes: u64) {
        self.messages += 1;
        self.bytes += bytes;
        *self.per_subject.entry(subject).or_default() += 1;
    }

    /// Whether a message of the batch goes to `subject`.
    pub(super) fn writes(&self, subject: &[u8]) -> bool {
        self.per_subject.contains_key(subject)
    }
}
