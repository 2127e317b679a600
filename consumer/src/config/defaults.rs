//! What the client left out is filled in.

use headwater_protocol::jetstream::consumer_config::{AckPolicy, ConsumerConfig, PriorityPolicy};
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::go_duration::{MINUTE, SECOND};
use headwater_protocol::jetstream::stream_config::StreamConfig;

use super::ConsumerBounds;

/// How long a consumer without a durable name outlives its last client, in nanoseconds.
pub const INACTIVE_THRESHOLD_DEFAULT: i64 = 5 * SECOND;

const ACK_WAIT_DEFAULT: i64 = 30 * SECOND;
const ACK_PENDING_DEFAULT: i64 = 1000;
const WAITING_DEFAULT: i64 = 512;
const PRIORITY_TIMEOUT_DEFAULT: i64 = 2 * MINUTE;
/// The heartbeat of flow-control acknowledged consumers, the one sourcing servers expect.
pub(super) const SOURCING_HEARTBEAT: i64 = SECOND;

/// Replaces what is absent or meaningless; a pedantic request wants to be told instead.
pub fn fill_defaults(
    config: &mut ConsumerConfig,
    stream: &StreamConfig,
    bounds: &ConsumerBounds,
    pedantic: bool,
) -> Result<(), ApiError> {
    normalise_negatives(config, pedantic)?;
    if !config.is_push() && config.max_waiting == 0 {
        config.max_waiting = WAITING_DEFAULT;
    }
    fill_ack_wait(config, pedantic)?;
    take_stream_limits(config, stream, pedantic)?;
    fill_ack_pending(config, bounds);
    fill_request_batch(config, bounds, pedantic)?;
    if config.priority_policy == PriorityPolicy::PinnedClient && config.priority_timeout == 0 {
        config.priority_timeout = PRIORITY_TIMEOUT_DEFAULT;
    }
    if config.ack_policy == AckPolicy::FlowControl && !pedantic {
        config.flow_control = true;
        config.idle_heartbeat = SOURCING_HEARTBEAT;
    }
    Ok(())
}

fn normalise_negatives(config: &mut ConsumerConfig, pedantic: bool) -> Result<(), ApiError> {
    if config.max_deliver == 0 {
        config.max_deliver = -1;
    }
    raise(&mut config.max_deliver, -1, "max_deliver must be set to -1", pedantic)?;
    raise(&mut config.max_waiting, 0, "max_waiting must not be negative", pedantic)?;
    raise(&mut config.max_ack_pending, -1, "max_ack_pending must be set to -1", pedantic)?;
    raise(&mut config.max_batch, 0, "max_batch must not be negative", pedantic)?;
    raise(&mut config.max_expires, 0, "max_expires must not be negative", pedantic)?;
    raise(&mut config.max_bytes, 0, "max_bytes must not be negative", pedantic)?;
    raise(&mut config.idle_heartbeat, 0, "idle_heartbeat must not be negative", pedantic)?;
    raise(&mut config.inactive_threshold, 0, "inactive_threshold must not be negative", pedantic)?;
    raise(&mut config.priority_timeout, 0, "priority_timeout must not be negative", pedantic)
}

fn raise(value: &mut i64, lowest: i64, complaint: &'static str, pedantic: bool) -> Result<(), ApiError> {
    if *value >= lowest {
        return Ok(());
    }
    *value = lowest;
    complain_if(pedantic, complaint)
}

fn fill_ack_wait(config: &mut ConsumerConfig, pedantic: bool) -> Result<(), ApiError> {
    if config.ack_wait == 0 && matches!(config.ack_policy, AckPolicy::Explicit | AckPolicy::All) {
        config.ack_wait = ACK_WAIT_DEFAULT;
    }
    if let Some(first) = config.backoff.first().copied() {
        complain_if(pedantic && config.ack_wait != first, "first backoff value has to equal batch AckWait")?;
        config.ack_wait = first;
    }
    Ok(())
}

fn take_stream_limits(
    config: &mut ConsumerConfig,
    stream: &StreamConfig,
    pedantic: bool,
) -> Result<(), ApiError> {
    let limits = &stream.consumer_limits;
    if config.max_ack_pending == 0 {
        let complaint = "max_ack_pending must be set if it's configured in stream limits";
        complain_if(pedantic && limits.max_ack_pending > 0, complaint)?;
        config.max_ack_pending = limits.max_ack_pending;
    }
    if config.inactive_threshold == 0 {
        let complaint = "inactive_threshold must be set if it's configured in stream limits";
        complain_if(pedantic && limits.inactive_threshold > 0, complaint)?;
        config.inactive_threshold = limits.inactive_threshold;
    }
    Ok(())
}

fn fill_ack_pending(config: &mut ConsumerConfig, bounds: &ConsumerBounds) {
    if config.max_ack_pending != 0 || config.ack_policy == AckPolicy::None {
        return;
    }
    let limits = [bounds.server_ack_pending_max, bounds.account_ack_pending_max];
    config.max_ack_pending =
        limits.into_iter().filter(|limit| *limit > 0).fold(ACK_PENDING_DEFAULT, i64::min);
}

fn fill_request_batch(
    config: &mut ConsumerConfig,
    bounds: &ConsumerBounds,
    pedantic: bool,
) -> Result<(), ApiError> {
    let limited = bounds.server_request_batch_max > 0;
    if !limited || config.is_push() || config.max_batch != 0 {
        return Ok(());
    }
    complain_if(pedantic, "max_request_batch must be set if it's JetStream limits are set")?;
    config.max_batch = bounds.server_request_batch_max;
    Ok(())
}

fn complain_if(wrong: bool, complaint: &'static str) -> Result<(), ApiError> {
    if wrong { Err(ErrorCode::Pedantic.with(complaint)) } else { Ok(()) }
}
