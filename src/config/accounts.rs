//! `accounts { … }`: who shares subjects with whom.

use std::collections::BTreeSet;

use super::authorization::{User, apply_default_permissions, is_public_key, read_users};
use super::defaults;
use super::exchange::{Export, Import, read_exports, read_imports};
use super::grammar::{Node, Value};
use super::jetstream::read_switch;
use super::keys::{Key, block, field, nested, read_block, unknown_field};
use super::mappings::{self, Mapping};
use super::permissions::{self, Permissions};
use super::report::{Problem, Report};
use super::subject;

/// One account.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Account {
    pub name: String,
    /// Public account nkey, `A…`.
    pub nkey: Option<String>,
    pub users: Vec<User>,
    /// For users without permissions of their own.
    pub default_permissions: Option<Permissions>,
    /// Absent: the account has no streams.
    pub jetstream: Option<AccountJetStream>,
    pub limits: AccountLimits,
    pub exports: Vec<Export>,
    pub imports: Vec<Import>,
    pub mappings: Vec<Mapping>,
    pub message_trace: Option<MessageTrace>,
}

/// What an account may keep in streams; absent: no limit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AccountJetStream {
    pub memory_bytes_max: Option<u64>,
    pub store_bytes_max: Option<u64>,
    pub streams_max: Option<u64>,
    pub consumers_max: Option<u64>,
    /// Streams have to set a limit to their bytes.
    pub stream_bytes_max_required: bool,
    pub memory_stream_bytes_max: Option<u64>,
    pub store_stream_bytes_max: Option<u64>,
    pub ack_pending_max: Option<u64>,
    /// Replication traffic counts for the account itself instead of the system.
    pub owns_cluster_traffic: bool,
}

/// Limits of an account's connections; absent: those of the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountLimits {
    pub connections_max: Option<u64>,
    pub subscriptions_max: Option<u64>,
    pub payload_bytes_max: Option<u64>,
    pub leafnodes_max: Option<u64>,
}

/// Where traces of messages with a trace-parent header go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageTrace {
    pub destination: String,
    pub sampling_percent: u8,
}

const KEYS: &[Key<Account>] = &[
    Key::new("nkey", &[], |account, node, _| {
        let nkey = node.string()?;
        if !is_public_key(&nkey, 'A') {
            return Err(node.problem(format!("Not a valid public nkey for an account: {nkey:?}")));
        }
        account.nkey = Some(nkey);
        Ok(())
    }),
    nested!("users", [], users, read_users),
    Key::new("default_permissions", &[], |account, node, report| {
        account.default_permissions = Some(permissions::read(node, report)?);
        Ok(())
    }),
    nested!("jetstream", [], jetstream, read_jetstream),
    Key::new("limits", &[], |account, node, report| {
        let unknown = |key: &str| format!("Unknown field {key:?} parsing account limits");
        read_block(LIMIT_KEYS, unknown, &mut account.limits, node, report)
    }),
    nested!("exports", [], exports, read_exports),
    nested!("imports", [], imports, read_imports),
    nested!("mappings", ["maps"], mappings, mappings::read),
    nested!("msg_trace", ["trace_dest"], message_trace, read_trace),
];

const JETSTREAM_KEYS: &[Key<AccountJetStream>] = &[
    field!("max_memory", ["max_mem", "mem", "memory"], memory_bytes_max, Node::limit_or_zero),
    field!("max_store", ["max_file", "max_disk", "store", "disk"], store_bytes_max, Node::limit_or_zero),
    field!("max_streams", ["streams"], streams_max, Node::limit_or_zero),
    field!("max_consumers", ["consumers"], consumers_max, Node::limit_or_zero),
    field!("max_bytes_required", ["max_stream_bytes", "max_bytes"], stream_bytes_max_required, Node::bool),
    field!("memory_max_stream_bytes", ["mem_max_stream_bytes"], memory_stream_bytes_max, Node::limit_or_zero),
    field!("store_max_stream_bytes", ["disk_max_stream_bytes"], store_stream_bytes_max, Node::limit_or_zero),
    field!("max_ack_pending", [], ack_pending_max, Node::limit_or_zero),
    Key::new("cluster_traffic", &[], |limits, node, _| {
        limits.owns_cluster_traffic = match node.text()? {
            "owner" => true,
            "system" | "" => false,
            other => {
                let reason =
                    format!("Expected 'system' or 'owner' string value for \"cluster_traffic\", got {other}");
                return Err(node.problem(reason));
            }
        };
        Ok(())
    }),
];

const LIMIT_KEYS: &[Key<AccountLimits>] = &[
    field!("max_connections", ["max_conn"], connections_max, Node::limit_or_zero),
    field!("max_subscriptions", ["max_subs"], subscriptions_max, Node::limit_or_zero),
    field!("max_payload", ["max_pay"], payload_bytes_max, Node::limit_or_zero),
    field!("max_leafnodes", ["max_leafs"], leafnodes_max, Node::limit_or_zero),
];

/// Reads `accounts { … }` or a list of names.
pub(super) fn read(node: &Node, report: &mut Report) -> Result<Vec<Account>, Problem> {
    let accounts = match &node.value {
        Value::Array(names) => from_names(names, report)?,
        _ => from_map(node, report)?,
    };
    for problem in undefined_partners(&accounts) {
        report.error(node.problem(problem));
    }
    Ok(accounts)
}

