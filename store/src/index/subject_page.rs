//! One page of the subject index: subjects in byte order, front-coded.
//!
//! An entry is: length of the prefix shared with the subject before it, length of the rest, the rest, the encoded
//! [`Postings`] with their length. Entries are compared without being spelt out: while the shared prefix is longer than
//! what the sought subject has in common with the subject before, the entry still sorts before it (docs/FORMAT.md).

use std::cmp::Ordering;
use std::ops::Range;

use smallvec::SmallVec;

use super::postings::{Bounds, Postings};
use super::varint::{self, Reader};

/// Where a subject is in a page, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spot {
    /// It is there: where its entry starts and where its postings (with their length) lie.
    Held {
        /// First byte of the entry.
        start: usize,
        /// The postings with their length.
        postings: Range<usize>,
    },
    /// It would start here.
    Vacant {
        /// First byte of the entry that would come after it.
        at: usize,
        /// Bytes in common with the subject before.
        shared_before: usize,
        /// Bytes in common with the subject after.
        shared_after: usize,
    },
}

/// One entry, not spelt out.
#[derive(Debug, Clone)]
struct RawEntry<'a> {
    start: usize,
    shared: usize,
    rest: &'a [u8],
    /// The postings with their length.
    postings: Range<usize>,
}

/// Where a search starts: behind entries that sort before what is sought.
#[derive(Debug, Clone, Copy, Default)]
pub struct Start {
    /// First byte of the next entry.
    pub at: usize,
    /// Bytes that what is sought has in common with the subject before.
    pub matched: usize,
}

impl Start {
    /// Behind a spot that was found for `found`, to seek `sought`; from the front if that sorts before it. `None` when the page
    /// is damaged.
    pub fn behind(page: &[u8], spot: &Spot, found: &[u8], sought: &[u8]) -> Option<Self> {
        if sought < found {
            return Some(Self::default());
        }
        let matched = common_prefix(found, sought);
        match spot {
            Spot::Held { start, .. } => Some(Self { at: entry_at(page, *start)?.postings.end, matched }),
            Spot::Vacant { at, shared_before, .. } => {
                Some(Self { at: *at, matched: matched.min(*shared_before) })
            }
        }
    }
}

/// Finds `subject`; `None` when the page is damaged.
pub fn find(page: &[u8], subject: &[u8], start: Start) -> Option<Spot> {
    let Start { mut at, mut matched } = start;
    loop {
        at = pass_over(page, at, matched);
        if at >= page.len() {
            return Some(Spot::Vacant { at, shared_before: matched, shared_after: 0 });
        }
        let entry = entry_at(page, at)?;
        match entry.shared.cmp(&matched) {
            Ordering::Greater => {}
            Ordering::Less => {
                return Some(Spot::Vacant { at, shared_before: matched, shared_after: entry.shared });
            }
            Ordering::Equal => {
                let sought = subject.get(matched..)?;
                let common = common_prefix(entry.rest, sought);
                match entry.rest.cmp(sought) {
                    Ordering::Equal => return Some(Spot::Held { start: at, postings: entry.postings }),
                    Ordering::Greater => {
                        return Some(Spot::Vacant {
                            at,
                            shared_before: matched,
                            shared_after: matched + common,
                        });
                    }
                    Ordering::Less => matched += common,
                }
            }
        }
        at = entry.postings.end;
    }
}

/// The spot of the entry that starts at `start`; `None` when the page is damaged.
pub fn held_at(page: &[u8], start: usize) -> Option<Spot> {
    entry_at(page, start).map(|entry| Spot::Held { start, postings: entry.postings })
}

/// The postings at a held spot.
pub fn postings(page: &[u8], at: &Range<usize>) -> Option<Postings> {
    Postings::decode(Reader::new(page.get(at.clone())?).prefixed()?)
}

/// What the postings at a held spot come to.
pub fn bounds(page: &[u8], at: &Range<usize>) -> Option<Bounds> {
    Postings::decode_bounds(Reader::new(page.get(at.clone())?).prefixed()?)
}

/// Replaces the postings at a held spot.
pub fn replace(page: &mut Vec<u8>, at: Range<usize>, postings: &Postings) {
    let mut encoded = Vec::with_capacity(at.len() + 8);
    postings.encode(&mut encoded);
    splice(page, at, &encoded);
}

/// Adds a message behind all others to the postings at a held spot, if that takes no more than writing it down.
/// `scratch` is memory to write in.
pub fn add_behind(page: &mut Vec<u8>, at: Range<usize>, seq: u64, scratch: &mut Vec<u8>) -> Option<()> {
    scratch.clear();
    Postings::encode_one_more(Reader::new(page.get(at.clone())?).prefixed()?, seq, scratch)?;
    splice(page, at, scratch);
    Some(())
}

