//! A create request, judged in the order in which nats-server looks at it.

use headwater_protocol::jetstream::consumer_config::ConsumerConfig;
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::request::ConsumerAction;
use headwater_protocol::jetstream::stream_config::{Retention, StreamConfig};

use super::ConsumerBounds;
use super::defaults::{INACTIVE_THRESHOLD_DEFAULT, fill_defaults};
use super::update::{check_update, same_config, set_required_level};
use super::validate::validate;
use super::workqueue::{check_workqueue, overlaps_another};

/// What the request finds.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// The stream.
    pub stream: &'a StreamConfig,
    /// Limits of server and account.
    pub bounds: ConsumerBounds,
    /// The configuration of the consumer of that name, if there is one.
    pub existing: Option<&'a ConsumerConfig>,
    /// Whether somebody listens to the existing consumer's deliver subject.
    pub deliver_interest: bool,
    /// How many consumers the stream has that count against its limit.
    pub counted: usize,
    /// Gathers the configurations of the stream's other consumers; asked for only when they matter.
    pub others: &'a dyn Fn() -> Vec<&'a ConsumerConfig>,
}

impl<'a> Situation<'a> {
    /// The first consumer of a stream, with no limits but the defaults.
    pub fn of_first(stream: &'a StreamConfig) -> Self {
        Situation {
            stream,
            bounds: ConsumerBounds::default(),
            existing: None,
            deliver_interest: false,
            counted: 0,
            others: &Vec::new,
        }
    }
}

/// What is to be done. Both carry the complete configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Make a new consumer.
    Create(ConsumerConfig),
    /// Give the existing one this configuration, which may be the one it has.
    Update(ConsumerConfig),
}

/// Judges a request whose names have been checked.
pub fn decide(
    mut config: ConsumerConfig,
    action: ConsumerAction,
    pedantic: bool,
    situation: &Situation<'_>,
) -> Result<Decision, ApiError> {
    if let Some(existing) = situation.existing {
        keep_from_existing(&mut config, existing);
    }
    set_required_level(&mut config);
    fill_defaults(&mut config, situation.stream, &situation.bounds, pedantic)?;
    validate(&config, situation.stream, &situation.bounds)?;
    match situation.existing {
        Some(existing) => decide_update(config, existing, action, situation),
        None => decide_create(config, action, situation),
    }
}

/// Pauses are set by their own request; a sourcing server asks again without knowing where it began.
fn keep_from_existing(config: &mut ConsumerConfig, existing: &ConsumerConfig) {
    config.pause_until = existing.pause_until;
    if config.sourcing && !config.durable_name.is_empty() {
        config.deliver_policy = existing.deliver_policy;
        config.opt_start_seq = existing.opt_start_seq;
        config.opt_start_time = existing.opt_start_time;
    }
}

fn decide_update(
    mut config: ConsumerConfig,
    existing: &ConsumerConfig,
    action: ConsumerAction,
    situation: &Situation<'_>,
) -> Result<Decision, ApiError> {
    if action == ConsumerAction::Create && !same_config(&config, existing) {
        return Err(ErrorCode::ConsumerAlreadyExists.error());
    }
    let workqueue = situation.stream.retention == Retention::WorkQueue;
    if workqueue && overlaps_another(&config, (situation.others)().into_iter()) {
        return Err(ErrorCode::ConsumerWorkQueueConsumerNotUnique.error());
    }
    check_update(existing, &config, situation.deliver_interest)?;
    // As with nats-server, whether a consumer is short-lived goes by the name it was made with.
    let changed = config.inactive_threshold != existing.inactive_threshold;
    if changed && config.inactive_threshold <= 0 && existing.durable_name.is_empty() {
        config.inactive_threshold = INACTIVE_THRESHOLD_DEFAULT;
    }
    Ok(Decision::Update(config))
}

fn decide_create(
    mut config: ConsumerConfig,
    action: ConsumerAction,
    situation: &Situation<'_>,
) -> Result<Decision, ApiError> {
    if action == ConsumerAction::Update {
        return Err(ErrorCode::ConsumerDoesNotExist.error());
    }
    let max = consumers_max(situation);
    if max > 0 && i64::try_from(situation.counted).unwrap_or(i64::MAX) >= max {
        return Err(ErrorCode::MaximumConsumersLimit.error());
    }
    if situation.stream.retention == Retention::WorkQueue {
        check_workqueue(&config, (situation.others)().into_iter())?;
    }
    fill_inactive_threshold(&mut config);
    Ok(Decision::Create(config))
}

/// The stream's own limit or the account's, whichever is lower; 0 or less means none.
fn consumers_max(situation: &Situation<'_>) -> i64 {
    let (of_stream, of_account) = (situation.stream.max_consumers, situation.bounds.account_consumers_max);
    if of_stream <= 0 || (of_account > 0 && of_account < of_stream) { of_account } else { of_stream }
}

fn fill_inactive_threshold(config: &mut ConsumerConfig) {
    if config.durable_name.is_empty() && config.inactive_threshold <= 0 {
        config.inactive_threshold = INACTIVE_THRESHOLD_DEFAULT;
    }
}
