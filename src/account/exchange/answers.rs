//! The way back: answers of exported services reach who asked.

use std::sync::{Arc, OnceLock, Weak};

use headwater_protocol::subject::SEPARATOR;
use parking_lot::Mutex;

use super::awaited::From;
use super::latency::{Measured, Outcome};
use super::responses::{Owed, ResponseMap};
use super::service_import::export_id;
use super::traced::Hop;
use crate::account::{Account, ServiceSubscription};
use crate::clock::UnixNanos;
use crate::ids;
use crate::router::{Dispatch, ImportStep, InTrace, Message, Path, Service};

/// What reply subjects of services begin with.
const PREFIX: &str = "_R_.";

/// Random characters in each of the two parts of a reply subject.
const PART_BYTES: usize = 6;

/// Replies that are passed on as they are: acknowledgements find their consumer by subject.
const ACK_PREFIX: &[u8] = b"$JS.ACK.";

/// The answers that one account's services owe.
#[derive(Default)]
pub(super) struct Answers {
    owed: Mutex<ResponseMap<Weak<Account>>>,
    entrance: OnceLock<Entrance>,
}

/// Where answers come in: `_R_.<own part>.>` in the exporting account.
struct Entrance {
    /// With the dot at its end.
    prefix: String,
    _subscription: Option<ServiceSubscription>,
}

/// The subscriber there.
struct Way(Weak<Account>);

/// A request whose answer has to find its way back.
pub(super) struct Asked<'a> {
    pub reply: &'a [u8],
    pub terms: &'a Arc<super::Export>,
    pub share: bool,
    pub measured: Option<Measured>,
}

impl Account {
    /// The reply subject that stands here for a requestor in another account.
    pub(super) fn owe(&self, cx: &mut Dispatch, requestor: &Account, asked: Asked<'_>) -> Box<[u8]> {
        if asked.reply.starts_with(ACK_PREFIX) {
            return asked.reply.into();
        }
        let subject = self.new_reply(cx);
        let owed = Owed {
            requestor: requestor.me.clone(),
            reply: asked.reply.into(),
            export: asked.terms.clone(),
            share: asked.share,
            asked: self.realm.clock.now(),
            measured: asked.measured,
        };
        let from = From { exporter: self.me.clone(), subject: subject.clone() };
        requestor.exchange.awaited.add(asked.reply, from);
        let mut map = self.exchange.answers.owed.lock();
        let evicted = map.insert(&subject, owed);
        let deadline = map.next_deadline();
        drop(map);
        deadline.into_iter().for_each(|deadline| self.realm.wake_at(deadline));
        if let Some(evicted) = evicted {
            self.give_up(cx, &evicted, Outcome::TimedOut);
        }
        subject
    }

    /// Forgets an answer that will not come; does nothing if it came.
    pub(super) fn no_longer_owe(&self, cx: &mut Dispatch, subject: &[u8], outcome: Outcome) {
        if let Some(owed) = self.take_owed(subject) {
            self.give_up(cx, &owed, outcome);
        }
    }

    /// Forgets an answer that nobody was asked for.
    pub(super) fn forget_owed(&self, subject: &[u8]) {
        self.take_owed(subject);
    }

    fn take_owed(&self, subject: &[u8]) -> Option<Arc<Owed<Weak<Account>>>> {
        let owed = self.exchange.answers.owed.lock().remove(subject)?;
        if let Some(requestor) = owed.requestor.upgrade() {
            requestor.exchange.awaited.remove(&owed.reply, subject);
        }
        Some(owed)
    }

    /// Gives up the answers that services of this account should have given by `now`, and says when to look again.
    pub fn expire_answers(&self, now: UnixNanos) -> Option<UnixNanos> {
        let mut map = self.exchange.answers.owed.lock();
        let expired = map.expire(now);
        let next = map.next_deadline();
        drop(map);
        let mut cx = Dispatch::internal();
        for (subject, owed) in expired {
            if let Some(requestor) = owed.requestor.upgrade() {
                requestor.exchange.awaited.remove(&owed.reply, &subject);
            }
            self.give_up(&mut cx, &owed, Outcome::TimedOut);
        }
        next
    }

    /// How many answers its services owe.
    pub fn answers_owed(&self) -> usize {
        self.exchange.answers.owed.lock().len()
    }

