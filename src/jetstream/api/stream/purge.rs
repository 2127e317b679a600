//! `$JS.API.STREAM.PURGE.<stream>`

use bytes::Bytes;
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::request::PurgeRequest;
use headwater_protocol::jetstream::response::Response;

use super::super::{Answer, Call, check_stream_name};
use crate::jetstream::stream::Purge;

/// Removes messages: all, those of a subject, those below a sequence, or all but the newest.
pub fn answer(call: &Call<'_>, name: &str) -> Result<Answer, ApiError> {
    let request: PurgeRequest = call.read_optional()?;
    check_stream_name(name)?;
    let host = call.account.expect_stream(name)?;
    if request.seq > 0 && request.keep > 0 {
        return Err(ErrorCode::BadRequest.error());
    }
    let purge = Purge {
        filter: Some(request.filter).filter(|filter| !filter.is_empty()).map(Bytes::from),
        below: Some(request.seq).filter(|seq| *seq > 0),
        keep: Some(request.keep).filter(|keep| *keep > 0),
    };
    let purged = host.lock().purge(&purge, host.env.now())?;
    Ok(Answer::after(host, Response::StreamPurge { purged }))
}
