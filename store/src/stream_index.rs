//! All that is known in memory of one stream's messages in the journal.

mod purge;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::index::pages::{PageSource, PageWrites, StoredPage};
use super::index::{Entry, Messages, Postings, SeqIndex, Subjects, TagSet, subject_tag};
use super::journal::RecordReader;
use super::journal::record::{Header, Location};
use super::journal::usage::Floor;
use super::{LogState, MessageMeta, StoreError};

/// What a stored message counts besides its content: behaviour §15.
const ACCOUNTED_OVERHEAD: u64 = 30;

/// What a header block adds to that.
const ACCOUNTED_HEADERS_OVERHEAD: u64 = 4;

/// One stream's messages: where they lie, their subjects, and totals.
pub struct StreamIndex {
    /// The stream's number in the journal.
    pub stream: u32,
    /// The stream is gone; its log takes nothing more.
    pub deleted: bool,
    /// Something has changed since the last checkpoint.
    pub changed: bool,
    pub(crate) seqs: SeqIndex,
    pub(crate) subjects: Subjects,
    /// Live bytes by segment.
    pub live: BTreeMap<u32, u64>,
    /// Live messages.
    pub messages: u64,
    /// Their accounted bytes.
    pub bytes: u64,
    /// The first live message; `last_seq + 1` when there is none.
    pub first_seq: u64,
    /// The last sequence ever given.
    pub last_seq: u64,
    /// When the last message was stored.
    pub last_ts: i64,
    /// No message above has headers.
    pub headers_up_to: u64,
    /// When the first live message was stored, once somebody asked.
    first_ts: Option<(u64, i64)>,
    /// Removals and purges so far.
    pub removals: u64,
}

/// The messages of a stream as the subject search reads them.
pub struct IndexedMessages<'a> {
    stream: u32,
    seqs: &'a mut SeqIndex,
    journal: &'a dyn RecordReader,
}

impl StreamIndex {
    /// A stream without messages.
    pub fn new(stream: u32) -> Self {
        Self::over(stream, SeqIndex::default(), Subjects::default())
    }

    /// A stream over stored pages; totals are to be set.
    pub fn over(stream: u32, seqs: SeqIndex, subjects: Subjects) -> Self {
        Self {
            stream,
            deleted: false,
            changed: true,
            seqs,
            subjects,
            live: BTreeMap::new(),
            messages: 0,
            bytes: 0,
            first_seq: 1,
            last_seq: 0,
            last_ts: 0,
            headers_up_to: 0,
            first_ts: None,
            removals: 0,
        }
    }

