//! Messages that go by the range: all below a sequence.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;

use super::{StreamIndex, accounted_bytes};
use crate::StoreError;
use crate::index::{Postings, TagSet, filter, subject_tag};
use crate::journal::RecordReader;

/// Below this many, messages are read one by one to take them out of the subject index.
const READ_TO_REMOVE_MAX: u64 = 64;

impl StreamIndex {
    /// Takes out everything below `seq`; returns how many messages and what bytes by segment went.
    pub fn purge_below(
        &mut self,
        seq: u64,
        journal: &dyn RecordReader,
    ) -> Result<(u64, Vec<(u32, u64)>), StoreError> {
        let first = self.first_seq;
        if self.messages == 0 || seq <= first {
            self.skip_to(seq.saturating_sub(1), self.last_ts);
            return Ok((0, Vec::new()));
        }
        if seq > self.last_seq {
            return Ok(self.purge_all(seq));
        }
        self.changed = true;
        let count = self.seqs.count(first, seq - 1)?;
        if count <= READ_TO_REMOVE_MAX {
            self.unlist_one_by_one(seq, journal)?;
        } else {
            self.unlist_below(seq, journal)?;
        }
        let released = self.drop_below(seq)?;
        self.find_first(first)?;
        Ok((count, released))
    }

    pub(super) fn purge_all(&mut self, seq: u64) -> (u64, Vec<(u32, u64)>) {
        let gone = self.messages;
        self.seqs.clear();
        self.subjects.clear();
        self.messages = 0;
        self.bytes = 0;
        self.removals += 1;
        self.skip_to(seq - 1, self.last_ts);
        self.first_seq = self.last_seq.saturating_add(1);
        (gone, std::mem::take(&mut self.live).into_iter().collect())
    }

    fn drop_below(&mut self, seq: u64) -> Result<Vec<(u32, u64)>, StoreError> {
        let mut released: BTreeMap<u32, u64> = BTreeMap::new();
        let (mut messages, mut bytes) = (0, 0);
        self.seqs.drop_below(seq, &mut |_, entry| {
            *released.entry(entry.at.segment).or_default() += u64::from(entry.record_len());
            messages += 1;
            bytes += accounted_bytes(entry);
        })?;
        self.messages = self.messages.saturating_sub(messages);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.removals += 1;
        for (segment, bytes) in &released {
            self.forget_segment_bytes(*segment, *bytes);
        }
        Ok(released.into_iter().collect())
    }

    /// Takes the messages below `seq` out of the subject index by reading each.
    fn unlist_one_by_one(&mut self, seq: u64, journal: &dyn RecordReader) -> Result<(), StoreError> {
        let mut from = self.first_seq;
        while let Some((at, entry)) = self.seqs.next_where(from, seq - 1, |_| true)? {
            let subject = match self.subject_of(at, &entry, journal) {
                Some(subject) => Some(subject),
                None => self.guess_subject(at, &entry, journal)?,
            };
            if let Some(subject) = subject {
                self.subjects.remove(&subject, at)?;
            }
            from = at + 1;
        }
        Ok(())
    }

    /// Takes the messages below `seq` out of the subject index in one pass over the subjects. Only of subjects with
    /// many messages on both sides of `seq` must the messages be looked at.
    fn unlist_below(&mut self, seq: u64, journal: &dyn RecordReader) -> Result<(), StoreError> {
        let astride = self.subjects_astride(seq)?;
        let counts = self.count_astride(seq, &astride, journal)?;
        self.subjects.rewrite(&mut |subject, postings| {
            let bounds = postings.bounds();
            if bounds.last.seq < seq {
                return None;
            }
            let mut left = postings.clone();
            left.remove_below(seq, counts.get(subject).copied().unwrap_or(0));
            (left.count() > 0).then_some(left)
        })
    }

    fn subjects_astride(&mut self, seq: u64) -> Result<HashSet<Bytes>, StoreError> {
        let mut astride = HashSet::new();
        filter::visit_all(&mut self.subjects.index, &mut |subject, state| {
            if let Some(Postings::Bounded(bounds)) = Postings::decode(state) {
                if bounds.first.seq < seq && bounds.last.seq >= seq {
                    astride.insert(Bytes::copy_from_slice(subject));
                }
            }
            true
        })?;
        Ok(astride)
    }

    fn count_astride(
        &mut self,
        seq: u64,
        astride: &HashSet<Bytes>,
        journal: &dyn RecordReader,
    ) -> Result<HashMap<Bytes, u64>, StoreError> {
        let mut tags = TagSet::default();
        astride.iter().for_each(|subject| tags.insert(subject_tag(subject)));
        let only = if self.subjects.len() == 1 { astride.iter().next().cloned() } else { None };
        let mut counts: HashMap<Bytes, u64> = HashMap::new();
        let mut from = self.first_seq;
        while let Some((at, entry)) = self.seqs.next_where(from, seq - 1, |entry| tags.contains(entry.tag))? {
            let subject = match &only {
                Some(subject) => Some(subject.clone()),
                None => self.subject_of(at, &entry, journal),
            };
            if let Some(subject) = subject.filter(|subject| astride.contains(subject)) {
                *counts.entry(subject).or_default() += 1;
            }
            from = at + 1;
        }
        Ok(counts)
    }
}
