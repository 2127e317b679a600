//! `/jsz`: JetStream, its accounts, streams and consumers.

use headwater_protocol::jetstream::consumer_info::ConsumerInfo;
use headwater_protocol::jetstream::stream_config::StreamConfig;
use headwater_protocol::jetstream::stream_info::{ClusterInfo, StreamInfo, StreamSourceInfo, StreamState};
use headwater_protocol::jetstream::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::number::{time, zero};
use super::query::{BadRequest, Query};
use super::source::{
    JetStreamAccount, JetStreamConfig, JetStreamLimits, JetStreamMonitor, JetStreamUse, Source,
};
use super::store::StoreFacts;
use crate::clock::UnixNanos;

/// Accounts per answer when no limit is asked for.
const LIMIT_DEFAULT: usize = 1024;

/// How much to show. As JSON these are the options of `$SYS` requests. What only a cluster has is accepted and has no
/// effect on a single server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct JszOptions {
    /// Show this account, if not empty.
    pub account: String,
    /// Show accounts.
    pub accounts: bool,
    /// Show streams; shows accounts, too.
    pub streams: bool,
    /// Show consumers; shows streams, too.
    pub consumer: bool,
    /// Show consumers of mirrors and sources, of which a single server has none to show.
    pub direct_consumer: bool,
    /// Show configurations of what is shown.
    pub config: bool,
    pub leader_only: bool,
    /// How many accounts to leave out at the start; below zero is zero.
    pub offset: i64,
    /// How many accounts at most; zero is the default, below zero is all.
    pub limit: i64,
    /// Show numbers of leaders.
    pub raft: bool,
    pub stream_leader_only: bool,
}

/// The answer.
#[derive(Debug, Default, Serialize)]
pub struct Jsz {
    #[serde(flatten)]
    pub usage: JetStreamUse,
    pub server_id: String,
    #[serde(serialize_with = "time")]
    pub now: UnixNanos,
    #[serde(skip_serializing_if = "zero")]
    pub disabled: bool,
    pub config: JetStreamConfig,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<JetStreamLimits>,
    pub streams: u64,
    #[serde(skip_serializing_if = "zero")]
    pub streams_leader: u64,
    pub consumers: u64,
    #[serde(skip_serializing_if = "zero")]
    pub consumers_leader: u64,
    pub messages: u64,
    pub bytes: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub account_details: Vec<AccountDetail>,
    /// How many accounts have JetStream, before paging.
    pub total: usize,
    /// The store, for monitoring only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headwater: Option<StoreFacts>,
}

/// One account.
#[derive(Debug, Serialize)]
pub struct AccountDetail {
    pub name: String,
    pub id: String,
    #[serde(flatten)]
    pub usage: JetStreamUse,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stream_detail: Vec<StreamDetail>,
}

/// One stream.
#[derive(Debug, Serialize)]
pub struct StreamDetail {
    pub name: String,
    pub created: Timestamp,
    pub cluster: ClusterInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<StreamConfig>,
    pub state: StreamState,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consumer_detail: Vec<ConsumerInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<StreamSourceInfo>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<StreamSourceInfo>,
}

impl JszOptions {
    /// Reads the options of an HTTP request.
    pub fn from_query(query: &Query<'_>) -> Result<Self, BadRequest> {
        Ok(Self {
            account: query.text("acc").to_owned(),
            accounts: query.bool("accounts")?,
            streams: query.bool("streams")?,
            consumer: query.bool("consumers")?,
            direct_consumer: query.bool("direct-consumers")?,
            config: query.bool("config")?,
            offset: query.int("offset")?,
            limit: query.int("limit")?,
            leader_only: query.bool("leader-only")?,
            raft: query.bool("raft")?,
            stream_leader_only: query.bool("stream-leader-only")?,
        })
    }

    fn streams(&self) -> bool {
        self.streams || self.consumer
    }

