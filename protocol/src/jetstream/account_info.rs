//! What an account uses of JetStream and what it may use.

use std::collections::BTreeMap;

use serde::Serialize;

use super::omit;

/// The API level of the broker, which clients go by to know what they may ask for.
pub const API_LEVEL: u32 = 5;

/// The answer to `$JS.API.INFO`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AccountInfo {
    /// Bytes in memory.
    pub memory: u64,
    /// Bytes on disk.
    pub storage: u64,
    /// Bytes set aside in memory, by `max_bytes` of streams.
    pub reserved_memory: u64,
    /// Bytes set aside on disk, by `max_bytes` of streams.
    pub reserved_storage: u64,
    /// Number of streams.
    pub streams: u64,
    /// Number of consumers.
    pub consumers: u64,
    /// What the account may use.
    pub limits: AccountLimits,
    /// The JetStream domain, if the broker has one.
    #[serde(skip_serializing_if = "omit::zero")]
    pub domain: String,
    /// How the API is used.
    pub api: ApiStats,
    /// Use by tier, if the account has any.
    #[serde(skip_serializing_if = "omit::zero")]
    pub tiers: BTreeMap<String, AccountTier>,
}

/// Use and limits of one tier.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AccountTier {
    /// Bytes in memory.
    pub memory: u64,
    /// Bytes on disk.
    pub storage: u64,
    /// Bytes set aside in memory.
    pub reserved_memory: u64,
    /// Bytes set aside on disk.
    pub reserved_storage: u64,
    /// Number of streams.
    pub streams: u64,
    /// Number of consumers.
    pub consumers: u64,
    /// What may be used.
    pub limits: AccountLimits,
}

/// What an account may use; -1 is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AccountLimits {
    /// Bytes in memory.
    pub max_memory: i64,
    /// Bytes on disk.
    pub max_storage: i64,
    /// Streams.
    pub max_streams: i64,
    /// Consumers.
    pub max_consumers: i64,
    /// Messages awaiting acknowledgement, by consumer.
    pub max_ack_pending: i64,
    /// Bytes of one stream in memory.
    pub memory_max_stream_bytes: i64,
    /// Bytes of one stream on disk.
    pub storage_max_stream_bytes: i64,
    /// Streams have to set `max_bytes`.
    pub max_bytes_required: bool,
}

impl Default for AccountLimits {
    fn default() -> Self {
        Self {
            max_memory: -1,
            max_storage: -1,
            max_streams: -1,
            max_consumers: -1,
            max_ack_pending: -1,
            memory_max_stream_bytes: -1,
            storage_max_stream_bytes: -1,
            max_bytes_required: false,
        }
    }
}

/// How the API is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ApiStats {
    /// See [`API_LEVEL`].
    pub level: u32,
    /// Requests answered.
    pub total: u64,
    /// How many of them with an error.
    pub errors: u64,
    /// Requests being answered.
    #[serde(skip_serializing_if = "omit::zero")]
    pub inflight: u64,
}

impl Default for ApiStats {
    fn default() -> Self {
        Self { level: API_LEVEL, total: 0, errors: 0, inflight: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_without_limits_is_written_as_nats_server_writes_it() {
        let expected = concat!(
            r#"{"memory":0,"storage":0,"reserved_memory":0,"reserved_storage":0,"streams":0,"consumers":0,"#,
            r#""limits":{"max_memory":-1,"max_storage":-1,"max_streams":-1,"max_consumers":-1,"max_ack_pending":-1,"#,
            r#""memory_max_stream_bytes":-1,"storage_max_stream_bytes":-1,"max_bytes_required":false},"#,
            r#""api":{"level":5,"total":0,"errors":0}}"#
        );
        assert_eq!(serde_json::to_string(&AccountInfo::default()).unwrap(), expected);
    }
}
