//! `$JS.API.CONSUMER.DELETE.<stream>.<consumer>`

use headwater_protocol::jetstream::api_subject::ConsumerAddress;
use headwater_protocol::jetstream::error::ApiError;
use headwater_protocol::jetstream::response::Response;

use super::super::{Answer, Call};
use super::find;
use crate::router::Dispatch;

/// Deletes a consumer; whoever waits for it is told.
pub fn answer(call: &Call<'_>, cx: &mut Dispatch, at: ConsumerAddress<'_>) -> Result<Answer, ApiError> {
    call.expect_no_body()?;
    let (host, _) = find(call, at)?;
    host.delete_consumer(cx, at.consumer)?;
    Ok(Answer::after(host, Response::ConsumerDelete))
}
