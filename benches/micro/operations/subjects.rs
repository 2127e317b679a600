//! Whom a subject reaches.

use std::hint::black_box;
use std::sync::Arc;

use headwater::router::{Dispatch, Matches, Message, RouteCache, Service, Sink, SubjectIndex, Subscription};
use headwater_protocol::subject;

use super::{Operation, Work, run};

/// Subjects asked for in one run.
const ITEMS: usize = 64;
/// One subscription of so many has a wildcard.
const WILDCARD_EVERY: usize = 16;

pub fn operations() -> Vec<Operation> {
    let operation = |name, make| Operation { name, items: ITEMS as u64, make };
    vec![
        operation("subject compared with a wildcard", compare),
        operation("match among 10 subscriptions", || collect(10)),
        operation("match among 10,000 subscriptions", || collect(10_000)),
        operation("match among 1,000,000 subscriptions", || collect(1_000_000)),
        operation("match that the connection remembers", || remember(10_000)),
    ]
}

/// A subscriber that is never called.
struct Nobody;

impl Service for Nobody {
    fn deliver(&self, _cx: &mut Dispatch, _message: &Message<'_>) -> bool {
        false
    }
}

fn device(number: usize) -> String {
    format!("site{}.device{}.temperature", number % 100, number / 100)
}

fn index(subscriptions: usize) -> SubjectIndex {
    let index = SubjectIndex::new();
    let nobody = Arc::new(Nobody);
    for number in 0..subscriptions {
        let subject = match number % WILDCARD_EVERY {
            0 => format!("site{}.device{}.*", number % 100, number / 100),
            _ => device(number),
        };
        let sink = Sink::Service(nobody.clone());
        assert!(index.insert(&Arc::new(Subscription::new(subject.as_bytes(), None, sink))));
    }
    index
}

/// Subjects from all over the index, each of which somebody has subscribed to.
fn asked(subscriptions: usize) -> Vec<String> {
    (0..ITEMS).map(|at| device(at * 7919 % subscriptions)).collect()
}

fn compare() -> Box<dyn Work> {
    let subjects = asked(10_000);
    run(move || {
        for subject in &subjects {
            assert!(subject::matches(black_box(b"*.*.temperature"), black_box(subject.as_bytes())));
        }
    })
}

fn collect(subscriptions: usize) -> Box<dyn Work> {
    let (index, subjects) = (index(subscriptions), asked(subscriptions));
    let mut matches = Matches::default();
    run(move || {
        for subject in &subjects {
            index.collect(black_box(subject.as_bytes()), &mut matches);
            assert!(!matches.is_empty());
            matches.clear();
        }
    })
}

fn remember(subscriptions: usize) -> Box<dyn Work> {
    let index = index(subscriptions);
    let mut cache = RouteCache::default();
    let subject = device(7);
    run(move || {
        for _ in 0..ITEMS {
            black_box(cache.with_matches(&index, black_box(subject.as_bytes()), Matches::len));
        }
    })
}
