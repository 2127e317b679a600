//! Which consumers wait for messages of which subjects: a message wakes those that want it, however many others wait.
//!
//! Consumers with the same filter share a group; groups lie in a tree of tokens. Its size follows the filters of a stream's
//! consumers, and neither waiting nor waking allocates once the lists have grown to their consumers' number.

use std::collections::HashMap;

use bytes::Bytes;

use super::consumers::ConsumerKey;

/// What a consumer without filters wants.
static EVERYTHING: Bytes = Bytes::from_static(b">");

/// Tokens of a filter that are told apart: the tree is walked and taken down by recursion. A longer filter waits for whatever
/// begins like it.
const TOKENS_MAX: usize = 256;

/// The waiting consumers of a stream, by filter.
#[derive(Default)]
pub struct Waiting {
    root: Node,
    groups: Vec<Group>,
    /// Groups without members, to be used again.
    unused: Vec<usize>,
    /// The last sequence stored.
    last_seq: u64,
}

/// A consumer's place in the group of one of its filters.
#[derive(Debug)]
pub struct Membership {
    filter: Bytes,
    group: usize,
    /// The consumer is on the group's list.
    listed: bool,
}

/// Consumers with the same filter.
#[derive(Default)]
struct Group {
    /// In the order of their keys.
    members: Vec<ConsumerKey>,
    waiting: Vec<ConsumerKey>,
    /// No message behind this matches.
    last_seq: u64,
}

/// Filters by token.
#[derive(Default)]
struct Node {
    children: HashMap<Box<[u8]>, Node>,
    /// Below `*`.
    any: Option<Box<Node>>,
    /// The group of the filter that ends with `>` here.
    rest: Option<usize>,
    /// The group of the filter that ends here.
    here: Option<usize>,
}

impl Waiting {
    /// A consumer that wants what `filters` match, everything if there are none. It does not wait yet.
    pub fn join(&mut self, key: ConsumerKey, filters: &[Bytes]) -> Vec<Membership> {
        let filters = if filters.is_empty() { std::slice::from_ref(&EVERYTHING) } else { filters };
        let memberships = filters.iter().map(bounded).map(|filter| {
            let place = self.root.place(&filter);
            let group = *place.get_or_insert_with(|| self.unused.pop().unwrap_or(self.groups.len()));
            if group == self.groups.len() {
                self.groups.push(Group::default());
            }
            if let Some(group) = self.groups.get_mut(group) {
                // Nobody noted what came before.
                group.last_seq = if group.members.is_empty() { self.last_seq } else { group.last_seq };
                group.join(key);
            }
            Membership { filter, group, listed: false }
        });
        memberships.collect()
    }

    /// The consumer is gone, or wants something else.
    pub fn leave(&mut self, key: ConsumerKey, memberships: &[Membership]) {
        for membership in memberships {
            let Some(group) = self.groups.get_mut(membership.group) else { continue };
            if membership.listed {
                group.waiting.retain(|waiting| *waiting != key);
            }
            group.leave(key);
            if group.members.is_empty() {
                *group = Group::default();
                self.unused.push(membership.group);
                self.root.clear(&membership.filter);
            }
        }
    }

    /// The consumer, which has seen all up to `seen_seq`, waits for what it wants; `false` if that is already stored.
    pub fn wait(&mut self, key: ConsumerKey, memberships: &mut [Membership], seen_seq: u64) -> bool {
        let stored = |membership: &Membership| {
            self.groups.get(membership.group).is_some_and(|group| group.last_seq > seen_seq)
        };
        if memberships.iter().any(stored) {
            return false;
        }
        for membership in memberships.iter_mut().filter(|membership| !membership.listed) {
            if let Some(group) = self.groups.get_mut(membership.group) {
                group.waiting.push(key);
                membership.listed = true;
            }
        }
        true
    }

    /// A message was stored: moves those that wait for its subject to `woken`, each with the group it was in.
    pub fn stored(&mut self, subject: &[u8], seq: u64, woken: &mut Vec<(ConsumerKey, GroupId)>) {
        self.last_seq = seq;
        let groups = &mut self.groups;
        self.root.for_each_match(subject, &mut |at| {
            if let Some(group) = groups.get_mut(at) {
                group.last_seq = seq;
                woken.extend(group.waiting.drain(..).map(|key| (key, GroupId(at))));
            }
        });
    }

    /// Shows the consumers, waiting or not, whose filters match a subject, those with the same filter at a time.
    pub fn for_each_group(&self, subject: &[u8], visit: &mut dyn FnMut(&[ConsumerKey])) {
        self.root.for_each_match(subject, &mut |at| {
            if let Some(group) = self.groups.get(at) {
                visit(&group.members);
            }
        });
    }

    /// Whether some consumer wants a subject.
    pub fn want(&self, subject: &[u8]) -> bool {
        let mut found = false;
        self.root.for_each_match(subject, &mut |_| found = true);
        found
    }
}

impl Group {
    fn join(&mut self, key: ConsumerKey) {
        let at = self.members.partition_point(|member| *member < key);
        self.members.insert(at, key);
    }

    fn leave(&mut self, key: ConsumerKey) {
        if let Ok(at) = self.members.binary_search(&key) {
            self.members.remove(at);
        }
    }
}

/// A group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupId(usize);

impl Membership {
    /// The consumer was taken from the list of `group`.
    pub fn taken(&mut self, group: GroupId) {
        self.listed &= self.group != group.0;
    }
}

impl Node {
    /// Where the group of a filter is kept.
    fn place(&mut self, filter: &[u8]) -> &mut Option<usize> {
        let (token, next) = split(filter);
        let below = match (token, next) {
            (b">", None) => return &mut self.rest,
            (b"*", _) => self.any.get_or_insert_default(),
            _ => self.children.entry(token.into()).or_default(),
        };
        match next {
            Some(filter) => below.place(filter),
            None => &mut below.here,
        }
    }

    /// Forgets a filter and whatever became empty; `true` if nothing is left.
    fn clear(&mut self, filter: &[u8]) -> bool {
        let (token, next) = split(filter);
        let clear = |node: &mut Node| match next {
            Some(filter) => node.clear(filter),
            None => {
                node.here = None;
                node.is_empty()
            }
        };
        match (token, next) {
            (b">", None) => self.rest = None,
            (b"*", _) => {
                self.any.take_if(|node| clear(node));
            }
            _ => {
                if self.children.get_mut(token).is_some_and(clear) {
                    self.children.remove(token);
                }
            }
        }
        self.is_empty()
    }

    fn for_each_match(&self, subject: &[u8], visit: &mut dyn FnMut(usize)) {
        if let Some(rest) = self.rest {
            visit(rest);
        }
        let (token, next) = split(subject);
        let child = if self.children.is_empty() { None } else { self.children.get(token) };
        for node in [child, self.any.as_deref()].into_iter().flatten() {
            match next {
                Some(subject) => node.for_each_match(subject, visit),
                None => node.here.into_iter().for_each(&mut *visit),
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.any.is_none() && self.rest.is_none() && self.here.is_none()
    }
}

fn bounded(filter: &Bytes) -> Bytes {
    let mut dots = memchr::memchr_iter(b'.', filter);
    match (dots.nth(TOKENS_MAX - 2), dots.next()) {
        (Some(last), Some(_)) => [&filter[..=last], b">"].concat().into(),
        _ => filter.clone(),
    }
}

fn split(subject: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut parts = subject.splitn(2, |byte| *byte == b'.');
    (parts.next().unwrap_or_default(), parts.next())
}

#[cfg(test)]
#[path = "waiting_tests.rs"]
mod tests;
