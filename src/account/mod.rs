//! An account: subjects of its own, isolated from every other account.
//!
//! Everything that publishes or subscribes does so through an [`Account`]: sessions for their clients, services of the broker
//! for themselves. Imports and exports stand on the same ground: see [`exchange`].

mod exchange;
mod interest;
mod mappings;
mod observers;
mod realm;
mod registry;
mod service;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::RwLock;

pub use self::exchange::{
    Activation, Approval, Export, ExportKind, Import, ImportError, ImportKind, ImportTerms, LatencyTerms,
    Ledger, Local, RESPONSE_THRESHOLD, Responses, Sampling, ServiceImport, ServiceTerms, StreamImport,
};
pub use self::interest::{InterestWatch, InterestWatcher};
pub use self::mappings::{Mapped, MappingError, MappingRule, Mappings};
pub use self::observers::SubscriptionObserver;
pub use self::realm::Realm;
pub use self::registry::Accounts;
pub use self::service::{InvalidSubject, ServiceSubscription};

use self::exchange::Exchange;
use self::interest::Watchers;
use self::observers::Observers;
use crate::router::{
    Dispatch, IndexUsage, Matches, Message, Path, Route, RouteCache, Service, Sink, SubjectIndex,
    Subscription, fan_out, fan_out_to_queue,
};
use crate::trace::TraceTerms;

/// The account of clients that belong to none.
pub const GLOBAL_ACCOUNT: &str = "$G";

/// The account of operators.
pub const SYSTEM_ACCOUNT: &str = "$SYS";

/// No limit.
pub const UNLIMITED: i64 = -1;

/// An account and its subject space.
pub struct Account {
    name: Arc<str>,
    tag: RwLock<Arc<str>>,
    me: Weak<Account>,
    realm: Arc<Realm>,
    index: SubjectIndex,
    watchers: Watchers,
    observers: Observers,
    mappings: RwLock<Arc<Mappings>>,
    /// Whether there are mappings; looked at for every message.
    mapped: AtomicBool,
    connections: AtomicUsize,
    limits: Limits,
    exchange: Exchange,
    trace_terms: RwLock<Option<Arc<TraceTerms>>>,
}

/// What an account may use at most; [`UNLIMITED`] where there is no limit.
#[derive(Debug)]
pub struct Limits {
    /// Client connections.
    pub connections_max: AtomicI64,
    /// Subscriptions of one connection.
    pub subscriptions_max: AtomicI64,
    /// Bytes of one message.
    pub payload_bytes_max: AtomicI64,
    /// Links to leaf nodes.
    pub leafnodes_max: AtomicI64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: AtomicI64::new(UNLIMITED),
            subscriptions_max: AtomicI64::new(UNLIMITED),
            payload_bytes_max: AtomicI64::new(UNLIMITED),
            leafnodes_max: AtomicI64::new(UNLIMITED),
        }
    }
}

impl Account {
    /// An account without subscriptions, in a realm of its own.
    pub fn new(name: &str) -> Arc<Self> {
        Self::in_realm(name, Arc::default())
    }

