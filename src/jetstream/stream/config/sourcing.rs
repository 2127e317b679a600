//! Mirrors and sources: what may be combined, names, filters, prefixes and cycles.

use std::collections::{HashSet, VecDeque};

use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::stream_config::StreamConfig;
use headwater_protocol::jetstream::stream_source::{StreamSource, SubjectTransform};
use headwater_protocol::subject::transform::Transform;
use headwater_protocol::subject::{is_literal, is_subset, is_valid, overlaps};

use super::{Surroundings, invalid, is_valid_name, pedantic_error};
use crate::jetstream::sourcing::origin::index_name;

/// The prefix of the API that other systems' prefixes must stay clear of.
const API_PREFIX: &str = "$JS.API";

pub(super) fn check(
    config: &mut StreamConfig,
    around: &Surroundings<'_>,
    pedantic: bool,
) -> Result<(), ApiError> {
    if let Some(mirror) = config.mirror.take() {
        let checked = check_mirror(config, &mirror, around, pedantic);
        config.mirror = Some(mirror);
        checked?;
    }
    if !config.sources.is_empty() && config.allow_msg_schedules {
        return Err(ErrorCode::SourceWithMsgSchedules.error());
    }
    check_sources(config, around)?;
    check_prefixes(config, around)?;
    check_cycles(config, around)
}

fn check_mirror(
    config: &mut StreamConfig,
    mirror: &StreamSource,
    around: &Surroundings<'_>,
    pedantic: bool,
) -> Result<(), ApiError> {
    refuse_with_mirror(config)?;
    if mirror.consumer.is_some() && !durable_is_valid(mirror) {
        return Err(ErrorCode::MirrorDurableConsumerCfgInvalid.error());
    }
    if !mirror.filter_subject.is_empty() && !mirror.subject_transforms.is_empty() {
        return Err(ErrorCode::MirrorMultipleFiltersNotAllowed.error());
    }
    if config.subject_delete_marker_ttl > 0 {
        return Err(invalid("subject delete markers forbidden on mirrors"));
    }
    check_transforms(
        &mirror.subject_transforms,
        ErrorCode::MirrorInvalidSubjectFilter,
        ErrorCode::MirrorInvalidTransformDestination,
    )?;
    if any_pair(&mirror.subject_transforms, |a, b| overlaps(a.src.as_bytes(), b.src.as_bytes())) {
        return Err(ErrorCode::MirrorOverlappingSubjectFilters.error());
    }
    if mirror.external.is_some() { Ok(()) } else { check_local_origin(config, mirror, around, pedantic) }
}

fn refuse_with_mirror(config: &StreamConfig) -> Result<(), ApiError> {
    let refused = if config.first_seq > 0 {
        ErrorCode::MirrorWithFirstSeq
    } else if !config.subjects.is_empty() {
        ErrorCode::MirrorWithSubjects
    } else if !config.sources.is_empty() {
        ErrorCode::MirrorWithSources
    } else if config.allow_msg_counter {
        ErrorCode::MirrorWithCounters
    } else if config.allow_atomic {
        ErrorCode::MirrorWithAtomicPublish
    } else if config.allow_batched {
        ErrorCode::MirrorWithBatchPublish
    } else if config.allow_msg_schedules {
        ErrorCode::MirrorWithMsgSchedules
    } else {
        return Ok(());
    };
    Err(refused.error())
}

fn check_local_origin(
    config: &mut StreamConfig,
    mirror: &StreamSource,
    around: &Surroundings<'_>,
    pedantic: bool,
) -> Result<(), ApiError> {
    if !is_valid_name(&mirror.name) {
        return Err(ErrorCode::MirrorInvalidStreamName.error());
    }
    let Some(origin) = (around.stream)(&mirror.name) else {
        return Ok(());
    };
    if takes_smaller_messages(config, &origin) {
        return Err(ErrorCode::MirrorMaxMessageSizeTooBig.error());
    }
    if pedantic && config.mirror_direct != origin.allow_direct {
        return Err(pedantic_error("origin stream has direct get set, mirror has it disabled"));
    }
    config.mirror_direct = origin.allow_direct;
    Ok(())
}

fn takes_smaller_messages(config: &StreamConfig, origin: &StreamConfig) -> bool {
    config.max_msg_size > 0 && origin.max_msg_size > 0 && config.max_msg_size < origin.max_msg_size
}

fn check_sources(config: &StreamConfig, around: &Surroundings<'_>) -> Result<(), ApiError> {
    let mut origins = HashSet::new();
    let mut durables = HashSet::new();
    for source in &config.sources {
        if !is_valid_name(&source.name) {
            return Err(ErrorCode::SourceInvalidStreamName.error());
        }
        if !origins.insert(index_name(source)) {
            return Err(ErrorCode::SourceDuplicateDetected.error());
        }
        check_source(source)?;
        if let Some(consumer) = &source.consumer {
            let api = source.external.as_ref().map_or("", |external| external.api.as_str());
            if !durables.insert((source.name.as_str(), api, consumer.name.as_str())) {
                return Err(ErrorCode::SourceDurableConsumerDuplicateDetected.error());
            }
        }
        let origin = if source.external.is_some() { None } else { (around.stream)(&source.name) };
        if origin.is_some_and(|origin| takes_smaller_messages(config, &origin)) {
            return Err(ErrorCode::SourceMaxMessageSizeTooBig.error());
        }
    }
    Ok(())
}