    /// Subjects, and the messages they lead to.
    pub fn search<'a>(
        &'a mut self,
        journal: &'a dyn RecordReader,
    ) -> (&'a mut Subjects, IndexedMessages<'a>) {
        let messages = IndexedMessages { stream: self.stream, seqs: &mut self.seqs, journal };
        (&mut self.subjects, messages)
    }

    /// Takes in a message that has just been appended; returns where it lay before, if it is a copy.
    pub fn insert(
        &mut self,
        seq: u64,
        ts: i64,
        subject: &[u8],
        entry: Entry,
    ) -> Result<Option<Entry>, StoreError> {
        self.changed = true;
        self.headers_up_to = self.headers_up_to.max(if entry.has_headers { seq } else { 0 });
        let moved = self.seqs.insert(seq, entry)?;
        if let Some(moved) = &moved {
            self.forget_bytes(moved);
        } else {
            self.subjects.add(subject, seq)?;
            self.messages += 1;
            self.bytes += accounted_bytes(&entry);
            self.note_first(seq);
        }
        *self.live.entry(entry.at.segment).or_default() += u64::from(entry.record_len());
        if seq > self.last_seq {
            self.last_seq = seq;
            self.last_ts = ts;
        }
        Ok(moved)
    }

    /// Gives sequences away up to `last_seq`; `ts` is when that was.
    pub fn skip_to(&mut self, last_seq: u64, ts: i64) {
        self.changed = true;
        if last_seq > self.last_seq {
            (self.last_seq, self.last_ts) = (last_seq, ts);
        }
        if self.messages == 0 {
            self.first_seq = self.last_seq.saturating_add(1);
        }
    }

    /// Where a message lies.
    pub fn entry(&mut self, seq: u64) -> Result<Option<Entry>, StoreError> {
        self.seqs.get(seq)
    }

    /// A message has been copied to `to`, sealed or not; false when it is not where it was copied from any more.
    pub fn relocate(
        &mut self,
        seq: u64,
        from: Location,
        to: Location,
        sealed: bool,
    ) -> Result<bool, StoreError> {
        let Some(entry) = self.seqs.get(seq)?.filter(|entry| entry.at == from) else { return Ok(false) };
        self.changed = true;
        let moved = Entry { at: to, sealed, ..entry };
        self.seqs.insert(seq, moved)?;
        self.forget_bytes(&entry);
        *self.live.entry(to.segment).or_default() += u64::from(moved.record_len());
        Ok(true)
    }

    /// Takes out one message, whose subject the caller has read if it could.
    pub fn remove(
        &mut self,
        seq: u64,
        subject: Option<&[u8]>,
        journal: &dyn RecordReader,
    ) -> Result<Option<Entry>, StoreError> {
        let Some(entry) = self.seqs.get(seq)? else { return Ok(None) };
        self.changed = true;
        let guessed;
        let subject = match subject {
            Some(subject) => Some(subject),
            None => {
                guessed = self.guess_subject(seq, &entry, journal)?;
                guessed.as_deref()
            }
        };
        if let Some(subject) = subject {
            self.subjects.remove(subject, seq)?;
        }
        self.seqs.remove(seq)?;
        self.forget_bytes(&entry);
        self.forget_message(&entry);
        self.removals += 1;
        self.find_first(seq)?;
        Ok(Some(entry))
    }

    /// Totals.
    pub fn state(&mut self, journal: &dyn RecordReader) -> LogState {
        LogState {
            messages: self.messages,
            bytes: self.bytes,
            first_seq: if self.last_seq == 0 && self.messages == 0 { 0 } else { self.first_seq },
            first_ts: self.first_ts(journal),
            last_seq: self.last_seq,
            last_ts: self.last_ts,
            subjects: self.subjects.len(),
        }
    }

    /// Has pages that are not in memory fetched from `source`, of which about `fetched_bytes_max` stay at a time.
    pub fn set_source(&mut self, source: &Arc<dyn PageSource>, fetched_bytes_max: usize) {
        self.seqs.source = Arc::clone(source);
        self.seqs.fetched.set_bytes_max(fetched_bytes_max / 2);
        self.subjects.index.source = Arc::clone(source);
        self.subjects.index.fetched.set_bytes_max(fetched_bytes_max / 2);
    }

    /// Whether there is anything to store. What readers found out is not worth a checkpoint, but must not stay in memory.
    pub fn is_changed(&self) -> bool {
        self.changed || self.subjects.index.changed
    }

    /// Hands over every page that has changed.
    pub fn write_pages(&mut self, out: &mut PageWrites<'_>) {
        self.seqs.write_pages(out);
        self.subjects.index.write_pages(out);
    }

    /// Everything that is stored of it.
    pub fn stored(&self) -> impl Iterator<Item = StoredPage> + '_ {
        self.seqs.stored().chain(self.subjects.index.stored())
    }

    /// The checkpoint did not come to an end.
    pub fn unwrite_pages(&mut self, checkpoint: u32) {
        self.seqs.unwrite_pages(checkpoint);
        self.subjects.index.unwrite_pages(checkpoint);
    }

    /// The checkpoint is complete: what it was to store is stored.
    pub fn settle_pages(&mut self, checkpoint: u32) {
        for written_by in [&mut self.seqs.written_by, &mut self.subjects.index.written_by] {
            *written_by = if *written_by == checkpoint { 0 } else { *written_by };
        }
    }

    /// Bytes of pages in memory.
    pub fn resident_bytes(&self) -> usize {
        self.seqs.resident_bytes() + self.subjects.index.resident_bytes()
    }

    /// Frees what only readers of cold pages need.
    pub fn forget_views(&mut self) {
        self.seqs.forget_views();
    }

    /// Drops stored pages from memory until `bytes` are freed or none is left. What is gone has no pages that could be fetched.
    pub fn evict(&mut self, bytes: usize) -> usize {
        if self.deleted {
            return 0;
        }
        let freed = self.seqs.evict(bytes);
        freed + self.subjects.index.evict(bytes.saturating_sub(freed))
    }

    /// The ends as a state record says them.
    pub fn floor(&self) -> Floor {
        Floor { first_seq: self.first_seq, last_seq: self.last_seq, last_ts: self.last_ts }
    }

    /// The stream is gone: returns what bytes by segment it had.
    pub fn forget_everything(&mut self) -> Vec<(u32, u64)> {
        let next = self.last_seq.saturating_add(1);
        self.purge_all(next).1
    }

    /// The subject of a message; `None` when it cannot be read.
    pub fn subject_of(&self, seq: u64, entry: &Entry, journal: &dyn RecordReader) -> Option<Bytes> {
        read_subject(self.stream, seq, entry, journal)
    }

    /// The subject of a message that cannot be read, told from its tag and the subjects there are.
    fn guess_subject(
        &mut self,
        seq: u64,
        entry: &Entry,
        journal: &dyn RecordReader,
    ) -> Result<Option<Bytes>, StoreError> {
        if let Some(subject) = self.subject_of(seq, entry, journal) {
            return Ok(Some(subject));
        }
        let mut guess = None;
        super::index::filter::visit_all(&mut self.subjects.index, &mut |subject, state| {
            let holds = subject_tag(subject) == entry.tag
                && Postings::decode(state).is_some_and(|postings| match postings {
                    Postings::Listed(seqs) => seqs.contains(&seq),
                    Postings::Bounded(bounds) => (bounds.first.seq..=bounds.last.seq).contains(&seq),
                });
            if holds {
                guess = Some(Bytes::copy_from_slice(subject));
            }
            !holds
        })?;
        Ok(guess)
    }

    fn note_first(&mut self, seq: u64) {
        if self.messages == 1 || seq < self.first_seq {
            self.first_seq = seq;
        }
    }

    /// Looks for the first live message, if `gone` may have been it.
    pub(super) fn find_first(&mut self, gone: u64) -> Result<(), StoreError> {
        if self.messages == 0 {
            self.first_seq = self.last_seq.saturating_add(1);
        } else if gone == self.first_seq {
            self.first_seq = self.seqs.next_live(gone)?.unwrap_or(self.last_seq.saturating_add(1));
        }
        Ok(())
    }

    fn first_ts(&mut self, journal: &dyn RecordReader) -> i64 {
        if self.messages == 0 {
            return 0;
        }
        if let Some((seq, ts)) = self.first_ts {
            if seq == self.first_seq {
                return ts;
            }
        }
        let ts = match self.seqs.get(self.first_seq) {
            Ok(Some(entry)) => read_ts(self.stream, self.first_seq, &entry, journal),
            _ => None,
        };
        self.first_ts = ts.map(|ts| (self.first_seq, ts));
        ts.unwrap_or(0)
    }

    pub(super) fn forget_message(&mut self, entry: &Entry) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(accounted_bytes(entry));
    }

    pub(super) fn forget_bytes(&mut self, entry: &Entry) {
        self.forget_segment_bytes(entry.at.segment, u64::from(entry.record_len()));
    }

    fn forget_segment_bytes(&mut self, segment: u32, bytes: u64) {
        if let Some(live) = self.live.get_mut(&segment) {
            *live = live.saturating_sub(bytes);
            if *live == 0 {
                self.live.remove(&segment);
            }
        }
    }
}

