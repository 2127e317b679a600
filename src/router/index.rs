//! The subject index: who has subscribed to what.

mod generations;
mod node;
mod usage;

use std::sync::Arc;

use headwater_protocol::subject;
use parking_lot::RwLock;

use self::generations::Generations;
use self::node::Node;
use self::usage::Counters;
pub use self::usage::IndexUsage;
use super::{Matches, Subscription};

/// Tokens a subscription's subject may have. Bounds the depth of the tree, which is walked recursively.
pub const SUBSCRIPTION_TOKENS_MAX: usize = 2048;

/// The subscriptions of one account, as a tree of subject tokens.
///
/// A look-up returns shared handles, so that nothing is delivered under the lock. Every change moves the generation of the
/// subjects it may concern, which is how cached answers know that they are old.
#[derive(Default)]
pub struct SubjectIndex {
    root: RwLock<Node>,
    generations: Generations,
    counters: Counters,
}

impl SubjectIndex {
    /// An empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a subscription. `false` if its subject cannot be subscribed to.
    pub fn insert(&self, subscription: &Arc<Subscription>) -> bool {
        let subject = subscription.subject();
        if !subject::is_valid(subject) || subject::token_count(subject) > SUBSCRIPTION_TOKENS_MAX {
            return false;
        }
        let mut root = self.root.write();
        root.insert(subscription);
        self.generations.advance(subject);
        self.counters.inserted();
        true
    }

    /// Takes a subscription out. `false` if it was not in.
    pub fn remove(&self, subscription: &Arc<Subscription>) -> bool {
        let mut root = self.root.write();
        if !root.remove(subscription) {
            return false;
        }
        self.generations.advance(subscription.subject());
        self.counters.removed();
        true
    }

    /// Adds to `matches`, which is empty, the subscriptions that a message published to `subject` reaches.
    ///
    /// Wildcards in `subject` are ordinary tokens; a subject with an empty token reaches nobody.
    ///
    /// `true` if all subjects with the same tokens but the last reach the same.
    pub fn collect(&self, subject: &[u8], matches: &mut Matches) -> bool {
        if subject::tokens(subject).any(<[u8]>::is_empty) {
            return false;
        }
        let holds_for_siblings = self.root.read().collect(subject, matches);
        self.counters.looked_up(matches);
        holds_for_siblings
    }

    /// Shows all subscriptions, with the index locked for changes.
    pub fn for_each(&self, visit: &mut dyn FnMut(&Arc<Subscription>)) {
        self.root.read().for_each(visit);
    }

    /// The generation of the answers for all subjects with this [slot](Self::generation_slot): while it stays the same, so do
    /// the answers. Never 0.
    pub fn generation(&self, slot: usize) -> u64 {
        self.generations.of(slot)
    }

    /// What to ask [`generation`](Self::generation) for, to learn whether the answer for the literal `subject` is still true.
    pub fn generation_slot(subject: &[u8]) -> usize {
        generations::slot_of(subject)
    }

    /// How many subscriptions there are.
    pub fn len(&self) -> usize {
        self.counters.held()
    }

    /// How it has been used so far.
    pub fn usage(&self) -> IndexUsage {
        self.counters.so_far()
    }

    /// True if there are no subscriptions.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests;
