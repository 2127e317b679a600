//! Being told when interest in a subject comes or goes.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use headwater_protocol::subject;
use parking_lot::Mutex;

use super::Account;

/// Told when interest in a watched subject may have changed.
pub trait InterestWatcher: Send + Sync {
    /// A subscription that matches `subject` came or went. Called on whatever task made the change, with no lock held; may ask
    /// [`Account::has_interest`].
    fn interest_changed(&self, subject: &[u8]);
}

/// Keeps a watcher informed; dropping it ends that.
#[must_use = "dropping it ends the watch"]
pub struct InterestWatch {
    account: Arc<Account>,
    subject: Box<[u8]>,
    id: u64,
}

impl InterestWatch {
    pub(super) fn new(account: &Arc<Account>, subject: &[u8], watcher: Weak<dyn InterestWatcher>) -> Self {
        let id = account.watchers.add(subject, watcher);
        Self { account: account.clone(), subject: subject.into(), id }
    }
}

impl Drop for InterestWatch {
    fn drop(&mut self) {
        self.account.watchers.remove(&self.subject, self.id);
    }
}

/// Who watches what. Sorted by subject, so that a subscription with wildcards only looks at subjects that share its start.
#[derive(Default)]
pub(super) struct Watchers {
    by_subject: Mutex<BTreeMap<Box<[u8]>, Vec<Watcher>>>,
    /// Subjects in the map; most accounts watch nothing and need not take the lock.
    count: AtomicUsize,
    last_id: AtomicU64,
}

/// A watcher to tell, and the subject it watches.
type Told = (Box<[u8]>, Arc<dyn InterestWatcher>);

struct Watcher {
    id: u64,
    told: Weak<dyn InterestWatcher>,
}

impl Watchers {
    /// Tells everyone who watches a subject that a subscription to `filter` matches.
    pub(super) fn notify(&self, filter: &[u8]) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        for (subject, watcher) in self.watching(filter) {
            watcher.interest_changed(&subject);
        }
    }

    fn add(&self, subject: &[u8], told: Weak<dyn InterestWatcher>) -> u64 {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let mut by_subject = self.by_subject.lock();
        by_subject.entry(subject.into()).or_default().push(Watcher { id, told });
        self.count.store(by_subject.len(), Ordering::SeqCst);
        id
    }

    fn remove(&self, subject: &[u8], id: u64) {
        let mut by_subject = self.by_subject.lock();
        if let Some(watchers) = by_subject.get_mut(subject) {
            watchers.retain(|watcher| watcher.id != id);
            if watchers.is_empty() {
                by_subject.remove(subject);
            }
        }
        self.count.store(by_subject.len(), Ordering::SeqCst);
    }

    fn watching(&self, filter: &[u8]) -> Vec<Told> {
        let prefix = literal_prefix(filter);
        let by_subject = self.by_subject.lock();
        by_subject
            .range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(|(subject, _)| subject.starts_with(prefix))
            .filter(|(subject, _)| subject::matches(filter, subject))
            .flat_map(|(subject, watchers)| watchers.iter().map(move |watcher| (subject, watcher)))
            .filter_map(|(subject, watcher)| Some((subject.clone(), watcher.told.upgrade()?)))
            .collect()
    }
}

/// What every subject that `filter` matches starts with.
pub(super) fn literal_prefix(filter: &[u8]) -> &[u8] {
    let literal_tokens = subject::tokens(filter).take_while(|token| *token != b"*" && *token != b">");
    let length: usize = literal_tokens.map(|token| token.len() + 1).sum();
    filter.get(..length).unwrap_or(filter)
}
