//! `$JS.API.CONSUMER.PAUSE.<stream>.<consumer>`

use headwater_protocol::jetstream::api_subject::ConsumerAddress;
use headwater_protocol::jetstream::error::ApiError;
use headwater_protocol::jetstream::request::PauseRequest;
use headwater_protocol::jetstream::response::{PauseState, Response};

use super::super::{Answer, Call};
use super::find;

/// Pauses deliveries until a moment, or lets them go on.
pub fn answer(call: &Call<'_>, at: ConsumerAddress<'_>) -> Result<Answer, ApiError> {
    let request: PauseRequest = call.read_optional()?;
    let (host, key) = find(call, at)?;
    let now = host.env.now();
    let until = request.pause_until.utc();
    host.lock().pause_consumer(&host, key, until)?;
    let remaining = until.timestamp().0.saturating_sub(now);
    let paused = !until.is_zero() && remaining > 0;
    let pause =
        PauseState { paused, pause_until: until, pause_remaining: if paused { remaining } else { 0 } };
    Ok(Answer::after(host, Response::ConsumerPause(pause)))
}
