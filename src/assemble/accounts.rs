//! `accounts { … }`: what an account may use.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use headwater_protocol::jetstream::account_info::AccountLimits;

use crate::account::GLOBAL_ACCOUNT;
use crate::config::Config;
use crate::config::accounts::{AccountJetStream, MessageTrace};
use crate::jetstream::LimitsOf;
use crate::operator::Operator;
use crate::server::Server;
use crate::trace::TraceTerms;

/// Which accounts have JetStream, and how much of it. Without `accounts` the global account has all; with them, each that
/// asks for it.
pub fn jetstream_limits(config: &Config) -> LimitsOf {
    let mut limits: HashMap<String, AccountLimits> = HashMap::new();
    let configured =
        config.accounts.iter().filter_map(|account| Some((account, account.jetstream.as_ref()?)));
    for (account, jetstream) in configured {
        limits.insert(account.name.clone(), account_limits(jetstream));
    }
    let system = config.system_account_name().map(str::to_owned);
    let global_has_it = limits.is_empty();
    Box::new(move |name| match limits.get(name) {
        Some(limits) => Some(*limits),
        None if name == GLOBAL_ACCOUNT && global_has_it && system.as_deref() != Some(name) => {
            Some(AccountLimits::default())
        }
        None => None,
    })
}

/// As [`jetstream_limits`], in operator mode: what the accounts' tokens say.
pub fn jetstream_limits_of_tokens(operator: &Arc<Operator>) -> LimitsOf {
    let operator = Arc::downgrade(operator);
    Box::new(move |name| {
        let limits = operator.upgrade()?.jetstream_limits(name)?;
        let positive = |limit: i64| if limit > 0 { limit } else { -1 };
        Some(AccountLimits {
            max_memory: limits.memory_bytes_max,
            max_storage: limits.disk_bytes_max,
            max_streams: limits.streams_max,
            max_consumers: limits.consumers_max,
            max_ack_pending: positive(limits.ack_pending_max),
            memory_max_stream_bytes: positive(limits.memory_stream_bytes_max),
            storage_max_stream_bytes: positive(limits.disk_stream_bytes_max),
            max_bytes_required: limits.stream_bytes_max_required,
        })
    })
}

/// Sets the limits of accounts that are not JetStream's, and what they have traced.
pub fn apply_account_limits(config: &Config, server: &Server) {
    let limit = |limit: Option<u64>| limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    for configured in &config.accounts {
        let account = server.account(&configured.name);
        let limits = account.limits();
        limits.connections_max.store(limit(configured.limits.connections_max), Ordering::Relaxed);
        limits.subscriptions_max.store(limit(configured.limits.subscriptions_max), Ordering::Relaxed);
        limits.payload_bytes_max.store(limit(configured.limits.payload_bytes_max), Ordering::Relaxed);
        limits.leafnodes_max.store(limit(configured.limits.leafnodes_max), Ordering::Relaxed);
        account.set_trace_terms(configured.message_trace.as_ref().map(trace_terms));
    }
}

fn trace_terms(configured: &MessageTrace) -> TraceTerms {
    TraceTerms {
        destination: configured.destination.as_str().into(),
        sampling_percent: configured.sampling_percent,
    }
}

fn account_limits(configured: &AccountJetStream) -> AccountLimits {
    let limit = |limit: Option<u64>| limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    AccountLimits {
        max_memory: limit(configured.memory_bytes_max),
        max_storage: limit(configured.store_bytes_max),
        max_streams: limit(configured.streams_max),
        max_consumers: limit(configured.consumers_max),
        max_ack_pending: limit(configured.ack_pending_max),
        memory_max_stream_bytes: limit(configured.memory_stream_bytes_max),
        storage_max_stream_bytes: limit(configured.store_stream_bytes_max),
        max_bytes_required: configured.stream_bytes_max_required,
    }
}
