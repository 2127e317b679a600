//! `websocket { … }`

use super::auth::websocket_auth_settings;
use super::tls::tls_settings;
use crate::config::Config;
use crate::net::websocket::{Cookies, Origins, WebSocketOptions};

/// What the listener needs of the configuration; `None` without a listener.
pub(super) fn websocket_options(config: &Config) -> Option<WebSocketOptions> {
    let websocket = &config.websocket;
    let port = websocket.port?;
    let header = |(name, value): (&String, &String)| format!("{name}: {value}\r\n");
    Some(WebSocketOptions {
        host: websocket.host.clone(),
        port,
        tls: websocket.tls.as_ref().map(tls_settings),
        auth: websocket_auth_settings(config),
        origins: Origins::new(websocket.same_origin, &websocket.allowed_origins),
        compression: websocket.compression,
        cookies: Cookies {
            jwt: websocket.jwt_cookie.clone(),
            user: websocket.user_cookie.clone(),
            password: websocket.pass_cookie.clone(),
            token: websocket.token_cookie.clone(),
        },
        headers: websocket.headers.iter().map(header).collect(),
        handshake_timeout: websocket
            .handshake_timeout
            .unwrap_or(WebSocketOptions::default().handshake_timeout),
        auth_timeout: websocket.authorization.timeout.filter(|timeout| !timeout.is_zero()),
        ping_interval: websocket.ping_interval,
    })
}
