//! Sending what has become due, in order, with no lock of the stream held.
//!
//! Any task may run the pump; the one that holds it runs it for all. Nobody ever waits for it: who finds it taken leaves a
//! note, and the holder looks again before it leaves.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use headwater_protocol::jetstream::pub_ack::{self, BatchCommit, PubAck};

use super::parcels::{Untaken, Wrapping};
use super::replies::{Reply, ReplyMessage};
use super::run_consumers::Parcel;
use super::{StreamHost, StreamState};
use crate::clock::UnixNanos;
use crate::jetstream::stream::turn::{Answer, Committed};
use crate::router::{Dispatch, Message, Route};
use crate::store::StoreError;

/// What one round takes out of the stream's lock, so that nobody waits long for it.
const REPLIES_PER_ROUND_MAX: usize = 1024;
/// Rounds one task runs in a row before it hands over to the stream's own task.
const ROUNDS_MAX: usize = 64;

/// Buffers the pump keeps between rounds.
#[derive(Default)]
pub(super) struct Pump {
    replies: Vec<(Vec<u8>, Reply)>,
    spare: Vec<Vec<u8>>,
    parcels: Vec<Parcel>,
    wrapping: Wrapping,
    body: Vec<u8>,
    /// Most replies of a round go to one inbox.
    inbox: Route,
}

impl StreamHost {
    /// Sends everything that is due.
    pub fn pump(self: &Arc<Self>, cx: &mut Dispatch) {
        self.pump_again.store(true, Ordering::SeqCst);
        while self.pump_again.swap(false, Ordering::SeqCst) {
            let Some(mut pump) = self.pump.try_lock() else {
                self.pump_again.store(true, Ordering::SeqCst);
                // The holder may have made its last look before the note was left.
                if self.pump.is_locked() {
                    return;
                }
                continue;
            };
            self.run_rounds(&mut pump, cx);
        }
    }

    fn run_rounds(self: &Arc<Self>, pump: &mut Pump, cx: &mut Dispatch) {
        for _ in 0..ROUNDS_MAX {
            self.env.store.commit_soon();
            let more = self.collect(pump);
            // What had become due may have stored something.
            self.env.store.commit_soon();
            self.send(pump, cx);
            if !more {
                return;
            }
            if cx.is_crowded() || cx.is_held() {
                break;
            }
            // Who was answered does not wait for what others get.
            cx.flush_receivers();
        }
        self.wake.notify_one();
    }

    /// Takes out of the state what is due. `true` if there is more.
    fn collect(self: &Arc<Self>, pump: &mut Pump) -> bool {
        let now = self.env.now();
        let mut state = self.lock();
        let due = self.tick(&mut state, now);
        state.tell_removed(self, now);
        state.tick_inflow(now);
        let settled = self.env.settled();
        if state.failures != self.env.failures() {
            let held = self.env.settled_of(state.failures);
            state.replies.refuse_unsettled(held);
        }
        if state.visible.advance(settled) {
            state.consumers.wake_expecting();
        }
        let more_messages = state.run_consumers(self, now);
        state.return_undeliverable(self, now);
        state.write_consumers(self, now);
        let more_replies = pump.take_settled(&mut state, self.env.settled());
        std::mem::swap(&mut state.parcels, &mut pump.parcels);
        if state.visible.waits() || !state.replies.is_empty() || state.consumers.any_unsettled() {
            self.wait_for_commit();
        }
        let deadlines =
            [due, state.consumers.next_deadline(), state.unwritten.deadline(), state.inflow.deadline()];
        self.arm(deadlines.into_iter().flatten().min().unwrap_or(UnixNanos::MAX));
        more_replies || more_messages || self.env.settled() > settled
    }

    fn tick(&self, state: &mut StreamState, now: UnixNanos) -> Option<UnixNanos> {
        state.tick(now).unwrap_or_else(|error| {
            self.log_store_error("what was due could not be done", &error);
            None
        })
    }

