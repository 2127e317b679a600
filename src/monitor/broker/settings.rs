//! The configuration as `/varz` shows it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::UnixNanos;
use crate::config::Config;
use crate::config::leafnodes::LeafNodes;
use crate::config::tls::Tls;
use crate::config::websocket::WebSocket;
use crate::monitor::varz::{Absent, Configuration, LeafListen, LeafRemote, Listen, OtherListen};
use crate::server::Server;

/// Addresses and limits.
pub(super) fn listen(config: &Config, server: &Server) -> Listen {
    let (info, limits, client) = (server.info(), &config.limits, &config.client);
    Listen {
        server_id: server.id().to_owned(),
        server_name: server.name().to_owned(),
        version: info.version.clone(),
        proto: 1,
        git_commit: String::new(),
        go: info.go.clone(),
        host: client.host.clone(),
        port: info.port,
        auth_required: server.authenticator().auth_required(),
        tls_required: info.tls_required,
        tls_verify: info.tls_verify,
        ip: String::new(),
        connect_urls: Vec::new(),
        ws_connect_urls: Vec::new(),
        max_connections: limits.connections_max.map_or(0, |max| i64::try_from(max).unwrap_or(i64::MAX)),
        max_subscriptions: limits.subscriptions_max.unwrap_or_default(),
        ping_interval: nanos(limits.ping_interval),
        ping_max: u64::from(limits.pings_outstanding_max),
        http_host: config.monitor.host.clone().unwrap_or_else(|| client.host.clone()),
        http_port: config.monitor.http_port.unwrap_or_default(),
        http_base_path: base_path(&config.monitor.base_path),
        https_port: config.monitor.https_port.unwrap_or_default(),
        auth_timeout: config.auth_timeout().as_secs_f64(),
        max_control_line: u64::from(limits.control_line_bytes_max),
        max_payload: u64::from(limits.payload_bytes_max),
        max_pending: limits.pending_bytes_max,
        cluster: Absent {},
        gateway: Absent {},
        leaf: leaf(&config.leafnodes),
        mqtt: OtherListen::default(),
        websocket: websocket(&config.websocket, server.websocket_port()),
        tls_timeout: client.tls.as_ref().map_or(DEFAULT_TLS_SECONDS, tls_seconds),
        write_deadline: nanos(limits.write_deadline),
        tls_cert_not_after: None,
    }
}

/// What `tls_timeout` says without TLS.
const DEFAULT_TLS_SECONDS: f64 = 2.0;

/// What is known of the configuration.
pub(super) fn configuration(config: &Config, loaded_at: UnixNanos, system_account: String) -> Configuration {
    Configuration {
        config_load_time: loaded_at,
        config_digest: config.source.as_ref().map(|source| source.digest.clone()).unwrap_or_default(),
        tags: config.server.tags.clone(),
        metadata: config.server.metadata.clone(),
        feature_flags: BTreeMap::clone(&config.server.feature_flags),
        system_account,
    }
}

fn leaf(leafs: &LeafNodes) -> LeafListen {
    let remotes = leafs.remotes.iter().map(|remote| LeafRemote {
        local_account: remote.account.clone().unwrap_or_default(),
        urls: remote.urls.iter().map(|url| host_of(url.expose()).to_owned()).collect(),
    });
    let remotes = remotes.collect();
    let Some(port) = leafs.port else { return LeafListen { remotes, ..LeafListen::default() } };
    LeafListen {
        host: leafs.host.clone(),
        port,
        auth_timeout: leafs.authorization.timeout.unwrap_or_default().as_secs_f64(),
        tls_timeout: leafs.tls.as_ref().map(tls_seconds).unwrap_or_default(),
        tls_required: leafs.tls.is_some(),
        tls_verify: leafs.tls.as_ref().is_some_and(|tls| tls.verify),
        remotes,
    }
}

/// The port is the one that was found free, if any would do.
fn websocket(websocket: &WebSocket, listening: u16) -> OtherListen {
    let Some(configured) = websocket.port else { return OtherListen::default() };
    let port = if listening == 0 { configured } else { listening };
    OtherListen {
        host: websocket.host.clone(),
        port,
        no_auth_user: websocket.no_auth_user.clone().unwrap_or_default(),
        no_tls: websocket.no_tls,
        same_origin: websocket.same_origin,
        allowed_origins: websocket.allowed_origins.clone(),
        compression: websocket.compression,
    }
}

/// `host:port` of a URL, without scheme, credentials and path.
fn host_of(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = after_scheme.split('/').next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

fn base_path(configured: &str) -> String {
    if configured == "/" { String::new() } else { configured.to_owned() }
}

fn tls_seconds(tls: &Tls) -> f64 {
    tls.handshake_timeout().as_secs_f64()
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::host_of;

    #[test]
    fn credentials_in_a_url_are_not_shown() {
        for url in ["nats://user:pass@hub:7422/x", "hub:7422", "tls://token@hub:7422"] {
            assert_eq!(host_of(url), "hub:7422");
        }
    }
}
