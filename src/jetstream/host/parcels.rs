//! Sending what consumers handed over.

use std::sync::Arc;

use bytes::Bytes;
use headwater_protocol::headers::{self, names};
use headwater_protocol::jetstream::ack_token;

use super::StreamHost;
use super::run_consumers::Parcel;
use crate::jetstream::advisories;
use crate::jetstream::consumer::Delivery;
use crate::jetstream::consumers::ConsumerKey;
use crate::router::{Dispatch, Message, Route};
use crate::store::StoredMessage;

/// A delivery that reached nobody.
pub(super) struct Untaken {
    /// Whose it was.
    pub(super) consumer: ConsumerKey,
    /// The message.
    pub(super) seq: u64,
    /// Where it was to go.
    pub(super) to: Bytes,
}

/// Buffers for what is written around a message.
#[derive(Default)]
pub(super) struct Wrapping {
    reply: Vec<u8>,
    headers: Vec<u8>,
    /// Most of a round goes one way.
    route: Route,
}

impl StreamHost {
    /// Sends parcels in order; returns the deliveries that nobody took.
    pub(super) fn send_parcels(
        self: &Arc<Self>,
        cx: &mut Dispatch,
        parcels: &mut Vec<Parcel>,
        wrapping: &mut Wrapping,
    ) -> Vec<Untaken> {
        let mut untaken = Vec::new();
        for parcel in parcels.drain(..) {
            match parcel {
                Parcel::Message { consumer, delivery, message, ack_replies, group } => {
                    wrapping.wrap(&delivery, &message, &ack_replies);
                    if !self.send_message(cx, &delivery, &message, group.as_deref(), wrapping) {
                        untaken.push(Untaken { consumer, seq: delivery.seq, to: delivery.to });
                    }
                }
                Parcel::Status { to, headers, reply, group } => {
                    let status = Message { subject: &to, reply: &reply, headers: &headers, payload: b"" };
                    self.send_to(cx, &mut wrapping.route, (&to, group.as_deref()), &status);
                }
                Parcel::Event { consumer, advisory } => {
                    advisories::consumer_event(self, cx, &consumer, &advisory);
                }
                Parcel::BatchAbandoned { id, reason } => advisories::batch_abandoned(self, cx, &id, reason),
                Parcel::Link(command) => self.run_link(*command),
                Parcel::Gone { consumer } => self.delete_unused_consumer(cx, &consumer),
            }
        }
        wrapping.route.clear();
        untaken
    }

    fn send_message(
        &self,
        cx: &mut Dispatch,
        delivery: &Delivery,
        stored: &StoredMessage,
        group: Option<&[u8]>,
        wrapping: &mut Wrapping,
    ) -> bool {
        let payload: &[u8] = if delivery.headers_only { b"" } else { stored.payload() };
        let Wrapping { reply, headers, route } = wrapping;
        let headers: &[u8] = if headers.is_empty() { stored.headers() } else { headers };
        let message = Message { subject: stored.subject(), reply, headers, payload };
        self.send_to(cx, route, (&delivery.to, group), &message)
    }

    fn send_to(
        &self,
        cx: &mut Dispatch,
        route: &mut Route,
        (to, group): (&[u8], Option<&[u8]>),
        message: &Message<'_>,
    ) -> bool {
        match group {
            Some(group) => self.account.deliver_to_queue(cx, route, (to, group), message),
            None => self.account.deliver_to(cx, route, to, message),
        }
    }
}

impl Wrapping {
    fn wrap(&mut self, delivery: &Delivery, message: &StoredMessage, replies: &ack_token::AckReplies) {
        self.reply.clear();
        let token = ack_token::Delivery {
            delivered: delivery.deliveries,
            stream_seq: delivery.seq,
            consumer_seq: delivery.consumer_seq,
            timestamp: message.ts,
            pending: delivery.pending,
        };
        replies.write(&mut self.reply, &token);
        self.headers.clear();
        if delivery.pin_id.is_none() && !delivery.headers_only {
            return;
        }
        self.headers.extend_from_slice(message.headers());
        if let Some(pin_id) = &delivery.pin_id {
            headers::append(&mut self.headers, names::PIN_ID, pin_id);
        }
        if delivery.headers_only {
            headers::append_u64(&mut self.headers, names::MSG_SIZE, message.payload().len() as u64);
        }
    }
}
