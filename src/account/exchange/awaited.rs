//! Which answers of other accounts an account waits for, so that they are forgotten when nobody listens any more.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Weak;
use std::sync::atomic::{AtomicUsize, Ordering};

use headwater_protocol::subject::{has_wildcards, matches};
use parking_lot::Mutex;

use crate::account::Account;
use crate::account::interest::literal_prefix;

/// The answers one account waits for, by the reply subject of the request. Bounded by what the exporters owe.
#[derive(Default)]
pub(super) struct Awaited {
    by_reply: Mutex<BTreeMap<Box<[u8]>, Vec<From>>>,
    /// Reply subjects in the map; looked at whenever a subscription ends.
    count: AtomicUsize,
}

/// Where an answer comes from.
pub(super) struct From {
    pub exporter: Weak<Account>,
    /// What it comes on there.
    pub subject: Box<[u8]>,
}

impl Awaited {
    pub fn add(&self, reply: &[u8], from: From) {
        let mut by_reply = self.by_reply.lock();
        by_reply.entry(reply.into()).or_default().push(from);
        self.count.store(by_reply.len(), Ordering::SeqCst);
    }

    pub fn remove(&self, reply: &[u8], subject: &[u8]) {
        let mut by_reply = self.by_reply.lock();
        if let Some(list) = by_reply.get_mut(reply) {
            list.retain(|from| *from.subject != *subject);
            if list.is_empty() {
                by_reply.remove(reply);
            }
        }
        self.count.store(by_reply.len(), Ordering::SeqCst);
    }

    /// A subscription to `filter` has ended: takes out what nobody listens for.
    pub fn lose_interest(&self, filter: &[u8], anybody_left: impl Fn(&[u8]) -> bool) -> Vec<From> {
        if self.count.load(Ordering::SeqCst) == 0 {
            return Vec::new();
        }
        let mut by_reply = self.by_reply.lock();
        let concerned = match has_wildcards(filter) {
            false => by_reply.contains_key(filter).then(|| filter.into()).into_iter().collect(),
            true => concerned_by(&by_reply, filter),
        };
        let lost: Vec<Box<[u8]>> = concerned.into_iter().filter(|reply| !anybody_left(reply)).collect();
        let taken = lost.iter().filter_map(|reply| by_reply.remove(reply)).flatten().collect();
        self.count.store(by_reply.len(), Ordering::SeqCst);
        taken
    }
}

fn concerned_by(by_reply: &BTreeMap<Box<[u8]>, Vec<From>>, filter: &[u8]) -> Vec<Box<[u8]>> {
    let prefix = literal_prefix(filter);
    by_reply
        .range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded))
        .map(|(reply, _)| reply)
        .take_while(|reply| reply.starts_with(prefix))
        .filter(|reply| matches(filter, reply))
        .cloned()
        .collect()
}
