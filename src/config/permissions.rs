//! What a user may publish and subscribe to.

use std::time::Duration;

use super::defaults;
use super::grammar::{Node, Value};
use super::keys::{Key, block, nested, read_map};
use super::report::{Problem, Report};
use super::subject;

/// Limits on publishing and subscribing; nothing set means everything is allowed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Permissions {
    pub publish: Option<SubjectRules>,
    pub subscribe: Option<SubjectRules>,
    /// May answer requests it received, on their reply subjects, whatever `publish` says.
    pub responses: Option<ResponsePermission>,
}

/// Subjects that are allowed, less those that are denied.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SubjectRules {
    /// Absent: all subjects. Present and empty: none.
    pub allow: Option<Vec<SubjectRule>>,
    pub deny: Vec<SubjectRule>,
}

/// A subject, and for subscriptions perhaps the queue group it is about (`"orders.> workers"`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectRule {
    pub subject: String,
    /// May hold wildcards, as a subject does.
    pub queue: Option<String>,
}

/// How long and how often a request may be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponsePermission {
    /// Answers per request; absent: any number.
    pub messages_max: Option<u64>,
    /// Since the request; absent: for ever.
    pub expires: Option<Duration>,
}

impl Default for ResponsePermission {
    fn default() -> Self {
        Self { messages_max: Some(defaults::RESPONSES_MAX), expires: Some(defaults::RESPONSE_EXPIRES) }
    }
}

const KEYS: &[Key<Permissions>] = &[
    Key::new("publish", &["pub", "import"], |permissions, node, report| {
        permissions.publish = rules(node, Queues::Refused, report)?;
        Ok(())
    }),
    Key::new("subscribe", &["sub", "export"], |permissions, node, report| {
        permissions.subscribe = rules(node, Queues::Allowed, report)?;
        Ok(())
    }),
    nested!("allow_responses", ["publish_allow_responses"], responses, responses),
];

const RESPONSE_KEYS: &[Key<ResponsePermission>] = &[
    Key::new("max", &["max_msgs", "max_messages", "max_responses"], |responses, node, _| {
        match node.integer()? {
            0 => {}
            number => responses.messages_max = u64::try_from(number).ok(),
        }
        Ok(())
    }),
    Key::new("expires", &["expiration", "ttl"], |responses, node, _| {
        if !matches!(node.value, Value::Text(_)) {
            return Err(node.problem("error parsing expires, not a duration string"));
        }
        let wrong = |problem: Problem| node.problem(format!("error parsing expires: {}", problem.reason));
        match node.nanos().map_err(wrong)? {
            0 => {}
            nanos => responses.expires = u64::try_from(nanos).ok().map(Duration::from_nanos),
        }
        Ok(())
    }),
];

/// Reads a `permissions { … }` block.
pub(super) fn read(node: &Node, report: &mut Report) -> Result<Permissions, Problem> {
    let mut permissions: Permissions = block(KEYS, unknown, node, report)?;
    if permissions.responses.is_some() {
        // Who may only answer may not publish anything else.
        permissions.publish.get_or_insert_default().allow.get_or_insert_default();
    }
    Ok(permissions)
}

fn unknown(key: &str) -> String {
    format!("Unknown field {key:?} parsing permissions")
}

fn responses(node: &Node, report: &mut Report) -> Result<Option<ResponsePermission>, Problem> {
    match &node.value {
        Value::Bool(allowed) => Ok(allowed.then(ResponsePermission::default)),
        Value::Map(_) => block(RESPONSE_KEYS, unknown, node, report).map(Some),
        _ => Err(node.problem("error parsing response permissions, expected a boolean or a map")),
    }
}

/// Whether a rule may name a queue group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Queues {
    Allowed,
    Refused,
}

/// `allow` and `deny` lists, or in the short form just what is allowed.
fn rules(node: &Node, queues: Queues, report: &mut Report) -> Result<Option<SubjectRules>, Problem> {
    let Value::Map(map) = &node.value else {
        let allow = subjects(node, queues)?;
        return Ok(Some(SubjectRules { allow: (!allow.is_empty()).then_some(allow), deny: Vec::new() }));
    };
    if map.is_empty() {
        return Ok(None);
    }
    let mut rules = SubjectRules::default();
    let keys = match queues {
        Queues::Allowed => RULE_KEYS_WITH_QUEUES,
        Queues::Refused => RULE_KEYS,
    };
    let unknown = |key: &str| {
        format!(
            "Unknown field name {key:?} parsing subject permissions, only 'allow' or 'deny' are permitted"
        )
    };
    read_map(keys, unknown, &mut rules, map, report);
    Ok(Some(rules))
}

const RULE_KEYS: &[Key<SubjectRules>] = &[
    Key::new("allow", &[], |rules, node, _| allow(rules, node, Queues::Refused)),
    Key::new("deny", &[], |rules, node, _| deny(rules, node, Queues::Refused)),
];

const RULE_KEYS_WITH_QUEUES: &[Key<SubjectRules>] = &[
    Key::new("allow", &[], |rules, node, _| allow(rules, node, Queues::Allowed)),
    Key::new("deny", &[], |rules, node, _| deny(rules, node, Queues::Allowed)),
];

fn allow(rules: &mut SubjectRules, node: &Node, queues: Queues) -> Result<(), Problem> {
    let allow = subjects(node, queues)?;
    rules.allow = (!allow.is_empty()).then_some(allow);
    Ok(())
}

fn deny(rules: &mut SubjectRules, node: &Node, queues: Queues) -> Result<(), Problem> {
    rules.deny = subjects(node, queues)?;
    Ok(())
}

fn subjects(node: &Node, queues: Queues) -> Result<Vec<SubjectRule>, Problem> {
    let wrong_kind = |_| node.problem("Expected subject permissions to be a subject, or array of subjects");
    let texts = node.strings().map_err(wrong_kind)?;
    texts.iter().map(|text| rule(text, queues).map_err(|reason| node.problem(reason))).collect()
}

fn rule(text: &str, queues: Queues) -> Result<SubjectRule, String> {
    if subject::is_valid(text) {
        return Ok(SubjectRule { subject: text.to_owned(), queue: None });
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    match (queues, words.as_slice()) {
        (Queues::Allowed, [subject, _]) if !subject::is_valid(subject) => {
            Err(format!("subject {subject:?} is not a valid subject"))
        }
        (Queues::Allowed, [_, queue]) if !subject::is_valid(queue) => {
            Err(format!("queue {queue:?} is not a valid queue"))
        }
        (Queues::Allowed, &[subject, queue]) => {
            Ok(SubjectRule { subject: subject.to_owned(), queue: Some(queue.to_owned()) })
        }
        _ => Err(format!("subject {text:?} is not a valid subject")),
    }
}

/// Reads a list of subjects that have no queue groups, such as a leaf node's `deny_imports`.
pub(super) fn plain_subjects(node: &Node) -> Result<Vec<String>, Problem> {
    Ok(subjects(node, Queues::Refused)?.into_iter().map(|rule| rule.subject).collect())
}
