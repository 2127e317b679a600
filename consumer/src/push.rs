//! What only push consumers do: heartbeats, flow control, noticing whether anybody listens.

use bytes::Bytes;
use headwater_protocol::headers::{self, statuses};
use headwater_protocol::jetstream::consumer_config::AckPolicy;
use headwater_store::UnixNanos;

use super::effect::Effect;
use super::machine::ConsumerMachine;
use super::state::Op;
use super::status;
use super::turn::Turn;

const FLOW_CONTROL_ID_CHARACTERS: usize = 4;

impl ConsumerMachine {
    /// Somebody listens on the deliver subject, with the right queue group if there is one; or nobody does any more.
    pub fn set_push_interest(&mut self, active: bool, now: UnixNanos) {
        if self.push.active && !active {
            self.activity.last = now;
            self.activity.check_at = None;
        }
        self.push.active = active;
    }

    /// Takes what was sent to a flow control subject. Answers to anything but the last question mean nothing.
    pub fn flow_control_reply(&mut self, turn: &mut Turn<'_>, subject: &[u8], header_block: &[u8]) {
        let answered = self.flow_control.as_mut().is_some_and(|window| window.answered(subject));
        if !answered || self.settings.ack_policy != AckPolicy::FlowControl {
            return;
        }
        let stream_seq = number(header_block, headers::names::LAST_STREAM);
        let consumer_seq = number(header_block, headers::names::LAST_CONSUMER);
        if (1..self.state.next_seq).contains(&stream_seq) {
            self.acknowledge_through(turn, stream_seq, consumer_seq);
        }
    }

    /// A message could not be delivered after all: `to` had lost its interest, or the message was gone.
    pub fn delivery_failed(&mut self, turn: &mut Turn<'_>, seq: u64, to: &[u8]) {
        if self.settings.is_push() {
            self.set_push_interest((turn.interest)(to), turn.now);
        } else {
            self.sweep_waiting(turn, false);
            self.waiting.credit(to);
        }
        if turn.log.meta(seq).is_none() {
            self.message_is_gone(turn, seq);
        } else if self.state.acks.get(seq).is_some() {
            self.apply(Op::Undeliver { seq });
            self.redeliver_now(seq, turn.now);
        }
    }

    /// Asks the client to confirm what it has received.
    pub(super) fn ask_for_flow_control(&mut self, turn: &mut Turn<'_>) {
        let Some(to) = self.settings.deliver_subject.clone() else {
            return;
        };
        let id = self.rng.base62(FLOW_CONTROL_ID_CHARACTERS);
        let reply = Bytes::from(format!("$JS.FC.{}.{}.{id}", self.stream.name, self.identity.name));
        if let Some(window) = &mut self.flow_control {
            window.ask(reply.clone());
            turn.push(Effect::Status {
                to,
                headers: status::plain(statuses::FLOW_CONTROL),
                reply: Some(reply),
            });
        }
    }

    /// Breaks the silence if it has lasted too long.
    pub(super) fn check_heartbeat(&mut self, turn: &mut Turn<'_>) {
        if self.push.heartbeat_at.is_none_or(|at| at > turn.now) {
            return;
        }
        self.restart_heartbeat(turn.now);
        let Some(to) = self.settings.deliver_subject.clone().filter(|_| self.push.active) else {
            return;
        };
        let last = self.last_position();
        let stalled = self.flow_control.as_ref().and_then(|window| window.asked());
        turn.status(&to, status::heartbeat(last.consumer, last.stream, stalled));
        let unconfirmed = self.settings.ack_policy == AckPolicy::FlowControl && !self.state.acks.is_empty();
        if unconfirmed && stalled_is_none(self) {
            self.ask_for_flow_control(turn);
        }
    }

    pub(super) fn restart_heartbeat(&mut self, now: UnixNanos) {
        if self.settings.heartbeat > 0 {
            self.push.heartbeat_at = Some(now.saturating_add(self.settings.heartbeat));
        }
    }
}

/// The number in a header, 0 if there is none.
fn number(header_block: &[u8], name: &[u8]) -> u64 {
    let value = headers::get(header_block, name).and_then(|value| std::str::from_utf8(value).ok());
    value.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn stalled_is_none(machine: &ConsumerMachine) -> bool {
    machine.flow_control.as_ref().is_none_or(|window| window.asked().is_none())
}
