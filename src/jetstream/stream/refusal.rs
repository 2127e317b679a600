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
    /// `Nats-Expected-Last-Sequence`; holds the actual sequence.
    WrongLastSeq(u64),
    /// `Nats-Expected-Last-Subject-Sequence`; holds the actual sequence.
    WrongLastSubjectSeq(u64),
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
    /// An expectation within a batch that the batch itself makes wrong, or cannot be sure of.
    WrongLastSeqInBatch,
    /// `Nats-Rollup: sub` within a batch, for a subject the batch has written to.
    RollupSubjectInBatch,
    /// `Nats-Rollup: all` within a batch, but not on its first message.
    RollupAllInBatch,
    /// A message id of a batch is known, or comes twice in it; holds the sequence of the one that is stored.
    DuplicateInBatch(Option<u64>),
    /// Atomic batches are not allowed.
    AtomicDisabled,
    /// `Nats-Batch-Id` is too long.
    AtomicId,
    /// `Nats-Batch-Sequence` is missing or no number.
    AtomicSeqMissing,
    /// A message of the batch is missing.
    AtomicIncomplete,
    /// The batch has more messages than this.
    AtomicTooLarge(u64),
    /// Too many batches are open.
    AtomicTooMany,
    /// `Nats-Batch-Commit` makes no sense.
    AtomicCommit,
    /// Fast batches are not allowed.
    FastDisabled,
    /// The reply subject is not of the form.
    FastPattern,
    /// The id of the fast batch is too long.
    FastId,
    /// There is no such fast batch.
    FastUnknown,
    /// Too many fast batches are open.
    FastTooMany,
    /// This header cannot stand in a batch.
    AtomicHeader(&'static str),
    /// `Nats-Required-Api-Level` asks for more than we serve.
    ApiLevel,
    /// The server has no room for it.
    NoResources,
    /// The account may not store as much.
    AccountResources,
    /// `Nats-Schedule` on a stream that does not allow it.
    SchedulesDisabled,
    /// `Nats-Schedule` makes no sense.
    SchedulePattern,
    /// `Nats-Schedule-Time-Zone` is unknown.
    ScheduleTimeZone,
    /// `Nats-Schedule-Target` is missing, or cannot be one.
    ScheduleTarget,
    /// `Nats-Schedule-Source` cannot be one.
    ScheduleSource,
    /// `Nats-Schedule-TTL` makes no sense.
    ScheduleTtl,
    /// `Nats-Schedule-Rollup`, or `Nats-Rollup` beside a schedule, is not `sub`.
    ScheduleRollup,
    /// `Nats-Scheduler` and `Nats-Schedule-Next` do not take a schedule away.
    ScheduleScheduler,
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
            Refusal::WrongLastSeq(actual) | Refusal::WrongLastSubjectSeq(actual) => {
                Code::StreamWrongLastSequence.with(actual)
            }
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
            Refusal::WrongLastSeqInBatch => Code::StreamWrongLastSequenceConstant.error(),
            Refusal::RollupSubjectInBatch => Code::StreamRollupFailed.saying("batch rollup sub invalid"),
            Refusal::RollupAllInBatch => Code::StreamRollupFailed.saying("batch rollup all invalid"),
            Refusal::DuplicateInBatch(_) => Code::AtomicPublishContainsDuplicateMessage.error(),
            Refusal::AtomicDisabled => Code::AtomicPublishDisabled.error(),
            Refusal::AtomicId => Code::AtomicPublishInvalidBatchId.error(),
            Refusal::AtomicSeqMissing => Code::AtomicPublishMissingSeq.error(),
            Refusal::AtomicIncomplete => Code::AtomicPublishIncompleteBatch.error(),
            Refusal::AtomicTooLarge(max) => Code::AtomicPublishTooLargeBatch.with(max),
            Refusal::AtomicTooMany => Code::AtomicPublishTooManyInflight.error(),
            Refusal::AtomicCommit => Code::AtomicPublishInvalidBatchCommit.error(),
            Refusal::FastDisabled => Code::BatchPublishDisabled.error(),
            Refusal::FastPattern => Code::BatchPublishInvalidPattern.error(),
            Refusal::FastId => Code::BatchPublishInvalidBatchId.error(),
            Refusal::FastUnknown => Code::BatchPublishUnknownBatchId.error(),
            Refusal::FastTooMany => Code::BatchPublishTooManyInflight.error(),
            Refusal::AtomicHeader(name) => Code::AtomicPublishUnsupportedHeaderBatch.with(name),
            Refusal::ApiLevel => Code::RequiredApiLevel.error(),
            Refusal::AccountResources => Code::AccountResourcesExceeded.error(),
            Refusal::NoResources => Code::InsufficientResources.error(),
            Refusal::SchedulesDisabled => Code::MessageSchedulesDisabled.error(),
            Refusal::SchedulePattern => Code::MessageSchedulesPatternInvalid.error(),
            Refusal::ScheduleTimeZone => Code::MessageSchedulesTimeZoneInvalid.error(),
            Refusal::ScheduleTarget => Code::MessageSchedulesTargetInvalid.error(),
            Refusal::ScheduleSource => Code::MessageSchedulesSourceInvalid.error(),
            Refusal::ScheduleTtl => Code::MessageSchedulesTtlInvalid.error(),
            Refusal::ScheduleRollup => Code::MessageSchedulesRollupInvalid.error(),
            Refusal::ScheduleScheduler => Code::MessageSchedulesSchedulerInvalid.error(),
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
        StoreError::DiskFull => ErrorCode::InsufficientResources.error(),
        StoreError::Poisoned(_) => ErrorCode::ClusterNotAvail.error(),
        StoreError::TooLarge => ErrorCode::StreamStoreFailed.saying("message to large"),
        other => ErrorCode::StreamStoreFailed.with(other),
    }
}
