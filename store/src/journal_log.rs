//! One stream's messages in the journal.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

use super::index::{Entry, subject_tag};
use super::journal::Journal;
use super::journal::core::{Appended, Class};
use super::journal::deferred::Removal;
use super::journal::quarantine::Quarantine;
use super::journal::record::{Draft, Kind, Record};
use super::log_trait::not_indexed;
use super::stats::Counters;
use super::stream_index::{StreamIndex, meta, read_ts};
use super::{
    LogState, Lsn, MessageHandle, MessageLog, MessageMeta, NewMessage, StorageKind, StoreError,
    StoredMessage, SubjectState,
};

/// How often a read looks again when the record was moved while it was read.
const READ_ATTEMPTS_MAX: usize = 3;

/// What logs, handles and the janitor need of one stream.
///
/// The index has a lock of its own so that the janitor can move records and the checkpointer can copy pages; both hold it
/// for a few records at a time, so its owner practically never waits.
#[derive(Clone)]
pub struct StreamAccess {
    pub(crate) journal: Arc<Journal>,
    pub(crate) quarantine: Arc<Quarantine>,
    pub(crate) index: Arc<Mutex<StreamIndex>>,
}

/// The messages of a file stream.
pub struct JournalLog {
    access: StreamAccess,
}

impl JournalLog {
    /// The log of a stream.
    pub fn new(access: StreamAccess) -> Self {
        Self { access }
    }

    fn index(&self) -> MutexGuard<'_, StreamIndex> {
        self.access.index.lock()
    }

    fn journal(&self) -> &Journal {
        &self.access.journal
    }

    /// What the index cannot answer any more, nobody can: it must be rebuilt.
    fn checked<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        result.map_err(|error| self.access.checked(error))
    }

    fn match_at_or_after(
        &self,
        index: &mut StreamIndex,
        from: u64,
        filters: &[Bytes],
    ) -> Result<Option<u64>, StoreError> {
        if filters.is_empty() {
            return self.checked(index.seqs.next_live(from));
        }
        let (subjects, mut messages) = index.search(self.journal());
        self.checked(subjects.next_match(from, filters, &mut messages))
    }

    fn take_in(
        &self,
        index: &mut StreamIndex,
        message: &NewMessage<'_>,
        appended: Appended,
    ) -> Result<(), StoreError> {
        let content = message.subject.len() + message.headers.len() + message.payload.len();
        let entry = Entry {
            at: appended.placed.at,
            content_bytes: content as u32,
            tag: subject_tag(message.subject),
            has_headers: !message.headers.is_empty(),
            sealed: self.journal().seals(),
        };
        Counters::add(&self.journal().counters.payload_bytes, message.payload.len() as u64);
        let before = index.resident_bytes();
        self.checked(index.insert(message.seq, message.ts, message.subject, entry))?;
        let grown = index.resident_bytes().saturating_sub(before);
        if grown > 0 {
            self.journal().index_grew(grown);
        }
        Ok(())
    }

    /// Removes a message, of whose subject `None` is known if it cannot be read.
    fn take_out(&self, seq: u64, subject: Option<&[u8]>) -> Result<Option<(MessageMeta, Lsn)>, StoreError> {
        let mut index = self.index();
        let Some(entry) = self.checked(index.entry(seq))? else { return Ok(None) };
        let at_an_end = seq == index.first_seq || seq == index.last_seq;
        let in_the_middle = seq != index.first_seq;
        let released = [(entry.at.segment, u64::from(entry.record_len()))];
        let reserved = Removal {
            stream: index.stream,
            floor: at_an_end.then(|| index.floor()),
            tombstone: in_the_middle.then_some((seq, entry.at.segment)),
            released: &released,
        };
        let lsn = self.journal().remove(&reserved)?;
        self.checked(index.remove(seq, subject, self.journal()))?;
        if at_an_end {
            let renewed = Removal { floor: Some(index.floor()), tombstone: None, released: &[], ..reserved };
            self.journal().remove(&renewed)?;
        }
        Ok(Some((meta(&entry), lsn)))
    }
}

