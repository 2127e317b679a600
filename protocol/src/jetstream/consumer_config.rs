//! The configuration of a consumer, as CONSUMER.CREATE takes it and CONSUMER.INFO gives it back.
//!
//! Fields stand in the order nats-server writes them. Durations are nanoseconds.

use std::collections::BTreeMap;

use serde::Serialize;

use super::from_json::json_object;
use super::omit;
use super::text_enum::text_enum;
use super::timestamp::ZonedTime;

text_enum! {
    /// Which message comes first.
    DeliverPolicy, exact, Refusal::CanNotUnmarshal;
    /// The oldest.
    All = "all",
    /// The newest.
    Last = "last",
    /// The next to be stored.
    New = "new",
    /// The one with `opt_start_seq`.
    ByStartSequence = "by_start_sequence",
    /// The first not older than `opt_start_time`.
    ByStartTime = "by_start_time",
    /// The newest of each subject.
    LastPerSubject = "last_per_subject",
    ; also "undefined" = All
}

text_enum! {
    /// What an acknowledgement means.
    AckPolicy, exact, Refusal::CanNotUnmarshal;
    /// None is awaited.
    None = "none",
    /// It covers all messages before it too.
    All = "all",
    /// It covers one message.
    Explicit = "explicit",
    /// Answers to flow control acknowledge (2.14).
    FlowControl = "flow_control",
}

text_enum! {
    /// How fast stored messages are delivered.
    ReplayPolicy, exact, Refusal::CanNotUnmarshal;
    /// As fast as possible.
    Instant = "instant",
    /// In the rhythm they were stored in.
    Original = "original",
}

text_enum! {
    /// How pull requests of a group compete (ADR-42).
    PriorityPolicy, exact, Refusal::Unknown("priority policy");
    /// They do not.
    None = "none",
    /// Some are served only when much is pending.
    Overflow = "overflow",
    /// One client is served as long as it asks.
    PinnedClient = "pinned_client",
    /// Lower numbers first.
    Prioritized = "prioritized",
}

