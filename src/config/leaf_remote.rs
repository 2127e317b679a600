//! One entry of `leafnodes { remotes [ … ] }`: a server to connect to.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::compression::{self, Compression};
use super::defaults;
use super::grammar::{Node, Value};
use super::keys::{Key, block, field, nested, read_block, timed, unknown_field};
use super::permissions::plain_subjects;
use super::report::{Problem, Report};
use super::secret::Secret;
use super::tls::{self, Tls};

/// A server upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct Remote {
    /// Tried one after the other; secret because they may hold a password.
    pub urls: Vec<Secret>,
    pub no_randomize: bool,
    /// The local account that is joined to the remote one; absent: the global account.
    pub account: Option<String>,
    /// A file with a JWT and a seed.
    pub credentials: Option<PathBuf>,
    /// A user seed, `SU…`.
    pub nkey: Option<Secret>,
    pub tls: Option<Tls>,
    /// This side acts as the hub.
    pub hub: bool,
    pub deny_imports: Vec<String>,
    pub deny_exports: Vec<String>,
    pub websocket_compression: bool,
    pub websocket_no_masking: bool,
    pub jetstream_cluster_migrate: bool,
    pub jetstream_cluster_migrate_delay: Option<Duration>,
    pub isolate: bool,
    pub request_isolation: bool,
    pub compression: Compression,
    /// For the first INFO of the other side.
    pub first_info_timeout: Duration,
    pub dial_timeout: Option<Duration>,
    pub disabled: bool,
    pub proxy: Option<Proxy>,
    pub ignore_discovered_servers: bool,
}

impl Default for Remote {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            no_randomize: false,
            account: None,
            credentials: None,
            nkey: None,
            tls: None,
            hub: false,
            deny_imports: Vec::new(),
            deny_exports: Vec::new(),
            websocket_compression: false,
            websocket_no_masking: false,
            jetstream_cluster_migrate: false,
            jetstream_cluster_migrate_delay: None,
            isolate: false,
            request_isolation: false,
            compression: Compression::default(),
            first_info_timeout: defaults::LEAF_FIRST_INFO_TIMEOUT,
            dial_timeout: None,
            disabled: false,
            proxy: None,
            ignore_discovered_servers: false,
        }
    }
}

/// An HTTP proxy on the way to a WebSocket remote.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Proxy {
    pub url: String,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub timeout: Option<Duration>,
}

const KEYS: &[Key<Remote>] = &[
    field!("url", ["urls"], urls, urls),
    field!("no_randomize", ["dont_randomize"], no_randomize, Node::bool),
    field!("account", ["local"], account, Node::name),
    Key::new("credentials", &["creds"], |remote, node, _| {
        remote.credentials = Some(expanded(node)?);
        one_login(remote, node)
    }),
    Key::new("nkey", &["seed"], |remote, node, _| {
        let seed = node.text()?;
        let is_user_seed = seed.starts_with("SU") && nkeys::KeyPair::from_seed(seed).is_ok();
        if !is_user_seed {
            return Err(node.problem("Remote leafnode nkey is not a valid seed"));
        }
        remote.nkey = Some(Secret::new(seed));
        one_login(remote, node)
    }),
    nested!("tls", [], tls, tls::read_for_clients),
    field!("hub", [], hub, Node::bool),
    field!("deny_imports", ["deny_import"], deny_imports, plain_subjects),
    field!("deny_exports", ["deny_export"], deny_exports, plain_subjects),
    field!(
        "ws_compression",
        ["ws_compress", "websocket_compress", "websocket_compression"],
        websocket_compression,
        Node::bool
    ),
    field!("ws_no_masking", ["websocket_no_masking"], websocket_no_masking, Node::bool),
    Key::new("jetstream_cluster_migrate", &["js_cluster_migrate"], read_migrate),
    field!("isolate_leafnode_interest", ["isolate"], isolate, Node::bool),
    field!("request_isolation", [], request_isolation, Node::bool),
    nested!("compression", [], compression, compression::read_for_leafnodes),
    timed!("first_info_timeout", [], first_info_timeout),
    timed!("dial_timeout", [], dial_timeout),
    field!("disabled", [], disabled, Node::bool),
    nested!("proxy", [], proxy, read_proxy),
    field!("ignore_discovered_servers", [], ignore_discovered_servers, Node::bool),
];

