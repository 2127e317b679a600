//! What a stream says about itself.

use std::collections::BTreeMap;

use serde::Serialize;

use super::error::ApiError;
use super::from_json::json_object;
use super::omit;
use super::stream_config::StreamConfig;
use super::stream_source::{External, SubjectTransform};
use super::timestamp::Timestamp;

/// A stream: configuration, state, and how its origins are doing.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct StreamInfo {
    /// Its configuration, with the `_nats.*` metadata the answer calls for.
    pub config: StreamConfig,
    /// When it was made.
    pub created: Timestamp,
    /// What it holds.
    pub state: StreamState,
    /// The JetStream domain, if the broker has one.
    #[serde(skip_serializing_if = "omit::zero")]
    pub domain: String,
    /// Who leads it; only in STREAM.INFO.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterInfo>,
    /// The origin it mirrors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<StreamSourceInfo>,
    /// The origins it takes messages from.
    #[serde(skip_serializing_if = "omit::zero")]
    pub sources: Vec<StreamSourceInfo>,
    /// Streams with the same content, nearest first.
    #[serde(skip_serializing_if = "omit::zero")]
    pub alternates: Vec<StreamAlternate>,
    /// When this was gathered.
    pub ts: Timestamp,
}

json_object! { StreamInfo as "StreamInfo" {
    config, created, state, domain, cluster, mirror, sources, alternates, ts,
} }

/// What a stream holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StreamState {
    /// Number of messages.
    pub messages: u64,
    /// Their size by the accounting of the stream's storage.
    pub bytes: u64,
    /// The first sequence; `last_seq + 1` if emptied, 0 if nothing was ever stored.
    pub first_seq: u64,
    /// When the first message was stored; zero if there is none.
    pub first_ts: Timestamp,
    /// The last sequence given.
    pub last_seq: u64,
    /// When it was given.
    pub last_ts: Timestamp,
    /// Number of different subjects.
    #[serde(skip_serializing_if = "omit::zero")]
    pub num_subjects: u64,
    /// Messages by subject; only if asked for.
    #[serde(skip_serializing_if = "omit::zero")]
    pub subjects: BTreeMap<String, u64>,
    /// Number of sequences missing between the first and the last.
    #[serde(skip_serializing_if = "omit::zero")]
    pub num_deleted: u64,
    /// Those sequences; only if asked for.
    #[serde(skip_serializing_if = "omit::zero")]
    pub deleted: Vec<u64>,
    /// What was found damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<LostStreamData>,
    /// Number of consumers, those of mirroring servers not counted.
    pub consumer_count: u64,
}

json_object! { StreamState as "StreamState" {
    messages, bytes, first_seq, first_ts, last_seq, last_ts, num_subjects, subjects, num_deleted, deleted, lost,
    consumer_count,
} }

/// Messages that were found damaged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LostStreamData {
    /// Their sequences.
    pub msgs: Vec<u64>,
    /// Their size.
    pub bytes: u64,
}

json_object! { LostStreamData as "LostStreamData" { msgs, bytes } }

/// Who leads a stream or consumer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ClusterInfo {
    /// The cluster's name.
    #[serde(skip_serializing_if = "omit::zero")]
    pub name: String,
    /// The leading server's name.
    #[serde(skip_serializing_if = "omit::zero")]
    pub leader: String,
}

json_object! { ClusterInfo as "ClusterInfo" { name, leader } }

/// How an origin is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StreamSourceInfo {
    /// The origin's name.
    pub name: String,
    /// How it is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
    /// Messages it still has for us.
    pub lag: u64,
    /// The last of its sequences that was taken over.
    #[serde(skip_serializing_if = "omit::zero")]
    pub seq: u64,
    /// Nanoseconds since it was last heard; -1 if never.
    pub active: i64,
    /// Why it cannot be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ApiError>,
    /// The subjects wanted.
    #[serde(skip_serializing_if = "omit::zero")]
    pub filter_subject: String,
    /// The subjects wanted, and what becomes of them.
    #[serde(skip_serializing_if = "omit::zero")]
    pub subject_transforms: Vec<SubjectTransform>,
}

json_object! { StreamSourceInfo as "StreamSourceInfo" {
    name, external, lag, active, seq, error, filter_subject, subject_transforms,
} }

/// A stream with the same content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StreamAlternate {
    /// Its name.
    pub name: String,
    /// Its domain.
    #[serde(skip_serializing_if = "omit::zero")]
    pub domain: String,
    /// Its cluster.
    pub cluster: String,
}

json_object! { StreamAlternate as "StreamAlternate" { name, domain, cluster } }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jetstream::from_json::decode;

    #[test]
    fn the_state_of_a_new_stream_has_zero_times() {
        let written = serde_json::to_string(&StreamState::default()).unwrap();
        let expected = concat!(
            r#"{"messages":0,"bytes":0,"first_seq":0,"first_ts":"0001-01-01T00:00:00Z","last_seq":0,"#,
            r#""last_ts":"0001-01-01T00:00:00Z","consumer_count":0}"#
        );
        assert_eq!(written, expected);
    }

    #[test]
    fn a_state_is_read_back_as_a_restore_request_carries_it() {
        let state = StreamState {
            messages: 2,
            bytes: 70,
            first_seq: 1,
            first_ts: Timestamp(1),
            last_seq: 3,
            last_ts: Timestamp(2),
            num_subjects: 1,
            subjects: [("a".to_owned(), 2)].into(),
            num_deleted: 1,
            deleted: vec![2],
            lost: Some(LostStreamData { msgs: vec![9], bytes: 8 }),
            consumer_count: 4,
        };
        let written = serde_json::to_vec(&state).unwrap();
        assert_eq!(decode::<StreamState>(&written, true).unwrap(), state);
    }

    #[test]
    fn an_origin_that_was_never_heard_is_written_as_nats_server_writes_it() {
        let origin = StreamSourceInfo { name: "NOPE".into(), active: -1, ..Default::default() };
        assert_eq!(serde_json::to_string(&origin).unwrap(), r#"{"name":"NOPE","lag":0,"active":-1}"#);
    }
}