    /// An account without subscriptions.
    pub fn in_realm(name: &str, realm: Arc<Realm>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            name: name.into(),
            tag: RwLock::new(name.into()),
            me: me.clone(),
            realm,
            index: SubjectIndex::new(),
            watchers: Watchers::default(),
            observers: Observers::default(),
            mappings: RwLock::default(),
            mapped: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            limits: Limits::default(),
            exchange: Exchange::default(),
            trace_terms: RwLock::default(),
        })
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What its operator calls it, else its name.
    pub fn tag(&self) -> Arc<str> {
        self.tag.read().clone()
    }

    /// Sets what the operator calls it; nothing if that is empty.
    pub fn set_tag(&self, tag: &str) {
        *self.tag.write() = if tag.is_empty() { self.name.clone() } else { tag.into() };
    }

    /// What it may use.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Most subscriptions of one of its connections.
    pub fn subscriptions_max(&self) -> Option<usize> {
        usize::try_from(self.limits.subscriptions_max.load(Ordering::Relaxed)).ok()
    }

    /// Most bytes of a message published in it.
    pub fn payload_bytes_max(&self) -> Option<usize> {
        usize::try_from(self.limits.payload_bytes_max.load(Ordering::Relaxed)).ok()
    }

    /// Client connections bound to it now.
    pub fn connection_count(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Subscriptions in it now.
    pub fn subscription_count(&self) -> usize {
        self.index.len()
    }

    /// How the subject index has been used.
    pub fn index_usage(&self) -> IndexUsage {
        self.index.usage()
    }

    /// Delivers a message to everyone who subscribed to its subject. `true` if anybody got it.
    pub fn publish(&self, cx: &mut Dispatch, message: &Message<'_>) -> bool {
        self.deliver_along(cx, message, &Path::direct(message.subject))
    }

    fn deliver_along(&self, cx: &mut Dispatch, message: &Message<'_>, path: &Path<'_>) -> bool {
        self.with_matches(cx, path.to, |cx, matches| fan_out(cx, matches, message, path))
    }

    /// Delivers a message to everyone who subscribed to `to`; they see it under its own subject. `route` remembers the
    /// way for the next message.
    pub fn deliver_to(&self, cx: &mut Dispatch, route: &mut Route, to: &[u8], message: &Message<'_>) -> bool {
        let matches = route.find(&self.index, to);
        self.delivering(cx, |cx| fan_out(cx, matches, message, &Path::direct(to)))
    }

    /// Like [`deliver_to`](Self::deliver_to), but only to one member of the queue group `queue`.
    pub fn deliver_to_queue(
        &self,
        cx: &mut Dispatch,
        route: &mut Route,
        (to, queue): (&[u8], &[u8]),
        message: &Message<'_>,
    ) -> bool {
        let matches = route.find(&self.index, to);
        self.delivering(cx, |cx| fan_out_to_queue(cx, matches, queue, message, &Path::direct(to)))
    }

    /// Like [`publish`](Self::publish), for a connection that publishes to the same subjects again and again.
    pub fn publish_cached(&self, cx: &mut Dispatch, cache: &mut RouteCache, message: &Message<'_>) -> bool {
        let path = Path::direct(message.subject);
        cache.with_matches(&self.index, message.subject, |matches| {
            self.delivering(cx, |cx| fan_out(cx, matches, message, &path))
        })
    }

    /// Whether anybody has subscribed to the literal `subject`.
    pub fn has_interest(&self, subject: &[u8]) -> bool {
        let mut matches = Matches::default();
        self.index.collect(subject, &mut matches);
        !matches.is_empty()
    }

    /// Whether anybody has subscribed to just this subject, not to one with wildcards that includes it.
    pub fn has_literal_interest(&self, subject: &[u8]) -> bool {
        let mut matches = Matches::default();
        self.index.collect(subject, &mut matches);
        let members = matches.groups.iter().flat_map(|group| &group.members);
        matches.plain.iter().chain(members).any(|subscription| subscription.subject() == subject)
    }

    /// How many subscriptions a message on the literal `subject` would reach.
    pub fn listeners(&self, subject: &[u8]) -> usize {
        let mut matches = Matches::default();
        self.index.collect(subject, &mut matches);
        matches.len()
    }

    /// Whether anybody has subscribed to the literal `subject` in this queue group.
    pub fn has_queue_interest(&self, subject: &[u8], queue: &[u8]) -> bool {
        let mut matches = Matches::default();
        self.index.collect(subject, &mut matches);
        matches.group(queue).is_some()
    }

    /// The plain subscription of connection `cid` that would get a message on `subject`.
    pub fn plain_subscription_of(&self, cid: u64, subject: &[u8]) -> Option<Arc<Subscription>> {
        let mut matches = Matches::default();
        self.index.collect(subject, &mut matches);
        let is_own = |sub: &Arc<Subscription>| matches!(sub.sink(), Sink::Client { subscriber, .. } if subscriber.cid() == cid);
        matches.plain.into_iter().find(is_own)
    }

    /// Has code of the broker receive messages until the returned guard is dropped.
    pub fn subscribe_service(
        self: &Arc<Self>,
        subject: &str,
        queue: Option<&str>,
        service: Arc<dyn Service>,
    ) -> Result<ServiceSubscription, InvalidSubject> {
        ServiceSubscription::new(self, subject, queue, service)
    }

    /// Adds a subscription. `false` if its subject is not valid.
    pub fn subscribe(&self, subscription: &Arc<Subscription>) -> bool {
        let inserted = self.index.insert(subscription);
        if inserted {
            self.place_shadows(subscription);
            self.observers.subscribed(subscription);
            self.watchers.notify(subscription.subject());
        }
        inserted
    }

    /// Takes a subscription out.
    pub fn unsubscribe(&self, subscription: &Arc<Subscription>) {
        subscription.close();
        if self.index.remove(subscription) {
            self.remove_shadows(subscription);
            self.observers.unsubscribed(subscription);
            self.watchers.notify(subscription.subject());
            self.lose_interest(subscription.subject());
        }
    }

    /// Has the watcher told whenever a subscription that matches the literal `subject` comes or goes.
    pub fn watch_interest(
        self: &Arc<Self>,
        subject: &[u8],
        watcher: Weak<dyn InterestWatcher>,
    ) -> InterestWatch {
        InterestWatch::new(self, subject, watcher)
    }

    /// Has the observer told of every subscription that comes or goes from now on. Those there are already are shown by
    /// [`for_each_subscription`](Self::for_each_subscription); ask for them afterwards, and be ready to see one twice.
    pub fn observe(&self, observer: Weak<dyn SubscriptionObserver>) {
        self.observers.add(observer);
    }

    /// Shows all subscriptions, in no order. The index is locked for changes meanwhile: `visit` must be quick and must not
    /// subscribe or unsubscribe.
    pub fn for_each_subscription(&self, visit: &mut dyn FnMut(&Arc<Subscription>)) {
        self.index.for_each(visit);
    }

    /// Replaces the subject mappings, which apply to what clients publish.
    pub fn set_mappings(&self, mappings: Mappings) {
        self.mapped.store(!mappings.is_empty(), Ordering::Release);
        *self.mappings.write() = Arc::new(mappings);
    }

    /// The subject mappings; `None` if there are none.
    #[inline]
    pub fn mappings(&self) -> Option<Arc<Mappings>> {
        match self.mapped.load(Ordering::Acquire) {
            true => Some(self.mappings.read().clone()),
            false => None,
        }
    }

    /// Sets which messages with W3C trace headers are traced, and where to.
    pub fn set_trace_terms(&self, terms: Option<TraceTerms>) {
        *self.trace_terms.write() = terms.map(Arc::new);
    }

    /// Which messages with W3C trace headers are traced; `None` if none are.
    pub fn trace_terms(&self) -> Option<Arc<TraceTerms>> {
        self.trace_terms.read().clone()
    }

    /// The account of operators, or the name of what would be it.
    pub fn system_account(&self) -> &Arc<str> {
        &self.realm.system_account
    }

    /// Counts a new client connection; `false`, and no change, if there are as many as allowed.
    pub fn connect(&self) -> bool {
        let max = self.limits.connections_max.load(Ordering::Relaxed);
        let within = |count: usize| (max < 0 || (count as u64) < max as u64).then_some(count + 1);
        self.connections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok()
    }

    /// Takes back a [`connect`](Self::connect).
    pub fn disconnect(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    fn with_matches(
        &self,
        cx: &mut Dispatch,
        to: &[u8],
        deliver: impl FnOnce(&mut Dispatch, &Matches) -> bool,
    ) -> bool {
        let mut matches = cx.take_matches();
        self.index.collect(to, &mut matches);
        let delivered = self.delivering(cx, |cx| deliver(cx, &matches));
        cx.put_matches(matches);
        delivered
    }

    /// Delivers, then removes the subscriptions for which that was the last message.
    fn delivering(&self, cx: &mut Dispatch, deliver: impl FnOnce(&mut Dispatch) -> bool) -> bool {
        let already_expired = cx.expired.len();
        let delivered = deliver(cx);
        while cx.expired.len() > already_expired {
            if let Some(subscription) = cx.expired.pop() {
                match subscription.sink() {
                    Sink::Shadow(shadow) => shadow.expire_original(),
                    _ => self.end_subscription(&subscription),
                }
            }
        }
        delivered
    }

    fn end_subscription(&self, subscription: &Arc<Subscription>) {
        if let Sink::Client { subscriber, .. } = subscription.sink() {
            subscriber.forget(subscription);
        }
        self.unsubscribe(subscription);
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
