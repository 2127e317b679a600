//! Looking for the next messages, several at a time.

use std::ops::ControlFlow;

use bytes::Bytes;
use headwater_store::{MessageLog, StoreError};
use smallvec::SmallVec;

use super::found::Found;

/// Messages looked for together.
const AHEAD_MAX: usize = 32;

/// Matches that were found together. They hold for one step of a consumer, in which the log does not change.
pub(super) struct Ahead {
    found: SmallVec<[Found; AHEAD_MAX]>,
    passed: usize,
    /// How many are looked for the next time: more the longer the step goes on.
    wanted: usize,
}

impl Ahead {
    pub(super) fn new() -> Self {
        Self { found: SmallVec::new(), passed: 0, wanted: 1 }
    }

    /// The first match in `from..=up_to`; `from` never goes back, the rest never changes.
    pub(super) fn next(
        &mut self,
        log: &dyn MessageLog,
        from: u64,
        up_to: u64,
        filters: &[Bytes],
    ) -> Result<Option<Found>, StoreError> {
        while let Some(found) = self.found.get(self.passed) {
            if found.seq >= from {
                return Ok(Some(*found));
            }
            self.passed += 1;
        }
        self.look(log, from, up_to, filters)?;
        Ok(self.found.first().copied())
    }

    fn look(
        &mut self,
        log: &dyn MessageLog,
        from: u64,
        up_to: u64,
        filters: &[Bytes],
    ) -> Result<(), StoreError> {
        let Self { found, passed, wanted } = self;
        found.clear();
        *passed = 0;
        let visited = log.for_each_match(from, up_to, filters, &mut |seq, meta| {
            found.push(Found { seq, content_bytes: meta.content_bytes });
            if found.len() < *wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        *wanted = (*wanted * 2).min(AHEAD_MAX);
        // What was found before the log could not read on comes first.
        if found.is_empty() { visited } else { Ok(()) }
    }
}
