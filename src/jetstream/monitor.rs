//! What JetStream tells monitoring.

use std::sync::Arc;

use headwater_protocol::jetstream::consumer_info::ConsumerInfo;
use headwater_protocol::jetstream::stream_info::StreamInfo;

use super::JetStream;
use super::account::JsAccount;
use super::api::listed_stream;
use super::env::Phase;
use super::host::StreamHost;
use crate::clock::UnixNanos;
use crate::monitor::{
    ConsumerLag, HealthProblem, JetStreamAccount, JetStreamConfig, JetStreamLimits, JetStreamMonitor,
    JetStreamUse, LostMessages, StoreFacts,
};
use crate::store::StoreStats;

/// What nats-server tells when it syncs with every write: its default, in nanoseconds.
const SYNC_INTERVAL_TOLD: UnixNanos = 120_000_000_000;

impl JetStreamMonitor for JetStream {
    fn config(&self) -> JetStreamConfig {
        let settings = &self.env().settings;
        let sync_always = settings.sync_interval == 0;
        JetStreamConfig {
            max_memory: settings.memory_bytes_max,
            max_storage: settings.file_bytes_max,
            store_dir: settings.store_dir.to_string_lossy().into_owned(),
            sync_interval: if sync_always { SYNC_INTERVAL_TOLD } else { settings.sync_interval },
            sync_always,
            domain: settings.domain.clone(),
            compress_ok: true,
            strict: settings.strict,
            ..JetStreamConfig::default()
        }
    }

    fn limits(&self) -> JetStreamLimits {
        let settings = &self.env().settings;
        let limit = |limit: i64| u64::try_from(limit).unwrap_or(0);
        JetStreamLimits {
            max_request_batch: limit(settings.request_batch_max),
            max_ack_pending: limit(settings.ack_pending_max),
            max_duplicate_window: settings.duplicate_window_max,
            default_max_consumers: match settings.consumers_default_max {
                0 => -1,
                max => max,
            },
            ..JetStreamLimits::default()
        }
    }

    fn usage(&self) -> JetStreamUse {
        let mut total = JetStreamUse::default();
        for account in JetStream::accounts(self) {
            let usage = account_usage(&account).usage;
            total.memory += usage.memory;
            total.storage += usage.storage;
            total.reserved_memory = total.reserved_memory.saturating_add(usage.reserved_memory);
            total.reserved_storage = total.reserved_storage.saturating_add(usage.reserved_storage);
            total.accounts += 1;
            total.api.total += usage.api.total;
            total.api.errors += usage.api.errors;
        }
        total.api.level = headwater_protocol::jetstream::account_info::API_LEVEL;
        total
    }

    fn accounts(&self) -> Vec<JetStreamAccount> {
        JetStream::accounts(self).iter().map(|account| account_with_limits(account)).collect()
    }

    fn streams(&self, account: &str) -> Vec<StreamInfo> {
        let Some(account) = self.account(account) else { return Vec::new() };
        account.streams().iter().map(|host| listed_stream(host)).collect()
    }

    fn consumers(&self, account: &str, stream: &str) -> Vec<ConsumerInfo> {
        let host = self.account(account).and_then(|account| account.stream(stream));
        host.map_or_else(Vec::new, |host| consumers_of(&host))
    }

    fn consumer_lags(&self, account: &str, stream: &str, most: usize) -> Vec<ConsumerLag> {
        let host = self.account(account).and_then(|account| account.stream(stream));
        host.map_or_else(Vec::new, |host| consumer_lags(&host, most))
    }

    fn problems(&self) -> Vec<HealthProblem> {
        if self.env().phase() == Phase::Recovering {
            let error = "JetStream is still recovering its streams".to_owned();
            return vec![HealthProblem { error, ..HealthProblem::default() }];
        }
        let mut problems = self.unserved();
        if self.env().store.is_full() {
            let error = "JetStream store has no space left for messages".to_owned();
            problems.push(HealthProblem { error, ..HealthProblem::default() });
        }
        for host in JetStream::accounts(self).into_iter().flat_map(|account| account.streams()) {
            let known = |problem: &HealthProblem| *problem.stream == *host.name;
            if !host.in_service() && !problems.iter().any(known) {
                problems.push(out_of_service(&host));
            }
        }
        problems
    }

