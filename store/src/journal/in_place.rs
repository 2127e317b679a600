//! Commits in place: where the disk is quick, whoever appended also writes, and syncs if little waits.
//!
//! That saves the committer's thread from being woken for every batch, and the batch from waiting for it. What is more than a
//! little is synced by the committer, so that the next gathers meanwhile.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;

use super::Journal;
use super::commit::CommitState;
use crate::StoreError;
use crate::options::SyncPolicy;

/// Commits that take longer are left to the committer's thread: a disk that makes writers wait must not hold up whoever appends.
const QUICK_COMMIT_MAX: Duration = Duration::from_micros(500);

/// So many quick commits in a row let those who append sync too: a disk that is slow now and then is left to the committer.
const QUICK_SYNCS_MIN: u32 = 32;

/// Bytes that are synced in place; with more it is worth having the next gather meanwhile.
const SYNCED_IN_PLACE_BYTES_MAX: u64 = 4096;

/// Who commits.
#[derive(Debug, Default)]
pub(super) struct InPlace {
    /// Those who append, rather than the committer.
    allowed: AtomicBool,
    /// Commits in a row that were quick.
    quick: AtomicU32,
}

impl InPlace {
    fn note(&self, is_quick: bool, quick_min: u32) {
        let quick = if is_quick { self.quick.load(Ordering::Relaxed).saturating_add(1) } else { 0 };
        self.quick.store(quick, Ordering::Relaxed);
        self.allowed.store(quick >= quick_min, Ordering::Relaxed);
    }
}

impl Journal {
    /// Sees to it that what was appended is committed: at once and by the caller where that takes next to no time, else by the
    /// committer. To be called by whoever stored messages, at the end of the batch and without holding a lock.
    pub fn commit_soon(&self) {
        if !self.waits.load(Ordering::Relaxed) {
            return;
        }
        let waiting = self.pending_bytes.load(Ordering::Relaxed);
        match self.commit.try_lock() {
            Some(state) if self.commits_in_place() && !self.is_much_to_sync(waiting) => {
                drop(self.commit_timed_with(state));
            }
            _ => drop(self.wake.notify_one()),
        }
    }

    /// Whether those who append also commit.
    pub(super) fn commits_in_place(&self) -> bool {
        self.in_place.allowed.load(Ordering::Relaxed)
    }

    /// From now on those who append leave it to the committer to commit.
    pub(super) fn leave_to_committer(&self) {
        self.in_place.allowed.store(false, Ordering::Relaxed);
    }

    /// Like [`Journal::commit`]; how long it takes decides who does the next.
    pub(super) fn commit_timed(&self) -> Result<Option<Duration>, StoreError> {
        self.commit_timed_with(self.commit.lock())
    }

    fn commit_timed_with(&self, state: MutexGuard<'_, CommitState>) -> Result<Option<Duration>, StoreError> {
        let start = Instant::now();
        let Some(bytes) = self.commit_with(state, true)? else { return Ok(None) };
        let took = start.elapsed();
        let is_quick =
            self.options.commit_window.is_zero() && took < QUICK_COMMIT_MAX && !self.is_much_to_sync(bytes);
        self.in_place.note(is_quick, self.quick_commits_min());
        Ok(Some(took))
    }

    fn quick_commits_min(&self) -> u32 {
        match self.options.sync {
            SyncPolicy::Always => QUICK_SYNCS_MIN,
            SyncPolicy::Interval(_) => 1,
        }
    }

