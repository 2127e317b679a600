//! The headers of a publish that a stream acts on.

use headwater_protocol::headers;

/// What a publisher asks of the stream, read in one pass over the header block. An empty value asks for nothing.
///
/// Names are matched exactly, as nats-server does; of repeated headers the first counts.
#[derive(Debug, Default, Clone, Copy)]
pub struct PublishHeaders<'a> {
    /// `Nats-Msg-Id`.
    pub msg_id: &'a [u8],
    /// `Nats-Expected-Stream`.
    pub expected_stream: &'a [u8],
    /// `Nats-Expected-Last-Sequence`.
    pub expected_last_seq: &'a [u8],
    /// `Nats-Expected-Last-Subject-Sequence`.
    pub expected_last_subject_seq: &'a [u8],
    /// `Nats-Expected-Last-Subject-Sequence-Subject`.
    pub expected_last_subject_seq_subject: &'a [u8],
    /// `Nats-Expected-Last-Msg-Id`.
    pub expected_last_msg_id: &'a [u8],
    /// `Nats-Rollup`.
    pub rollup: &'a [u8],
    /// `Nats-TTL` (ADR-43).
    pub ttl: &'a [u8],
    /// `Nats-Incr` (ADR-49).
    pub incr: &'a [u8],
    /// `Nats-Stream-Source`.
    pub stream_source: &'a [u8],
    /// `Nats-Batch-Id` (ADR-50).
    pub batch_id: &'a [u8],
    /// `Nats-Batch-Sequence` (ADR-50).
    pub batch_seq: &'a [u8],
    /// `Nats-Batch-Commit` (ADR-50); here an empty value counts.
    pub batch_commit: Option<&'a [u8]>,
    /// `Nats-Required-Api-Level` (ADR-44).
    pub required_api_level: &'a [u8],
    /// `Nats-Schedule` (ADR-51).
    pub schedule: &'a [u8],
    /// `Nats-Schedule-Target` (ADR-51).
    pub schedule_target: &'a [u8],
    /// `Nats-Schedule-Source` (ADR-51).
    pub schedule_source: &'a [u8],
    /// `Nats-Schedule-TTL` (ADR-51).
    pub schedule_ttl: &'a [u8],
    /// `Nats-Schedule-Rollup` (ADR-51).
    pub schedule_rollup: &'a [u8],
    /// `Nats-Schedule-Time-Zone` (ADR-51); here an empty value counts.
    pub schedule_time_zone: Option<&'a [u8]>,
    /// `Nats-Schedule-Next` (ADR-51).
    pub schedule_next: &'a [u8],
    /// `Nats-Scheduler` (ADR-51).
    pub scheduler: &'a [u8],
}

impl<'a> PublishHeaders<'a> {
    /// Reads `block`, a whole header block or empty.
    pub fn read(block: &'a [u8]) -> Self {
        let mut found = Self::default();
        for (name, value) in headers::iter(block) {
            let Some(name) = name.strip_prefix(b"Nats-") else { continue };
            if let Some(slot) = found.slot(name).filter(|slot| slot.is_empty()) {
                *slot = value;
            } else if name == b"Batch-Commit" {
                found.batch_commit.get_or_insert(value);
            } else if name == b"Schedule-Time-Zone" {
                found.schedule_time_zone.get_or_insert(value);
            }
        }
        found
    }

    /// Whether the publish depends on what the stream holds or is called.
    pub fn expects_something(&self) -> bool {
        let expectations = [
            self.expected_stream,
            self.expected_last_seq,
            self.expected_last_subject_seq,
            self.expected_last_subject_seq_subject,
            self.expected_last_msg_id,
        ];
        expectations.iter().any(|expectation| !expectation.is_empty())
    }

    /// Whether the publish is, or takes away, a schedule.
    pub fn is_about_schedules(&self) -> bool {
        !self.schedule.is_empty()
            || !self.schedule_next.is_empty()
            || !self.scheduler.is_empty()
            || self.schedule_time_zone.is_some()
    }

    /// Where the value of the header `Nats-<name>` goes.
    fn slot(&mut self, name: &[u8]) -> Option<&mut &'a [u8]> {
        let slot = match name {
            b"Msg-Id" => &mut self.msg_id,
            b"Expected-Stream" => &mut self.expected_stream,
            b"Expected-Last-Sequence" => &mut self.expected_last_seq,
            b"Expected-Last-Subject-Sequence" => &mut self.expected_last_subject_seq,
            b"Expected-Last-Subject-Sequence-Subject" => &mut self.expected_last_subject_seq_subject,
            b"Expected-Last-Msg-Id" => &mut self.expected_last_msg_id,
            b"Rollup" => &mut self.rollup,
            b"TTL" => &mut self.ttl,
            b"Incr" => &mut self.incr,
            b"Stream-Source" => &mut self.stream_source,
            b"Batch-Id" => &mut self.batch_id,
            b"Batch-Sequence" => &mut self.batch_seq,
            b"Required-Api-Level" => &mut self.required_api_level,
            b"Schedule" => &mut self.schedule,
            b"Schedule-Target" => &mut self.schedule_target,
            b"Schedule-Source" => &mut self.schedule_source,
            b"Schedule-TTL" => &mut self.schedule_ttl,
            b"Schedule-Rollup" => &mut self.schedule_rollup,
            b"Schedule-Next" => &mut self.schedule_next,
            b"Scheduler" => &mut self.scheduler,
            _ => return None,
        };
        Some(slot)
    }
}
