//! The live messages of one subject.

use smallvec::SmallVec;

use super::varint::{self, Reader};

/// Subjects with at most this many messages list them all; a key-value bucket keeps at most 64 revisions of a key.
pub const LISTED_SEQS_MAX: usize = 64;

const BOUNDS: u64 = 1;
const FIRST_UNKNOWN: u64 = 2;
const LAST_UNKNOWN: u64 = 4;
const COUNT_SHIFT: u32 = 3;

/// Which messages a subject has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Postings {
    /// Every sequence, ascending.
    Listed(SmallVec<[u64; 8]>),
    /// Too many to list.
    Bounded(Bounds),
}

/// How many messages a subject has and between which sequences they lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Live messages.
    pub count: u64,
    /// The oldest.
    pub first: Bound,
    /// The newest.
    pub last: Bound,
}

/// One end of a subject's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// The sequence, or as near as is known: no message lies beyond it.
    pub seq: u64,
    /// Whether a live message lies exactly there.
    pub exact: bool,
}

impl Bound {
    /// A known end.
    pub fn exact(seq: u64) -> Self {
        Self { seq, exact: true }
    }

    /// An end that must be looked for.
    pub fn within(seq: u64) -> Self {
        Self { seq, exact: false }
    }
}

impl Postings {
    /// A subject's first message.
    pub fn one(seq: u64) -> Self {
        Postings::Listed(SmallVec::from_slice(&[seq]))
    }

    /// Live messages; 0 once the last one was removed.
    pub fn count(&self) -> u64 {
        match self {
            Postings::Listed(seqs) => seqs.len() as u64,
            Postings::Bounded(bounds) => bounds.count,
        }
    }

    /// Count and ends.
    pub fn bounds(&self) -> Bounds {
        match self {
            Postings::Listed(seqs) => Bounds {
                count: seqs.len() as u64,
                first: Bound::exact(seqs.first().copied().unwrap_or(0)),
                last: Bound::exact(seqs.last().copied().unwrap_or(0)),
            },
            Postings::Bounded(bounds) => *bounds,
        }
    }

    /// Takes in a message the subject does not have yet.
    pub fn add(&mut self, seq: u64) {
        match self {
            Postings::Listed(seqs) => {
                if let Err(at) = seqs.binary_search(&seq) {
                    seqs.insert(at, seq);
                }
                if seqs.len() > LISTED_SEQS_MAX {
                    *self = Postings::Bounded(self.bounds());
                }
            }
            Postings::Bounded(bounds) => bounds.add(seq),
        }
    }

    /// Takes out a message the subject has.
    pub fn remove(&mut self, seq: u64) {
        match self {
            Postings::Listed(seqs) => {
                if let Ok(at) = seqs.binary_search(&seq) {
                    seqs.remove(at);
                }
            }
            Postings::Bounded(bounds) => {
                bounds.remove(seq);
                self.list_the_last_one();
            }
        }
    }

    /// Takes out everything below `seq`; `removed` says how many that are when they are not listed.
    pub fn remove_below(&mut self, seq: u64, removed: u64) {
        match self {
            Postings::Listed(seqs) => seqs.retain(|at| *at >= seq),
            Postings::Bounded(bounds) => {
                bounds.count = bounds.count.saturating_sub(removed);
                if bounds.first.seq < seq {
                    bounds.first = Bound::within(seq);
                }
                self.list_the_last_one();
            }
        }
    }

    fn list_the_last_one(&mut self) {
        let Postings::Bounded(Bounds { count: 1, first, last }) = *self else { return };
        if first.exact {
            *self = Postings::one(first.seq);
        } else if last.exact {
            *self = Postings::one(last.seq);
        }
    }

    /// Appends the encoding: a length, then head, first sequence and differences.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_with_length(out, |out| match self {
            Postings::Listed(seqs) => {
                varint::put(out, (seqs.len() as u64) << COUNT_SHIFT);
                let mut before = 0;
                for seq in seqs {
                    varint::put(out, seq.wrapping_sub(before));
                    before = *seq;
                }
            }
            Postings::Bounded(bounds) => bounds.encode(out),
        });
    }

    /// Appends what [`Postings::encode`] would make of `state`, which is without its length, and one message more, behind all
    /// that may be listed in it. `None`, and nothing appended, where it takes more than writing down one number more.
    pub fn encode_one_more(state: &[u8], seq: u64, out: &mut Vec<u8>) -> Option<()> {
        let mut reader = Reader::new(state);
        let head = reader.number()?;
        if head & BOUNDS != 0 {
            let mut bounds = Bounds::decode(head, &mut reader).filter(|_| reader.is_empty())?;
            bounds.add(seq);
            put_with_length(out, |out| bounds.encode(out));
            return Some(());
        }
        let (count, differences) = (head >> COUNT_SHIFT, reader.rest());
        if count >= LISTED_SEQS_MAX as u64 {
            return None;
        }
        let mut last = 0u64;
        for _ in 0..count {
            last = last.checked_add(reader.number()?)?;
        }
        let difference = seq.checked_sub(last).filter(|difference| *difference > 0 && reader.is_empty())?;
        put_with_length(out, |out| {
            varint::put(out, (count + 1) << COUNT_SHIFT);
            out.extend_from_slice(differences);
            varint::put(out, difference);
        });
        Some(())
    }

    /// What [`Postings::bounds`] says of what [`Postings::decode`] reads.
    pub fn decode_bounds(state: &[u8]) -> Option<Bounds> {
        let mut reader = Reader::new(state);
        let head = reader.number()?;
        let count = head >> COUNT_SHIFT;
        if head & BOUNDS != 0 {
            return Bounds::decode(head, &mut reader);
        }
        if count == 0 || count > LISTED_SEQS_MAX as u64 {
            return None;
        }
        let first = reader.number()?;
        let last = (1..count).try_fold(first, |last, _| last.checked_add(reader.number()?))?;
        Some(Bounds { count, first: Bound::exact(first), last: Bound::exact(last) })
    }

    /// Reads what [`Postings::encode`] wrote, without the length.
    pub fn decode(state: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(state);
        let head = reader.number()?;
        if head & BOUNDS != 0 {
            return Bounds::decode(head, &mut reader).map(Postings::Bounded);
        }
        let count = usize::try_from(head >> COUNT_SHIFT).ok().filter(|count| *count <= LISTED_SEQS_MAX)?;
        let mut seqs = SmallVec::with_capacity(count);
        let mut seq = 0u64;
        for _ in 0..count {
            seq = seq.checked_add(reader.number()?)?;
            seqs.push(seq);
        }
        Some(Postings::Listed(seqs))
    }
}