/// Everything a consumer is configured by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ConsumerConfig {
    /// The name of a durable consumer.
    #[serde(skip_serializing_if = "omit::zero")]
    pub durable_name: String,
    /// The name, durable or not.
    #[serde(skip_serializing_if = "omit::zero")]
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "omit::zero")]
    pub description: String,
    /// Which message comes first.
    pub deliver_policy: DeliverPolicy,
    /// For [`DeliverPolicy::ByStartSequence`].
    #[serde(skip_serializing_if = "omit::zero")]
    pub opt_start_seq: u64,
    /// For [`DeliverPolicy::ByStartTime`]; given back in the zone it was sent in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt_start_time: Option<ZonedTime>,
    /// What an acknowledgement means.
    pub ack_policy: AckPolicy,
    /// How long one is awaited, in nanoseconds.
    #[serde(skip_serializing_if = "omit::zero")]
    pub ack_wait: i64,
    /// Most deliveries of one message; -1 without limit.
    #[serde(skip_serializing_if = "omit::zero")]
    pub max_deliver: i64,
    /// How long the first, second … acknowledgement is awaited, in nanoseconds.
    #[serde(skip_serializing_if = "omit::zero")]
    pub backoff: Vec<i64>,
    /// The subjects wanted.
    #[serde(skip_serializing_if = "omit::zero")]
    pub filter_subject: String,
    /// The subjects wanted, if more than one pattern.
    #[serde(skip_serializing_if = "omit::zero")]
    pub filter_subjects: Vec<String>,
    /// How fast stored messages are delivered.
    pub replay_policy: ReplayPolicy,
    /// Most bits a second, push only.
    #[serde(skip_serializing_if = "omit::zero")]
    pub rate_limit_bps: u64,
    /// Share of acknowledgements that are measured, `100` or `100%`.
    #[serde(skip_serializing_if = "omit::zero")]
    pub sample_freq: String,
    /// Most pull requests waiting.
    #[serde(skip_serializing_if = "omit::zero")]
    pub max_waiting: i64,
    /// Most messages awaiting acknowledgement.
    #[serde(skip_serializing_if = "omit::zero")]
    pub max_ack_pending: i64,
    /// The client is asked to confirm that it keeps up, push only.
    #[serde(skip_serializing_if = "omit::zero")]
    pub flow_control: bool,
    /// Payloads are left out.
    #[serde(skip_serializing_if = "omit::zero")]
    pub headers_only: bool,
    /// Most messages of one pull request.
    #[serde(skip_serializing_if = "omit::zero")]
    pub max_batch: i64,
    /// Longest life of a pull request, in nanoseconds.
    #[serde(skip_serializing_if = "omit::zero")]
    pub max_expires: i64,
    /// Most bytes of one pull request.
    #[serde(skip_serializing_if = "omit::zero")]
    pub max_bytes: i64,
    /// Where messages are delivered to; what makes it a push consumer.
    #[serde(skip_serializing_if = "omit::zero")]
    pub deliver_subject: String,
    /// The queue group they are delivered to.
    #[serde(skip_serializing_if = "omit::zero")]
    pub deliver_group: String,
    /// The longest silence, in nanoseconds.
    #[serde(skip_serializing_if = "omit::zero")]
    pub idle_heartbeat: i64,
    /// How long it outlives its last client, in nanoseconds.
    #[serde(skip_serializing_if = "omit::zero")]
    pub inactive_threshold: i64,
    /// Number of copies of its state; 0 as many as the stream has.
    pub num_replicas: i64,
    /// Its state is kept in memory.
    #[serde(skip_serializing_if = "omit::zero")]
    pub mem_storage: bool,
    /// Made by a mirroring or sourcing server; not listed, not counted.
    #[serde(skip_serializing_if = "omit::zero")]
    pub direct: bool,
    /// Made by a mirroring or sourcing server that knows stream identities (2.14).
    #[serde(skip_serializing_if = "omit::zero")]
    pub sourcing: bool,
    /// The user's own notes, and `_nats.*` keys.
    #[serde(skip_serializing_if = "omit::zero")]
    pub metadata: BTreeMap<String, String>,
    /// No deliveries until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_until: Option<ZonedTime>,
    /// The groups pull requests may belong to.
    #[serde(skip_serializing_if = "omit::zero")]
    pub priority_groups: Vec<String>,
    /// How they compete.
    #[serde(skip_serializing_if = "PriorityPolicy::is_default")]
    pub priority_policy: PriorityPolicy,
    /// How long a pinned client may stay silent, in nanoseconds.
    #[serde(skip_serializing_if = "omit::zero")]
    pub priority_timeout: i64,
}

json_object! { ConsumerConfig as "ConsumerConfig" {
    durable_name, name, description, deliver_policy, opt_start_seq, opt_start_time, ack_policy, ack_wait, max_deliver,
    backoff, filter_subject, filter_subjects, replay_policy, rate_limit_bps, sample_freq, max_waiting,
    max_ack_pending, flow_control, headers_only, max_batch, max_expires, max_bytes, deliver_subject, deliver_group,
    idle_heartbeat, inactive_threshold, num_replicas, mem_storage, direct, sourcing, metadata, pause_until,
    priority_groups, priority_policy, priority_timeout,
} }

impl ConsumerConfig {
    /// Whether messages are delivered unasked.
    pub fn is_push(&self) -> bool {
        !self.deliver_subject.is_empty()
    }

