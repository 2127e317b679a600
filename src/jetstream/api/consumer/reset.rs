//! `$JS.API.CONSUMER.RESET.<stream>.<consumer>`

use headwater_protocol::headers;
use headwater_protocol::jetstream::api_subject::ConsumerAddress;
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::from_json::decode;
use headwater_protocol::jetstream::request::ResetRequest;
use headwater_protocol::jetstream::response::Response;

use super::super::{Answer, Call};
use super::{find, report};
use crate::jetstream::consumer::ResetError;
use crate::jetstream::identity;
use crate::jetstream::stream::Refusal;

/// Sends a consumer back to a sequence, or to the first message that is not acknowledged.
pub fn answer(call: &Call<'_>, at: ConsumerAddress<'_>) -> Result<Answer, ApiError> {
    let mut request = ResetRequest::default();
    if !call.body.is_empty() {
        request = decode(call.body, false)?;
    }
    let (host, key) = find(call, at)?;
    let reset_seq = {
        let mut state = host.lock();
        let now = host.env.now();
        let reset = state.with_consumer(&host, key, now, |machine, turn| machine.reset(turn, request.seq));
        let reset = reset.ok_or_else(|| ErrorCode::ConsumerNotFound.error())?;
        let reset_seq = reset.map_err(|error| match error {
            ResetError::Refused(error) => error,
            ResetError::Store(error) => Refusal::from(error).into(),
        })?;
        // One that is sent beyond the end has acknowledged nothing.
        if reset_seq <= state.log.state().last_seq.saturating_add(1) {
            state.release_unneeded(&host, 0);
        }
        state.consumers.wake(key);
        reset_seq
    };
    let info = report(&host, key)?;
    let identity = identity::of_stream(host.lock().created);
    let answer = Answer::after(host, Response::ConsumerReset { info: &info, reset_seq });
    match headers::get(call.headers, headers::names::STREAM_IDENTITY) {
        Some(_) => Ok(answer.with_identity(&identity)),
        None => Ok(answer),
    }
}
