//! Imported streams: for each subscription that one concerns, a shadow in the exporting account.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::import::StreamImport;
use crate::account::Account;
use crate::router::{Home, Shadow, Sink, Subscription};

/// The shadows of one account's subscriptions.
#[derive(Default)]
pub(in crate::account) struct Shadows {
    /// Whether streams are imported; looked at for every subscription.
    any: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    imports: Vec<(Arc<Account>, StreamImport)>,
    /// By the address of the original, which its shadows keep alive.
    placed: HashMap<usize, Vec<Placed>>,
}

#[derive(Clone)]
struct Placed {
    exporter: Arc<Account>,
    shadow: Arc<Subscription>,
}

/// What was put into exporting accounts or taken out of them, and has to be made known.
#[derive(Default)]
struct Changes {
    added: Vec<Placed>,
    removed: Vec<Placed>,
}

impl Account {
    pub(super) fn set_stream_imports(&self, imports: Vec<(Arc<Account>, StreamImport)>) {
        let shadows = &self.exchange.shadows;
        if imports.is_empty() && !shadows.any.load(Ordering::SeqCst) {
            return;
        }
        shadows.state.lock().imports = imports;
        // Before anybody's subscriptions are looked at: whoever subscribes from here on looks for imports itself.
        shadows.any.store(true, Ordering::SeqCst);
        let mut subscriptions = Vec::new();
        self.for_each_subscription(&mut |subscription| subscriptions.push(subscription.clone()));
        subscriptions.iter().for_each(|subscription| self.place_shadows(subscription));
        let none_left = shadows.state.lock().imports.is_empty();
        shadows.any.store(!none_left, Ordering::SeqCst);
    }

    /// Gives a subscription the shadows it has to have now.
    pub(in crate::account) fn place_shadows(&self, subscription: &Arc<Subscription>) {
        let shadows = &self.exchange.shadows;
        if shadows.any.load(Ordering::SeqCst) && takes_imports(subscription) {
            let changes = shadows.state.lock().sync(self, subscription);
            changes.announce();
        }
    }

    /// Takes the shadows of a subscription away.
    pub(in crate::account) fn remove_shadows(&self, subscription: &Arc<Subscription>) {
        let shadows = &self.exchange.shadows;
        if shadows.any.load(Ordering::SeqCst) {
            let removed = shadows.state.lock().placed.remove(&key(subscription)).unwrap_or_default();
            let mut changes = Changes::default();
            removed.into_iter().for_each(|placed| changes.remove(placed));
            changes.announce();
        }
    }
}

impl State {
    fn sync(&mut self, account: &Account, original: &Arc<Subscription>) -> Changes {
        let mut changes = Changes::default();
        if original.is_closed() {
            return changes;
        }
        let mut old = self.placed.remove(&key(original)).unwrap_or_default();
        let mut new = Vec::new();
        for (exporter, import) in &self.imports {
            let Some(subject) = import.remote_for(original.subject()) else { continue };
            match old.iter().position(|placed| placed.serves(exporter, import, &subject)) {
                Some(at) => new.push(old.swap_remove(at)),
                None => new.extend(changes.add(account, exporter, import, original, &subject)),
            }
        }
        old.into_iter().for_each(|placed| changes.remove(placed));
        if !new.is_empty() {
            self.placed.insert(key(original), new);
        }
        changes
    }
}

impl Placed {
    fn serves(&self, exporter: &Arc<Account>, import: &StreamImport, subject: &[u8]) -> bool {
        let same_terms = matches!(self.shadow.sink(), Sink::Shadow(shadow)
            if *shadow.naming() == import.naming && shadow.allows_trace() == import.allow_trace);
        same_terms && Arc::ptr_eq(&self.exporter, exporter) && self.shadow.subject() == subject
    }
}

impl Changes {
    fn add(
        &mut self,
        importer: &Account,
        exporter: &Arc<Account>,
        import: &StreamImport,
        original: &Arc<Subscription>,
        subject: &[u8],
    ) -> Option<Placed> {
        let home: Weak<dyn Home> = importer.me.clone();
        let shadow = Shadow::new(original.clone(), import.naming.clone(), home, import.allow_trace);
        let sink = Sink::Shadow(Box::new(shadow));
        let shadow = Arc::new(Subscription::new(subject, original.queue(), sink));
        let placed = Placed { exporter: exporter.clone(), shadow };
        let inserted = exporter.index.insert(&placed.shadow);
        inserted.then(|| self.added.push(placed.clone()));
        inserted.then_some(placed)
    }

    fn remove(&mut self, placed: Placed) {
        placed.shadow.close();
        if placed.exporter.index.remove(&placed.shadow) {
            self.removed.push(placed);
        }
    }

    /// With no lock held: who is told may ask and subscribe.
    fn announce(self) {
        for Placed { exporter, shadow } in &self.added {
            exporter.observers.subscribed(shadow);
            exporter.watchers.notify(shadow.subject());
        }
        for Placed { exporter, shadow } in &self.removed {
            exporter.observers.unsubscribed(shadow);
            exporter.watchers.notify(shadow.subject());
        }
    }
}

impl Home for Account {
    fn expire(&self, original: &Arc<Subscription>) {
        self.end_subscription(original);
    }

    fn name(&self) -> Arc<str> {
        self.name.clone()
    }
}

fn takes_imports(subscription: &Subscription) -> bool {
    match subscription.sink() {
        Sink::Client { .. } => true,
        Sink::Service(service) => service.takes_imports(),
        Sink::Shadow(_) => false,
    }
}

fn key(subscription: &Arc<Subscription>) -> usize {
    Arc::as_ptr(subscription).addr()
}