/// Inserts `subject` at a vacant spot; `None` when the page is damaged.
pub fn insert(page: &mut Vec<u8>, spot: &Spot, subject: &[u8], postings: &Postings) -> Option<()> {
    let Spot::Vacant { at, shared_before, shared_after } = *spot else { return None };
    let mut encoded = Vec::with_capacity(subject.len() + 24);
    put_entry(&mut encoded, shared_before, subject.get(shared_before..)?, postings);
    let mut end = at;
    if at < page.len() {
        let next = entry_at(page, at)?;
        let rest = next.rest.get(shared_after.checked_sub(next.shared)?..)?;
        put_key(&mut encoded, shared_after, rest);
        end = next.postings.start;
    }
    splice(page, at..end, &encoded);
    Some(())
}

/// Removes the entry that starts at `start`; `None` when the page is damaged.
pub fn remove(page: &mut Vec<u8>, start: usize) -> Option<()> {
    let entry = entry_at(page, start)?;
    let after = entry.postings.end;
    if after >= page.len() {
        page.truncate(start);
        return Some(());
    }
    let next = entry_at(page, after)?;
    let mut encoded = Vec::new();
    let end = next.postings.start;
    match next.shared.checked_sub(entry.shared) {
        Some(lost) if lost > 0 => {
            let rest = [entry.rest.get(..lost)?, next.rest].concat();
            put_key(&mut encoded, entry.shared, &rest);
        }
        _ => put_key(&mut encoded, next.shared, next.rest),
    }
    splice(page, start..end, &encoded);
    Some(())
}

/// Walks over a page, spelling out every subject.
pub struct Walker<'a> {
    page: &'a [u8],
    at: usize,
    subject: SmallVec<[u8; 64]>,
}

impl<'a> Walker<'a> {
    /// Starts at the first subject.
    pub fn new(page: &'a [u8]) -> Self {
        Self { page, at: 0, subject: SmallVec::new() }
    }

    /// The next subject and its encoded postings, without their length.
    pub fn step(&mut self) -> Option<(&[u8], &'a [u8])> {
        let entry = entry_at(self.page, self.at)?;
        self.subject.truncate(entry.shared);
        self.subject.extend_from_slice(entry.rest);
        self.at = entry.postings.end;
        let postings = Reader::new(self.page.get(entry.postings)?).prefixed()?;
        Some((&self.subject, postings))
    }

    /// Goes on to the first subject that does not sort before `target`; a page that is damaged ends there.
    pub fn seek(&mut self, target: &[u8]) {
        let mut matched = common_prefix(&self.subject, target);
        loop {
            self.at = pass_over(self.page, self.at, matched);
            let Some(entry) = entry_at(self.page, self.at) else { break };
            if entry.shared < matched {
                break;
            }
            if entry.shared == matched {
                let sought = target.get(matched..).unwrap_or_default();
                if entry.rest >= sought {
                    break;
                }
                matched += common_prefix(entry.rest, sought);
            }
            self.at = entry.postings.end;
        }
        self.subject.clear();
        self.subject.extend_from_slice(target.get(..matched).unwrap_or_default());
    }

    /// Whether all of the page was read; false after the end means that it was damaged.
    pub fn is_complete(&self) -> bool {
        self.at == self.page.len()
    }
}

/// Writes a page from subjects in order.
#[derive(Debug, Default)]
pub struct Builder {
    page: Vec<u8>,
    before: Vec<u8>,
}

impl Builder {
    /// Adds a subject that sorts after all before it.
    pub fn push(&mut self, subject: &[u8], postings: &Postings) {
        let shared = common_prefix(&self.before, subject);
        put_entry(&mut self.page, shared, subject.get(shared..).unwrap_or_default(), postings);
        self.before.clear();
        self.before.extend_from_slice(subject);
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.page.len()
    }

    /// Whether nothing was added yet.
    pub fn is_empty(&self) -> bool {
        self.page.is_empty()
    }

    /// The page.
    pub fn finish(mut self) -> Vec<u8> {
        self.page.shrink_to_fit();
        self.page
    }
}

#[inline]
fn entry_at(page: &[u8], start: usize) -> Option<RawEntry<'_>> {
    let mut reader = Reader::new(page.get(start..)?);
    let shared = usize::try_from(reader.number()?).ok()?;
    let rest = reader.prefixed()?;
    let postings = page.len() - reader.remaining();
    reader.prefixed()?;
    Some(RawEntry { start, shared, rest, postings: postings..page.len() - reader.remaining() })
        .filter(|entry| entry.postings.end > entry.start)
}

