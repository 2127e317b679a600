use super::*;
use proptest::prelude::*;

const BLOCK: &[u8] = b"NATS/1.0 503 No  Luck \r\nNats-Msg-Id:  x y\r\nA:1\r\nA: 2\r\nEmpty:\r\n\r\n";

#[test]
fn the_first_header_of_a_name_wins_and_case_matters() {
    assert_eq!(get(BLOCK, names::MSG_ID), Some(b"x y".as_slice()));
    assert_eq!(get(BLOCK, b"A"), Some(b"1".as_slice()));
    assert_eq!(get(BLOCK, b"Empty"), Some(b"".as_slice()));
    assert_eq!(get(BLOCK, b"nats-msg-id"), None);
    assert_eq!(get(BLOCK, b"Nats-Msg"), None);
    assert_eq!(get(BLOCK, b"Msg-Id"), None);
    assert_eq!(get(b"", b"A"), None);
}

#[test]
fn the_version_line_is_no_header() {
    assert_eq!(get(b"A: 1\r\nB: 2\r\n\r\n", b"A"), None);
    assert_eq!(get(b"A: 1\r\nB: 2\r\n\r\n", b"B"), Some(b"2".as_slice()));
}

#[test]
fn a_line_feed_without_carriage_return_belongs_to_the_value() {
    assert_eq!(get(b"NATS/1.0\r\nA: 1\nB: 2\r\n\r\n", b"A"), Some(b"1\nB: 2".as_slice()));
    assert_eq!(get(b"NATS/1.0\r\nA: 1\nB: 2\r\n\r\n", b"B"), None);
}

#[test]
fn a_block_cut_short_still_gives_its_last_value() {
    assert_eq!(get(b"NATS/1.0\r\nA: 12", b"A"), Some(b"12".as_slice()));
}

#[test]
fn all_headers_come_in_order() {
    let all: Vec<_> = iter(BLOCK).collect();
    let expected: [(&[u8], &[u8]); 4] =
        [(b"Nats-Msg-Id", b"x y"), (b"A", b"1"), (b"A", b"2"), (b"Empty", b"")];
    assert_eq!(all, expected);
}

#[test]
fn status_and_description_come_from_the_first_line() {
    assert_eq!(status(BLOCK), Some((503, b"No  Luck".as_slice())));
    assert_eq!(status(b"NATS/1.0 503\r\n\r\n"), Some((503, b"".as_slice())));
    assert_eq!(status(b"NATS/1.0\r\n\r\n"), None);
    assert_eq!(status(b"NATS/1.0 xx\r\n\r\n"), None);
    assert_eq!(status(b"NATS/1.0 +12\r\n\r\n"), None);
    assert_eq!(status(b""), None);
}

#[test]
fn a_header_added_to_nothing_starts_a_block() {
    let mut block = Vec::new();
    append(&mut block, names::STREAM, b"ORDERS");
    append_u64(&mut block, names::SEQUENCE, 18);
    assert_eq!(block, b"NATS/1.0\r\nNats-Stream: ORDERS\r\nNats-Sequence: 18\r\n\r\n");
}

#[test]
fn a_header_added_to_a_block_without_proper_end_is_a_line_of_its_own() {
    for start in ["NATS/1.0\r\nA: 1", "NATS/1.0\r\nA: 1\r\n", "NATS/1.0\r\nA: 1\r\n\r\n"] {
        let mut block = start.as_bytes().to_vec();
        append(&mut block, b"B", b"2");
        assert_eq!(block, b"NATS/1.0\r\nA: 1\r\nB: 2\r\n\r\n");
    }
}

#[test]
fn a_value_cannot_smuggle_a_header_in() {
    let mut block = Vec::new();
    append(&mut block, b"A", b"1\r\nB: 2");
    assert_eq!(iter(&block).collect::<Vec<_>>(), [(b"A".as_slice(), b"1  B: 2".as_slice())]);
}

