//! The orders that connections can be listed in.

use std::cmp::Ordering;

use crate::clock::UnixNanos;
use crate::monitor::source::Connection;

/// An order: numbers, uptimes and reasons ascend, all else descends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum SortBy {
    #[default]
    Cid,
    Subscriptions,
    Pending,
    OutMsgs,
    InMsgs,
    OutBytes,
    InBytes,
    LastActivity,
    Idle,
    Uptime,
    Stop,
    Reason,
    Rtt,
}

impl SortBy {
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "" | "cid" | "start" => Self::Cid,
            "subs" => Self::Subscriptions,
            "pending" => Self::Pending,
            "msgs_to" => Self::OutMsgs,
            "msgs_from" => Self::InMsgs,
            "bytes_to" => Self::OutBytes,
            "bytes_from" => Self::InBytes,
            "last" => Self::LastActivity,
            "idle" => Self::Idle,
            "uptime" => Self::Uptime,
            "stop" => Self::Stop,
            "reason" => Self::Reason,
            "rtt" => Self::Rtt,
            _ => return None,
        })
    }

    /// Whether the order says something of closed connections only.
    pub fn is_for_closed(self) -> bool {
        matches!(self, Self::Stop | Self::Reason)
    }

    fn compare(self, a: &Connection, b: &Connection, now: UnixNanos) -> Ordering {
        let ascending = |key: fn(&Connection) -> u64| key(a).cmp(&key(b));
        let descending = |key: fn(&Connection) -> u64| key(b).cmp(&key(a));
        let stop = |c: &Connection| c.closed.map(|(stop, _)| stop);
        let uptime = |c: &Connection| stop(c).unwrap_or(now).saturating_sub(c.info.start);
        let reason = |c: &Connection| c.closed.map_or("", |(_, reason)| reason.as_str());
        match self {
            Self::Cid => ascending(|c| c.info.cid),
            Self::Subscriptions => descending(|c| c.subscriptions),
            Self::Pending => descending(|c| c.pending_bytes),
            Self::OutMsgs => descending(|c| c.out_msgs),
            Self::InMsgs => descending(|c| c.in_msgs),
            Self::OutBytes => descending(|c| c.out_bytes),
            Self::InBytes => descending(|c| c.in_bytes),
            Self::Rtt => descending(|c| c.rtt_nanos),
            Self::LastActivity => b.last_activity.cmp(&a.last_activity),
            Self::Idle => a.last_activity.cmp(&b.last_activity),
            Self::Uptime => uptime(a).cmp(&uptime(b)),
            Self::Stop => stop(b).cmp(&stop(a)),
            Self::Reason => reason(a).cmp(reason(b)),
        }
    }
}

/// Sorts; what is equal in the order is in order of numbers.
pub(super) fn sort(connections: &mut [Connection], by: SortBy, now: UnixNanos) {
    connections.sort_by(|a, b| by.compare(a, b, now).then_with(|| a.info.cid.cmp(&b.info.cid)));
}
