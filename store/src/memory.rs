//! One stream's messages in memory: the twin of the journal's log, gone with the process.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::{BufMut, Bytes, BytesMut};
use parking_lot::{Mutex, MutexGuard};

use super::index::{Messages, Postings, Subjects, TagSet, subject_tag};
use super::log_trait::not_indexed;
use super::{
    LogState, Lsn, MessageHandle, MessageLog, MessageMeta, NewMessage, StorageKind, StoreError,
    StoredMessage, SubjectState,
};

/// What a message counts besides its content: behaviour §15.
const ACCOUNTED_OVERHEAD: u64 = 16;

/// Sequences per page.
const PAGE_SEQS: u64 = 256;

/// Below this many, messages are taken out of the subject index one by one.
const UNLIST_ONE_BY_ONE_MAX: u64 = 64;

/// Bytes before the content of a held message.
const PREFIX_LEN: usize = 14;

/// The messages of a memory stream.
#[derive(Default)]
pub struct MemoryLog {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    held: Held,
    subjects: Subjects,
    bytes: u64,
    first_seq: u64,
    last_seq: u64,
    last_ts: i64,
    removals: u64,
}

/// Messages by sequence, in pages, so that neither holes nor a purged front cost memory.
#[derive(Default)]
struct Held {
    pages: BTreeMap<u64, Page>,
    messages: u64,
}

#[derive(Default)]
struct Page {
    live: u16,
    slots: Vec<Option<Message>>,
}

/// Timestamp, subject length, headers length, subject, headers, payload in one buffer.
#[derive(Clone)]
struct Message(Bytes);

impl MemoryLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

impl MessageLog for MemoryLog {
    fn kind(&self) -> StorageKind {
        StorageKind::Memory
    }

    fn state(&self) -> LogState {
        let mut inner = self.inner();
        let first = inner.first_seq();
        LogState {
            messages: inner.held.messages,
            bytes: inner.bytes,
            first_seq: if inner.last_seq == 0 { 0 } else { first },
            first_ts: inner.held.get(first).map_or(0, Message::ts),
            last_seq: inner.last_seq,
            last_ts: inner.last_ts,
            subjects: inner.subjects.len(),
        }
    }

    fn removals(&self) -> u64 {
        self.inner().removals
    }

    fn append(&mut self, message: &NewMessage<'_>) -> Result<Lsn, StoreError> {
        self.inner.get_mut().append(message)?;
        Ok(Lsn::ZERO)
    }

