//! Why a stream refuses what it was asked, and how the API says so.

use std::fmt;

use headwater_protocol::jetstream::error::{ApiError, ErrorCode};

use crate::store::StoreError;

/// A refused publish, purge or delete.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// The stream is sealed.
    Sealed,
    /// `Nats-Expected-Stream` names another.
    ExpectedStream,
    /// `Nats-Expected-Last-Sequence` or its per-subject form; holds the actual sequence.
    WrongLastSeq(u64),
    /// `Nats-Expected-Last-Msg-Id`; holds the actual id.
    WrongLastMsgId(String),
    /// `Nats-Expected-Last-Subject-Sequence-Subject` without a sequence.
    MissingLastSubjectSeq,
    /// `Nats-Stream-Source` is not for publishers.
    StreamSourceHeader,
    /// `Nats-TTL` on a stream that does not allow it.
    TtlDisabled,
    /// `Nats-TTL` makes no sense.
    TtlInvalid,
    /// `Nats-Incr` on a stream that does not count.
    CountersDisabled,
    /// A stream that counts wants `Nats-Incr`.
    IncrementMissing,
    /// `Nats-Incr` beside a payload.
    IncrementWithPayload,
    /// `Nats-Incr` is no number, or stands beside what it cannot stand beside.
    IncrementInvalid,
    /// The last message of the subject tells no total.
    CounterBroken,
    /// `Nats-Rollup` on a stream that does not allow it.
    RollupNotPermitted,
    /// `Nats-Rollup` with an unknown value.
    RollupInvalid(String),
    /// Over `max_msg_size`.
    MessageTooLarge,
    /// The header block is larger than a stream takes.
    HeadersTooLarge,
    /// Discard new: `max_msgs` reached.
    MaxMsgs,
    /// Discard new: `max_bytes` reached.
    MaxBytes,
    /// Discard new per subject: `max_msgs_per_subject` reached.
    MaxMsgsPerSubject,
    /// `deny_purge` is set.
    PurgeDenied,
    /// `deny_delete` is set.
    DeleteDenied,
    /// The store could not do it.
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Refusal::Store(error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        use ErrorCode as Code;
        match refusal {
            Refusal::Sealed => Code::StreamSealed.error(),
            Refusal::ExpectedStream => Code::StreamNotMatch.error(),
            Refusal::WrongLastSeq(actual) => Code::StreamWrongLastSequence.with(actual),
            Refusal::WrongLastMsgId(actual) => Code::StreamWrongLastMsgId.with(actual),
            Refusal::MissingLastSubjectSeq => Code::StreamExpectedLastSeqPerSubjectInvalid.error(),
            Refusal::StreamSourceHeader => Code::MessageSourceHdrNotAllowed.error(),
            Refusal::TtlDisabled => Code::MessageTtlDisabled.error(),
            Refusal::TtlInvalid => Code::MessageTtlInvalid.error(),
            Refusal::CountersDisabled => Code::MessageIncrDisabled.error(),
            Refusal::IncrementMissing => Code::MessageIncrMissing.error(),
            Refusal::IncrementWithPayload => Code::MessageIncrPayload.error(),
            Refusal::IncrementInvalid => Code::MessageIncrInvalid.error(),
            Refusal::CounterBroken => Code::MessageCounterBroken.error(),
            Refusal::RollupNotPermitted => Code::StreamRollupFailed.saying("rollup not permitted"),
            Refusal::RollupInvalid(value) => {
                Code::StreamRollupFailed.with(format_args!("rollup value invalid: {value:?}"))
            }
            Refusal::MessageTooLarge => Code::StreamMessageExceedsMaximum.error(),
            Refusal::HeadersTooLarge => Code::StreamHeaderExceedsMaximum.error(),
            Refusal::MaxMsgs => Code::StreamStoreFailed.saying("maximum messages exceeded"),
            Refusal::MaxBytes => Code::StreamStoreFailed.saying("maximum bytes exceeded"),
            Refusal::MaxMsgsPerSubject => {
                Code::StreamStoreFailed.saying("maximum messages per subject exceeded")
            }
            Refusal::PurgeDenied => Code::StreamPurgeFailed.saying("stream purge not permitted"),
            Refusal::DeleteDenied => Code::StreamMsgDeleteFailed.saying("message delete not permitted"),
            Refusal::Store(error) => store_error(error),
        }
    }
}

fn store_error(error: StoreError) -> ApiError {
    match error {
        StoreError::DiskFull => ErrorCode::StreamStoreFailed.saying("no space left on device"),
        StoreError::TooLarge => ErrorCode::StreamStoreFailed.saying("message to large"),
        other => ErrorCode::StreamStoreFailed.with(other),
    }
}
