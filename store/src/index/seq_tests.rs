use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::journal::record::Location;

fn entry(n: u32) -> Entry {
    Entry {
        at: Location { segment: 1 + n % 3, offset: n * 8 },
        content_bytes: n,
        tag: n as u16,
        has_headers: n % 2 == 0,
        sealed: n % 3 == 0,
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u64, u32),
    Remove(u64),
    DropBelow(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let seq = 0u64..8000;
    let step = prop_oneof![
        8 => (seq.clone(), 0u32..100_000).prop_map(|(seq, n)| Step::Insert(seq, n)),
        4 => seq.clone().prop_map(Step::Remove),
        1 => (0u64..3000).prop_map(Step::DropBelow),
    ];
    proptest::collection::vec(step, 1..400)
}

fn apply(index: &mut SeqIndex, model: &mut BTreeMap<u64, Entry>, step: &Step) {
    match *step {
        Step::Insert(seq, n) => assert_eq!(index.insert(seq, entry(n)).unwrap(), model.insert(seq, entry(n))),
        Step::Remove(seq) => assert_eq!(index.remove(seq).unwrap(), model.remove(&seq)),
        Step::DropBelow(seq) => {
            let mut gone = BTreeMap::new();
            index.drop_below(seq, &mut |seq, entry| assert!(gone.insert(seq, *entry).is_none())).unwrap();
            let kept = model.split_off(&seq);
            assert_eq!(gone, std::mem::replace(model, kept));
        }
    }
}

proptest! {
    #[test]
    fn the_index_answers_as_an_ordered_map_does(steps in steps(), from in 0u64..8000, span in 0u64..4000) {
        let (mut index, mut model) = (SeqIndex::default(), BTreeMap::new());
        for step in &steps {
            apply(&mut index, &mut model, step);
        }
        let up_to = from + span;
        prop_assert_eq!(index.get(from).unwrap(), model.get(&from).copied());
        prop_assert_eq!(index.count(from, up_to).unwrap(), model.range(from..=up_to).count() as u64);
        prop_assert_eq!(index.next_live(from).unwrap(), model.range(from..).next().map(|(seq, _)| *seq));
        prop_assert_eq!(index.prev_live(up_to).unwrap(), model.range(..=up_to).next_back().map(|(seq, _)| *seq));
        let odd = |entry: &Entry| entry.content_bytes % 2 == 1;
        let next = model.range(from..=up_to).find(|(_, entry)| odd(entry)).map(|(seq, entry)| (*seq, *entry));
        let prev = model.range(from..=up_to).rev().find(|(_, entry)| odd(entry)).map(|(seq, entry)| (*seq, *entry));
        prop_assert_eq!(index.next_where(from, up_to, odd).unwrap(), next);
        prop_assert_eq!(index.prev_where(from, up_to, odd).unwrap(), prev);
    }
}

#[test]
fn a_million_messages_in_a_row_take_six_megabytes_at_most() {
    let mut index = SeqIndex::default();
    let mut at = Location { segment: 1, offset: 64 };
    for seq in 1..=1_000_000 {
        let entry = Entry { at, content_bytes: 160, tag: seq as u16, has_headers: false, sealed: false };
        index.insert(seq, entry).unwrap();
        at.offset += entry.record_len();
    }
    assert!(index.resident_bytes() < 6_000_000, "{}", index.resident_bytes());
    assert_eq!(index.count(1, u64::MAX).unwrap(), 1_000_000);
}
