//! Every acknowledgement a consumer waits for: what is pending, when it is overdue, what is to be redelivered.

use headwater_store::UnixNanos;

use super::ack_timer::{AckTimer, AckWait};
use super::pending::{PendingAck, PendingTable};
use super::redelivery::RedeliveryQueue;

/// Overdue messages handled in one step; the rest follows in the next.
pub const OVERDUE_PER_STEP_MAX: usize = 65_536;

/// The pending table with its timer and its redelivery queue, which must agree with each other.
#[derive(Debug, Default)]
pub struct AwaitedAcks {
    pending: PendingTable,
    timer: AckTimer,
    queue: RedeliveryQueue,
    wait: AckWait,
}

impl AwaitedAcks {
    /// Nothing pending.
    pub fn new(wait: AckWait) -> Self {
        Self { wait, ..Self::default() }
    }

    /// What is pending.
    pub fn pending(&self) -> &PendingTable {
        &self.pending
    }

    /// How many messages are pending.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// The entry of a sequence.
    pub fn get(&self, seq: u64) -> Option<&PendingAck> {
        self.pending.get(seq)
    }

    /// How many messages are queued for redelivery.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// How long an acknowledgement may take after so many deliveries.
    pub fn wait_after(&self, deliveries: u32) -> Option<i64> {
        self.wait.after(deliveries)
    }

    /// A message has been delivered for the first time.
    pub fn track(&mut self, entry: PendingAck) {
        self.pending.insert(entry);
        if entry.deliveries != 1 || self.timer.has_passed(entry.seq) {
            self.timer.reschedule(&mut self.pending, entry.seq, &self.wait);
        }
    }

    /// Adds an entry read back from disk; [`Self::restored`] follows the last.
    pub fn restore(&mut self, entry: PendingAck) {
        self.pending.insert(entry);
    }

    /// Times what was read back.
    pub fn restored(&mut self) {
        self.timer.rebuild(&mut self.pending, &self.wait);
    }

    /// A pending message has been delivered once more.
    pub fn redelivered(&mut self, seq: u64, at: UnixNanos) {
        self.queue.withdraw(&mut self.pending, seq);
        let deliveries = self.pending.get(seq).map_or(1, |entry| entry.deliveries.saturating_add(1));
        self.pending.set_deliveries(seq, deliveries);
        self.restart(seq, at);
    }

    /// A delivery did not reach anyone: it does not count.
    pub fn undelivered(&mut self, seq: u64) {
        let deliveries = self.pending.get(seq).map_or(0, |entry| entry.deliveries.saturating_sub(1));
        self.pending.set_deliveries(seq, deliveries);
    }

    /// The ack wait of a pending message counts from `since`.
    pub fn restart(&mut self, seq: u64, since: UnixNanos) {
        self.pending.update(seq, |entry| entry.since = since);
        self.timer.reschedule(&mut self.pending, seq, &self.wait);
    }

    /// A pending message is to be redelivered as soon as possible.
    pub fn queue(&mut self, seq: u64) {
        self.queue.push(&mut self.pending, seq);
    }

    /// A pending message is not to be redelivered before its ack wait is over.
    pub fn unqueue(&mut self, seq: u64) {
        self.queue.withdraw(&mut self.pending, seq);
    }

    /// The message to redeliver next.
    pub fn next_to_redeliver(&mut self) -> Option<u64> {
        self.queue.next(&mut self.pending)
    }

    /// A message needs no acknowledgement any more.
    pub fn settle(&mut self, seq: u64) -> Option<PendingAck> {
        let entry = self.pending.remove(seq)?;
        self.forget(&entry);
        Some(entry)
    }

    /// Settles the lowest pending message if its sequence is at most `seq`.
    pub fn settle_first_through(&mut self, seq: u64) -> Option<PendingAck> {
        let entry = self.pending.pop_through(seq)?;
        self.forget(&entry);
        Some(entry)
    }

    /// Messages that have become overdue. They are neither queued nor timed when this returns.
    pub fn take_overdue(&mut self, now: UnixNanos) -> Vec<u64> {
        self.timer.take_overdue(&mut self.pending, &self.wait, now, OVERDUE_PER_STEP_MAX)
    }

    /// When a message may become overdue next.
    pub fn next_deadline(&mut self) -> Option<UnixNanos> {
        self.timer.next_deadline(&self.pending, &self.wait)
    }

    /// The moment at which the last pending message becomes overdue.
    pub fn last_deadline(&self) -> Option<UnixNanos> {
        self.pending
            .iter()
            .filter_map(|entry| Some(entry.since.saturating_add(self.wait.after(entry.deliveries)?)))
            .max()
    }

    /// Changes the ack wait of what is pending, too.
    pub fn set_wait(&mut self, wait: AckWait) {
        if self.wait != wait {
            self.wait = wait;
            self.timer.rebuild(&mut self.pending, &self.wait);
        }
    }

    /// Nothing is pending any more.
    pub fn clear(&mut self) {
        self.pending.clear();
        self.queue.clear();
        self.timer = AckTimer::default();
    }

    fn forget(&mut self, entry: &PendingAck) {
        if entry.is_queued() {
            self.queue.forget_one();
        }
    }
}