/// Appends what `put` appends, its length before it.
fn put_with_length(out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.push(0);
    put(out);
    let len = out.len() - start - 1;
    if let (Some(first), 0..0x80) = (out.get_mut(start), len) {
        *first = len as u8;
        return;
    }
    let mut long = Vec::with_capacity(varint::VARINT_BYTES_MAX);
    varint::put(&mut long, len as u64);
    out.splice(start..=start, long);
}

impl Bounds {
    fn add(&mut self, seq: u64) {
        self.count += 1;
        if seq > self.last.seq || (seq == self.last.seq && !self.last.exact) {
            self.last = Bound::exact(seq);
        }
        if seq < self.first.seq || (seq == self.first.seq && !self.first.exact) {
            self.first = Bound::exact(seq);
        }
    }

    fn remove(&mut self, seq: u64) {
        self.count = self.count.saturating_sub(1);
        if seq == self.first.seq {
            self.first = Bound::within(seq.saturating_add(1));
        }
        if seq == self.last.seq {
            self.last = Bound::within(seq.saturating_sub(1));
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let first = if self.first.exact { 0 } else { FIRST_UNKNOWN };
        let last = if self.last.exact { 0 } else { LAST_UNKNOWN };
        varint::put(out, (self.count << COUNT_SHIFT) | last | first | BOUNDS);
        varint::put(out, self.first.seq);
        varint::put(out, self.last.seq.saturating_sub(self.first.seq));
    }

    fn decode(head: u64, reader: &mut Reader<'_>) -> Option<Self> {
        let first = reader.number()?;
        let last = first.checked_add(reader.number()?)?;
        Some(Bounds {
            count: head >> COUNT_SHIFT,
            first: Bound { seq: first, exact: head & FIRST_UNKNOWN == 0 },
            last: Bound { seq: last, exact: head & LAST_UNKNOWN == 0 },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn agrees(postings: &Postings, model: &BTreeSet<u64>) -> bool {
        let (first, last) = (model.first().copied().unwrap_or(0), model.last().copied().unwrap_or(0));
        let bounds = postings.bounds();
        bounds.count == model.len() as u64
            && (model.is_empty()
                || ((bounds.first.exact && bounds.first.seq == first
                    || !bounds.first.exact && bounds.first.seq <= first)
                    && (bounds.last.exact && bounds.last.seq == last
                        || !bounds.last.exact && bounds.last.seq >= last)))
    }

    fn one_more_is_as_if_written_anew(postings: &Postings, state: &[u8]) {
        for seq in [1, 150, 300, 1 << 40] {
            let mut one_more = Vec::new();
            if Postings::encode_one_more(state, seq, &mut one_more).is_some() {
                let (mut added, mut anew) = (postings.clone(), Vec::new());
                added.add(seq);
                added.encode(&mut anew);
                assert_eq!(one_more, anew);
            } else {
                let Postings::Listed(seqs) = postings else { panic!("bounds take any message") };
                assert!(seqs.len() == LISTED_SEQS_MAX || seq <= postings.bounds().last.seq);
                assert!(one_more.is_empty());
            }
        }
    }

    proptest! {
        #[test]
        fn count_and_ends_are_never_wrong(seqs in proptest::collection::vec((1u64..300, any::<bool>()), 1..300)) {
            let mut model = BTreeSet::new();
            let mut postings = Postings::Listed(SmallVec::new());
            for (seq, add) in seqs {
                if add && model.insert(seq) {
                    if postings.count() == 0 { postings = Postings::one(seq) } else { postings.add(seq) }
                } else if !add && model.remove(&seq) {
                    postings.remove(seq);
                }
                prop_assert!(agrees(&postings, &model), "{:?} {:?}", postings, model);
                let mut bytes = Vec::new();
                postings.encode(&mut bytes);
                let state = Reader::new(&bytes).prefixed().unwrap();
                prop_assert_eq!(Postings::decode(state), Some(postings.clone()));
                let bounds = Some(postings.bounds()).filter(|bounds| bounds.count > 0);
                prop_assert_eq!(Postings::decode_bounds(state), bounds);
                one_more_is_as_if_written_anew(&postings, state);
            }
        }
    }
}
