//! The index against a plain list with [`subject::matches`].

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::router::{Dispatch, Message, Service, Sink};

struct Nobody;

impl Service for Nobody {
    fn deliver(&self, _: &mut Dispatch, _: &Message<'_>) -> bool {
        true
    }
}

fn subscription(subject: &str, queue: Option<&str>) -> Arc<Subscription> {
    Arc::new(Subscription::new(subject.as_bytes(), queue.map(str::as_bytes), Sink::Service(Arc::new(Nobody))))
}

fn reached(index: &SubjectIndex, subject: &str) -> BTreeSet<(*const Subscription, Vec<u8>)> {
    let mut matches = Matches::default();
    index.collect(subject.as_bytes(), &mut matches);
    let grouped =
        matches.groups.iter().flat_map(|group| group.members.iter().map(|m| (m, group.name().to_vec())));
    let plain = matches.plain.iter().map(|sub| (sub, Vec::new()));
    plain.chain(grouped).map(|(sub, group)| (Arc::as_ptr(sub), group)).collect()
}

fn expected(model: &[Arc<Subscription>], subject: &str) -> BTreeSet<(*const Subscription, Vec<u8>)> {
    let hit = |sub: &&Arc<Subscription>| subject::matches(sub.subject(), subject.as_bytes());
    let has_empty_token = subject.split('.').any(str::is_empty);
    let found =
        model.iter().filter(hit).map(|sub| (Arc::as_ptr(sub), sub.queue().unwrap_or_default().to_vec()));
    found.filter(|_| !has_empty_token).collect()
}

fn token() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("a"), Just("b"), Just("c"), Just("*"), Just(">"), Just("a*")]
}

fn any_subject() -> impl Strategy<Value = String> {
    prop::collection::vec(token(), 1..5).prop_map(|tokens| tokens.join("."))
}

#[derive(Debug, Clone)]
enum Step {
    Insert(String, Option<&'static str>),
    Remove(prop::sample::Index),
    Publish(String),
}

fn step() -> impl Strategy<Value = Step> {
    let queue = prop_oneof![Just(None), Just(Some("q1")), Just(Some("q2"))];
    prop_oneof![
        (any_subject(), queue).prop_map(|(subject, queue)| Step::Insert(subject, queue)),
        any::<prop::sample::Index>().prop_map(Step::Remove),
        any_subject().prop_map(Step::Publish),
    ]
}

proptest! {
    #[test]
    fn reaches_exactly_whom_the_plain_list_says(steps in prop::collection::vec(step(), 1..200)) {
        let index = SubjectIndex::new();
        let mut model: Vec<Arc<Subscription>> = Vec::new();
        for step in steps {
            match step {
                Step::Insert(subject, queue) => {
                    let sub = subscription(&subject, queue);
                    prop_assert_eq!(index.insert(&sub), subject::is_valid(subject.as_bytes()));
                    model.extend(subject::is_valid(subject.as_bytes()).then_some(sub));
                }
                Step::Remove(which) if !model.is_empty() => {
                    let sub = model.swap_remove(which.index(model.len()));
                    prop_assert!(index.remove(&sub));
                    prop_assert!(!index.remove(&sub));
                }
                Step::Remove(_) => {}
                Step::Publish(subject) => prop_assert_eq!(reached(&index, &subject), expected(&model, &subject)),
            }
            prop_assert_eq!(index.len(), model.len());
        }
        let mut visited = Vec::new();
        index.for_each(&mut |sub| visited.push(Arc::as_ptr(sub)));
        visited.sort();
        let mut known: Vec<_> = model.iter().map(Arc::as_ptr).collect();
        known.sort();
        prop_assert_eq!(visited, known);
        for sub in model {
            prop_assert!(index.remove(&sub));
        }
        prop_assert!(index.root.read().is_empty(), "an emptied index keeps no nodes");
    }

    #[test]
    fn an_answer_changes_only_with_its_generation(subjects in prop::collection::vec(any_subject(), 1..30), probe in any_subject()) {
        let index = SubjectIndex::new();
        for subject in subjects {
            let slot = SubjectIndex::generation_slot(probe.as_bytes());
            let before = (index.generation(slot), reached(&index, &probe));
            index.insert(&subscription(&subject, None));
            if index.generation(slot) == before.0 {
                prop_assert_eq!(reached(&index, &probe), before.1);
            }
        }
    }
}

#[test]
fn a_queue_group_spans_overlapping_subjects() {
    let index = SubjectIndex::new();
    let (wide, narrow) = (subscription("a.*", Some("q")), subscription("a.b", Some("q")));
    assert!(index.insert(&wide) && index.insert(&narrow));
    let mut matches = Matches::default();
    index.collect(b"a.b", &mut matches);
    assert_eq!(matches.groups.len(), 1);
    assert_eq!(matches.groups[0].members.len(), 2);
}

#[test]
fn a_subject_deeper_than_the_bound_is_refused() {
    let index = SubjectIndex::new();
    let deepest = vec!["a"; SUBSCRIPTION_TOKENS_MAX].join(".");
    let sub = subscription(&deepest, None);
    assert!(index.insert(&sub) && index.remove(&sub));
    assert!(!index.insert(&subscription(&format!("{deepest}.a"), None)));
}
