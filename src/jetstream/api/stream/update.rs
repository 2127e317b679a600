//! `$JS.API.STREAM.UPDATE.<stream>`

use headwater_protocol::jetstream::advisory::Action;
use headwater_protocol::jetstream::error::ApiError;
use headwater_protocol::jetstream::request::StreamConfigRequest;
use headwater_protocol::jetstream::response::Response;

use super::super::{Answer, Call, Event};
use super::{check_names_agree, report};

/// Replaces a stream's configuration as a whole.
pub fn answer(call: &Call<'_>, name: &str) -> Result<Answer, ApiError> {
    let request: StreamConfigRequest = call.read()?;
    // The configuration is looked at before the name it is for, as nats-server does.
    call.account.complete(request.config.clone(), request.pedantic)?;
    check_names_agree(&request, name)?;
    let host = call.account.update_stream(request.config, request.pedantic)?;
    let info = report::stream(&host);
    Ok(Answer::after(host, Response::StreamUpdate(&info)).announcing(Event::Stream(Action::Modify)))
}
