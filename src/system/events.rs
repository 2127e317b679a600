//! Events in the system account: who comes and goes, how the server is, that it stops.
//!
//! Nothing is put together that nobody has subscribed to.

mod client;
mod connections;
mod pulse;

use std::sync::{Arc, Weak};

use headwater_protocol::jetstream::timestamp::Timestamp;
use serde::Serialize;

pub(super) use self::connections::connections_of;
use self::pulse::Pulse;
use super::desk::{Desk, json};
use super::envelope::ServerInfo;
use crate::ids;
use crate::router::{Dispatch, Message};
use crate::server::{ClosedClient, HookFuture, ServerHook};
use crate::session::Client;

/// Tells the system account what happens, as long as there is a desk.
pub(super) struct Events {
    desk: Weak<Desk>,
    pulse: Pulse,
}

/// What all events begin with.
#[derive(Debug, Serialize)]
struct Event<T> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
    timestamp: Timestamp,
    server: ServerInfo,
    #[serde(flatten)]
    what: T,
}

/// Where the server's own summary goes.
pub(super) fn statsz_subject(server_id: &str) -> String {
    format!("$SYS.SERVER.{server_id}.STATSZ")
}

impl Events {
    pub(super) fn start(desk: &Arc<Desk>) -> Arc<Self> {
        Arc::new(Self { desk: Arc::downgrade(desk), pulse: Pulse::start(desk) })
    }

    /// Has the connections of this account told soon. Those of the global account are nobody's business.
    fn connections_changed(&self, account: &str) {
        if account != crate::account::GLOBAL_ACCOUNT && !account.is_empty() {
            self.pulse.connections_changed(account);
        }
    }
}

impl ServerHook for Events {
    fn client_connected(&self, client: &Client) {
        let Some(desk) = self.desk.upgrade() else { return };
        let info = client.info();
        let subject = format!("$SYS.ACCOUNT.{}.CONNECT", info.account);
        publish(&desk, &subject, || desk.event(client::CONNECT, client::Connected::of(&info)));
        self.connections_changed(&info.account);
    }

    fn client_gone(&self, gone: &ClosedClient) {
        let Some(desk) = self.desk.upgrade() else { return };
        let account = client::account_of(&gone.client.info);
        let subject = format!("$SYS.ACCOUNT.{account}.DISCONNECT");
        publish(&desk, &subject, || desk.event(client::DISCONNECT, client::Gone::of(gone)));
        self.connections_changed(account);
    }

    fn login_refused(&self, refused: &ClosedClient) {
        let Some(desk) = self.desk.upgrade() else { return };
        let subject = format!("$SYS.SERVER.{}.CLIENT.AUTH.ERR", desk.server.id());
        publish(&desk, &subject, || desk.event(client::DISCONNECT, client::Gone::of(refused)));
    }

    fn lame_duck(&self) -> HookFuture<'_> {
        self.stopping("LAMEDUCK")
    }

    fn shutdown(&self) -> HookFuture<'_> {
        self.stopping("SHUTDOWN")
    }
}

impl Events {
    fn stopping(&self, how: &str) -> HookFuture<'_> {
        if let Some(desk) = self.desk.upgrade() {
            let subject = format!("$SYS.SERVER.{}.{how}", desk.server.id());
            publish(&desk, &subject, || json(&ServerInfo::now(&desk.server)));
        }
        Box::pin(std::future::ready(()))
    }
}

impl Desk {
    /// An event as JSON.
    fn event(&self, kind: &'static str, what: impl Serialize) -> Vec<u8> {
        let timestamp = Timestamp(self.server.clock().now());
        json(&Event { kind, id: ids::nuid(), timestamp, server: ServerInfo::now(&self.server), what })
    }
}

/// Publishes in the system account, if anybody listens there.
fn publish(desk: &Desk, subject: &str, body: impl FnOnce() -> Vec<u8>) {
    let account = desk.server.accounts().system();
    if account.has_interest(subject.as_bytes()) {
        let message = Message { subject: subject.as_bytes(), payload: &body(), ..Message::default() };
        account.publish(&mut Dispatch::internal(), &message);
    }
}
