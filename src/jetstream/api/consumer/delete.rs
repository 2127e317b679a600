//! `$JS.API.CONSUMER.DELETE.<stream>.<consumer>`

use headwater_protocol::jetstream::api_subject::ConsumerAddress;
use headwater_protocol::jetstream::error::ApiError;
use headwater_protocol::jetstream::response::Response;

use super::super::{Answer, Call, Event};
use super::find;

/// Deletes a consumer; whoever waits for it is told.
pub fn answer(call: &Call<'_>, at: ConsumerAddress<'_>) -> Result<Answer, ApiError> {
    call.expect_no_body()?;
    let (host, _) = find(call, at)?;
    host.delete_consumer(at.consumer)?;
    let event = Event::ConsumerDeleted(at.consumer.into());
    Ok(Answer::after(host, Response::ConsumerDelete).announcing(event))
}
