//! Being told of every subscription that comes and goes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::RwLock;

use crate::router::Subscription;

/// Told of every subscription of an account, as links to other servers need it. Called on whatever task made the change, with
/// no lock of the index held; calls for different subscriptions may overlap.
pub trait SubscriptionObserver: Send + Sync {
    /// A subscription was added.
    fn subscribed(&self, subscription: &Arc<Subscription>);
    /// A subscription was removed.
    fn unsubscribed(&self, subscription: &Arc<Subscription>);
}

/// Who is told. Forgets observers that are gone.
#[derive(Default)]
pub(super) struct Observers {
    list: RwLock<Vec<Weak<dyn SubscriptionObserver>>>,
    /// Most accounts have none and need not take the lock.
    any: AtomicBool,
}

impl Observers {
    pub(super) fn add(&self, observer: Weak<dyn SubscriptionObserver>) {
        let mut list = self.list.write();
        list.retain(|known| known.strong_count() > 0);
        list.push(observer);
        self.any.store(true, Ordering::SeqCst);
    }

    pub(super) fn subscribed(&self, subscription: &Arc<Subscription>) {
        self.live().iter().for_each(|observer| observer.subscribed(subscription));
    }

    pub(super) fn unsubscribed(&self, subscription: &Arc<Subscription>) {
        self.live().iter().for_each(|observer| observer.unsubscribed(subscription));
    }

    fn live(&self) -> Vec<Arc<dyn SubscriptionObserver>> {
        match self.any.load(Ordering::SeqCst) {
            true => self.list.read().iter().filter_map(Weak::upgrade).collect(),
            false => Vec::new(),
        }
    }
}
