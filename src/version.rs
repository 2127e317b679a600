//! Which version we are, and which nats-server's behaviour we stand for.

/// The nats-server version whose protocol and API we speak; clients gate features on it.
pub const NATS_VERSION: &str = "2.15.1";

/// Our own version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
