//! `$JS.API.STREAM.CREATE.<stream>`

use headwater_protocol::jetstream::advisory::Action;
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::request::StreamConfigRequest;
use headwater_protocol::jetstream::response::Response;

use super::super::{Answer, Call, Event};
use super::{check_names_agree, report};

/// Makes a stream. Asking again with the same configuration finds it.
pub fn answer(call: &Call<'_>, name: &str) -> Result<Answer, ApiError> {
    let request: StreamConfigRequest = call.read()?;
    check_names_agree(&request, name)?;
    if request.config.sealed {
        return Err(
            ErrorCode::StreamInvalidConfig.saying("stream configuration for create can not be sealed")
        );
    }
    let created = call.account.create_stream(request.config, request.pedantic)?;
    let mut info = report::stream(&created.host);
    info.domain.clear();
    let answer = Answer::after(created.host, Response::StreamCreate { info: &info, did_create: true });
    Ok(if created.new { answer.announcing(Event::Stream(Action::Create)) } else { answer })
}
