//! Compiled permissions decide as the rules read one by one would.

use proptest::prelude::*;

use super::*;
use crate::auth::settings::SubjectRules;

fn pattern() -> impl Strategy<Value = String> {
    let token = prop_oneof![Just("a"), Just("b"), Just("*")];
    (prop::collection::vec(token, 1..4), any::<bool>()).prop_map(|(mut tokens, tail)| {
        if tail {
            tokens.push(">");
        }
        tokens.join(".")
    })
}

fn literal() -> impl Strategy<Value = String> {
    prop::collection::vec(prop_oneof![Just("a"), Just("b"), Just("c")], 1..5)
        .prop_map(|tokens| tokens.join("."))
}

fn rules() -> impl Strategy<Value = SubjectRules> {
    let list = || prop::collection::vec(pattern(), 0..4);
    (list(), list()).prop_map(|(allow, deny)| SubjectRules { allow, deny })
}

fn entry() -> impl Strategy<Value = String> {
    let queue = prop_oneof![Just(""), Just(" q"), Just(" q.*"), Just(" r")];
    (pattern(), queue).prop_map(|(subject, queue)| format!("{subject}{queue}"))
}

fn queue_rules() -> impl Strategy<Value = SubjectRules> {
    let list = || prop::collection::vec(entry(), 0..4);
    (list(), list()).prop_map(|(allow, deny)| SubjectRules { allow, deny })
}

/// Matches token by token, `subject` being literal.
fn naive_match(pattern: &str, subject: &str) -> bool {
    let (pattern, subject): (Vec<_>, Vec<_>) = (pattern.split('.').collect(), subject.split('.').collect());
    let token_matches = |(n, want): (usize, &&str)| match *want {
        ">" => subject.len() > n,
        "*" => subject.len() > n,
        literal => subject.get(n) == Some(&literal),
    };
    let tail = pattern.last() == Some(&">");
    pattern.iter().enumerate().all(token_matches) && (tail || pattern.len() == subject.len())
}

/// All literal subjects of up to five tokens over a small alphabet.
fn universe() -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut layer = vec![String::new()];
    for _ in 0..5 {
        layer = layer.iter().flat_map(|s| ["a", "b", "c"].map(|t| format!("{s}.{t}"))).collect();
        all.extend(layer.iter().map(|s| s[1..].to_owned()));
    }
    all
}

fn naive_subset(inner: &str, outer: &str) -> bool {
    universe().iter().filter(|s| naive_match(inner, s)).all(|s| naive_match(outer, s))
}

fn naive_overlap(a: &str, b: &str) -> bool {
    universe().iter().any(|s| naive_match(a, s) && naive_match(b, s))
}

fn naive_queue_names(rule: &str, queue: &str) -> bool {
    rule == queue || (rule == "q.*" && queue.starts_with("q."))
}

fn split(entry: &str) -> (&str, Option<&str>) {
    entry.split_once(' ').map_or((entry, None), |(subject, queue)| (subject, Some(queue)))
}

fn naive_can_subscribe(rules: &SubjectRules, subject: &str, queue: Option<&str>) -> bool {
    let allow: Vec<_> =
        rules.allow.iter().map(|e| split(e)).filter(|(s, _)| naive_subset(subject, s)).collect();
    let plain = rules.allow.is_empty() || allow.iter().any(|(_, q)| q.is_none());
    let queues: Vec<_> = allow.iter().filter_map(|(_, q)| *q).collect();
    let allowed = match queue {
        Some(queue) if !queues.is_empty() => queues.iter().any(|rule| naive_queue_names(rule, queue)),
        _ => plain,
    };
    allowed && !naive_denied(rules, subject, queue)
}

fn naive_denied(rules: &SubjectRules, subject: &str, queue: Option<&str>) -> bool {
    rules.deny.iter().map(|e| split(e)).any(|(s, rule)| {
        naive_match(s, subject)
            && rule.is_none_or(|rule| queue.is_some_and(|queue| naive_queue_names(rule, queue)))
    })
}

fn compile(publish: &SubjectRules, subscribe: &SubjectRules) -> Permissions {
    let settings =
        PermissionSettings { publish: publish.clone(), subscribe: subscribe.clone(), responses: None };
    Permissions::compile(&settings).unwrap()
}

proptest! {
    #[test]
    fn publishing_is_decided_as_by_reading_the_rules(rules in rules(), subject in literal()) {
        let allowed = rules.allow.is_empty() || rules.allow.iter().any(|p| naive_match(p, &subject));
        let denied = rules.deny.iter().any(|p| naive_match(p, &subject));
        let compiled = compile(&rules, &SubjectRules::default());
        prop_assert_eq!(compiled.can_publish(subject.as_bytes()), allowed && !denied);
        prop_assert_eq!(compiled.publish_unrestricted(), rules.allow.is_empty() && rules.deny.is_empty());
    }

    #[test]
    fn subscribing_is_decided_as_by_reading_the_rules(
        rules in queue_rules(),
        subject in prop_oneof![pattern(), literal()],
        queue in prop_oneof![Just(None), Just(Some("q")), Just(Some("q.1")), Just(Some("r")), Just(Some("x"))],
    ) {
        let compiled = compile(&SubjectRules::default(), &rules);
        let verdict = compiled.can_subscribe(subject.as_bytes(), queue.map(str::as_bytes));
        prop_assert_eq!(verdict, naive_can_subscribe(&rules, &subject, queue));
    }

    #[test]
    fn no_denied_message_reaches_an_accepted_subscription(
        deny in prop::collection::vec(entry(), 0..4),
        subject in pattern(),
    ) {
        let rules = SubjectRules { allow: vec![], deny };
        let compiled = compile(&SubjectRules::default(), &rules);
        let filtered = compiled.needs_delivery_filter(subject.as_bytes());
        let overlaps = rules.deny.iter().any(|e| naive_overlap(split(e).0, &subject));
        prop_assert_eq!(filtered, overlaps && subject.contains(['*', '>']));
        prop_assume!(compiled.can_subscribe(subject.as_bytes(), Some(b"q")));
        for message in universe().iter().filter(|message| naive_match(&subject, message)) {
            let delivered = !filtered || compiled.may_deliver(message.as_bytes(), Some(b"q"));
            prop_assert_eq!(delivered, !naive_denied(&rules, message, Some("q")));
        }
    }
}

