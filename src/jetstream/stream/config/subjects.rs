//! Which subjects a stream may capture.

use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::stream_config::StreamConfig;
use headwater_protocol::subject::{is_subset, is_valid, overlaps};

use super::invalid;

/// Namespaces of JetStream's own traffic.
const JETSTREAM_NAMESPACES: [&[u8]; 3] = [b"$JS.>", b"$JSC.>", b"$NRG.>"];

pub(super) fn fill_and_check(config: &mut StreamConfig) -> Result<(), ApiError> {
    if config.subjects.is_empty() {
        if config.mirror.is_none() && config.sources.is_empty() {
            config.subjects.push(config.name.clone());
        }
        return Ok(());
    }
    if config.mirror.is_some() {
        return Err(ErrorCode::MirrorWithSubjects.error());
    }
    for (i, subject) in config.subjects.iter().enumerate() {
        check_one(subject, config)?;
        let rest = config.subjects.get(i + 1..).unwrap_or_default();
        if let Some(other) = rest.iter().find(|other| overlaps(other.as_bytes(), subject.as_bytes())) {
            return Err(invalid(format_args!("subject {subject:?} overlaps with {other:?}")));
        }
    }
    Ok(())
}

fn check_one(subject: &str, config: &StreamConfig) -> Result<(), ApiError> {
    if !is_valid(subject.as_bytes()) {
        return Err(invalid("invalid subject"));
    }
    if subject == ">" && !config.no_ack {
        return Err(invalid("capturing all subjects requires no-ack to be true"));
    }
    if subject == ">" && config.num_replicas != 1 {
        return Err(invalid("capturing all subjects requires replicas of 1"));
    }
    if config.no_ack { Ok(()) } else { check_namespaces(subject.as_bytes()) }
}

/// A stream that acks must not capture the traffic that acks are made of.
fn check_namespaces(subject: &[u8]) -> Result<(), ApiError> {
    let in_jetstream = JETSTREAM_NAMESPACES.iter().any(|namespace| overlaps(subject, namespace));
    if in_jetstream && !is_subset(subject, b"$JS.EVENT.>") {
        return Err(invalid("subjects that overlap with jetstream api require no-ack to be true"));
    }
    if overlaps(subject, b"$SYS.>") && !is_subset(subject, b"$SYS.ACCOUNT.>") {
        return Err(invalid("subjects that overlap with system api require no-ack to be true"));
    }
    Ok(())
}
