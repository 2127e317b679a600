//! The bodies of API requests, and the three rules by which they are read.
//!
//! - Most are read with [`decode_request`](super::from_json::decode_request): nothing is the zero value, unknown
//!   keys are refused unless the broker is configured to be lenient.
//! - Where a body is optional it goes through [`optional_body`] first: what is not JSON is as good as nothing.
//! - Where nothing is to be said, [`is_empty_request`] has to hold.
//!
//! RESET, UNPIN, DIRECT.GET and pull requests have always been lenient and need a body:
//! [`decode`](super::from_json::decode) with `strict` off.

use serde::Serialize;

use super::consumer_config::ConsumerConfig;
use super::from_json::json_object;
use super::json::Json;
use super::omit;
use super::stream_config::StreamConfig;
use super::stream_info::StreamState;
use super::text_enum::text_enum;
use super::timestamp::ZonedTime;

/// The body of a request that may have none (NAMES, LIST, STREAM.INFO, PURGE, PAUSE): empty unless it looks like JSON.
pub fn optional_body(body: &[u8]) -> &[u8] {
    match body.trim_ascii_start().first() {
        Some(b'{' | b'[') => body,
        _ => &[],
    }
}

/// Whether a request that has nothing to say (DELETE, CONSUMER.INFO) says nothing: no body or an empty object.
pub fn is_empty_request(body: &[u8]) -> bool {
    match body {
        b"" | b"{}" => true,
        _ => matches!(Json::parse(body), Ok(Json::Object(entries)) if entries.is_empty()),
    }
}

/// STREAM.CREATE, STREAM.UPDATE: a configuration, its keys beside the request's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamConfigRequest {
    /// The configuration.
    pub config: StreamConfig,
    /// Refuse what would otherwise be put right.
    pub pedantic: bool,
}

json_object! { StreamConfigRequest as "StreamConfigRequest" { pedantic } + config }

/// STREAM.NAMES, STREAM.LIST.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamListRequest {
    /// How many to pass over.
    pub offset: i64,
    /// Only streams whose subjects overlap with this.
    pub subject: String,
}

json_object! { StreamListRequest as "JSApiStreamListRequest" { offset, subject } }

/// STREAM.INFO.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamInfoRequest {
    /// How many subjects to pass over.
    pub offset: i64,
    /// List deleted sequences.
    pub deleted_details: bool,
    /// List subjects that match this.
    pub subjects_filter: String,
}

json_object! { StreamInfoRequest as "JSApiStreamInfoRequest" { offset, deleted_details, subjects_filter } }

/// STREAM.PURGE (ADR-10).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PurgeRequest {
    /// Only messages below this sequence.
    pub seq: u64,
    /// Only messages whose subject matches.
    pub filter: String,
    /// Keep so many of the newest.
    pub keep: u64,
}

json_object! { PurgeRequest as "JSApiStreamPurgeRequest" { seq, filter, keep } }

/// STREAM.MSG.DELETE.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MsgDeleteRequest {
    /// The message.
    pub seq: u64,
    /// Do not overwrite its bytes.
    pub no_erase: bool,
}

json_object! { MsgDeleteRequest as "JSApiMsgDeleteRequest" { seq, no_erase } }

/// STREAM.MSG.GET and DIRECT.GET (ADR-31).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MsgGetRequest {
    /// The message, or where to begin.
    pub seq: u64,
    /// The last message of this subject.
    pub last_by_subj: String,
    /// The first message of this subject, from `seq` on.
    pub next_by_subj: String,
    /// So many messages.
    pub batch: i64,
    /// Most bytes in all.
    pub max_bytes: i64,
    /// The first message not older than this.
    pub start_time: Option<ZonedTime>,
    /// The last message of each subject that matches one of these.
    pub multi_last: Vec<String>,
    /// As things stood at this sequence.
    pub up_to_seq: u64,
    /// As things stood at this time.
    pub up_to_time: Option<ZonedTime>,
    /// Without headers.
    pub no_hdr: bool,
}

json_object! { MsgGetRequest as "JSApiMsgGetRequest" {
    seq, last_by_subj, next_by_subj, batch, max_bytes, start_time, multi_last, up_to_seq, up_to_time, no_hdr,
} }

/// STREAM.SNAPSHOT.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotRequest {
    /// Where the chunks go.
    pub deliver_subject: String,
    /// Leave consumers out.
    pub no_consumers: bool,
    /// Bytes of a chunk; 0 for the default.
    pub chunk_size: i64,
    /// Bytes that may be on their way; 0 for the default.
    pub window_size: i64,
    /// Check every message first.
    pub jsck: bool,
}

json_object! { SnapshotRequest as "JSApiStreamSnapshotRequest" {
    deliver_subject, no_consumers, chunk_size, window_size, jsck,
} }

/// STREAM.RESTORE: what STREAM.SNAPSHOT answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoreRequest {
    /// The stream's configuration.
    pub config: StreamConfig,
    /// What it held.
    pub state: StreamState,
}

json_object! { RestoreRequest as "JSApiStreamRestoreRequest" { config, state } }

text_enum! {
    /// What to do if there is or is not such a consumer.
    ConsumerAction, exact, Refusal::Unknown("consumer action");
    /// Make it or change it.
    CreateOrUpdate = "",
    /// It must not be there, unless configured just so.
    Create = "create",
    /// It must be there.
    Update = "update",
}