    /// The subject patterns wanted, however many were given; none means all.
    pub fn filters(&self) -> impl Iterator<Item = &str> {
        let single = (!self.filter_subject.is_empty()).then_some(self.filter_subject.as_str());
        single.into_iter().chain(self.filter_subjects.iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jetstream::from_json::{Fields, decode};

    fn full() -> ConsumerConfig {
        ConsumerConfig {
            durable_name: "D".into(),
            name: "D".into(),
            description: "d".into(),
            deliver_policy: DeliverPolicy::LastPerSubject,
            opt_start_seq: 1,
            opt_start_time: Some(ZonedTime::parse("2020-01-01T02:00:00+02:00").unwrap()),
            ack_policy: AckPolicy::FlowControl,
            ack_wait: 2,
            max_deliver: 3,
            backoff: vec![4, 5],
            filter_subject: "f".into(),
            filter_subjects: vec!["g".into()],
            replay_policy: ReplayPolicy::Original,
            rate_limit_bps: 6,
            sample_freq: "7%".into(),
            max_waiting: 8,
            max_ack_pending: 9,
            flow_control: true,
            headers_only: true,
            max_batch: 10,
            max_expires: 11,
            max_bytes: 12,
            deliver_subject: "ds".into(),
            deliver_group: "dg".into(),
            idle_heartbeat: 13,
            inactive_threshold: 14,
            num_replicas: 15,
            mem_storage: true,
            direct: true,
            sourcing: true,
            metadata: [("k".to_owned(), "v".to_owned())].into(),
            pause_until: Some(ZonedTime::parse("2100-01-01T00:00:00Z").unwrap()),
            priority_groups: vec!["pg".into()],
            priority_policy: PriorityPolicy::PinnedClient,
            priority_timeout: 16,
        }
    }

    #[test]
    fn an_ephemeral_pull_consumer_is_written_as_nats_server_writes_it() {
        let returned = concat!(
            r#"{"name":"e1","deliver_policy":"all","ack_policy":"explicit","ack_wait":30000000000,"max_deliver":-1,"#,
            r#""replay_policy":"instant","max_waiting":512,"max_ack_pending":1000,"inactive_threshold":5000000000,"#,
            r#""num_replicas":0,"metadata":{"_nats.level":"5"}}"#
        );
        let config: ConsumerConfig = decode(returned.as_bytes(), true).unwrap();
        assert_eq!(serde_json::to_string(&config).unwrap(), returned);
    }

    #[test]
    fn every_field_is_written_in_order_and_read_back() {
        let written = serde_json::to_string(&full()).unwrap();
        assert_eq!(decode::<ConsumerConfig>(written.as_bytes(), true).unwrap(), full());
        let order = "durable_name name description deliver_policy opt_start_seq opt_start_time ack_policy ack_wait \
            max_deliver backoff filter_subject filter_subjects replay_policy rate_limit_bps sample_freq max_waiting \
            max_ack_pending flow_control headers_only max_batch max_expires max_bytes deliver_subject deliver_group \
            idle_heartbeat inactive_threshold num_replicas mem_storage direct sourcing metadata pause_until \
            priority_groups priority_policy priority_timeout";
        let mut from = 0;
        for key in order.split_whitespace() {
            assert!(ConsumerConfig::default().field(key).is_some(), "{key} is not read");
            let at =
                written[from..].find(&format!("\"{key}\":")).unwrap_or_else(|| panic!("{key} out of order"));
            from += at;
        }
    }

    #[test]
    fn an_empty_configuration_keeps_what_is_never_left_out() {
        let written = serde_json::to_string(&ConsumerConfig::default()).unwrap();
        let expected =
            r#"{"deliver_policy":"all","ack_policy":"none","replay_policy":"instant","num_replicas":0}"#;
        assert_eq!(written, expected);
    }

    #[test]
    fn unknown_words_are_refused_as_nats_server_refuses_them() {
        let refusal = |body: &str| decode::<ConsumerConfig>(body.as_bytes(), true).unwrap_err().to_string();
        assert_eq!(refusal(r#"{"ack_policy":"bogus"}"#), r#"can not unmarshal "\"bogus\"""#);
        assert_eq!(refusal(r#"{"priority_policy":"bogus"}"#), r#"unknown priority policy: "bogus""#);
        assert!(decode::<ConsumerConfig>(br#"{"deliver_policy":"undefined"}"#, true).is_ok());
    }

    #[test]
    fn filters_are_those_of_either_field() {
        assert_eq!(full().filters().collect::<Vec<_>>(), ["f", "g"]);
        assert_eq!(ConsumerConfig::default().filters().count(), 0);
    }
}
