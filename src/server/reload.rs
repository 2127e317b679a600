//! New settings for a running server.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Options, Server, StartError, WebSocketSide};
use crate::account::Account;
use crate::auth::Authenticator;
use crate::net::tls::ServerTls;
use crate::router::{CloseReason, Receiver};
use crate::session::Client;

impl Server {
    /// Takes new settings over, or none of them if they are wrong. What cannot change while running (host, port, name, system
    /// account) is the caller's to refuse.
    ///
    /// Connected clients adopt the new limits. With `auth_changed` each also has to prove again who it is, and loses what it may
    /// no longer do.
    pub fn reload(&self, options: Options, auth_changed: bool) -> Result<(), StartError> {
        let authenticator = Authenticator::new(&options.auth).map_err(StartError::Auth)?;
        let tls = options.tls.as_ref().map(ServerTls::load).transpose().map_err(StartError::Tls)?;
        let websocket = options.websocket.as_deref().map(WebSocketSide::new).transpose()?;
        let connections_max = options.connections_max;
        *self.tls.write() = tls.map(Arc::new);
        *self.websocket.write() = websocket;
        *self.authenticator.write() = Arc::new(authenticator);
        if let Some(advertised) = &options.client_advertise {
            *self.advertised.write() = advertised.clone();
        }
        *self.options.write() = Arc::new(options);
        self.create_configured_accounts();
        self.close_excess(connections_max.unwrap_or(0));
        self.announce_reload(auth_changed);
        Ok(())
    }

    /// Sends the newest clients away that an account has over its limit; returns those that stay.
    pub(crate) fn close_excess_of(&self, account: &Account) -> Vec<Arc<Client>> {
        let limit = account.limits().connections_max.load(Ordering::Relaxed);
        let mut clients = self.clients.of_account(account.name());
        let excess = clients.split_off(clients.len().min(usize::try_from(limit).unwrap_or(usize::MAX)));
        for client in excess {
            client.send_line(b"-ERR 'maximum account active connections exceeded'\r\n");
            let reason = CloseReason::MaxAccountConnectionsExceeded;
            client.subscriber().outbound().close_after_flush(reason);
        }
        clients
    }

    /// Tells sessions whether they have seen the latest reload.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch { settings: self.epoch.load(Ordering::Acquire), users: self.auth_epoch.load(Ordering::Acquire) }
    }

    fn announce_reload(&self, auth_changed: bool) {
        if auth_changed {
            self.auth_epoch.fetch_add(1, Ordering::AcqRel);
        }
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.clients.all().iter().for_each(|client| client.subscriber().outbound().wake_owner());
    }

    fn close_excess(&self, connections_max: usize) {
        let clients = self.clients.all();
        let excess = clients.len().saturating_sub(connections_max);
        for client in clients.iter().rev().take(excess) {
            client.send_line(b"-ERR 'maximum connections exceeded'\r\n");
            client.subscriber().outbound().close_after_flush(CloseReason::MaxConnectionsExceeded);
        }
        if excess > 0 {
            log::info!("Closed {excess} connections to fall within max_connections");
        }
    }
}

/// Which settings and users are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch {
    pub settings: u64,
    pub users: u64,
}
