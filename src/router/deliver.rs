//! Handing a message to those it reaches.

use std::sync::Arc;

use super::dispatch::SizeTexts;
use super::frame;
use super::outbound::Pushed;
use super::subscription::Admission;
use super::traced::serve_traced;
use super::{
    Dispatch, Frame, Matches, Message, Path, QueueGroup, Receiver, Service, Shadow, Sink, Subscriber,
    Subscription,
};

/// Delivers to every plain subscription and to one member of every queue group. `true` if anybody got it.
pub fn fan_out(cx: &mut Dispatch, matches: &Matches, message: &Message<'_>, path: &Path<'_>) -> bool {
    let mut delivery = Delivery::new(cx, message, path);
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
pub fn fan_out_to_queue(
    cx: &mut Dispatch,
    matches: &Matches,
    queue: &[u8],
    message: &Message<'_>,
    path: &Path<'_>,
) -> bool {
    let Some(group) = matches.group(queue) else { return false };
    let mut delivery = Delivery::new(cx, message, path);
    let delivered = delivery.deliver_to_one_of(cx, group);
    cx.put_frame(delivery.frame);
    delivered
}

/// A client that gets a message.
#[derive(Clone, Copy)]
pub(super) struct Target<'s> {
    pub(super) subscription: &'s Arc<Subscription>,
    /// What the index knows the subscription as: itself or a shadow.
    pub(super) found: &'s Arc<Subscription>,
    pub(super) subscriber: &'s Arc<Subscriber>,
    pub(super) sid: &'s [u8],
}

/// What has been encoded for all receivers together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shared {
    /// Nothing: no client has got the message yet.
    No,
    /// Nothing: one client has got it.
    Worthwhile,
    /// The frame.
    Yes,
}

/// One message on its way to several receivers.
pub(super) struct Delivery<'a> {
    message: &'a Message<'a>,
    path: &'a Path<'a>,
    sizes: Option<Box<SizeTexts>>,
    frame: Frame,
    /// How far the frame is encoded; the only receiver needs none.
    shared: Shared,
}

impl<'a> Delivery<'a> {
    fn new(cx: &mut Dispatch, message: &'a Message<'a>, path: &'a Path<'a>) -> Self {
        Self { message, path, sizes: cx.take_sizes(), frame: cx.take_frame(), shared: Shared::No }
    }

    /// Starts at a random member and goes round until one takes it.
    fn deliver_to_one_of(&mut self, cx: &mut Dispatch, group: &QueueGroup) -> bool {
        let start = cx.random_below(group.members.len());
        let (before, from) = group.members.split_at(start.min(group.members.len()));
        from.iter().chain(before).any(|member| self.deliver(cx, member))
    }

    fn deliver(&mut self, cx: &mut Dispatch, subscription: &Arc<Subscription>) -> bool {
        match subscription.sink() {
            Sink::Client { subscriber, sid } => self.hand_over(
                cx,
                self.message,
                Target { subscription, found: subscription, subscriber, sid },
            ),
            Sink::Service(service) => serve(cx, (subscription, service), self.message, self.path),
            Sink::Shadow(shadow) if cx.is_traced() => self.export_traced(cx, subscription, shadow),
            Sink::Shadow(shadow) => self.deliver_to_original(cx, subscription, shadow),
        }
    }

    #[inline]
    fn hand_over(&mut self, cx: &mut Dispatch, message: &Message<'_>, target: Target<'_>) -> bool {
        match cx.is_traced() {
            false => self.deliver_to_client(cx, message, target),
            true => self.hand_over_traced(cx, message, target),
        }
    }

    /// What came through a service import is not exported again as a stream.
    #[cold]
    pub(super) fn deliver_to_original(
        &mut self,
        cx: &mut Dispatch,
        found: &Arc<Subscription>,
        shadow: &Shadow,
    ) -> bool {
        if self.path.import.is_some() {
            return false;
        }
        let Some(name) = shadow.naming().name(self.path.to) else { return false };
        let message = Message { subject: self.shown(&name), ..*self.message };
        let original = shadow.original();
        match original.sink() {
            Sink::Client { subscriber, sid } => {
                self.hand_over(cx, &message, Target { subscription: original, found, subscriber, sid })
            }
            Sink::Service(service) => serve(cx, (original, service), &message, &Path::direct(&name)),
            Sink::Shadow(_) => false,
        }
    }