impl Messages for IndexedMessages<'_> {
    fn next_tagged(
        &mut self,
        from: u64,
        up_to: u64,
        tags: Option<&TagSet>,
    ) -> Result<Option<u64>, StoreError> {
        match tags {
            None => Ok(self.seqs.next_live(from)?.filter(|seq| *seq <= up_to)),
            Some(tags) => {
                let found = self.seqs.next_where(from, up_to, |entry| tags.contains(entry.tag))?;
                Ok(found.map(|(seq, _)| seq))
            }
        }
    }

    fn prev_tagged(
        &mut self,
        from: u64,
        up_to: u64,
        tags: Option<&TagSet>,
    ) -> Result<Option<u64>, StoreError> {
        let found =
            self.seqs.prev_where(from, up_to, |entry| tags.is_none_or(|tags| tags.contains(entry.tag)))?;
        Ok(found.map(|(seq, _)| seq))
    }

    fn count(&mut self, from: u64, up_to: u64) -> Result<u64, StoreError> {
        self.seqs.count(from, up_to)
    }

    fn subject(&mut self, seq: u64) -> Result<Option<Bytes>, StoreError> {
        let entry = self.seqs.get(seq)?;
        Ok(entry.and_then(|entry| read_subject(self.stream, seq, &entry, self.journal)))
    }

    fn disk_bytes(&mut self, seq: u64) -> Result<u64, StoreError> {
        Ok(self.seqs.get(seq)?.map_or(0, |entry| u64::from(entry.record_len())))
    }
}

/// What a message counts against `max_bytes` of a file stream.
pub fn accounted_bytes(entry: &Entry) -> u64 {
    let headers = if entry.has_headers { ACCOUNTED_HEADERS_OVERHEAD } else { 0 };
    u64::from(entry.content_bytes) + ACCOUNTED_OVERHEAD + headers
}

/// The sizes of a message.
pub fn meta(entry: &Entry) -> MessageMeta {
    MessageMeta { content_bytes: u64::from(entry.content_bytes), accounted_bytes: accounted_bytes(entry) }
}

/// A subject is read without the rest of its record, whose checksum it shares: the tag tells one that is damaged.
fn read_subject(stream: u32, seq: u64, entry: &Entry, journal: &dyn RecordReader) -> Option<Bytes> {
    let subject = read_header(stream, seq, entry, journal).map(|(_, subject)| subject);
    subject.filter(|subject| subject_tag(subject) == entry.tag)
}

/// When a message was stored; `None` when it cannot be read.
pub fn read_ts(stream: u32, seq: u64, entry: &Entry, journal: &dyn RecordReader) -> Option<i64> {
    read_header(stream, seq, entry, journal).map(|(header, _)| header.ts)
}

/// A bad sector costs the messages in it; it is no reason to stop.
fn read_header(stream: u32, seq: u64, entry: &Entry, journal: &dyn RecordReader) -> Option<(Header, Bytes)> {
    let found = journal.read_subject(entry.at, entry.record_len() as usize).ok().flatten();
    found.filter(|(header, _)| (header.stream, header.seq) == (stream, seq))
}
