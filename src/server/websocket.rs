//! What the server knows of its WebSocket listener.

use std::sync::Arc;

use super::StartError;
use crate::auth::Authenticator;
use crate::ids;
use crate::net::tls::ServerTls;
use crate::net::websocket::WebSocketOptions;

/// The WebSocket listener's settings, read and checked. A reload makes a new one.
pub struct WebSocketSide {
    /// The settings.
    pub options: WebSocketOptions,
    /// Decides about its clients' logins.
    pub authenticator: Arc<Authenticator>,
    /// How its connections are encrypted.
    pub tls: Option<Arc<ServerTls>>,
}

impl WebSocketSide {
    pub(super) fn new(options: &WebSocketOptions) -> Result<Arc<Self>, StartError> {
        let authenticator = Authenticator::new(&options.auth).map_err(StartError::Auth)?;
        let tls = options.tls.as_ref().map(ServerTls::load).transpose().map_err(StartError::Tls)?;
        let options = options.clone();
        Ok(Arc::new(Self { options, authenticator: Arc::new(authenticator), tls: tls.map(Arc::new) }))
    }

    /// Something to sign, if somebody might have to.
    pub(crate) fn nonce(&self) -> String {
        if self.authenticator.nonce_needed() { ids::nonce() } else { String::new() }
    }
}