    /// What a receiver is shown of a message that is called `name` where the receiver is.
    fn shown<'n>(&self, name: &'n [u8]) -> &'n [u8]
    where
        'a: 'n,
    {
        if self.message.subject == self.path.to { name } else { self.message.subject }
    }

    /// Tells the trace which way the message goes, and has it go on as far as the importer lets traces follow.
    #[cold]
    fn export_traced(&mut self, cx: &mut Dispatch, found: &Arc<Subscription>, shadow: &Shadow) -> bool {
        if self.path.import.is_some() {
            return false;
        }
        let Some(name) = shadow.naming().name(self.path.to) else { return false };
        if let Some(trace) = cx.trace_mut() {
            trace.exported(&shadow.importer(), self.shown(&name));
        }
        match (shadow.allows_trace(), cx.is_trace_only()) {
            (true, _) => self.deliver_to_original(cx, found, shadow),
            (false, true) => true,
            (false, false) => cx.untraced(|cx| self.deliver_to_original(cx, found, shadow)),
        }
    }

    pub(super) fn deliver_to_client(
        &mut self,
        cx: &mut Dispatch,
        message: &Message<'_>,
        target: Target<'_>,
    ) -> bool {
        let Target { subscription, found, subscriber, .. } = target;
        if cx.suppresses_echo_to(subscriber.cid()) {
            return false;
        }
        let filter = subscriber.filter();
        if filter.as_ref().is_some_and(|filter| !filter.may_deliver(message.subject, subscription.queue())) {
            return false;
        }
        if cx.skips(&**subscriber) {
            return false;
        }
        match subscription.admit() {
            Admission::Deliver => {}
            Admission::DeliverLast => cx.expired.push(found.clone()),
            Admission::Refuse => return false,
        }
        if !self.push(cx, message, target) {
            return false;
        }
        if let Some(filter) = filter.filter(|_| !message.reply.is_empty()) {
            filter.delivered(message.reply);
        }
        true
    }

    /// `message` may differ from that of the delivery in its subject, which the frame does not hold.
    fn push(
        &mut self,
        cx: &mut Dispatch,
        message: &Message<'_>,
        Target { subscriber, sid, .. }: Target<'_>,
    ) -> bool {
        if self.shared == Shared::Worthwhile {
            self.frame.prepare(message, self.sizes.as_deref());
            self.shared = Shared::Yes;
        }
        let headers = subscriber.headers();
        let content_bytes = if headers { message.content_bytes() } else { message.payload.len() };
        let outbound = subscriber.outbound();
        let pushed = outbound.push(frame::bytes_hint(message, sid), content_bytes, |out| match self.shared {
            Shared::Yes => self.frame.encode(out, message, sid, headers),
            _ => frame::encode(out, message, sid, headers, self.sizes.as_deref()),
        });
        let Pushed::Queued { flush_later, flush_now, crowded } = pushed else { return false };
        if self.shared == Shared::No {
            self.shared = Shared::Worthwhile;
        }
        if let Some(name) = subscriber.trace_name() {
            self.trace(message, &name, sid, headers);
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
    fn trace(&self, message: &Message<'_>, name: &str, sid: &[u8], headers: bool) {
        let mut bytes = Vec::new();
        frame::encode(&mut bytes, message, sid, headers, self.sizes.as_deref());
        let line_end = bytes.iter().position(|byte| *byte == b'\r').unwrap_or(bytes.len());
        let (line, body) = bytes.split_at(line_end);
        log::trace!("{name} - ->> [{}]", String::from_utf8_lossy(line));
        let body = body.strip_prefix(b"\r\n").and_then(|body| body.strip_suffix(b"\r\n")).unwrap_or_default();
        if !body.is_empty() {
            log::trace!("{name} - ->> MSG_PAYLOAD: [{:?}]", String::from_utf8_lossy(body));
        }
    }
}

#[inline]
fn serve(
    cx: &mut Dispatch,
    (subscription, service): (&Subscription, &Arc<dyn Service>),
    message: &Message<'_>,
    path: &Path<'_>,
) -> bool {
    let live = subscription.admit() != Admission::Refuse;
    let serve = |cx: &mut Dispatch| match cx.is_traced() {
        false => service.relay(cx, message, path),
        true => serve_traced(cx, service, message, path),
    };
    live && cx.nested(serve).unwrap_or(false)
}
