//! What clients send to consumers: pull requests, acknowledgements, answers to flow control, interest.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use headwater_protocol::jetstream::ack_token;

use super::StreamHost;
use crate::account::InterestWatcher;
use crate::jetstream::consumers::ConsumerKey;
use crate::router::{Dispatch, Message};

impl StreamHost {
    /// Takes a pull request; `false` if there is no such consumer.
    pub fn pull(self: &Arc<Self>, cx: &mut Dispatch, consumer: &str, request: &Message<'_>) -> bool {
        let reply = Bytes::copy_from_slice(request.reply);
        self.give(cx, consumer, |machine, turn| machine.pull(turn, request.payload, reply, false))
    }

    /// Takes an acknowledgement; `false` if there is no such consumer, or it takes none.
    pub fn ack(
        self: &Arc<Self>,
        cx: &mut Dispatch,
        consumer: &str,
        delivery: ack_token::Delivery,
        message: &Message<'_>,
    ) -> bool {
        let reply = (!message.reply.is_empty()).then(|| Bytes::copy_from_slice(message.reply));
        let takes_acks =
            |host: &Self| host.lock().consumers.find(consumer).is_some_and(|c| c.machine.takes_acks());
        takes_acks(self)
            && self.give(cx, consumer, |machine, turn| machine.ack(turn, delivery, message.payload, reply))
    }

    /// Takes an answer to a flow control request.
    pub fn flow_control(self: &Arc<Self>, cx: &mut Dispatch, consumer: &str, message: &Message<'_>) -> bool {
        self.give(cx, consumer, |machine, turn| {
            machine.flow_control_reply(turn, message.subject, message.headers);
            Ok(())
        })
    }

    /// Watches a consumer that was read back from the store.
    pub fn watch_consumer(self: &Arc<Self>, key: ConsumerKey) {
        self.watch_interest(&mut self.lock(), key);
        self.look_at_interest(key);
    }

    /// Looks whether somebody listens to a push consumer.
    pub(super) fn look_at_interest(self: &Arc<Self>, key: ConsumerKey) {
        let now = self.env.now();
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(hosted) = state.consumers.get_mut(key) else { return };
        let subject = hosted.machine.config().deliver_subject.clone();
        let active = match &hosted.deliver_group {
            Some(group) => self.account.has_queue_interest(subject.as_bytes(), group),
            None => self.account.has_interest(subject.as_bytes()),
        };
        hosted.machine.set_push_interest(active, now);
        state.consumers.wake(key);
    }

    fn give(
        self: &Arc<Self>,
        cx: &mut Dispatch,
        consumer: &str,
        input: impl FnOnce(
            &mut crate::jetstream::consumer::ConsumerMachine,
            &mut crate::jetstream::consumer::Turn<'_>,
        ) -> Result<(), crate::store::StoreError>,
    ) -> bool {
        let now = self.env.now();
        let mut state = self.lock();
        let Some(key) = state.consumers.key(consumer) else { return false };
        if let Some(Err(error)) = state.with_consumer(self, key, now, input) {
            log::warn!("stream {}: consumer {consumer}: {error}", self.name);
        }
        state.consumers.wake(key);
        drop(state);
        self.pump_soon(cx);
        true
    }
}

/// Watches the deliver subject of a push consumer.
pub(super) struct PushInterest {
    pub(super) host: Weak<StreamHost>,
    pub(super) key: ConsumerKey,
}

impl InterestWatcher for PushInterest {
    /// Runs on the task of the client that subscribed; the deliveries are left to the stream's own.
    fn interest_changed(&self, _subject: &[u8]) {
        if let Some(host) = self.host.upgrade() {
            host.look_at_interest(self.key);
            host.wake.notify_one();
        }
    }
}
