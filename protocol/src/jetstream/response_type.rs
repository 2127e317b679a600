//! The `type` of an API answer.

use super::api_subject::ApiSubject;

/// What all types of answers begin with.
pub const RESPONSE_TYPE_PREFIX: &str = "io.nats.jetstream.api.v1.";

macro_rules! response_types {
    ($($name:ident = $word:literal $(with $fields:literal)?,)+) => {
        /// Which request an answer belongs to.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ResponseType {
            $(#[doc = $word] $name,)+
        }

        impl ResponseType {
            /// The `type`, without [`RESPONSE_TYPE_PREFIX`].
            pub fn name(self) -> &'static str {
                match self {
                    $(ResponseType::$name => $word,)+
                }
            }

            /// The entries an answer has even if it is an error.
            pub(super) fn constant_entries(self) -> &'static str {
                match self {
                    $($(ResponseType::$name => $fields,)?)+
                    _ => "",
                }
            }
        }
    };
}

response_types! {
    AccountInfo = "account_info_response",
    AccountPurge = "account_purge_response",
    StreamCreate = "stream_create_response",
    StreamUpdate = "stream_update_response",
    StreamNames = "stream_names_response" with r#","total":0,"offset":0,"limit":0,"streams":null"#,
    StreamList = "stream_list_response" with r#","total":0,"offset":0,"limit":0,"streams":[]"#,
    StreamInfo = "stream_info_response" with r#","total":0,"offset":0,"limit":0"#,
    StreamDelete = "stream_delete_response",
    StreamPurge = "stream_purge_response" with r#","purged":0"#,
    MsgGet = "stream_msg_get_response",
    MsgDelete = "stream_msg_delete_response",
    StreamSnapshot = "stream_snapshot_response",
    StreamRestore = "stream_restore_response" with r#","deliver_subject":"""#,
    StreamRemovePeer = "stream_remove_peer_response",
    StreamEvacuatePeer = "stream_evacuate_peer_response",
    StreamCancelMove = "stream_cancel_move_response",
    StreamLeaderStepdown = "stream_leader_stepdown_response",
    ConsumerCreate = "consumer_create_response",
    ConsumerNames = "consumer_names_response" with r#","total":0,"offset":0,"limit":0,"consumers":[]"#,
    ConsumerList = "consumer_list_response" with r#","total":0,"offset":0,"limit":0,"consumers":[]"#,
    ConsumerInfo = "consumer_info_response",
    ConsumerDelete = "consumer_delete_response",
    ConsumerPause = "consumer_pause_response" with r#","paused":false,"pause_until":"0001-01-01T00:00:00Z""#,
    ConsumerUnpin = "consumer_unpin_response",
    ConsumerReset = "consumer_reset_response" with r#","reset_seq":0"#,
    ConsumerLeaderStepdown = "consumer_leader_stepdown_response",
    System = "system_response",
}

impl ResponseType {
    /// The answer to a call; `None` where answers are not JSON, or most accounts get none.
    pub fn of(call: &ApiSubject<'_>) -> Option<Self> {
        Some(match call {
            ApiSubject::AccountInfo => Self::AccountInfo,
            ApiSubject::StreamNames => Self::StreamNames,
            ApiSubject::StreamList => Self::StreamList,
            ApiSubject::StreamCreate(_) => Self::StreamCreate,
            ApiSubject::StreamUpdate(_) => Self::StreamUpdate,
            ApiSubject::StreamInfo(_) => Self::StreamInfo,
            ApiSubject::StreamDelete(_) => Self::StreamDelete,
            ApiSubject::StreamPurge(_) => Self::StreamPurge,
            ApiSubject::MsgGet(_) => Self::MsgGet,
            ApiSubject::MsgDelete(_) => Self::MsgDelete,
            ApiSubject::StreamSnapshot(_) => Self::StreamSnapshot,
            ApiSubject::StreamRestore(_) => Self::StreamRestore,
            ApiSubject::StreamPeerRemove(_) => Self::StreamRemovePeer,
            ApiSubject::StreamPeerEvacuate(_) => Self::StreamEvacuatePeer,
            ApiSubject::StreamCancelMove(_) => Self::StreamCancelMove,
            ApiSubject::StreamStepDown(_) => Self::StreamLeaderStepdown,
            ApiSubject::ConsumerCreate { .. } | ApiSubject::ConsumerDurableCreate(_) => Self::ConsumerCreate,
            ApiSubject::ConsumerNames(_) => Self::ConsumerNames,
            ApiSubject::ConsumerList(_) => Self::ConsumerList,
            ApiSubject::ConsumerInfo(_) => Self::ConsumerInfo,
            ApiSubject::ConsumerDelete(_) => Self::ConsumerDelete,
            ApiSubject::ConsumerPause(_) => Self::ConsumerPause,
            ApiSubject::ConsumerUnpin(_) => Self::ConsumerUnpin,
            ApiSubject::ConsumerReset(_) => Self::ConsumerReset,
            ApiSubject::ConsumerStepDown(_) => Self::ConsumerLeaderStepdown,
            ApiSubject::AccountPurge(_)
            | ApiSubject::MsgNext(_)
            | ApiSubject::DirectGet { .. }
            | ApiSubject::Unknown => return None,
        })
    }
}
