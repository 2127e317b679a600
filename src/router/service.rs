//! Subscribers inside the broker.

use super::{Dispatch, Message, Path};

/// Something in the broker that receives messages: a JetStream stream, an API handler, a link to another server.
///
/// `deliver` runs on the publisher's task, with no lock of the router held. It may publish, subscribe and unsubscribe; it must
/// not block.
pub trait Service: Send + Sync {
    /// Takes a message. `false` means "not really here": it does not count as interest for no-responders.
    fn deliver(&self, cx: &mut Dispatch, message: &Message<'_>) -> bool;

    /// As [`deliver`](Self::deliver), for a service that passes messages on and has to know which way they came.
    fn relay(&self, cx: &mut Dispatch, message: &Message<'_>, _path: &Path<'_>) -> bool {
        self.deliver(cx, message)
    }

    /// Whether it gets what its account imports as a stream, as clients do.
    fn takes_imports(&self) -> bool {
        false
    }
}
