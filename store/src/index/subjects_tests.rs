use std::collections::BTreeMap;

use headwater_protocol::subject::matches;
use proptest::prelude::*;

use super::*;

/// The messages of a stream by sequence, and how many subjects were read.
#[derive(Default)]
struct Model {
    subjects: BTreeMap<u64, String>,
    read: u64,
    /// What each message takes on the disk.
    bytes: u64,
}

impl Messages for Model {
    fn next_tagged(
        &mut self,
        from: u64,
        up_to: u64,
        tags: Option<&TagSet>,
    ) -> Result<Option<u64>, StoreError> {
        Ok(self.tagged(from, up_to, tags).next())
    }

    fn prev_tagged(
        &mut self,
        from: u64,
        up_to: u64,
        tags: Option<&TagSet>,
    ) -> Result<Option<u64>, StoreError> {
        Ok(self.tagged(from, up_to, tags).next_back())
    }

    fn count(&mut self, from: u64, up_to: u64) -> Result<u64, StoreError> {
        Ok(self.tagged(from, up_to, None).count() as u64)
    }

    fn subject(&mut self, seq: u64) -> Result<Option<Bytes>, StoreError> {
        self.read += 1;
        Ok(self.subjects.get(&seq).map(|subject| Bytes::copy_from_slice(subject.as_bytes())))
    }

    fn disk_bytes(&mut self, _: u64) -> Result<u64, StoreError> {
        Ok(self.bytes)
    }
}

impl Model {
    fn tagged(&self, from: u64, up_to: u64, tags: Option<&TagSet>) -> impl DoubleEndedIterator<Item = u64> {
        let held = (from <= up_to).then(|| self.subjects.range(from..=up_to)).into_iter().flatten();
        let tagged =
            move |subject: &str| tags.is_none_or(|tags| tags.contains(subject_tag(subject.as_bytes())));
        held.filter(move |(_, subject)| tagged(subject)).map(|(seq, _)| *seq)
    }

    fn matching(&self, filters: &[Bytes]) -> impl DoubleEndedIterator<Item = u64> {
        let wanted = |subject: &str| filters.iter().any(|filter| matches(filter, subject.as_bytes()));
        let held = self.subjects.iter().filter(|(_, subject)| wanted(subject)).map(|(seq, _)| *seq);
        held.collect::<Vec<_>>().into_iter()
    }
}

fn filled(subjects: impl Iterator<Item = String>) -> (Subjects, Model) {
    let (mut index, mut model) = (Subjects::default(), Model::default());
    for (seq, subject) in (1..).zip(subjects) {
        index.add(subject.as_bytes(), seq).unwrap();
        model.subjects.insert(seq, subject);
    }
    (index, model)
}

