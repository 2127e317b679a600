//! A stream's messages in memory, as simple as it can be.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::Bytes;
use headwater_protocol::subject;
use headwater_store::{
    LogState, Lsn, MessageHandle, MessageLog, MessageMeta, NewMessage, StorageKind, StoreError,
    StoredMessage, SubjectState, UnixNanos,
};

#[derive(Default)]
pub struct LogTwin {
    messages: BTreeMap<u64, StoredMessage>,
    first_seq: u64,
    last_seq: u64,
    last_ts: UnixNanos,
    removals: u64,
    /// How many messages were read whole.
    pub loads: Cell<u64>,
}

impl LogTwin {
    pub fn store(&mut self, subject: &str, payload: &str, ts: UnixNanos) -> u64 {
        let seq = self.last_seq + 1;
        let message =
            NewMessage { seq, ts, subject: subject.as_bytes(), headers: b"", payload: payload.as_bytes() };
        self.append(&message).unwrap();
        seq
    }

    fn matching<'a>(
        &'a self,
        from: u64,
        up_to: u64,
        filters: &'a [Bytes],
    ) -> impl DoubleEndedIterator<Item = u64> + 'a {
        let range = if from <= up_to { from..up_to.saturating_add(1) } else { 0..0 };
        let wanted = move |subject: &[u8]| {
            filters.is_empty() || filters.iter().any(|filter| subject::matches(filter, subject))
        };
        self.messages.range(range).filter(move |(_, message)| wanted(message.subject())).map(|(seq, _)| *seq)
    }

    fn note_first(&mut self) {
        self.first_seq = self.messages.keys().next().copied().unwrap_or(self.last_seq + 1);
    }
}

impl MessageLog for LogTwin {
    fn kind(&self) -> StorageKind {
        StorageKind::Memory
    }

    fn state(&self) -> LogState {
        LogState {
            messages: self.messages.len() as u64,
            first_seq: if self.last_seq == 0 { 0 } else { self.first_seq },
            first_ts: self.messages.values().next().map_or(0, |message| message.ts),
            last_seq: self.last_seq,
            last_ts: self.last_ts,
            ..LogState::default()
        }
    }

    fn removals(&self) -> u64 {
        self.removals
    }

    fn append(&mut self, message: &NewMessage<'_>) -> Result<Lsn, StoreError> {
        let NewMessage { seq, ts, subject, headers, payload } = *message;
        let content = Bytes::from([subject, headers, payload].concat());
        let stored = StoredMessage::new(seq, ts, content, subject.len() as u16, headers.len() as u32);
        self.messages.insert(seq, stored);
        (self.last_seq, self.last_ts) = (seq, ts);
        self.note_first();
        Ok(Lsn::ZERO)
    }

    fn skip_to(&mut self, last_seq: u64, ts: i64) -> Result<Lsn, StoreError> {
        (self.last_seq, self.last_ts) = (last_seq, ts);
        self.note_first();
        Ok(Lsn::ZERO)
    }

    fn remove(&mut self, seq: u64) -> Result<Option<(MessageMeta, Lsn)>, StoreError> {
        let meta = self.meta(seq);
        if self.messages.remove(&seq).is_some() {
            self.removals += 1;
            self.note_first();
        }
        Ok(meta.map(|meta| (meta, Lsn::ZERO)))
    }

    fn purge_below(&mut self, seq: u64) -> Result<(u64, Lsn), StoreError> {
        let kept = self.messages.split_off(&seq);
        let gone = std::mem::replace(&mut self.messages, kept).len() as u64;
        self.removals += 1;
        self.last_seq = self.last_seq.max(seq - 1);
        self.note_first();
        Ok((gone, Lsn::ZERO))
    }

    fn meta(&self, seq: u64) -> Option<MessageMeta> {
        let message = self.messages.get(&seq)?;
        let bytes = (message.subject().len() + message.headers().len() + message.payload().len()) as u64;
        Some(MessageMeta { content_bytes: bytes, accounted_bytes: bytes })
    }

    fn load(&self, seq: u64) -> Result<Option<StoredMessage>, StoreError> {
        self.loads.set(self.loads.get() + 1);
        Ok(self.messages.get(&seq).cloned())
    }

    fn handle(&self, _: u64) -> Option<Box<dyn MessageHandle>> {
        None
    }

    fn subject(&self, subject: &[u8]) -> Option<SubjectState> {
        let mut found: Option<SubjectState> = None;
        self.for_each_subject(subject, &mut |_, state| {
            found = Some(state);
            ControlFlow::Break(())
        });
        found
    }

    fn for_each_subject_after(
        &self,
        filter: &[u8],
        after: &[u8],
        visit: &mut dyn FnMut(&[u8], SubjectState) -> ControlFlow<()>,
    ) {
        let mut subjects: BTreeMap<&[u8], SubjectState> = BTreeMap::new();
        for (seq, message) in &self.messages {
            if subject::matches(filter, message.subject()) && *after < *message.subject() {
                let fresh = SubjectState { count: 0, first_seq: *seq, last_seq: *seq };
                let state = subjects.entry(message.subject()).or_insert(fresh);
                state.count += 1;
                state.last_seq = *seq;
            }
        }
        for (subject, state) in subjects {
            if visit(subject, state).is_break() {
                return;
            }
        }
    }

    fn next_match(&self, from: u64, filters: &[Bytes]) -> Result<Option<u64>, StoreError> {
        Ok(self.matching(from, u64::MAX - 1, filters).next())
    }

    fn last_match(&self, up_to: u64, filters: &[Bytes]) -> Result<Option<u64>, StoreError> {
        Ok(self.matching(0, up_to, filters).next_back())
    }

    fn count_matches(&self, from: u64, up_to: u64, filters: &[Bytes]) -> Result<u64, StoreError> {
        Ok(self.matching(from, up_to, filters).count() as u64)
    }

    fn seq_at_or_after(&self, ts: UnixNanos) -> Result<u64, StoreError> {
        let found = self.messages.values().find(|message| message.ts >= ts);
        Ok(found.map_or(self.last_seq + 1, |message| message.seq))
    }

    fn timestamp(&self, seq: u64) -> Result<Option<UnixNanos>, StoreError> {
        Ok(self.messages.get(&seq).map(|message| message.ts))
    }

    fn for_each_deleted(&self, _: &mut dyn FnMut(u64) -> ControlFlow<()>) {}

    fn deleted_count(&self) -> u64 {
        match self.messages.len() as u64 {
            0 => 0,
            count => self.last_seq - self.first_seq + 1 - count,
        }
    }
}
