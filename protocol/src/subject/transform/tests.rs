//! What was not obvious here was asked of nats-server 2.15.1.

use super::*;
use proptest::prelude::*;

#[track_caller]
fn gives(src: &str, dest: &str, subject: &str, expected: &str) {
    let transform = Transform::new(src, dest).unwrap_or_else(|error| panic!("{src} -> {dest}: {error}"));
    let result = transform.apply(subject.as_bytes()).map(|out| String::from_utf8(out).unwrap());
    assert_eq!(result.as_deref(), Some(expected), "{src} -> {dest}");
}

#[track_caller]
fn refuses(src: &str, dest: &str, text: &str) {
    assert_eq!(Transform::new(src, dest).unwrap_err().to_string(), text, "{src} -> {dest}");
}

#[test]
fn wildcards_go_where_the_destination_puts_them() {
    gives("a.*.*", "b.$2.$1", "a.x.y", "b.y.x");
    gives("a.*.*", "b.{{wildcard(2)}}.{{ Wildcard ( 1 ) }}", "a.x.y", "b.y.x");
    gives("a.*", "$1$1.x", "a.x", "$1$1.x");
    gives("a.*", "$foo.x*", "a.x", "$foo.x*");
    gives("a", "z", "a", "z");
    gives("t.*", "{{wildcard(0)}}.$0", "t.x", "t.t");
}

#[test]
fn a_full_wildcard_takes_the_rest() {
    gives("a.>", "x.>", "a.b.c", "x.b.c");
    gives(">", "x.>", "a.b", "x.a.b");
    gives("", "x.>", "a.b", "x.a.b");
    gives("a.>", ">", "a.b.c", "b.c");
    gives("a.*.>", "x.$1.>", "a.b.c.d", "x.b.c.d");
    gives("a.*.>", "x.>", "a.b.c", "x.c");
}

#[test]
fn without_a_destination_the_subject_stays() {
    gives("a.*", "", "a.b", "a.b");
    gives(">", ">", "a.b", "a.b");
    assert_eq!(Transform::new("a.*", "").unwrap().apply(b"b.c"), None);
}

#[test]
fn what_does_not_match_or_is_no_literal_is_left_alone() {
    let transform = Transform::new("a.*", "b.$1").unwrap();
    for subject in ["a", "b.c", "a.b.c", "a.", "a.*", "a.>", ""] {
        assert_eq!(transform.apply(subject.as_bytes()), None, "{subject}");
    }
}

#[test]
fn tokens_are_cut() {
    for (function, subject, expected) in [
        ("split(1,-)", "t.a-bcd-ef", "a.bcd.ef"),
        ("split(1, -)", "t.a-b", "a.b"),
        ("split(1,-)", "t.a--b-", "a.b"),
        ("split(1,--)", "t.a--b-", "a.b-"),
        ("split(1,-)", "t.-a", "a"),
        ("split(1,)", "t.a-\u{e9}", "a.-.\u{e9}"),
        ("splitFromLeft(1,2)", "t.a-bcd-ef", "a-.bcd-ef"),
        ("splitfromleft(1,2)", "t.ab", "ab"),
        ("SplitFromRight(1,2)", "t.--x", "-.-x"),
        ("sliceFromLeft(1,2)", "t.--x", "--.x"),
        ("sliceFromLeft(1,2)", "t.a-bcd-ef", "a-.bc.d-.ef"),
        ("slicefromright(1,3)", "t.abcdefgh", "ab.cde.fgh"),
        ("slicefromright(1,4)", "t.abcdefgh", "abcd.efgh"),
        ("left(1,2)", "t.abc", "ab"),
        ("Right(1, 2)", "t.abc", "bc"),
        ("right(1,0)", "t.abc", "abc"),
        ("left(1,-1)", "t.abc", "abc"),
    ] {
        gives("t.*", &format!("{{{{{function}}}}}"), subject, expected);
    }
}

