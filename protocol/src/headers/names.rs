//! Names of the headers the broker reads or writes.

/// Deduplication id of a publish.
pub const MSG_ID: &[u8] = b"Nats-Msg-Id";
/// The stream a publish expects to land in.
pub const EXPECTED_STREAM: &[u8] = b"Nats-Expected-Stream";
/// The last sequence of the stream a publish expects.
pub const EXPECTED_LAST_SEQUENCE: &[u8] = b"Nats-Expected-Last-Sequence";
/// The last sequence of the subject a publish expects.
pub const EXPECTED_LAST_SUBJECT_SEQUENCE: &[u8] = b"Nats-Expected-Last-Subject-Sequence";
/// The filter that [`EXPECTED_LAST_SUBJECT_SEQUENCE`] speaks of, if not the publish subject.
pub const EXPECTED_LAST_SUBJECT_SEQUENCE_SUBJECT: &[u8] = b"Nats-Expected-Last-Subject-Sequence-Subject";
/// The deduplication id of the last stored message a publish expects.
pub const EXPECTED_LAST_MSG_ID: &[u8] = b"Nats-Expected-Last-Msg-Id";
/// What all expectations begin with.
pub const EXPECTED_PREFIX: &[u8] = b"Nats-Expected-";
/// `sub` or `all`: purge what came before.
pub const ROLLUP: &[u8] = b"Nats-Rollup";
/// Time to live of one message (ADR-43).
pub const TTL: &[u8] = b"Nats-TTL";
/// Why a delete marker was stored (ADR-43).
pub const MARKER_REASON: &[u8] = b"Nats-Marker-Reason";
/// The API level a request needs at least.
pub const REQUIRED_API_LEVEL: &[u8] = b"Nats-Required-Api-Level";

/// Counter increment (ADR-49).
pub const INCR: &[u8] = b"Nats-Incr";
/// What each source has contributed to a counter (ADR-49).
pub const COUNTER_SOURCES: &[u8] = b"Nats-Counter-Sources";

/// Atomic batch id (ADR-50).
pub const BATCH_ID: &[u8] = b"Nats-Batch-Id";
/// Position in the atomic batch, from 1 (ADR-50).
pub const BATCH_SEQUENCE: &[u8] = b"Nats-Batch-Sequence";
/// `1` or `eob` on the message that commits the batch (ADR-50).
pub const BATCH_COMMIT: &[u8] = b"Nats-Batch-Commit";
/// What all batch headers begin with.
pub const BATCH_PREFIX: &[u8] = b"Nats-Batch-";

/// When to publish (ADR-51).
pub const SCHEDULE: &[u8] = b"Nats-Schedule";
/// Where to publish (ADR-51).
pub const SCHEDULE_TARGET: &[u8] = b"Nats-Schedule-Target";
/// TTL of what is published (ADR-51).
pub const SCHEDULE_TTL: &[u8] = b"Nats-Schedule-TTL";
/// Whose last message is published (ADR-51).
pub const SCHEDULE_SOURCE: &[u8] = b"Nats-Schedule-Source";
/// Rollup of what is published (ADR-51).
pub const SCHEDULE_ROLLUP: &[u8] = b"Nats-Schedule-Rollup";
/// IANA time zone of a cron schedule (ADR-51).
pub const SCHEDULE_TIME_ZONE: &[u8] = b"Nats-Schedule-Time-Zone";
/// What all schedule headers begin with.
pub const SCHEDULE_PREFIX: &[u8] = b"Nats-Schedule";
/// The schedule's subject, on what it published (ADR-51).
pub const SCHEDULER: &[u8] = b"Nats-Scheduler";
/// The next time of the schedule, or `purge` (ADR-51).
pub const SCHEDULE_NEXT: &[u8] = b"Nats-Schedule-Next";

/// Where a sourced message comes from: stream, sequence, filter, transform, subject, identity.
pub const STREAM_SOURCE: &[u8] = b"Nats-Stream-Source";

/// What tells a stream from a later one of its name, on requests for consumers and the answers to them.
pub const STREAM_IDENTITY: &[u8] = b"Nats-Stream-Identity";

/// The stream of a republished or directly read message.
pub const STREAM: &[u8] = b"Nats-Stream";
/// The subject of a republished or directly read message, or of a request nobody answers.
pub const SUBJECT: &[u8] = b"Nats-Subject";
/// The sequence of a republished or directly read message.
pub const SEQUENCE: &[u8] = b"Nats-Sequence";
/// When a republished or directly read message was stored.
pub const TIME_STAMP: &[u8] = b"Nats-Time-Stamp";
/// The sequence before, of the subject (republish) or in the response (direct get).
pub const LAST_SEQUENCE: &[u8] = b"Nats-Last-Sequence";
/// How many messages a direct get has yet to send.
pub const NUM_PENDING: &[u8] = b"Nats-Num-Pending";
/// The sequence a multi direct get was bound to.
pub const UP_TO_SEQUENCE: &[u8] = b"Nats-UpTo-Sequence";
/// The size of a message delivered without its payload.
pub const MSG_SIZE: &[u8] = b"Nats-Msg-Size";

/// What is left of a pull request's batch when it ends.
pub const PENDING_MESSAGES: &[u8] = b"Nats-Pending-Messages";
/// What is left of a pull request's `max_bytes` when it ends.
pub const PENDING_BYTES: &[u8] = b"Nats-Pending-Bytes";
/// Last delivered consumer sequence, on heartbeats.
pub const LAST_CONSUMER: &[u8] = b"Nats-Last-Consumer";
/// Last delivered stream sequence, on heartbeats.
pub const LAST_STREAM: &[u8] = b"Nats-Last-Stream";
/// The reply subject of the flow control message that a stalled consumer waits for.
pub const CONSUMER_STALLED: &[u8] = b"Nats-Consumer-Stalled";
/// The pin id of a pinned client (ADR-42).
pub const PIN_ID: &[u8] = b"Nats-Pin-Id";

/// Who made a request that crossed accounts.
pub const REQUEST_INFO: &[u8] = b"Nats-Request-Info";
/// Subject to report the way of a message to (ADR-41).
pub const TRACE_DEST: &[u8] = b"Nats-Trace-Dest";
/// `true` to trace a message without delivering it (ADR-41).
pub const TRACE_ONLY: &[u8] = b"Nats-Trace-Only";
