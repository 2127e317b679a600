//! How many matching messages have never been delivered (`num_pending`).
//!
//! The count is exact but lazy: nothing is done when the stream changes, only when the consumer takes a step, and then only
//! for what changed. Whether something was removed ahead of the consumer shows in the number of live messages there, which
//! is cheap to get; only then the filtered count is made anew.

use bytes::Bytes;
use headwater_store::{MessageLog, StoreError};

/// A count and what it holds for.
#[derive(Debug, Default)]
pub struct Backlog {
    valid: bool,
    /// Matching messages in `from..=through`.
    count: u64,
    /// All messages in `from..=through`.
    live: u64,
    from: u64,
    through: u64,
    /// The log's count of removals when `live` was true.
    removals: u64,
}

impl Backlog {
    /// The count as of the last [`Self::sync`], less what was delivered since.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Makes the count true for `from..=through`.
    pub fn sync(
        &mut self,
        log: &dyn MessageLog,
        filters: &[Bytes],
        from: u64,
        through: u64,
    ) -> Result<(), StoreError> {
        let stale = !self.valid || self.from != from || self.through > through;
        if stale || (self.removals != log.removals() && self.live != live(log, from, self.through)?) {
            return self.recount(log, filters, from, through);
        }
        self.removals = log.removals();
        if through > self.through {
            let added_from = from.max(self.through.saturating_add(1));
            let added = live(log, added_from, through)?;
            self.live += added;
            self.count += if filters.is_empty() || added == 0 {
                added
            } else {
                log.count_matches(added_from, through, filters)?
            };
            self.through = through;
        }
        Ok(())
    }

    /// One message of the count has been delivered.
    pub fn delivered_one(&mut self) {
        self.count = self.count.saturating_sub(1);
    }

    /// Delivery has come to `from`. The log must not have changed since [`Self::sync`].
    pub fn moved_to(&mut self, log: &dyn MessageLog, filters: &[Bytes], from: u64) -> Result<(), StoreError> {
        self.from = from;
        self.live = match filters {
            [] => self.count,
            _ => live(log, from, self.through)?,
        };
        Ok(())
    }

    /// Position or filters have changed in a way that has nothing to do with deliveries.
    pub fn invalidate(&mut self) {
        self.valid = false;
    }

    fn recount(
        &mut self,
        log: &dyn MessageLog,
        filters: &[Bytes],
        from: u64,
        through: u64,
    ) -> Result<(), StoreError> {
        self.valid = false;
        self.live = live(log, from, through)?;
        self.count = match (filters.is_empty(), self.live) {
            (true, live) => live,
            (false, 0) => 0,
            (false, _) => log.count_matches(from, through, filters)?,
        };
        (self.from, self.through, self.removals) = (from, through, log.removals());
        self.valid = true;
        Ok(())
    }
}

/// How many messages a range holds.
fn live(log: &dyn MessageLog, from: u64, through: u64) -> Result<u64, StoreError> {
    let state = log.state();
    let (from, through) = (from.max(state.first_seq).max(1), through.min(state.last_seq));
    if from > through || state.messages == 0 {
        return Ok(0);
    }
    if log.deleted_count() == 0 {
        return Ok(through - from + 1);
    }
    log.count_matches(from, through, &[])
}
