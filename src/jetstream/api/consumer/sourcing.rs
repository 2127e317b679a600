//! Requests of servers that mirror or source one of our streams.

use headwater_protocol::headers::{self, HeaderBuilder, names};
use headwater_protocol::jetstream::consumer_config::ConsumerConfig;
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};

use super::super::Call;
use crate::ids;
use crate::jetstream::consumer::config::adapt_sourcing;
use crate::jetstream::host::StreamHost;
use crate::jetstream::sourcing::stream_identity;

/// What tells the consumers of one sourcing server apart that are there at the same time.
const SUFFIX_CHARS: usize = 8;

/// Makes what is asked for into what the stream can give. Returns the headers of the answer; refuses a server that takes
/// the stream for an earlier one of its name.
pub(super) fn begin(
    call: &Call<'_>,
    host: &StreamHost,
    config: &mut ConsumerConfig,
) -> Result<Vec<u8>, ApiError> {
    let (retention, created) = {
        let state = host.lock();
        (state.machine.config().retention, state.created)
    };
    let is_asked = config.direct || config.sourcing;
    adapt_sourcing(config, retention, &ids::token(SUFFIX_CHARS));
    if !is_asked {
        return Ok(Vec::new());
    }
    let identity = stream_identity(created);
    match headers::get(call.headers, names::STREAM_IDENTITY) {
        Some(expected) if !expected.is_empty() && expected != identity.as_bytes() => {
            Err(ErrorCode::ConsumerStreamIdentityMismatch.with(identity))
        }
        _ => Ok(block(&identity)),
    }
}

/// The headers of an answer to a server that asked with the header, whatever it expected.
pub(super) fn told(call: &Call<'_>, host: &StreamHost) -> Vec<u8> {
    match headers::get(call.headers, names::STREAM_IDENTITY) {
        Some(_) => block(&stream_identity(host.lock().created)),
        None => Vec::new(),
    }
}

fn block(identity: &str) -> Vec<u8> {
    HeaderBuilder::new().add(names::STREAM_IDENTITY, identity.as_bytes()).finish()
}
