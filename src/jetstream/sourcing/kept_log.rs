//! The log of a stream with sources: before a message goes that tells how far a source has come, that is written down.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;

use super::ledger::Ledger;
use crate::clock::UnixNanos;
use crate::store::{
    LogState, Lsn, MessageHandle, MessageLog, MessageMeta, NewMessage, StorageKind, StoreError,
    StoredMessage, SubjectState,
};

/// A log with a ledger that is told of removals.
pub struct KeptLog {
    log: Box<dyn MessageLog>,
    ledger: Arc<Ledger>,
}

impl KeptLog {
    /// Has `ledger` told of what is removed from `log`.
    pub fn new(log: Box<dyn MessageLog>, ledger: Arc<Ledger>) -> Self {
        Self { log, ledger }
    }
}

impl MessageLog for KeptLog {
    fn kind(&self) -> StorageKind {
        self.log.kind()
    }

    fn state(&self) -> LogState {
        self.log.state()
    }

    fn removals(&self) -> u64 {
        self.log.removals()
    }

    fn append(&mut self, message: &NewMessage<'_>) -> Result<Lsn, StoreError> {
        self.log.append(message)
    }

    fn append_group(&mut self, messages: &[NewMessage<'_>]) -> Result<Lsn, StoreError> {
        self.log.append_group(messages)
    }

    fn skip_to(&mut self, last_seq: u64, ts: UnixNanos) -> Result<Lsn, StoreError> {
        self.log.skip_to(last_seq, ts)
    }

    fn remove(&mut self, seq: u64) -> Result<Option<(MessageMeta, Lsn)>, StoreError> {
        self.ledger.before_removal(self.log.state().last_seq, |told_by| told_by == seq);
        self.log.remove(seq)
    }

    fn remove_of(&mut self, seq: u64, subject: &[u8]) -> Result<Option<(MessageMeta, Lsn)>, StoreError> {
        self.ledger.before_removal(self.log.state().last_seq, |told_by| told_by == seq);
        self.log.remove_of(seq, subject)
    }

    fn purge_below(&mut self, seq: u64) -> Result<(u64, Lsn), StoreError> {
        self.ledger.before_removal(self.log.state().last_seq, |told_by| told_by < seq);
        self.log.purge_below(seq)
    }

    fn meta(&self, seq: u64) -> Option<MessageMeta> {
        self.log.meta(seq)
    }

    fn load(&self, seq: u64) -> Result<Option<StoredMessage>, StoreError> {
        self.log.load(seq)
    }

    fn load_each(&self, seqs: &[u64], take: &mut dyn FnMut(Result<Option<StoredMessage>, StoreError>)) {
        self.log.load_each(seqs, take);
    }

    fn handle(&self, seq: u64) -> Option<Box<dyn MessageHandle>> {
        self.log.handle(seq)
    }

    fn subject(&self, subject: &[u8]) -> Option<SubjectState> {
        self.log.subject(subject)
    }

    fn for_each_subject_after(
        &self,
        filter: &[u8],
        after: &[u8],
        visit: &mut dyn FnMut(&[u8], SubjectState) -> ControlFlow<()>,
    ) {
        self.log.for_each_subject_after(filter, after, visit);
    }

    fn next_match(&self, from: u64, filters: &[Bytes]) -> Result<Option<u64>, StoreError> {
        self.log.next_match(from, filters)
    }

    fn for_each_match(
        &self,
        from: u64,
        up_to: u64,
        filters: &[Bytes],
        visit: &mut dyn FnMut(u64, MessageMeta) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.log.for_each_match(from, up_to, filters, visit)
    }

    fn next_with_headers(&self, from: u64) -> Result<Option<u64>, StoreError> {
        self.log.next_with_headers(from)
    }

    fn last_match(&self, up_to: u64, filters: &[Bytes]) -> Result<Option<u64>, StoreError> {
        self.log.last_match(up_to, filters)
    }

    fn count_matches(&self, from: u64, up_to: u64, filters: &[Bytes]) -> Result<u64, StoreError> {
        self.log.count_matches(from, up_to, filters)
    }

    fn seq_at_or_after(&self, ts: UnixNanos) -> Result<u64, StoreError> {
        self.log.seq_at_or_after(ts)
    }

    fn timestamp(&self, seq: u64) -> Result<Option<UnixNanos>, StoreError> {
        self.log.timestamp(seq)
    }

    fn for_each_deleted(&self, visit: &mut dyn FnMut(u64) -> ControlFlow<()>) {
        self.log.for_each_deleted(visit);
    }

    fn deleted_count(&self) -> u64 {
        self.log.deleted_count()
    }
}
