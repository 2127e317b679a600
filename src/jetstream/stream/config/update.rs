//! What an update may change.

use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::stream_config::{Discard, Retention, StreamConfig};

use super::features::check_discard_new_per_subject;
use super::invalid;

/// Checks that a stream of configuration `old` may go on with `new`, which is [`complete`](super::complete) already,
/// and adjusts what sealing implies.
pub fn check_update(old: &StreamConfig, mut new: StreamConfig) -> Result<StreamConfig, ApiError> {
    if new.name != old.name {
        return Err(invalid("stream configuration name must match original"));
    }
    if new.num_replicas > 1 {
        return Err(ErrorCode::StreamReplicasNotSupported.error());
    }
    if let Some(refused) = refused_change(old, &new) {
        return Err(invalid(refused));
    }
    if new.mirror.is_some() && new.mirror != old.mirror {
        return Err(ErrorCode::StreamMirrorNotUpdatable.error());
    }
    check_discard_new_per_subject(&new)?;
    if let Some(refused) = refused_feature_change(old, &new) {
        return Err(invalid(refused));
    }
    if new.sealed {
        seal(&mut new);
    }
    Ok(new)
}

fn refused_change(old: &StreamConfig, new: &StreamConfig) -> Option<&'static str> {
    let work_queue = |config: &StreamConfig| config.retention == Retention::WorkQueue;
    if new.storage != old.storage {
        Some("stream configuration update can not change storage type")
    } else if work_queue(new) != work_queue(old) {
        Some("stream configuration update can not change retention policy to/from workqueue")
    } else if old.sealed && !new.sealed {
        Some("stream configuration update can not unseal a sealed stream")
    } else if old.deny_delete && !new.deny_delete {
        Some("stream configuration update can not cancel deny message deletes")
    } else if old.deny_purge && !new.deny_purge {
        Some("stream configuration update can not cancel deny purge")
    } else {
        None
    }
}

fn refused_feature_change(old: &StreamConfig, new: &StreamConfig) -> Option<&'static str> {
    if old.allow_msg_ttl && !new.allow_msg_ttl {
        Some("message TTL status can not be disabled")
    } else if old.allow_msg_counter != new.allow_msg_counter {
        Some("stream configuration update can not change message counter setting")
    } else if old.allow_msg_schedules && !new.allow_msg_schedules {
        Some("message schedules can not be disabled")
    } else if old.persist_mode != new.persist_mode {
        Some("stream configuration update can not change persist mode")
    } else {
        None
    }
}

fn seal(config: &mut StreamConfig) {
    config.max_age = 0;
    config.discard = Discard::New;
    config.deny_delete = true;
    config.deny_purge = true;
    config.allow_rollup_hdrs = false;
}
