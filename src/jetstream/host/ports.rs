//! What links send and listen to: their subscriptions, their requests. Nothing here runs with a lock of a stream held.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::StreamHost;
use super::inflow::{LinkCommand, LinkKey};
use crate::account::{InterestWatcher, ServiceSubscription};
use crate::ids;
use crate::jetstream::consumers::Watch;
use crate::jetstream::sourcing::Command;
use crate::jetstream::sourcing::request::Request;
use crate::router::{Dispatch, Message, Service};

/// The subscriptions of a stream's links.
#[derive(Default)]
pub(super) struct Ports(Mutex<BTreeMap<LinkKey, Port>>);

/// Those of one link.
#[derive(Default)]
struct Port {
    answers: Option<ServiceSubscription>,
    deliveries: Option<ServiceSubscription>,
    /// Watches for somebody to hear the link's requests.
    hearing: Option<Watch>,
}

/// Takes the answer to one request.
struct Answers {
    host: Weak<StreamHost>,
    link: LinkKey,
    number: u64,
}

/// Takes what a consumer delivers.
struct Deliveries {
    host: Weak<StreamHost>,
    link: LinkKey,
}

/// Told when somebody subscribes to the subject of a request that nobody heard.
struct Hearing {
    host: Weak<StreamHost>,
    link: LinkKey,
}

impl Service for Answers {
    fn deliver(&self, cx: &mut Dispatch, message: &Message<'_>) -> bool {
        let Some(host) = self.host.upgrade() else { return false };
        let now = host.env.now();
        let commands = host.lock().take_answer(self.link, self.number, message, now);
        for command in commands {
            // The answer may be followed by the first delivery, so nobody else is left to do it.
            host.run_link(LinkCommand { link: self.link, command });
        }
        host.pump_soon(cx);
        true
    }

    /// An origin in another account is reached through imports.
    fn takes_imports(&self) -> bool {
        true
    }
}

impl Service for Deliveries {
    /// Runs on the task of the origin's pump. When the disk is behind, that is held up.
    fn deliver(&self, cx: &mut Dispatch, message: &Message<'_>) -> bool {
        let Some(host) = self.host.upgrade().filter(|host| !host.is_closed()) else { return false };
        let now = host.env.now();
        host.lock().take_delivery(self.link, message, now);
        host.pump_soon(cx);
        if !host.env.ingest_gate.is_open() {
            cx.pause_on(&host.env.ingest_gate);
        }
        true
    }

    /// An origin in another account is reached through imports.
    fn takes_imports(&self) -> bool {
        true
    }
}

impl InterestWatcher for Hearing {
    fn interest_changed(&self, subject: &[u8]) {
        let Some(host) = self.host.upgrade() else { return };
        if host.account.has_interest(subject) {
            let now = host.env.now();
            host.lock().retry_link(self.link, now);
            host.wake.notify_one();
        }
    }
}

impl Ports {
    /// Ends all subscriptions.
    pub(super) fn close(&self) {
        let ports = std::mem::take(&mut *self.0.lock());
        drop(ports);
    }

    /// Changes one link's port. What is to end comes back, so that it ends with the lock released: whoever watches interest
    /// is told, and may be a stream that is being asked for something.
    fn change<T>(&self, link: LinkKey, change: impl FnOnce(&mut Port) -> T) -> T {
        change(self.0.lock().entry(link).or_default())
    }
}

impl StreamHost {
    /// From now on the stream follows its origins.
    pub fn start_inflow(self: &Arc<Self>) {
        let now = self.env.now();
        self.lock().start_inflow(now);
        self.wake.notify_one();
    }

    /// Does what a link wants.
    pub(super) fn run_link(self: &Arc<Self>, LinkCommand { link, command }: LinkCommand) {
        match command {
            Command::Ask(number, request) => self.ask(link, number, &request),
            Command::Listen(subject) => self.listen(link, &subject),
            Command::StopListening => {
                let ended = self.ports.change(link, |port| (port.answers.take(), port.deliveries.take()));
                drop(ended);
            }
            Command::Leave(discard) => {
                let ended = self.ports.0.lock().remove(&link);
                drop(ended);
                if let Some(subject) = discard {
                    let message = Message { subject: subject.as_bytes(), ..Message::default() };
                    self.account.publish(&mut Dispatch::internal(), &message);
                }
            }
        }
    }

    fn ask(self: &Arc<Self>, link: LinkKey, number: u64, request: &Request) {
        let inbox = format!("_INBOX.{}", ids::nuid());
        let answers = Arc::new(Answers { host: Arc::downgrade(self), link, number });
        let Some(answers) = self.subscribe_port(&inbox, answers) else { return };
        drop(self.ports.change(link, |port| port.answers.replace(answers)));
        let Request { subject, headers, body } = request;
        let (subject, reply) = (subject.as_bytes(), inbox.as_bytes());
        // In a batch of its own: it is not a request of the client whose task this may be.
        let mut cx = Dispatch::internal();
        if !self.account.publish(&mut cx, &Message { subject, reply, headers, payload: body }) {
            let watcher = Arc::new(Hearing { host: Arc::downgrade(self), link });
            let watch = Watch::new(&self.account, subject, watcher);
            drop(self.ports.change(link, |port| port.hearing.replace(watch)));
            self.lock().note_unheard(link, number, self.env.now());
            self.pump_soon(&mut cx);
        }
    }

    fn listen(self: &Arc<Self>, link: LinkKey, subject: &str) {
        let deliveries = Arc::new(Deliveries { host: Arc::downgrade(self), link });
        let Some(deliveries) = self.subscribe_port(subject, deliveries) else { return };
        let ended = self.ports.change(link, |port| {
            (port.answers.take(), port.hearing.take(), port.deliveries.replace(deliveries))
        });
        drop(ended);
    }

    fn subscribe_port(&self, subject: &str, service: Arc<dyn Service>) -> Option<ServiceSubscription> {
        let subscribed = self.account.subscribe_service(subject, None, service);
        let complain = |error| log::error!("stream {}: cannot listen to {subject}: {error}", self.name);
        subscribed.map_err(complain).ok()
    }
}
