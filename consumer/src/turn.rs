//! What a consumer may look at while it takes a step, and where it says what it wants done.

use bytes::Bytes;
use headwater_store::{MessageLog, UnixNanos};

use super::effect::Effect;

/// One step's surroundings.
pub struct Turn<'a> {
    /// The stream's messages.
    pub log: &'a dyn MessageLog,
    /// Messages beyond this one are not durable yet: they do not exist as far as the consumer is concerned.
    pub visible_last_seq: u64,
    /// The moment of the step.
    pub now: UnixNanos,
    /// Whether somebody listens to a subject.
    pub interest: &'a dyn Fn(&[u8]) -> bool,
    /// What is to be done, in order.
    pub effects: &'a mut Vec<Effect>,
}

impl Turn<'_> {
    /// Wants something done.
    pub(super) fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Wants a status sent.
    pub(super) fn status(&mut self, to: &Bytes, headers: Bytes) {
        self.effects.push(super::status::to(to, headers));
    }
}