const PROXY_KEYS: &[Key<Proxy>] = &[
    field!("url", [], url, Node::string),
    field!("username", [], username, Node::name),
    field!("password", [], password, Node::secret),
    timed!("timeout", [], timeout),
];

/// Reads a `remotes [ … ]` list.
pub(super) fn read_remotes(node: &Node, report: &mut Report) -> Result<Vec<Remote>, Problem> {
    let wrong = |_| node.problem(format!("Expected remotes field to be an array, got {}", node.value.kind()));
    let mut remotes: Vec<Remote> = Vec::new();
    let mut names = BTreeSet::new();
    for entry in node.array().map_err(wrong)? {
        let mut remote = Remote::default();
        match read_block(KEYS, unknown_field, &mut remote, entry, report) {
            Ok(()) if names.insert(identity(&remote)) => remotes.push(remote),
            Ok(()) => report.error(entry.problem("duplicate remote")),
            Err(_) => report.error(entry.problem("Expected remote leafnode entry to be a map/struct")),
        }
    }
    Ok(remotes)
}

/// Two remotes with the same URLs, account and login are the same.
fn identity(remote: &Remote) -> (Vec<String>, Option<String>, Option<PathBuf>) {
    let urls = remote.urls.iter().map(|url| url.expose().to_owned()).collect();
    (urls, remote.account.clone(), remote.credentials.clone())
}

fn one_login(remote: &Remote, node: &Node) -> Result<(), Problem> {
    if remote.credentials.is_some() && remote.nkey.is_some() {
        return Err(node.problem("Remote leafnode can not have both creds and nkey defined"));
    }
    Ok(())
}

fn urls(node: &Node) -> Result<Vec<Secret>, Problem> {
    let wrong = |_| node.problem("Expected remote leafnode url to be an array or string");
    let texts = node.strings().map_err(wrong)?;
    let mut urls: Vec<Secret> = Vec::new();
    for text in texts {
        let url = Secret::new(text.trim());
        if url.expose().is_empty() || url.expose().contains(char::is_whitespace) {
            return Err(node.problem(format!("error parsing leafnode url [{:?}]", url.expose())));
        }
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    Ok(urls)
}

/// A path in which `~` and environment variables are replaced.
fn expanded(node: &Node) -> Result<PathBuf, Problem> {
    let text = node.text()?;
    let text = text
        .split('/')
        .map(|part| match part.strip_prefix('$') {
            Some(name) => std::env::var(name.trim_matches(['{', '}'])).unwrap_or_default(),
            None => part.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("/");
    match (text.strip_prefix('~'), std::env::var_os("HOME")) {
        (None, _) => Ok(text.into()),
        (Some(rest), Some(home)) => Ok(PathBuf::from(home).join(rest.trim_start_matches('/'))),
        (Some(_), None) => Err(node.problem("failed to get home dir, require $HOME")),
    }
}

fn read_migrate(remote: &mut Remote, node: &Node, report: &mut Report) -> Result<(), Problem> {
    match &node.value {
        Value::Bool(migrate) => remote.jetstream_cluster_migrate = *migrate,
        Value::Map(map) => {
            remote.jetstream_cluster_migrate = true;
            if let Some(entry) = map.get("leader_migrate_delay") {
                remote.jetstream_cluster_migrate_delay =
                    Some(entry.node.duration("leader_migrate_delay", report)?);
            }
        }
        other => {
            let got = other.kind();
            return Err(
                node.problem(format!("Expected boolean or map for jetstream_cluster_migrate, got {got}"))
            );
        }
    }
    Ok(())
}

fn read_proxy(node: &Node, report: &mut Report) -> Result<Option<Proxy>, Problem> {
    let proxy: Proxy = block(PROXY_KEYS, unknown_field, node, report)?;
    if proxy.url.is_empty() {
        return Ok(None);
    }
    let host = proxy.url.strip_prefix("http://").or_else(|| proxy.url.strip_prefix("https://"));
    match host {
        None => Err(node.problem("proxy URL scheme must be http or https")),
        Some("") => Err(node.problem("proxy URL must specify a host")),
        Some(_) if proxy.username.is_some() != proxy.password.is_some() => {
            Err(node.problem("proxy username and password must both be specified or both be empty"))
        }
        Some(_) => Ok(Some(proxy)),
    }
}
