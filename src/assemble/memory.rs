//! `memory_ceiling`

use crate::config::Config;
use crate::memory::{Shares, relief};
use crate::router::outbound::OUTBOUND;
use crate::session;

/// Bounds what all connections of the process hold together; the other parts are told with their settings.
pub fn bound_memory(config: &Config) {
    let shares = Shares::configured(config.memory_ceiling_bytes);
    log::info!("Memory ceiling: {} bytes", shares.ceiling);
    relief::set_ceiling(shares.ceiling);
    OUTBOUND.set_bytes_max(usize::try_from(shares.outbound).unwrap_or(usize::MAX));
    session::bound_inbox(shares.inbox, u64::from(config.limits.payload_bytes_max));
    let wanted = config.jetstream.memory_bytes_max.filter(|wanted| *wanted > shares.memory_streams);
    if let Some(wanted) = wanted.filter(|_| config.jetstream.enabled) {
        log::warn!(
            "max_memory_store ({wanted}) is more than memory_ceiling leaves for it ({})",
            shares.memory_streams
        );
    }
}
