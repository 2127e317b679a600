//! The consumers of one stream: found by name, woken when they have something to do.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::sync::Arc;

use headwater_protocol::jetstream::ack_token::AckReplies;
use headwater_protocol::jetstream::consumer_config::ConsumerConfig;

use super::consumer::ConsumerMachine;
use super::stream::Audience;
use super::waiting::{GroupId, Membership, Waiting};
use crate::account::{Account, InterestWatch, InterestWatcher};
use crate::clock::UnixNanos;
use crate::store::Lsn;

/// So many consumers are asked for a message one by one rather than that its subject is read to know whom to ask.
const ASKED_UNREAD_MAX: usize = 8;

/// Where a consumer stands among its stream's; not given again while the stream lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerKey(u64);

#[cfg(test)]
impl ConsumerKey {
    /// For tests that have no consumers.
    pub(super) fn of(key: u64) -> Self {
        Self(key)
    }
}

/// Keeps a watcher and its watch together: the account only holds on to it weakly.
pub struct Watch {
    _watch: InterestWatch,
    _watcher: Arc<dyn InterestWatcher>,
}

impl Watch {
    /// Has `watcher` told when interest in `subject` changes, until this is dropped.
    pub fn new(account: &Arc<Account>, subject: &[u8], watcher: Arc<dyn InterestWatcher>) -> Self {
        let watch = account.watch_interest(subject, Arc::downgrade(&watcher));
        Self { _watch: watch, _watcher: watcher }
    }
}

/// One consumer and what the rim keeps with it.
pub struct Hosted {
    /// Decides.
    pub machine: ConsumerMachine,
    /// Writes the reply subjects of its deliveries.
    pub ack_replies: Arc<AckReplies>,
    /// The queue group a push consumer delivers to.
    pub deliver_group: Option<Arc<[u8]>>,
    /// Watches for somebody to listen on the deliver subject.
    pub watch: Option<Watch>,
    /// The deadline its latest entry in the timer heap is for.
    armed: UnixNanos,
    /// It is on the list of those to be run.
    queued: bool,
    /// It waits for new messages, or to see one that is stored.
    hungry: bool,
    /// Where it waits.
    memberships: Vec<Membership>,
    /// The first message that awaited acknowledgement when there was last no room for more.
    stalled_at: u64,
    /// It delivers nothing until this is settled: what made it.
    begins: Lsn,
}

impl Hosted {
    /// A consumer of `stream`, not yet among the others.
    pub fn new(stream: &str, machine: ConsumerMachine) -> Self {
        let config = machine.config();
        let group = config.deliver_group.as_bytes();
        Self {
            ack_replies: Arc::new(AckReplies::v1(stream, machine.name())),
            deliver_group: (!group.is_empty()).then(|| group.into()),
            watch: None,
            armed: UnixNanos::MAX,
            queued: false,
            hungry: false,
            memberships: Vec::new(),
            stalled_at: 0,
            begins: Lsn::ZERO,
            machine,
        }
    }
}

/// Whether a consumer counts against its stream's limit; neither can change.
pub fn counts(config: &ConsumerConfig) -> bool {
    !config.direct && !config.sourcing
}

/// All consumers of a stream.
///
/// A stream can have thousands of which few have anything to do, so nothing here walks over all of them except on
/// request: those to be run are queued, those with a deadline are in a heap, those that want new messages wait by their filters.
#[derive(Default)]
pub struct Consumers {
    by_key: BTreeMap<ConsumerKey, Hosted>,
    by_name: BTreeMap<Box<str>, ConsumerKey>,
    last_key: u64,
    /// Consumers that somebody gave something to do.
    to_run: Vec<ConsumerKey>,
    /// Consumers that wanted more messages when they were last run.
    waiting: Waiting,
    /// Those for whom one is stored that cannot be seen yet.
    expecting: Vec<ConsumerKey>,
    /// Kept for its memory.
    woken: Vec<(ConsumerKey, GroupId)>,
    /// Consumers whose making is not yet settled, in its order.
    unsettled: VecDeque<(Lsn, ConsumerKey)>,
    /// Those that deliver nothing because too much awaits acknowledgement, by the first message that does.
    stalled: BTreeSet<(u64, ConsumerKey)>,
    /// Those that await the acknowledgement of a message that a limit has removed.
    bereft: Vec<(ConsumerKey, u64)>,
    /// The one that needed the message last asked for: it is likely to need the next as well.
    needy: Option<ConsumerKey>,
    /// Consumers that count against the stream's limit.
    limited: usize,
    /// Consumers whose deliveries are acknowledged.
    taking_acks: usize,
    deadlines: BinaryHeap<Reverse<(UnixNanos, ConsumerKey)>>,
}

impl Consumers {
    /// Consumers to come get other keys than those of `former` have.
    pub fn number_after(&mut self, former: &Self) {
        self.last_key = self.last_key.max(former.last_key);
    }

