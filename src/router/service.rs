//! Subscribers inside the broker.

use std::sync::Arc;

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

    /// What a trace is told when a traced message comes here.
    fn in_trace(&self, _message: &Message<'_>) -> InTrace {
        InTrace::Unseen
    }
}

/// What a trace is told of a message that comes to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InTrace {
    /// Nothing. The service takes the message even if that is only traced.
    Unseen,
    /// The service tells the trace itself, and sees to it that nothing happens when the message is only traced.
    Told,
    /// That it goes to a service of `account`, there called `to`, and nothing beyond.
    Import {
        /// The account's name.
        account: Arc<str>,
        /// The subject there.
        to: Vec<u8>,
    },
}
