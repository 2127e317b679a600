//! Services of the server itself, under `$SYS.REQ`.

mod envelope;
mod server_requests;
mod statsz;
mod user_info;

use std::sync::{Arc, Weak};

pub use self::envelope::{Envelope, ServerInfo};
use self::server_requests::ServerRequests;
use self::user_info::UserInfo;
use crate::account::{Account, ServiceSubscription};
use crate::monitor::Source;
use crate::server::{Server, ServerHook};

/// Offers, in every account there is and will be, the services that any client may use.
pub fn serve_accounts(server: &Arc<Server>) {
    server.add_hook(Arc::new(AccountServices(Arc::downgrade(server))));
}

/// Answers operators' tools in the system account, until the subscription is dropped.
pub fn serve_operators(server: &Arc<Server>, source: Arc<dyn Source>) -> Option<ServiceSubscription> {
    let account = server.accounts().system().clone();
    let subject = format!("{}>", server_requests::PREFIX);
    let service = ServerRequests { server: server.clone(), source, account: account.clone() };
    let subscribed = account.subscribe_service(&subject, None, Arc::new(service));
    subscribed.map_err(|error| log::error!("{error}")).ok()
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