    /// Adds a consumer and queues it to be run.
    pub fn add(&mut self, mut consumer: Hosted) -> ConsumerKey {
        self.last_key += 1;
        let key = ConsumerKey(self.last_key);
        self.by_name.insert(consumer.machine.name().into(), key);
        self.taking_acks += usize::from(consumer.machine.takes_acks());
        self.limited += usize::from(counts(consumer.machine.config()));
        consumer.memberships = self.waiting.join(key, consumer.machine.filters());
        self.by_key.insert(key, consumer);
        self.wake(key);
        key
    }

    /// A consumer may have got other filters.
    pub fn refilter(&mut self, key: ConsumerKey) {
        let Some(hosted) = self.by_key.get_mut(&key) else { return };
        self.waiting.leave(key, &hosted.memberships);
        hosted.memberships = self.waiting.join(key, hosted.machine.filters());
        hosted.hungry = false;
        self.wake(key);
    }

    /// Has a consumer deliver nothing before its making, `lsn`, is settled: whoever asked for it is told first.
    pub fn begin_after(&mut self, key: ConsumerKey, lsn: Lsn) {
        if let Some(hosted) = self.by_key.get_mut(&key) {
            hosted.begins = lsn;
            self.unsettled.push_back((lsn, key));
        }
    }

    /// Has the consumers run whose making is settled now.
    pub fn begin_settled(&mut self, settled: Lsn) {
        while let Some((_, key)) = self.unsettled.front().copied().filter(|(lsn, _)| *lsn <= settled) {
            self.unsettled.pop_front();
            self.wake(key);
        }
    }

    /// Whether a consumer waits for its making to be settled.
    pub fn any_unsettled(&self) -> bool {
        !self.unsettled.is_empty()
    }

    /// Takes a consumer out.
    pub fn remove(&mut self, name: &str) -> Option<Hosted> {
        let key = self.by_name.remove(name)?;
        let removed = self.by_key.remove(&key)?;
        self.waiting.leave(key, &removed.memberships);
        self.stalled.remove(&(removed.stalled_at, key));
        self.taking_acks -= usize::from(removed.machine.takes_acks());
        self.limited -= usize::from(counts(removed.machine.config()));
        Some(removed)
    }

    /// The key of a consumer.
    pub fn key(&self, name: &str) -> Option<ConsumerKey> {
        self.by_name.get(name).copied()
    }

    /// A consumer by its key.
    pub fn get(&self, key: ConsumerKey) -> Option<&Hosted> {
        self.by_key.get(&key)
    }

    /// A consumer by its key, to be changed.
    pub fn get_mut(&mut self, key: ConsumerKey) -> Option<&mut Hosted> {
        self.by_key.get_mut(&key)
    }

    /// A consumer by its name.
    pub fn find(&self, name: &str) -> Option<&Hosted> {
        self.get(self.key(name)?)
    }

