//! Housekeeping beside the commits: the next segment is made ready before it is needed, dead ones are given back.

use super::facade::Shared;
use super::stats::Counters;
use super::StoreError;

impl Shared {
    /// One round of housekeeping.
    pub fn maintain(&self) -> Result<(), StoreError> {
        self.reclaim()?;
        self.prepare_next(None)
    }

    /// Gives dead segments back, or makes one the next.
    fn reclaim(&self) -> Result<(), StoreError> {
        let durable = self.journal.durable();
        let dead = self.journal.with_core(|core| core.usage.dead(durable));
        for id in dead {
            Counters::add(&self.journal.counters.segments_reclaimed, 1);
            self.prepare_next(Some(id))?;
            if self.journal.files.exists(id) {
                self.journal.files.remove(id)?;
            }
            self.journal.with_core(|core| core.segment_gone(id));
        }
        self.registry.lock().release_deletions(&self.journal);
        Ok(())
    }

    /// Makes the next segment ready unless one is, out of `recycled` if given.
    fn prepare_next(&self, recycled: Option<u32>) -> Result<(), StoreError> {
        let Some(id) = self.journal.with_core(|core| core.wants_segment()) else { return Ok(()) };
        match self.journal.files.prepare(id, recycled) {
            Ok(segment) => {
                if !self.journal.with_core(|core| core.offer(segment)) {
                    self.journal.files.remove(id)?;
                }
                Ok(())
            }
            Err(error) => {
                self.journal.with_core(|core| core.segment_denied(&error));
                match error {
                    StoreError::DiskFull => Ok(()),
                    other => Err(other),
                }
            }
        }
    }
}