fn check_source(source: &StreamSource) -> Result<(), ApiError> {
    if !source.filter_subject.is_empty() && !source.subject_transforms.is_empty() {
        return Err(ErrorCode::SourceMultipleFiltersNotAllowed.error());
    }
    check_transforms(
        &source.subject_transforms,
        ErrorCode::SourceInvalidSubjectFilter,
        ErrorCode::SourceInvalidTransformDestination,
    )?;
    if any_pair(&source.subject_transforms, |a, b| is_subset(a.src.as_bytes(), b.src.as_bytes())) {
        return Err(ErrorCode::SourceOverlappingSubjectFilters.error());
    }
    if source.consumer.is_some() && !durable_is_valid(source) {
        return Err(ErrorCode::SourceDurableConsumerCfgInvalid.error());
    }
    Ok(())
}

fn check_transforms(
    transforms: &[SubjectTransform],
    bad_source: ErrorCode,
    bad_destination: ErrorCode,
) -> Result<(), ApiError> {
    for transform in transforms {
        if !transform.src.is_empty() && !is_valid(transform.src.as_bytes()) {
            return Err(bad_source.with(format_args!("invalid subject {}", transform.src)));
        }
        if !transform.dest.is_empty() {
            Transform::new(&transform.src, &transform.dest).map_err(|error| bad_destination.with(error))?;
        }
    }
    Ok(())
}

fn any_pair(
    transforms: &[SubjectTransform],
    hit: impl Fn(&SubjectTransform, &SubjectTransform) -> bool,
) -> bool {
    transforms
        .iter()
        .enumerate()
        .any(|(i, outer)| transforms.iter().enumerate().any(|(j, inner)| i != j && hit(outer, inner)))
}

/// A consumer made beforehand brings its own start and filter, so the source must have none.
fn durable_is_valid(source: &StreamSource) -> bool {
    source.consumer.as_ref().is_some_and(|consumer| {
        is_valid_name(&consumer.name) && is_literal(consumer.deliver_subject.as_bytes())
    }) && source.opt_start_seq == 0
        && source.opt_start_time.is_none()
        && source.filter_subject.is_empty()
}

fn check_prefixes(config: &StreamConfig, around: &Surroundings<'_>) -> Result<(), ApiError> {
    let origins = || config.mirror.iter().chain(&config.sources);
    let local = origins().filter(|source| source.external.is_none());
    let origin_subjects: Vec<String> =
        local.filter_map(|source| (around.stream)(&source.name)).flat_map(|origin| origin.subjects).collect();
    for external in origins().filter_map(|source| source.external.as_ref()) {
        check_deliver_prefix(&external.deliver, &origin_subjects)?;
    }
    for external in origins().filter_map(|source| source.external.as_ref()) {
        check_api_prefix(&external.api)?;
    }
    Ok(())
}

fn check_deliver_prefix(prefix: &str, origin_subjects: &[String]) -> Result<(), ApiError> {
    if prefix.is_empty() {
        return Ok(());
    }
    if !is_literal(prefix.as_bytes()) {
        return Err(ErrorCode::StreamInvalidExternalDeliverySubj.with(prefix));
    }
    let collides = |subject: &&String| overlaps(subject.as_bytes(), format!("{prefix}.{subject}").as_bytes());
    match origin_subjects.iter().find(collides) {
        Some(subject) => Err(ErrorCode::StreamExternalDelPrefixOverlaps.with_both(prefix, subject)),
        None => Ok(()),
    }
}

fn check_api_prefix(prefix: &str) -> Result<(), ApiError> {
    if prefix.is_empty() {
        return Ok(());
    }
    if !is_literal(prefix.as_bytes()) {
        return Err(invalid(format_args!(
            "stream external api prefix {prefix:?} must be a valid subject without wildcards"
        )));
    }
    if overlaps(prefix.as_bytes(), API_PREFIX.as_bytes()) {
        return Err(ErrorCode::StreamExternalApiOverlap.with_both(prefix, API_PREFIX));
    }
    Ok(())
}

/// Follows local origins from stream to stream; meeting one again is a cycle where the filter lets messages through.
fn check_cycles(config: &StreamConfig, around: &Surroundings<'_>) -> Result<(), ApiError> {
    let mut to_visit = VecDeque::from([config.clone()]);
    let mut visited = HashSet::new();
    while let Some(next) = to_visit.pop_front() {
        visited.insert(next.name.clone());
        for source in next.sources.iter().chain(&next.mirror).filter(|source| source.external.is_none()) {
            if !visited.contains(&source.name) {
                to_visit.extend((around.stream)(&source.name));
            } else if next.mirror.is_some() || passes_filter(&next.subjects, &source.filter_subject) {
                return Err(invalid("detected cycle"));
            }
        }
    }
    Ok(())
}

fn passes_filter(subjects: &[String], filter: &str) -> bool {
    filter.is_empty() || subjects.iter().any(|subject| overlaps(subject.as_bytes(), filter.as_bytes()))
}
