//! From the configuration a client asks for to the one a stream runs with: defaults filled in, everything checked.
//!
//! The order of the checks is nats-server's, because the first failure answers.

mod basics;
mod features;
mod republish;
mod sourcing;
mod subjects;
mod update;

use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::stream_config::StreamConfig;

pub use update::check_update;

use crate::clock::UnixNanos;

/// The longest name of a stream or consumer, in bytes.
pub const NAME_BYTES_MAX: usize = 255;
/// The longest description, in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 4 * 1024;
/// The most metadata, keys and values together, in bytes.
pub const METADATA_BYTES_MAX: usize = 128 * 1024;

/// What a configuration is checked against besides itself.
pub struct Surroundings<'a> {
    /// Looks up another stream of the account.
    pub stream: &'a dyn Fn(&str) -> Option<StreamConfig>,
    /// `jetstream.limits.duplicate_window`; 0 when there is none.
    pub duplicate_window_max: UnixNanos,
    /// The account wants every stream to have `max_bytes` set.
    pub max_bytes_required: bool,
    /// The most `max_bytes` the account grants a stream of this storage; 0 when there is no limit.
    pub stream_bytes_max: &'a dyn Fn(&StreamConfig) -> i64,
}

/// Fills in what `config` leaves open and checks it. With `pedantic`, values that would be replaced are refused.
pub fn complete(
    mut config: StreamConfig,
    around: &Surroundings<'_>,
    pedantic: bool,
) -> Result<StreamConfig, ApiError> {
    basics::check_names(&config)?;
    basics::fill_limits(&mut config, pedantic)?;
    basics::fill_duplicate_window(&mut config, around.duplicate_window_max, pedantic)?;
    features::check(&mut config, pedantic)?;
    sourcing::check(&mut config, around, pedantic)?;
    subjects::fill_and_check(&mut config)?;
    check_account_bytes(&config, around)?;
    republish::check(&mut config, pedantic)?;
    check_placement(&mut config)?;
    Ok(config)
}

/// Whether `name` can be a stream's or consumer's.
pub fn is_valid_name(name: &str) -> bool {
    !name.is_empty() && !name.contains([' ', '\t', '\r', '\n', '\x0c', '.', '*', '>', '\\', '/'])
}

fn check_account_bytes(config: &StreamConfig, around: &Surroundings<'_>) -> Result<(), ApiError> {
    if around.max_bytes_required && config.max_bytes <= 0 {
        return Err(ErrorCode::StreamMaxBytesRequired.error());
    }
    let most = (around.stream_bytes_max)(config);
    if most > 0 && config.max_bytes > most {
        return Err(ErrorCode::StreamMaxStreamBytesExceeded.error());
    }
    Ok(())
}

fn check_placement(config: &mut StreamConfig) -> Result<(), ApiError> {
    config.placement = config.placement.take().filter(|placement| *placement != Default::default());
    match &config.placement {
        Some(placement) if !placement.preferred.is_empty() => {
            Err(invalid("preferred server not permitted in placement"))
        }
        _ => Ok(()),
    }
}

/// The error most refused configurations get, with its text.
fn invalid(text: impl std::fmt::Display) -> ApiError {
    ErrorCode::StreamInvalidConfig.with(text)
}

fn pedantic_error(text: &str) -> ApiError {
    ErrorCode::Pedantic.with(text)
}
