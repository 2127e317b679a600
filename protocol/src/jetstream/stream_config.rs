//! The configuration of a stream, as STREAM.CREATE takes it and STREAM.INFO gives it back.
//!
//! Fields stand in the order nats-server writes them; those that have an empty value in the wire's sense are left
//! out where nats-server leaves them out. Durations are nanoseconds. `-1` means without limit.

use std::collections::BTreeMap;

use serde::Serialize;

use super::from_json::json_object;
use super::omit;
use super::stream_source::{StreamSource, SubjectTransform};
use super::text_enum::text_enum;

text_enum! {
    /// When messages are removed.
    Retention, exact, Refusal::CanNotUnmarshal;
    /// When a limit is reached.
    Limits = "limits",
    /// When every consumer that wants it has acknowledged it.
    Interest = "interest",
    /// When its one consumer has acknowledged it.
    WorkQueue = "workqueue",
}

text_enum! {
    /// Who gives way when a limit is reached.
    Discard, any_case, Refusal::CanNotUnmarshal;
    /// The oldest messages are removed.
    Old = "old",
    /// The new message is refused.
    New = "new",
}

text_enum! {
    /// Where messages are kept.
    Storage, exact, Refusal::CanNotUnmarshal;
    /// On disk.
    File = "file",
    /// In memory, until the broker stops.
    Memory = "memory",
}

text_enum! {
    /// How messages are packed on disk.
    Compression, exact, Refusal::Fixed("unknown compression algorithm");
    /// As they are.
    None = "none",
    /// With S2.
    S2 = "s2",
}

text_enum! {
    /// When a message counts as stored.
    PersistMode, exact, Refusal::CanNotUnmarshal;
    /// When it has been handed to the disk.
    Default = "default",
    /// When it has been taken in; it may be lost if the broker dies.
    Async = "async",
    ; also "" = Default
}

/// Everything a stream is configured by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StreamConfig {
    /// The stream's name.
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "omit::zero")]
    pub description: String,
    /// The subjects whose messages it stores.
    #[serde(skip_serializing_if = "omit::zero")]
    pub subjects: Vec<String>,
    /// When messages are removed.
    pub retention: Retention,
    /// Most consumers.
    pub max_consumers: i64,
    /// Most messages.
    pub max_msgs: i64,
    /// Most bytes.
    pub max_bytes: i64,
    /// Oldest age of a message, in nanoseconds.
    pub max_age: i64,
    /// Most messages of one subject.
    pub max_msgs_per_subject: i64,
    /// Most bytes of one message, header and payload.
    #[serde(skip_serializing_if = "omit::zero")]
    pub max_msg_size: i32,
    /// Who gives way at a limit.
    pub discard: Discard,
    /// Where messages are kept.
    pub storage: Storage,
    /// Number of copies.
    pub num_replicas: i64,
    /// No acknowledgements are sent.
    #[serde(skip_serializing_if = "omit::zero")]
    pub no_ack: bool,
    /// How long a message id is remembered, in nanoseconds.
    #[serde(skip_serializing_if = "omit::zero")]
    pub duplicate_window: i64,
    /// Where in a cluster the stream should live; kept for the client's sake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// The stream this one is a copy of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<StreamSource>,
    /// The streams this one takes messages from.
    #[serde(skip_serializing_if = "omit::zero")]
    pub sources: Vec<StreamSource>,
    /// How messages are packed on disk.
    pub compression: Compression,
    /// The sequence of the first message, if not 1.
    #[serde(skip_serializing_if = "omit::zero")]
    pub first_seq: u64,
    /// What happens to subjects before a message is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_transform: Option<SubjectTransform>,
    /// Where stored messages are published again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub republish: Option<Republish>,
    /// DIRECT.GET is answered.
    pub allow_direct: bool,
    /// DIRECT.GET of the origin is answered too.
    pub mirror_direct: bool,
    /// `discard: new` holds for `max_msgs_per_subject` too.
    #[serde(skip_serializing_if = "omit::zero")]
    pub discard_new_per_subject: bool,
    /// Nothing goes in or out any more.
    pub sealed: bool,
    /// Messages cannot be deleted by request.
    pub deny_delete: bool,
    /// The stream cannot be purged.
    pub deny_purge: bool,
    /// `Nats-Rollup` is obeyed.
    pub allow_rollup_hdrs: bool,
    /// Defaults and bounds for consumers.
    pub consumer_limits: ConsumerLimits,
    /// `Nats-TTL` is obeyed.
    pub allow_msg_ttl: bool,
    /// How long a delete marker lives, in nanoseconds.
    #[serde(skip_serializing_if = "omit::zero")]
    pub subject_delete_marker_ttl: i64,
    /// `Nats-Incr` is obeyed (ADR-49).
    #[serde(skip_serializing_if = "omit::zero")]
    pub allow_msg_counter: bool,
    /// Atomic batches are taken (ADR-50).
    #[serde(skip_serializing_if = "omit::zero")]
    pub allow_atomic: bool,
    /// `Nats-Schedule` is obeyed (ADR-51).
    #[serde(skip_serializing_if = "omit::zero")]
    pub allow_msg_schedules: bool,
    /// When a message counts as stored.
    #[serde(skip_serializing_if = "PersistMode::is_default")]
    pub persist_mode: PersistMode,
    /// Fast batches are taken.
    #[serde(skip_serializing_if = "omit::zero")]
    pub allow_batched: bool,
    /// The user's own notes, and `_nats.*` keys.
    #[serde(skip_serializing_if = "omit::zero")]
    pub metadata: BTreeMap<String, String>,
}

