//! A stream as a subscriber: what is published on its subjects is stored.

use std::sync::Arc;

use headwater_protocol::headers;

use super::StreamHost;
use crate::jetstream::stream::Ingest;
use crate::router::{Dispatch, Message, Service};

/// The subscriber on the stream's subjects.
struct Ingestor(Arc<StreamHost>);

impl Service for Ingestor {
    fn deliver(&self, cx: &mut Dispatch, message: &Message<'_>) -> bool {
        self.0.ingest(cx, message);
        true
    }

    fn takes_imports(&self) -> bool {
        true
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
