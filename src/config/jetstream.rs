//! `jetstream { … }`: the server's own; what accounts may use of it is in [`accounts`](super::accounts).

use std::path::PathBuf;
use std::time::Duration;

use super::defaults;
use super::diff::{Changes, Shown};
use super::duration;
use super::grammar::{Node, Value};
use super::keys::{Key, field, nested, read_block, unknown_field};
use super::report::{Problem, Report};
use super::secret::Secret;

/// Streams on this server.
#[derive(Debug, Clone, PartialEq)]
pub struct JetStream {
    pub enabled: bool,
    /// API requests with unknown fields are errors.
    pub strict: bool,
    /// As written; streams live in `jetstream/` below it, see [`Config::jetstream_dir`](super::Config::jetstream_dir).
    pub store_dir: Option<PathBuf>,
    pub sync: SyncPolicy,
    /// How long a commit waits for more to gather; zero: not at all.
    pub commit_window: Duration,
    /// Absent: as much as the machine allows.
    pub memory_bytes_max: Option<u64>,
    /// Absent: as much as the disk allows.
    pub store_bytes_max: Option<u64>,
    pub domain: Option<String>,
    pub encryption: Encryption,
    pub extension_hint: Option<String>,
    pub unique_tag: Option<String>,
    pub limits: StreamLimits,
    pub tpm: Option<Tpm>,
    pub outstanding_catchup_bytes_max: Option<u64>,
    /// What one stream's inbox may hold.
    pub buffered_bytes_max: Option<u64>,
    pub buffered_messages_max: Option<u64>,
    /// API requests waiting.
    pub requests_queued_max: u64,
    /// API requests for information waiting; absent: as `requests_queued_max`.
    pub info_requests_queued_max: Option<u64>,
    pub meta_compact: Option<u64>,
    pub meta_compact_bytes: Option<u64>,
    pub meta_compact_sync: bool,
    pub concurrent_io_max: u64,
}

impl Default for JetStream {
    fn default() -> Self {
        Self {
            enabled: false,
            strict: true,
            store_dir: None,
            sync: SyncPolicy::Always,
            commit_window: Duration::ZERO,
            memory_bytes_max: None,
            store_bytes_max: None,
            domain: None,
            encryption: Encryption::default(),
            extension_hint: None,
            unique_tag: None,
            limits: StreamLimits::default(),
            tpm: None,
            outstanding_catchup_bytes_max: None,
            buffered_bytes_max: None,
            buffered_messages_max: None,
            requests_queued_max: defaults::REQUEST_QUEUE_MAX,
            info_requests_queued_max: None,
            meta_compact: None,
            meta_compact_bytes: None,
            meta_compact_sync: false,
            concurrent_io_max: defaults::CONCURRENT_IO_MAX,
        }
    }
}

/// When what was published is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Before it is acknowledged.
    Always,
    /// At most this long after.
    Every(Duration),
}

impl Shown for SyncPolicy {
    fn shown(&self) -> String {
        match self {
            Self::Always => "always".to_owned(),
            Self::Every(interval) => duration::show(*interval),
        }
    }
}

/// Encryption at rest.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Encryption {
    pub key: Option<Secret>,
    pub previous_key: Option<Secret>,
    pub cipher: Option<Cipher>,
}

impl Shown for Encryption {
    fn shown(&self) -> String {
        "[hidden]".to_owned()
    }
}

/// What encrypts at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cipher {
    ChaCha,
    Aes,
}

impl Shown for Cipher {
    fn shown(&self) -> String {
        format!("{self:?}")
    }
}

/// The key for encryption at rest in a TPM.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tpm {
    pub keys_file: Option<PathBuf>,
    pub encryption_password: Option<Secret>,
    pub srk_password: Option<Secret>,
    pub pcr: u64,
    pub cipher: Option<Cipher>,
}

/// Limits for all streams and consumers of the server; absent: the API's own.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StreamLimits {
    pub ack_pending_max: Option<u64>,
    pub ha_assets_max: Option<u64>,
    pub request_batch_max: Option<u64>,
    pub duplicate_window_max: Option<Duration>,
    /// Consumers of a stream that sets no limit itself.
    pub default_consumers_max: Option<u64>,
    pub batch: BatchLimits,
}

impl Shown for StreamLimits {
    fn shown(&self) -> String {
        format!("{self:?}")
    }
}

/// Limits for batch publishing (ADR-50).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BatchLimits {
    pub in_flight_per_stream_max: Option<u64>,
    pub in_flight_max: Option<u64>,
    pub messages_max: Option<u64>,
    pub timeout: Option<Duration>,
}

/// Clients wait for their acknowledgement at least this long, so that more is a mistake.
const COMMIT_WINDOW_MAX: Duration = Duration::from_secs(1);

