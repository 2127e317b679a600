//! `$JS.API.STREAM.MSG.GET.<stream>`

use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::request::MsgGetRequest;
use headwater_protocol::jetstream::response::Response;
use headwater_protocol::jetstream::stored_msg::StoredMsg;
use headwater_protocol::jetstream::timestamp::Timestamp;

use super::super::{Answer, Call, check_stream_name};
use super::find::find;
use crate::jetstream::stream::Refusal;

/// One message as JSON.
pub fn answer(call: &Call<'_>, name: &str) -> Result<Answer, ApiError> {
    if call.body.is_empty() {
        return Err(ErrorCode::BadRequest.error());
    }
    let request: MsgGetRequest = call.read()?;
    check_stream_name(name)?;
    check(&request)?;
    let host = call.account.expect_stream(name)?;
    let found = find(host.lock().log.as_ref(), &request).map_err(Refusal::from)?;
    let message = found.ok_or_else(|| ErrorCode::NoMessageFound.error())?;
    let response = Response::MsgGet(StoredMsg {
        subject: message.subject(),
        seq: message.seq,
        hdrs: if request.no_hdr { b"" } else { message.headers() },
        data: message.payload(),
        time: Timestamp(message.ts),
    });
    Ok(Answer::after(host, response))
}

/// A request says in exactly one way which message it means.
fn check(request: &MsgGetRequest) -> Result<(), ApiError> {
    let last = !request.last_by_subj.is_empty();
    let next = !request.next_by_subj.is_empty();
    let at_time = request.start_time.is_some();
    let several = request.batch != 0
        || request.max_bytes != 0
        || !request.multi_last.is_empty()
        || request.up_to_seq != 0
        || request.up_to_time.is_some();
    let named = request.seq > 0 || last || next || at_time;
    let conflict = (last && (request.seq > 0 || next || at_time)) || (at_time && request.seq > 0);
    if several || !named || conflict { Err(ErrorCode::BadRequest.error()) } else { Ok(()) }
}