impl MessageLog for JournalLog {
    fn kind(&self) -> StorageKind {
        StorageKind::File
    }

    fn state(&self) -> LogState {
        self.index().state(self.journal())
    }

    fn removals(&self) -> u64 {
        self.index().removals
    }

    fn append(&mut self, message: &NewMessage<'_>) -> Result<Lsn, StoreError> {
        let mut index = self.index();
        in_order(&index, index.last_seq, message)?;
        let appended = self.journal().append(&draft(index.stream, message), Class::Message)?;
        self.take_in(&mut index, message, appended)?;
        Ok(appended.lsn)
    }

    fn append_group(&mut self, messages: &[NewMessage<'_>]) -> Result<Lsn, StoreError> {
        let mut index = self.index();
        let mut last_seq = index.last_seq;
        for message in messages {
            in_order(&index, last_seq, message)?;
            last_seq = message.seq;
        }
        let drafts: Vec<Draft<'_>> = messages.iter().map(|message| draft(index.stream, message)).collect();
        let appended = self.journal().append_group(&drafts, Class::Message)?;
        for (message, appended) in messages.iter().zip(&appended) {
            self.take_in(&mut index, message, *appended)?;
        }
        Ok(appended.last().map_or(Lsn::ZERO, |appended| appended.lsn))
    }

    fn skip_to(&mut self, last_seq: u64, ts: i64) -> Result<Lsn, StoreError> {
        let mut index = self.index();
        if last_seq <= index.last_seq {
            return Ok(Lsn::ZERO);
        }
        let mut floor = index.floor();
        (floor.last_seq, floor.last_ts) = (last_seq, ts);
        floor.first_seq = if index.messages == 0 { last_seq.saturating_add(1) } else { floor.first_seq };
        let removal = Removal { stream: index.stream, floor: Some(floor), tombstone: None, released: &[] };
        let lsn = self.journal().remove(&removal)?;
        index.skip_to(last_seq, ts);
        Ok(lsn)
    }

    fn remove(&mut self, seq: u64) -> Result<Option<(MessageMeta, Lsn)>, StoreError> {
        let subject = {
            let mut index = self.index();
            let Some(entry) = self.checked(index.entry(seq))? else { return Ok(None) };
            index.subject_of(seq, &entry, self.journal())
        };
        self.take_out(seq, subject.as_deref())
    }

    fn remove_of(&mut self, seq: u64, subject: &[u8]) -> Result<Option<(MessageMeta, Lsn)>, StoreError> {
        self.take_out(seq, Some(subject))
    }

    fn purge_below(&mut self, seq: u64) -> Result<(u64, Lsn), StoreError> {
        let mut index = self.index();
        if seq <= index.first_seq {
            return Ok((0, Lsn::ZERO));
        }
        let stream = index.stream;
        let reserved = Removal { stream, floor: Some(index.floor()), tombstone: None, released: &[] };
        self.journal().remove(&reserved)?;
        let (count, released) = self.checked(index.purge_below(seq, self.journal()))?;
        let removal = Removal { floor: Some(index.floor()), released: &released, ..reserved };
        let lsn = self.journal().remove(&removal)?;
        Ok((count, lsn))
    }

    fn meta(&self, seq: u64) -> Option<MessageMeta> {
        let entry = self.checked(self.index().entry(seq)).ok().flatten()?;
        Some(meta(&entry))
    }

    fn load(&self, seq: u64) -> Result<Option<StoredMessage>, StoreError> {
        self.access.load(seq)
    }

    fn load_each(&self, seqs: &[u64], take: &mut dyn FnMut(Result<Option<StoredMessage>, StoreError>)) {
        self.access.load_each(seqs, take);
    }

    fn handle(&self, seq: u64) -> Option<Box<dyn MessageHandle>> {
        self.meta(seq)?;
        Some(Box::new(JournalHandle { access: self.access.clone(), seq }))
    }

    fn subject(&self, subject: &[u8]) -> Option<SubjectState> {
        let mut index = self.index();
        let (subjects, mut messages) = index.search(self.journal());
        self.checked(subjects.state(subject, &mut messages)).ok().flatten()
    }

    fn for_each_subject_after(
        &self,
        filter: &[u8],
        after: &[u8],
        visit: &mut dyn FnMut(&[u8], SubjectState) -> ControlFlow<()>,
    ) {
        let mut index = self.index();
        let (subjects, mut messages) = index.search(self.journal());
        let _ = self.checked(subjects.visit(filter, after, &mut messages, visit));
    }

    fn next_match(&self, from: u64, filters: &[Bytes]) -> Result<Option<u64>, StoreError> {
        self.match_at_or_after(&mut self.index(), from, filters)
    }

    fn for_each_match(
        &self,
        from: u64,
        up_to: u64,
        filters: &[Bytes],
        visit: &mut dyn FnMut(u64, MessageMeta) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut index = self.index();
        let mut from = from;
        while let Some(seq) = self.match_at_or_after(&mut index, from, filters)?.filter(|seq| *seq <= up_to) {
            let entry = self.checked(index.entry(seq))?.ok_or_else(|| not_indexed(seq))?;
            if visit(seq, meta(&entry)).is_break() || seq == up_to {
                break;
            }
            from = seq + 1;
            if filters.is_empty() {
                // Who wants more than one has the page unpacked.
                let rest = index.seqs.visit(from, up_to, &mut |seq, entry| visit(seq, meta(entry)));
                return self.checked(rest);
            }
        }
        Ok(())
    }

    fn next_with_headers(&self, from: u64) -> Result<Option<u64>, StoreError> {
        let mut index = self.index();
        let up_to = index.headers_up_to;
        let found = index.seqs.next_where(from, up_to, |entry| entry.has_headers);
        drop(index);
        self.checked(found.map(|found| found.map(|(seq, _)| seq)))
    }

    fn last_match(&self, up_to: u64, filters: &[Bytes]) -> Result<Option<u64>, StoreError> {
        let mut index = self.index();
        if filters.is_empty() {
            return self.checked(index.seqs.prev_live(up_to));
        }
        let (subjects, mut messages) = index.search(self.journal());
        self.checked(subjects.last_match(up_to, filters, &mut messages))
    }

    fn count_matches(&self, from: u64, up_to: u64, filters: &[Bytes]) -> Result<u64, StoreError> {
        let mut index = self.index();
        if filters.is_empty() {
            return self.checked(index.seqs.count(from, up_to));
        }
        let (subjects, mut messages) = index.search(self.journal());
        self.checked(subjects.count_matches(from, up_to, filters, &mut messages))
    }

    fn seq_at_or_after(&self, ts: i64) -> Result<u64, StoreError> {
        let mut index = self.index();
        let found = first_at_or_after(&mut index, ts, self.journal());
        self.checked(found)
    }

    fn timestamp(&self, seq: u64) -> Result<Option<i64>, StoreError> {
        let mut index = self.index();
        let Some(entry) = self.checked(index.entry(seq))? else { return Ok(None) };
        read_ts(index.stream, seq, &entry, self.journal()).map(Some).ok_or(StoreError::Damaged { seq })
    }

    fn for_each_deleted(&self, visit: &mut dyn FnMut(u64) -> ControlFlow<()>) {
        let mut index = self.index();
        let (mut expected, last) = (index.first_seq, index.last_seq);
        let mut flow = ControlFlow::Continue(());
        let visited = index.seqs.visit(expected, last, &mut |seq, _| {
            flow = (expected..seq).try_for_each(&mut *visit);
            expected = seq + 1;
            flow
        });
        if self.checked(visited).is_ok() && flow.is_continue() {
            let _ = (expected..=last).try_for_each(visit);
        }
    }

    fn deleted_count(&self) -> u64 {
        let index = self.index();
        (index.last_seq + 1).saturating_sub(index.first_seq).saturating_sub(index.messages)
    }
}

impl StreamAccess {
    /// Frees what only readers of cold pages need; returns the bytes of pages in memory.
    pub(crate) fn trim(&self) -> usize {
        let mut index = self.index.lock();
        index.forget_views();
        index.resident_bytes()
    }