    fn accounts(&self) -> bool {
        self.accounts || (self.streams() && self.account.is_empty())
    }
}

/// Shows JetStream.
pub fn jsz(source: &dyn Source, options: &JszOptions) -> Jsz {
    let server = source.server();
    let empty = Jsz { server_id: server.id, now: source.now(), ..Jsz::default() };
    let Some(jetstream) = source.jetstream() else { return Jsz { disabled: true, ..empty } };
    let accounts = jetstream.accounts();
    let sum = |count: fn(&JetStreamAccount) -> u64| accounts.iter().map(count).sum::<u64>();
    let (streams, consumers) = (sum(|a| a.streams), sum(|a| a.consumers));
    Jsz {
        usage: jetstream.usage(),
        config: jetstream.config(),
        limits: Some(jetstream.limits()),
        streams,
        streams_leader: if options.raft { streams } else { 0 },
        consumers,
        consumers_leader: if options.raft { consumers } else { 0 },
        messages: sum(|a| a.messages),
        bytes: sum(|a| a.bytes),
        total: accounts.len(),
        account_details: page(accounts, options)
            .into_iter()
            .map(|account| account_detail(&*jetstream, account, &server.name, options))
            .collect(),
        ..empty
    }
}

/// Shows JetStream and, beyond what nats-server shows, the store.
pub fn jsz_with_store(source: &dyn Source, options: &JszOptions) -> Jsz {
    let headwater = source.jetstream().and_then(|jetstream| jetstream.store());
    Jsz { headwater, ..jsz(source, options) }
}

/// What one account has, for `$SYS.REQ.ACCOUNT.*.JSZ`; `None` if it has no JetStream.
pub fn jsz_of_account(source: &dyn Source, options: &JszOptions) -> Option<AccountDetail> {
    let jetstream = source.jetstream()?;
    let account = jetstream.accounts().into_iter().find(|account| account.name == options.account)?;
    Some(account_detail(&*jetstream, account, &source.server().name, options))
}

/// The accounts to show: the one that is named if it has JetStream, else a page of all if they are wanted.
fn page(mut accounts: Vec<JetStreamAccount>, options: &JszOptions) -> Vec<JetStreamAccount> {
    if accounts.iter().any(|account| account.name == options.account) {
        accounts.retain(|account| account.name == options.account);
        return accounts;
    }
    if !options.accounts() {
        return Vec::new();
    }
    accounts.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let limit = match options.limit {
        0 => LIMIT_DEFAULT,
        limit => usize::try_from(limit).unwrap_or(usize::MAX),
    };
    accounts.into_iter().skip(usize::try_from(options.offset).unwrap_or_default()).take(limit).collect()
}

fn account_detail(
    jetstream: &dyn JetStreamMonitor,
    account: JetStreamAccount,
    leader: &str,
    options: &JszOptions,
) -> AccountDetail {
    let streams = if options.streams() { jetstream.streams(&account.name) } else { Vec::new() };
    let detail = |stream| stream_detail(jetstream, &account.name, stream, leader, options);
    let stream_detail = streams.into_iter().map(detail).collect();
    AccountDetail { name: account.tag, id: account.name, usage: account.usage, stream_detail }
}

fn stream_detail(
    jetstream: &dyn JetStreamMonitor,
    account: &str,
    stream: StreamInfo,
    leader: &str,
    options: &JszOptions,
) -> StreamDetail {
    let name = stream.config.name.clone();
    let mut consumers = if options.consumer { jetstream.consumers(account, &name) } else { Vec::new() };
    if !options.config {
        consumers.iter_mut().for_each(|consumer| consumer.config = None);
    }
    StreamDetail {
        name,
        created: stream.created,
        cluster: ClusterInfo { name: String::new(), leader: leader.to_owned() },
        config: options.config.then_some(stream.config),
        state: stream.state,
        consumer_detail: consumers,
        mirror: stream.mirror,
        sources: stream.sources,
    }
}