json_object! { StreamConfig as "StreamConfig" {
    name, description, subjects, retention, max_consumers, max_msgs, max_bytes, max_age, max_msgs_per_subject,
    max_msg_size, discard, storage, num_replicas, no_ack, duplicate_window, placement, mirror, sources, compression,
    first_seq, subject_transform, republish, allow_direct, mirror_direct, discard_new_per_subject, sealed,
    deny_delete, deny_purge, allow_rollup_hdrs, consumer_limits, allow_msg_ttl, subject_delete_marker_ttl,
    allow_msg_counter, allow_atomic, allow_msg_schedules, persist_mode, allow_batched, metadata,
} }

/// Where in a cluster a stream should live.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Placement {
    /// The cluster.
    #[serde(skip_serializing_if = "omit::zero")]
    pub cluster: String,
    /// Tags the servers should have.
    #[serde(skip_serializing_if = "omit::zero")]
    pub tags: Vec<String>,
    /// The server that should lead; not allowed in a stream's configuration.
    #[serde(skip_serializing_if = "omit::zero")]
    pub preferred: String,
}

json_object! { Placement as "Placement" { cluster, tags, preferred } }

/// Where stored messages are published again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Republish {
    /// The subjects it holds for.
    #[serde(skip_serializing_if = "omit::zero")]
    pub src: String,
    /// The subject to publish on, `{{…}}` allowed.
    pub dest: String,
    /// Without the payload.
    #[serde(skip_serializing_if = "omit::zero")]
    pub headers_only: bool,
}

json_object! { Republish as "RePublish" { src, dest, headers_only } }

/// Defaults and bounds a stream sets for its consumers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ConsumerLimits {
    /// Nanoseconds.
    #[serde(skip_serializing_if = "omit::zero")]
    pub inactive_threshold: i64,
    /// Messages.
    #[serde(skip_serializing_if = "omit::zero")]
    pub max_ack_pending: i64,
}