#[test]
fn setting_replaces_the_first_value_or_adds_the_header() {
    let mut block = BLOCK.to_vec();
    set(&mut block, b"A", b"longer");
    set(&mut block, b"New", b"n");
    assert_eq!(
        block,
        b"NATS/1.0 503 No  Luck \r\nNats-Msg-Id:  x y\r\nA:longer\r\nA: 2\r\nEmpty:\r\nNew: n\r\n\r\n"
    );
}

#[test]
fn removing_the_last_header_leaves_nothing() {
    assert_eq!(remove(b"NATS/1.0\r\nA: 1\r\nA: 2\r\n\r\n", b"A"), b"");
    assert_eq!(remove(b"NATS/1.0\r\nA: 1\r\nAB: 2\r\n\r\n", b"A"), b"NATS/1.0\r\nAB: 2\r\n\r\n");
    assert_eq!(remove(b"NATS/1.0 503\r\nA: 1\r\n\r\n", b"A"), b"NATS/1.0 503\r\n\r\n");
    assert_eq!(
        remove_prefix(b"NATS/1.0\r\nA: 1\r\nAB: 2\r\nC: 3\r\n\r\n", b"A"),
        b"NATS/1.0\r\nC: 3\r\n\r\n"
    );
}

#[test]
fn a_status_is_taken_off_and_an_empty_block_with_it() {
    assert_eq!(&*strip_status(b"NATS/1.0 503 foo\r\nA: 1\r\n\r\n"), b"NATS/1.0\r\nA: 1\r\n\r\n");
    assert_eq!(&*strip_status(b"NATS/1.0 503 foo\r\n\r\n"), b"");
    assert_eq!(&*strip_status(b"NATS/1.0\r\nA: 1\r\n\r\n"), b"NATS/1.0\r\nA: 1\r\n\r\n");
    assert_eq!(&*strip_status(b"junk"), b"junk");
}

#[test]
fn a_built_block_reads_back() {
    let block = HeaderBuilder::status(503, "").add(names::SUBJECT, b"a.b").add_u64(b"N", 7).finish();
    assert_eq!(block, b"NATS/1.0 503\r\nNats-Subject: a.b\r\nN: 7\r\n\r\n");
    assert_eq!(HeaderBuilder::new().finish(), b"NATS/1.0\r\n\r\n");
}

/// The rule as a search: `\r\n` + name + `:`, then up to the next `\r\n`.
fn model_get(block: &str, name: &str) -> Option<String> {
    let at = block.find(&format!("\r\n{name}:"))?;
    let value = block[at + name.len() + 3..].split("\r\n").next()?;
    Some(value.trim_start_matches(' ').to_owned())
}

proptest! {
    #[test]
    fn lookup_agrees_with_a_plain_search(block in "(NATS/1.0)?([AB: \r\n]|\r\n|A:|B: ){0,24}", name in "[AB]{1,2}") {
        let found = get(block.as_bytes(), name.as_bytes()).map(|v| String::from_utf8_lossy(v).into_owned());
        prop_assert_eq!(found, model_get(&block, &name));
    }

    #[test]
    fn what_is_appended_is_found_and_removing_it_restores(values in proptest::collection::vec("[a-z0-9 ]{0,9}", 1..6)) {
        let mut block = Vec::new();
        append(&mut block, b"Keep", b"k");
        let before = block.clone();
        for value in &values {
            append(&mut block, b"X", value.as_bytes());
        }
        let found: Vec<_> = iter(&block).filter(|(n, _)| *n == b"X").map(|(_, v)| v.to_vec()).collect();
        let expected: Vec<_> = values.iter().map(|v| v.trim_start_matches(' ').as_bytes().to_vec()).collect();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(remove(&block, b"X"), before);
    }

    #[test]
    fn no_bytes_make_it_panic(block: Vec<u8>, name: Vec<u8>) {
        let _ = (get(&block, &name), status(&block), iter(&block).count(), strip_status(&block));
        let _ = (remove(&block, &name), remove_prefix(&block, &name));
        let mut grown = block.clone();
        set(&mut grown, &name, b"v");
        append(&mut grown, &name, b"v");
    }
}
