//! Services of the server itself, under `$SYS.REQ`.

mod envelope;
mod user_info;

use std::sync::{Arc, Weak};

pub use self::envelope::{Envelope, ServerInfo};
use self::user_info::UserInfo;
use crate::account::Account;
use crate::server::{Server, ServerHook};

/// Offers, in every account there is and will be, the services that any client may use.
pub fn serve_accounts(server: &Arc<Server>) {
    server.add_hook(Arc::new(AccountServices(Arc::downgrade(server))));
}

struct AccountServices(Weak<Server>);

impl ServerHook for AccountServices {
    fn account_created(&self, account: &Arc<Account>) {
        let Some(server) = self.0.upgrade() else { return };
        let service = UserInfo::new(&server, account);
        match account.subscribe_service(user_info::SUBJECT, None, Arc::new(service)) {
            Ok(subscription) => server.keep_service(subscription),
            Err(error) => log::error!("{error}"),
        }
    }
}