const KEYS: &[Key<JetStream>] = &[
    field!("enabled", ["enable"], enabled, Node::bool),
    field!("strict", [], strict, Node::bool, restart("NoJetStreamStrict")),
    Key::watched(
        "store_dir",
        &["store", "storedir"],
        |js, node, _| set_store_dir(js, node),
        store_dir_changes,
    ),
    Key::watched("sync_interval", &["sync"], read_sync, |old, new, changes| {
        changes.restart(&old.sync, &new.sync, "SyncInterval")
    }),
    Key::watched("commit_window", &[], read_commit_window, |old, new, changes| {
        changes.restart(&old.commit_window, &new.commit_window, "CommitWindow")
    }),
    Key::watched(
        "max_memory_store",
        &["max_mem_store", "max_mem", "max_memory"],
        |js, node, _| {
            js.memory_bytes_max = node.storage_bytes("max_mem_store")?;
            Ok(())
        },
        |old, new, changes| limit_changes(old, new, |js| js.memory_bytes_max, "max_mem_store", changes),
    ),
    Key::watched(
        "max_file_store",
        &["max_file"],
        |js, node, _| {
            js.store_bytes_max = node.storage_bytes("max_file_store")?;
            Ok(())
        },
        |old, new, changes| limit_changes(old, new, |js| js.store_bytes_max, "max_file_store", changes),
    ),
    field!("domain", [], domain, Node::name, restart("JetStreamDomain")),
    field!("key", ["ek", "encryption_key"], encryption.key, Node::secret, restart("JetStreamKey")),
    field!(
        "prev_key",
        ["prev_ek", "prev_encryption_key"],
        encryption.previous_key,
        Node::secret,
        restart("JetStreamOldKey")
    ),
    field!("cipher", [], encryption.cipher, cipher, restart("JetStreamCipher")),
    field!("extension_hint", [], extension_hint, Node::name, restart("JetStreamExtHint")),
    nested!("limits", [], limits, read_limits, restart("JetStreamLimits")),
    nested!("tpm", [], tpm, read_tpm),
    Key::new("unique_tag", &[], |js, node, _| {
        js.unique_tag = node.name()?.map(|tag| tag.trim().to_lowercase());
        Ok(())
    }),
    Key::new("max_outstanding_catchup", &[], |js, node, _| {
        js.outstanding_catchup_bytes_max = node.storage_bytes("max_outstanding_catchup")?;
        Ok(())
    }),
    Key::watched(
        "max_buffered_size",
        &[],
        |js, node, _| {
            js.buffered_bytes_max = node.storage_bytes("max_buffered_size")?.filter(|&bytes| bytes > 0);
            Ok(())
        },
        |old, new, changes| {
            changes.restart(&old.buffered_bytes_max, &new.buffered_bytes_max, "StreamMaxBufferedSize");
        },
    ),
    field!("max_buffered_msgs", [], buffered_messages_max, Node::limit, restart("StreamMaxBufferedMsgs")),
    Key::watched(
        "request_queue_limit",
        &[],
        |js, node, _| {
            js.requests_queued_max = node.limit()?.unwrap_or(defaults::REQUEST_QUEUE_MAX);
            Ok(())
        },
        |old, new, changes| {
            changes.restart(&old.requests_queued_max, &new.requests_queued_max, "JetStreamRequestQueueLimit");
        },
    ),
    field!("info_queue_limit", [], info_requests_queued_max, Node::limit, restart("JetStreamInfoQueueLimit")),
    field!("meta_compact", [], meta_compact, absolute),
    Key::new("meta_compact_size", &[], |js, node, _| {
        js.meta_compact_bytes = node.storage_bytes("meta_compact_size")?;
        Ok(())
    }),
    field!("meta_compact_sync", [], meta_compact_sync, Node::bool),
    field!("max_concurrent_io", [], concurrent_io_max, concurrent_io, restart("JetStreamConcurrentIOs")),
];

const LIMIT_KEYS: &[Key<StreamLimits>] = &[
    field!("max_ack_pending", [], ack_pending_max, Node::limit),
    field!("max_ha_assets", [], ha_assets_max, Node::limit),
    field!("max_request_batch", [], request_batch_max, Node::limit),
    field!("duplicate_window", [], duplicate_window_max, optional_duration),
    field!("default_max_consumers", [], default_consumers_max, Node::limit),
    Key::new("batch", &[], |limits, node, report| {
        read_block(BATCH_KEYS, unknown_field, &mut limits.batch, node, report)
    }),
];

const BATCH_KEYS: &[Key<BatchLimits>] = &[
    field!("max_inflight_per_stream", [], in_flight_per_stream_max, Node::limit),
    field!("max_inflight_total", [], in_flight_max, Node::limit),
    field!("max_msgs", [], messages_max, Node::limit),
    field!("timeout", [], timeout, optional_duration),
];

const TPM_KEYS: &[Key<Tpm>] = &[
    field!("keys_file", [], keys_file, Node::path),
    field!("encryption_password", [], encryption_password, Node::secret),
    field!("srk_password", [], srk_password, Node::secret),
    field!("pcr", [], pcr, Node::unsigned),
    field!("cipher", [], cipher, cipher),
];

/// Reads `jetstream: true`, `jetstream: enabled` or `jetstream { … }`.
pub(super) fn read(js: &mut JetStream, node: &Node, report: &mut Report) -> Result<(), Problem> {
    match &node.value {
        Value::Map(_) => {
            js.enabled = true;
            read_block(KEYS, unknown_field, js, node, report)
        }
        _ => {
            js.enabled = read_switch(node)?;
            Ok(())
        }
    }
}

