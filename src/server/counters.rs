//! What the server counts of its own.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::router::CloseReason;

/// Events since the server started, for `/varz`.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections of any kind that were accepted.
    pub connections_total: AtomicU64,
    /// Clients closed because too much waited for them, or for too long.
    pub slow_consumers: AtomicU64,
    /// Clients closed because they did not answer PINGs.
    pub stale_connections: AtomicU64,
    /// Times a producer was held back for a slow receiver.
    pub stalls: AtomicU64,
    /// Logins that were refused.
    pub auth_failures: AtomicU64,
}

impl Counters {
    /// Counts what a close reason says.
    pub fn count_close(&self, reason: CloseReason) {
        let counter = match reason {
            CloseReason::SlowConsumerPendingBytes | CloseReason::SlowConsumerWriteDeadline => {
                &self.slow_consumers
            }
            CloseReason::StaleConnection => &self.stale_connections,
            CloseReason::AuthenticationViolation => &self.auth_failures,
            _ => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
