//! What nats-server offers and this version does not. It is refused, not ignored: a stream that looks like a mirror and
//! never mirrors would lose its owner's trust.

use headwater_protocol::jetstream::error::ApiError;
use headwater_protocol::jetstream::stream_config::StreamConfig;

use super::invalid;

/// Refuses configurations that ask for something not served.
pub(super) fn check(config: &StreamConfig) -> Result<(), ApiError> {
    if config.mirror.is_some() {
        return Err(invalid("mirrors are not served by this version"));
    }
    if !config.sources.is_empty() {
        return Err(invalid("sources are not served by this version"));
    }
    Ok(())
}
