//! `jetstream { … }`

use std::path::Path;

use crate::config::Config;
use crate::config::Secret;
use crate::config::jetstream::{self as js, BatchLimits, SyncPolicy};
use crate::jetstream::settings::Settings;
use crate::jetstream::stream::bounds::BatchBounds;
use crate::memory::{Shares, relief};
use crate::store::{self, Cipher, Encryption, StoreOptions};

/// Share of the free disk that JetStream takes when it is not told how much, in percent.
const DEFAULT_SHARE_PERCENT: u64 = 75;

/// What streams need of the configuration.
pub fn jetstream_settings(config: &Config, server_name: &str) -> Settings {
    let jetstream = &config.jetstream;
    let limit = |limit: Option<u64>| limit.map_or(0, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let store_dir = config.jetstream_dir();
    let shares = Shares::configured(config.memory_ceiling_bytes);
    Settings {
        sync_interval: match jetstream.sync {
            SyncPolicy::Always => 0,
            SyncPolicy::Every(interval) => i64::try_from(interval.as_nanos()).unwrap_or(i64::MAX),
        },
        payload_bytes_max: u64::from(config.limits.payload_bytes_max),
        server_name: server_name.to_owned(),
        system_account: super::operator::system_account(config)
            .or_else(|| config.system_account_name().map(str::to_owned))
            .unwrap_or_default(),
        domain: jetstream.domain.clone().unwrap_or_default(),
        strict: jetstream.strict,
        memory_bytes_max: bytes(jetstream.memory_bytes_max.unwrap_or(u64::MAX).min(shares.memory_streams)),
        file_bytes_max: bytes(jetstream.store_bytes_max.unwrap_or_else(|| disk_share(&store_dir))),
        ack_pending_max: limit(jetstream.limits.ack_pending_max),
        request_batch_max: limit(jetstream.limits.request_batch_max),
        duplicate_window_max: jetstream
            .limits
            .duplicate_window_max
            .map_or(0, |window| i64::try_from(window.as_nanos()).unwrap_or(i64::MAX)),
        consumers_default_max: limit(jetstream.limits.default_consumers_max),
        batches: batch_bounds(&jetstream.limits.batch, &shares),
        store_dir,
    }
}

/// nats-server has one limit for atomic and fast batches together, but different defaults.
fn batch_bounds(limits: &BatchLimits, shares: &Shares) -> BatchBounds {
    let defaults = BatchBounds::default();
    let per_stream = |default: usize| limit_or(limits.in_flight_per_stream_max, default as u64) as usize;
    BatchBounds {
        atomic_per_stream_max: per_stream(defaults.atomic_per_stream_max),
        atomic_max: limit_or(limits.in_flight_max, defaults.atomic_max),
        atomic_messages_max: limit_or(limits.messages_max, defaults.atomic_messages_max),
        fast_per_stream_max: per_stream(defaults.fast_per_stream_max),
        fast_max: limit_or(limits.in_flight_max, defaults.fast_max),
        timeout: limits.timeout.map_or(defaults.timeout, |t| i64::try_from(t.as_nanos()).unwrap_or(i64::MAX)),
        staged_bytes_max: shares.batches,
    }
}

/// 0 is no limit of its own.
fn limit_or(limit: Option<u64>, default: u64) -> u64 {
    limit.filter(|limit| *limit > 0).unwrap_or(default)
}

/// What the store needs of the configuration.
pub fn store_options(config: &Config) -> StoreOptions {
    let sync = match config.jetstream.sync {
        SyncPolicy::Always => store::SyncPolicy::Always,
        SyncPolicy::Every(interval) => store::SyncPolicy::Interval(interval),
    };
    let shares = Shares::configured(config.memory_ceiling_bytes);
    let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    StoreOptions {
        sync,
        commit_window: config.jetstream.commit_window,
        pending_bytes_max: shares.journal_pending,
        tail_cache_bytes_max: bytes(shares.journal_tail),
        index_bytes_max: bytes(shares.index),
        relieve: relief::relieve,
        encryption: encryption(&config.jetstream.encryption),
        ..StoreOptions::default()
    }
}

/// As for nats-server: an empty key is none, and ChaCha20-Poly1305 is what is used if nothing is said.
fn encryption(configured: &js::Encryption) -> Option<Encryption> {
    let key = |secret: &Option<Secret>| {
        secret.as_ref().map(|secret| secret.expose().to_owned()).filter(|key| !key.is_empty())
    };
    Some(Encryption {
        key: key(&configured.key)?,
        previous_key: key(&configured.previous_key),
        cipher: match configured.cipher {
            Some(js::Cipher::Aes) => Cipher::Aes,
            Some(js::Cipher::ChaCha) | None => Cipher::ChaCha,
        },
    })
}

/// Of the file system that the store is, or will be, on: what is free and what the store has already.
fn disk_share(store_dir: &Path) -> u64 {
    let stat = store_dir.ancestors().find_map(|dir| rustix::fs::statvfs(dir).ok());
    let free = stat.map_or(u64::MAX, |stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    free.saturating_add(store::journal_bytes(store_dir)) / 100 * DEFAULT_SHARE_PERCENT
}
