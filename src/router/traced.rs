//! Traced messages: everyone on the way tells the trace.

use std::sync::Arc;

use super::deliver::{Delivery, Target};
use super::{Dispatch, InTrace, Message, Path, Receiver, Service, Subscriber, Subscription};
use crate::trace::{Trace, Undelivered, disabled};

impl Dispatch {
    /// What is published from now on is traced.
    pub(crate) fn begin_trace(&mut self, trace: Box<Trace>) {
        self.trace = Some(trace);
    }

    /// The trace of what was published.
    pub(crate) fn end_trace(&mut self) -> Option<Box<Trace>> {
        self.trace.take()
    }

    /// The trace of the message that is being published.
    #[inline]
    pub(crate) fn trace_mut(&mut self) -> Option<&mut Trace> {
        self.trace.as_deref_mut()
    }

    #[inline]
    pub(super) fn is_traced(&self) -> bool {
        self.trace.is_some()
    }

    /// Whether the message that is being published is traced and nothing else.
    pub(crate) fn is_trace_only(&self) -> bool {
        self.trace.as_ref().is_some_and(|trace| trace.is_only())
    }

    /// Runs `publish` without anything of it being told to the trace.
    pub(crate) fn untraced<T>(&mut self, publish: impl FnOnce(&mut Self) -> T) -> T {
        let trace = self.trace.take();
        let result = publish(self);
        self.trace = trace;
        result
    }
}

impl Delivery<'_> {
    #[cold]
    pub(super) fn hand_over_traced(
        &mut self,
        cx: &mut Dispatch,
        message: &Message<'_>,
        target: Target<'_>,
    ) -> bool {
        let Target { subscription, found, subscriber, .. } = target;
        let mut undelivered = undelivered(cx, message, subscription, subscriber);
        if undelivered.is_none() && !cx.is_trace_only() {
            let crowded = cx.skips(&**subscriber);
            if !self.deliver_to_client(cx, message, target) {
                undelivered = Some(if crowded {
                    Undelivered::Crowded
                } else if subscriber.outbound().close_reason().is_some() {
                    Undelivered::ClientClosed
                } else {
                    Undelivered::AutoUnsubscribed
                });
            }
        }
        if let Some(trace) = cx.trace_mut() {
            trace.came_to_client(subscriber.cid(), found.subject(), subscription.queue(), undelivered);
        }
        undelivered.is_none()
    }
}

/// What the broker's own code gets is not told as a delivery.
#[cold]
pub(super) fn serve_traced(
    cx: &mut Dispatch,
    service: &Arc<dyn Service>,
    message: &Message<'_>,
    path: &Path<'_>,
) -> bool {
    match service.in_trace(message) {
        InTrace::Told => service.relay(cx, message, path),
        InTrace::Unseen => cx.untraced(|cx| service.relay(cx, message, path)),
        InTrace::Import { account, to } => {
            if let Some(trace) = cx.trace_mut() {
                trace.imported(&account, message.subject, &to);
            }
            let headers = disabled(message.headers);
            let message = Message { headers: &headers, ..*message };
            !cx.is_trace_only() && cx.untraced(|cx| service.relay(cx, &message, path))
        }
    }
}

/// Why a client does not get a message, as far as that can be said without delivering it.
fn undelivered(
    cx: &Dispatch,
    message: &Message<'_>,
    subscription: &Subscription,
    subscriber: &Subscriber,
) -> Option<Undelivered> {
    if cx.suppresses_echo_to(subscriber.cid()) {
        return Some(Undelivered::NoEcho);
    }
    let filter = subscriber.filter();
    if filter.is_some_and(|filter| !filter.may_deliver(message.subject, subscription.queue())) {
        return Some(Undelivered::Denied);
    }
    subscription.is_closed().then_some(Undelivered::SubscriptionClosed)
}
