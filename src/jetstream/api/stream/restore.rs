//! `$JS.API.STREAM.RESTORE.<stream>`

use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::request::{RestoreRequest, is_empty_request};
use headwater_protocol::jetstream::response::Response;

use super::super::{Answer, Call, check_stream_name};
use crate::jetstream::advisories;
use crate::jetstream::backup::receiving;

/// Begins a restore: the chunks are to be sent where the answer says.
pub fn answer(call: &Call<'_>, name: &str) -> Result<Answer, ApiError> {
    if is_empty_request(call.body) {
        return Err(ErrorCode::BadRequest.error());
    }
    let mut request: RestoreRequest = call.read()?;
    if request.config.name.is_empty() {
        name.clone_into(&mut request.config.name);
    }
    if request.config.name != name {
        return Err(ErrorCode::StreamMismatch.error());
    }
    check_stream_name(name)?;
    let config = call.account.check_restore(request.config)?;
    let client = advisories::client_of(call.origin, &call.account.account, &call.account.env);
    let deliver_subject = receiving::begin(call.account, config, client)?;
    Ok(Answer::at_once(Response::StreamRestore { deliver_subject: &deliver_subject }))
}
