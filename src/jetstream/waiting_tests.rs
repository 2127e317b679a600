use std::collections::{BTreeMap, BTreeSet};

use headwater_protocol::subject::matches;
use proptest::prelude::*;

use super::*;

struct Rig {
    waiting: Waiting,
    consumers: BTreeMap<u64, (Vec<Bytes>, Vec<Membership>)>,
    /// Who waits.
    model: BTreeSet<u64>,
    seq: u64,
}

impl Rig {
    fn new() -> Self {
        Self { waiting: Waiting::default(), consumers: BTreeMap::new(), model: BTreeSet::new(), seq: 0 }
    }

    fn join(&mut self, consumer: u64, filters: &[String]) {
        let filters: Vec<Bytes> =
            filters.iter().map(|filter| Bytes::copy_from_slice(filter.as_bytes())).collect();
        let memberships = self.waiting.join(ConsumerKey::of(consumer), &filters);
        self.consumers.insert(consumer, (filters, memberships));
    }

    fn leave(&mut self, consumer: u64) {
        if let Some((_, memberships)) = self.consumers.remove(&consumer) {
            self.waiting.leave(ConsumerKey::of(consumer), &memberships);
            self.model.remove(&consumer);
        }
    }

    fn wait(&mut self, consumer: u64) {
        if let Some((_, memberships)) = self.consumers.get_mut(&consumer) {
            assert!(self.waiting.wait(ConsumerKey::of(consumer), memberships, self.seq));
            self.model.insert(consumer);
        }
    }

    /// Who is woken, by the index and by the model.
    fn store(&mut self, subject: &str) -> (BTreeSet<u64>, BTreeSet<u64>) {
        self.seq += 1;
        let mut woken = Vec::new();
        self.waiting.stored(subject.as_bytes(), self.seq, &mut woken);
        let mut found = BTreeSet::new();
        for consumer in self.consumers.keys().copied().collect::<Vec<_>>() {
            let Some((_, memberships)) = self.consumers.get_mut(&consumer) else { continue };
            for (_, group) in woken.iter().filter(|(key, _)| *key == ConsumerKey::of(consumer)) {
                memberships.iter_mut().for_each(|membership| membership.taken(*group));
                // One that was woken by another of its filters is on this one's list still.
                found.extend(self.model.contains(&consumer).then_some(consumer));
            }
        }
        let wants = |filters: &[Bytes]| {
            filters.is_empty() || filters.iter().any(|filter| matches(filter, subject.as_bytes()))
        };
        let expected: BTreeSet<u64> = self
            .model
            .iter()
            .copied()
            .filter(|consumer| self.consumers.get(consumer).is_some_and(|(filters, _)| wants(filters)))
            .collect();
        assert_eq!(
            self.waiting.want(subject.as_bytes()),
            self.consumers.values().any(|(filters, _)| wants(filters))
        );
        self.model.retain(|consumer| !expected.contains(consumer));
        (found, expected)
    }
}

#[derive(Debug, Clone)]
enum Step {
    Join(u64, Vec<String>),
    Leave(u64),
    Wait(u64),
    Store(String),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let filter = || prop_oneof!["[ab*](\\.[ab*]){0,2}", "([ab*]\\.){0,2}>"];
    let step = prop_oneof![
        (0u64..6, proptest::collection::vec(filter(), 0..3))
            .prop_map(|(consumer, filters)| Step::Join(consumer, filters)),
        (0u64..6).prop_map(Step::Leave),
        (0u64..6).prop_map(Step::Wait),
        (0u64..6).prop_map(Step::Wait),
        "[ab](\\.[ab]){0,2}".prop_map(Step::Store),
        "[ab](\\.[ab]){0,2}".prop_map(Step::Store),
    ];
    proptest::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn a_message_wakes_those_that_wait_for_its_subject_and_nobody_else(steps in steps()) {
        let mut rig = Rig::new();
        for step in steps {
            match step {
                Step::Join(consumer, filters) => {
                    rig.leave(consumer);
                    rig.join(consumer, &filters);
                }
                Step::Leave(consumer) => rig.leave(consumer),
                Step::Wait(consumer) => rig.wait(consumer),
                Step::Store(subject) => {
                    let (found, expected) = rig.store(&subject);
                    prop_assert_eq!(found, expected);
                }
            }
        }
        let held: usize = rig.waiting.groups.iter().map(|group| group.waiting.len()).sum();
        let filters: usize = rig.consumers.values().map(|(filters, _)| filters.len().max(1)).sum();
        prop_assert!(held <= filters);
        for consumer in rig.consumers.keys().copied().collect::<Vec<_>>() {
            rig.leave(consumer);
        }
        prop_assert!(rig.waiting.root.is_empty());
        prop_assert_eq!(rig.waiting.unused.len(), rig.waiting.groups.len());
    }
}

#[test]
fn who_begins_to_wait_when_its_message_is_stored_already_does_not_wait() {
    let mut waiting = Waiting::default();
    let key = ConsumerKey::of(1);
    let mut wants_a = waiting.join(key, &[Bytes::from_static(b"a")]);
    let mut wants_b = waiting.join(key, &[Bytes::from_static(b"b")]);
    waiting.stored(b"a", 7, &mut Vec::new());
    assert!(!waiting.wait(key, &mut wants_a, 6));
    assert!(waiting.wait(key, &mut wants_a, 7));
    assert!(waiting.wait(key, &mut wants_b, 6));
    // What was stored before it joined, nobody noted for it.
    let mut wants_c = waiting.join(key, &[Bytes::from_static(b"c")]);
    assert!(!waiting.wait(key, &mut wants_c, 6));
}

#[test]
fn a_filter_of_very_many_tokens_is_no_deeper_than_the_stack() {
    let mut rig = Rig::new();
    let deep = format!("{}a", "a.".repeat(400_000));
    rig.join(1, std::slice::from_ref(&deep));
    rig.join(2, &[format!("{}b", "b.".repeat(400_000))]);
    rig.wait(1);
    rig.wait(2);
    let (woken, _) = rig.store(&deep);
    assert_eq!(woken, BTreeSet::from([1]));
    rig.leave(1);
    rig.leave(2);
    assert!(!rig.waiting.want(deep.as_bytes()));
}

#[test]
fn filters_are_told_apart_up_to_the_bound() {
    let of_tokens = |count: usize| Bytes::from(vec!["a"; count].join("."));
    assert_eq!(bounded(&of_tokens(TOKENS_MAX)), of_tokens(TOKENS_MAX));
    let cut = bounded(&of_tokens(TOKENS_MAX + 1));
    assert!(matches(&cut, &of_tokens(TOKENS_MAX + 1)) && cut.ends_with(b".>"));
}
