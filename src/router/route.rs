//! Where one subject leads, remembered until that may have changed.

use super::{Matches, SubjectIndex};

/// Where the subject leads that was looked up last, and with it those that differ in their last token only, if that makes no
/// difference: as for inboxes, of which each has one subscription for all its replies.
#[derive(Default)]
pub struct Route {
    subject: Vec<u8>,
    /// So much of the subject decides where it leads: all of it, or what lies before its last token.
    decisive_bytes: usize,
    /// 0 while there is no answer.
    generation: u64,
    generation_slot: usize,
    matches: Matches,
}

impl Route {
    /// Whom `subject` reaches now.
    pub fn find(&mut self, index: &SubjectIndex, subject: &[u8]) -> &Matches {
        if !self.leads(index, subject) {
            self.look_up(index, subject);
        }
        &self.matches
    }

    /// Whether it is known where `subject` leads.
    #[inline]
    pub(super) fn leads(&self, index: &SubjectIndex, subject: &[u8]) -> bool {
        let Some((decisive, rest)) = subject.split_at_checked(self.decisive_bytes) else { return false };
        let is_decided = match self.subject.split_at_checked(self.decisive_bytes) {
            Some((known, [])) => known == decisive && rest.is_empty(),
            Some((known, _)) => known == decisive && is_one_token(rest),
            None => false,
        };
        is_decided && self.generation == index.generation(self.generation_slot)
    }

    /// Forgets the subscriptions; the memory for the next ones stays.
    pub fn clear(&mut self) {
        self.generation = 0;
        self.matches.clear();
    }

    /// Forgets more subscriptions than are worth keeping.
    pub(super) fn clear_if_wide(&mut self) {
        if self.matches.is_wide() {
            self.clear();
        }
    }

    fn look_up(&mut self, index: &SubjectIndex, subject: &[u8]) {
        self.subject.clear();
        self.subject.extend_from_slice(subject);
        self.generation_slot = SubjectIndex::generation_slot(subject);
        // Asked for before the look-up, so that a change in between makes the answer old rather than wrong.
        self.generation = index.generation(self.generation_slot);
        self.matches.clear();
        let holds_for_siblings = index.collect(subject, &mut self.matches);
        let parent = subject.iter().rposition(|byte| *byte == b'.').filter(|_| holds_for_siblings);
        self.decisive_bytes = parent.map_or(subject.len(), |dot| dot + 1);
    }
}

fn is_one_token(subject: &[u8]) -> bool {
    !subject.is_empty() && !subject.contains(&b'.')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::router::{Dispatch, Message, Service, Sink, Subscription};

    struct Nobody;

    impl Service for Nobody {
        fn deliver(&self, _: &mut Dispatch, _: &Message<'_>) -> bool {
            true
        }
    }

    fn subscribe(index: &SubjectIndex, subject: &str) -> Arc<Subscription> {
        let nobody = Sink::Service(Arc::new(Nobody));
        let subscription = Arc::new(Subscription::new(subject.as_bytes(), None, nobody));
        assert!(index.insert(&subscription));
        subscription
    }

    fn lookups(index: &SubjectIndex) -> u64 {
        index.usage().lookups
    }

    #[test]
    fn replies_to_one_inbox_take_one_look_up() {
        let index = SubjectIndex::new();
        subscribe(&index, "_INBOX.a.*");
        let mut route = Route::default();
        let before = lookups(&index);
        for reply in ["_INBOX.a.1", "_INBOX.a.2", "_INBOX.a.33"] {
            assert_eq!(route.find(&index, reply.as_bytes()).len(), 1);
        }
        assert_eq!(lookups(&index) - before, 1);
        assert_eq!(route.find(&index, b"_INBOX.a.1.2").len(), 0);
        assert_eq!(route.find(&index, b"_INBOX.b.1").len(), 0);
        assert_eq!(route.find(&index, b"_INBOX.a.").len(), 0);
    }

    #[test]
    fn who_subscribes_to_one_reply_alone_is_not_overlooked() {
        let index = SubjectIndex::new();
        subscribe(&index, "in.*");
        let mut route = Route::default();
        assert_eq!(route.find(&index, b"in.1").len(), 1);
        let second = subscribe(&index, "in.2");
        assert_eq!(route.find(&index, b"in.1").len(), 1);
        assert_eq!(route.find(&index, b"in.2").len(), 2);
        assert_eq!(route.find(&index, b"in.3").len(), 1);
        assert!(index.remove(&second));
        assert_eq!(route.find(&index, b"in.2").len(), 1);
    }

    fn subject() -> impl Strategy<Value = String> {
        prop::collection::vec(prop_oneof!["[abc]", Just("*".to_owned()), Just(String::new())], 1..4)
            .prop_map(|tokens| tokens.join("."))
    }

    proptest! {
        #[test]
        fn a_route_knows_what_the_index_knows(
            steps in prop::collection::vec((any::<bool>(), subject()), 1..100)
        ) {
            let index = SubjectIndex::new();
            let mut route = Route::default();
            for (subscribes, subject) in steps {
                if subscribes && headwater_protocol::subject::is_valid(subject.as_bytes()) {
                    subscribe(&index, &subject);
                    continue;
                }
                let mut matches = Matches::default();
                index.collect(subject.as_bytes(), &mut matches);
                let mut found: Vec<_> =
                    route.find(&index, subject.as_bytes()).plain.iter().map(Arc::as_ptr).collect();
                let mut expected: Vec<_> = matches.plain.iter().map(Arc::as_ptr).collect();
                found.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(found, expected, "{}", subject);
            }
        }
    }
}
