//! Message traces: what becomes of one message, told to whoever its publisher names (`Nats-Trace-Dest`, ADR-41).
//!
//! A message asks with its headers ([`Asked`]). The session that publishes it starts a [`Trace`], everyone it passes on its way
//! adds to it, and the session sends it as JSON when the message has arrived. A trace travels with the [`Dispatch`] of the
//! publish; messages that are not traced pay nothing for it but a look at whether they have headers.
//!
//! [`Dispatch`]: crate::router::Dispatch

mod asked;
mod encoding;
mod event;
mod report;
mod terms;

use std::sync::Arc;

use headwater_protocol::headers::{self, names};
use headwater_protocol::jetstream::timestamp::Timestamp;

pub use self::asked::{Asked, may_ask};
pub use self::encoding::Encoding;
pub use self::event::{Storing, Undelivered};
pub use self::report::Report;
pub use self::terms::TraceTerms;

use self::event::Event;
use crate::clock::Clock;
use crate::router::ClientInfo;

/// The destination of messages that are not to be traced any more. It is no valid subject.
const DISABLED: &[u8] = b"trace disabled";

/// What one trace tells at most; beyond, only that there was more is logged.
const EVENTS_MAX: usize = 16 * 1024;

/// What has become of a message so far.
pub struct Trace {
    asked: Asked,
    destination: String,
    message_bytes: usize,
    clock: Arc<dyn Clock>,
    events: Vec<Event>,
}

/// A message as its publisher sent it.
pub struct Published<'a> {
    /// Who published it.
    pub by: &'a ClientInfo,
    /// What it was published on.
    pub subject: &'a [u8],
    /// Header block and body.
    pub bytes: usize,
}

impl Trace {
    /// A trace that goes to `destination`, of a message that has just come in.
    pub fn begin(
        asked: Asked,
        destination: String,
        message: &Published<'_>,
        account: &str,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let ingress = Event::ingress(Timestamp(clock.now()), message, account);
        Self { asked, destination, message_bytes: message.bytes, clock, events: vec![ingress] }
    }

    /// Whether the message is only traced, neither delivered nor stored.
    pub fn is_only(&self) -> bool {
        self.asked.only
    }

    /// Where it goes.
    pub fn destination(&self) -> &str {
        &self.destination
    }

    /// How its reader wants it.
    pub fn encoding(&self) -> Encoding {
        self.asked.encoding
    }

    /// The message was refused on its way in.
    pub fn refused(&mut self, text: &str) {
        if let Some(ingress) = self.events.first_mut() {
            ingress.refuse(text);
        }
    }

    /// A mapping of the publisher's account gave it another subject; none if it is lost.
    pub fn mapped(&mut self, to: &[u8]) {
        self.add(|ts| Event::SubjectMapping { ts, to: text(to) });
    }

    /// It goes to another account as part of a stream.
    pub fn exported(&mut self, account: &str, to: &[u8]) {
        self.add(|ts| Event::StreamExport { ts, acc: account.to_owned(), to: text(to) });
    }

    /// It goes to a service of another account.
    pub fn imported(&mut self, account: &str, from: &[u8], to: &[u8]) {
        self.add(|ts| Event::ServiceImport { ts, acc: account.to_owned(), from: text(from), to: text(to) });
    }

    /// It came to a stream of this name.
    pub fn came_to_stream(&mut self, stream: &str, storing: Storing) {
        self.add(|ts| Event::jetstream(ts, stream, storing));
    }

    /// It came to a client's subscription.
    pub fn came_to_client(
        &mut self,
        cid: u64,
        subscription: &[u8],
        queue: Option<&[u8]>,
        undelivered: Option<Undelivered>,
    ) {
        self.add(|ts| Event::egress(ts, cid, subscription, queue, undelivered));
    }

    fn add(&mut self, event: impl FnOnce(Timestamp) -> Event) {
        if self.events.len() < EVENTS_MAX {
            self.events.push(event(Timestamp(self.clock.now())));
        } else {
            log::debug!("The trace to {:?} is full: more than {EVENTS_MAX} events", self.destination);
        }
    }
}

/// The header block of a message that is not to be traced any further.
pub fn disabled(block: &[u8]) -> Vec<u8> {
    redirected(block, DISABLED)
}

/// As [`disabled`], with the header staying where it stands.
pub fn disabled_in_place(mut block: Vec<u8>) -> Vec<u8> {
    headers::set(&mut block, names::TRACE_DEST, DISABLED);
    block
}

/// The header block of a message whose traces go somewhere else.
pub fn redirected(block: &[u8], destination: &[u8]) -> Vec<u8> {
    let mut block = headers::remove(block, names::TRACE_DEST);
    headers::append(&mut block, names::TRACE_DEST, destination);
    block
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
