//! What the clients of any account may ask about their own account: `$SYS.REQ.ACCOUNT.PING.CONNZ`, `$SYS.REQ.ACCOUNT.PING.STATZ`
//! and `$SYS.REQ.SERVER.PING.CONNZ`.

use std::sync::{Arc, Weak};

use super::account_requests;
use super::desk::{Desk, Outcome};
use crate::account::Account;
use crate::router::{Dispatch, InTrace, Message, Service};
use crate::server::ServerHook;

/// Subjects, and what they ask for.
const SUBJECTS: [(&str, &str); 3] = [
    ("$SYS.REQ.ACCOUNT.PING.CONNZ", "CONNZ"),
    ("$SYS.REQ.ACCOUNT.PING.STATZ", "STATZ"),
    ("$SYS.REQ.SERVER.PING.CONNZ", "CONNZ"),
];

/// Subscribes in every account there is and will be, save the system account.
pub(super) struct OwnAccountServices(pub(super) Weak<Desk>);

struct OwnAccount {
    desk: Weak<Desk>,
    account: Weak<Account>,
    what: &'static str,
}

impl ServerHook for OwnAccountServices {
    fn account_created(&self, account: &Arc<Account>) {
        let Some(desk) = self.0.upgrade() else { return };
        if Arc::ptr_eq(account, desk.server.accounts().system()) {
            return;
        }
        for (subject, what) in SUBJECTS {
            let service = OwnAccount { desk: self.0.clone(), account: Arc::downgrade(account), what };
            match account.subscribe_service(subject, None, Arc::new(service)) {
                Ok(subscription) => desk.server.keep_service(subscription),
                Err(error) => log::error!("{error}"),
            }
        }
    }
}

impl Service for OwnAccount {
    fn deliver(&self, cx: &mut Dispatch, request: &Message<'_>) -> bool {
        let (Some(desk), Some(account)) = (self.desk.upgrade(), self.account.upgrade()) else { return false };
        let outcome = account_requests::answer(&desk, account.name(), self.what, request.payload);
        if let Outcome::Answer(answer) = outcome
            && !request.reply.is_empty()
        {
            account.publish(cx, &Message { subject: request.reply, payload: &answer, ..Message::default() });
        }
        true
    }

    /// In nats-server a service of the system account.
    fn in_trace(&self, _: &Message<'_>) -> InTrace {
        let Some(account) = self.account.upgrade() else { return InTrace::Unseen };
        let to = format!("$SYS.REQ.ACCOUNT.{}.{}", account.name(), self.what).into_bytes();
        InTrace::Import { account: account.system_account().clone(), to }
    }
}