    /// A subscription has ended, and with it perhaps the wait for answers.
    pub(in crate::account) fn lose_interest(&self, filter: &[u8]) {
        let lost = self.exchange.awaited.lose_interest(filter, |reply| self.has_interest(reply));
        if lost.is_empty() {
            return;
        }
        let mut cx = Dispatch::internal();
        for from in lost {
            if let Some(exporter) = from.exporter.upgrade() {
                exporter.no_longer_owe(&mut cx, &from.subject, Outcome::InterestLost);
            }
        }
    }

    /// Publishes how a measured request ended.
    pub(super) fn report(&self, cx: &mut Dispatch, measured: &Measured, outcome: Outcome, began: UnixNanos) {
        let (responder, now) = (cx.origin().cloned(), self.realm.clock.now());
        let body = measured.report(outcome, responder.as_deref(), &self.realm.server, began, now);
        let subject = measured.subject.as_bytes();
        let message = Message { subject, payload: &body, ..Message::default() };
        cx.untraced(|cx| cx.nested(|cx| self.publish(cx, &message)));
    }

    fn give_up(&self, cx: &mut Dispatch, owed: &Owed<Weak<Account>>, outcome: Outcome) {
        if let Some(measured) = &owed.measured {
            self.report(cx, measured, outcome, owed.asked);
        }
    }

    /// A subject of the account that nobody else has.
    pub(super) fn new_reply(&self, cx: &mut Dispatch) -> Box<[u8]> {
        let entrance = self.exchange.answers.entrance.get_or_init(|| Entrance::open(self));
        let mut subject = Vec::with_capacity(entrance.prefix.len() + PART_BYTES);
        subject.extend_from_slice(entrance.prefix.as_bytes());
        subject.extend((0..PART_BYTES).map(|_| cx.random_character()));
        subject.into()
    }

    /// Hands an answer to who asked, if anybody is owed one.
    fn pass_back(&self, cx: &mut Dispatch, message: &Message<'_>, path: &Path<'_>) {
        let found = self.exchange.answers.owed.lock().get(path.to);
        let Some(owed) = found else { return };
        let Some(requestor) = owed.requestor.upgrade() else { return };
        if let Some(measured) = &owed.measured {
            self.report(cx, measured, Outcome::Answered, owed.asked);
        }
        let asked = || Asked { reply: message.reply, terms: &owed.export, share: owed.share, measured: None };
        let reply = match message.reply {
            b"" => Box::default(),
            _ => requestor.owe(cx, self, asked()),
        };
        let step = ImportStep { export: export_id(&owed.export), share: owed.share, before: path.import };
        let shown = if message.subject == path.to { &*owed.reply } else { message.subject };
        let answer = Message { subject: shown, reply: &reply, ..*message };
        let delivered = match cx.trace_mut().is_none() {
            true => requestor.take_in(cx, &owed.reply, &answer, &step),
            false => {
                let hop = Hop { from: path.to, to: &owed.reply, goes_on: false };
                requestor.take_in_traced(cx, &hop, &answer, &step)
            }
        };
        if !delivered && !reply.is_empty() {
            requestor.no_longer_owe(cx, &reply, Outcome::NotDelivered);
        }
        self.settle(&owed, path.to, delivered && message.content_bytes() > 0);
    }

    fn settle(&self, owed: &Owed<Weak<Account>>, subject: &[u8], more_may_come: bool) {
        let mut map = self.exchange.answers.owed.lock();
        if more_may_come && !owed.is_single() {
            return map.touch(subject, self.realm.clock.now());
        }
        drop(map);
        self.take_owed(subject);
    }
}

impl Entrance {
    fn open(account: &Account) -> Self {
        let prefix = format!("{PREFIX}{}{}", ids::token(PART_BYTES), char::from(SEPARATOR));
        let way = Arc::new(Way(account.me.clone()));
        let subscribed =
            account.me.upgrade().and_then(|me| me.subscribe_service(&format!("{prefix}>"), None, way).ok());
        Self { prefix, _subscription: subscribed }
    }
}

impl Service for Way {
    fn deliver(&self, cx: &mut Dispatch, message: &Message<'_>) -> bool {
        self.relay(cx, message, &Path::direct(message.subject))
    }

    fn relay(&self, cx: &mut Dispatch, message: &Message<'_>, path: &Path<'_>) -> bool {
        if let Some(account) = self.0.upgrade() {
            account.pass_back(cx, message, path);
        }
        // An answer that comes too late is no request without responders.
        true
    }

    fn in_trace(&self, _: &Message<'_>) -> InTrace {
        InTrace::Told
    }
}
