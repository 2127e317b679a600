//! What a consumer says about itself (`CONSUMER.INFO`).

use headwater_protocol::jetstream::consumer_info::{ConsumerInfo, PriorityGroupState, SequenceInfo};
use headwater_protocol::jetstream::timestamp::Timestamp;
use headwater_store::{StoreError, UnixNanos};

use super::machine::ConsumerMachine;
use super::state::SequencePair;
use super::turn::Turn;

impl ConsumerMachine {
    /// Position, counts, configuration as kept. Requests that have expired are ended first, so there may be effects.
    pub fn info(&mut self, turn: &mut Turn<'_>) -> Result<ConsumerInfo, StoreError> {
        self.drop_removed(turn);
        self.sweep_waiting(turn, false);
        let num_pending = self.count_pending(turn.log, turn.visible_last_seq)?;
        let state = &self.state;
        // With a single delivery nothing is redelivered, whatever is remembered of messages given up.
        let redelivered = if self.config.max_deliver == 1 { 0 } else { state.redelivered() };
        let paused = self.settings.is_paused(turn.now);
        let pause_until = self.settings.pause_until.filter(|_| paused);
        Ok(ConsumerInfo {
            stream_name: self.stream.name.clone(),
            name: self.identity.name.clone(),
            created: Timestamp(self.identity.created),
            config: Some(self.config.clone()),
            delivered: position(state.delivered, state.delivered_at),
            ack_floor: position(state.ack_floor, state.acked_at),
            num_ack_pending: count(state.acks.len()),
            num_redelivered: count(redelivered),
            num_waiting: count(self.waiting.len()),
            num_pending,
            push_bound: self.settings.is_push() && self.push.active,
            paused,
            pause_remaining: pause_until.map_or(0, |until| until.saturating_sub(turn.now)),
            ts: Timestamp(turn.now),
            priority_groups: self.priority_groups(),
            ..ConsumerInfo::default()
        })
    }

    /// Only the first group is tracked.
    fn priority_groups(&self) -> Vec<PriorityGroupState> {
        let state = |group: &String| PriorityGroupState {
            group: group.clone(),
            pinned_client_id: self
                .pin
                .id()
                .map_or_else(String::new, |id| String::from_utf8_lossy(id).into_owned()),
            pinned_ts: self.pin.since().map_or(Timestamp::ZERO, Timestamp),
        };
        self.settings.groups.first().map(state).into_iter().collect()
    }
}

fn position(at: SequencePair, last_active: Option<UnixNanos>) -> SequenceInfo {
    SequenceInfo { consumer_seq: at.consumer, stream_seq: at.stream, last_active: last_active.map(Timestamp) }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
