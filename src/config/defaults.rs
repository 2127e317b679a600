//! What a directive that is not written stands for (nats-server 2.15.1, unless a line says otherwise).

use std::time::Duration;

/// Clients are listened for on all addresses.
pub const HOST: &str = "0.0.0.0";
pub const CLIENT_PORT: u16 = 4222;
pub const LEAF_PORT: u16 = 7422;
pub const MONITOR_BASE_PATH: &str = "/";

pub const CONNECTIONS_MAX: u64 = 65_536;
pub const CONTROL_LINE_BYTES_MAX: u32 = 4_096;
pub const PAYLOAD_BYTES_MAX: u32 = 1_048_576;
pub const PENDING_BYTES_MAX: u64 = 67_108_864;
pub const CLOSED_CONNECTIONS_KEPT_MAX: u64 = 10_000;

pub const PING_INTERVAL: Duration = Duration::from_secs(120);
pub const PINGS_OUTSTANDING_MAX: u32 = 2;
pub const WRITE_DEADLINE: Duration = Duration::from_secs(10);
pub const LAME_DUCK_DURATION: Duration = Duration::from_secs(120);
pub const LAME_DUCK_DURATION_MIN: Duration = Duration::from_secs(30);
pub const LAME_DUCK_GRACE_PERIOD: Duration = Duration::from_secs(10);

/// To send CONNECT; with TLS, the TLS timeout and a second.
pub const AUTH_TIMEOUT: Duration = Duration::from_secs(2);
pub const TLS_TIMEOUT: Duration = Duration::from_secs(2);
pub const HANDSHAKE_FIRST_DELAY: Duration = Duration::from_millis(50);
/// A timeout for authentication above this gets a warning.
pub const AUTH_TIMEOUT_HIGH: Duration = Duration::from_secs(60);

pub const RESPONSES_MAX: u64 = 1;
pub const RESPONSE_EXPIRES: Duration = Duration::from_secs(120);

pub const REQUEST_QUEUE_MAX: u64 = 10_000;
pub const CONCURRENT_IO_MAX: u64 = 4_096;
/// What a relaxed `sync_interval` would be in nats-server; here the default is to sync always.
pub const SYNC_INTERVAL: Duration = Duration::from_secs(120);

pub const CONNECT_ERROR_REPORTS: u64 = 3_600;
pub const RECONNECT_ERROR_REPORTS: u64 = 1;
pub const LEAF_RECONNECT: Duration = Duration::from_secs(1);
pub const LEAF_FIRST_INFO_TIMEOUT: Duration = Duration::from_secs(1);

pub const SYSTEM_ACCOUNT: &str = "$SYS";
pub const GLOBAL_ACCOUNT: &str = "$G";