    fn append_group(&mut self, messages: &[NewMessage<'_>]) -> Result<Lsn, StoreError> {
        let inner = self.inner.get_mut();
        let mut last_seq = inner.last_seq;
        for message in messages {
            check(message, last_seq)?;
            last_seq = message.seq;
        }
        messages.iter().try_for_each(|message| inner.append(message))?;
        Ok(Lsn::ZERO)
    }

    fn skip_to(&mut self, last_seq: u64, ts: i64) -> Result<Lsn, StoreError> {
        self.inner.get_mut().skip_to(last_seq, ts);
        Ok(Lsn::ZERO)
    }

    fn remove(&mut self, seq: u64) -> Result<Option<(MessageMeta, Lsn)>, StoreError> {
        let inner = self.inner.get_mut();
        let Some(message) = inner.held.remove(seq) else { return Ok(None) };
        inner.subjects.remove(&message.subject(), seq)?;
        inner.bytes = inner.bytes.saturating_sub(message.meta().accounted_bytes);
        inner.removals += 1;
        Ok(Some((message.meta(), Lsn::ZERO)))
    }

    fn purge_below(&mut self, seq: u64) -> Result<(u64, Lsn), StoreError> {
        Ok((self.inner.get_mut().purge_below(seq)?, Lsn::ZERO))
    }

    fn meta(&self, seq: u64) -> Option<MessageMeta> {
        self.inner().held.get(seq).map(Message::meta)
    }

    fn load(&self, seq: u64) -> Result<Option<StoredMessage>, StoreError> {
        Ok(self.inner().held.get(seq).map(|message| message.stored(seq)))
    }

    fn handle(&self, seq: u64) -> Option<Box<dyn MessageHandle>> {
        let message = self.inner().held.get(seq)?.clone();
        Some(Box::new(MemoryHandle { message, seq }))
    }

    fn subject(&self, subject: &[u8]) -> Option<SubjectState> {
        let inner = &mut *self.inner();
        inner.subjects.state(subject, &mut inner.held).ok().flatten()
    }

    fn for_each_subject_after(
        &self,
        filter: &[u8],
        after: &[u8],
        visit: &mut dyn FnMut(&[u8], SubjectState) -> ControlFlow<()>,
    ) {
        let inner = &mut *self.inner();
        // A page of the index in memory is never damaged.
        let _ = inner.subjects.visit(filter, after, &mut inner.held, visit);
    }

    fn next_match(&self, from: u64, filters: &[Bytes]) -> Result<Option<u64>, StoreError> {
        let inner = &mut *self.inner();
        if filters.is_empty() {
            return inner.held.next_tagged(from, u64::MAX, None);
        }
        inner.subjects.next_match(from, filters, &mut inner.held)
    }

    fn for_each_match(
        &self,
        from: u64,
        up_to: u64,
        filters: &[Bytes],
        visit: &mut dyn FnMut(u64, MessageMeta) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let inner = &mut *self.inner();
        if filters.is_empty() {
            inner.held.visit(from, up_to, visit);
            return Ok(());
        }
        let mut from = from;
        loop {
            let next = inner.subjects.next_match(from, filters, &mut inner.held)?;
            let Some(seq) = next.filter(|seq| *seq <= up_to) else { return Ok(()) };
            let message = inner.held.get(seq).ok_or_else(|| not_indexed(seq))?;
            if visit(seq, message.meta()).is_break() || seq == up_to {
                return Ok(());
            }
            from = seq + 1;
        }
    }

    fn last_match(&self, up_to: u64, filters: &[Bytes]) -> Result<Option<u64>, StoreError> {
        let inner = &mut *self.inner();
        if filters.is_empty() {
            return inner.held.prev_tagged(0, up_to, None);
        }
        inner.subjects.last_match(up_to, filters, &mut inner.held)
    }

    fn count_matches(&self, from: u64, up_to: u64, filters: &[Bytes]) -> Result<u64, StoreError> {
        let inner = &mut *self.inner();
        if filters.is_empty() {
            return inner.held.count(from, up_to);
        }
        inner.subjects.count_matches(from, up_to, filters, &mut inner.held)
    }

    fn seq_at_or_after(&self, ts: i64) -> Result<u64, StoreError> {
        Ok(self.inner().seq_at_or_after(ts))
    }

    fn timestamp(&self, seq: u64) -> Result<Option<i64>, StoreError> {
        Ok(self.inner().held.get(seq).map(Message::ts))
    }

    fn for_each_deleted(&self, visit: &mut dyn FnMut(u64) -> ControlFlow<()>) {
        let mut inner = self.inner();
        let (mut expected, last) = (inner.first_seq(), inner.last_seq);
        while let Some(seq) = inner.held.next(expected, u64::MAX, |_| true) {
            if (expected..seq).try_for_each(&mut *visit).is_break() {
                return;
            }
            expected = seq + 1;
        }
        let _ = (expected..=last).try_for_each(visit);
    }

    fn deleted_count(&self) -> u64 {
        let mut inner = self.inner();
        let first = inner.first_seq();
        (inner.last_seq + 1).saturating_sub(first).saturating_sub(inner.held.messages)
    }
}

impl Inner {
    fn append(&mut self, message: &NewMessage<'_>) -> Result<(), StoreError> {
        check(message, self.last_seq)?;
        let held = Message::new(message);
        self.bytes += held.meta().accounted_bytes;
        self.held.insert(message.seq, held);
        self.subjects.add(message.subject, message.seq)?;
        self.last_seq = message.seq;
        self.last_ts = message.ts;
        Ok(())
    }

    fn skip_to(&mut self, last_seq: u64, ts: i64) {
        if last_seq > self.last_seq {
            (self.last_seq, self.last_ts) = (last_seq, ts);
        }
    }

    /// The first live sequence; the hint it starts from moves along, so that a long gone front costs nothing.
    fn first_seq(&mut self) -> u64 {
        let first = self.held.next(self.first_seq, u64::MAX, |_| true);
        self.first_seq = first.unwrap_or(self.last_seq.saturating_add(1));
        self.first_seq
    }

    fn purge_below(&mut self, seq: u64) -> Result<u64, StoreError> {
        let first = self.first_seq();
        if seq <= first {
            return Ok(0);
        }
        if seq > self.last_seq {
            return Ok(self.purge_all(seq));
        }
        let count = self.held.count(first, seq - 1)?;
        if count > UNLIST_ONE_BY_ONE_MAX {
            self.unlist_below(seq)?;
        }
        while let Some(at) = self.held.next(first, seq - 1, |_| true) {
            let Some(message) = self.held.remove(at) else { break };
            self.bytes = self.bytes.saturating_sub(message.meta().accounted_bytes);
            if count <= UNLIST_ONE_BY_ONE_MAX {
                self.subjects.remove(&message.subject(), at)?;
            }
        }
        self.removals += 1;
        Ok(count)
    }