fn list(entries: &[&str]) -> Vec<String> {
    entries.iter().map(|entry| (*entry).to_owned()).collect()
}

#[test]
fn a_subscription_wider_than_what_is_allowed_is_refused() {
    let rules = SubjectRules { allow: list(&["ok.>", "one.*"]), deny: vec![] };
    let permissions = compile(&SubjectRules::default(), &rules);
    for (subject, allowed) in [
        ("ok.a", true),
        ("ok.>", true),
        ("ok.*", true),
        (">", false),
        ("*.a", false),
        ("ok", false),
        ("one.>", false),
    ] {
        assert_eq!(permissions.can_subscribe(subject.as_bytes(), None), allowed, "{subject}");
    }
}

#[test]
fn a_subscription_inside_a_denied_subject_is_refused_and_an_overlapping_one_is_filtered() {
    let rules = SubjectRules { allow: vec![], deny: list(&["foo.*", "k.*.z"]) };
    let permissions = compile(&SubjectRules::default(), &rules);
    assert!(!permissions.can_subscribe(b"foo.*", None) && !permissions.can_subscribe(b"foo.>", None));
    assert!(permissions.can_subscribe(b"k.>", None) && permissions.needs_delivery_filter(b"k.>"));
    assert!(!permissions.may_deliver(b"k.x.z", None) && permissions.may_deliver(b"k.x.y", None));
    assert!(!permissions.needs_delivery_filter(b"bar.>"));
}

#[test]
fn a_queue_rule_decides_alone_for_a_queue_group() {
    let rules = SubjectRules { allow: list(&["q.> grp.*", "z.>"]), deny: list(&["z.w.* dq"]) };
    let permissions = compile(&SubjectRules::default(), &rules);
    assert!(!permissions.can_subscribe(b"q.x", None) && !permissions.can_subscribe(b"q.x", Some(b"grp")));
    assert!(
        permissions.can_subscribe(b"q.x", Some(b"grp.1"))
            && permissions.can_subscribe(b"q.>", Some(b"grp.*"))
    );
    assert!(!permissions.can_subscribe(b"q.>", Some(b"*")));
    assert!(permissions.can_subscribe(b"z.w.1", None) && !permissions.can_subscribe(b"z.w.1", Some(b"dq")));
    assert!(permissions.can_subscribe(b"z.>", Some(b"dq")) && permissions.needs_delivery_filter(b"z.>"));
    assert!(
        !permissions.may_deliver(b"z.w.1", Some(b"dq")) && permissions.may_deliver(b"z.w.1", Some(b"other"))
    );
}

#[test]
fn responses_without_an_allow_list_allow_nothing_else() {
    let responses = Some(ResponseSettings::default());
    let permissions = Permissions::compile(&PermissionSettings { responses, ..Default::default() }).unwrap();
    assert!(!permissions.can_publish(b"a") && permissions.reply_needs_permit(b"_INBOX.1"));
    let publish = SubjectRules { allow: list(&["a"]), deny: vec![] };
    let permissions =
        Permissions::compile(&PermissionSettings { publish, responses, ..Default::default() }).unwrap();
    assert!(permissions.can_publish(b"a") && !permissions.reply_needs_permit(b"a"));
}

#[test]
fn an_entry_that_is_no_subject_is_an_error() {
    for entry in ["", "a..b", ".a", "a.", "a.>.b", "a b c", "a..b q", "a q..r"] {
        let rules = SubjectRules { allow: list(&[entry]), deny: vec![] };
        let settings = PermissionSettings { subscribe: rules, ..Default::default() };
        assert_eq!(
            Permissions::compile(&settings).unwrap_err(),
            PermissionsError { entry: entry.to_owned() }
        );
    }
    let publish = SubjectRules { allow: list(&["a q"]), deny: vec![] };
    assert!(Permissions::compile(&PermissionSettings { publish, ..Default::default() }).is_err());
}

#[test]
fn a_subject_with_an_empty_token_is_never_allowed_by_a_list() {
    let rules = SubjectRules { allow: list(&[">"]), deny: vec![] };
    let permissions = compile(&rules, &rules);
    for subject in ["a..b", ".a", "a.", ""] {
        assert!(!permissions.can_publish(subject.as_bytes()), "{subject:?}");
        assert!(!permissions.can_subscribe(subject.as_bytes(), None), "{subject:?}");
    }
}
