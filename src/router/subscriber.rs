//! The receiving end of a client connection.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};

use super::{Outbound, SubjectHash, Subscription};

/// Something that owns an [`Outbound`] and can be flushed when a batch ends.
pub trait Receiver: Send + Sync {
    /// Where its bytes wait.
    fn outbound(&self) -> &Outbound;
}

/// What a client's permissions say about messages on their way to it.
pub trait DeliveryFilter: Send + Sync {
    /// Whether a subscription of this queue group may get a message on this subject.
    fn may_deliver(&self, subject: &[u8], queue: Option<&[u8]>) -> bool;
    /// Notes that the client got a message with this reply subject, which it may be allowed to answer.
    fn delivered(&self, reply: &[u8]);
}

/// The receiving end of a client connection: its outbound queue, its subscriptions, and how it wants its messages.
pub struct Subscriber {
    cid: u64,
    outbound: Outbound,
    echo: AtomicBool,
    headers: AtomicBool,
    traced: AtomicBool,
    trace_name: RwLock<Option<Arc<str>>>,
    subscriptions: Mutex<HashSet<BySid, SubjectHash>>,
    filtered: AtomicBool,
    filter: RwLock<Option<Arc<dyn DeliveryFilter>>>,
}

impl Subscriber {
    /// The receiving end of connection `cid`, with the settings a client has before CONNECT.
    pub fn new(cid: u64, outbound_bytes_max: usize) -> Self {
        Self {
            cid,
            outbound: Outbound::new(outbound_bytes_max),
            echo: AtomicBool::new(true),
            headers: AtomicBool::new(false),
            traced: AtomicBool::new(false),
            trace_name: RwLock::new(None),
            subscriptions: Mutex::default(),
            filtered: AtomicBool::new(false),
            filter: RwLock::new(None),
        }
    }

    /// The connection's number.
    pub fn cid(&self) -> u64 {
        self.cid
    }

    /// Whether it gets its own messages back, and whether it understands headers.
    pub fn set_options(&self, echo: bool, headers: bool) {
        self.echo.store(echo, Ordering::Relaxed);
        self.headers.store(headers, Ordering::Relaxed);
    }

    /// Whether it gets its own messages back.
    pub fn echo(&self) -> bool {
        self.echo.load(Ordering::Relaxed)
    }

    /// Whether it understands headers.
    pub fn headers(&self) -> bool {
        self.headers.load(Ordering::Relaxed)
    }

    /// What its deliveries are logged under, if they are.
    pub fn trace_name(&self) -> Option<Arc<str>> {
        match self.traced.load(Ordering::Relaxed) {
            true => self.trace_name.read().clone(),
            false => None,
        }
    }

    /// Has its deliveries logged under this name, or not any more.
    pub fn set_trace_name(&self, name: Option<Arc<str>>) {
        self.traced.store(name.is_some(), Ordering::Relaxed);
        *self.trace_name.write() = name;
    }

    /// Sets what its permissions say about deliveries; `None` lets everything through.
    pub fn set_filter(&self, filter: Option<Arc<dyn DeliveryFilter>>) {
        self.filtered.store(filter.is_some(), Ordering::Relaxed);
        *self.filter.write() = filter;
    }

    /// What its permissions say about deliveries.
    pub fn filter(&self) -> Option<Arc<dyn DeliveryFilter>> {
        match self.filtered.load(Ordering::Relaxed) {
            true => self.filter.read().clone(),
            false => None,
        }
    }

    /// Remembers a subscription under its sid. `false`, and no change, if the sid is in use.
    pub fn add(&self, subscription: &Arc<Subscription>) -> bool {
        self.subscriptions.lock().insert(BySid(subscription.clone()))
    }

    /// The subscription with this sid.
    pub fn subscription(&self, sid: &[u8]) -> Option<Arc<Subscription>> {
        self.subscriptions.lock().get(sid).map(|found| found.0.clone())
    }

    /// Forgets a subscription. `false` if it is not remembered.
    pub fn forget(&self, subscription: &Arc<Subscription>) -> bool {
        let mut subscriptions = self.subscriptions.lock();
        let known =
            subscriptions.get(subscription.sid()).is_some_and(|found| Arc::ptr_eq(&found.0, subscription));
        if known {
            subscriptions.remove(subscription.sid());
            if subscriptions.len() < subscriptions.capacity() / 8 {
                let kept = subscriptions.len() * 2;
                subscriptions.shrink_to(kept);
            }
        }
        known
    }

    /// Forgets all subscriptions and returns them.
    pub fn forget_all(&self) -> Vec<Arc<Subscription>> {
        std::mem::take(&mut *self.subscriptions.lock()).into_iter().map(|entry| entry.0).collect()
    }

    /// All subscriptions, in no order.
    pub fn subscriptions(&self) -> Vec<Arc<Subscription>> {
        self.subscriptions.lock().iter().map(|entry| entry.0.clone()).collect()
    }

    /// How many subscriptions it has.
    pub fn subscription_count(&self) -> usize {
        self.subscriptions.lock().len()
    }
}

impl Receiver for Subscriber {
    fn outbound(&self) -> &Outbound {
        &self.outbound
    }
}

/// A subscription that is found by its sid, which is stored only in it.
struct BySid(Arc<Subscription>);

impl Borrow<[u8]> for BySid {
    fn borrow(&self) -> &[u8] {
        self.0.sid()
    }
}

impl Hash for BySid {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.sid().hash(state);
    }
}

impl PartialEq for BySid {
    fn eq(&self, other: &Self) -> bool {
        self.0.sid() == other.0.sid()
    }
}

impl Eq for BySid {}
