//! What this version reads and does not do.
//!
//! A row goes when its wing is built. Rows that would leave a door open which the operator meant to close keep the
//! server from starting.

use super::model::Config;

struct Row {
    what: &'static str,
    is_configured: fn(&Config) -> bool,
    /// The server would be less safe than its configuration says.
    is_unsafe: bool,
}

const ROWS: &[Row] = &[
    Row::harmless("leafnodes", |c| c.leafnodes.port.is_some() || !c.leafnodes.remotes.is_empty()),
    Row::harmless("mqtt", |c| c.mqtt.port.is_some()),
    Row::harmless("prof_port", |c| c.profiling.port.is_some()),
    Row::harmless("ocsp", |c| c.ocsp.is_some()),
    Row::harmless("default_js_domain", |c| !c.server.default_js_domains.is_empty()),
    Row::harmless("resolver_tls", |c| c.operator.resolver_tls.is_some()),
    Row::unsafe_without("proxy_required", |c| {
        c.authorization.proxy_required || c.users().any(|(_, user)| user.proxy_required)
    }),
    Row::unsafe_without("jetstream tpm (a key for encryption at rest is given as `key`)", |c| {
        c.jetstream.tpm.is_some()
    }),
    Row::unsafe_without("tls ocsp_peer", |c| {
        c.client.tls.as_ref().and_then(|tls| tls.ocsp_peer.as_ref()).is_some_and(|peer| peer.verify)
    }),
];

impl Row {
    const fn harmless(what: &'static str, is_configured: fn(&Config) -> bool) -> Self {
        Self { what, is_configured, is_unsafe: false }
    }

    const fn unsafe_without(what: &'static str, is_configured: fn(&Config) -> bool) -> Self {
        Self { what, is_configured, is_unsafe: true }
    }
}

/// A line for everything that is configured and will not be done.
pub(super) fn lines(config: &Config) -> Vec<String> {
    ROWS.iter().filter(|row| (row.is_configured)(config)).map(|row| line(row.what)).collect()
}

/// The first thing that must not be left out silently.
pub(super) fn refusal(config: &Config) -> Option<String> {
    let row = ROWS.iter().find(|row| row.is_unsafe && (row.is_configured)(config))?;
    Some(format!("{}, and leaving it out would make the server less safe than configured", line(row.what)))
}

fn line(what: &str) -> String {
    format!("{what}: not served by this version")
}