/// A boolean, or one of the words `enabled` and `disabled`.
pub(super) fn read_switch(node: &Node) -> Result<bool, Problem> {
    let text = match &node.value {
        Value::Bool(enabled) => return Ok(*enabled),
        Value::Text(text) => text,
        other => {
            let reason = format!("Expected map, bool or string to define JetStream, got {}", other.kind());
            return Err(node.problem(reason));
        }
    };
    match text.to_lowercase().as_str() {
        "enabled" | "enable" => Ok(true),
        "disabled" | "disable" => Ok(false),
        _ => Err(node.problem(format!("Expected 'enabled' or 'disabled' for string value, got '{text}'"))),
    }
}

/// Takes the storage directory, which can be written inside the block or at the top, but not in both places.
pub(super) fn set_store_dir(js: &mut JetStream, node: &Node) -> Result<(), Problem> {
    if js.store_dir.is_some() {
        return Err(node.problem("Duplicate 'store_dir' configuration"));
    }
    js.store_dir = node.path()?;
    Ok(())
}

/// What a reload has to do to the streams of the server.
pub(super) fn changes(old: &JetStream, new: &JetStream, changes: &mut Changes) {
    if old.enabled != new.enabled {
        changes.applied("JetStream", "JetStream".to_owned());
    }
    // Without streams, before or after, their settings are of no consequence.
    if old.enabled && new.enabled {
        KEYS.iter().for_each(|key| (key.changes)(old, new, changes));
    }
}

fn store_dir_changes(old: &JetStream, new: &JetStream, changes: &mut Changes) {
    if old.store_dir != new.store_dir {
        let what = if new.store_dir.is_some() { "storage directory" } else { "storage dir" };
        changes.refused("StoreDir", format!("config reload not supported for jetstream {what}"));
    }
}

/// A limit can be raised, and that is all.
fn limit_changes(
    old: &JetStream,
    new: &JetStream,
    limit: fn(&JetStream) -> Option<u64>,
    name: &'static str,
    changes: &mut Changes,
) {
    let refused = |changes: &mut Changes, what: &str| {
        changes.refused("JetStreamMaxStore", format!("config reload not supported for {what}"));
    };
    match (limit(old), limit(new)) {
        (old, new) if old == new => {}
        (Some(old), Some(new)) if new > old => {
            changes.applied("JetStreamMaxStore", format!("JetStream {name} = {new}"));
        }
        (Some(_), Some(_)) => refused(changes, "decreasing jetstream max memory and store"),
        (None, _) => refused(changes, "jetstream dynamic max memory and store"),
        (_, None) => refused(changes, "jetstream max memory and max store"),
    }
}

fn read_sync(js: &mut JetStream, node: &Node, report: &mut Report) -> Result<(), Problem> {
    js.sync = match &node.value {
        Value::Text(text) if text.eq_ignore_ascii_case("always") => SyncPolicy::Always,
        _ => SyncPolicy::Every(node.duration("sync_interval", report)?),
    };
    Ok(())
}

fn read_commit_window(js: &mut JetStream, node: &Node, report: &mut Report) -> Result<(), Problem> {
    let window = node.duration("commit_window", report)?;
    if window > COMMIT_WINDOW_MAX {
        return Err(node.problem(format!("commit_window can not be longer than {COMMIT_WINDOW_MAX:?}")));
    }
    js.commit_window = window;
    Ok(())
}

fn read_limits(node: &Node, report: &mut Report) -> Result<StreamLimits, Problem> {
    super::keys::block(LIMIT_KEYS, unknown_field, node, report)
}

fn read_tpm(node: &Node, report: &mut Report) -> Result<Option<Tpm>, Problem> {
    super::keys::block(TPM_KEYS, unknown_field, node, report).map(Some)
}

fn cipher(node: &Node) -> Result<Option<Cipher>, Problem> {
    let text = node.text()?;
    match text.to_lowercase().as_str() {
        "chacha" | "chachapoly" => Ok(Some(Cipher::ChaCha)),
        "aes" => Ok(Some(Cipher::Aes)),
        _ => Err(node.problem(format!("Unknown cipher type: {text:?}"))),
    }
}

fn optional_duration(node: &Node) -> Result<Option<Duration>, Problem> {
    let nanos = node.nanos()?;
    Ok(u64::try_from(nanos).ok().filter(|&nanos| nanos > 0).map(Duration::from_nanos))
}

fn absolute(node: &Node) -> Result<Option<u64>, Problem> {
    let number = node.integer()?;
    match u64::try_from(number) {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(node.problem(format!("Expected an absolute size for \"meta_compact\", got {number}"))),
    }
}

fn concurrent_io(node: &Node) -> Result<u64, Problem> {
    match node.unsigned() {
        Ok(number @ 4..=8192) => Ok(number),
        _ => Err(node.problem("Expected an absolute size for \"max_concurrent_io\" between 4 and 8192")),
    }
}
