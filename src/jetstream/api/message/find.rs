//! Which message a request means.

use bytes::Bytes;
use headwater_protocol::jetstream::request::MsgGetRequest;

use crate::store::{MessageLog, StoreError, StoredMessage};

/// Finds the message by sequence, by the last of a subject, by the next of a subject, or by time.
pub(super) fn find(
    log: &dyn MessageLog,
    request: &MsgGetRequest,
) -> Result<Option<StoredMessage>, StoreError> {
    let seq = match () {
        () if !request.last_by_subj.is_empty() => last_of(log, &request.last_by_subj)?,
        () if request.start_time.is_some() || !request.next_by_subj.is_empty() => next_of(log, request)?,
        () => Some(request.seq),
    };
    match seq {
        Some(seq) => log.load(seq),
        None => Ok(None),
    }
}

fn last_of(log: &dyn MessageLog, filter: &str) -> Result<Option<u64>, StoreError> {
    log.last_match(log.state().last_seq, &filters(filter))
}

fn next_of(log: &dyn MessageLog, request: &MsgGetRequest) -> Result<Option<u64>, StoreError> {
    let from = match &request.start_time {
        Some(time) => log.seq_at_or_after(time.timestamp().0)?,
        None => request.seq,
    };
    log.next_match(from, &filters(&request.next_by_subj))
}

fn filters(filter: &str) -> Vec<Bytes> {
    match filter {
        "" | ">" => Vec::new(),
        filter => vec![Bytes::copy_from_slice(filter.as_bytes())],
    }
}
