//! Who may connect: `authorization { … }` and the users in it and in accounts.

use std::collections::BTreeSet;
use std::time::Duration;

use super::defaults;
use super::grammar::Node;
use super::keys::{Key, block, field, nested, read_block, unknown_field};
use super::permissions::{self, Permissions};
use super::report::{Problem, Report};
use super::secret::Secret;

/// The `authorization` block.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Authorization {
    /// Whether there is such a block, be it empty.
    pub is_written: bool,
    /// The one user there is, if there is no list.
    pub user: Option<String>,
    /// Plain or a bcrypt hash (`$2a$…`).
    pub password: Option<Secret>,
    /// Plain or a bcrypt hash.
    pub token: Option<Secret>,
    /// Users of the global account; present as soon as a list was written.
    pub users: Option<Vec<User>>,
    /// To send a CONNECT that is accepted; absent: [`Config::auth_timeout`](super::Config::auth_timeout) decides.
    pub timeout: Option<Duration>,
    /// For users without permissions of their own.
    pub default_permissions: Option<Permissions>,
    pub callout: Option<AuthCallout>,
    /// Only connections that come through a trusted proxy.
    pub proxy_required: bool,
}

/// One entry of a `users` list.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    pub login: Login,
    pub permissions: Option<Permissions>,
    /// Absent: every kind of connection.
    pub connection_types: Option<BTreeSet<ConnectionType>>,
    pub proxy_required: bool,
}

/// How a user proves who it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Login {
    /// The password may be empty, plain or a bcrypt hash.
    Password { name: String, password: Secret },
    /// A public user nkey, `U…`.
    Nkey(String),
}

impl Login {
    /// The user name or nkey; unique in a configuration.
    pub fn name(&self) -> &str {
        match self {
            Self::Password { name, .. } => name,
            Self::Nkey(nkey) => nkey,
        }
    }
}

/// The ways to connect that a user can be limited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectionType {
    Standard,
    WebSocket,
    LeafNode,
    LeafNodeWebSocket,
    Mqtt,
    MqttWebSocket,
    InProcess,
}

impl ConnectionType {
    fn from_name(name: &str) -> Option<Self> {
        match name.to_uppercase().as_str() {
            "STANDARD" => Some(Self::Standard),
            "WEBSOCKET" => Some(Self::WebSocket),
            "LEAFNODE" => Some(Self::LeafNode),
            "LEAFNODE_WS" => Some(Self::LeafNodeWebSocket),
            "MQTT" => Some(Self::Mqtt),
            "MQTT_WS" => Some(Self::MqttWebSocket),
            "IN_PROCESS" => Some(Self::InProcess),
            _ => None,
        }
    }
}

/// Who decides about logins instead of this server (ADR-26).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AuthCallout {
    /// Public account nkey that signs the answers.
    pub issuer: String,
    /// The account the deciding service lives in; empty: the global one.
    pub account: String,
    /// Users that log in without being asked about.
    pub auth_users: Vec<String>,
    /// Public curve key; requests are encrypted with it.
    pub xkey: Option<String>,
    /// Accounts it may place users in; empty: any.
    pub allowed_accounts: Vec<String>,
}

const KEYS: &[Key<Authorization>] = &[
    field!("user", ["username"], user, Node::name),
    field!("password", ["pass"], password, Node::secret),
    field!("token", [], token, Node::secret),
    Key::new("timeout", &[], |auth, node, report| {
        auth.timeout = Some(timeout(node, report)?);
        Ok(())
    }),
    Key::new("users", &[], |auth, node, report| {
        auth.users = Some(read_users(node, report)?);
        Ok(())
    }),
    Key::new("default_permissions", &["default_permission", "permissions"], |auth, node, report| {
        auth.default_permissions = Some(permissions::read(node, report)?);
        Ok(())
    }),
    nested!("auth_callout", ["auth_hook"], callout, read_callout),
    field!("proxy_required", [], proxy_required, Node::bool),
];

/// Reads an `authorization { … }` block.
pub(super) fn read(node: &Node, report: &mut Report) -> Result<Authorization, Problem> {
    let mut auth: Authorization = block(KEYS, unknown_field, node, report)?;
    if let Some(users) = &mut auth.users {
        apply_default_permissions(users, auth.default_permissions.as_ref());
    }
    if (auth.user.is_some() || auth.password.is_some()) && auth.token.is_some() {
        return Err(node.problem("Cannot have a user/pass and token"));
    }
    Ok(auth)
}

/// Gives users without permissions those of the block they stand in.
pub(super) fn apply_default_permissions(users: &mut [User], default: Option<&Permissions>) {
    for user in users {
        if user.permissions.is_none() {
            user.permissions = default.cloned();
        }
    }
}

/// Reads the timeout of an authorization block.
pub(super) fn timeout(node: &Node, report: &mut Report) -> Result<Duration, Problem> {
    let wrong = |problem: Problem| {
        node.problem(format!("error parsing authorization config, 'timeout' {}", problem.reason))
    };
    let timeout = node.seconds().map_err(wrong)?;
    if timeout > defaults::AUTH_TIMEOUT_HIGH {
        let seconds = timeout.as_secs_f64();
        let hint = "consider keeping it under 60 seconds. possibly caused by unquoted duration";
        let reason = format!(
            "invalid use of field \"timeout\": timeout of {seconds:.6} seconds is high, {hint}; use '1m' instead of 1m, for example"
        );
        report.warn(node.problem(reason));
    }
    Ok(timeout)
}

