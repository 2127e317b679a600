//! From the one typed configuration to the settings of each part.
//!
//! Parts do not know the configuration file; what it calls things, and what it leaves open, is translated here.

mod accounts;
mod auth;
mod client_listener;
mod exchange;
mod jetstream;
mod mappings;
mod memory;
mod operator;
mod tls;
mod websocket;

pub use accounts::{apply_account_limits, jetstream_limits, jetstream_limits_of_tokens};
pub use auth::{auth_settings, mqtt_auth_settings, websocket_auth_settings};
pub use client_listener::server_options;
pub(crate) use exchange::system_exports;
pub use exchange::{apply_exchange, check_exchange};
pub use jetstream::{jetstream_settings, store_options};
pub use mappings::{apply_mappings, check_mappings};
pub use memory::bound_memory;
pub use operator::operator_settings;
pub use tls::tls_settings;
