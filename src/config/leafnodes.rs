//! `leafnodes { … }`: servers that connect here, and servers to connect to.

use std::time::Duration;

use super::authorization::{is_public_key, timeout};
use super::compression::{self, Compression};
use super::defaults;
use super::diff::Changes;
use super::grammar::Node;
use super::keys::{Key, block, field, nested, read_block, timed, unknown_field};
use super::leaf_remote::{Remote, read_remotes};
use super::report::{Problem, Report};
use super::secret::Secret;
use super::tls::{self, Tls};
use super::write_timeout::{self, WriteTimeout};

/// Leaf node connections in both directions.
#[derive(Debug, Clone, PartialEq)]
pub struct LeafNodes {
    pub host: String,
    /// 0 stands for any free port; absent: nobody can connect here.
    pub port: Option<u16>,
    pub advertise: Option<String>,
    pub no_advertise: bool,
    pub authorization: LeafAuthorization,
    pub tls: Option<Tls>,
    pub remotes: Vec<Remote>,
    /// Between attempts to reach a remote.
    pub reconnect: Duration,
    pub dial_timeout: Option<Duration>,
    /// Leaf nodes with an older server are refused.
    pub min_version: Option<String>,
    pub compression: Compression,
    pub isolate_interest: bool,
    pub write_deadline: Option<Duration>,
    pub write_timeout: WriteTimeout,
}

impl Default for LeafNodes {
    fn default() -> Self {
        Self {
            host: defaults::HOST.to_owned(),
            port: None,
            advertise: None,
            no_advertise: false,
            authorization: LeafAuthorization::default(),
            tls: None,
            remotes: Vec::new(),
            reconnect: defaults::LEAF_RECONNECT,
            dial_timeout: None,
            min_version: None,
            compression: Compression::default(),
            isolate_interest: false,
            write_deadline: None,
            write_timeout: WriteTimeout::default(),
        }
    }
}

/// Who may connect as a leaf node; nothing set: the rules for clients.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LeafAuthorization {
    pub user: Option<String>,
    pub password: Option<Secret>,
    /// Public user nkey.
    pub nkey: Option<String>,
    /// Of the one user; absent: the global account.
    pub account: Option<String>,
    pub users: Vec<LeafUser>,
    pub timeout: Option<Duration>,
    pub proxy_required: bool,
}

/// A user that leaf nodes log in as.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LeafUser {
    pub name: String,
    pub password: Secret,
    /// Absent: the global account.
    pub account: Option<String>,
    pub proxy_required: bool,
}

const KEYS: &[Key<LeafNodes>] = &[
    Key::new("listen", &[], |leafs, node, _| {
        let listen = node.host_port()?;
        if !listen.host.is_empty() {
            leafs.host = listen.host;
        }
        leafs.port = listen.port.listen();
        Ok(())
    }),
    Key::watched(
        "port",
        &[],
        |leafs, node, _| {
            leafs.port = node.port()?.listen();
            Ok(())
        },
        |old, new, changes| changes.restart(&old.port, &new.port, "LeafNode"),
    ),
    field!("host", ["net"], host, Node::string, restart("LeafNode")),
    Key::new("authorization", &[], read_authorization),
    nested!("remotes", [], remotes, read_remotes),
    timed!("reconnect", ["reconnect_delay", "reconnect_interval"], reconnect),
    timed!("dial_timeout", [], dial_timeout),
    nested!("tls", [], tls, tls::read_for_clients),
    field!("advertise", ["leafnode_advertise"], advertise, Node::name, restart("LeafNode")),
    field!("no_advertise", [], no_advertise, Node::bool, restart("LeafNode")),
    field!("min_version", ["minimum_version"], min_version, min_version, restart("LeafNode")),
    nested!("compression", [], compression, compression::read_for_leafnodes),
    field!("isolate_leafnode_interest", ["isolate"], isolate_interest, Node::bool, restart("LeafNode")),
    timed!("write_deadline", [], write_deadline),
    field!("write_timeout", [], write_timeout, write_timeout::read, restart("LeafNode")),
];

