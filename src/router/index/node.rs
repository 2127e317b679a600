//! A node of the subject tree: one token.

use std::collections::HashMap;
use std::sync::Arc;

use crate::router::{Matches, SubjectHash, Subscription};

/// What lies below one token.
///
/// Most nodes are leaves or have one child, so neither costs a map.
#[derive(Default)]
pub(super) struct Node {
    children: Children,
    /// Below `*`.
    any: Option<Box<Node>>,
    /// Subscriptions that end with `>` here.
    rest: Option<Box<Subscribers>>,
    /// Subscriptions that end here.
    here: Option<Box<Subscribers>>,
}

/// At most one of the two is there.
#[derive(Default)]
struct Children {
    only: Option<(Box<[u8]>, Box<Node>)>,
    many: Option<Box<NodesByToken>>,
}

type NodesByToken = HashMap<Box<[u8]>, Box<Node>, SubjectHash>;

/// The subscriptions to one subject.
#[derive(Default)]
struct Subscribers {
    plain: Vec<Arc<Subscription>>,
    groups: Vec<Group>,
}

struct Group {
    name: Box<[u8]>,
    members: Vec<Arc<Subscription>>,
}

impl Node {
    pub(super) fn insert(&mut self, subscription: &Arc<Subscription>) {
        let mut node = self;
        let mut rest = Some(subscription.subject());
        while let Some(subject) = rest {
            let (token, next) = split(subject);
            match token {
                b">" => return node.rest.get_or_insert_default().insert(subscription),
                b"*" => node = node.any.get_or_insert_default(),
                _ => node = node.children.get_or_insert(token),
            }
            rest = next;
        }
        node.here.get_or_insert_default().insert(subscription);
    }

    /// Removes the subscription and whatever became empty. `false` if it was not there.
    pub(super) fn remove(&mut self, subscription: &Arc<Subscription>) -> bool {
        self.remove_below(Some(subscription.subject()), subscription)
    }

    /// `true` if it makes no difference what the last token is.
    pub(super) fn collect(&self, subject: &[u8], matches: &mut Matches) -> bool {
        if let Some(rest) = &self.rest {
            rest.collect(matches);
        }
        let (token, next) = split(subject);
        let mut holds_for_siblings = next.is_some() || self.children.is_empty();
        let below = [self.children.get(token), self.any.as_deref()];
        for node in below.into_iter().flatten() {
            match next {
                Some(subject) => holds_for_siblings &= node.collect(subject, matches),
                None => node.here.iter().for_each(|here| here.collect(matches)),
            }
        }
        holds_for_siblings
    }

    pub(super) fn for_each(&self, visit: &mut dyn FnMut(&Arc<Subscription>)) {
        for subscribers in [&self.here, &self.rest].into_iter().flatten() {
            subscribers.plain.iter().for_each(&mut *visit);
            subscribers.groups.iter().flat_map(|group| &group.members).for_each(&mut *visit);
        }
        let only = self.children.only.iter().map(|(_, node)| node);
        let many = self.children.many.iter().flat_map(|many| many.values());
        only.chain(many).chain(&self.any).for_each(|node| node.for_each(visit));
    }

