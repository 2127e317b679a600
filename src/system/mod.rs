//! Services of the server itself, under `$SYS.REQ`.

mod account_requests;
mod desk;
mod envelope;
mod events;
mod own_account;
mod reload;
mod server_requests;
mod statsz;
mod subscribers;
mod user_info;

use std::sync::{Arc, Weak};

use tokio::sync::mpsc;

use self::account_requests::AccountRequests;
use self::desk::Desk;
pub use self::envelope::{Envelope, ServerInfo};
use self::events::Events;
use self::own_account::OwnAccountServices;
use self::reload::RELOADS_WAITING_MAX;
pub use self::reload::ReloadRequest;
use self::server_requests::ServerRequests;
use self::subscribers::Subscribers;
use self::user_info::UserInfo;
use crate::account::{Account, ServiceSubscription};
use crate::monitor::Source;
use crate::router::Service;
use crate::server::{Server, ServerHook};

/// Offers, in every account there is and will be, the services that any client may use.
pub fn serve_accounts(server: &Arc<Server>) {
    server.add_hook(Arc::new(AccountServices(Arc::downgrade(server))));
}

/// What operators' tools are served with, until it is dropped.
pub struct OperatorServices {
    _subscriptions: Vec<ServiceSubscription>,
    _desk: Arc<Desk>,
    /// Reloads that were asked for.
    pub reloads: mpsc::Receiver<ReloadRequest>,
}

/// Answers operators' tools in the system account, tells there what happens, and lets the clients of all accounts ask about their
/// own. To be called within a runtime.
pub fn serve_operators(server: &Arc<Server>, source: Arc<dyn Source>) -> OperatorServices {
    let desk = Arc::new(Desk { server: server.clone(), source });
    let account = server.accounts().system().clone();
    let (sender, reloads) = mpsc::channel(RELOADS_WAITING_MAX);
    let about_server = ServerRequests { desk: desk.clone(), account: account.clone(), reloads: sender };
    let about_accounts = Arc::new(AccountRequests { desk: desk.clone(), account: account.clone() });
    let subscribers = Subscribers { desk: desk.clone(), account: account.clone() };
    let services: [(String, Arc<dyn Service>); 4] = [
        (format!("{}>", server_requests::PREFIX), Arc::new(about_server)),
        (account_requests::SUBJECT.to_owned(), about_accounts.clone()),
        (account_requests::COUNT_SUBJECT.to_owned(), about_accounts),
        (subscribers::SUBJECT.to_owned(), Arc::new(subscribers)),
    ];
    let subscribe = |(subject, service): (String, Arc<dyn Service>)| {
        account.subscribe_service(&subject, None, service).map_err(|error| log::error!("{error}")).ok()
    };
    let subscriptions = services.into_iter().filter_map(subscribe).collect();
    server.add_hook(Arc::new(OwnAccountServices(Arc::downgrade(&desk))));
    server.add_hook(Events::start(&desk));
    OperatorServices { _subscriptions: subscriptions, _desk: desk, reloads }
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
