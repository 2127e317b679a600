//! The answers of the API: `type`, then either `error` or what was asked for, side by side in one object.

use serde::Serialize;

use super::account_info::AccountInfo;
use super::consumer_info::ConsumerInfo;
use super::error::ApiError;
use super::from_json::{JsonError, decode, json_object};
use super::object_writer::ObjectWriter;
use super::omit;
use super::response_type::{RESPONSE_TYPE_PREFIX, ResponseType};
use super::stored_msg::StoredMsg;
use super::stream_config::StreamConfig;
use super::stream_info::{StreamInfo, StreamState};
use super::timestamp::ZonedTime;

/// Most names in one answer of NAMES.
pub const NAMES_PAGE_MAX: usize = 1024;
/// Most entries in one answer of LIST.
pub const LIST_PAGE_MAX: usize = 256;
/// Most subjects in one answer of STREAM.INFO.
pub const SUBJECTS_PAGE_MAX: usize = 100_000;

/// Which part of a list an answer holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Page {
    /// Length of the whole list.
    pub total: u64,
    /// How many were passed over.
    pub offset: u64,
    /// Most that one answer holds.
    pub limit: u64,
}

impl Page {
    /// The page that `offset` asks for; an offset outside the list is moved to its nearer end.
    pub fn at(offset: i64, total: usize, limit: usize) -> Self {
        let total = total as u64;
        Self { total, offset: u64::try_from(offset).unwrap_or(0).min(total), limit: limit as u64 }
    }
}

