//! A client as events and service requests describe it.

use serde::Serialize;

use super::omit;
use super::timestamp::Timestamp;

/// Who a client is. Everything unknown is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ClientInfo {
    /// When it connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// Its address, without the port.
    #[serde(skip_serializing_if = "omit::zero")]
    pub host: String,
    /// Its connection's number.
    #[serde(skip_serializing_if = "omit::zero")]
    pub id: u64,
    /// Its account.
    #[serde(skip_serializing_if = "omit::zero")]
    pub acc: String,
    /// The account a service request came from.
    #[serde(skip_serializing_if = "omit::zero")]
    pub svc: String,
    /// Its user.
    #[serde(skip_serializing_if = "omit::zero")]
    pub user: String,
    /// The name it gave itself.
    #[serde(skip_serializing_if = "omit::zero")]
    pub name: String,
    /// Its library's language.
    #[serde(skip_serializing_if = "omit::zero")]
    pub lang: String,
    /// Its library's version.
    #[serde(skip_serializing_if = "omit::zero")]
    pub ver: String,
    /// Round trip in nanoseconds.
    #[serde(skip_serializing_if = "omit::zero")]
    pub rtt: i64,
    /// The server it is connected to.
    #[serde(skip_serializing_if = "omit::zero")]
    pub server: String,
    /// That server's cluster.
    #[serde(skip_serializing_if = "omit::zero")]
    pub cluster: String,
    /// Other clusters near it.
    #[serde(skip_serializing_if = "omit::zero")]
    pub alts: Vec<String>,
    /// When it disconnected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Timestamp>,
    /// Its user JWT.
    #[serde(skip_serializing_if = "omit::zero")]
    pub jwt: String,
    /// The key that signed its JWT.
    #[serde(skip_serializing_if = "omit::zero")]
    pub issuer_key: String,
    /// The name in its JWT.
    #[serde(skip_serializing_if = "omit::zero")]
    pub name_tag: String,
    /// The tags in its JWT.
    #[serde(skip_serializing_if = "omit::zero")]
    pub tags: Vec<String>,
    /// `Client`, `Leafnode`, `JetStream` …
    #[serde(skip_serializing_if = "omit::zero")]
    pub kind: String,
    /// `nats`, `mqtt` or `websocket`.
    #[serde(skip_serializing_if = "omit::zero")]
    pub client_type: String,
    /// Its MQTT client id.
    #[serde(skip_serializing_if = "omit::zero")]
    pub client_id: String,
    /// The nonce it signed.
    #[serde(skip_serializing_if = "omit::zero")]
    pub nonce: String,
}
