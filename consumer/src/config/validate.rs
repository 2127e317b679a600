//! What makes no sense is refused, in the order and the words of nats-server.

use headwater_protocol::jetstream::consumer_config::{
    AckPolicy, ConsumerConfig, DeliverPolicy, PriorityPolicy,
};
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::go_duration::{GoDuration, MILLISECOND};
use headwater_protocol::jetstream::stream_config::{Retention, StreamConfig};
use headwater_protocol::subject;

use super::ConsumerBounds;
use super::defaults::SOURCING_HEARTBEAT;
use super::naming::{NAME_BYTES_MAX, is_valid_name};

const DESCRIPTION_BYTES_MAX: usize = 4096;
const METADATA_BYTES_MAX: usize = 128 * 1024;
const GROUP_NAME_BYTES_MAX: usize = 16;
const HEARTBEAT_MIN: i64 = 100 * MILLISECOND;
const REQUEST_EXPIRES_MIN: i64 = MILLISECOND;

/// Checks a configuration whose defaults have been filled in.
pub fn validate(
    config: &ConsumerConfig,
    stream: &StreamConfig,
    bounds: &ConsumerBounds,
) -> Result<(), ApiError> {
    check_name_characters(config)?;
    check_replicas(config, stream)?;
    check_waits(config)?;
    check_flow_control_acks(config)?;
    let backoffs = i64::try_from(config.backoff.len()).unwrap_or(i64::MAX);
    refuse_if(
        backoffs > 0 && config.max_deliver != -1 && backoffs > config.max_deliver,
        ErrorCode::ConsumerMaxDeliverBackoff,
    )?;
    if config.description.len() > DESCRIPTION_BYTES_MAX {
        return Err(ErrorCode::ConsumerDescriptionTooLong.with(DESCRIPTION_BYTES_MAX));
    }
    if config.is_push() {
        check_push(config, stream)?;
    } else {
        check_pull(config, stream, bounds)?;
    }
    check_limits(config, stream, bounds)?;
    check_direct(config)?;
    check_filters(config)?;
    check_start(config)?;
    check_sampling(&config.sample_freq)?;
    refuse_if(
        config.flow_control && config.idle_heartbeat == 0,
        ErrorCode::ConsumerWithFlowControlNeedsHeartbeats,
    )?;
    check_names_agree(config)?;
    check_metadata(config)?;
    check_priority(config)
}

fn check_name_characters(config: &ConsumerConfig) -> Result<(), ApiError> {
    if !config.name.is_empty() && !is_valid_name(&config.name) {
        return Err(
            ErrorCode::StreamInvalidConfig.saying(r"consumer name can not contain '.', '*', '>', '\', '/'")
        );
    }
    if !config.durable_name.is_empty() && !is_valid_name(&config.durable_name) {
        return Err(ErrorCode::StreamInvalidConfig
            .saying(r"consumer durable name can not contain '.', '*', '>', '\', '/'"));
    }
    Ok(())
}

fn check_replicas(config: &ConsumerConfig, stream: &StreamConfig) -> Result<(), ApiError> {
    refuse_if(config.num_replicas > 1, ErrorCode::StreamReplicasNotSupported)?;
    refuse_if(
        config.num_replicas > 0 && config.num_replicas > stream.num_replicas,
        ErrorCode::ConsumerReplicasExceedsStream,
    )?;
    refuse_if(config.num_replicas < 0, ErrorCode::ReplicasCountCannotBeNegative)?;
    let differ = config.num_replicas != 0 && config.num_replicas != stream.num_replicas;
    refuse_if(stream.retention != Retention::Limits && differ, ErrorCode::ConsumerReplicasShouldMatchStream)
}

fn check_waits(config: &ConsumerConfig) -> Result<(), ApiError> {
    refuse_if(config.backoff.iter().any(|wait| *wait < 0), ErrorCode::ConsumerBackOffNegative)?;
    refuse_if(config.ack_wait < 0, ErrorCode::ConsumerAckWaitNegative)
}

fn check_flow_control_acks(config: &ConsumerConfig) -> Result<(), ApiError> {
    if config.ack_policy != AckPolicy::FlowControl {
        return Ok(());
    }
    refuse_if(!config.is_push(), ErrorCode::ConsumerAckFcRequiresPush)?;
    refuse_if(!config.flow_control, ErrorCode::ConsumerAckFcRequiresFc)?;
    if config.idle_heartbeat != SOURCING_HEARTBEAT {
        return Err(ErrorCode::StreamInvalidConfig.saying("flow control ack policy heartbeat needs to be 1s"));
    }
    refuse_if(config.max_ack_pending <= 0, ErrorCode::ConsumerAckFcRequiresMaxAckPending)?;
    let waits = config.ack_wait != 0 || !config.backoff.is_empty();
    refuse_if(waits, ErrorCode::ConsumerAckFcRequiresNoAckWait)?;
    refuse_if(config.max_deliver > 0, ErrorCode::ConsumerAckFcRequiresNoMaxDeliver)
}

