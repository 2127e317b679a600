//! From the one typed configuration to the settings of each part.
//!
//! Parts do not know the configuration file; what it calls things, and what it leaves open, is translated here.

mod accounts;
mod auth;
mod client_listener;
mod jetstream;
mod mappings;
mod tls;
mod websocket;

pub use accounts::{apply_account_limits, jetstream_limits};
pub use auth::{auth_settings, mqtt_auth_settings, websocket_auth_settings};
pub use client_listener::server_options;
pub use jetstream::{jetstream_settings, store_options};
pub use mappings::{apply_mappings, check_mappings};
pub use tls::tls_settings;
