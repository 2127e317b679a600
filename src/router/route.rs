//! Where one subject leads, remembered until that may have changed.

use super::{Matches, SubjectIndex};

/// Where the subject leads that was looked up last.
#[derive(Default)]
pub struct Route {
    subject: Vec<u8>,
    /// 0 while there is no answer.
    generation: u64,
    generation_slot: usize,
    matches: Matches,
}

impl Route {
    /// Whom `subject` reaches now.
    pub fn find(&mut self, index: &SubjectIndex, subject: &[u8]) -> &Matches {
        let known = self.subject == subject;
        if known && self.generation == index.generation(self.generation_slot) {
            return &self.matches;
        }
        if !known {
            self.subject.clear();
            self.subject.extend_from_slice(subject);
            self.generation_slot = SubjectIndex::generation_slot(subject);
        }
        // Asked for before the look-up, so that a change in between makes the answer old rather than wrong.
        self.generation = index.generation(self.generation_slot);
        self.matches.clear();
        index.collect(subject, &mut self.matches);
        &self.matches
    }

    /// Forgets the subscriptions; the memory for the next ones stays.
    pub fn clear(&mut self) {
        self.generation = 0;
        self.matches.clear();
    }
}