    fn log_store_error(&self, what: &str, error: &StoreError) {
        log::warn!("stream {}: {what}: {error}", self.name);
    }

    fn send(self: &Arc<Self>, pump: &mut Pump, cx: &mut Dispatch) {
        let mut replies = std::mem::take(&mut pump.replies);
        for (to, reply) in &replies {
            self.send_reply(cx, (to, &mut pump.inbox), reply, &mut pump.body);
        }
        pump.inbox.clear();
        pump.spare.extend(replies.drain(..).map(|(to, _)| to));
        pump.replies = replies;
        let mut parcels = std::mem::take(&mut pump.parcels);
        let untaken = self.send_parcels(cx, &mut parcels, &mut pump.wrapping);
        pump.parcels = parcels;
        if !untaken.is_empty() {
            self.take_back(untaken);
        }
    }

    /// Deliveries that reached nobody go back to their consumers.
    fn take_back(&self, untaken: Vec<Untaken>) {
        let now = self.env.now();
        let mut state = self.lock();
        for Untaken { consumer, seq, to } in untaken {
            state.with_consumer(self, consumer, now, |machine, turn| machine.delivery_failed(turn, seq, &to));
            state.consumers.wake(consumer);
        }
        self.pump_again.store(true, Ordering::SeqCst);
    }

    fn send_reply(
        &self,
        cx: &mut Dispatch,
        (to, route): (&[u8], &mut Route),
        reply: &Reply,
        body: &mut Vec<u8>,
    ) {
        body.clear();
        let message = match reply {
            Reply::Publish(answer) => {
                self.write_answer(answer, body);
                Message { subject: to, payload: body, ..Message::default() }
            }
            Reply::Body(payload) => Message { subject: to, payload, ..Message::default() },
            Reply::Headed(message) | Reply::Got(message) | Reply::Message(message) => {
                let ReplyMessage { headers, payload } = message.as_ref();
                Message { subject: to, headers, payload, ..Message::default() }
            }
            Reply::AckConfirmed => Message { subject: to, ..Message::default() },
            Reply::Signal(signal) => return signal.0.notify_one(),
            Reply::Withdrawn => return,
        };
        self.account.deliver_to(cx, route, to, &message);
    }

    fn write_answer(&self, answer: &Answer, body: &mut Vec<u8>) {
        let domain = self.env.settings.domain();
        let ack = PubAck { stream: &self.name, domain, ..PubAck::default() };
        match answer {
            Answer::Stored { seq } => PubAck { seq: *seq, ..ack }.write(body),
            Answer::Counted { seq, total } => PubAck { seq: *seq, value: Some(total), ..ack }.write(body),
            Answer::Duplicate { seq } => PubAck { seq: *seq, duplicate: true, ..ack }.write(body),
            Answer::Staged => {}
            Answer::FlowAck { seq, msgs } => pub_ack::write_flow_ack(body, *seq, *msgs),
            Answer::FlowGap { expected, seq } => pub_ack::write_flow_gap(body, *expected, *seq),
            Answer::FlowError { seq, error } => pub_ack::write_flow_error(body, *seq, error),
            Answer::Committed(committed) => {
                let Committed { id, seq, count, duplicate } = &**committed;
                let batch = Some(BatchCommit { id, count: *count });
                PubAck { seq: *seq, duplicate: *duplicate, batch, ..ack }.write(body);
            }
            Answer::Refused(error) => pub_ack::write_refusal(body, &self.name, domain, error),
        }
    }
}

impl Pump {
    /// `true` if more than one round's worth is due.
    fn take_settled(&mut self, state: &mut StreamState, settled: crate::store::Lsn) -> bool {
        while self.replies.len() < REPLIES_PER_ROUND_MAX {
            let mut to = self.spare.pop().unwrap_or_default();
            let Some(reply) = state.replies.next_settled(settled, &mut to) else {
                self.spare.push(to);
                return false;
            };
            self.replies.push((to, reply));
        }
        true
    }
}
