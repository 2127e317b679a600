//! `$JS.API.CONSUMER.CREATE.<stream>[.<consumer>[.<filter>]]` and `$JS.API.CONSUMER.DURABLE.CREATE.<stream>.<consumer>`

use headwater_protocol::jetstream::api_subject::ConsumerAddress;
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::request::CreateConsumerRequest;
use headwater_protocol::jetstream::response::Response;

use super::super::{Answer, Call, Event, check_stream_name};
use super::with_server;
use crate::jetstream::consumer::config::{ConsumerBounds, CreateSubject, check_names};
use crate::jetstream::host::Wanted;

/// Makes a consumer or changes one.
pub fn answer(
    call: &Call<'_>,
    stream: &str,
    name: Option<&str>,
    filter: Option<&[u8]>,
) -> Result<Answer, ApiError> {
    let filter =
        std::str::from_utf8(filter.unwrap_or_default()).map_err(|_| ErrorCode::BadRequest.error())?;
    let subject = match name {
        Some(consumer) => CreateSubject::Named { consumer, filter },
        None => CreateSubject::Unnamed,
    };
    create(call, stream, subject)
}

/// Makes a durable consumer or changes one.
pub fn answer_durable(call: &Call<'_>, at: ConsumerAddress<'_>) -> Result<Answer, ApiError> {
    create(call, at.stream, CreateSubject::Durable { consumer: at.consumer })
}

fn create(call: &Call<'_>, stream: &str, subject: CreateSubject<'_>) -> Result<Answer, ApiError> {
    let mut request: CreateConsumerRequest = call.read()?;
    if request.stream_name != stream {
        return Err(ErrorCode::StreamMismatch.error());
    }
    check_stream_name(stream)?;
    check_names(subject, &mut request.config)?;
    let host = call.account.expect_stream(stream)?;
    let wanted = Wanted {
        config: request.config,
        action: request.action,
        pedantic: request.pedantic,
        bounds: bounds(call),
    };
    let (info, made) = host.want_consumer(wanted)?;
    let info = with_server(info);
    let answer = Answer::after(host, Response::ConsumerCreate(&info));
    Ok(if made { answer.announcing(Event::ConsumerCreated(info.name.into())) } else { answer })
}

fn bounds(call: &Call<'_>) -> ConsumerBounds {
    let settings = &call.account.env.settings;
    ConsumerBounds {
        server_ack_pending_max: settings.ack_pending_max,
        server_request_batch_max: settings.request_batch_max,
        account_ack_pending_max: call.account.limits().max_ack_pending,
        account_consumers_max: call.account.limits().max_consumers,
    }
}
