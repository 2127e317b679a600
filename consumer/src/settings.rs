//! A consumer's configuration in the form its machine works with.

use bytes::Bytes;
use headwater_protocol::jetstream::consumer_config::{
    AckPolicy, ConsumerConfig, DeliverPolicy, PriorityPolicy, ReplayPolicy,
};
use headwater_protocol::jetstream::stream_config::{Retention, StreamConfig};
use headwater_store::UnixNanos;

use super::ack_timer::AckWait;
use super::config::sample_percent;

/// What a consumer needs to know of its stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamTraits {
    /// Its name.
    pub name: String,
    /// When it removes messages.
    pub retention: Retention,
    /// Its `max_msgs_per_subject`.
    pub messages_per_subject_max: i64,
    /// The largest message it may hold, in bytes: its own limit or else the server's.
    pub message_bytes_max: u64,
}

impl StreamTraits {
    /// Takes what matters out of a stream's configuration.
    pub fn of(config: &StreamConfig, server_payload_bytes_max: u64) -> Self {
        Self {
            name: config.name.clone(),
            retention: config.retention,
            messages_per_subject_max: config.max_msgs_per_subject,
            message_bytes_max: u64::try_from(config.max_msg_size)
                .ok()
                .filter(|max| *max > 0)
                .unwrap_or(server_payload_bytes_max),
        }
    }
}

/// The configuration, resolved. Durations are nanoseconds; 0 means none or without limit.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where a push consumer delivers to; `None` for a pull consumer.
    pub deliver_subject: Option<Bytes>,
    /// What an acknowledgement means.
    pub ack_policy: AckPolicy,
    /// How long one is awaited.
    pub ack_wait: AckWait,
    /// Most deliveries of a message.
    pub deliveries_max: u32,
    /// Most messages awaiting acknowledgement.
    pub pending_acks_max: usize,
    /// Most waiting pull requests.
    pub waiting_max: usize,
    /// Most messages of a pull request.
    pub request_batch_max: i64,
    /// Longest life of a pull request.
    pub request_expires_max: i64,
    /// Most bytes of a pull request.
    pub request_bytes_max: i64,
    /// Payloads are left out.
    pub headers_only: bool,
    /// Bytes a second.
    pub bytes_per_second: u64,
    /// The longest silence of a push consumer.
    pub heartbeat: i64,
    /// A push consumer asks for flow control.
    pub flow_control: bool,
    /// Messages come in the rhythm they were stored in.
    pub replay_original: bool,
    /// How long the consumer outlives its last client.
    pub inactive_threshold: i64,
    /// No deliveries until then.
    pub pause_until: Option<UnixNanos>,
    /// Share of acknowledgements to measure, in percent.
    pub sample_percent: u8,
    /// How pull requests compete.
    pub priority: PriorityPolicy,
    /// The groups they may belong to.
    pub groups: Vec<String>,
    /// How long a pinned client may stay silent.
    pub pinned_ttl: i64,
    /// The subjects wanted; empty means all.
    pub filters: Vec<Bytes>,
    /// Which message came first.
    pub deliver_policy: DeliverPolicy,
}

impl Settings {
    /// Resolves a configuration that has been validated.
    pub fn of(config: &ConsumerConfig) -> Self {
        let pause_until = config.pause_until.filter(|until| !until.is_zero());
        Self {
            deliver_subject: config
                .is_push()
                .then(|| Bytes::copy_from_slice(config.deliver_subject.as_bytes())),
            ack_policy: config.ack_policy,
            ack_wait: AckWait { wait: config.ack_wait, backoff: config.backoff.clone() },
            deliveries_max: u32::try_from(config.max_deliver).unwrap_or(0),
            pending_acks_max: pending_acks_max(config),
            waiting_max: usize::try_from(config.max_waiting).unwrap_or(0),
            request_batch_max: config.max_batch,
            request_expires_max: config.max_expires,
            request_bytes_max: config.max_bytes,
            headers_only: config.headers_only,
            bytes_per_second: config.rate_limit_bps / 8,
            heartbeat: config.idle_heartbeat,
            flow_control: config.flow_control,
            replay_original: config.replay_policy == ReplayPolicy::Original,
            inactive_threshold: config.inactive_threshold,
            pause_until: pause_until.map(|until| until.timestamp().0),
            sample_percent: sample_percent(&config.sample_freq).unwrap_or(0),
            priority: config.priority_policy,
            groups: config.priority_groups.clone(),
            pinned_ttl: config.priority_timeout,
            filters: filters(config),
            deliver_policy: config.deliver_policy,
        }
    }

    /// Whether the consumer delivers unasked.
    pub fn is_push(&self) -> bool {
        self.deliver_subject.is_some()
    }

    /// Whether delivered messages await acknowledgement.
    pub fn awaits_acks(&self) -> bool {
        self.ack_policy != AckPolicy::None
    }

    /// Whether one acknowledgement covers all messages before it.
    pub fn acks_cover_earlier(&self) -> bool {
        matches!(self.ack_policy, AckPolicy::All | AckPolicy::FlowControl)
    }

    /// Whether nothing may be delivered at `now`.
    pub fn is_paused(&self, now: UnixNanos) -> bool {
        self.pause_until.is_some_and(|until| now < until)
    }
}

fn pending_acks_max(config: &ConsumerConfig) -> usize {
    match config.ack_policy {
        AckPolicy::None => 0,
        _ => usize::try_from(config.max_ack_pending).unwrap_or(0),
    }
}

/// A filter for everything is no filter.
fn filters(config: &ConsumerConfig) -> Vec<Bytes> {
    if config.filters().any(|filter| filter == ">") {
        return Vec::new();
    }
    config.filters().map(|filter| Bytes::copy_from_slice(filter.as_bytes())).collect()
}