    /// Reads a message, wherever it lies now.
    pub(super) fn load(&self, seq: u64) -> Result<Option<StoredMessage>, StoreError> {
        for attempt in 1..=READ_ATTEMPTS_MAX {
            let (stream, entry) = {
                let mut index = self.index.lock();
                let Some(entry) = index.entry(seq).map_err(|error| self.checked(error))? else {
                    return Ok(None);
                };
                (index.stream, entry)
            };
            match self.journal.read(entry.at, entry.record_len() as usize) {
                Ok(Some(record)) if (record.header.stream, record.header.seq) == (stream, seq) => {
                    return Ok(Some(message(record)));
                }
                Err(error) if attempt == READ_ATTEMPTS_MAX => return Err(error),
                Ok(_) if attempt == READ_ATTEMPTS_MAX => {
                    // What was never written reads like damage once the journal has failed.
                    self.journal.check()?;
                    self.set_aside(&entry, stream, seq);
                }
                _ => {}
            }
        }
        Err(StoreError::Damaged { seq })
    }

    fn set_aside(&self, entry: &Entry, stream: u32, seq: u64) {
        let Ok(segment) = self.journal.files.get(entry.at.segment) else { return };
        if self.quarantine.damaged(&segment, entry.at.offset, entry.record_len(), Some((stream, seq))) {
            Counters::add(&self.journal.counters.damaged_reads, 1);
        }
    }

