//! Names, sizes and times.

use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::go_duration;
use headwater_protocol::jetstream::stream_config::StreamConfig;

use super::{
    DESCRIPTION_BYTES_MAX, METADATA_BYTES_MAX, NAME_BYTES_MAX, invalid, is_valid_name, pedantic_error,
};
use crate::clock::UnixNanos;

/// What ids are remembered for when the configuration does not say: two minutes.
const DUPLICATE_WINDOW_DEFAULT: UnixNanos = 120_000_000_000;
/// Ages and windows are not shorter than this.
const TIME_MIN: UnixNanos = 100_000_000;
/// The most replicas any NATS system keeps.
const REPLICAS_MAX: i64 = 5;

pub(super) fn check_names(config: &StreamConfig) -> Result<(), ApiError> {
    if !is_valid_name(&config.name) {
        return Err(invalid("stream name is required and can not contain '.', '*', '>', '\\', '/'"));
    }
    if config.name.len() > NAME_BYTES_MAX {
        return Err(invalid(format_args!("stream name is too long, maximum allowed is {NAME_BYTES_MAX}")));
    }
    if config.description.len() > DESCRIPTION_BYTES_MAX {
        return Err(invalid(format_args!(
            "stream description is too long, maximum allowed is {DESCRIPTION_BYTES_MAX}"
        )));
    }
    let metadata_bytes: usize = config.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    if metadata_bytes > METADATA_BYTES_MAX {
        return Err(invalid(format_args!(
            "stream metadata exceeds maximum size of {METADATA_BYTES_MAX} bytes"
        )));
    }
    Ok(())
}

pub(super) fn fill_limits(config: &mut StreamConfig, pedantic: bool) -> Result<(), ApiError> {
    if config.num_replicas == 0 {
        config.num_replicas = 1;
    }
    if config.num_replicas > REPLICAS_MAX {
        return Err(invalid(format_args!("maximum replicas is {REPLICAS_MAX}")));
    }
    if config.num_replicas < 0 {
        return Err(ErrorCode::ReplicasCountCannotBeNegative.error());
    }
    fill_limit(&mut config.max_msgs, "max_msgs", pedantic)?;
    fill_limit(&mut config.max_msgs_per_subject, "max_msgs_per_subject", pedantic)?;
    fill_limit(&mut config.max_bytes, "max_bytes", pedantic)?;
    let mut max_msg_size = i64::from(config.max_msg_size);
    fill_limit(&mut max_msg_size, "max_msg_size", pedantic)?;
    config.max_msg_size = max_msg_size as _;
    fill_limit(&mut config.max_consumers, "max_consumers", pedantic)?;
    check_max_age(config.max_age)
}

/// No limit is `-1`; 0 and other negatives mean it too, the latter not to the pedantic.
fn fill_limit(limit: &mut i64, field: &str, pedantic: bool) -> Result<(), ApiError> {
    if *limit < -1 && pedantic {
        return Err(pedantic_error(&format!("{field} must be set to -1")));
    }
    if *limit <= 0 {
        *limit = -1;
    }
    Ok(())
}

fn check_max_age(max_age: UnixNanos) -> Result<(), ApiError> {
    match max_age {
        i64::MIN..=-1 => Err(invalid("max age can not be negative")),
        1..TIME_MIN => Err(invalid("max age needs to be >= 100ms")),
        _ => Ok(()),
    }
}

pub(super) fn fill_duplicate_window(
    config: &mut StreamConfig,
    window_max: UnixNanos,
    pedantic: bool,
) -> Result<(), ApiError> {
    if config.duplicate_window == 0 && config.mirror.is_none() && config.sources.is_empty() {
        config.duplicate_window = default_window(config.max_age, window_max, pedantic)?;
    }
    let window = config.duplicate_window;
    if window < 0 {
        return Err(invalid("duplicates window can not be negative"));
    }
    if config.max_age != 0 && window > config.max_age {
        return Err(invalid("duplicates window can not be larger then max age"));
    }
    if window_max > 0 && window > window_max {
        let most = go_duration::GoDuration(window_max);
        return Err(invalid(format_args!("duplicates window can not be larger then server limit of {most}")));
    }
    if window > 0 && window < TIME_MIN {
        return Err(invalid("duplicates window needs to be >= 100ms"));
    }
    Ok(())
}

fn default_window(max_age: UnixNanos, window_max: UnixNanos, pedantic: bool) -> Result<UnixNanos, ApiError> {
    let mut window = DUPLICATE_WINDOW_DEFAULT;
    if window_max > 0 && window > window_max {
        if pedantic {
            return Err(pedantic_error("duplicate window limits are higher than current limits"));
        }
        window = window_max;
    }
    if max_age != 0 && max_age < window {
        if pedantic {
            return Err(pedantic_error("duplicate window cannot be bigger than max age"));
        }
        window = max_age;
    }
    Ok(window)
}
