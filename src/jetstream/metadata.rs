//! The `_nats.*` metadata keys by which API levels are negotiated (ADR-44).

use std::collections::BTreeMap;

use headwater_protocol::jetstream::account_info::API_LEVEL;
use headwater_protocol::jetstream::consumer_config::{AckPolicy, ConsumerConfig, PriorityPolicy};
use headwater_protocol::jetstream::stream_config::{PersistMode, StreamConfig};

use crate::version::NATS_VERSION;

/// The API level a server must have to serve the asset; the only key that is stored.
const REQUIRED_LEVEL: &str = "_nats.req.level";
/// The API level of the server that answers.
const SERVER_LEVEL: &str = "_nats.level";
/// The version of the server that answers.
const SERVER_VERSION: &str = "_nats.ver";

/// Sets what is stored with a stream.
pub fn stamp_stream(config: &mut StreamConfig) {
    let level = stream_level(config);
    stamp(&mut config.metadata, level);
}

/// Sets what is stored with a consumer.
pub fn stamp_consumer(config: &mut ConsumerConfig) {
    let level = consumer_level(config);
    stamp(&mut config.metadata, level);
}

/// Adds what answers tell of the server.
pub fn add_server(metadata: &mut BTreeMap<String, String>) {
    metadata.insert(SERVER_VERSION.into(), NATS_VERSION.into());
    metadata.insert(SERVER_LEVEL.into(), API_LEVEL.to_string());
}

/// Whether two stored configurations of a stream say the same.
pub fn same_stream(a: &StreamConfig, b: &StreamConfig) -> bool {
    let without = |config: &StreamConfig| {
        let mut config = config.clone();
        remove_ours(&mut config.metadata);
        config
    };
    without(a) == without(b)
}

fn stamp(metadata: &mut BTreeMap<String, String>, level: u32) {
    remove_ours(metadata);
    metadata.insert(REQUIRED_LEVEL.into(), level.to_string());
}

fn remove_ours(metadata: &mut BTreeMap<String, String>) {
    for key in [REQUIRED_LEVEL, SERVER_LEVEL, SERVER_VERSION] {
        metadata.remove(key);
    }
}

fn stream_level(config: &StreamConfig) -> u32 {
    if config.allow_batched {
        4
    } else if config.allow_msg_counter
        || config.allow_atomic
        || config.allow_msg_schedules
        || config.persist_mode == PersistMode::Async
    {
        2
    } else if config.allow_msg_ttl || config.subject_delete_marker_ttl > 0 {
        1
    } else {
        0
    }
}

fn consumer_level(config: &ConsumerConfig) -> u32 {
    if config.ack_policy == AckPolicy::FlowControl {
        4
    } else if config.pause_until.is_some_and(|until| !until.is_zero())
        || config.priority_policy != PriorityPolicy::None
        || !config.priority_groups.is_empty()
    {
        1
    } else {
        0
    }
}