    fn is_much_to_sync(&self, bytes: u64) -> bool {
        let in_place_max = if self.options.syncs_in_place { SYNCED_IN_PLACE_BYTES_MAX } else { 0 };
        self.options.sync == SyncPolicy::Always && bytes > in_place_max
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::journal::core::Class;
    use crate::journal::deferred::Removal;
    use crate::journal::record::{Draft, Kind};
    use crate::options::StoreOptions;
    use crate::{Lsn, Store};

    const TRIES_MAX: usize = 10_000;

    /// A journal that nobody commits but the test.
    fn journal(sync: SyncPolicy, commit_window: Duration) -> (tempfile::TempDir, Arc<Store>, Arc<Journal>) {
        journal_with(StoreOptions { sync, commit_window, ..StoreOptions::default() })
    }

    fn journal_with(options: StoreOptions) -> (tempfile::TempDir, Arc<Store>, Arc<Journal>) {
        let dir = tempfile::tempdir().unwrap();
        let options = StoreOptions { threads: false, ..options };
        let (store, ..) = Store::open(dir.path(), options).unwrap();
        let journal = store.journal().unwrap();
        (dir, store, journal)
    }

    fn append(journal: &Journal) -> Lsn {
        journal.append(&Draft::new(Kind::Message, 1), Class::Message).unwrap().lsn
    }

    fn relaxed() -> SyncPolicy {
        SyncPolicy::Interval(Duration::from_secs(3600))
    }

    #[test]
    fn where_written_is_enough_and_writing_is_quick_whoever_appends_commits() {
        let (_dir, _store, journal) = journal(relaxed(), Duration::ZERO);
        let is_quick = |_: &usize| {
            append(&journal);
            journal.commit_timed().unwrap();
            journal.commits_in_place()
        };
        assert!((0..TRIES_MAX).any(|n| is_quick(&n)), "not one quick commit");
        let lsn = append(&journal);
        assert!(journal.written() < lsn);
        journal.commit_soon();
        assert_eq!(journal.written(), lsn);
        assert!(journal.durable() < lsn);
        let removal = Removal { stream: 1, floor: None, tombstone: Some((1, 1)), released: &[] };
        let lsn = journal.remove(&removal).unwrap();
        journal.commit_soon();
        assert!(journal.written() >= lsn);
    }

    #[test]
    fn where_syncs_are_quick_whoever_appends_a_little_syncs_it_and_no_more() {
        let (_dir, _store, journal) =
            journal_with(StoreOptions { syncs_in_place: true, ..StoreOptions::default() });
        let note_quick = |count| (0..count).for_each(|_| journal.in_place.note(true, QUICK_SYNCS_MIN));
        let payload = vec![0; SYNCED_IN_PLACE_BYTES_MAX as usize];
        let much = Draft { payload: &payload, ..Draft::new(Kind::Message, 1) };
        note_quick(QUICK_SYNCS_MIN - 1);
        let lsn = append(&journal);
        journal.commit_soon();
        assert!(journal.durable() < lsn, "too few were quick");
        note_quick(1);
        journal.commit_soon();
        assert_eq!(journal.durable(), lsn);
        note_quick(QUICK_SYNCS_MIN);
        let lsn = journal.append(&much, Class::Message).unwrap().lsn;
        journal.commit_soon();
        assert!(journal.durable() < lsn, "that is much");
        journal.commit_timed().unwrap();
        assert!(!journal.commits_in_place(), "who stores much has the committer start early");
    }

    #[test]
    fn one_slow_sync_leaves_the_disk_to_the_committer_for_a_while() {
        let in_place = InPlace::default();
        (0..QUICK_SYNCS_MIN).for_each(|_| in_place.note(true, QUICK_SYNCS_MIN));
        assert!(in_place.allowed.load(Ordering::Relaxed));
        in_place.note(false, QUICK_SYNCS_MIN);
        for _ in 1..QUICK_SYNCS_MIN {
            in_place.note(true, QUICK_SYNCS_MIN);
            assert!(!in_place.allowed.load(Ordering::Relaxed));
        }
        in_place.note(true, QUICK_SYNCS_MIN);
        assert!(in_place.allowed.load(Ordering::Relaxed));
    }

    #[test]
    fn unless_the_store_allows_it_nobody_but_the_committer_waits_for_a_sync_or_a_window() {
        let window = Duration::from_millis(1);
        for (sync, window) in [(SyncPolicy::Always, Duration::ZERO), (relaxed(), window)] {
            let (_dir, _store, journal) = journal(sync, window);
            for _ in 0..2 * QUICK_SYNCS_MIN {
                append(&journal);
                journal.commit_timed().unwrap();
                let lsn = append(&journal);
                journal.commit_soon();
                assert!(journal.written() < lsn);
            }
        }
    }
}
