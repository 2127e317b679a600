//! `/accountz`: the accounts, or one of them in detail.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::number::{time, zero};
use super::query::{BadRequest, Query};
use super::source::{
    AccountExport, AccountFacts, AccountImport, MappingDestination, Source, SubscriptionStats,
};
use crate::clock::UnixNanos;

/// Which account. As JSON these are the options of `$SYS` requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AccountzOptions {
    /// Show this account in detail, if not empty.
    pub account: String,
}

/// The answer: names, or one account.
#[derive(Debug, Serialize)]
pub struct Accountz {
    pub server_id: String,
    #[serde(serialize_with = "time")]
    pub now: UnixNanos,
    #[serde(skip_serializing_if = "zero")]
    pub system_account: String,
    #[serde(skip_serializing_if = "zero")]
    pub accounts: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_detail: Option<AccountDetail>,
}

/// One account.
#[derive(Debug, Serialize)]
pub struct AccountDetail {
    pub account_name: String,
    #[serde(serialize_with = "time")]
    pub update_time: UnixNanos,
    #[serde(skip_serializing_if = "zero")]
    pub is_system: bool,
    pub expired: bool,
    pub complete: bool,
    pub jetstream_enabled: bool,
    pub leafnode_connections: u64,
    pub client_connections: u64,
    pub subscriptions: u64,
    #[serde(skip_serializing_if = "zero_map")]
    pub mappings: BTreeMap<String, Vec<MappingDestination>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<AccountExport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<AccountImport>,
    pub name_tag: String,
    pub sublist_stats: SubscriptionStats,
}

fn zero_map(map: &BTreeMap<String, Vec<MappingDestination>>) -> bool {
    map.is_empty()
}

impl AccountzOptions {
    /// Reads the options of an HTTP request.
    pub fn from_query(query: &Query<'_>) -> Self {
        Self { account: query.text("acc").to_owned() }
    }
}

/// Lists accounts by name, or shows one.
pub fn accountz(source: &dyn Source, options: &AccountzOptions) -> Result<Accountz, BadRequest> {
    let system_account = source.system_account();
    let mut accounts = source.accounts();
    let mut answer = Accountz {
        server_id: source.server().id,
        now: source.now(),
        system_account,
        accounts: Vec::new(),
        account_detail: None,
    };
    if options.account.is_empty() {
        accounts.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        answer.accounts = accounts.iter().map(|account| account.name.to_string()).collect();
        return Ok(answer);
    }
    let found = accounts.into_iter().find(|account| *account.name == *options.account);
    let found = found.ok_or_else(|| BadRequest(format!("Account {} does not exist", options.account)))?;
    let stats = source.subscription_stats(Some(&options.account));
    answer.account_detail = Some(detail(found, &answer.system_account, stats));
    Ok(answer)
}

fn detail(account: AccountFacts, system_account: &str, sublist_stats: SubscriptionStats) -> AccountDetail {
    AccountDetail {
        is_system: *account.name == *system_account,
        update_time: account.updated,
        expired: false,
        complete: true,
        jetstream_enabled: account.jetstream_enabled,
        leafnode_connections: account.leafnode_connections,
        client_connections: account.client_connections,
        subscriptions: account.subscriptions,
        mappings: account.mappings,
        exports: account.exports,
        imports: account.imports,
        name_tag: account.tag.to_string(),
        account_name: account.name.to_string(),
        sublist_stats,
    }
}
