use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

type Model = BTreeMap<Vec<u8>, BTreeSet<u64>>;

fn listed(index: &mut SubjectIndex, prefix: &[u8]) -> Vec<(Vec<u8>, u64)> {
    let mut found = Vec::new();
    index
        .visit(prefix, None, &mut |subject, state| {
            found.push((subject.to_vec(), Postings::decode(state).unwrap().count()));
            ControlFlow::Continue(())
        })
        .unwrap();
    found
}

fn expected(model: &Model, prefix: &[u8]) -> Vec<(Vec<u8>, u64)> {
    let matching = model.iter().filter(|(subject, _)| subject.starts_with(prefix));
    matching.map(|(subject, seqs)| (subject.clone(), seqs.len() as u64)).collect()
}

fn filled(steps: &[(String, bool, u64)]) -> (SubjectIndex, Model) {
    let (mut index, mut model) = (SubjectIndex::default(), Model::new());
    for (seq, (subject, add, pick)) in (1..).zip(steps) {
        let subject = subject.as_bytes();
        if *add {
            assert_eq!(index.add(subject, seq).unwrap(), !model.contains_key(subject));
            model.entry(subject.to_vec()).or_default().insert(seq);
        } else if let Some(seqs) = model.get_mut(subject) {
            let seq = *seqs.iter().nth(*pick as usize % seqs.len()).unwrap();
            seqs.remove(&seq);
            let gone = seqs.is_empty();
            assert_eq!(index.remove(subject, seq).unwrap(), gone);
            if gone {
                model.remove(subject);
            }
        }
    }
    (index, model)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_index_answers_as_an_ordered_map_does(
        steps in proptest::collection::vec(("[a-d]{1,2}\\.[a-e]{1,3}\\.[a-z]{0,30}", prop::bool::weighted(0.8), 0u64..9), 1..600),
        prefix in "[a-d]{0,2}(\\.[a-e])?",
        below in 0u64..600,
    ) {
        let (mut index, mut model) = filled(&steps);
        prop_assert_eq!(index.len(), model.len() as u64);
        prop_assert_eq!(listed(&mut index, prefix.as_bytes()), expected(&model, prefix.as_bytes()));
        for (subject, seqs) in &model {
            prop_assert_eq!(index.get(subject).unwrap().unwrap().count(), seqs.len() as u64);
        }
        index.rewrite(&mut |_, postings| {
            let mut left = postings.clone();
            left.remove_below(below, 0);
            (left.count() > 0).then_some(left)
        }).unwrap();
        model.retain(|_, seqs| { *seqs = seqs.split_off(&below); !seqs.is_empty() });
        prop_assert_eq!(listed(&mut index, b""), expected(&model, b""));
        prop_assert_eq!(index.len(), model.len() as u64);
    }
}

#[test]
fn a_hundred_thousand_subjects_take_two_point_seven_megabytes_at_most() {
    let mut index = SubjectIndex::default();
    for n in 0..100_000u64 {
        let subject = format!("sensors.site{:02}.device{:05}.temperature", n % 50, n * 7919 % 100_000);
        index.add(subject.as_bytes(), n + 1).unwrap();
    }
    let directory: usize =
        index.pages.keys().map(|fence| fence.len() + 16 + std::mem::size_of::<Page>()).sum();
    let held: usize = index.pages.values().map(|page| page.bytes.as_ref().map_or(0, Vec::capacity)).sum();
    assert_eq!(index.len(), 100_000);
    assert!(directory + held < 2_700_000, "{directory} + {held}");
}

#[test]
fn a_prefix_scan_stops_behind_its_range() {
    let mut index = SubjectIndex::default();
    for n in 0..10_000u64 {
        index.add(format!("a{n:05}.x").as_bytes(), n + 1).unwrap();
    }
    let mut visited = 0;
    let pages = index.pages.len();
    index
        .visit(b"a00500.", None, &mut |_, _| {
            visited += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(visited, 1);
    assert!(pages > 100);
}
