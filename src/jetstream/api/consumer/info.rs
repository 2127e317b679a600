//! `$JS.API.CONSUMER.INFO.<stream>.<consumer>`

use headwater_protocol::jetstream::api_subject::ConsumerAddress;
use headwater_protocol::jetstream::error::ApiError;
use headwater_protocol::jetstream::response::Response;

use super::super::{Answer, Call};
use super::{find, report};

/// Tells of one consumer.
pub fn answer(call: &Call<'_>, at: ConsumerAddress<'_>) -> Result<Answer, ApiError> {
    call.expect_no_body()?;
    let (host, key) = find(call, at)?;
    let info = report(&host, key)?;
    Ok(Answer::after(host, Response::ConsumerInfo(&info)))
}
