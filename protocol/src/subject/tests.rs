use super::*;
use proptest::prelude::*;

#[test]
fn valid_subjects_have_no_empty_token_and_end_at_the_full_wildcard() {
    for good in ["a", "a.b", "*", ">", "a.*.b", "a.>", "a*.b>", "$JS.API.INFO", "\u{e9}.b", "a.**"] {
        assert!(is_valid(good.as_bytes()), "{good}");
    }
    for bad in ["", ".", "a.", ".a", "a..b", "a.>.b", ">.", "a b", "a\tb", "a.b\r", "a\n", "\x0c", "> "] {
        assert!(!is_valid(bad.as_bytes()), "{bad:?}");
    }
}

#[test]
fn literal_subjects_have_no_wildcard_token() {
    for good in ["a", "a*.b", "a.>b", "**", ">>"] {
        assert!(is_literal(good.as_bytes()), "{good}");
    }
    for bad in ["*", "a.*", "a.>", ">", "a..b", ""] {
        assert!(!is_literal(bad.as_bytes()), "{bad}");
    }
}

#[test]
fn a_wildcard_in_a_published_subject_is_an_ordinary_token() {
    assert!(matches(b"a.*", b"a.*"));
    assert!(matches(b"a.>", b"a.>"));
    assert!(!matches(b"a.b", b"a.*"));
    assert!(!matches(b"a.b", b"a.>"));
}

#[test]
fn a_full_wildcard_needs_at_least_one_token() {
    assert!(matches(b"a.>", b"a.b.c"));
    assert!(!matches(b"a.>", b"a"));
    assert!(!matches(b"a.>", b"a."));
    assert!(!matches(b">", b""));
}

#[test]
fn a_subset_needs_every_subject_of_the_first() {
    for (subject, filter) in [("a", "*"), ("a.*", "a.>"), ("*.>", ">"), ("a.>", "a.>"), ("*.b", "*.*")] {
        assert!(is_subset(subject.as_bytes(), filter.as_bytes()), "{subject} in {filter}");
    }
    for (subject, filter) in
        [(">", "*.>"), ("a.*", "a.b"), ("a.>", "a.*"), ("a", "a.>"), ("", ">"), ("*", "*b")]
    {
        assert!(!is_subset(subject.as_bytes(), filter.as_bytes()), "{subject} in {filter}");
    }
}

#[test]
fn tokens_are_counted_without_an_empty_subject() {
    assert_eq!(token_count(b""), 0);
    assert_eq!(token_count(b"a"), 1);
    assert_eq!(token_count(b"a.b.c"), 3);
    assert_eq!(tokens(b"a.b").collect::<Vec<_>>(), [b"a", b"b"]);
}

/// Few tokens and a small alphabet, so that subjects meet often.
fn any_filter() -> impl Strategy<Value = String> {
    let token = prop_oneof![Just("a"), Just("b"), Just("*"), Just("a*")];
    (proptest::collection::vec(token, 1..4), any::<bool>()).prop_map(|(mut tokens, rest)| {
        if rest {
            tokens.push(">");
        }
        tokens.join(".")
    })
}

/// All literals that can tell filters of `any_filter` apart.
fn all_literals() -> Vec<String> {
    let mut all = Vec::new();
    let mut longest = vec![String::new()];
    for _ in 0..5 {
        longest = longest
            .iter()
            .flat_map(|head| ["a", "b", "a*", "c"].map(|token| [head.as_str(), token].join(".")))
            .map(|subject| subject.trim_start_matches('.').to_owned())
            .collect();
        all.extend(longest.iter().cloned());
    }
    all
}

/// The definition, by recursion on token lists.
fn model_matches(filter: &[&str], literal: &[&str]) -> bool {
    match (filter, literal) {
        ([">"], [_, ..]) => true,
        ([], []) => true,
        ([f, filter @ ..], [l, literal @ ..]) => (*f == "*" || f == l) && model_matches(filter, literal),
        _ => false,
    }
}

fn model(filter: &str, literal: &str) -> bool {
    let filter: Vec<_> = filter.split('.').collect();
    let literal: Vec<_> = literal.split('.').collect();
    model_matches(&filter, &literal)
}

proptest! {
    #[test]
    fn matching_agrees_with_the_definition(filter in any_filter(), literal in any_filter()) {
        let literal = literal.replace('*', "x").replace('>', "y");
        prop_assert_eq!(matches(filter.as_bytes(), literal.as_bytes()), model(&filter, &literal));
    }

    #[test]
    fn validity_agrees_with_the_definition(subject in "[ab.*> \t]{0,8}") {
        let tokens: Vec<_> = subject.split('.').collect();
        let (last, head) = tokens.split_last().unwrap();
        let clean = |token: &&str| !token.is_empty() && !token.contains([' ', '\t']);
        let valid = clean(last) && head.iter().all(|token| clean(token) && *token != ">");
        prop_assert_eq!(is_valid(subject.as_bytes()), valid);
        let wild = tokens.iter().any(|token| *token == "*" || *token == ">");
        prop_assert_eq!(is_literal(subject.as_bytes()), valid && !wild);
    }

    #[test]
    fn no_bytes_make_it_panic(a: Vec<u8>, b: Vec<u8>) {
        let _ = (is_valid(&a), matches(&a, &b), is_subset(&a, &b), overlaps(&a, &b), token_count(&a));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn subset_and_overlap_agree_with_all_literals(a in any_filter(), b in any_filter()) {
        let literals = all_literals();
        let both = literals.iter().any(|l| model(&a, l) && model(&b, l));
        let only_a = literals.iter().any(|l| model(&a, l) && !model(&b, l));
        prop_assert_eq!(overlaps(a.as_bytes(), b.as_bytes()), both);
        prop_assert_eq!(overlaps(b.as_bytes(), a.as_bytes()), both);
        prop_assert_eq!(is_subset(a.as_bytes(), b.as_bytes()), !only_a);
    }
}

#[test]
fn the_intersection_is_what_both_match() {
    let common =
        |a: &str, b: &str| intersection(a.as_bytes(), b.as_bytes()).map(|s| String::from_utf8(s).unwrap());
    for (a, b, expected) in [
        ("a.*", "*.b", "a.b"),
        ("a.>", "*.b.*", "a.b.*"),
        (">", "a.*", "a.*"),
        ("a.*.c", "a.>", "a.*.c"),
        ("a.>", "*.>", "a.>"),
        ("a", "a", "a"),
    ] {
        assert_eq!(common(a, b).as_deref(), Some(expected), "{a} and {b}");
        assert_eq!(common(b, a).as_deref(), Some(expected), "{b} and {a}");
    }
    assert_eq!(common("a.*", "b.*"), None);
    assert_eq!(common("a", "a.>"), None);
}
