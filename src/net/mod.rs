//! Listeners and TLS.

pub mod tls;