const AUTHORIZATION_KEYS: &[Key<LeafAuthorization>] = &[
    field!("user", ["username"], user, Node::name),
    field!("password", ["pass"], password, Node::secret),
    Key::new("nkey", &[], |auth, node, _| {
        auth.nkey = node.name()?;
        match &auth.nkey {
            Some(nkey) if !is_public_key(nkey, 'U') => {
                Err(node.problem("Not a valid public nkey for leafnode authorization"))
            }
            _ => Ok(()),
        }
    }),
    Key::new("timeout", &[], |auth, node, report| {
        auth.timeout = Some(timeout(node, report)?);
        Ok(())
    }),
    nested!("users", [], users, read_users),
    field!("account", [], account, Node::name),
    field!("proxy_required", [], proxy_required, Node::bool),
];

const USER_KEYS: &[Key<LeafUser>] = &[
    field!("user", ["username"], name, Node::string),
    Key::new("password", &["pass"], |user, node, _| {
        user.password = Secret::new(node.string()?);
        Ok(())
    }),
    field!("account", [], account, Node::name),
    field!("proxy_required", [], proxy_required, Node::bool),
];

/// Reads a `leafnodes { … }` block.
pub(super) fn read(node: &Node, report: &mut Report) -> Result<LeafNodes, Problem> {
    block(KEYS, unknown_field, node, report)
}

/// What a reload can do: remotes come and go, the listener stays.
pub(super) fn changes(old: &LeafNodes, new: &LeafNodes, changes: &mut Changes) {
    KEYS.iter().for_each(|key| (key.changes)(old, new, changes));
    let applied = |leafs: &LeafNodes| {
        (leafs.remotes.clone(), leafs.authorization.clone(), leafs.tls.clone(), leafs.compression.clone())
    };
    if applied(old) != applied(new) {
        changes.applied("LeafNode", "LeafNode".to_owned());
    }
}

fn read_authorization(leafs: &mut LeafNodes, node: &Node, report: &mut Report) -> Result<(), Problem> {
    read_block(AUTHORIZATION_KEYS, unknown_field, &mut leafs.authorization, node, report)?;
    let auth = &leafs.authorization;
    if auth.users.is_empty() {
        return Ok(());
    }
    if auth.user.is_some() {
        return Err(node.problem("can not have a single user/pass and a users array"));
    }
    if auth.nkey.is_some() {
        return Err(node.problem("can not have a single nkey and a users array"));
    }
    let mut seen = std::collections::BTreeSet::new();
    match auth.users.iter().find(|user| !seen.insert(user.name.as_str())) {
        Some(user) => {
            Err(node.problem(format!("duplicate user {:?} detected in leafnode authorization", user.name)))
        }
        None => Ok(()),
    }
}

fn read_users(node: &Node, report: &mut Report) -> Result<Vec<LeafUser>, Problem> {
    let wrong = |_| node.problem("Expected users field to be an array");
    node.array().map_err(wrong)?.iter().map(|entry| block(USER_KEYS, unknown_field, entry, report)).collect()
}

fn min_version(node: &Node) -> Result<Option<String>, Problem> {
    let text = node.text()?;
    let numbers: Option<Vec<u32>> =
        text.trim_start_matches('v').split(['.', '-']).take(3).map(|part| part.parse().ok()).collect();
    match numbers {
        Some(numbers) if numbers.len() < 3 => Err(invalid_version(node, text)),
        Some(numbers) if numbers.as_slice() < [2, 8, 0].as_slice() => {
            Err(node.problem("the minimum version should be at least 2.8.0"))
        }
        Some(_) => Ok(Some(text.to_owned())),
        None => Err(invalid_version(node, text)),
    }
}

fn invalid_version(node: &Node, text: &str) -> Problem {
    node.problem(format!("invalid leafnode's minimum version: invalid semver: {text}"))
}