    fn remove_below(&mut self, rest: Option<&[u8]>, subscription: &Arc<Subscription>) -> bool {
        let Some(subject) = rest else {
            return remove_from(&mut self.here, subscription);
        };
        let (token, next) = split(subject);
        match token {
            b">" => remove_from(&mut self.rest, subscription),
            b"*" => {
                let removed = self.any.as_mut().is_some_and(|node| node.remove_below(next, subscription));
                if self.any.as_ref().is_some_and(|node| node.is_empty()) {
                    self.any = None;
                }
                removed
            }
            _ => {
                let Some(node) = self.children.get_mut(token) else { return false };
                let removed = node.remove_below(next, subscription);
                if node.is_empty() {
                    self.children.remove(token);
                }
                removed
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.children.is_empty() && self.any.is_none() && self.rest.is_none() && self.here.is_none()
    }
}

impl Children {
    fn get(&self, token: &[u8]) -> Option<&Node> {
        if let Some(many) = &self.many {
            return many.get(token).map(|node| &**node);
        }
        self.only.as_ref().filter(|(name, _)| &**name == token).map(|(_, node)| &**node)
    }

    fn get_mut(&mut self, token: &[u8]) -> Option<&mut Node> {
        if let Some(many) = &mut self.many {
            return many.get_mut(token).map(|node| &mut **node);
        }
        self.only.as_mut().filter(|(name, _)| &**name == token).map(|(_, node)| &mut **node)
    }

    fn get_or_insert(&mut self, token: &[u8]) -> &mut Node {
        if let Some((name, node)) = self.only.take_if(|(name, _)| &**name != token) {
            self.many.get_or_insert_default().insert(name, node);
        }
        match &mut self.many {
            Some(many) => many.entry(token.into()).or_default(),
            None => &mut self.only.get_or_insert_with(|| (token.into(), Box::default())).1,
        }
    }

    fn remove(&mut self, token: &[u8]) {
        self.only.take_if(|(name, _)| &**name == token);
        let Some(many) = &mut self.many else { return };
        many.remove(token);
        if many.is_empty() {
            self.many = None;
        } else if many.len() < many.capacity() / 8 {
            many.shrink_to(many.len() * 2);
        }
    }

    fn is_empty(&self) -> bool {
        self.only.is_none() && self.many.is_none()
    }
}

impl Subscribers {
    fn insert(&mut self, subscription: &Arc<Subscription>) {
        let Some(queue) = subscription.queue() else {
            return push(&mut self.plain, subscription);
        };
        match self.groups.iter_mut().find(|group| &*group.name == queue) {
            Some(group) => push(&mut group.members, subscription),
            None => {
                subscription.set_slot(0);
                self.groups.push(Group { name: queue.into(), members: vec![subscription.clone()] });
            }
        }
    }

    fn remove(&mut self, subscription: &Arc<Subscription>) -> bool {
        let Some(queue) = subscription.queue() else {
            return swap_out(&mut self.plain, subscription);
        };
        let Some(at) = self.groups.iter().position(|group| &*group.name == queue) else { return false };
        let Some(group) = self.groups.get_mut(at) else { return false };
        let removed = swap_out(&mut group.members, subscription);
        if group.members.is_empty() {
            self.groups.swap_remove(at);
        }
        removed
    }

    fn collect(&self, matches: &mut Matches) {
        matches.plain.extend_from_slice(&self.plain);
        for group in &self.groups {
            matches.add_members(&group.name, &group.members);
        }
    }

    fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.groups.is_empty()
    }
}

fn push(list: &mut Vec<Arc<Subscription>>, subscription: &Arc<Subscription>) {
    if list.capacity() == 0 {
        list.reserve_exact(1);
    }
    subscription.set_slot(list.len());
    list.push(subscription.clone());
}

/// Removes by the remembered place, so that a subject with very many subscribers loses one without a search.
fn swap_out(list: &mut Vec<Arc<Subscription>>, subscription: &Arc<Subscription>) -> bool {
    let slot = subscription.slot();
    if !list.get(slot).is_some_and(|found| Arc::ptr_eq(found, subscription)) {
        return false;
    }
    list.swap_remove(slot);
    if let Some(moved) = list.get(slot) {
        moved.set_slot(slot);
    }
    if list.len() < list.capacity() / 4 {
        list.shrink_to(list.len() * 2);
    }
    true
}

fn remove_from(place: &mut Option<Box<Subscribers>>, subscription: &Arc<Subscription>) -> bool {
    let Some(subscribers) = place else { return false };
    let removed = subscribers.remove(subscription);
    if subscribers.is_empty() {
        *place = None;
    }
    removed
}

fn split(subject: &[u8]) -> (&[u8], Option<&[u8]>) {
    match subject.iter().position(|byte| *byte == b'.') {
        Some(at) => (&subject[..at], Some(&subject[at + 1..])),
        None => (subject, None),
    }
}