    fn purge_all(&mut self, seq: u64) -> u64 {
        let count = self.held.messages;
        self.held = Held::default();
        self.subjects.clear();
        self.bytes = 0;
        self.removals += 1;
        self.skip_to(seq - 1, self.last_ts);
        count
    }

    /// Takes the messages below `seq` out of the subject index in one pass over the subjects.
    fn unlist_below(&mut self, seq: u64) -> Result<(), StoreError> {
        let mut counts: std::collections::HashMap<Bytes, u64> = std::collections::HashMap::new();
        let mut from = self.first_seq;
        while let Some(at) = self.held.next(from, seq - 1, |_| true) {
            if let Some(message) = self.held.get(at) {
                *counts.entry(message.subject()).or_default() += 1;
            }
            from = at + 1;
        }
        self.subjects.rewrite(&mut |subject, postings: &Postings| {
            let Some(removed) = counts.get(subject) else { return Some(postings.clone()) };
            let mut left = postings.clone();
            left.remove_below(seq, *removed);
            (left.count() > 0).then_some(left)
        })
    }

    fn seq_at_or_after(&mut self, ts: i64) -> u64 {
        let (mut low, mut high) = (self.first_seq(), self.last_seq.saturating_add(1));
        while low < high {
            let middle = low + (high - low) / 2;
            match self.held.next(middle, high - 1, |_| true) {
                None => high = middle,
                Some(seq) if self.held.get(seq).is_some_and(|message| message.ts() >= ts) => high = middle,
                Some(seq) => low = seq + 1,
            }
        }
        self.held.next(low, u64::MAX, |_| true).unwrap_or(self.last_seq.saturating_add(1))
    }
}

impl Held {
    fn get(&self, seq: u64) -> Option<&Message> {
        self.pages.get(&(seq / PAGE_SEQS))?.slots.get((seq % PAGE_SEQS) as usize)?.as_ref()
    }

    fn insert(&mut self, seq: u64, message: Message) {
        let page = self.pages.entry(seq / PAGE_SEQS).or_default();
        let slot = (seq % PAGE_SEQS) as usize;
        if page.slots.len() <= slot {
            page.slots.resize(slot + 1, None);
        }
        if let Some(place) = page.slots.get_mut(slot) {
            *place = Some(message);
            page.live += 1;
            self.messages += 1;
        }
    }

    fn remove(&mut self, seq: u64) -> Option<Message> {
        let page = self.pages.get_mut(&(seq / PAGE_SEQS))?;
        let message = page.slots.get_mut((seq % PAGE_SEQS) as usize)?.take()?;
        page.live -= 1;
        self.messages -= 1;
        if page.live == 0 {
            self.pages.remove(&(seq / PAGE_SEQS));
        }
        Some(message)
    }

    fn visit(&self, from: u64, up_to: u64, visit: &mut dyn FnMut(u64, MessageMeta) -> ControlFlow<()>) {
        if from > up_to {
            return;
        }
        for (page, held) in self.pages.range(from / PAGE_SEQS..=up_to / PAGE_SEQS) {
            let base = page * PAGE_SEQS;
            let skip = from.saturating_sub(base) as usize;
            for (slot, message) in held.slots.iter().enumerate().skip(skip) {
                let Some(message) = message else { continue };
                let seq = base + slot as u64;
                if seq > up_to || visit(seq, message.meta()).is_break() {
                    return;
                }
            }
        }
    }

    fn next(&self, from: u64, up_to: u64, accept: impl Fn(&Message) -> bool) -> Option<u64> {
        if from > up_to {
            return None;
        }
        for (page, held) in self.pages.range(from / PAGE_SEQS..=up_to / PAGE_SEQS) {
            let base = page * PAGE_SEQS;
            let skip = from.saturating_sub(base) as usize;
            let found =
                held.slots.iter().enumerate().skip(skip).find(|(_, slot)| slot.as_ref().is_some_and(&accept));
            if let Some((slot, _)) = found {
                return Some(base + slot as u64).filter(|seq| *seq <= up_to);
            }
        }
        None
    }

