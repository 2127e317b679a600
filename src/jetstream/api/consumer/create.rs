//! `$JS.API.CONSUMER.CREATE.<stream>[.<consumer>[.<filter>]]` and `$JS.API.CONSUMER.DURABLE.CREATE.<stream>.<consumer>`

use headwater_protocol::headers;
use headwater_protocol::jetstream::api_subject::ConsumerAddress;
use headwater_protocol::jetstream::consumer_config::ConsumerConfig;
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::request::CreateConsumerRequest;
use headwater_protocol::jetstream::response::Response;

use super::super::{Answer, Call, Event, check_stream_name};
use super::with_server;
use crate::ids;
use crate::jetstream::consumer::config::{CreateSubject, adapt_sourcing, check_names};
use crate::jetstream::host::{StreamHost, Wanted};
use crate::jetstream::identity;

/// What tells the consumers of one sourcing server apart that are there at the same time.
const SUFFIX_CHARS: usize = 8;

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
    let retention = host.lock().machine.config().retention;
    adapt_sourcing(&mut request.config, retention, &ids::token(SUFFIX_CHARS));
    let identity = identity(call, &host, &request.config)?;
    let wanted = Wanted {
        config: request.config,
        action: request.action,
        pedantic: request.pedantic,
        bounds: call.account.consumer_bounds(),
    };
    let (info, made) = host.want_consumer(wanted)?;
    let info = with_server(info);
    let mut answer = Answer::after(host, Response::ConsumerCreate(&info));
    if let Some(identity) = identity {
        answer = answer.with_identity(&identity);
    }
    Ok(if made { answer.announcing(Event::ConsumerCreated(info.name.into())) } else { answer })
}

/// The identity of the stream, which servers that mirror it want to know; refused if they think it is another stream.
fn identity(call: &Call<'_>, host: &StreamHost, config: &ConsumerConfig) -> Result<Option<String>, ApiError> {
    if !config.direct && !config.sourcing {
        return Ok(None);
    }
    let identity = identity::of_stream(host.lock().created);
    match headers::get(call.headers, headers::names::STREAM_IDENTITY) {
        Some(expected) if !expected.is_empty() && expected != identity.as_bytes() => {
            Err(ErrorCode::ConsumerStreamIdentityMismatch.with(identity))
        }
        _ => Ok(Some(identity)),
    }
}
