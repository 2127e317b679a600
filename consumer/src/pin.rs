//! Which client of a priority group is served (`pinned_client`, ADR-42).

use bytes::Bytes;
use headwater_store::UnixNanos;

/// The pin of the consumer's one tracked group.
#[derive(Debug, Default)]
pub struct Pin {
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    id: Bytes,
    since: UnixNanos,
    /// When the client is taken to be gone.
    until: UnixNanos,
}

impl Pin {
    /// The id the pinned client was given.
    pub fn id(&self) -> Option<&Bytes> {
        self.current.as_ref().map(|current| &current.id)
    }

    /// Since when.
    pub fn since(&self) -> Option<UnixNanos> {
        self.current.as_ref().map(|current| current.since)
    }

    /// When the pin ends unless its client asks again.
    pub fn until(&self) -> Option<UnixNanos> {
        self.current.as_ref().map(|current| current.until)
    }

    /// Pins whoever gets `id`.
    pub fn assign(&mut self, id: Bytes, now: UnixNanos, ttl: i64) {
        self.current = Some(Current { id, since: now, until: now.saturating_add(ttl) });
    }

    /// The pinned client has asked again.
    pub fn renew(&mut self, now: UnixNanos, ttl: i64) {
        if let Some(current) = &mut self.current {
            current.until = now.saturating_add(ttl);
        }
    }

    /// Pins nobody. False if nobody was pinned.
    pub fn release(&mut self) -> bool {
        self.current.take().is_some()
    }
}