/// Passes over the entries from `at` on that share more than `matched` bytes with the one before, as far as their lengths
/// take a byte each: most of those that a search passes.
fn pass_over(page: &[u8], at: usize, matched: usize) -> usize {
    let mut left = page.get(at..).unwrap_or_default();
    while let [shared, rest, after @ ..] = left {
        let Some([postings, after @ ..]) = after.get(usize::from(*rest)..) else { break };
        let Some(next) = after.get(usize::from(*postings)..) else { break };
        if (shared | rest | postings) & 0x80 != 0 || usize::from(*shared) <= matched {
            break;
        }
        left = next;
    }
    page.len() - left.len()
}

fn put_key(out: &mut Vec<u8>, shared: usize, rest: &[u8]) {
    varint::put(out, shared as u64);
    varint::put_prefixed(out, rest);
}

fn put_entry(out: &mut Vec<u8>, shared: usize, rest: &[u8], postings: &Postings) {
    put_key(out, shared, rest);
    postings.encode(out);
}

/// Pages have a multiple of this as capacity, in bytes.
const CAPACITY_STEP: usize = 256;

/// Replaces a range without letting the page's capacity double: there are tens of thousands of pages.
fn splice(page: &mut Vec<u8>, range: Range<usize>, with: &[u8]) {
    let grown = (page.len() + with.len()).saturating_sub(range.len());
    if grown > page.capacity() {
        // Few different sizes leave few holes between the pages.
        page.reserve_exact((grown + 1).next_multiple_of(CAPACITY_STEP) - page.len());
    }
    let (old_len, end) = (page.len(), range.start + with.len());
    page.resize(grown.max(old_len), 0);
    page.copy_within(range.end..old_len, end);
    page.truncate(grown);
    if let Some(place) = page.get_mut(range.start..end) {
        place.copy_from_slice(with);
    }
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn all(page: &[u8]) -> BTreeMap<Vec<u8>, Postings> {
        let mut walker = Walker::new(page);
        let mut found = BTreeMap::new();
        while let Some((subject, state)) = walker.step() {
            found.insert(subject.to_vec(), Postings::decode(state).unwrap());
        }
        assert!(walker.is_complete());
        found
    }

    fn put(page: &mut Vec<u8>, subject: &[u8], value: &Postings) {
        match find(page, subject, Start::default()).unwrap() {
            Spot::Held { postings: at, .. } => replace(page, at, value),
            spot => insert(page, &spot, subject, value).unwrap(),
        }
    }

    proptest! {
        #[test]
        fn a_page_answers_as_an_ordered_map_does(
            steps in proptest::collection::vec(("[ab]{1,3}(\\.[ab]{1,2}){0,2}", 1u64..1 << 40, any::<bool>()), 1..120)
        ) {
            let (mut page, mut model) = (Vec::new(), BTreeMap::new());
            for (subject, seq, keep) in steps {
                let subject = subject.into_bytes();
                if keep {
                    put(&mut page, &subject, &Postings::one(seq));
                    model.insert(subject, Postings::one(seq));
                } else {
                    let held = model.remove(&subject).is_some();
                    match find(&page, &subject, Start::default()).unwrap() {
                        Spot::Held { start, .. } => { prop_assert!(held); remove(&mut page, start).unwrap() }
                        Spot::Vacant { .. } => prop_assert!(!held),
                    }
                }
                prop_assert_eq!(all(&page), model.clone());
                let mut builder = Builder::default();
                model.iter().for_each(|(subject, value)| builder.push(subject, value));
                prop_assert_eq!(builder.finish(), page.clone());
            }
        }

        #[test]
        fn a_walk_goes_on_where_it_was_sought(
            subjects in proptest::collection::btree_set("[ab]{1,3}(\\.[ab]{1,2}){0,2}", 1..40),
            targets in proptest::collection::btree_set("[ab]{0,3}(\\.[abc]{0,2}){0,2}", 1..10),
        ) {
            let mut builder = Builder::default();
            subjects.iter().for_each(|subject| builder.push(subject.as_bytes(), &Postings::one(1)));
            let page = builder.finish();
            let mut walker = Walker::new(&page);
            let mut passed = String::new();
            for target in targets.into_iter() {
                if target <= passed {
                    continue;
                }
                walker.seek(target.as_bytes());
                let next = subjects.range(target..).next();
                prop_assert_eq!(walker.step().map(|(subject, _)| subject), next.map(|next| next.as_bytes()));
                passed = next.cloned().unwrap_or("z".into());
            }
        }

        #[test]
        fn a_damaged_page_never_panics(mut page: Vec<u8>, subject: Vec<u8>) {
            if let Some(spot) = find(&page, &subject, Start::default()) {
                let _ = insert(&mut page, &spot, &subject, &Postings::one(1));
            }
            Walker::new(&page).seek(&subject);
            let _ = remove(&mut page, 0);
            while Walker::new(&page).step().is_some() && remove(&mut page, 0).is_some() {}
        }
    }
}