fn check_push(config: &ConsumerConfig, stream: &StreamConfig) -> Result<(), ApiError> {
    let deliver = config.deliver_subject.as_bytes();
    refuse_if(subject::has_wildcards(deliver), ErrorCode::ConsumerDeliverToWildcards)?;
    refuse_if(!subject::is_valid(deliver), ErrorCode::ConsumerInvalidDeliverSubject)?;
    let cycle = stream.subjects.iter().any(|stored| subject::is_subset(deliver, stored.as_bytes()));
    refuse_if(cycle, ErrorCode::ConsumerDeliverCycle)?;
    refuse_if(config.max_waiting != 0, ErrorCode::ConsumerPushMaxWaiting)?;
    let unacked = config.ack_policy == AckPolicy::None && config.max_ack_pending > 0;
    refuse_if(unacked, ErrorCode::ConsumerMaxPendingAckPolicyRequired)?;
    let too_fast = (1..HEARTBEAT_MIN).contains(&config.idle_heartbeat);
    refuse_if(too_fast, ErrorCode::ConsumerSmallHeartbeat)
}

fn check_pull(
    config: &ConsumerConfig,
    stream: &StreamConfig,
    bounds: &ConsumerBounds,
) -> Result<(), ApiError> {
    let unacked = config.ack_policy == AckPolicy::None && stream.retention == Retention::WorkQueue;
    refuse_if(unacked, ErrorCode::ConsumerPullRequiresAck)?;
    refuse_if(config.rate_limit_bps > 0, ErrorCode::ConsumerPullWithRateLimit)?;
    refuse_if(config.idle_heartbeat > 0, ErrorCode::ConsumerHbRequiresPush)?;
    refuse_if(config.flow_control, ErrorCode::ConsumerFcRequiresPush)?;
    let too_short = (1..REQUEST_EXPIRES_MIN).contains(&config.max_expires);
    refuse_if(too_short, ErrorCode::ConsumerMaxRequestExpiresTooSmall)?;
    let batch_max = bounds.server_request_batch_max;
    if batch_max > 0 && config.max_batch > batch_max {
        return Err(ErrorCode::ConsumerMaxRequestBatchExceeded.with(batch_max));
    }
    Ok(())
}

fn check_limits(
    config: &ConsumerConfig,
    stream: &StreamConfig,
    bounds: &ConsumerBounds,
) -> Result<(), ApiError> {
    let limits = [
        bounds.server_ack_pending_max,
        bounds.account_ack_pending_max,
        stream.consumer_limits.max_ack_pending,
    ];
    if let Some(limit) = limits.into_iter().find(|limit| *limit > 0 && config.max_ack_pending > *limit) {
        return Err(ErrorCode::ConsumerMaxPendingAckExcess.with(limit));
    }
    let threshold = stream.consumer_limits.inactive_threshold;
    if threshold > 0 && config.inactive_threshold > threshold {
        return Err(ErrorCode::ConsumerInactiveThresholdExcess.with(GoDuration(threshold)));
    }
    Ok(())
}

fn check_direct(config: &ConsumerConfig) -> Result<(), ApiError> {
    refuse_if(config.direct && !config.is_push(), ErrorCode::ConsumerDirectRequiresPush)?;
    refuse_if(config.direct && !config.durable_name.is_empty(), ErrorCode::ConsumerDirectRequiresEphemeral)
}

fn check_filters(config: &ConsumerConfig) -> Result<(), ApiError> {
    let both = !config.filter_subject.is_empty() && !config.filter_subjects.is_empty();
    refuse_if(both, ErrorCode::ConsumerDuplicateFilterSubjects)?;
    refuse_if(config.filter_subjects.iter().any(String::is_empty), ErrorCode::ConsumerEmptyFilter)?;
    let filters: Vec<&[u8]> = config.filters().map(str::as_bytes).collect();
    if !filters.iter().all(|filter| subject::is_valid(filter)) {
        return Err(ErrorCode::StreamInvalidConfig.saying("invalid subject"));
    }
    // Stricter than nats-server, which lets `a.*` and `*.b` pass because neither contains the other.
    let overlap = filters
        .iter()
        .enumerate()
        .any(|(i, one)| filters.iter().skip(i + 1).any(|other| subject::overlaps(one, other)));
    refuse_if(overlap, ErrorCode::ConsumerOverlappingSubjectFilters)
}