/// A user as written, before it is known whether it has a password or an nkey.
#[derive(Debug, Default)]
struct Draft {
    name: Option<String>,
    password: Option<Secret>,
    nkey: Option<String>,
    permissions: Option<Permissions>,
    connection_types: Option<BTreeSet<ConnectionType>>,
    proxy_required: bool,
}

const USER_KEYS: &[Key<Draft>] = &[
    field!("user", ["username"], name, Node::name),
    field!("password", ["pass"], password, Node::secret),
    field!("nkey", [], nkey, Node::name),
    Key::new("permissions", &["permission", "authorization"], |user, node, report| {
        user.permissions = Some(permissions::read(node, report)?);
        Ok(())
    }),
    field!("allowed_connection_types", ["connection_types", "clients"], connection_types, connection_types),
    field!("proxy_required", [], proxy_required, Node::bool),
];

/// Reads a `users [ … ]` list.
pub(super) fn read_users(node: &Node, report: &mut Report) -> Result<Vec<User>, Problem> {
    let wrong = |_| node.problem("Expected users field to be an array");
    let mut users = Vec::new();
    for entry in node.array().map_err(wrong)? {
        let mut draft = Draft::default();
        match read_block(USER_KEYS, unknown_field, &mut draft, entry, report) {
            Ok(()) => users.push(finish(draft, entry)?),
            Err(_) => report.error(entry.problem("Expected user entry to be a map/struct")),
        }
    }
    Ok(users)
}

fn finish(draft: Draft, node: &Node) -> Result<User, Problem> {
    let login = match (draft.nkey, draft.name) {
        (None, None) => return Err(node.problem("User entry requires a user")),
        (None, Some(name)) => Login::Password { name, password: draft.password.unwrap_or_default() },
        (Some(nkey), _) if !is_public_key(&nkey, 'U') => {
            return Err(node.problem("Not a valid public nkey for a user"));
        }
        (Some(nkey), None) if draft.password.is_none() => Login::Nkey(nkey),
        _ => return Err(node.problem("Nkey users do not take usernames or passwords")),
    };
    Ok(User {
        login,
        permissions: draft.permissions,
        connection_types: draft.connection_types,
        proxy_required: draft.proxy_required,
    })
}

fn connection_types(node: &Node) -> Result<Option<BTreeSet<ConnectionType>>, Problem> {
    let names = node.strings()?;
    let unknown: Vec<String> = names
        .iter()
        .filter(|name| ConnectionType::from_name(name).is_none())
        .map(|name| format!("{name:?}"))
        .collect();
    if !unknown.is_empty() {
        return Err(node.problem(format!("invalid connection types [{}]", unknown.join(" ").to_uppercase())));
    }
    let types: BTreeSet<_> = names.iter().filter_map(|name| ConnectionType::from_name(name)).collect();
    Ok((!types.is_empty()).then_some(types))
}

const CALLOUT_KEYS: &[Key<AuthCallout>] = &[
    Key::new("issuer", &[], |callout, node, _| {
        callout.issuer = node.string()?;
        if is_public_key(&callout.issuer, 'A') {
            return Ok(());
        }
        let got = &callout.issuer;
        Err(node.problem(format!("Expected callout user to be a valid public account nkey, got {got:?}")))
    }),
    field!("account", ["acc"], account, Node::string),
    field!("auth_users", ["users"], auth_users, Node::strings),
    Key::new("xkey", &["key"], |callout, node, _| {
        let key = node.string()?;
        if !is_public_key(&key, 'X') {
            return Err(node.problem(format!("Expected callout xkey to be a valid public xkey, got {key:?}")));
        }
        callout.xkey = Some(key);
        Ok(())
    }),
    field!("allowed_accounts", [], allowed_accounts, Node::strings),
];

fn read_callout(node: &Node, report: &mut Report) -> Result<Option<AuthCallout>, Problem> {
    let unknown = |key: &str| format!("Unknown field {key:?} parsing authorization callout");
    let mut callout: AuthCallout = block(CALLOUT_KEYS, unknown, node, report)?;
    if callout.account.is_empty() {
        callout.account = defaults::GLOBAL_ACCOUNT.to_owned();
    }
    if callout.issuer.is_empty() {
        return Err(node.problem("Authorization callouts require an issuer to be specified"));
    }
    if callout.auth_users.is_empty() {
        return Err(node.problem("Authorization callouts require authorized users to be specified"));
    }
    Ok(Some(callout))
}

/// Whether `key` is a public nkey of the kind its first letter names.
pub(super) fn is_public_key(key: &str, prefix: char) -> bool {
    key.starts_with(prefix) && (nkeys::KeyPair::from_public_key(key).is_ok() || is_curve_key(key, prefix))
}

/// Curve keys are no signing keys, so their kind is all there is to check besides the encoding.
fn is_curve_key(key: &str, prefix: char) -> bool {
    prefix == 'X' && data_encoding::BASE32_NOPAD.decode(key.as_bytes()).is_ok_and(|bytes| bytes.len() == 35)
}