fn from_names(names: &[Node], report: &mut Report) -> Result<Vec<Account>, Problem> {
    let mut accounts: Vec<Account> = Vec::new();
    for node in names {
        let name = node.string()?;
        if name == defaults::GLOBAL_ACCOUNT {
            report.error(node.problem(format!("{name:?} is a Reserved Account")));
        } else if accounts.iter().any(|account| account.name == name) {
            report.error(node.problem(format!("Duplicate Account Entry: {name}")));
        } else {
            accounts.push(Account { name, ..Account::default() });
        }
    }
    Ok(accounts)
}

fn from_map(node: &Node, report: &mut Report) -> Result<Vec<Account>, Problem> {
    let mut accounts = Vec::new();
    let mut logins = BTreeSet::new();
    for entry in node.map()?.iter().filter(|entry| !entry.used_as_variable) {
        if &*entry.key == defaults::GLOBAL_ACCOUNT {
            report.error(entry.node.problem(format!("{:?} is a Reserved Account", entry.key)));
            continue;
        }
        match account(&entry.key, &entry.node, report) {
            Ok(account) => {
                claim_logins(&account.users, &mut logins, users_node(&entry.node), report);
                accounts.push(account);
            }
            Err(_) => report.error(entry.node.problem("Expected map entries for accounts")),
        }
    }
    Ok(accounts)
}

fn account(name: &str, node: &Node, report: &mut Report) -> Result<Account, Problem> {
    let mut account = Account { name: name.to_owned(), ..Account::default() };
    read_block(KEYS, unknown_field, &mut account, node, report)?;
    apply_default_permissions(&mut account.users, account.default_permissions.as_ref());
    Ok(account)
}

/// The list that a complaint about an account's users points to.
pub(super) fn users_node(account: &Node) -> &Node {
    let users =
        account.map().ok().and_then(|map| map.iter().find(|entry| entry.key.eq_ignore_ascii_case("users")));
    users.map_or(account, |entry| &entry.node)
}

/// Complains about logins that are already taken, and takes the others.
pub(super) fn claim_logins(users: &[User], taken: &mut BTreeSet<String>, node: &Node, report: &mut Report) {
    for user in users {
        let name = user.login.name();
        if !taken.insert(name.to_owned()) {
            let what = if is_public_key(name, 'U') { "nkey" } else { "user" };
            report.error(node.problem(format!("Duplicate {what} {name:?} detected")));
        }
    }
}

/// Accounts that exports and imports speak of and nobody defined.
fn undefined_partners(accounts: &[Account]) -> Vec<String> {
    let defined: BTreeSet<&str> = accounts.iter().map(|account| account.name.as_str()).collect();
    let missing = |name: &str| !defined.contains(name);
    let mut problems = Vec::new();
    for account in accounts {
        for export in &account.exports {
            for name in export.accounts.iter().filter(|name| missing(name)) {
                problems.push(format!("{name:?} account not defined for {} export", export_kind(export)));
            }
        }
        for import in account.imports.iter().filter(|import| missing(&import.account)) {
            problems.push(format!(
                "{:?} account not defined for {} import",
                import.account,
                import_kind(import)
            ));
        }
    }
    problems
}

fn export_kind(export: &Export) -> &'static str {
    match export.kind {
        super::exchange::ExportKind::Stream => "stream",
        super::exchange::ExportKind::Service(_) => "service",
    }
}

fn import_kind(import: &Import) -> &'static str {
    match import.kind {
        super::exchange::ImportKind::Stream { .. } => "stream",
        super::exchange::ImportKind::Service { .. } => "service",
    }
}

fn read_jetstream(node: &Node, report: &mut Report) -> Result<Option<AccountJetStream>, Problem> {
    match &node.value {
        Value::Map(_) => block(JETSTREAM_KEYS, unknown_field, node, report).map(Some),
        _ => Ok(read_switch(node)?.then(AccountJetStream::default)),
    }
}

fn read_trace(node: &Node, report: &mut Report) -> Result<Option<MessageTrace>, Problem> {
    let (destination, sampling_percent) = match &node.value {
        Value::Text(destination) => (Some(destination.clone()), None),
        _ => trace_map(node)?,
    };
    match (destination, sampling_percent) {
        (Some(destination), _) if !subject::is_literal(&destination) => {
            Err(node.problem(format!("Trace destination {destination:?} is not valid")))
        }
        (Some(destination), sampling) => {
            Ok(Some(MessageTrace { destination, sampling_percent: sampling.unwrap_or(100) }))
        }
        (None, Some(_)) => {
            report.warn(node.problem("Trace destination sampling ignored since no destination was set"));
            Ok(None)
        }
        (None, None) => Ok(None),
    }
}

fn trace_map(node: &Node) -> Result<(Option<String>, Option<u8>), Problem> {
    let (mut destination, mut sampling) = (None, None);
    for entry in node.map()?.iter() {
        match entry.key.to_lowercase().as_str() {
            "dest" => destination = Some(entry.node.string()?),
            "sampling" => sampling = Some(trace_sampling(&entry.node)?),
            _ => {
                let reason =
                    format!("Unknown field {:?} parsing account message trace map/struct", entry.key);
                return Err(entry.node.problem(reason));
            }
        }
    }
    Ok((destination, sampling))
}

fn trace_sampling(node: &Node) -> Result<u8, Problem> {
    let number = match &node.value {
        Value::Text(text) => text
            .trim_end_matches('%')
            .parse()
            .map_err(|_| node.problem(format!("Invalid trace destination sampling value {text:?}")))?,
        _ => node.integer()?,
    };
    match u8::try_from(number) {
        Ok(percent @ 1..=100) => Ok(percent),
        _ => {
            let reason =
                format!("Trace destination sampling value {number} is invalid, needs to be [1..100]");
            Err(node.problem(reason))
        }
    }
}