json_object! { ConsumerLimits as "StreamConsumerLimits" { inactive_threshold, max_ack_pending } }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jetstream::from_json::{Fields, decode};
    use crate::jetstream::stream_source::{ConsumerSource, External};
    use crate::jetstream::timestamp::ZonedTime;

    const RETURNED_BY_DEFAULT: &str = concat!(
        r#"{"name":"S1","subjects":["s1.>"],"retention":"limits","max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"#,
        r#""max_age":0,"max_msgs_per_subject":-1,"max_msg_size":-1,"discard":"old","storage":"file","#,
        r#""num_replicas":1,"duplicate_window":120000000000,"compression":"none","allow_direct":false,"#,
        r#""mirror_direct":false,"sealed":false,"deny_delete":false,"deny_purge":false,"allow_rollup_hdrs":false,"#,
        r#""consumer_limits":{},"allow_msg_ttl":false,"#,
        r#""metadata":{"_nats.level":"5","_nats.req.level":"0","_nats.ver":"2.15.1"}}"#
    );

    /// Every field set to something it would not be left out for.
    fn full() -> StreamConfig {
        let transform = SubjectTransform { src: "a".into(), dest: "b".into() };
        let source = StreamSource {
            name: "ORG".into(),
            opt_start_seq: 3,
            opt_start_time: Some(ZonedTime::parse("2024-01-01T00:00:00+01:00").unwrap()),
            filter_subject: "x.>".into(),
            subject_transforms: vec![transform.clone()],
            external: Some(External { api: "$JS.hub.API".into(), deliver: "d".into() }),
            consumer: Some(ConsumerSource { name: "C".into(), deliver_subject: "ds".into() }),
        };
        StreamConfig {
            name: "S".into(),
            description: "d".into(),
            subjects: vec!["s".into()],
            retention: Retention::WorkQueue,
            max_consumers: 1,
            max_msgs: 2,
            max_bytes: 3,
            max_age: 4,
            max_msgs_per_subject: 5,
            max_msg_size: 6,
            discard: Discard::New,
            storage: Storage::Memory,
            num_replicas: 3,
            no_ack: true,
            duplicate_window: 7,
            placement: Some(Placement { cluster: "c".into(), tags: vec!["t".into()], preferred: "p".into() }),
            mirror: Some(source.clone()),
            sources: vec![source],
            compression: Compression::S2,
            first_seq: 8,
            subject_transform: Some(transform),
            republish: Some(Republish { src: "r".into(), dest: "q".into(), headers_only: true }),
            allow_direct: true,
            mirror_direct: true,
            discard_new_per_subject: true,
            sealed: true,
            deny_delete: true,
            deny_purge: true,
            allow_rollup_hdrs: true,
            consumer_limits: ConsumerLimits { inactive_threshold: 9, max_ack_pending: 10 },
            allow_msg_ttl: true,
            subject_delete_marker_ttl: 11,
            allow_msg_counter: true,
            allow_atomic: true,
            allow_msg_schedules: true,
            persist_mode: PersistMode::Async,
            allow_batched: true,
            metadata: [("k".to_owned(), "v".to_owned())].into(),
        }
    }

    #[test]
    fn a_default_stream_is_written_as_nats_server_writes_it() {
        let config: StreamConfig = decode(RETURNED_BY_DEFAULT.as_bytes(), true).unwrap();
        assert_eq!(serde_json::to_string(&config).unwrap(), RETURNED_BY_DEFAULT);
    }

    #[test]
    fn every_field_is_written_in_order_and_read_back() {
        let written = serde_json::to_string(&full()).unwrap();
        assert_eq!(decode::<StreamConfig>(written.as_bytes(), true).unwrap(), full());
        let order = "name description subjects retention max_consumers max_msgs max_bytes max_age \
            max_msgs_per_subject max_msg_size discard storage num_replicas no_ack duplicate_window placement mirror \
            sources compression first_seq subject_transform republish allow_direct mirror_direct \
            discard_new_per_subject sealed deny_delete deny_purge allow_rollup_hdrs consumer_limits allow_msg_ttl \
            subject_delete_marker_ttl allow_msg_counter allow_atomic allow_msg_schedules persist_mode allow_batched \
            metadata";
        let mut from = 0;
        for key in order.split_whitespace() {
            assert!(StreamConfig::default().field(key).is_some(), "{key} is not read");
            let at =
                written[from..].find(&format!("\"{key}\":")).unwrap_or_else(|| panic!("{key} out of order"));
            from += at;
        }
    }

    #[test]
    fn an_empty_configuration_keeps_what_is_never_left_out() {
        let written = serde_json::to_string(&StreamConfig::default()).unwrap();
        let expected = concat!(
            r#"{"name":"","retention":"limits","max_consumers":0,"max_msgs":0,"max_bytes":0,"max_age":0,"#,
            r#""max_msgs_per_subject":0,"discard":"old","storage":"file","num_replicas":0,"compression":"none","#,
            r#""allow_direct":false,"mirror_direct":false,"sealed":false,"deny_delete":false,"deny_purge":false,"#,
            r#""allow_rollup_hdrs":false,"consumer_limits":{},"allow_msg_ttl":false}"#
        );
        assert_eq!(written, expected);
    }

    #[test]
    fn unknown_words_are_refused_as_nats_server_refuses_them() {
        let refusal = |body: &str| decode::<StreamConfig>(body.as_bytes(), true).unwrap_err().to_string();
        assert_eq!(refusal(r#"{"retention":"bogus"}"#), r#"can not unmarshal "\"bogus\"""#);
        assert_eq!(refusal(r#"{"retention":"Limits"}"#), r#"can not unmarshal "\"Limits\"""#);
        assert_eq!(refusal(r#"{"storage":null}"#), r#"can not unmarshal "null""#);
        assert_eq!(refusal(r#"{"persist_mode":1}"#), r#"can not unmarshal "1""#);
        assert_eq!(refusal(r#"{"compression":"zip"}"#), "unknown compression algorithm");
    }

    #[test]
    fn words_with_more_than_one_spelling_are_understood() {
        let config: StreamConfig = decode(br#"{"discard":"NEW","persist_mode":""}"#, true).unwrap();
        assert_eq!((config.discard, config.persist_mode), (Discard::New, PersistMode::Default));
    }

    #[test]
    fn a_null_source_is_an_unnamed_one() {
        let config: StreamConfig = decode(br#"{"sources":[null]}"#, true).unwrap();
        assert_eq!(config.sources, [StreamSource::default()]);
    }
}
