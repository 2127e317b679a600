//! What permissions say if their rules are read one by one.

use std::collections::{BTreeMap, BTreeSet};

use crate::dice::{Lists, Responses, Rules};
use crate::subjects::{Covers, matches, messages};

/// What a server says to one user.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub refused_publishes: BTreeSet<String>,
    pub refused_subscriptions: BTreeSet<usize>,
    /// Which subscription got which messages.
    pub deliveries: BTreeSet<(usize, String)>,
}

/// What the rules say if they are read one by one.
pub fn expected(rules: &Rules, subscriptions: &[(String, Option<&str>)], covers: Covers) -> Outcome {
    let accepted =
        |(subject, queue): &(String, Option<&str>)| may_subscribe(&rules.subscribe, subject, *queue, covers);
    let mut deliveries = BTreeSet::new();
    for (sid, (subject, queue)) in subscriptions.iter().enumerate() {
        if accepted(&subscriptions[sid]) {
            let gets = |message: &String| {
                matches(subject, message) && !is_denied(&rules.subscribe.deny, message, *queue)
            };
            deliveries.extend(messages().into_iter().filter(gets).map(|message| (sid, message)));
        }
    }
    Outcome {
        refused_publishes: messages().into_iter().filter(|subject| !may_publish(rules, subject)).collect(),
        refused_subscriptions: (0..subscriptions.len())
            .filter(|sid| !accepted(&subscriptions[*sid]))
            .collect(),
        deliveries,
    }
}

/// How often [`ask::responses`](crate::ask::responses) answers to a request.
pub const RESPONSES: usize = 7;

/// How many of so many answers to a request are refused, by the subject that is answered to; and whether the answer to
/// another request is.
pub fn refused_responses(rules: &Rules) -> BTreeMap<String, (usize, bool)> {
    let refused = |subject: &String| match rules.responses {
        _ if may_publish(rules, subject) => (0, false),
        Responses::No => (RESPONSES, true),
        Responses::Once => (RESPONSES - 1, false),
        Responses::AtMost(max) => (RESPONSES - max, false),
        Responses::Unlimited => (0, false),
    };
    messages().into_iter().map(|subject| (subject.clone(), refused(&subject))).collect()
}

/// Whoever may respond may publish nothing else if nothing is said about that.
fn may_publish(rules: &Rules, subject: &str) -> bool {
    let lists = &rules.publish;
    let anything = lists.allow.is_empty() && rules.responses == Responses::No;
    let allowed = anything || lists.allow.iter().any(|pattern| matches(pattern, subject));
    allowed && !lists.deny.iter().any(|pattern| matches(pattern, subject))
}

/// Where there are rules for queue groups, they alone decide about queue groups.
fn may_subscribe(lists: &Lists, subject: &str, queue: Option<&str>, covers: Covers) -> bool {
    let covering: Vec<(&str, Option<&str>)> = lists
        .allow
        .iter()
        .map(|entry| split(entry))
        .filter(|(pattern, _)| covers(pattern, subject))
        .collect();
    let plain = lists.allow.is_empty() || covering.iter().any(|(_, queue)| queue.is_none());
    let mut for_queues = covering.iter().filter_map(|(_, queue)| *queue).peekable();
    let allowed = match queue {
        Some(queue) if for_queues.peek().is_some() => for_queues.any(|rule| names(rule, queue)),
        _ => plain,
    };
    allowed && !is_denied(&lists.deny, subject, queue)
}

fn is_denied(deny: &[String], subject: &str, queue: Option<&str>) -> bool {
    deny.iter().map(|entry| split(entry)).any(|(pattern, rule)| {
        matches(pattern, subject) && rule.is_none_or(|rule| queue.is_some_and(|queue| names(rule, queue)))
    })
}

fn names(rule: &str, queue: &str) -> bool {
    rule == queue || (rule == "q.*" && queue == "q.1")
}

fn split(entry: &str) -> (&str, Option<&str>) {
    entry.split_once(' ').map_or((entry, None), |(subject, queue)| (subject, Some(queue)))
}
