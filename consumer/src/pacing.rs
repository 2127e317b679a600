//! What holds a message back although somebody wants it: a rate limit, or the rhythm it was stored in.

use headwater_store::UnixNanos;

const SECOND: i128 = 1_000_000_000;
/// Shorter gaps are not reproduced.
const REPLAY_GAP_MIN: i64 = 1_000_000;

/// A token bucket of bytes.
#[derive(Debug)]
pub struct RateLimit {
    bytes_per_second: u64,
    /// What may be sent at once after a pause: the largest message.
    burst_bytes: u64,
    /// Byte-nanoseconds that may be spent; below 0 while a debt is paid off.
    credit: i128,
    at: UnixNanos,
}

impl RateLimit {
    /// A full bucket.
    pub fn new(bytes_per_second: u64, burst_bytes: u64, now: UnixNanos) -> Self {
        let burst_bytes = burst_bytes.max(1);
        Self { bytes_per_second, burst_bytes, credit: i128::from(burst_bytes) * SECOND, at: now }
    }

    /// When a message of that size may go.
    pub fn ready_at(&mut self, bytes: u64, now: UnixNanos) -> UnixNanos {
        self.fill(now);
        let missing = i128::from(bytes.min(self.burst_bytes)) * SECOND - self.credit;
        if missing <= 0 {
            return now;
        }
        let rate = i128::from(self.bytes_per_second.max(1));
        let wait = (missing + rate - 1) / rate;
        now.saturating_add(i64::try_from(wait).unwrap_or(i64::MAX))
    }

    /// A message of that size has gone.
    pub fn spend(&mut self, bytes: u64, now: UnixNanos) {
        self.fill(now);
        self.credit -= i128::from(bytes.min(self.burst_bytes)) * SECOND;
    }

    fn fill(&mut self, now: UnixNanos) {
        let elapsed = i128::from(now.saturating_sub(self.at).max(0));
        self.at = self.at.max(now);
        let full = i128::from(self.burst_bytes) * SECOND;
        self.credit = (self.credit + elapsed * i128::from(self.bytes_per_second)).min(full);
    }
}

/// Reproduces the gaps between messages until the consumer has caught up with where the stream was.
#[derive(Debug)]
pub struct Replay {
    /// The stream's last sequence when the consumer began.
    through: u64,
    /// When the last message was stored, and when it was delivered.
    last: Option<(UnixNanos, UnixNanos)>,
}

impl Replay {
    /// Replays messages up to and with `through`.
    pub fn through(through: u64) -> Self {
        Self { through, last: None }
    }

    /// Whether a message of that sequence is delivered in rhythm.
    pub fn covers(&self, seq: u64) -> bool {
        seq <= self.through
    }

    /// When a message stored at `stored_at` may go.
    pub fn ready_at(&self, stored_at: UnixNanos) -> UnixNanos {
        match self.last {
            Some((stored_before, delivered_before)) => {
                let gap = stored_at.saturating_sub(stored_before);
                if gap > REPLAY_GAP_MIN { delivered_before.saturating_add(gap) } else { delivered_before }
            }
            None => UnixNanos::MIN,
        }
    }

    /// A message has gone.
    pub fn delivered(&mut self, stored_at: UnixNanos, now: UnixNanos) {
        self.last = Some((stored_at, now));
    }
}