fn filter(filter: &str) -> Vec<Bytes> {
    vec![Bytes::copy_from_slice(filter.as_bytes())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_nearest_match_is_the_same_whether_there_is_a_plan_or_not(
        subjects in proptest::collection::vec("[ab]\\.([ab]|[c-z]{2})", 1..700),
        removed in proptest::collection::vec(0u64..700, 0..300),
        filters in proptest::collection::btree_set("(a|\\*)\\.(b|[c-d]\\*|\\*)|b\\.>", 1..3),
        points in proptest::collection::vec(0u64..720, 8),
    ) {
        let (mut index, mut model) = filled(subjects.into_iter());
        for seq in removed {
            if let Some(subject) = model.subjects.remove(&seq) {
                index.remove(subject.as_bytes(), seq).unwrap();
            }
        }
        let filters: Vec<Bytes> = filters.into_iter().map(Bytes::from).collect();
        for at in points {
            let next = model.matching(&filters).find(|seq| *seq >= at);
            let last = model.matching(&filters).rfind(|seq| *seq <= at);
            index.plans.clear();
            for _ in 0..2 {
                prop_assert_eq!(index.last_match(at, &filters, &mut model).unwrap(), last);
                prop_assert_eq!(index.next_match(at, &filters, &mut model).unwrap(), next);
            }
            index.walked.clear();
        }
    }
}

/// Hundred subjects each for so many things, one message a subject.
fn things(count: usize) -> (Subjects, Model) {
    filled((0..count * 100).map(|n| format!("u.{}.{}", n / 100, n % 100)))
}

#[test]
fn a_match_that_is_near_is_found_without_a_plan() {
    let (mut index, mut model) = things(100);
    for at in [1, 777, 9_990] {
        assert_eq!(index.next_match(at, &filter("u.>"), &mut model).unwrap(), Some(at));
        assert_eq!(index.last_match(at, &filter("*.*.*"), &mut model).unwrap(), Some(at));
    }
    assert_eq!(model.read, 6);
    assert_eq!(index.next_match(52, &filter("u.*.50"), &mut model).unwrap(), Some(151));
    assert_eq!(index.last_match(9_950, &filter("u.*.50"), &mut model).unwrap(), Some(9_851));
    assert!(!["u.>", "*.*.*", "u.*.50"].into_iter().any(|asked| index.plans.hold(&filter(asked))));
}

#[test]
fn few_large_messages_are_looked_at_for_a_match_that_is_near() {
    let (mut index, mut model) = things(100);
    model.bytes = 30_000;
    assert_eq!(index.next_match(52, &filter("u.*.50"), &mut model).unwrap(), Some(151));
    assert_eq!(model.read, 4, "the next one, and three when few subjects do not tell");
}

#[test]
fn a_match_among_few_subjects_is_found_without_a_look_at_many_messages() {
    let (mut index, mut model) = things(100);
    assert_eq!(index.next_match(1, &filter("u.90.*"), &mut model).unwrap(), Some(9_001));
    assert_eq!(index.last_match(9_999, &filter("u.90.*"), &mut model).unwrap(), Some(9_100));
    assert_eq!(model.read, 2);
}

#[test]
fn one_question_for_a_match_far_away_makes_no_plan_and_the_next_one_does() {
    let (mut index, mut model) = things(100);
    (1..=9_000).for_each(|seq| {
        let subject = model.subjects.remove(&seq).unwrap();
        index.remove(subject.as_bytes(), seq).unwrap();
        index.add(format!("v.{seq}").as_bytes(), seq).unwrap();
        model.subjects.insert(seq, format!("v.{seq}"));
    });
    let asked = filter("*.*.7");
    assert_eq!(index.next_match(1, &asked, &mut model).unwrap(), Some(9_008));
    assert!(!index.plans.hold(&asked));
    assert_eq!(index.next_match(2, &asked, &mut model).unwrap(), Some(9_008));
    assert!(index.plans.hold(&asked));
}

/// A subject each that begins with `m.` and with `x.`, of the same tag.
fn twins() -> (String, String) {
    let tag = |subject: &String| subject_tag(subject.as_bytes());
    let one: BTreeMap<u16, String> = (100..1_000).map(|n| format!("m.{n}")).map(|m| (tag(&m), m)).collect();
    (0..).map(|n| format!("x.{n}")).find_map(|x| Some((one.get(&tag(&x))?.clone(), x))).unwrap()
}

#[test]
fn a_subject_that_comes_to_match_does_not_make_another_of_its_tag_match() {
    let (ours, other) = twins();
    let (mut index, mut model) = filled((0..20).map(|n| format!("m.{n}")).chain([other.clone()]));
    let add = |index: &mut Subjects, model: &mut Model, seq, subject: &String| {
        index.add(subject.as_bytes(), seq).unwrap();
        model.subjects.insert(seq, subject.clone());
    };
    let asked = filter("m.*");
    assert_eq!(index.count_matches(0, 100, &asked, &mut model).unwrap(), 20);
    for seq in 22..30 {
        add(&mut index, &mut model, seq, &"m.0".into());
        assert_eq!(index.next_match(seq, &asked, &mut model).unwrap(), Some(seq));
    }
    assert!(index.plans.latest().unwrap().tags_prove_match());
    add(&mut index, &mut model, 30, &ours);
    add(&mut index, &mut model, 31, &other);
    assert_eq!(index.next_match(31, &asked, &mut model).unwrap(), None);
    assert_eq!(index.last_match(31, &asked, &mut model).unwrap(), Some(30));
    assert_eq!(index.count_matches(30, 40, &asked, &mut model).unwrap(), 1);
}
