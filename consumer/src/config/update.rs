//! What of a configuration can change.

use headwater_protocol::jetstream::consumer_config::{AckPolicy, ConsumerConfig, PriorityPolicy};
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};

/// The API level a consumer needs, as kept with its configuration.
const REQUIRED_LEVEL: &str = "_nats.req.level";
/// What answers carry about this server; never kept.
const SERVER_KEYS: [&str; 2] = ["_nats.ver", "_nats.level"];

/// Whether `old` may become `new`. Whether the old deliver subject has interest is up to the router.
pub fn check_update(
    old: &ConsumerConfig,
    new: &ConsumerConfig,
    old_deliver_interest: bool,
) -> Result<(), ApiError> {
    let fixed = [
        (old.deliver_policy == new.deliver_policy, "deliver policy can not be updated"),
        (old.mem_storage == new.mem_storage, "storage type can not be updated"),
        (old.direct == new.direct, "direct can not be updated"),
        (old.sourcing == new.sourcing, "sourcing can not be updated"),
        (old.opt_start_seq == new.opt_start_seq, "start sequence can not be updated"),
        (start_time(old) == start_time(new), "start time can not be updated"),
        (old.ack_policy == new.ack_policy, "ack policy can not be updated"),
        (old.replay_policy == new.replay_policy, "replay policy can not be updated"),
        (old.idle_heartbeat == new.idle_heartbeat, "heart beats can not be updated"),
        (old.flow_control == new.flow_control, "flow control can not be updated"),
        (old.is_push() || !new.is_push(), "can not update pull consumer to push based"),
        (!old.is_push() || new.is_push(), "can not update push consumer to pull based"),
    ];
    if let Some((_, text)) = fixed.into_iter().find(|(same, _)| !same) {
        return Err(ErrorCode::ConsumerCreate.saying(text));
    }
    if old.deliver_subject != new.deliver_subject && old_deliver_interest {
        return Err(ErrorCode::ConsumerNameExist.error());
    }
    if old.max_waiting != new.max_waiting {
        return Err(ErrorCode::ConsumerCreate.saying("max waiting can not be updated"));
    }
    Ok(())
}

/// Whether two configurations ask for the same, the `_nats.*` notes aside. One that leaves the inactive threshold of an
/// ephemeral consumer to the server does not ask for what it got, as nats-server has it.
pub fn same_config(one: &ConsumerConfig, other: &ConsumerConfig) -> bool {
    comparable(one) == comparable(other)
}

/// Notes the API level the configuration needs and drops what a client said about servers.
pub fn set_required_level(config: &mut ConsumerConfig) {
    for key in SERVER_KEYS {
        config.metadata.remove(key);
    }
    let level = required_level(config);
    config.metadata.insert(REQUIRED_LEVEL.to_owned(), level.to_string());
}

fn required_level(config: &ConsumerConfig) -> u8 {
    let pauses = config.pause_until.is_some_and(|until| !until.is_zero());
    let grouped = config.priority_policy != PriorityPolicy::None
        || config.priority_timeout != 0
        || !config.priority_groups.is_empty();
    match (config.ack_policy, pauses || grouped) {
        (AckPolicy::FlowControl, _) => 4,
        (_, true) => 1,
        _ => 0,
    }
}

fn start_time(config: &ConsumerConfig) -> Option<i64> {
    config.opt_start_time.map(|time| time.timestamp().0)
}

fn comparable(config: &ConsumerConfig) -> ConsumerConfig {
    let mut config = config.clone();
    config.metadata.retain(|key, _| !key.starts_with("_nats."));
    config
}
