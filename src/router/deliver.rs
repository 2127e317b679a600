//! Handing a message to those it reaches.

use std::sync::Arc;

use super::dispatch::SizeTexts;
use super::outbound::Pushed;
use super::subscription::Admission;
use super::{Dispatch, Frame, Matches, Message, QueueGroup, Receiver, Sink, Subscriber, Subscription};

/// Delivers to every plain subscription and to one member of every queue group. `true` if anybody got it.
pub fn fan_out(cx: &mut Dispatch, matches: &Matches, message: &Message<'_>) -> bool {
    let mut delivery = Delivery::new(cx, message);
    let mut delivered = false;
    for subscription in &matches.plain {
        delivered |= delivery.deliver(cx, subscription);
    }
    for group in &matches.groups {
        delivered |= delivery.deliver_to_one_of(cx, group);
    }
    cx.put_frame(delivery.frame);
    delivered
}

/// Delivers to one member of one queue group only. `true` if a member got it.
pub fn fan_out_to_queue(cx: &mut Dispatch, matches: &Matches, queue: &[u8], message: &Message<'_>) -> bool {
    let Some(group) = matches.group(queue) else { return false };
    let mut delivery = Delivery::new(cx, message);
    let delivered = delivery.deliver_to_one_of(cx, group);
    cx.put_frame(delivery.frame);
    delivered
}

/// One message on its way to several receivers.
struct Delivery<'a> {
    message: &'a Message<'a>,
    sizes: Option<Box<SizeTexts>>,
    frame: Frame,
    /// Whether the frame is encoded; it is not needed when only services receive.
    prepared: bool,
}

impl<'a> Delivery<'a> {
    fn new(cx: &mut Dispatch, message: &'a Message<'a>) -> Self {
        Self { message, sizes: cx.take_sizes(), frame: cx.take_frame(), prepared: false }
    }

    /// Starts at a random member and goes round until one takes it.
    fn deliver_to_one_of(&mut self, cx: &mut Dispatch, group: &QueueGroup) -> bool {
        let start = cx.random_below(group.members.len());
        let (before, from) = group.members.split_at(start.min(group.members.len()));
        from.iter().chain(before).any(|member| self.deliver(cx, member))
    }

    fn deliver(&mut self, cx: &mut Dispatch, subscription: &Arc<Subscription>) -> bool {
        match subscription.sink() {
            Sink::Client { subscriber, sid } => self.deliver_to_client(cx, subscription, subscriber, sid),
            Sink::Service(service) => {
                let live = subscription.admit() != Admission::Refuse;
                live && cx.nested(|cx| service.deliver(cx, self.message)).unwrap_or(false)
            }
        }
    }

    fn deliver_to_client(
        &mut self,
        cx: &mut Dispatch,
        subscription: &Arc<Subscription>,
        subscriber: &Arc<Subscriber>,
        sid: &[u8],
    ) -> bool {
        if cx.suppresses_echo_to(subscriber.cid()) {
            return false;
        }
        let filter = subscriber.filter();
        if filter
            .as_ref()
            .is_some_and(|filter| !filter.may_deliver(self.message.subject, subscription.queue()))
        {
            return false;
        }
        if cx.skips(&**subscriber) {
            return false;
        }
        match subscription.admit() {
            Admission::Deliver => {}
            Admission::DeliverLast => cx.expired.push(subscription.clone()),
            Admission::Refuse => return false,
        }
        if !self.push(cx, subscriber, sid) {
            return false;
        }
        if let Some(filter) = filter.filter(|_| !self.message.reply.is_empty()) {
            filter.delivered(self.message.reply);
        }
        true
    }

    fn push(&mut self, cx: &mut Dispatch, subscriber: &Arc<Subscriber>, sid: &[u8]) -> bool {
        let message = self.message;
        if !self.prepared {
            self.frame.prepare(message, self.sizes.as_deref());
            self.prepared = true;
        }
        let headers = subscriber.headers();
        let content_bytes = if headers { message.content_bytes() } else { message.payload.len() };
        let frame = &self.frame;
        let outbound = subscriber.outbound();
        let pushed = outbound.push(frame.bytes_hint(message, sid), content_bytes, |out| {
            frame.encode(out, message, sid, headers)
        });
        let Pushed::Queued { flush_later, flush_now, crowded } = pushed else { return false };
        if let Some(name) = subscriber.trace_name() {
            self.trace(&name, sid, headers);
        }
        if flush_later {
            cx.touch(subscriber.clone());
        }
        if flush_now {
            outbound.flush();
        }
        if crowded {
            cx.note_crowded(subscriber);
        }
        true
    }

    /// Logs a delivery as nats-server prints it.
    fn trace(&self, name: &str, sid: &[u8], headers: bool) {
        let mut bytes = Vec::new();
        self.frame.encode(&mut bytes, self.message, sid, headers);
        let line_end = bytes.iter().position(|byte| *byte == b'\r').unwrap_or(bytes.len());
        let (line, body) = bytes.split_at(line_end);
        log::trace!("{name} - ->> [{}]", String::from_utf8_lossy(line));
        let body = body.strip_prefix(b"\r\n").and_then(|body| body.strip_suffix(b"\r\n")).unwrap_or_default();
        if !body.is_empty() {
            log::trace!("{name} - ->> MSG_PAYLOAD: [{:?}]", String::from_utf8_lossy(body));
        }
    }
}
