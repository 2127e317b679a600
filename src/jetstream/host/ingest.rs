//! A stream as a subscriber: what is published on its subjects is stored.

use std::sync::Arc;

use headwater_protocol::headers;

use super::StreamHost;
use crate::jetstream::stream::Ingest;
use crate::router::{Dispatch, InTrace, Message, Service};
use crate::trace::disabled_in_place;

/// The subscriber on the stream's subjects.
struct Ingestor(Arc<StreamHost>);

impl Service for Ingestor {
    fn deliver(&self, cx: &mut Dispatch, message: &Message<'_>) -> bool {
        match cx.trace_mut().is_none() {
            true => self.0.ingest(cx, message),
            false => self.0.ingest_traced(cx, message),
        }
        true
    }

    fn takes_imports(&self) -> bool {
        true
    }

    fn in_trace(&self, _: &Message<'_>) -> InTrace {
        InTrace::Told
    }
}

impl StreamHost {
    /// Captures the subjects of the stream's configuration, and no others.
    pub fn capture(self: &Arc<Self>) {
        let subjects = self.lock().machine.config().subjects.clone();
        let service: Arc<dyn Service> = Arc::new(Ingestor(self.clone()));
        let subscriptions = subjects.iter().filter_map(|subject| {
            let subscribed = self.account.subscribe_service(subject, None, service.clone());
            subscribed
                .map_err(|error| log::error!("stream {}: cannot capture {subject}: {error}", self.name))
                .ok()
        });
        *self.subscriptions.lock() = subscriptions.collect();
    }

    /// Takes one publish. The acknowledgement leaves when the store has settled the message.
    pub fn ingest(self: &Arc<Self>, cx: &mut Dispatch, message: &Message<'_>) {
        let headers = stored_headers(message.headers);
        let ingest = Ingest { subject: message.subject, headers: &headers, payload: message.payload };
        let now = self.env.now();
        self.lock().publish(now, &ingest, message.reply);
        self.after_ingest(cx);
    }

    /// Takes one publish that is traced, and tells the trace. What is stored is not traced again when it is delivered.
    #[cold]
    fn ingest_traced(self: &Arc<Self>, cx: &mut Dispatch, message: &Message<'_>) {
        let only = cx.is_trace_only();
        let headers = stored_headers(message.headers).into_owned();
        let headers = if only { headers } else { disabled_in_place(headers) };
        let ingest = Ingest { subject: message.subject, headers: &headers, payload: message.payload };
        let now = self.env.now();
        let storing = self.lock().publish_traced(now, &ingest, message.reply, only);
        if let Some(trace) = cx.trace_mut() {
            trace.came_to_stream(&self.name, storing);
        }
        self.after_ingest(cx);
    }

    #[inline]
    fn after_ingest(self: &Arc<Self>, cx: &mut Dispatch) {
        self.pump_soon(cx);
        if !self.env.ingest_gate.is_open() {
            cx.pause_on(&self.env.ingest_gate);
        }
    }
}

/// A status on the first line is not stored, nor is what a service import added.
fn stored_headers(block: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    let block = headers::strip_status(block);
    if headers::get(&block, headers::names::REQUEST_INFO).is_some() {
        return headers::remove(&block, headers::names::REQUEST_INFO).into();
    }
    block
}
