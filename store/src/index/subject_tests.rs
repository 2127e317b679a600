use std::collections::{BTreeMap, BTreeSet};

use headwater_protocol::subject::matches;
use proptest::prelude::*;

use super::*;

type Model = BTreeMap<Vec<u8>, BTreeSet<u64>>;

fn listed(index: &mut SubjectIndex, filter: &[u8]) -> Vec<(Vec<u8>, u64)> {
    let mut found = Vec::new();
    index
        .visit(Seeker::new(filter, None), &mut |subject, state| {
            found.push((subject.to_vec(), Postings::decode(state).unwrap().count()));
            ControlFlow::Continue(())
        })
        .unwrap();
    found
}

fn expected(model: &Model, filter: &[u8]) -> Vec<(Vec<u8>, u64)> {
    let matching = model.iter().filter(|(subject, _)| matches(filter, subject));
    matching.map(|(subject, seqs)| (subject.clone(), seqs.len() as u64)).collect()
}

fn filled(steps: &[(String, bool, u64)]) -> (SubjectIndex, Model) {
    let (mut index, mut model) = (SubjectIndex::default(), Model::new());
    for (seq, (subject, add, pick)) in (1..).zip(steps) {
        let subject = subject.as_bytes();
        assert_eq!(count(&mut index, subject), model.get(subject).map(|seqs| seqs.len() as u64));
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
        assert_eq!(count(&mut index, subject), model.get(subject).map(|seqs| seqs.len() as u64));
    }
    (index, model)
}

fn count(index: &mut SubjectIndex, subject: &[u8]) -> Option<u64> {
    index.bounds(subject).unwrap().map(|bounds| bounds.count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_index_answers_as_an_ordered_map_does(
        steps in proptest::collection::vec(("[a-d]{1,2}\\.[a-e]{1,3}\\.[a-z]{1,30}", prop::bool::weighted(0.8), 0u64..9), 1..600),
        filter in "(\\*|[a-d]{1,2})\\.(\\*|[a-e]{1,2})\\.(\\*|>|[a-z]{0,2})",
        below in 0u64..600,
    ) {
        let (mut index, mut model) = filled(&steps);
        prop_assert_eq!(index.len(), model.len() as u64);
        prop_assert_eq!(listed(&mut index, filter.as_bytes()), expected(&model, filter.as_bytes()));
        for (subject, seqs) in &model {
            prop_assert_eq!(index.bounds(subject).unwrap().unwrap().count, seqs.len() as u64);
        }
        index.rewrite(&mut |_, postings| {
            let mut left = postings.clone();
            left.remove_below(below, 0);
            (left.count() > 0).then_some(left)
        }).unwrap();
        model.retain(|_, seqs| { *seqs = seqs.split_off(&below); !seqs.is_empty() });
        prop_assert_eq!(listed(&mut index, b">"), expected(&model, b">"));
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
fn pages_without_a_match_are_not_looked_at() {
    let mut index = SubjectIndex::default();
    for n in 0..50_000u64 {
        index.add(format!("a.{}.{}", n / 5000, n % 5000).as_bytes(), n + 1).unwrap();
    }
    assert!(index.pages.len() > 200);
    for (filter, matching, pages_max) in
        [(&b"a.7.500"[..], 1, 1), (b"a.7.50.*", 0, 1), (b"a.*.500", 10, 30), (b"*.7.500", 1, 4)]
    {
        let before = index.pages_walked();
        assert_eq!(listed(&mut index, filter).len(), matching);
        let walked = index.pages_walked() - before;
        assert!(walked <= pages_max, "{walked} pages for {}", String::from_utf8_lossy(filter));
    }
}
