//! Subject transform and republish of a stream.

use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::stream_config::{Republish, StreamConfig};
use headwater_protocol::jetstream::stream_source::SubjectTransform;
use headwater_protocol::subject::transform::Transform;
use headwater_protocol::subject::{is_valid, overlaps};

use super::{invalid, pedantic_error};

pub(super) fn check(config: &mut StreamConfig, pedantic: bool) -> Result<(), ApiError> {
    if let Some(transform) = &config.subject_transform {
        check_transform(transform)?;
    }
    let Some(republish) = config.republish.take() else {
        return Ok(());
    };
    config.republish = Some(fill_republish(config, republish, pedantic)?);
    Ok(())
}

fn check_transform(transform: &SubjectTransform) -> Result<(), ApiError> {
    if !transform.src.is_empty() && !is_valid(transform.src.as_bytes()) {
        return Err(
            ErrorCode::StreamTransformInvalidSource.with(format_args!("invalid subject {}", transform.src))
        );
    }
    Transform::new(&transform.src, &transform.dest)
        .map(drop)
        .map_err(|error| ErrorCode::StreamTransformInvalidDestination.with(error))
}

fn fill_republish(
    config: &StreamConfig,
    mut republish: Republish,
    pedantic: bool,
) -> Result<Republish, ApiError> {
    if republish.src.is_empty() {
        if pedantic {
            return Err(pedantic_error("republish source can not be empty"));
        }
        republish.src = ">".into();
    }
    follow_transform(config, &mut republish, pedantic)?;
    if config.subjects.iter().any(|subject| overlaps(republish.dest.as_bytes(), subject.as_bytes())) {
        return Err(invalid("stream configuration for republish destination forms a cycle"));
    }
    if Transform::new(&republish.src, &republish.dest).is_err() {
        return Err(invalid(format_args!(
            "stream configuration for republish with transform from '{}' to '{}' not valid",
            republish.src, republish.dest
        )));
    }
    Ok(republish)
}

/// `>` to `>` means the transformed subjects, where the transform covers all the stream captures.
fn follow_transform(
    config: &StreamConfig,
    republish: &mut Republish,
    pedantic: bool,
) -> Result<(), ApiError> {
    let Some(transform) = &config.subject_transform else {
        return Ok(());
    };
    let everything = republish.src == ">" && republish.dest == ">";
    if !everything || config.subjects.len() != 1 || config.subjects.first() != Some(&transform.src) {
        return Ok(());
    }
    if pedantic {
        return Err(pedantic_error("implicit republish based on subject transform"));
    }
    republish.src.clone_from(&transform.dest);
    republish.dest.clone_from(&transform.dest);
    Ok(())
}
