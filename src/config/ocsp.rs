//! Certificate status: `ocsp`, `ocsp_cache` and the `ocsp_peer` block of TLS.

use std::path::PathBuf;
use std::time::Duration;

use super::diff::Shown;
use super::grammar::{Node, Value};
use super::keys::{Key, block, field};
use super::report::{Problem, Report};

/// Whether the server staples the status of its own certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ocsp {
    pub mode: OcspMode,
    /// Responders to ask instead of those the certificate names.
    pub urls: Vec<String>,
}

/// When to staple.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OcspMode {
    /// If the certificate demands it.
    #[default]
    Auto,
    Always,
    Must,
    Never,
}

/// Checking the status of the other side's certificate.
#[derive(Debug, Clone, PartialEq)]
pub struct OcspPeer {
    pub verify: bool,
    pub ca_timeout: Duration,
    pub allowed_clock_skew: Duration,
    pub warn_only: bool,
    pub unknown_is_good: bool,
    pub allow_when_ca_unreachable: bool,
    pub cache_ttl_when_next_update_unset: Duration,
}

impl Default for OcspPeer {
    fn default() -> Self {
        Self {
            verify: false,
            ca_timeout: Duration::from_secs(2),
            allowed_clock_skew: Duration::from_secs(30),
            warn_only: false,
            unknown_is_good: false,
            allow_when_ca_unreachable: false,
            cache_ttl_when_next_update_unset: Duration::from_secs(3600),
        }
    }
}

/// Where answers about certificates are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OcspCache {
    /// On disk, or not at all.
    pub local: bool,
    pub local_store: PathBuf,
    pub preserve_revoked: bool,
    pub save_interval: Duration,
}

impl Default for OcspCache {
    fn default() -> Self {
        Self {
            local: true,
            local_store: "_rc_".into(),
            preserve_revoked: false,
            save_interval: Duration::from_secs(300),
        }
    }
}

impl Shown for Ocsp {
    fn shown(&self) -> String {
        format!("{:?}", self.mode).to_lowercase()
    }
}

impl Shown for OcspCache {
    fn shown(&self) -> String {
        if self.local { "local".to_owned() } else { "none".to_owned() }
    }
}

const KEYS: &[Key<Ocsp>] = &[
    field!("mode", [], mode, mode),
    field!("urls", [], urls, Node::strings),
    field!("url", [], urls, Node::strings),
];

const PEER_KEYS: &[Key<OcspPeer>] = &[
    field!("verify", [], verify, Node::bool),
    field!("ca_timeout", [], ca_timeout, Node::seconds),
    field!("allowed_clockskew", [], allowed_clock_skew, Node::seconds),
    field!("warn_only", [], warn_only, Node::bool),
    field!("unknown_is_good", [], unknown_is_good, Node::bool),
    field!("allow_when_ca_unreachable", [], allow_when_ca_unreachable, Node::bool),
    field!("cache_ttl_when_next_update_unset", [], cache_ttl_when_next_update_unset, Node::seconds),
];

const CACHE_KEYS: &[Key<OcspCache>] = &[
    Key::new("type", &[], |cache, node, _| {
        cache.local = match node.text()?.to_lowercase().as_str() {
            "none" => false,
            "local" => true,
            other => {
                return Err(
                    node.problem(format!("error parsing OCSP peer cache config, unknown type [{other}]"))
                );
            }
        };
        Ok(())
    }),
    Key::new("local_store", &[], |cache, node, _| {
        cache.local_store = node.text()?.into();
        Ok(())
    }),
    field!("preserve_revoked", [], preserve_revoked, Node::bool),
    Key::new("save_interval", &[], |cache, node, _| {
        cache.save_interval = node.seconds()?.max(Duration::from_secs(1));
        Ok(())
    }),
];

/// Reads `ocsp: true` or `ocsp { … }`.
pub(super) fn read(node: &Node, report: &mut Report) -> Result<Option<Ocsp>, Problem> {
    match &node.value {
        Value::Bool(true) => Ok(Some(Ocsp::default())),
        Value::Bool(false) => Ok(Some(Ocsp { mode: OcspMode::Never, urls: Vec::new() })),
        _ => block(KEYS, |key| format!("error parsing ocsp config: unsupported field {key:?}"), node, report)
            .map(Some),
    }
}

/// Reads `ocsp_peer: true` or `ocsp_peer { … }`.
pub(super) fn read_peer(node: &Node, report: &mut Report) -> Result<Option<OcspPeer>, Problem> {
    match &node.value {
        Value::Bool(verify) => Ok(Some(OcspPeer { verify: *verify, ..OcspPeer::default() })),
        _ => block(
            PEER_KEYS,
            |key| format!("error parsing tls peer config, unknown field [{key:?}]"),
            node,
            report,
        )
        .map(Some),
    }
}

/// Reads `ocsp_cache: true` or `ocsp_cache { … }`.
pub(super) fn read_cache(node: &Node, report: &mut Report) -> Result<Option<OcspCache>, Problem> {
    match &node.value {
        Value::Bool(local) => Ok(Some(OcspCache { local: *local, ..OcspCache::default() })),
        _ => {
            let unknown =
                |key: &str| format!("error parsing OCSP peer cache config, unknown field [{key:?}]");
            block(CACHE_KEYS, unknown, node, report).map(Some)
        }
    }
}

fn mode(node: &Node) -> Result<OcspMode, Problem> {
    match node.text()?.to_lowercase().as_str() {
        "auto" => Ok(OcspMode::Auto),
        "always" => Ok(OcspMode::Always),
        "must" => Ok(OcspMode::Must),
        "never" => Ok(OcspMode::Never),
        other => Err(node.problem(format!("error parsing ocsp config: unsupported ocsp mode {other:?}"))),
    }
}