fn check_start(config: &ConsumerConfig) -> Result<(), ApiError> {
    let (has_sequence, has_time) = (config.opt_start_seq > 0, config.opt_start_time.is_some());
    let complaint = match config.deliver_policy {
        DeliverPolicy::All => surplus("all", has_sequence, has_time),
        DeliverPolicy::Last => surplus("last", has_sequence, has_time),
        DeliverPolicy::New => surplus("new", has_sequence, has_time),
        DeliverPolicy::LastPerSubject => surplus("last per subject", has_sequence, has_time).or_else(|| {
            let unfiltered = config.filters().next().is_none();
            unfiltered.then(|| missing("last per subject", "filter subject"))
        }),
        DeliverPolicy::ByStartSequence if !has_sequence => {
            Some(missing("by start sequence", "start sequence"))
        }
        DeliverPolicy::ByStartSequence => has_time.then(|| also_set("by start sequence", "time")),
        DeliverPolicy::ByStartTime if !has_time => Some(missing("by start time", "start time")),
        DeliverPolicy::ByStartTime => has_sequence.then(|| also_set("by start time", "start sequence")),
    };
    complaint.map_or(Ok(()), |text| Err(ErrorCode::ConsumerInvalidPolicy.with(text)))
}

fn surplus(policy: &str, has_sequence: bool, has_time: bool) -> Option<String> {
    match (has_sequence, has_time) {
        (true, _) => Some(also_set(policy, "sequence")),
        (_, true) => Some(also_set(policy, "time")),
        _ => None,
    }
}

fn also_set(policy: &str, start: &str) -> String {
    format!("consumer delivery policy is deliver {policy}, but optional start {start} is also set")
}

fn missing(policy: &str, what: &str) -> String {
    format!("consumer delivery policy is deliver {policy}, but optional {what} is not set")
}

/// The share of acknowledgements to measure, in percent; 0 when none are.
pub fn sample_percent(sample_freq: &str) -> Result<u8, String> {
    if sample_freq.is_empty() {
        return Ok(0);
    }
    let digits = sample_freq.strip_suffix('%').unwrap_or(sample_freq);
    match digits.parse::<i64>() {
        Ok(percent) if percent >= 0 => Ok(u8::try_from(percent).unwrap_or(100).min(100)),
        // What Go prints for an error that is none.
        Ok(_) => Err("<nil>".to_owned()),
        Err(_) => Err(format!("strconv.Atoi: parsing {digits:?}: invalid syntax")),
    }
}

fn check_sampling(sample_freq: &str) -> Result<(), ApiError> {
    match sample_percent(sample_freq) {
        Ok(_) => Ok(()),
        Err(text) => Err(ErrorCode::ConsumerInvalidSampling.with(text)),
    }
}

fn check_names_agree(config: &ConsumerConfig) -> Result<(), ApiError> {
    let differ =
        !config.durable_name.is_empty() && !config.name.is_empty() && config.name != config.durable_name;
    refuse_if(differ, ErrorCode::ConsumerCreateDurableAndNameMismatch)?;
    if config.durable_name.len() > NAME_BYTES_MAX {
        return Err(ErrorCode::ConsumerNameTooLong.with(NAME_BYTES_MAX));
    }
    if config.name.len() > NAME_BYTES_MAX {
        return Err(ErrorCode::ConsumerCreate.saying("error creating store for consumer"));
    }
    Ok(())
}

fn check_metadata(config: &ConsumerConfig) -> Result<(), ApiError> {
    let bytes: usize = config.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > METADATA_BYTES_MAX {
        return Err(ErrorCode::ConsumerMetadataLength.with(format_args!("{}KB", METADATA_BYTES_MAX / 1024)));
    }
    Ok(())
}

fn check_priority(config: &ConsumerConfig) -> Result<(), ApiError> {
    if config.priority_policy == PriorityPolicy::None {
        refuse_if(!config.priority_groups.is_empty(), ErrorCode::ConsumerPriorityGroupWithPolicyNone)?;
        return refuse_if(config.priority_timeout > 0, ErrorCode::ConsumerPinnedTtlWithoutPriorityPolicyNone);
    }
    refuse_if(config.is_push(), ErrorCode::ConsumerPushWithPriorityGroup)?;
    refuse_if(config.priority_groups.is_empty(), ErrorCode::ConsumerPriorityPolicyWithoutGroup)?;
    config.priority_groups.iter().try_for_each(|group| check_group_name(group))
}

/// Checks the name of a priority group, also when an unpin request names it.
pub fn check_group_name(group: &str) -> Result<(), ApiError> {
    refuse_if(group.is_empty(), ErrorCode::ConsumerEmptyGroupName)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_=-".contains(&byte);
    let valid = group.len() <= GROUP_NAME_BYTES_MAX && group.bytes().all(allowed);
    refuse_if(!valid, ErrorCode::ConsumerInvalidGroupName)
}

fn refuse_if(wrong: bool, code: ErrorCode) -> Result<(), ApiError> {
    if wrong { Err(code.error()) } else { Ok(()) }
}
