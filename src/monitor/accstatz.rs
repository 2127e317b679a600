//! `/accstatz`: what accounts send and receive.

use serde::{Deserialize, Serialize};

use super::number::time;
use super::query::{BadRequest, Query};
use super::source::{AccountFacts, LinkTraffic, Source};
use crate::clock::UnixNanos;

/// Which accounts. As JSON these are the options of `$SYS` requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AccstatzOptions {
    /// Only these, if any are named.
    pub accounts: Vec<String>,
    /// Those without connections, too.
    pub include_unused: bool,
}

/// The answer.
#[derive(Debug, Serialize)]
pub struct Accstatz {
    pub server_id: String,
    #[serde(serialize_with = "time")]
    pub now: UnixNanos,
    pub account_statz: Vec<AccountStat>,
}

/// One account.
#[derive(Debug, Serialize)]
pub struct AccountStat {
    pub acc: String,
    pub name: String,
    pub conns: u64,
    pub leafnodes: u64,
    pub total_conns: u64,
    pub num_subscriptions: u64,
    pub sent: DataStats,
    pub received: DataStats,
    pub slow_consumers: u64,
}

/// Messages and bytes in all, and by kind of link.
#[derive(Debug, Serialize)]
pub struct DataStats {
    #[serde(flatten)]
    pub all: MsgBytes,
    pub gateways: MsgBytes,
    pub routes: MsgBytes,
    pub leafs: MsgBytes,
}

/// Messages and bytes.
#[derive(Debug, Default, Serialize)]
pub struct MsgBytes {
    pub msgs: u64,
    pub bytes: u64,
}

impl AccstatzOptions {
    /// Reads the options of an HTTP request.
    pub fn from_query(query: &Query<'_>) -> Result<Self, BadRequest> {
        Ok(Self { accounts: Vec::new(), include_unused: query.bool("unused")? })
    }

    fn wants(&self, account: &AccountFacts) -> bool {
        let named = self.accounts.is_empty() || self.accounts.iter().any(|name| **name == *account.name);
        let used = account.client_connections > 0 || account.leafnode_connections > 0;
        named && (used || self.include_unused)
    }
}

/// Shows what accounts send and receive.
pub fn accstatz(source: &dyn Source, options: &AccstatzOptions) -> Accstatz {
    let mut accounts = source.accounts();
    accounts.retain(|account| options.wants(account));
    accounts.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let account_statz = accounts.into_iter().map(AccountStat::of).collect();
    Accstatz { server_id: source.server().id, now: source.now(), account_statz }
}

impl AccountStat {
    /// The statistics of one account, also for `$SYS.REQ.ACCOUNT.*.CONNS`.
    pub fn of(account: AccountFacts) -> Self {
        Self {
            acc: account.name.to_string(),
            name: account.name.to_string(),
            conns: account.client_connections,
            leafnodes: account.leafnode_connections,
            total_conns: account.client_connections + account.leafnode_connections,
            num_subscriptions: account.subscriptions,
            sent: DataStats::of(account.sent),
            received: DataStats::of(account.received),
            slow_consumers: account.slow_consumers,
        }
    }
}

impl DataStats {
    fn of(traffic: LinkTraffic) -> Self {
        Self {
            all: MsgBytes { msgs: traffic.msgs, bytes: traffic.bytes },
            gateways: MsgBytes::default(),
            routes: MsgBytes::default(),
            leafs: MsgBytes { msgs: traffic.leaf_msgs, bytes: traffic.leaf_bytes },
        }
    }
}
