//! Listeners and TLS.
//!
//! A port is opened by [`bind`]. A connection is accepted by [`listener`], greeted and if need be encrypted by [`handshake`], and then served by a
//! [`Session`](crate::session::Session), which sees nothing of it but a [`transport::Transport`].

pub mod bind;
mod handshake;
pub mod listener;
pub mod proxy;
pub mod tls;
pub mod transport;
pub mod websocket;
