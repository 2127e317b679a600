//! Several messages in a row: `{"batch":n}` from a sequence, a time, or of a subject.

use bytes::Bytes;
use headwater_protocol::jetstream::request::MsgGetRequest;

use super::{NOT_FOUND, Status, bytes_max, end_of_batch, promise, promise_headers, with_position};
use crate::jetstream::host::StreamState;
use crate::store::StoreError;

/// Promises up to `batch` messages and the end of the series.
pub(super) fn answer(state: &mut StreamState, get: &MsgGetRequest, to: &[u8]) -> Result<(), Status> {
    let filters = match get.next_by_subj.as_str() {
        "" | ">" => Vec::new(),
        subject => vec![Bytes::copy_from_slice(subject.as_bytes())],
    };
    let mut series = Series { state, to, filters, no_headers: get.no_hdr, pending: 0, last_seq: 0, bytes: 0 };
    let mut from = series.start(get).map_err(|_| NOT_FOUND)?;
    let bytes_max = bytes_max(get);
    let mut sent = 0;
    while sent < get.batch && series.bytes < bytes_max {
        match series.send_next(from) {
            Ok(Some(seq)) => from = seq + 1,
            Ok(None) | Err(_) if sent == 0 => return Err(NOT_FOUND),
            Ok(None) | Err(_) => break,
        }
        sent += 1;
    }
    let end = end_of_batch(series.pending, series.last_seq).finish();
    promise_headers(series.state, to, end);
    Ok(())
}

struct Series<'a> {
    state: &'a mut StreamState,
    to: &'a [u8],
    filters: Vec<Bytes>,
    no_headers: bool,
    /// Matching messages that follow.
    pending: u64,
    /// The message sent before.
    last_seq: u64,
    /// What was sent so far.
    bytes: u64,
}

impl Series<'_> {
    /// Counts what is there from the start on.
    fn start(&mut self, get: &MsgGetRequest) -> Result<u64, StoreError> {
        let log = self.state.log.as_ref();
        let from = match &get.start_time {
            Some(time) => log.seq_at_or_after(time.timestamp().0)?,
            None => get.seq,
        };
        self.pending = log.count_matches(from, log.state().last_seq, &self.filters)?;
        Ok(from)
    }

    /// Promises the next message at or after `from`.
    fn send_next(&mut self, from: u64) -> Result<Option<u64>, StoreError> {
        let log = self.state.log.as_ref();
        let Some(seq) = log.next_match(from, &self.filters)? else { return Ok(None) };
        let Some(message) = log.load(seq)? else { return Ok(None) };
        self.pending = self.pending.saturating_sub(1);
        let headers = match (self.no_headers, self.pending, self.last_seq) {
            (true, ..) => Vec::new(),
            (false, pending, last_seq) => with_position(self.state, &message, pending, last_seq),
        };
        self.last_seq = seq;
        self.bytes += message.content_bytes();
        promise(self.state, self.to, headers, message);
        Ok(Some(seq))
    }
}
