//! Memory for large messages on their way in, shared by all connections.
//!
//! A message that does not fit into a read buffer is read once memory for all of it is free. Who has got it can always go on,
//! so that many half-read messages never wait for each other.

use tokio::sync::{Semaphore, SemaphorePermit};

/// What is reserved at a time is counted in these units, so that the numbers fit.
const UNIT_BYTES: usize = 1024;

/// Without a bound of its own the inbox has room for this many units: 4 TiB, or as much as can be counted with 32 bits.
const UNITS_UNBOUNDED: usize = min(u32::MAX as usize, Semaphore::MAX_PERMITS);

static INBOX: Semaphore = Semaphore::const_new(UNITS_UNBOUNDED);

/// Memory for one message.
pub(super) type Reserved = SemaphorePermit<'static>;

/// Has large messages of all connections together take at most so many bytes, and at least room for one of `payload_bytes_max`.
pub fn bound_inbox(bytes_max: u64, payload_bytes_max: u64) {
    let bytes = usize::try_from(bytes_max.max(payload_bytes_max.saturating_mul(2))).unwrap_or(usize::MAX);
    let surplus = INBOX.available_permits().saturating_sub(bytes / UNIT_BYTES);
    INBOX.forget_permits(surplus);
}

/// Waits for memory for `bytes`; `None` if there is never to be any.
pub(super) async fn reserve(bytes: usize) -> Option<Reserved> {
    INBOX.acquire_many(units(bytes)).await.ok()
}

/// Memory for `bytes` if it is free.
pub(super) fn try_reserve(bytes: usize) -> Option<Reserved> {
    INBOX.try_acquire_many(units(bytes)).ok()
}

const fn min(a: usize, b: usize) -> usize {
    if a < b { a } else { b }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}
