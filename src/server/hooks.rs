//! Being told of what happens to the server as a whole.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::ClosedClient;
use crate::account::Account;
use crate::session::Client;

/// What a hook does meanwhile.
pub type HookFuture<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Told of what happens to the server as a whole. The server waits for the futures.
pub trait ServerHook: Send + Sync {
    /// An account has come into being; called before any client is in it.
    fn account_created(&self, _account: &Arc<Account>) {}

    /// A client has logged in. Called on its task.
    fn client_connected(&self, _client: &Client) {}

    /// A client has left.
    fn client_gone(&self, _gone: &ClosedClient) {}

    /// A client was not let in; it will be gone in a moment.
    fn login_refused(&self, _refused: &ClosedClient) {}

    /// What an account may use has changed.
    fn account_changed(&self, _account: &Arc<Account>) {}

    /// Lame duck mode begins: no new clients, and those there are will be sent away.
    fn lame_duck(&self) -> HookFuture<'_> {
        Box::pin(std::future::ready(()))
    }

    /// The server stops. Clients are still connected.
    fn shutdown(&self) -> HookFuture<'_> {
        Box::pin(std::future::ready(()))
    }
}