    /// All consumers in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Hosted> {
        self.by_name.values().filter_map(|key| self.by_key.get(key))
    }

    /// Their names, in order.
    pub fn names(&self) -> Vec<Box<str>> {
        self.by_name.keys().cloned().collect()
    }

    /// Their configurations, one left out.
    pub fn configs_but(&self, name: &str) -> Vec<&ConsumerConfig> {
        self.iter().map(|hosted| hosted.machine.config()).filter(|config| config.name != name).collect()
    }

    /// Their keys.
    pub fn keys(&self) -> Vec<ConsumerKey> {
        self.by_key.keys().copied().collect()
    }

    /// The keys of those whose filters match a literal subject.
    pub fn wanting(&self, subject: &[u8]) -> Vec<ConsumerKey> {
        let mut keys = Vec::new();
        self.waiting.for_each_group(subject, &mut |members| keys.extend_from_slice(members));
        keys
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.by_key.len()
    }

    /// How many there are, those of mirroring servers not counted.
    pub fn count_public(&self) -> usize {
        self.iter().filter(|hosted| !hosted.machine.config().direct).count()
    }

    /// How many there are that count against the stream's limit.
    pub fn count_limited(&self) -> usize {
        self.limited
    }

    /// The consumers that await the acknowledgement of a message which a limit has removed, and its sequence.
    pub fn take_bereft(&mut self) -> Vec<(ConsumerKey, u64)> {
        std::mem::take(&mut self.bereft)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Whether some consumer still needs a message. When thousands acknowledge it one after the other, nearly all ask
    /// only the one that will do so last.
    pub fn need(&mut self, seq: u64, subject: &[u8]) -> bool {
        let needs =
            |key: &ConsumerKey| self.get(*key).is_some_and(|hosted| hosted.machine.needs(seq, subject));
        if self.needy.as_ref().is_some_and(needs) {
            return true;
        }
        let mut found = None;
        self.waiting.for_each_group(subject, &mut |members| {
            found = found.or_else(|| members.iter().rev().copied().find(needs));
        });
        self.needy = found;
        found.is_some()
    }

    /// The same, if it can be told without the message's subject, which is on disk.
    pub fn need_unread(&self, seq: u64) -> Option<bool> {
        let needy = self.needy.and_then(|key| self.get(key));
        if needy.is_some_and(|hosted| hosted.machine.filters().is_empty() && hosted.machine.is_open(seq)) {
            return Some(true);
        }
        let few = self.by_key.len() <= ASKED_UNREAD_MAX;
        (few && !self.by_key.values().any(|hosted| hosted.machine.is_open(seq))).then_some(false)
    }

    /// Has a consumer run in the next round.
    pub fn wake(&mut self, key: ConsumerKey) {
        if let Some(hosted) = self.by_key.get_mut(&key) {
            if !hosted.queued {
                hosted.queued = true;
                self.to_run.push(key);
            }
        }
    }

    /// Has every consumer run that waits for room which a message has left that lay before the stream's first.
    pub fn wake_stalled_before(&mut self, first_seq: u64) {
        while let Some((_, key)) = self.stalled.first().copied().filter(|(seq, _)| *seq < first_seq) {
            self.stalled.pop_first();
            self.wake(key);
        }
    }

    /// Has every consumer run for whom a message was stored: more can be seen.
    pub fn wake_expecting(&mut self) {
        let mut expecting = std::mem::take(&mut self.expecting);
        for key in expecting.drain(..) {
            if let Some(hosted) = self.by_key.get_mut(&key) {
                hosted.hungry = false;
            }
            self.wake(key);
        }
        self.expecting = expecting;
    }

    /// Has every consumer run.
    pub fn wake_all(&mut self) {
        let keys: Vec<ConsumerKey> = self.by_key.keys().copied().collect();
        keys.into_iter().for_each(|key| self.wake(key));
    }

    /// Has every consumer run whose deadline has come.
    pub fn wake_overdue(&mut self, now: UnixNanos) {
        while let Some(&Reverse((deadline, key))) = self.deadlines.peek() {
            if deadline > now {
                break;
            }
            self.deadlines.pop();
            // Deadlines that were replaced by an earlier one are still in the heap.
            if let Some(hosted) = self.by_key.get_mut(&key).filter(|hosted| hosted.armed == deadline) {
                hosted.armed = UnixNanos::MAX;
                self.wake(key);
            }
        }
    }

    /// The next consumer to be run.
    pub fn next_to_run(&mut self, settled: Lsn) -> Option<ConsumerKey> {
        while let Some(key) = self.to_run.pop() {
            if let Some(hosted) = self.by_key.get_mut(&key) {
                hosted.queued = false;
                if hosted.begins <= settled {
                    return Some(key);
                }
            }
        }
        None
    }

    /// Whether some consumer waits to be run.
    pub fn has_work(&self) -> bool {
        !self.to_run.is_empty()
    }

    /// Notes when a consumer that was run wants to be run again. It has been shown all up to `seen_seq`.
    ///
    /// A deadline that moves back leaves the earlier one in place: the consumer is run once too often, and the heap does
    /// not grow with every message that is acknowledged in time.
    pub fn rest(&mut self, key: ConsumerKey, seen_seq: u64) {
        let Some(hosted) = self.by_key.get_mut(&key) else { return };
        if let Some(first_pending) = hosted.machine.stalled_at() {
            self.stalled.remove(&(hosted.stalled_at, key));
            self.stalled.insert((first_pending, key));
            hosted.stalled_at = first_pending;
        }
        if hosted.machine.wants_messages() && !hosted.hungry {
            hosted.hungry = true;
            if !self.waiting.wait(key, &mut hosted.memberships, seen_seq) {
                self.expecting.push(key);
            }
        }
        if let Some(deadline) = hosted.machine.next_deadline().filter(|deadline| *deadline < hosted.armed) {
            hosted.armed = deadline;
            self.deadlines.push(Reverse((deadline, key)));
        }
    }

    /// When the next deadline comes.
    pub fn next_deadline(&mut self) -> Option<UnixNanos> {
        while let Some(&Reverse((deadline, key))) = self.deadlines.peek() {
            if self.get(key).is_some_and(|hosted| hosted.armed == deadline) {
                return Some(deadline);
            }
            self.deadlines.pop();
        }
        None
    }
}

impl Audience for Consumers {
    fn wants(&self, subject: &[u8]) -> bool {
        self.waiting.want(subject)
    }

    fn stored(&mut self, subject: &[u8], seq: u64) {
        self.waiting.stored(subject, seq, &mut self.woken);
        for (key, group) in self.woken.drain(..) {
            let Some(hosted) = self.by_key.get_mut(&key) else { continue };
            hosted.memberships.iter_mut().for_each(|membership| membership.taken(group));
            self.expecting.push(key);
        }
    }

    fn removed(&mut self, subject: &[u8], seq: u64) {
        if self.taking_acks == 0 {
            return;
        }
        let Self { waiting, by_key, bereft, .. } = self;
        waiting.for_each_group(subject, &mut |members| {
            let awaits =
                |key: &&ConsumerKey| by_key.get(key).is_some_and(|hosted| hosted.machine.awaits(seq));
            bereft.extend(members.iter().filter(awaits).map(|key| (*key, seq)));
        });
    }
}

#[cfg(test)]
#[path = "consumers_tests.rs"]
mod tests;
