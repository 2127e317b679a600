//! `$SYS.DEBUG.SUBSCRIBERS`: how many clients listen to a subject, in the account of whoever asks. The system account offers it for
//! import.

use std::sync::Arc;

use headwater_protocol::subject;

use super::desk::Desk;
use crate::account::Account;
use crate::router::{Dispatch, Message, Service, Sink};

/// What to send a request to.
pub(super) const SUBJECT: &str = "$SYS.DEBUG.SUBSCRIBERS";

/// The service, in the system account.
pub(super) struct Subscribers {
    pub(super) desk: Arc<Desk>,
    pub(super) account: Arc<Account>,
}

impl Service for Subscribers {
    fn deliver(&self, cx: &mut Dispatch, request: &Message<'_>) -> bool {
        let asker = cx.origin().and_then(|origin| self.desk.server.accounts().get(&origin.account));
        let Some(asker) = asker.filter(|_| !request.reply.is_empty()) else { return true };
        let mut words = request.payload.trim_ascii().split(|byte| *byte == b' ');
        let wanted = words.next().unwrap_or_default();
        let answer = count(&asker, wanted, words.next()).to_string();
        let answer = Message { subject: request.reply, payload: answer.as_bytes(), ..Message::default() };
        self.account.publish(cx, &answer);
        true
    }
}

/// The clients' subscriptions that a message on `wanted` reaches, or with wildcards that lie within it; `queue` takes only those of
/// one group, or if it is empty those that are in none.
pub(super) fn count(account: &Account, wanted: &[u8], queue: Option<&[u8]>) -> u64 {
    let mut count = 0;
    account.for_each_subscription(&mut |subscription| {
        let own = subscription.subject();
        let fits = match subject::is_literal(wanted) {
            true => subject::matches(own, wanted),
            false => subject::is_subset(own, wanted),
        };
        let in_group = queue.is_none_or(|queue| subscription.queue().unwrap_or_default() == queue);
        count += u64::from(fits && in_group && matches!(subscription.sink(), Sink::Client { .. }));
    });
    count
}
