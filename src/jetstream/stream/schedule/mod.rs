//! Messages that are published at set times (ADR-51).
//!
//! | file | what it decides |
//! |---|---|
//! | [`pattern`], [`cron`] | when a message is due |
//! | `headers` | whether the headers of a schedule are in order |
//! | `firing` | what is published when a message is due |

pub mod cron;
mod firing;
mod headers;
pub mod pattern;

use std::collections::BTreeSet;

use jiff::tz::TimeZone;

use super::StreamMachine;
use super::publish_headers::PublishHeaders;
use crate::clock::UnixNanos;
use crate::store::{MessageLog, StoredMessage};

/// A message is not due sooner after it was stored, however long ago its time was.
const DUE_AFTER_MIN: UnixNanos = 250_000_000;
/// Schedules long gone that are kept besides those that are live.
const STALE_MAX: u64 = 1_024;

/// Which stored messages are schedules, and when each is due. Those replaced or removed since are found out when due.
#[derive(Default)]
pub(super) struct Schedules {
    by_due: BTreeSet<(UnixNanos, u64)>,
}

/// What a message has to do with schedules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Scheduling<'a> {
    /// It is a schedule, due then.
    pub(super) due: Option<UnixNanos>,
    /// It takes the schedule on this subject away.
    pub(super) ends: Option<&'a [u8]>,
}

impl Schedules {
    /// When the next message is due.
    pub(super) fn next(&self) -> Option<UnixNanos> {
        self.by_due.first().map(|(due, _)| *due)
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.by_due.len()
    }

    fn take_due(&mut self, now: UnixNanos) -> Option<(UnixNanos, u64)> {
        self.by_due.first().filter(|(due, _)| *due <= now)?;
        self.by_due.pop_first()
    }
}

impl StreamMachine {
    /// Notes that the message stored as `seq` is a schedule.
    pub(super) fn note_schedule(&mut self, log: &dyn MessageLog, now: UnixNanos, due: UnixNanos, seq: u64) {
        if !self.config.allow_msg_schedules {
            return;
        }
        let by_due = &mut self.schedules.by_due;
        by_due.insert((due.max(now.saturating_add(DUE_AFTER_MIN)), seq));
        if by_due.len() as u64 > 2 * log.state().messages + STALE_MAX {
            by_due.retain(|(_, seq)| log.meta(*seq).is_some());
        }
    }

    /// Learns from a stored message whether it is a schedule. Schedules publish into their own stream, so one that has not
    /// been due since the stream's last message has not been due at all.
    pub(super) fn learn_schedule(&mut self, log: &dyn MessageLog, message: &StoredMessage) {
        let asked = PublishHeaders::read(message.headers());
        if asked.schedule.is_empty() {
            return;
        }
        let due = self
            .pattern_of(&asked)
            .ok()
            .and_then(|pattern| pattern.next_after(message.ts, log.state().last_ts));
        self.schedules.by_due.extend(due.map(|due| (due, message.seq)));
    }
}

/// A time zone of the machine's database by its IANA name.
pub fn zone_of_system(name: &str) -> Option<TimeZone> {
    // The database is indifferent to case, nats-server is not.
    TimeZone::get(name).ok().filter(|zone| zone.iana_name() == Some(name))
}