    fn prev(&self, from: u64, up_to: u64, accept: impl Fn(&Message) -> bool) -> Option<u64> {
        if from > up_to {
            return None;
        }
        for (page, held) in self.pages.range(from / PAGE_SEQS..=up_to / PAGE_SEQS).rev() {
            let base = page * PAGE_SEQS;
            let take = usize::try_from(up_to - base).unwrap_or(usize::MAX).saturating_add(1);
            let slots = held.slots.iter().enumerate().take(take);
            let found = slots.rev().find(|(_, slot)| slot.as_ref().is_some_and(&accept));
            if let Some((slot, _)) = found {
                return Some(base + slot as u64).filter(|seq| *seq >= from);
            }
        }
        None
    }
}

impl Messages for Held {
    fn next_tagged(
        &mut self,
        from: u64,
        up_to: u64,
        tags: Option<&TagSet>,
    ) -> Result<Option<u64>, StoreError> {
        Ok(self.next(from, up_to, |message| {
            tags.is_none_or(|tags| tags.contains(subject_tag(&message.subject())))
        }))
    }

    fn prev_tagged(
        &mut self,
        from: u64,
        up_to: u64,
        tags: Option<&TagSet>,
    ) -> Result<Option<u64>, StoreError> {
        Ok(self.prev(from, up_to, |message| {
            tags.is_none_or(|tags| tags.contains(subject_tag(&message.subject())))
        }))
    }

    fn count(&mut self, from: u64, up_to: u64) -> Result<u64, StoreError> {
        if from > up_to {
            return Ok(0);
        }
        let mut count = 0;
        for (page, held) in self.pages.range(from / PAGE_SEQS..=up_to / PAGE_SEQS) {
            let base = page * PAGE_SEQS;
            count += if from <= base && up_to >= base + (PAGE_SEQS - 1) {
                u64::from(held.live)
            } else {
                let within = |slot: usize| (from..=up_to).contains(&(base + slot as u64));
                held.slots.iter().enumerate().filter(|(slot, held)| held.is_some() && within(*slot)).count()
                    as u64
            };
        }
        Ok(count)
    }

    fn subject(&mut self, seq: u64) -> Result<Option<Bytes>, StoreError> {
        Ok(self.get(seq).map(Message::subject))
    }

    fn disk_bytes(&mut self, _: u64) -> Result<u64, StoreError> {
        Ok(0)
    }
}

impl Message {
    fn new(message: &NewMessage<'_>) -> Self {
        let content = message.subject.len() + message.headers.len() + message.payload.len();
        let mut buf = BytesMut::with_capacity(PREFIX_LEN + content);
        buf.put_i64_le(message.ts);
        buf.put_u16_le(message.subject.len() as u16);
        buf.put_u32_le(message.headers.len() as u32);
        buf.put_slice(message.subject);
        buf.put_slice(message.headers);
        buf.put_slice(message.payload);
        Self(buf.freeze())
    }

    fn ts(&self) -> i64 {
        self.0.first_chunk::<8>().map_or(0, |bytes| i64::from_le_bytes(*bytes))
    }

    fn subject(&self) -> Bytes {
        self.0.slice(PREFIX_LEN..self.subject_end())
    }

    fn subject_end(&self) -> usize {
        (PREFIX_LEN + usize::from(self.subject_bytes())).min(self.0.len())
    }

    fn subject_bytes(&self) -> u16 {
        self.0.get(8..10).and_then(|field| field.try_into().ok()).map_or(0, u16::from_le_bytes)
    }

    fn headers_bytes(&self) -> u32 {
        self.0.get(10..14).and_then(|field| field.try_into().ok()).map_or(0, u32::from_le_bytes)
    }

    fn meta(&self) -> MessageMeta {
        let content_bytes = (self.0.len() - PREFIX_LEN) as u64;
        MessageMeta { content_bytes, accounted_bytes: content_bytes + ACCOUNTED_OVERHEAD }
    }

    fn stored(&self, seq: u64) -> StoredMessage {
        let content = self.0.slice(PREFIX_LEN..);
        StoredMessage::new(seq, self.ts(), content, self.subject_bytes(), self.headers_bytes())
    }
}

/// A message that stays readable whatever becomes of its log.
struct MemoryHandle {
    message: Message,
    seq: u64,
}

impl MessageHandle for MemoryHandle {
    fn read(&self) -> Result<Option<StoredMessage>, StoreError> {
        Ok(Some(self.message.stored(self.seq)))
    }
}

fn check(message: &NewMessage<'_>, last_seq: u64) -> Result<(), StoreError> {
    if message.subject.len() > usize::from(u16::MAX) || message.headers.len() > u32::MAX as usize {
        return Err(StoreError::TooLarge);
    }
    if message.seq <= last_seq {
        return Err(StoreError::Io(format!("sequence {} after {last_seq}", message.seq)));
    }
    Ok(())
}
