//! Commits: everything that waits goes out in one write per segment and one fdatasync.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::MutexGuard;

use super::Journal;
use super::pending::Batch;
use super::record::{Draft, FLAG_SYNCED, HEADER_LEN, Kind, Location};
use super::segment::Segment;
use crate::options::SyncPolicy;
use crate::stats::Counters;
use crate::{Lsn, StoreError};

/// What is left from commit to commit.
#[derive(Default)]
pub(super) struct CommitState {
    /// Segments written and not yet synced.
    pub(super) unsynced: Vec<Arc<Segment>>,
    /// More segments are being synced, or could not be.
    pub(super) syncing: bool,
    /// The record that says that the journal ends here; it must go before anything follows.
    pub(super) closed: Option<Location>,
}

impl Journal {
    /// Writes everything that waits, and makes it durable if the policy is to sync always. False when nothing waited.
    pub fn commit(&self) -> Result<bool, StoreError> {
        self.commit_with(self.commit.lock(), true)
    }

    /// Like [`Journal::commit`], of what settles doubts about the last commit before a crash: it must not vouch for that. If it
    /// is not finished either, the doubts are still there.
    pub(crate) fn commit_settlement(&self) -> Result<bool, StoreError> {
        self.commit_with(self.commit.lock(), false)
    }

    /// Makes everything written durable. Commits go on meanwhile.
    pub fn sync(&self) -> Result<(), StoreError> {
        let _one = self.sync.lock();
        let mut state = self.commit.lock();
        if state.unsynced.is_empty() {
            return Ok(());
        }
        let written = self.written();
        let mut unsynced = std::mem::take(&mut state.unsynced);
        state.syncing = true;
        drop(state);
        let done = self.sync_segments(&mut unsynced);
        done.map_err(|error| self.fail(error))?;
        self.commit.lock().syncing = false;
        self.durable.fetch_max(written.0, Ordering::AcqRel);
        self.tell_committed();
        Ok(())
    }

    /// Commits and syncs until everything appended so far is durable.
    pub fn flush(&self) -> Result<(), StoreError> {
        while self.commit()? {}
        self.sync()
    }

    /// Takes back what said that the journal ends. The first commit does it, if nobody has before.
    pub fn unclose(&self) -> Result<(), StoreError> {
        let mut state = self.commit.lock();
        let done = self.unclose_at(&mut state);
        drop(state);
        done.map_err(|error| self.fail(error))
    }

    pub(super) fn commit_with(
        &self,
        mut state: MutexGuard<'_, CommitState>,
        vouches: bool,
    ) -> Result<bool, StoreError> {
        let taken = self.take(vouches && state.unsynced.is_empty() && !state.syncing);
        let batch = match taken {
            Ok(Some(batch)) => batch,
            Ok(None) => return Ok(false),
            Err(error) => return Err(self.fail(error)),
        };
        let done = self.write_and_sync(&batch, &mut state);
        // Whoever commits next has to know how this one ended.
        let done = done.map(|()| self.advance(batch.end)).map_err(|error| self.fail(error));
        let _telling = self.telling.read_recursive();
        drop(state);
        done?;
        self.tell_of(batch.end);
        Ok(true)
    }

    fn take(&self, synced: bool) -> Result<Option<Batch>, StoreError> {
        let mut core = self.core.lock();
        let taken = core.take(synced)?;
        if core.take_chore() {
            self.chores.wake();
        }
        let Some(batch) = taken else { return Ok(None) };
        self.in_flight_bytes.store(batch.bytes, Ordering::Relaxed);
        self.waits.store(false, Ordering::Relaxed);
        self.pending_bytes.store(0, Ordering::Relaxed);
        let mut tail = self.tail.write();
        for part in &batch.parts {
            tail.push(Location { segment: part.segment.id, offset: part.offset }, part.bytes.clone());
        }
        drop(tail);
        self.pending_start.store(batch.end.0, Ordering::Release);
        Ok(Some(batch))
    }

    fn unclose_at(&self, state: &mut CommitState) -> Result<(), StoreError> {
        let Some(at) = state.closed.take() else { return Ok(()) };
        let segment = self.files.get(at.segment)?;
        let mut record = Vec::with_capacity(HEADER_LEN);
        let opened = Draft { flags: FLAG_SYNCED, ..Draft::new(Kind::Opened, 0) };
        opened.encode(segment.seeds, None, &mut record);
        segment.write(at.offset, &record)?;
        segment.sync()
    }

    fn write_and_sync(&self, batch: &Batch, state: &mut CommitState) -> Result<(), StoreError> {
        self.unclose_at(state)?;
        self.write(batch, &mut state.unsynced)?;
        match self.options.sync {
            SyncPolicy::Always => self.sync_segments(&mut state.unsynced),
            SyncPolicy::Interval(_) => Ok(()),
        }
    }

    fn write(&self, batch: &Batch, unsynced: &mut Vec<Arc<Segment>>) -> Result<(), StoreError> {
        for part in &batch.parts {
            part.segment.write(part.offset, &part.bytes)?;
            if !unsynced.iter().any(|segment| segment.id == part.segment.id) {
                unsynced.push(Arc::clone(&part.segment));
            }
        }
        Counters::add(&self.counters.bytes_written, batch.bytes);
        Counters::add(&self.counters.commits, 1);
        Ok(())
    }

    fn sync_segments(&self, unsynced: &mut Vec<Arc<Segment>>) -> Result<(), StoreError> {
        for segment in unsynced.drain(..) {
            segment.sync()?;
            Counters::add(&self.counters.syncs, 1);
        }
        Ok(())
    }

    fn advance(&self, end: Lsn) {
        self.written.fetch_max(end.0, Ordering::AcqRel);
        if self.options.sync == SyncPolicy::Always {
            self.durable.fetch_max(end.0, Ordering::AcqRel);
        }
    }

    fn tell_of(&self, end: Lsn) {
        self.trim_tail(end);
        self.in_flight_bytes.store(0, Ordering::Relaxed);
        self.tell_committed();
        if *self.pressed.lock() {
            self.update_pressure();
        }
    }

    /// Lets go of buffers that readers near the tail have had long enough; who reads one still keeps it.
    fn trim_tail(&self, written: Lsn) {
        loop {
            let Some(oldest) = self.tail.write().trim(written) else { return };
            if oldest.is_unique() {
                self.core.lock().recycle(oldest.into());
            }
        }
    }
}
