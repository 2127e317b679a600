//! A client's permissions, as deliveries and publishes ask for them.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::auth::{Permissions, ResponsePermits};
use crate::clock::Clock;
use crate::router::DeliveryFilter;

/// The permissions of one connection, with the responses it may send.
pub(super) struct Rights {
    permissions: Arc<Permissions>,
    responses: Option<Mutex<ResponsePermits>>,
    clock: Arc<dyn Clock>,
}

impl Rights {
    /// The rights of a connection that has just logged in.
    pub(super) fn new(permissions: Arc<Permissions>, clock: Arc<dyn Clock>) -> Self {
        let responses = permissions.responses().map(|limits| Mutex::new(ResponsePermits::new(limits)));
        Self { permissions, responses, clock }
    }

    /// The permissions alone.
    pub(super) fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// Whether deliveries must be looked at even before a subscription overlaps a denied subject.
    pub(super) fn tracks_responses(&self) -> bool {
        self.responses.is_some()
    }

    /// Whether a message that the permissions refuse may be published as a response. Uses one response up.
    pub(super) fn may_respond(&self, subject: &[u8]) -> bool {
        let now = self.clock.now();
        self.responses.as_ref().is_some_and(|responses| responses.lock().use_permit(subject, now))
    }
}

impl DeliveryFilter for Rights {
    fn may_deliver(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        self.permissions.may_deliver(subject, queue)
    }

    fn delivered(&self, reply: &[u8]) {
        if let Some(responses) =
            self.responses.as_ref().filter(|_| self.permissions.reply_needs_permit(reply))
        {
            responses.lock().grant(reply, self.clock.now());
        }
    }
}
