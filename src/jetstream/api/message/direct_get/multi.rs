//! The last message of each of several subjects: `{"multi_last":[…]}`, as of now or of an earlier moment.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use bytes::Bytes;
use headwater_protocol::headers::names;
use headwater_protocol::jetstream::request::MsgGetRequest;
use headwater_protocol::subject;

use super::{
    NO_RESULTS, NOT_FOUND, Status, TOO_MANY_RESULTS, bytes_max, end_of_batch, promise, promise_headers,
    with_position,
};
use crate::jetstream::host::StreamState;
use crate::store::MessageLog;

/// Subjects one request is answered for.
const SUBJECTS_MAX: usize = 1024;

/// Promises the messages in the order of their sequences, and the end of the series.
pub(super) fn answer(state: &mut StreamState, get: &MsgGetRequest, to: &[u8]) -> Result<(), Status> {
    let up_to = up_to(state.log.as_ref(), get)?;
    let seqs = last_seqs(state.log.as_ref(), &get.multi_last, get.seq, up_to)?;
    if seqs.is_empty() {
        return Err(NO_RESULTS);
    }
    let batch = usize::try_from(get.batch).ok().filter(|batch| *batch > 0).unwrap_or(usize::MAX);
    let mut pending = seqs.len() as u64;
    let mut last_seq = 0;
    let mut bytes = 0;
    for seq in seqs.into_iter().take(batch) {
        let message = state.log.load(seq).ok().flatten().ok_or(NOT_FOUND)?;
        pending -= 1;
        let headers = with_position(state, &message, pending, last_seq);
        last_seq = seq;
        bytes += message.content_bytes();
        promise(state, to, headers, message);
        if bytes >= bytes_max(get) {
            break;
        }
    }
    let end = end_of_batch(pending, last_seq).add_u64(names::UP_TO_SEQUENCE, up_to).finish();
    promise_headers(state, to, end);
    Ok(())
}

/// The highest sequence that counts.
fn up_to(log: &dyn MessageLog, get: &MsgGetRequest) -> Result<u64, Status> {
    let state = log.state();
    match &get.up_to_time {
        Some(time) => {
            let after = log.seq_at_or_after(time.timestamp().0).map_err(|_| NOT_FOUND)?;
            if after <= state.first_seq { Err(NO_RESULTS) } else { Ok(after - 1) }
        }
        None if get.up_to_seq > 0 => Ok(get.up_to_seq),
        None => Ok(state.last_seq),
    }
}

fn last_seqs(
    log: &dyn MessageLog,
    filters: &[String],
    from: u64,
    up_to: u64,
) -> Result<BTreeSet<u64>, Status> {
    let (mut seqs, mut rewritten) = (BTreeSet::new(), BTreeSet::new());
    for filter in filters.iter().filter(|filter| subject::is_valid(filter.as_bytes())) {
        log.for_each_subject(filter.as_bytes(), &mut |subject, state| {
            if state.last_seq > up_to && state.first_seq <= up_to {
                rewritten.insert(Bytes::copy_from_slice(subject));
            } else if (from..=up_to).contains(&state.last_seq) {
                seqs.insert(state.last_seq);
            }
            let found = seqs.len() + rewritten.len();
            if found > SUBJECTS_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }
    if seqs.len() + rewritten.len() > SUBJECTS_MAX {
        return Err(TOO_MANY_RESULTS);
    }
    for subject in rewritten {
        let last = log.last_match(up_to, &[subject]).map_err(|_| NOT_FOUND)?;
        seqs.extend(last.filter(|seq| *seq >= from));
    }
    Ok(seqs)
}
