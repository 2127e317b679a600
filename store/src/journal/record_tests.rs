use proptest::prelude::*;

use super::*;

const SEEDS: Seeds = Seeds { header: 17, body: 23 };

fn encoded(subject: &[u8], headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let draft =
        Draft { seq: 9, ts: -4, flags: FLAG_MORE, subject, headers, payload, ..Draft::new(Kind::Message, 3) };
    draft.encode(SEEDS, None, &mut out);
    out
}

proptest! {
    #[test]
    fn a_record_survives_the_round_trip(subject: Vec<u8>, headers: Vec<u8>, payload: Vec<u8>) {
        let out = encoded(&subject, &headers, &payload);
        prop_assert_eq!(out.len() % 8, 0);
        let record = Record::decode(out.into(), SEEDS).unwrap();
        prop_assert_eq!((record.header.stream, record.header.seq, record.header.ts), (3, 9, -4));
        prop_assert!(record.header.has_more() && !record.header.is_synced());
        prop_assert_eq!((record.subject(), record.headers(), record.payload()),
            (subject.into(), headers.into(), payload.into()));
    }

    #[test]
    fn one_flipped_bit_never_changes_what_is_read(payload: Vec<u8>, at: prop::sample::Index, bit in 0u8..8) {
        let mut out = encoded(b"a.b", b"", &payload);
        let at = at.index(HEADER_LEN + 3 + payload.len());
        out[at] ^= 1 << bit;
        let found = Record::decode(out.into(), SEEDS);
        prop_assert!(found.is_none() == (at >= HEADER_LEN));
        prop_assert!(found.is_none_or(|record| record.payload() == payload));
    }
}

#[test]
fn a_record_of_a_files_former_life_never_passes() {
    let out = encoded(b"a.b", b"", b"hello");
    for other in [Seeds { header: 18, ..SEEDS }, Seeds { body: 24, ..SEEDS }] {
        assert!(Record::decode(out.clone().into(), other).is_none());
    }
}

#[test]
fn a_record_costs_at_most_47_bytes_more_than_its_content() {
    assert_eq!(record_len(0), 40);
    assert_eq!(record_len(1), 48);
    assert_eq!(record_len(8), 48);
}
