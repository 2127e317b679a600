//! Who may share a work queue: every message has one consumer.

use headwater_protocol::jetstream::consumer_config::{AckPolicy, ConsumerConfig, DeliverPolicy};
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::subject;

/// Whether a new consumer may join the `others` of a work queue stream.
pub fn check_workqueue<'a>(
    config: &ConsumerConfig,
    others: impl Iterator<Item = &'a ConsumerConfig> + Clone,
) -> Result<(), ApiError> {
    if config.direct || config.sourcing {
        return Ok(());
    }
    if !matches!(config.ack_policy, AckPolicy::Explicit | AckPolicy::FlowControl) {
        return Err(ErrorCode::ConsumerWorkQueueRequiresExplicitAck.error());
    }
    if config.deliver_policy != DeliverPolicy::All {
        return Err(ErrorCode::ConsumerWorkQueueConsumerNotDeliverAll.error());
    }
    if others.clone().all(|other| other.direct || other.sourcing) {
        return Ok(());
    }
    if config.filters().next().is_none() {
        return Err(ErrorCode::ConsumerWorkQueueMultipleUnfiltered.error());
    }
    if overlaps_another(config, others) {
        return Err(ErrorCode::ConsumerWorkQueueConsumerNotUnique.error());
    }
    Ok(())
}

/// Whether a filter of `config` shares a subject with one of the `others`; a consumer without filters wants all subjects.
pub fn overlaps_another<'a>(
    config: &ConsumerConfig,
    others: impl Iterator<Item = &'a ConsumerConfig>,
) -> bool {
    let mut counted = others.filter(|other| !other.direct && !other.sourcing);
    counted.any(|other| config.filters().any(|filter| covers(other, filter)))
}

fn covers(other: &ConsumerConfig, filter: &str) -> bool {
    let mut filters = other.filters().peekable();
    filters.peek().is_none() || filters.any(|own| subject::overlaps(own.as_bytes(), filter.as_bytes()))
}
