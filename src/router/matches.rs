//! What the index answers.

use std::sync::Arc;

use super::Subscription;

/// The subscriptions that a subject reaches.
#[derive(Debug, Default)]
pub struct Matches {
    /// Each of these gets the message.
    pub plain: Vec<Arc<Subscription>>,
    /// One member of each of these gets the message.
    pub groups: Vec<QueueGroup>,
}

/// The members of one queue group that a subject reaches.
#[derive(Debug)]
pub struct QueueGroup {
    /// Never empty.
    pub members: Vec<Arc<Subscription>>,
}

impl Matches {
    /// True if the subject reaches nobody.
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.groups.is_empty()
    }

    /// How many subscriptions are in here.
    pub fn len(&self) -> usize {
        self.plain.len() + self.groups.iter().map(|group| group.members.len()).sum::<usize>()
    }

    /// Forgets everything, and gives memory back that an unusual match needed.
    pub fn clear(&mut self) {
        self.plain.clear();
        self.groups.clear();
        self.plain.shrink_to(SCRATCH_KEPT_MAX);
        self.groups.shrink_to(SCRATCH_KEPT_MAX);
    }

    /// Whether this is more than a cleared result keeps room for.
    pub(super) fn is_wide(&self) -> bool {
        self.len() > SCRATCH_KEPT_MAX
    }

    /// The group of this name.
    pub fn group(&self, name: &[u8]) -> Option<&QueueGroup> {
        self.groups.iter().find(|group| group.name() == name)
    }

    /// Adds members to the group of this name, which may have members under another matching subject already.
    pub(super) fn add_members(&mut self, name: &[u8], members: &[Arc<Subscription>]) {
        match self.groups.iter_mut().find(|group| group.name() == name) {
            Some(group) => group.members.extend_from_slice(members),
            None => self.groups.push(QueueGroup { members: members.to_vec() }),
        }
    }
}

impl QueueGroup {
    /// The group's name.
    pub fn name(&self) -> &[u8] {
        self.members.first().and_then(|member| member.queue()).unwrap_or_default()
    }
}

/// Entries that a cleared result keeps room for.
const SCRATCH_KEPT_MAX: usize = 64;
