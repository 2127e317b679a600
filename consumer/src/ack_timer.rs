//! When an acknowledgement is overdue.
//!
//! First deliveries become overdue in the order in which they were made, so their place in the pending table is their place
//! in time and a cursor is enough. Only messages that were redelivered, delayed or worked on longer need an alarm of their
//! own.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use headwater_store::UnixNanos;

use super::pending::PendingTable;

/// Alarms that mean nothing any more are tolerated up to this many beyond twice the pending messages.
const STALE_ALARMS_MAX: usize = 1024;

/// The shortest wait, in nanoseconds: shorter ones would keep the broker busy with redeliveries.
const WAIT_MIN: i64 = 1_000_000;

/// How long an acknowledgement may take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AckWait {
    /// Nanoseconds; 0 means for ever.
    pub wait: i64,
    /// Nanoseconds by number of deliveries; the last holds for all further ones. Overrides `wait` if not empty.
    pub backoff: Vec<i64>,
}

impl AckWait {
    /// The wait after the given number of deliveries, `None` for ever.
    pub fn after(&self, deliveries: u32) -> Option<i64> {
        let index = usize::try_from(deliveries.saturating_sub(1)).unwrap_or(usize::MAX);
        let wait = match self.backoff.get(index).or(self.backoff.last()) {
            Some(backoff) => *backoff,
            None => self.wait,
        };
        (self.wait > 0 || wait > 0).then_some(wait.max(WAIT_MIN))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Alarm {
    at: UnixNanos,
    seq: u64,
    generation: u16,
}

/// Finds overdue entries of a [`PendingTable`].
#[derive(Debug, Default)]
pub struct AckTimer {
    /// Entries without an alarm below this sequence have been dealt with.
    cursor: u64,
    alarms: BinaryHeap<Reverse<Alarm>>,
}

impl AckTimer {
    /// Whether an entry at `seq` would be overlooked without an alarm.
    pub fn has_passed(&self, seq: u64) -> bool {
        seq < self.cursor
    }

    /// Sees to it that an entry whose `since` or deliveries have changed is noticed at its deadline.
    pub fn reschedule(&mut self, pending: &mut PendingTable, seq: u64, wait: &AckWait) {
        let Some(entry) = pending.get(seq) else {
            return;
        };
        let Some(span) = wait.after(entry.deliveries) else {
            return;
        };
        let generation = entry.alarm.wrapping_add(1);
        self.alarms.push(Reverse(Alarm { at: entry.since.saturating_add(span), seq, generation }));
        pending.update(seq, |entry| {
            entry.alarm = generation;
            entry.set_alarmed(true);
        });
        self.drop_stale(pending);
    }

    /// The next moment at which an entry may be overdue. It can be early, never late.
    pub fn next_deadline(&mut self, pending: &PendingTable, wait: &AckWait) -> Option<UnixNanos> {
        let by_alarm = self.alarms.peek().map(|Reverse(alarm)| alarm.at);
        let by_place = self.first_by_place(pending, wait).map(|(_, at)| at);
        by_alarm.into_iter().chain(by_place).min()
    }

    /// Hands out entries that are overdue at `now`, lowest sequences first, at most `max` of them. They have no deadline
    /// until they are rescheduled.
    pub fn take_overdue(
        &mut self,
        pending: &mut PendingTable,
        wait: &AckWait,
        now: UnixNanos,
        max: usize,
    ) -> Vec<u64> {
        let mut overdue = Vec::new();
        while overdue.len() < max {
            match self.first_by_place(pending, wait) {
                Some((seq, at)) if at <= now => {
                    self.cursor = seq.saturating_add(1);
                    overdue.push(seq);
                }
                _ => break,
            }
        }
        while overdue.len() < max && self.alarms.peek().is_some_and(|Reverse(alarm)| alarm.at <= now) {
            overdue.extend(self.alarms.pop().and_then(|Reverse(alarm)| ring(pending, alarm)));
        }
        overdue.sort_unstable();
        overdue
    }

    /// Starts over for a table that was filled or whose waits were changed.
    pub fn rebuild(&mut self, pending: &mut PendingTable, wait: &AckWait) {
        self.cursor = 0;
        self.alarms.clear();
        let mut latest = UnixNanos::MIN;
        let mut alarmed = Vec::new();
        for entry in pending.iter() {
            if entry.deliveries != 1 || entry.is_alarmed() || entry.since < latest {
                alarmed.push(entry.seq);
            } else {
                latest = entry.since;
            }
        }
        for seq in alarmed {
            self.reschedule(pending, seq, wait);
        }
    }

    /// The first entry without an alarm that has not been dealt with, and its deadline.
    fn first_by_place(&mut self, pending: &PendingTable, wait: &AckWait) -> Option<(u64, UnixNanos)> {
        let span = wait.after(1)?;
        match pending.find_from(self.cursor, |entry| !entry.is_alarmed() && !entry.is_queued()) {
            Some(entry) => {
                self.cursor = entry.seq;
                Some((entry.seq, entry.since.saturating_add(span)))
            }
            None => {
                self.cursor = pending.last().map_or(0, |last| last.seq.saturating_add(1));
                None
            }
        }
    }

    fn drop_stale(&mut self, pending: &PendingTable) {
        if self.alarms.len() > 2 * pending.len() + STALE_ALARMS_MAX {
            self.alarms.retain(|Reverse(alarm)| is_valid(pending, *alarm));
        }
    }
}

fn is_valid(pending: &PendingTable, alarm: Alarm) -> bool {
    pending.get(alarm.seq).is_some_and(|entry| entry.is_alarmed() && entry.alarm == alarm.generation)
}

fn ring(pending: &PendingTable, alarm: Alarm) -> Option<u64> {
    let waits = is_valid(pending, alarm) && !pending.get(alarm.seq)?.is_queued();
    waits.then_some(alarm.seq)
}
