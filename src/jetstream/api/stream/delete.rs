//! `$JS.API.STREAM.DELETE.<stream>`

use headwater_protocol::jetstream::advisory::Action;
use headwater_protocol::jetstream::error::ApiError;
use headwater_protocol::jetstream::response::Response;

use super::super::{Answer, Call, Event, check_stream_name};

/// Deletes a stream with its messages and consumers.
pub fn answer(call: &Call<'_>, name: &str) -> Result<Answer, ApiError> {
    call.expect_no_body()?;
    check_stream_name(name)?;
    let host = call.account.delete_stream(name)?;
    Ok(Answer::after(host, Response::StreamDelete).announcing(Event::Stream(Action::Delete)))
}
