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
        if !self.covers(subject) {
            self.look_up(index, subject);
        }
        self.renewed(index, subject)
    }

    /// Whether it is known where `subject` leads, or was before something changed.
    #[inline]
    pub(super) fn covers(&self, subject: &[u8]) -> bool {
        let Some((decisive, rest)) = subject.split_at_checked(self.decisive_bytes) else { return false };
        match self.subject.split_at_checked(self.decisive_bytes) {
            Some((known, [])) => known == decisive && rest.is_empty(),
            Some((known, _)) => known == decisive && is_one_token(rest),
            None => false,
        }
    }

    /// Whom `subject`, which is covered, reaches now.
    #[inline]
    pub(super) fn renewed(&mut self, index: &SubjectIndex, subject: &[u8]) -> &Matches {
        if self.generation != index.generation(self.generation_slot) {
            self.look_up(index, subject);
        }
        &self.matches
    }

    /// Forgets the subscriptions; the memory for the next ones stays.
    pub fn clear(&mut self) {
        self.generation = 0;
        self.subject.clear();
        self.decisive_bytes = 0;
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
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::router::{Dispatch, Message, RouteCache, Service, Sink, Subscription};

    struct Nobody;

    impl Service for Nobody {
        fn deliver(&self, _: &mut Dispatch, _: &Message<'_>) -> bool {
            true
        }
    }

    fn subscribe(index: &SubjectIndex, subject: &str) -> Arc<Subscription> {
        subscribe_in(index, subject, None)
    }

    fn subscribe_in(index: &SubjectIndex, subject: &str, queue: Option<&[u8]>) -> Arc<Subscription> {
        let nobody = Sink::Service(Arc::new(Nobody));
        let subscription = Arc::new(Subscription::new(subject.as_bytes(), queue, nobody));
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

    #[test]
    fn nobody_is_kept_who_has_left() {
        let index = SubjectIndex::new();
        let mut cache = RouteCache::default();
        let subscription = subscribe(&index, "x");
        let left = Arc::downgrade(&subscription);
        let mut publish = || cache.with_matches(&index, b"x", Matches::len);
        assert_eq!((publish(), publish()), (1, 1));
        assert!(index.remove(&subscription));
        drop(subscription);
        assert_eq!(publish(), 0);
        assert!(left.upgrade().is_none());
    }

    #[derive(Debug, Clone)]
    enum Step {
        Subscribe(String, bool),
        Unsubscribe(prop::sample::Index),
        Publish(String),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (subject(), any::<bool>()).prop_map(|(subject, queue)| Step::Subscribe(subject, queue)),
            any::<prop::sample::Index>().prop_map(Step::Unsubscribe),
            subject().prop_map(Step::Publish),
            subject().prop_map(Step::Publish),
        ]
    }

    fn subject() -> impl Strategy<Value = String> {
        let token = prop_oneof!["[abc]", Just("*".to_owned()), Just(">".to_owned()), Just(String::new())];
        prop::collection::vec(token, 1..4).prop_map(|tokens| tokens.join("."))
    }

    fn reached(matches: &Matches) -> BTreeSet<(*const Subscription, Vec<u8>)> {
        let grouped = matches.groups.iter().flat_map(|group| group.members.iter().map(|m| (m, group.name())));
        let plain = matches.plain.iter().map(|subscription| (subscription, &b""[..]));
        plain.chain(grouped).map(|(found, group)| (Arc::as_ptr(found), group.to_vec())).collect()
    }

    proptest! {
        #[test]
        fn a_route_and_a_cache_know_what_the_index_knows(steps in prop::collection::vec(step(), 1..100)) {
            let index = SubjectIndex::new();
            let (mut route, mut cache) = (Route::default(), RouteCache::default());
            let mut held: Vec<Arc<Subscription>> = Vec::new();
            for step in steps {
                match step {
                    Step::Subscribe(subject, queue) => {
                        if headwater_protocol::subject::is_valid(subject.as_bytes()) {
                            held.push(subscribe_in(&index, &subject, queue.then_some(&b"q"[..])));
                        }
                    }
                    Step::Unsubscribe(which) if !held.is_empty() => {
                        prop_assert!(index.remove(&held.swap_remove(which.index(held.len()))));
                    }
                    Step::Unsubscribe(_) => {}
                    Step::Publish(subject) => {
                        let mut matches = Matches::default();
                        index.collect(subject.as_bytes(), &mut matches);
                        let expected = reached(&matches);
                        prop_assert_eq!(reached(route.find(&index, subject.as_bytes())), expected.clone());
                        prop_assert_eq!(cache.with_matches(&index, subject.as_bytes(), reached), expected);
                    }
                }
            }
        }
    }
}
