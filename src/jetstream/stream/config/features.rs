//! Features that exclude or imply one another.

use headwater_protocol::jetstream::error::ApiError;
use headwater_protocol::jetstream::stream_config::{Discard, PersistMode, Retention, Storage, StreamConfig};

use super::invalid;

/// A delete marker lives at least a second.
const MARKER_TTL_MIN: i64 = 1_000_000_000;

pub(super) fn check(config: &mut StreamConfig, pedantic: bool) -> Result<(), ApiError> {
    if config.deny_purge && config.allow_rollup_hdrs {
        return Err(invalid("roll-ups require the purge permission"));
    }
    check_counter(config)?;
    check_discard_new_per_subject(config)?;
    check_delete_markers(config, pedantic)?;
    check_schedules(config, pedantic)?;
    check_async_persist(config)
}

fn check_counter(config: &StreamConfig) -> Result<(), ApiError> {
    if !config.allow_msg_counter {
        return Ok(());
    }
    if config.discard == Discard::New {
        return Err(invalid("counter stream cannot use discard new"));
    }
    if config.allow_msg_ttl {
        return Err(invalid("counter stream cannot use message TTLs"));
    }
    if config.allow_msg_schedules {
        return Err(invalid("counter stream cannot use message schedules"));
    }
    if config.retention != Retention::Limits {
        return Err(invalid("counter stream can only use limits retention"));
    }
    Ok(())
}

pub(super) fn check_discard_new_per_subject(config: &StreamConfig) -> Result<(), ApiError> {
    if !config.discard_new_per_subject {
        return Ok(());
    }
    if config.discard != Discard::New {
        return Err(invalid("discard new per subject requires discard new policy to be set"));
    }
    if config.max_msgs_per_subject <= 0 {
        return Err(invalid("discard new per subject requires max msgs per subject > 0"));
    }
    Ok(())
}

fn check_delete_markers(config: &mut StreamConfig, pedantic: bool) -> Result<(), ApiError> {
    match config.subject_delete_marker_ttl {
        0 => return Ok(()),
        i64::MIN..=-1 => return Err(invalid("subject delete marker TTL must not be negative")),
        1..MARKER_TTL_MIN => return Err(invalid("subject delete marker TTL must be at least 1 second")),
        _ => {}
    }
    if !config.allow_msg_ttl && pedantic {
        return Err(invalid("subject delete marker cannot be set if message TTLs are disabled"));
    }
    config.allow_msg_ttl = true;
    allow_rollup(config, pedantic, "subject delete marker cannot be set if roll-ups are disabled")
}

fn check_schedules(config: &mut StreamConfig, pedantic: bool) -> Result<(), ApiError> {
    if !config.allow_msg_schedules {
        return Ok(());
    }
    if config.discard == Discard::New {
        return Err(invalid("message scheduling cannot use discard new"));
    }
    allow_rollup(config, pedantic, "message scheduling cannot be set if roll-ups are disabled")
}

fn allow_rollup(config: &mut StreamConfig, pedantic: bool, refusal: &'static str) -> Result<(), ApiError> {
    if config.allow_rollup_hdrs {
        return Ok(());
    }
    if pedantic {
        return Err(invalid(refusal));
    }
    config.allow_rollup_hdrs = true;
    config.deny_purge = false;
    Ok(())
}

fn check_async_persist(config: &StreamConfig) -> Result<(), ApiError> {
    if config.persist_mode != PersistMode::Async {
        return Ok(());
    }
    if config.storage != Storage::File {
        return Err(invalid("async persist mode is only supported on file storage"));
    }
    if config.num_replicas > 1 {
        return Err(invalid("async persist mode is not supported on replicated streams"));
    }
    if config.allow_atomic {
        return Err(invalid("async persist mode is not supported with atomic batch publish"));
    }
    Ok(())
}
