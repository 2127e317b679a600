//! The client listener and the limits of connections.

use std::sync::Arc;

use super::auth::auth_settings;
use super::operator::system_account;
use super::tls::tls_settings;
use super::websocket::websocket_options;
use crate::config::{Config, WriteTimeout};
use crate::memory::Shares;
use crate::server::Options;

/// What the core broker needs of the configuration.
pub fn server_options(config: &Config) -> Options {
    let Config { client, limits, .. } = config;
    let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let count = |count: Option<u64>| count.map_or(0, bytes);
    let shares = Shares::configured(config.memory_ceiling_bytes);
    let outbound_max = shares.outbound_of_one(u64::from(limits.payload_bytes_max));
    Options {
        host: client.host.clone(),
        port: client.port,
        server_name: config.server.name.clone().unwrap_or_default(),
        tags: config.server.tags.clone(),
        metadata: config.server.metadata.clone(),
        feature_flags: config.server.feature_flags.clone(),
        client_advertise: client
            .advertise
            .as_deref()
            .and_then(|advertise| host_and_port(advertise, client.port)),
        payload_bytes_max: limits.payload_bytes_max as usize,
        control_line_bytes_max: limits.control_line_bytes_max as usize,
        outbound_bytes_max: bytes(limits.pending_bytes_max.min(outbound_max)),
        connections_max: limits.connections_max.map(|max| bytes(max.min(shares.connections()))),
        subscriptions_max: count(limits.subscriptions_max),
        subscription_tokens_max: limits.subject_tokens_max.map_or(0, usize::from),
        closed_clients_max: bytes(limits.closed_connections_kept_max),
        ping_interval: limits.ping_interval,
        pings_out_max: limits.pings_outstanding_max,
        disable_short_first_ping: false,
        write_deadline: limits.write_deadline,
        auth_timeout: config.auth_timeout(),
        auth: auth_settings(config),
        tls: client.tls.as_ref().map(tls_settings),
        websocket: websocket_options(config).map(Arc::new),
        allow_non_tls: client.allow_non_tls,
        tls_connections_per_second_max: client
            .tls
            .as_ref()
            .and_then(|tls| tls.connections_per_second_max)
            .map_or(0, |max| u32::try_from(max).unwrap_or(u32::MAX)),
        proxy_protocol: client.proxy_protocol,
        write_timeout_retries: limits.write_timeout == WriteTimeout::Retry,
        no_fast_producer_stall: limits.no_fast_producer_stall,
        no_header_support: client.no_header_support,
        lame_duck_duration: config.lame_duck.duration,
        lame_duck_grace: config.lame_duck.grace_period,
        system_account: system_account(config),
        jetstream: config.jetstream.enabled,
        jetstream_domain: config.jetstream.domain.clone().unwrap_or_default(),
    }
}

fn host_and_port(advertise: &str, default_port: u16) -> Option<(String, u16)> {
    match advertise.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') => Some((host.to_owned(), port.parse().ok()?)),
        _ => Some((advertise.to_owned(), default_port)),
    }
}
