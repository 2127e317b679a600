//! The JSON of `INFO`: what a broker tells a client about itself.

use serde::{Deserialize, Serialize};

/// The fields in the order they are written. Those that say nothing are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Info {
    /// Unique, `N…`.
    pub server_id: String,
    /// As configured, else the id.
    pub server_name: String,
    /// `major.minor.patch`: clients look here for what they may ask.
    pub version: String,
    /// Protocol version: 1.
    pub proto: i32,
    /// Seven hex digits.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub git_commit: String,
    /// The compiler.
    pub go: String,
    /// What is listened on, as configured.
    pub host: String,
    /// What is listened on.
    pub port: u16,
    /// Whether headers are understood.
    pub headers: bool,
    /// Whether `CONNECT` must carry credentials.
    #[serde(skip_serializing_if = "is_false")]
    pub auth_required: bool,
    /// Whether the client must start TLS now.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_required: bool,
    /// Whether the client must have a certificate.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_verify: bool,
    /// Whether the client may start TLS now.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_available: bool,
    /// The largest body, in bytes, for this client.
    pub max_payload: i32,
    /// Whether there are streams.
    #[serde(skip_serializing_if = "is_false")]
    pub jetstream: bool,
    /// Leaf nodes: the address to come back to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ip: String,
    /// The connection's number.
    #[serde(skip_serializing_if = "is_zero")]
    pub client_id: u64,
    /// The client's address as the broker sees it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_ip: String,
    /// What an nkey or JWT user must sign.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub nonce: String,
    /// Cluster name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// Whether the cluster name was made up.
    #[serde(skip_serializing_if = "is_false")]
    pub cluster_dynamic: bool,
    /// JetStream domain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Other addresses for clients.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connect_urls: Vec<String>,
    /// Other addresses for WebSocket clients.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ws_connect_urls: Vec<String>,
    /// Lame duck: the broker is going away.
    #[serde(skip_serializing_if = "is_false")]
    pub ldm: bool,
    /// Leaf nodes: the compression in use.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub compression: String,
    /// Whether this is the answer to `CONNECT`.
    #[serde(skip_serializing_if = "is_false")]
    pub connect_info: bool,
    /// The account the client is in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remote_account: String,
    /// Whether that is the system account.
    #[serde(skip_serializing_if = "is_false")]
    pub acc_is_sys: bool,
    /// JetStream API level.
    #[serde(skip_serializing_if = "is_zero_level")]
    pub api_lvl: i32,
    /// The broker's curve key, for auth callouts.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub xkey: String,
}

impl Info {
    /// Reads what a broker sent.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// What [`super::encode_info`] writes between `INFO` and the line end.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings, numbers and lists of strings always have a JSON form.
        serde_json::to_vec(self).unwrap_or_else(|_| b"{}".to_vec())
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

fn is_zero_level(value: &i32) -> bool {
    *value == 0
}
