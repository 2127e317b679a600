//! `cluster { … }`, as far as one server alone can have it.
//!
//! This server forms no cluster. A block (or flags) that names one and lists no routes, or only routes to itself, is
//! taken, because tools write it for single servers too; routes to others are refused.

use std::time::Duration;

use super::compression::{self, Compression};
use super::defaults;
use super::diff::Shown;
use super::grammar::Node;
use super::keys::{Key, block, field, nested, timed, unknown_field};
use super::permissions::{self, Permissions};
use super::read::{self, HostPort};
use super::report::{Problem, Report};
use super::secret::Secret;
use super::tls::{self, Peers, Tls};
use super::write_timeout::{self, WriteTimeout};

/// The cluster this server would be in.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cluster {
    pub name: Option<String>,
    pub host: String,
    /// 0 stands for any free port; absent: no cluster.
    pub port: Option<u16>,
    pub advertise: Option<String>,
    pub no_advertise: bool,
    pub routes: Vec<String>,
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub auth_timeout: Option<Duration>,
    pub permissions: Option<Permissions>,
    pub tls: Option<Tls>,
    pub connect_retries: i64,
    pub connect_backoff: bool,
    pub pool_size: i64,
    pub accounts: Vec<String>,
    pub compression: Compression,
    pub ping_interval: Option<Duration>,
    pub pings_outstanding_max: Option<u64>,
    pub write_deadline: Option<Duration>,
    pub write_timeout: WriteTimeout,
}

impl Cluster {
    /// Takes the address to listen on.
    pub(super) fn listen(&mut self, listen: HostPort) {
        self.host = listen.host;
        self.port = listen.port.listen();
    }

    /// The first route that leads to another server.
    pub(crate) fn foreign_route(&self) -> Option<&str> {
        self.routes.iter().map(String::as_str).find(|route| !self.is_own_route(route))
    }

    fn is_own_route(&self, route: &str) -> bool {
        let address = route.split_once("://").map_or(route, |(_, rest)| rest);
        let address = address.rsplit_once('@').map_or(address, |(_, host)| host).trim_end_matches('/');
        let Ok(HostPort { host, port }) = read::host_port(address) else {
            return false;
        };
        let same_host = is_this_machine(&host) || host == self.host;
        same_host && self.port.is_some_and(|own| own != 0 && port.listen() == Some(own))
    }
}

fn is_this_machine(host: &str) -> bool {
    matches!(host, "" | "localhost" | "0.0.0.0" | "::" | "::1") || host.starts_with("127.")
}

impl Shown for Cluster {
    fn shown(&self) -> String {
        format!("{}:{}", self.host, self.port.unwrap_or_default())
    }
}

const KEYS: &[Key<Cluster>] = &[
    Key::new("name", &[], |cluster, node, _| {
        cluster.name = node.name()?;
        match &cluster.name {
            Some(name) if name.contains(' ') => Err(node.problem("cluster name cannot contain spaces")),
            _ => Ok(()),
        }
    }),
    Key::new("listen", &[], |cluster, node, _| {
        cluster.listen(node.host_port()?);
        Ok(())
    }),
    Key::new("port", &[], |cluster, node, _| {
        cluster.port = node.port()?.listen();
        Ok(())
    }),
    field!("host", ["net"], host, Node::string),
    Key::new("authorization", &[], read_authorization),
    field!("routes", [], routes, routes),
    Key::new("tls", &[], |cluster, node, report| {
        cluster.tls = Some(tls::read(node, Peers::Servers, report)?);
        Ok(())
    }),
    field!("cluster_advertise", ["advertise"], advertise, Node::name),
    field!("no_advertise", [], no_advertise, Node::bool),
    field!("connect_retries", [], connect_retries, Node::integer),
    field!("connect_backoff", [], connect_backoff, Node::bool),
    Key::new("permissions", &[], |cluster, node, report| {
        let permissions = permissions::read(node, report)?;
        if permissions.responses.is_some() {
            return Err(node.problem("Cluster permissions do not support dynamic responses"));
        }
        cluster.permissions = Some(permissions);
        Ok(())
    }),
    field!("pool_size", [], pool_size, Node::integer),
    field!("accounts", [], accounts, Node::strings),
    nested!("compression", [], compression, compression::read_for_routes),
    timed!("ping_interval", [], ping_interval),
    field!("ping_max", [], pings_outstanding_max, Node::limit),
    timed!("write_deadline", [], write_deadline),
    field!("write_timeout", [], write_timeout, write_timeout::read),
];

/// Reads a `cluster { … }` block.
pub(super) fn read(node: &Node, report: &mut Report) -> Result<Cluster, Problem> {
    let mut cluster: Cluster = block(KEYS, unknown_field, node, report)?;
    if cluster.port.is_some() && cluster.host.is_empty() {
        cluster.host = defaults::HOST.to_owned();
    }
    match cluster.foreign_route() {
        Some(route) => {
            let problem = routes_refused(route);
            let entry = node.map()?.iter().find(|entry| entry.key.eq_ignore_ascii_case("routes"));
            Err(entry.map_or(node, |entry| &entry.node).problem(problem))
        }
        None => Ok(cluster),
    }
}

/// Why a route to another server is refused.
pub(crate) fn routes_refused(route: &str) -> String {
    let route = route.rsplit_once('@').map_or(route, |(_, host)| host);
    format!("cluster routes are not served: this server runs alone and cannot join {route:?}; use leafnodes")
}

fn read_authorization(cluster: &mut Cluster, node: &Node, report: &mut Report) -> Result<(), Problem> {
    let auth = super::authorization::read(node, report)?;
    let not_for_clusters = [
        (auth.users.is_some(), "Cluster authorization does not allow multiple users"),
        (auth.token.is_some(), "Cluster authorization does not support tokens"),
        (auth.callout.is_some(), "Cluster authorization does not support callouts"),
    ];
    if let Some((_, reason)) = not_for_clusters.iter().find(|(written, _)| *written) {
        return Err(node.problem(*reason));
    }
    cluster.user = auth.user;
    cluster.password = auth.password;
    cluster.auth_timeout = auth.timeout;
    if let Some(permissions) = auth.default_permissions {
        let hint = "setting \"permissions\" within cluster authorization block is deprecated";
        report.warn(node.problem(format!("invalid use of field \"authorization\": {hint}")));
        cluster.permissions.get_or_insert(permissions);
    }
    Ok(())
}

fn routes(node: &Node) -> Result<Vec<String>, Problem> {
    node.array()?.iter().map(Node::string).collect()
}
