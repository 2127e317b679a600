//! One ceiling for the memory of the whole process, and how its parts share it.
//!
//! What a part keeps for speed (index pages, recent commits) is given a fixed share. What comes and goes with
//! traffic is counted against its share, and over it whoever brings more has to wait: publishers while too much waits for
//! receivers or for the disk, large messages while too many are on their way in. Nobody is killed.

pub mod allocator;
pub mod code;
mod limit;
pub mod relief;

pub use self::limit::available_bytes;

const MIB: u64 = 1 << 20;

/// Share of what the machine or container has that is taken when no ceiling is set, in percent.
const DEFAULT_PERCENT: u64 = 75;

/// Code, stacks, connections and subscriptions themselves, and what allocator and sled need beyond what is asked of them.
const PROCESS_BYTES: u64 = 16 * MIB;

/// The parts share at least this much, however low the ceiling.
const SHARED_BYTES_MIN: u64 = 16 * MIB;

/// A connection without anything waiting.
const CONNECTION_BYTES: u64 = 8 << 10;

/// What each part may hold, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// What the process as a whole may hold.
    pub ceiling: u64,
    /// Index pages of all streams.
    pub index: u64,
    /// Records that wait for a commit.
    pub journal_pending: u64,
    /// Commits of a moment ago.
    pub journal_tail: u64,
    /// What waits to be sent, all connections together.
    pub outbound: u64,
    /// Large messages on their way in, all connections together.
    pub inbox: u64,
    /// Atomic batches that are not committed yet.
    pub batches: u64,
    /// Memory streams.
    pub memory_streams: u64,
}

impl Shares {
    /// How a ceiling of so many bytes is shared out.
    pub fn of(ceiling: u64) -> Self {
        let shared = ceiling.saturating_sub(PROCESS_BYTES).max(SHARED_BYTES_MIN);
        let caches = Self {
            ceiling,
            index: (shared / 4).min(64 * MIB),
            journal_pending: (shared / 16).min(8 * MIB),
            journal_tail: (shared / 24).min(4 * MIB),
            outbound: shared / 4,
            inbox: shared / 8,
            batches: (shared / 12).min(64 * MIB),
            memory_streams: 0,
        };
        Self { memory_streams: shared - caches.sum(), ..caches }
    }

    /// The shares of a ceiling that was configured, or else of a share of what the machine or container has.
    pub fn configured(ceiling: Option<u64>) -> Self {
        Self::of(ceiling.unwrap_or_else(|| available_bytes() / 100 * DEFAULT_PERCENT))
    }

    /// Beyond this a connection is a slow consumer, whatever it is allowed. Publishers wait long before.
    pub fn outbound_of_one(&self, payload_bytes_max: u64) -> u64 {
        (self.outbound + self.inbox).max(payload_bytes_max.saturating_mul(2))
    }

    /// Most connections at a time.
    pub fn connections(&self) -> u64 {
        self.ceiling / 4 / CONNECTION_BYTES
    }

    fn sum(&self) -> u64 {
        let journal = self.journal_pending + self.journal_tail;
        self.index + journal + self.outbound + self.inbox + self.batches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_never_add_up_to_more_than_the_ceiling() {
        for ceiling in [32, 48, 64, 100, 256, 1000, 8_000, 1 << 20].map(|mib| mib * MIB) {
            let shares = Shares::of(ceiling);
            assert!(shares.sum() + shares.memory_streams + PROCESS_BYTES <= ceiling, "{shares:?}");
            assert!(shares.memory_streams > 0);
        }
    }

    #[test]
    fn a_ceiling_that_is_too_low_still_leaves_every_part_something_to_work_with() {
        let shares = Shares::of(1);
        assert!(shares.index >= MIB && shares.journal_pending >= MIB && shares.outbound >= MIB);
    }

    #[test]
    fn one_connection_can_always_be_sent_the_largest_message() {
        let shares = Shares::of(64 * MIB);
        assert!(shares.outbound_of_one(MIB) > shares.outbound);
        assert_eq!(shares.outbound_of_one(16 * MIB), 32 * MIB);
    }
}
