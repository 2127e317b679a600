//! `$JS.API.STREAM.SNAPSHOT.<stream>`

use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::request::{SnapshotRequest, is_empty_request};
use headwater_protocol::jetstream::response::Response;
use headwater_protocol::subject;

use super::super::{Answer, Call};
use crate::jetstream::advisories;
use crate::jetstream::backup::sending;

/// Begins a backup: the chunks follow the answer.
pub fn answer(call: &Call<'_>, name: &str) -> Result<Answer, ApiError> {
    if is_empty_request(call.body) {
        return Err(ErrorCode::BadRequest.error());
    }
    let host = call.account.expect_stream(name)?;
    let request: SnapshotRequest = call.read()?;
    let deliver_subject = request.deliver_subject.as_bytes();
    if !subject::is_valid(deliver_subject) || subject::has_wildcards(deliver_subject) {
        return Err(ErrorCode::SnapshotDeliverSubjectInvalid.error());
    }
    let client = advisories::client_of(call.origin, &call.account.account, &call.account.env);
    let begun = sending::begin(&host, &request, client)?;
    let answer = Answer::after(host, Response::StreamSnapshot { config: &begun.config, state: &begun.state });
    Ok(answer.then(begun.answered))
}