    fn store(&self) -> Option<StoreFacts> {
        Some(StoreFacts { state: self.state(), stats: self.store_stats(), lost: self.messages_lost() })
    }
}

impl JetStream {
    fn state(&self) -> &'static str {
        match self.env().phase() {
            Phase::Recovering => "recovering",
            Phase::Ready => "ready",
            Phase::Failed => "failed",
        }
    }

    /// What the store has counted since the start, and how large it is.
    pub fn store_stats(&self) -> StoreStats {
        self.env().store.stats()
    }

    /// The streams that have lost messages to damage since the start.
    pub fn messages_lost(&self) -> Vec<LostMessages> {
        let lost = self.env().store.messages_lost();
        if lost.is_empty() {
            return Vec::new();
        }
        let of = |host: &Arc<StreamHost>| {
            let messages = *lost.get(&host.id).filter(|_| host.is_on_disk())?;
            let (account, stream) = (host.account.name().to_string(), host.name.to_string());
            Some(LostMessages { account, stream, messages })
        };
        let hosts = JetStream::accounts(self).into_iter().flat_map(|account| account.streams());
        hosts.filter_map(|host| of(&host)).collect()
    }
}

/// The words for a failed store are nats-server's.
fn out_of_service(host: &StreamHost) -> HealthProblem {
    let (account, stream) = (host.account.name().to_string(), host.name.to_string());
    let error = match host.env.phase() {
        Phase::Failed => format!("JetStream stream '{account} > {stream}' write error: the store has failed"),
        _ => format!("JetStream stream '{account} > {stream}' is still being recovered"),
    };
    HealthProblem { account, stream, error }
}

/// An account reserves what it may use at most, as nats-server has it: without a limit that is `u64::MAX`.
fn account_with_limits(account: &JsAccount) -> JetStreamAccount {
    let (mut found, limits) = (account_usage(account), account.limits());
    found.usage.reserved_memory = limits.max_memory as u64;
    found.usage.reserved_storage = limits.max_storage as u64;
    found
}

fn account_usage(account: &JsAccount) -> JetStreamAccount {
    let info = account.info();
    let mut found = JetStreamAccount {
        name: account.account.name().to_string(),
        tag: account.account.tag().to_string(),
        streams: info.streams,
        consumers: info.consumers,
        ..JetStreamAccount::default()
    };
    found.usage.memory = info.memory;
    found.usage.storage = info.storage;
    found.usage.reserved_memory = info.reserved_memory;
    found.usage.reserved_storage = info.reserved_storage;
    found.usage.api.total = info.api.total;
    found.usage.api.errors = info.api.errors;
    for host in account.streams() {
        let state = host.lock().log.state();
        found.messages += state.messages;
        found.bytes += state.bytes;
    }
    found
}

fn consumer_lags(host: &Arc<StreamHost>, most: usize) -> Vec<ConsumerLag> {
    let mut state = host.lock();
    let keys: Vec<_> = state.consumers.keys().into_iter().take(most).collect();
    let mut lags = Vec::with_capacity(keys.len());
    for key in keys {
        let Some(info) = state.consumer_info(host, key) else { continue };
        let oldest = state.consumers.get(key).and_then(|hosted| hosted.machine.oldest_unacked());
        // One that has been removed meanwhile is not waited for.
        let oldest_unacked = oldest.and_then(|seq| state.log.timestamp(seq).ok().flatten());
        lags.push(ConsumerLag { info, oldest_unacked });
    }
    lags
}

fn consumers_of(host: &Arc<StreamHost>) -> Vec<ConsumerInfo> {
    let mut state = host.lock();
    state.consumers.keys().into_iter().filter_map(|key| state.consumer_info(host, key)).collect()
}
