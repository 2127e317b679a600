//! `allow_responses`: leave to publish to reply subjects of messages that were delivered.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::auth::settings::ResponseSettings;
use crate::clock::UnixNanos;

/// Reply subjects remembered per connection; the oldest makes room for a new one.
const PERMITS_MAX: usize = 4096;

/// The reply subjects one connection may answer to.
#[derive(Debug)]
pub struct ResponsePermits {
    limits: ResponseSettings,
    permits: HashMap<Arc<[u8]>, Permit>,
    /// Oldest first. An entry whose serial is not the permit's is a leftover of an earlier grant.
    granted: VecDeque<(u64, Arc<[u8]>)>,
    next_serial: u64,
}

#[derive(Debug)]
struct Permit {
    serial: u64,
    granted_at: UnixNanos,
    used: u32,
}

impl ResponsePermits {
    /// No permit yet; `limits` come from [`super::Permissions::responses`].
    pub fn new(limits: ResponseSettings) -> Self {
        Self { limits, permits: HashMap::new(), granted: VecDeque::new(), next_serial: 0 }
    }

    /// A message with this reply subject was delivered. A repeated reply subject starts afresh.
    pub fn grant(&mut self, reply: &[u8], now: UnixNanos) {
        self.drop_expired(now);
        if self.granted.len() >= PERMITS_MAX {
            self.drop_oldest();
        }
        let reply: Arc<[u8]> = reply.into();
        let serial = self.next_serial;
        self.next_serial += 1;
        self.permits.insert(Arc::clone(&reply), Permit { serial, granted_at: now, used: 0 });
        self.granted.push_back((serial, reply));
    }

    /// Whether a message may be published to `subject` as a response; uses one of the permit's messages up.
    pub fn use_permit(&mut self, subject: &[u8], now: UnixNanos) -> bool {
        let Some(permit) = self.permits.get_mut(subject) else {
            return false;
        };
        permit.used = permit.used.saturating_add(1);
        let spent = self.limits.messages_max.is_some_and(|max| permit.used > max);
        if spent || is_expired(self.limits, permit.granted_at, now) {
            self.permits.remove(subject);
            return false;
        }
        true
    }

    /// How many reply subjects are remembered.
    pub fn len(&self) -> usize {
        self.permits.len()
    }

    /// Whether no reply subject is remembered.
    pub fn is_empty(&self) -> bool {
        self.permits.is_empty()
    }

    fn drop_expired(&mut self, now: UnixNanos) {
        while let Some((serial, reply)) = self.granted.front() {
            let live = self.permits.get(reply).filter(|permit| permit.serial == *serial);
            if live.is_some_and(|permit| !is_expired(self.limits, permit.granted_at, now)) {
                return;
            }
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some((serial, reply)) = self.granted.pop_front() else {
            return;
        };
        if self.permits.get(&reply).is_some_and(|permit| permit.serial == serial) {
            self.permits.remove(&reply);
        }
    }
}

fn is_expired(limits: ResponseSettings, granted_at: UnixNanos, now: UnixNanos) -> bool {
    limits.expires_after_nanos.is_some_and(|after| now.saturating_sub(granted_at) > after)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: UnixNanos = 1_000_000_000;

    fn permits(messages_max: Option<u32>, expires_after_nanos: Option<UnixNanos>) -> ResponsePermits {
        ResponsePermits::new(ResponseSettings { messages_max, expires_after_nanos })
    }

    #[test]
    fn one_response_per_delivered_request_by_default() {
        let mut permits = ResponsePermits::new(ResponseSettings::default());
        assert!(!permits.use_permit(b"r.1", 0));
        permits.grant(b"r.1", 0);
        assert!(permits.use_permit(b"r.1", SECOND));
        assert!(!permits.use_permit(b"r.1", SECOND));
    }

    #[test]
    fn a_permit_ends_with_its_time() {
        let mut permits = permits(None, Some(SECOND));
        permits.grant(b"r", 0);
        assert!(permits.use_permit(b"r", SECOND));
        assert!(!permits.use_permit(b"r", SECOND + 1));
        assert!(permits.is_empty());
    }

    #[test]
    fn a_repeated_reply_subject_starts_afresh() {
        let mut permits = permits(Some(1), Some(SECOND));
        permits.grant(b"r", 0);
        assert!(permits.use_permit(b"r", 0));
        permits.grant(b"r", SECOND);
        assert!(permits.use_permit(b"r", 2 * SECOND));
    }

    #[test]
    fn the_number_of_remembered_replies_is_bounded_and_the_newest_win() {
        let mut permits = permits(None, None);
        for n in 0..3 * PERMITS_MAX {
            permits.grant(format!("r.{n}").as_bytes(), 0);
            permits.grant(b"same", 0);
        }
        assert!(permits.len() <= PERMITS_MAX && permits.granted.len() <= PERMITS_MAX);
        assert!(permits.use_permit(b"same", 0));
        assert!(!permits.use_permit(b"r.0", 0));
        assert!(permits.use_permit(format!("r.{}", 3 * PERMITS_MAX - 1).as_bytes(), 0));
    }

    #[test]
    fn expired_permits_are_forgotten_when_a_new_one_is_granted() {
        let mut permits = permits(Some(1), Some(SECOND));
        for n in 0..100 {
            permits.grant(format!("r.{n}").as_bytes(), 0);
        }
        permits.grant(b"new", 5 * SECOND);
        assert_eq!(permits.len(), 1);
    }
}