    /// An index that cannot be read makes the store unusable until it was reopened, which rebuilds it.
    fn checked(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Io(cause) => self.journal.poison(StoreError::Poisoned(cause)),
            other => other,
        }
    }
}

/// Reads one message later, without the log.
struct JournalHandle {
    access: StreamAccess,
    seq: u64,
}

impl MessageHandle for JournalHandle {
    fn read(&self) -> Result<Option<StoredMessage>, StoreError> {
        self.access.load(self.seq)
    }
}

fn draft<'a>(stream: u32, message: &NewMessage<'a>) -> Draft<'a> {
    Draft {
        seq: message.seq,
        ts: message.ts,
        subject: message.subject,
        headers: message.headers,
        payload: message.payload,
        ..Draft::new(Kind::Message, stream)
    }
}

pub(super) fn message(record: Record) -> StoredMessage {
    let Record { header, content } = record;
    StoredMessage::new(header.seq, header.ts, content, header.subject_len, header.headers_len)
}

fn in_order(index: &StreamIndex, last_seq: u64, message: &NewMessage<'_>) -> Result<(), StoreError> {
    if index.deleted {
        return Err(StoreError::Io("the stream was deleted".into()));
    }
    if message.seq <= last_seq {
        return Err(StoreError::Io(format!("sequence {} after {last_seq}", message.seq)));
    }
    Ok(())
}

/// Searches by halves; timestamps are taken to ascend.
fn first_at_or_after(index: &mut StreamIndex, ts: i64, journal: &Journal) -> Result<u64, StoreError> {
    let (mut low, mut high) = (index.first_seq, index.last_seq.saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        let Some((seq, entry)) = index.seqs.next_where(middle, high - 1, |_| true)? else {
            high = middle;
            continue;
        };
        match read_ts(index.stream, seq, &entry, journal) {
            Some(found) if found >= ts => high = middle,
            Some(_) => low = seq + 1,
            None => match older_behind(index, seq, ts, high, journal)? {
                Some(older) => low = older + 1,
                None => high = middle,
            },
        }
    }
    Ok(index.seqs.next_live(low)?.unwrap_or(index.last_seq.saturating_add(1)))
}

/// A message whose timestamp cannot be read is older if the next readable one is, which is returned then.
fn older_behind(
    index: &mut StreamIndex,
    seq: u64,
    ts: i64,
    high: u64,
    journal: &Journal,
) -> Result<Option<u64>, StoreError> {
    let mut from = seq + 1;
    while let Some((at, entry)) = index.seqs.next_where(from, high.saturating_sub(1), |_| true)? {
        if let Some(found) = read_ts(index.stream, at, &entry, journal) {
            return Ok((found < ts).then_some(at));
        }
        from = at + 1;
    }
    Ok(None)
}