/// An answer to a request that was granted.
#[derive(Debug, Clone)]
pub enum Response<'a> {
    /// INFO
    AccountInfo(&'a AccountInfo),
    /// ACCOUNT.PURGE
    AccountPurge,
    /// STREAM.CREATE, and the end of a restore
    StreamCreate {
        /// The new stream.
        info: &'a StreamInfo,
        /// Always true, but for a restore.
        did_create: bool,
    },
    /// STREAM.UPDATE
    StreamUpdate(&'a StreamInfo),
    /// STREAM.INFO
    StreamInfo {
        /// Of the subjects; zero if none were asked for or found.
        page: Page,
        /// The stream.
        info: &'a StreamInfo,
    },
    /// STREAM.NAMES
    StreamNames(Page, &'a [String]),
    /// STREAM.LIST
    StreamList {
        /// Of the streams.
        page: Page,
        /// The streams.
        streams: &'a [StreamInfo],
        /// Streams that could not be asked.
        missing: &'a [String],
    },
    /// STREAM.PURGE
    StreamPurge {
        /// How many messages were removed.
        purged: u64,
    },
    /// STREAM.MSG.GET
    MsgGet(StoredMsg<'a>),
    /// STREAM.SNAPSHOT
    StreamSnapshot {
        /// The stream's configuration.
        config: &'a StreamConfig,
        /// What it holds.
        state: &'a StreamState,
    },
    /// STREAM.RESTORE
    StreamRestore {
        /// Where the chunks are to be sent.
        deliver_subject: &'a str,
    },
    /// CONSUMER.CREATE
    ConsumerCreate(&'a ConsumerInfo),
    /// CONSUMER.INFO
    ConsumerInfo(&'a ConsumerInfo),
    /// CONSUMER.NAMES
    ConsumerNames(Page, &'a [String]),
    /// CONSUMER.LIST
    ConsumerList {
        /// Of the consumers.
        page: Page,
        /// The consumers.
        consumers: &'a [ConsumerInfo],
        /// Consumers that could not be asked.
        missing: &'a [String],
    },
    /// CONSUMER.PAUSE
    ConsumerPause(PauseState),
    /// CONSUMER.RESET
    ConsumerReset {
        /// The consumer.
        info: &'a ConsumerInfo,
        /// The sequence it went back to.
        reset_seq: u64,
    },
    /// CONSUMER.UNPIN
    ConsumerUnpin,
    /// STREAM.DELETE
    StreamDelete,
    /// STREAM.MSG.DELETE
    MsgDelete,
    /// CONSUMER.DELETE
    ConsumerDelete,
}

impl Response<'_> {
    /// The type it is sent with.
    pub fn response_type(&self) -> ResponseType {
        match self {
            Response::AccountInfo(_) => ResponseType::AccountInfo,
            Response::AccountPurge => ResponseType::AccountPurge,
            Response::StreamCreate { .. } => ResponseType::StreamCreate,
            Response::StreamUpdate(_) => ResponseType::StreamUpdate,
            Response::StreamInfo { .. } => ResponseType::StreamInfo,
            Response::StreamNames(..) => ResponseType::StreamNames,
            Response::StreamList { .. } => ResponseType::StreamList,
            Response::StreamPurge { .. } => ResponseType::StreamPurge,
            Response::MsgGet(_) => ResponseType::MsgGet,
            Response::StreamSnapshot { .. } => ResponseType::StreamSnapshot,
            Response::StreamRestore { .. } => ResponseType::StreamRestore,
            Response::ConsumerCreate(_) => ResponseType::ConsumerCreate,
            Response::ConsumerInfo(_) => ResponseType::ConsumerInfo,
            Response::ConsumerNames(..) => ResponseType::ConsumerNames,
            Response::ConsumerList { .. } => ResponseType::ConsumerList,
            Response::ConsumerPause(_) => ResponseType::ConsumerPause,
            Response::ConsumerReset { .. } => ResponseType::ConsumerReset,
            Response::ConsumerUnpin => ResponseType::ConsumerUnpin,
            Response::StreamDelete => ResponseType::StreamDelete,
            Response::MsgDelete => ResponseType::MsgDelete,
            Response::ConsumerDelete => ResponseType::ConsumerDelete,
        }
    }

    /// The JSON.
    pub fn encode(&self) -> Vec<u8> {
        self.encode_as(self.response_type())
    }

    /// The JSON, under another type: STREAM.INFO may be asked to answer as STREAM.CREATE does.
    pub fn encode_as(&self, response_type: ResponseType) -> Vec<u8> {
        self.write(begin(response_type)).finish()
    }

    fn write(&self, out: ObjectWriter) -> ObjectWriter {
        match self {
            Response::AccountInfo(info) => out.entries(info),
            Response::AccountPurge => out.raw(",\"initiated\":true"),
            Response::StreamCreate { info, did_create: true } => {
                out.entries(info).raw(",\"did_create\":true")
            }
            Response::StreamCreate { info, did_create: false } | Response::StreamUpdate(info) => {
                out.entries(info)
            }
            Response::StreamInfo { page, info } => out.entries(page).entries(info),
            Response::StreamNames(page, []) => out.entries(page).raw(",\"streams\":null"),
            Response::StreamNames(page, names) => out.entries(page).entry("streams", names),
            Response::StreamList { page, streams, missing } => {
                write_missing(out.entries(page).entry("streams", streams), missing)
            }
            Response::StreamPurge { purged } => out.raw(SUCCESS).entry("purged", purged),
            Response::MsgGet(message) => out.entry("message", message),
            Response::StreamSnapshot { config, state } => out.entry("config", config).entry("state", state),
            Response::StreamRestore { deliver_subject } => out.entry("deliver_subject", deliver_subject),
            Response::ConsumerCreate(info) | Response::ConsumerInfo(info) => out.entries(info),
            Response::ConsumerNames(page, names) => out.entries(page).entry("consumers", names),
            Response::ConsumerList { page, consumers, missing } => {
                write_missing(out.entries(page).entry("consumers", consumers), missing)
            }
            Response::ConsumerPause(state) => out.entries(state),
            Response::ConsumerReset { info, reset_seq } => out.entries(info).entry("reset_seq", reset_seq),
            Response::ConsumerUnpin => out,
            Response::StreamDelete | Response::MsgDelete | Response::ConsumerDelete => out.raw(SUCCESS),
        }
    }
}

const SUCCESS: &str = ",\"success\":true";

fn begin(response_type: ResponseType) -> ObjectWriter {
    ObjectWriter::typed(RESPONSE_TYPE_PREFIX, response_type.name())
}

fn write_missing(out: ObjectWriter, missing: &[String]) -> ObjectWriter {
    if missing.is_empty() { out } else { out.entry("missing", &missing) }
}

/// The answer to a request that was refused, with the entries such an answer always has.
pub fn encode_refusal(response_type: ResponseType, error: &ApiError) -> Vec<u8> {
    begin(response_type).entry("error", error).raw(response_type.constant_entries()).finish()
}

/// What is answered in place of `answer` when it turns out that it does not hold: the same type, with an error.
pub fn encode_refusal_like(answer: &[u8], error: &ApiError) -> Vec<u8> {
    let quotes = answer.iter().enumerate().filter(|(_, byte)| **byte == b'"');
    let end_of_type = quotes.map(|(at, _)| at).nth(3).filter(|_| answer.starts_with(b"{\"type\":"));
    ObjectWriter::begun(end_of_type.and_then(|at| answer.get(..=at))).entry("error", error).finish()
}

/// The error another server answered with, if it did.
pub fn received_error(answer: &[u8]) -> Result<Option<ApiError>, JsonError> {
    decode::<ReceivedAnswer>(answer, false).map(|answer| answer.error)
}

#[derive(Debug, Default)]
struct ReceivedAnswer {
    error: Option<ApiError>,
}

json_object! { ReceivedAnswer as "ApiResponse" { error } }

/// Whether a consumer is paused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PauseState {
    /// It is.
    pub paused: bool,
    /// Until when; zero if that was never said.
    pub pause_until: ZonedTime,
    /// For how long yet, in nanoseconds.
    #[serde(skip_serializing_if = "omit::zero")]
    pub pause_remaining: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jetstream::api_subject::ApiSubject;
    use crate::jetstream::error::ErrorCode;
    use crate::jetstream::stream_info::ClusterInfo;

    fn text(response: Response<'_>) -> String {
        String::from_utf8(response.encode()).unwrap()
    }

    fn refused(call: &str) -> String {
        let response_type = ResponseType::of(&ApiSubject::parse(call.as_bytes())).unwrap();
        let body = encode_refusal(response_type, &ErrorCode::BadRequest.error());
        String::from_utf8(body).unwrap()
    }

    const ERROR: &str = r#""error":{"code":400,"err_code":10003,"description":"bad request"}"#;

    #[test]
    fn refusals_keep_the_entries_that_are_never_left_out() {
        let cases = [
            ("INFO", "account_info", ""),
            ("STREAM.CREATE.S", "stream_create", ""),
            ("STREAM.UPDATE.S", "stream_update", ""),
            ("STREAM.NAMES", "stream_names", r#","total":0,"offset":0,"limit":0,"streams":null"#),
            ("STREAM.LIST", "stream_list", r#","total":0,"offset":0,"limit":0,"streams":[]"#),
            ("STREAM.INFO.S", "stream_info", r#","total":0,"offset":0,"limit":0"#),
            ("STREAM.DELETE.S", "stream_delete", ""),
            ("STREAM.PURGE.S", "stream_purge", r#","purged":0"#),
            ("STREAM.MSG.GET.S", "stream_msg_get", ""),
            ("STREAM.MSG.DELETE.S", "stream_msg_delete", ""),
            ("STREAM.SNAPSHOT.S", "stream_snapshot", ""),
            ("STREAM.RESTORE.S", "stream_restore", r#","deliver_subject":"""#),
            ("STREAM.PEER.REMOVE.S", "stream_remove_peer", ""),
            ("STREAM.PEER.EVACUATE.S", "stream_evacuate_peer", ""),
            ("STREAM.CANCEL_MOVE.S", "stream_cancel_move", ""),
            ("STREAM.LEADER.STEPDOWN.S", "stream_leader_stepdown", ""),
            ("CONSUMER.CREATE.S", "consumer_create", ""),
            ("CONSUMER.DURABLE.CREATE.S.C", "consumer_create", ""),
            ("CONSUMER.NAMES.S", "consumer_names", r#","total":0,"offset":0,"limit":0,"consumers":[]"#),
            ("CONSUMER.LIST.S", "consumer_list", r#","total":0,"offset":0,"limit":0,"consumers":[]"#),
            ("CONSUMER.INFO.S.C", "consumer_info", ""),
            ("CONSUMER.DELETE.S.C", "consumer_delete", ""),
            (
                "CONSUMER.PAUSE.S.C",
                "consumer_pause",
                r#","paused":false,"pause_until":"0001-01-01T00:00:00Z""#,
            ),
            ("CONSUMER.UNPIN.S.C", "consumer_unpin", ""),
            ("CONSUMER.RESET.S.C", "consumer_reset", r#","reset_seq":0"#),
            ("CONSUMER.LEADER.STEPDOWN.S.C", "consumer_leader_stepdown", ""),
        ];
        for (call, name, rest) in cases {
            let expected = format!(r#"{{"type":"io.nats.jetstream.api.v1.{name}_response",{ERROR}{rest}}}"#);
            assert_eq!(refused(call), expected, "{call}");
        }
    }

    #[test]
    fn calls_without_json_answers_have_no_type() {
        for call in ["CONSUMER.MSG.NEXT.S.C", "DIRECT.GET.S", "BOGUS"] {
            assert_eq!(ResponseType::of(&ApiSubject::parse(call.as_bytes())), None, "{call}");
        }
    }

    #[test]
    fn empty_lists_are_null_only_for_stream_names() {
        let page = Page::at(7, 0, NAMES_PAGE_MAX);
        let head = r#"{"type":"io.nats.jetstream.api.v1."#;
        let rest = r#"_response","total":0,"offset":0,"limit":1024,"#;
        assert_eq!(
            text(Response::StreamNames(page, &[])),
            format!("{head}stream_names{rest}\"streams\":null}}")
        );
        assert_eq!(
            text(Response::ConsumerNames(page, &[])),
            format!("{head}consumer_names{rest}\"consumers\":[]}}")
        );
        let list = text(Response::StreamList { page, streams: &[], missing: &["M".to_owned()] });
        assert_eq!(list, format!("{head}stream_list{rest}\"streams\":[],\"missing\":[\"M\"]}}"));
    }

    #[test]
    fn offsets_are_moved_into_the_list() {
        assert_eq!(Page::at(-4, 9, 256), Page { total: 9, offset: 0, limit: 256 });
        assert_eq!(Page::at(4, 9, 256).offset, 4);
        assert_eq!(Page::at(99, 9, 256).offset, 9);
    }

    #[test]
    fn a_stream_is_shown_beside_the_type() {
        let info = StreamInfo {
            cluster: Some(ClusterInfo { leader: "n1".into(), ..Default::default() }),
            ..Default::default()
        };
        let created = text(Response::StreamCreate { info: &info, did_create: true });
        assert!(
            created
                .starts_with(r#"{"type":"io.nats.jetstream.api.v1.stream_create_response","config":{"name""#)
        );
        assert!(created.ends_with(r#""ts":"0001-01-01T00:00:00Z","did_create":true}"#), "{created}");
        let shown = Response::StreamInfo { page: Page::default(), info: &info };
        let begin = r#"{"type":"io.nats.jetstream.api.v1.stream_info_response","total":0,"offset":0,"limit":0,"config""#;
        assert!(text(shown.clone()).starts_with(begin));
        assert!(text(shown.clone()).contains(r#","cluster":{"leader":"n1"},"#));
        let as_create = String::from_utf8(shown.encode_as(ResponseType::StreamCreate)).unwrap();
        assert!(as_create.contains("stream_create_response"));
    }

    #[test]
    fn short_answers_are_those_of_nats_server() {
        let head = r#"{"type":"io.nats.jetstream.api.v1."#;
        let pause = PauseState { paused: true, pause_until: ZonedTime::default(), pause_remaining: 5 };
        let cases = [
            (Response::StreamDelete, r#"stream_delete_response","success":true}"#),
            (Response::MsgDelete, r#"stream_msg_delete_response","success":true}"#),
            (Response::ConsumerDelete, r#"consumer_delete_response","success":true}"#),
            (Response::StreamPurge { purged: 2 }, r#"stream_purge_response","success":true,"purged":2}"#),
            (Response::ConsumerUnpin, r#"consumer_unpin_response"}"#),
            (
                Response::StreamRestore { deliver_subject: "d" },
                r#"stream_restore_response","deliver_subject":"d"}"#,
            ),
            (
                Response::ConsumerPause(pause),
                concat!(
                    r#"consumer_pause_response","paused":true,"pause_until":"0001-01-01T00:00:00Z","#,
                    r#""pause_remaining":5}"#
                ),
            ),
        ];
        for (response, expected) in cases {
            assert_eq!(text(response), format!("{head}{expected}"));
        }
    }

    #[test]
    fn the_error_of_another_server_is_found() {
        let refusal = encode_refusal(ResponseType::ConsumerCreate, &ErrorCode::RequiredApiLevel.error());
        let error = received_error(&refusal).unwrap().unwrap();
        assert!(error.is(ErrorCode::RequiredApiLevel));
        assert_eq!(received_error(br#"{"type":"x","name":"C"}"#).unwrap(), None);
        assert!(received_error(b"-ERR").is_err());
    }
}
