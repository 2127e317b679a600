//! What a consumer says about itself.

use serde::Serialize;

use super::consumer_config::ConsumerConfig;
use super::from_json::json_object;
use super::omit;
use super::stream_info::ClusterInfo;
use super::timestamp::Timestamp;

/// A consumer: configuration, position, and what it waits for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ConsumerInfo {
    /// The stream's name.
    pub stream_name: String,
    /// The consumer's name, given or generated.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// Its configuration, with the `_nats.*` metadata the answer calls for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<ConsumerConfig>,
    /// The last delivery.
    pub delivered: SequenceInfo,
    /// Up to where everything is acknowledged.
    pub ack_floor: SequenceInfo,
    /// Deliveries awaiting acknowledgement.
    pub num_ack_pending: u64,
    /// How many of them were delivered more than once.
    pub num_redelivered: u64,
    /// Pull requests waiting.
    pub num_waiting: u64,
    /// Messages not yet delivered.
    pub num_pending: u64,
    /// Who leads it; not on a single server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterInfo>,
    /// Somebody listens on the deliver subject.
    #[serde(skip_serializing_if = "omit::zero")]
    pub push_bound: bool,
    /// Deliveries are paused.
    #[serde(skip_serializing_if = "omit::zero")]
    pub paused: bool,
    /// For how long yet, in nanoseconds.
    #[serde(skip_serializing_if = "omit::zero")]
    pub pause_remaining: i64,
    /// When this was gathered.
    pub ts: Timestamp,
    /// Who is pinned in which group.
    #[serde(skip_serializing_if = "omit::zero")]
    pub priority_groups: Vec<PriorityGroupState>,
}

json_object! { ConsumerInfo as "ConsumerInfo" {
    stream_name, name, created, config, delivered, ack_floor, num_ack_pending, num_redelivered, num_waiting,
    num_pending, cluster, push_bound, paused, pause_remaining, ts, priority_groups,
} }

/// A position, in both countings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SequenceInfo {
    /// Counted by the consumer: deliveries.
    pub consumer_seq: u64,
    /// Counted by the stream: messages.
    pub stream_seq: u64,
    /// When it was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_active: Option<Timestamp>,
}

json_object! { SequenceInfo as "SequenceInfo" { consumer_seq, stream_seq, last_active } }

/// Who is pinned in a priority group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PriorityGroupState {
    /// The group.
    pub group: String,
    /// The pin, if there is one.
    #[serde(skip_serializing_if = "omit::zero")]
    pub pinned_client_id: String,
    /// Since when.
    pub pinned_ts: Timestamp,
}

json_object! { PriorityGroupState as "PriorityGroupState" { group, pinned_client_id, pinned_ts } }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jetstream::from_json::decode;

    #[test]
    fn a_new_consumer_is_written_as_nats_server_writes_it() {
        let info = ConsumerInfo {
            stream_name: "S".into(),
            name: "C".into(),
            priority_groups: vec![PriorityGroupState { group: "g".into(), ..Default::default() }],
            ..Default::default()
        };
        let expected = concat!(
            r#"{"stream_name":"S","name":"C","created":"0001-01-01T00:00:00Z","#,
            r#""delivered":{"consumer_seq":0,"stream_seq":0},"ack_floor":{"consumer_seq":0,"stream_seq":0},"#,
            r#""num_ack_pending":0,"num_redelivered":0,"num_waiting":0,"num_pending":0,"#,
            r#""ts":"0001-01-01T00:00:00Z","#,
            r#""priority_groups":[{"group":"g","pinned_ts":"0001-01-01T00:00:00Z"}]}"#
        );
        assert_eq!(serde_json::to_string(&info).unwrap(), expected);
    }

    #[test]
    fn the_answer_of_a_hub_is_read_back() {
        let info = ConsumerInfo {
            name: "JS_MIRROR_x".into(),
            created: Timestamp(5),
            config: Some(ConsumerConfig { name: "JS_MIRROR_x".into(), ..Default::default() }),
            delivered: SequenceInfo { consumer_seq: 1, stream_seq: 2, last_active: Some(Timestamp(3)) },
            num_pending: 7,
            ..Default::default()
        };
        let answer = serde_json::to_vec(&info).unwrap();
        assert_eq!(decode::<ConsumerInfo>(&answer, false).unwrap(), info);
    }
}