#[test]
fn partitions_are_those_of_nats_server() {
    gives("t16.*", "{{partition(-3)}}", "t16.a-bcd-ef", "1672075235");
    gives("t.*", "{{partition(0)}}", "t.x", "0");
    gives("t.*", "{{partition(5,1)}}", "t.a-bcd-ef", "0");
    gives("t.*", "{{ partition ( 5 , 1 ) }}", "t.--x", "2");
    gives("t.*", "{{partition(5,1)}}", "t.--", "1");
    gives("t13.*", "{{partition(5)}}", "t13.a-bcd-ef", "1");
    gives("t13.*", "{{partition(5)}}", "t13.--x", "2");
    gives("t44.a", "{{partition(7)}}", "t44.a", "3");
    gives("t45.a", "{{partition(7,1)}}", "t45.a", "0");
    gives("t.*.*", "{{partition(1000,2,1)}}", "t.a.b", &partition_of("ba", 1000));
}

fn partition_of(key: &str, buckets: u64) -> String {
    let mut hash = 2_166_136_261_u64;
    for byte in key.bytes() {
        hash = ((hash ^ u64::from(byte)) * 16_777_619) % (1 << 32);
    }
    (hash % buckets).to_string()
}

#[test]
fn random_numbers_come_from_outside_and_stay_below_the_ceiling() {
    let transform = Transform::new("t.*", "r.{{random(10)}}.$1").unwrap();
    assert!(transform.uses_random());
    let out = transform.apply_with(b"t.x", || u64::MAX);
    assert_eq!(out.as_deref(), Some(b"r.7.x".as_slice()), "2^31 - 1 modulo 10");
    gives("t", "{{random(0)}}", "t", "0");
    let fixed = Transform::new("t.*", "$1").unwrap();
    assert!(fixed.apply_with(b"t.x", || panic!("nobody asked for a number")).is_some());
}

#[test]
fn refusals_are_in_the_words_of_nats_server() {
    const HEAD: &str = "invalid mapping destination: ";
    for (dest, text) in [
        ("{{wildcard(2)}}", "wildcard index out of range in {{wildcard(2)}}: [2]"),
        ("$2", "wildcard index out of range in $2: [2]"),
        ("{{splitFromLeft(2,3)}}", "wildcard index out of range in {{splitFromLeft(2,3)}}: [2]"),
        ("{{wildcard()}}", "not enough arguments passed to the function in {{wildcard()}}"),
        ("{{wildcard(a)}}", "function argument is invalid or in the wrong format in {{wildcard(a)}}"),
        ("{{wildcard(1,2)}}", "too many arguments passed to the function in {{wildcard(1,2)}}"),
        ("{{foo(1)}}", "unknown function in {{foo(1)}}"),
        ("{{PARTITION(5)}}", "unknown function in {{PARTITION(5)}}"),
        ("{{partition}}", "unknown function in {{partition}}"),
        ("{{partition()}}", "function argument is invalid or in the wrong format in {{partition()}}"),
        (
            "{{partition(9999999999)}}",
            "function argument is invalid or in the wrong format in {{partition(9999999999)}}",
        ),
        ("{{split(1)}}", "not enough arguments passed to the function in {{split(1)}}"),
        ("{{splitFromLeft(1)}}", "not enough arguments passed to the function in {{splitFromLeft(1)}}"),
        ("{{splitFromLeft(1,2,3)}}", "too many arguments passed to the function in {{splitFromLeft(1,2,3)}}"),
        (
            "{{left(1,99999999999)}}",
            "function argument is invalid or in the wrong format in {{left(1,99999999999)}}",
        ),
        ("{{random(1,2)}}", "not enough arguments passed to the function in {{random(1,2)}}"),
        ("{{random()}}", "function argument is invalid or in the wrong format in {{random()}}"),
    ] {
        refuses("t.*", dest, &format!("{HEAD}{text}"));
    }
    refuses(
        "t",
        "{{wildcard(1)}}",
        "invalid mapping destination: wildcard index out of range in {{wildcard(1)}}",
    );
}

#[test]
fn source_and_destination_must_be_subjects_that_end_alike() {
    for (src, dest) in [
        ("t.*", "a.*"),
        ("t.*", "a.>"),
        ("t.>", "$1"),
        ("t.*", "a..b"),
        ("t..a", "b"),
        ("t.>.a", "b"),
        ("t", ">.a"),
    ] {
        refuses(src, dest, "invalid subject");
    }
}

