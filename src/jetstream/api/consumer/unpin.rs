//! `$JS.API.CONSUMER.UNPIN.<stream>.<consumer>`

use headwater_protocol::jetstream::api_subject::ConsumerAddress;
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::from_json::decode;
use headwater_protocol::jetstream::request::UnpinRequest;
use headwater_protocol::jetstream::response::Response;

use super::super::{Answer, Call};
use super::find;

/// Lets go of the pinned client of a priority group.
pub fn answer(call: &Call<'_>, at: ConsumerAddress<'_>) -> Result<Answer, ApiError> {
    let request: UnpinRequest = decode(call.body, false)?;
    if request.group.is_empty() {
        return Err(ErrorCode::InvalidJson.with("consumer group not specified"));
    }
    let (host, key) = find(call, at)?;
    {
        let mut state = host.lock();
        let now = host.env.now();
        let unpinned =
            state.with_consumer(&host, key, now, |machine, turn| machine.unpin(turn, &request.group));
        unpinned.unwrap_or(Ok(()))?;
        state.consumers.wake(key);
    }
    Ok(Answer::after(host, Response::ConsumerUnpin))
}
