//! Where a new consumer begins.

use headwater_protocol::jetstream::consumer_config::{ConsumerConfig, DeliverPolicy};
use headwater_store::{LogState, MessageLog, StoreError};

use super::settings::{Settings, StreamTraits};
use super::skip_list::SkipList;

/// A position to begin at.
#[derive(Debug)]
pub struct Start {
    /// The first sequence that may be delivered.
    pub next_seq: u64,
    /// Up to here only the last message of each subject is.
    pub last_per_subject_through: Option<u64>,
    /// Those messages.
    pub skip_list: Option<SkipList>,
}

impl Start {
    fn at(next_seq: u64) -> Self {
        Self { next_seq, last_per_subject_through: None, skip_list: None }
    }
}

/// Finds the beginning by the deliver policy.
pub fn start(
    config: &ConsumerConfig,
    settings: &Settings,
    stream: &StreamTraits,
    log: &dyn MessageLog,
) -> Result<Start, StoreError> {
    let state = log.state();
    let first_seq = state.first_seq.max(1);
    let found = match config.deliver_policy {
        DeliverPolicy::All => Start::at(first_seq),
        DeliverPolicy::New => Start::at(state.last_seq.saturating_add(1)),
        DeliverPolicy::Last => Start::at(last(settings, log, &state)?),
        DeliverPolicy::ByStartSequence => {
            return Ok(Start::at(config.opt_start_seq.max(first_seq)));
        }
        DeliverPolicy::ByStartTime => {
            let time = config.opt_start_time.map_or(0, |time| time.timestamp().0);
            Start::at(log.seq_at_or_after(time)?)
        }
        DeliverPolicy::LastPerSubject => last_per_subject(settings, stream, log, &state)?,
    };
    let next_seq = found.next_seq.clamp(first_seq, state.last_seq.saturating_add(1).max(first_seq));
    Ok(Start { next_seq, ..found })
}

fn last(settings: &Settings, log: &dyn MessageLog, state: &LogState) -> Result<u64, StoreError> {
    if settings.filters.is_empty() {
        return Ok(state.last_seq);
    }
    Ok(log.last_match(state.last_seq, &settings.filters)?.unwrap_or(0))
}

/// A stream that keeps one message of each subject holds nothing but last messages.
fn last_per_subject(
    settings: &Settings,
    stream: &StreamTraits,
    log: &dyn MessageLog,
    state: &LogState,
) -> Result<Start, StoreError> {
    if stream.messages_per_subject_max == 1 || state.messages == 0 {
        return Ok(Start::at(state.first_seq));
    }
    let list = SkipList::build(log, &settings.filters, 0, state.last_seq)?;
    let next_seq = list.first().unwrap_or(state.last_seq);
    Ok(Start { next_seq, last_per_subject_through: Some(state.last_seq), skip_list: Some(list) })
}
