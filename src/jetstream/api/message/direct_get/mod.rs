//! `$JS.API.DIRECT.GET.<stream>` and `….<stream>.<subject>` (ADR-31)
//!
//! Answers are messages, not JSON: the stored message with headers that say where it comes from, or a status.

mod batch;
mod multi;

use std::sync::Arc;

use headwater_protocol::headers::{self, HeaderBuilder, names};
use headwater_protocol::jetstream::from_json::decode;
use headwater_protocol::jetstream::request::MsgGetRequest;
use headwater_protocol::jetstream::timestamp::Timestamp;

use super::find::find;
use crate::jetstream::account::JsAccount;
use crate::jetstream::api::level_is_served;
use crate::jetstream::host::StreamState;
use crate::jetstream::host::replies::{Reply, ReplyMessage};
use crate::router::{Dispatch, Message};
use crate::store::StoredMessage;

/// Bytes one request is answered with at most, unless it asks for less.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// About what the headers take that say where a message comes from and how many follow, without names.
const ORIGIN_BYTES: usize = 192;

/// A request that cannot be answered with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Status(u16, &'static str);

const NOT_FOUND: Status = Status(404, "Message Not Found");
const NO_RESULTS: Status = Status(404, "No Results");
const EMPTY_REQUEST: Status = Status(408, "Empty Request");
const MALFORMED_REQUEST: Status = Status(408, "Malformed Request");
const BAD_REQUEST: Status = Status(408, "Bad Request");
const REQUIRED_API_LEVEL: Status = Status(412, "Required Api Level");
const TOO_MANY_RESULTS: Status = Status(413, "Too Many Results");

/// Answers from the stream if it allows direct gets, or from a mirror of it that may; `false` if there is neither.
pub fn deliver(
    account: &Arc<JsAccount>,
    cx: &mut Dispatch,
    stream: &str,
    subject: Option<&[u8]>,
    request: &Message<'_>,
) -> bool {
    let direct = account.stream(stream).filter(|host| host.lock().serves_direct_gets());
    let Some(host) = direct.or_else(|| account.direct_mirror_of(stream)) else { return false };
    if request.reply.is_empty() {
        return true;
    }
    host.apply(cx, |state| {
        let answered = read(request, subject).and_then(|get| answer(state, &get, request.reply));
        if let Err(status) = answered {
            promise_status(state, request.reply, status);
        }
    });
    true
}

fn read(request: &Message<'_>, subject: Option<&[u8]>) -> Result<MsgGetRequest, Status> {
    if !level_is_served(request.headers) {
        return Err(REQUIRED_API_LEVEL);
    }
    match subject {
        Some(subject) => read_last_of(request.payload, subject),
        None => read_body(request.payload),
    }
}

/// The subject says everything; the body may only ask for the headers to be left out.
fn read_last_of(body: &[u8], subject: &[u8]) -> Result<MsgGetRequest, Status> {
    let mut get = MsgGetRequest::default();
    if !body.is_empty() {
        get = decode(body, false).map_err(|_| MALFORMED_REQUEST)?;
    }
    if subject.is_empty() || get != (MsgGetRequest { no_hdr: get.no_hdr, ..MsgGetRequest::default() }) {
        return Err(BAD_REQUEST);
    }
    get.last_by_subj = String::from_utf8(subject.to_vec()).map_err(|_| BAD_REQUEST)?;
    Ok(get)
}

fn read_body(body: &[u8]) -> Result<MsgGetRequest, Status> {
    if body.is_empty() {
        return Err(EMPTY_REQUEST);
    }
    let get: MsgGetRequest = decode(body, false).map_err(|_| MALFORMED_REQUEST)?;
    let last = !get.last_by_subj.is_empty();
    let next = !get.next_by_subj.is_empty();
    let multi = !get.multi_last.is_empty();
    let timed = get.start_time.is_some();
    if get.seq == 0 && !last && !next && !multi && !timed {
        return Err(EMPTY_REQUEST);
    }
    let conflict = (get.seq > 0 && (last || timed))
        || (last && (timed || next || multi || get.batch > 0))
        || (next && multi)
        || (get.up_to_seq > 0 && get.up_to_time.is_some());
    if conflict { Err(BAD_REQUEST) } else { Ok(get) }
}

fn answer(state: &mut StreamState, get: &MsgGetRequest, to: &[u8]) -> Result<(), Status> {
    if !get.multi_last.is_empty() {
        return multi::answer(state, get, to);
    }
    if get.batch != 0 {
        return batch::answer(state, get, to);
    }
    let message = find(state.log.as_ref(), get).ok().flatten().ok_or(NOT_FOUND)?;
    let headers = if get.no_hdr { Vec::new() } else { with_origin(state, &message) };
    promise(state, to, headers, message);
    Ok(())
}

impl StreamState {
    fn serves_direct_gets(&self) -> bool {
        self.in_service() && self.machine.config().allow_direct
    }
}

/// The stored headers, and where the message comes from.
fn with_origin(state: &StreamState, message: &StoredMessage) -> Vec<u8> {
    let name_len = state.machine.config().name.len();
    let room = message.headers().len() + name_len + message.subject().len() + ORIGIN_BYTES;
    let mut block = Vec::with_capacity(room);
    block.extend_from_slice(message.headers());
    headers::append(&mut block, names::STREAM, state.machine.config().name.as_bytes());
    headers::append(&mut block, names::SUBJECT, message.subject());
    headers::append_u64(&mut block, names::SEQUENCE, message.seq);
    headers::append(&mut block, names::TIME_STAMP, Timestamp(message.ts).text().as_bytes());
    block
}

/// What messages of a series carry besides: how many follow, and which came before.
fn with_position(state: &StreamState, message: &StoredMessage, pending: u64, last_seq: u64) -> Vec<u8> {
    let mut block = with_origin(state, message);
    headers::append_u64(&mut block, names::NUM_PENDING, pending);
    headers::append_u64(&mut block, names::LAST_SEQUENCE, last_seq);
    block
}

/// The end of a series.
fn end_of_batch(pending: u64, last_seq: u64) -> HeaderBuilder {
    HeaderBuilder::status(204, "EOB")
        .add_u64(names::NUM_PENDING, pending)
        .add_u64(names::LAST_SEQUENCE, last_seq)
}

fn promise(state: &mut StreamState, to: &[u8], headers: Vec<u8>, message: StoredMessage) {
    state.promise(to, Reply::Got(Box::new(ReplyMessage { headers, payload: message.into_payload() })));
}

fn promise_headers(state: &mut StreamState, to: &[u8], headers: Vec<u8>) {
    state.promise(to, Reply::Got(Box::new(ReplyMessage { headers, payload: Default::default() })));
}

fn promise_status(state: &mut StreamState, to: &[u8], Status(code, description): Status) {
    promise_headers(state, to, HeaderBuilder::status(code, description).finish());
}

/// How many bytes the answer to `get` may have.
fn bytes_max(get: &MsgGetRequest) -> u64 {
    u64::try_from(get.max_bytes).ok().filter(|max| *max > 0).unwrap_or(ANSWER_BYTES_MAX).min(ANSWER_BYTES_MAX)
}
