//! What answers tell of a stream.

use headwater_protocol::jetstream::stream_info::{StreamInfo, StreamState};
use headwater_protocol::jetstream::timestamp::Timestamp;

use crate::jetstream::host::{self, StreamHost};
use crate::jetstream::metadata;

/// A stream as create, update and info answers show it.
pub fn stream(host: &StreamHost) -> StreamInfo {
    let mut info = listed(host);
    metadata::add_server(&mut info.config.metadata);
    info
}

/// A stream as lists show it: without the keys that tell of the server.
pub fn listed(host: &StreamHost) -> StreamInfo {
    let env = &host.env;
    let guard = host.lock();
    StreamInfo {
        config: guard.machine.config().clone(),
        created: guard.created,
        state: state(&guard),
        domain: env.settings.domain.clone(),
        mirror: guard.inflow.mirror_info(env.now()),
        sources: guard.inflow.sources_info(env.now()),
        ts: Timestamp(env.now()),
        ..StreamInfo::default()
    }
}

/// What a stream holds.
pub fn state(stream: &host::StreamState) -> StreamState {
    let log = stream.log.state();
    let begins_at_one = stream.machine.begins_at_one();
    let time = |nanos| if nanos == 0 { Timestamp::ZERO } else { Timestamp(nanos) };
    StreamState {
        messages: log.messages,
        bytes: log.bytes,
        // A stream that was told to begin at 1, or was purged, says so before it begins.
        first_seq: if begins_at_one && log.first_seq == 0 { 1 } else { log.first_seq },
        first_ts: time(log.first_ts),
        last_seq: log.last_seq,
        last_ts: time(log.last_ts),
        num_subjects: log.subjects,
        num_deleted: stream.log.deleted_count(),
        consumer_count: stream.consumers.count_public() as u64,
        ..StreamState::default()
    }
}