#[test]
fn a_mapping_has_no_blanks_outside_functions() {
    let text = |dest| validate_mapping("t.*", dest).map_err(|error| error.to_string());
    assert_eq!(text("{{ left(1, 2) }}.b"), Ok(()));
    assert_eq!(text(""), Ok(()));
    assert_eq!(text("a b"), Err("invalid mapping destination: invalid transform".into()));
    assert_eq!(text("a..b"), Err("invalid mapping destination: invalid transform".into()));
    assert_eq!(text("a.>.b"), Err("invalid mapping destination: invalid transform in b".into()));
    assert_eq!(text("{{foo(1)}}"), Err("invalid mapping destination: unknown function in {{foo(1)}}".into()));
    assert_eq!(text("a.*"), Err("invalid subject".into()));
}

#[test]
fn imports_allow_wildcards_only_and_want_them_all() {
    let text = |src, dest| Transform::new_strict(src, dest).map(|_| ()).map_err(|error| error.to_string());
    assert_eq!(text("a.*.*", "b.$2.{{wildcard(1)}}"), Ok(()));
    assert_eq!(
        text("a.*.*", "b.$2"),
        Err("invalid mapping destination: not using all of the token wildcard(s) in b.$2".into())
    );
    assert_eq!(
        text("a.*", "{{left(1,2)}}"),
        Err("invalid mapping destination: the only mapping function allowed for import transforms is {{Wildcard()}} in {{left(1,2)}}".into())
    );
}

#[test]
fn placeholders_keep_wildcards_in_place() {
    assert_eq!(placeholders("a.*.b.*.>"), "a.$1.b.$2.>");
    assert_eq!(placeholders("a"), "a");
}

#[test]
fn a_transform_that_loses_something_has_no_way_back() {
    assert_eq!(Transform::new("a", "b.{{random(9)}}").unwrap().reverse(), None);
    assert_eq!(Transform::new("a.*.*", "b.$2").unwrap().reverse(), None);
    assert_eq!(Transform::new("a.*", "b.{{left(1,2)}}").unwrap().reverse(), None);
}

proptest! {
    #[test]
    fn there_and_back_again(order in Just([1, 2, 3]).prop_shuffle(), open: bool, values in proptest::array::uniform3("[a-z]{1,3}")) {
        let tail = if open { ".>" } else { "" };
        let dest = format!("b.${}.x.${}.${}{tail}", order[0], order[1], order[2]);
        let transform = Transform::new(&format!("a.*.*.c.*{tail}"), &dest).unwrap();
        let subject = format!("a.{}.{}.c.{}{}", values[0], values[1], values[2], tail.replace('>', "r.s"));
        let there = transform.apply(subject.as_bytes()).unwrap();
        let back = transform.reverse().unwrap().apply(&there).unwrap();
        prop_assert_eq!(String::from_utf8(back).unwrap(), subject);
    }

    #[test]
    fn cutting_keeps_every_byte(token in "[a-z]{1,9}", size in 0..12_i32, name in prop_oneof![
        Just("splitFromLeft"), Just("splitFromRight"), Just("sliceFromLeft"), Just("sliceFromRight"),
    ]) {
        let transform = Transform::new("*", &format!("{{{{{name}(1,{size})}}}}")).unwrap();
        let mut out = String::from_utf8(transform.apply(token.as_bytes()).unwrap()).unwrap();
        prop_assert!(crate::subject::is_literal(out.as_bytes()));
        out.retain(|c| c != '.');
        prop_assert_eq!(out, token);
    }

    #[test]
    fn no_text_makes_it_panic(src in "[a-c.*>]{0,6}", dest in "([a-c.>$]|\\{\\{|\\}\\}|(left|split|partition|random)\\([0-9,-]{0,4}\\)){0,6}", subject: Vec<u8>) {
        let _ = validate_mapping(&src, &dest);
        if let Ok(transform) = Transform::new(&src, &dest) {
            let _ = (transform.apply(&subject), transform.apply(b"a.b"), transform.reverse());
        }
    }
}