/// CONSUMER.CREATE in all its forms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CreateConsumerRequest {
    /// The stream; has to be the one in the subject.
    pub stream_name: String,
    /// The configuration.
    pub config: ConsumerConfig,
    /// What to do if there is or is not such a consumer.
    pub action: ConsumerAction,
    /// Refuse what would otherwise be put right.
    #[serde(skip_serializing_if = "omit::zero")]
    pub pedantic: bool,
}

json_object! { CreateConsumerRequest as "CreateConsumerRequest" { stream_name, config, action, pedantic } }

/// CONSUMER.NAMES, CONSUMER.LIST.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsumerListRequest {
    /// How many to pass over.
    pub offset: i64,
}

json_object! { ConsumerListRequest as "JSApiConsumersRequest" { offset } }

/// CONSUMER.PAUSE.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PauseRequest {
    /// Until when; zero or past means go on.
    pub pause_until: ZonedTime,
}

json_object! { PauseRequest as "JSApiConsumerPauseRequest" { pause_until } }

/// CONSUMER.UNPIN.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnpinRequest {
    /// Which group.
    pub group: String,
}

json_object! { UnpinRequest as "JSApiConsumerUnpinRequest" { group } }

/// CONSUMER.RESET.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResetRequest {
    /// The sequence to go back to; 0 for the first that is not acknowledged.
    pub seq: u64,
}

json_object! { ResetRequest as "JSApiConsumerResetRequest" { seq } }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jetstream::error::{ApiError, ErrorCode};
    use crate::jetstream::from_json::{JsonError, JsonObject, decode_request};

    fn strict<T: JsonObject + Default>(body: &str) -> Result<T, JsonError> {
        decode_request(body.as_bytes(), true)
    }

    #[test]
    fn a_body_that_is_not_json_is_as_good_as_none_where_it_is_optional() {
        for body in ["", "  ", "null", "text", "7"] {
            assert_eq!(optional_body(body.as_bytes()), b"", "{body}");
        }
        assert_eq!(optional_body(b" \n{\"seq\":1}"), b" \n{\"seq\":1}");
        assert_eq!(optional_body(b"[1]"), b"[1]");
    }

    #[test]
    fn an_empty_request_is_nothing_or_an_empty_object() {
        for body in ["", "{}", " { } "] {
            assert!(is_empty_request(body.as_bytes()), "{body}");
        }
        for body in [" ", "null", "[]", "{\"a\":1}", "x", "{not json"] {
            assert!(!is_empty_request(body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn a_stream_request_has_the_keys_of_its_configuration() {
        let request: StreamConfigRequest =
            strict(r#"{"name":"S","subjects":["s"],"pedantic":true}"#).unwrap();
        assert_eq!((request.config.name.as_str(), request.pedantic), ("S", true));
        assert_eq!(strict::<StreamConfigRequest>("").unwrap(), StreamConfigRequest::default());
    }

    #[test]
    fn errors_are_reported_as_invalid_json() {
        let refusal = |body| ApiError::from(strict::<StreamConfigRequest>(body).unwrap_err());
        let unknown = refusal(r#"{"bogus":1}"#);
        assert!(unknown.is(ErrorCode::InvalidJson));
        assert_eq!(unknown.description, r#"invalid JSON: json: unknown field "bogus""#);
        let kind =
            "json: cannot unmarshal string into Go struct field StreamConfigRequest.max_msgs of type int64";
        assert_eq!(refusal(r#"{"max_msgs":"x"}"#).description, format!("invalid JSON: {kind}"));
        assert_eq!(refusal("{").description, "invalid JSON: unexpected end of JSON input");
    }

    #[test]
    fn a_consumer_request_is_read_and_written() {
        let body = concat!(
            r#"{"stream_name":"S","config":{"name":"C","deliver_policy":"all","ack_policy":"explicit","#,
            r#""replay_policy":"instant","num_replicas":0},"action":"create"}"#
        );
        let request: CreateConsumerRequest = strict(body).unwrap();
        assert_eq!(request.action, ConsumerAction::Create);
        assert_eq!(serde_json::to_string(&request).unwrap(), body);
        let refusal = strict::<CreateConsumerRequest>(r#"{"action":"bogus"}"#).unwrap_err();
        assert_eq!(refusal.to_string(), r#"unknown consumer action: "bogus""#);
    }

    #[test]
    fn a_get_request_may_ask_for_anything_at_once() {
        let body = r#"{"seq":1,"last_by_subj":"a","next_by_subj":"b","batch":2,"max_bytes":3,
            "start_time":"2024-01-01T00:00:00Z","multi_last":["c"],"up_to_seq":4,
            "up_to_time":"2024-01-01T00:00:00Z","no_hdr":true}"#;
        let request: MsgGetRequest = strict(body).unwrap();
        assert_eq!((request.batch, request.up_to_seq, request.multi_last.len()), (2, 4, 1));
        assert_eq!(request.start_time, request.up_to_time);
    }

    #[test]
    fn a_pause_without_a_time_is_none() {
        assert!(strict::<PauseRequest>("{}").unwrap().pause_until.is_zero());
        let refusal = strict::<PauseRequest>(r#"{"pause_until":"yesterday"}"#).unwrap_err().to_string();
        assert!(refusal.starts_with("parsing time \"yesterday\""), "{refusal}");
    }
}
