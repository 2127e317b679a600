//! `connection_rate_limit`: how many handshakes may start per second.

use crate::clock::UnixNanos;

const SECOND: UnixNanos = 1_000_000_000;

/// Counts handshakes in windows of a second.
#[derive(Debug)]
pub struct HandshakeRate {
    per_second_max: u32,
    window_start: UnixNanos,
    started: u32,
    refused: u64,
}

impl HandshakeRate {
    /// Allows `per_second_max` handshakes in each second.
    pub fn new(per_second_max: u32) -> Self {
        Self { per_second_max, window_start: UnixNanos::MIN, started: 0, refused: 0 }
    }

    /// Whether another handshake may start.
    pub fn allow(&mut self, now: UnixNanos) -> bool {
        if now.saturating_sub(self.window_start) >= SECOND || now < self.window_start {
            self.window_start = now;
            self.started = 0;
        }
        let allowed = self.started < self.per_second_max;
        if allowed {
            self.started += 1;
        } else {
            self.refused += 1;
        }
        allowed
    }

    /// How many were refused since the last call, for a log line now and then.
    pub fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_handshakes_start_in_a_second_than_allowed() {
        let mut rate = HandshakeRate::new(2);
        let allowed: Vec<_> =
            [0, 1, 2, SECOND - 1, SECOND, SECOND + 1, SECOND + 2].map(|now| rate.allow(now)).into();
        assert_eq!(allowed, [true, true, false, false, true, true, false]);
        assert_eq!((rate.take_refused(), rate.take_refused()), (3, 0));
    }

    #[test]
    fn a_clock_set_back_does_not_lock_clients_out() {
        let mut rate = HandshakeRate::new(1);
        assert!(rate.allow(100 * SECOND) && rate.allow(0));
    }
}
