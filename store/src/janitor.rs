//! Housekeeping beside the commits: the next segment is made ready before it is needed, sparse segments are copied forward,
//! dead ones are given back, checkpoints are made.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::compact::Compaction;
use super::facade::Shared;
use super::journal::record::Location;
use super::stats::Counters;
use super::{Lsn, StoreError};

/// Bytes a compaction looks at before it lets others at the disk.
const STEP_BYTES: u64 = 256 << 10;

/// The pause between two steps.
const STEP_PAUSE: Duration = Duration::from_millis(5);

/// The pause where space is short.
const HURRIED_PAUSE: Duration = Duration::from_millis(1);

/// How long to wait before trying again what the disk refused.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How long removals may take to become durable before one looks again.
const COMMIT_PAUSE: Duration = Duration::from_millis(50);

/// When nothing was stored for so long, space is given back more eagerly.
const IDLE_DELAY: Duration = Duration::from_secs(2);

/// While nothing is stored, segments may take so much more than what is live in them, in percent, and a segment.
const IDLE_SPARE_PERCENT: u64 = 20;

/// While nothing is stored, the active segment is ended when one part in so many of it is wanted no more.
const LEAVE_SHARE: u64 = 32;

/// A segment that is fuller than this is never copied forward, in percent.
const FULL_PERCENT: u8 = 92;

/// Compaction does not pause when segments take so many times what is live in them.
const HURRY_FACTOR: u64 = 3;

/// Housekeeping that goes on from round to round.
#[derive(Default)]
pub struct Janitor {
    compaction: Option<Compaction>,
    /// The last step's copies are written when the journal is, up to here.
    copied: Lsn,
    activity: Activity,
    /// What the last segment to be copied forward had put off is written when the journal is, up to here.
    put_off: Lsn,
    /// Segments that could not be emptied: something in them is damaged.
    stuck: Vec<u32>,
}

/// What a round left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Nothing until something happens.
    Nothing,
    /// More of the same, after a pause.
    More(Duration),
}

impl Janitor {
    /// One round of housekeeping: small enough that nobody waits for it.
    pub fn round(&mut self, shared: &Shared) -> Result<Left, StoreError> {
        // While a full disk is being compacted, space comes from what that sets free.
        if self.compaction.is_none() || !shared.journal.with_core(|core| core.is_full()) {
            shared.prepare_next(None)?;
        }
        shared.trim_indexes();
        let saved = shared.checkpoint_if_due();
        shared.trim_indexes();
        shared.reclaim()?;
        saved?;
        if self.compact(shared)? {
            return Ok(Left::More(pause_between_steps(shared)));
        }
        if shared.journal.with_core(|core| core.is_full()) {
            return Ok(Left::More(RETRY_PAUSE));
        }
        if self.waits(shared) || shared.journal.with_core(|core| core.usage.has_dead_after(Lsn::ZERO)) {
            return Ok(Left::More(COMMIT_PAUSE));
        }
        let later = !self.is_idle(shared) && shared.wastes_space();
        Ok(if later { Left::More(IDLE_DELAY) } else { Left::Nothing })
    }

    /// Copies a little forward. False when there is nothing to copy.
    fn compact(&mut self, shared: &Shared) -> Result<bool, StoreError> {
        // No commit carries the copies of more than one step, so that nobody waits long for one.
        if shared.journal.pressure() || shared.journal.written() < self.copied {
            return Ok(self.compaction.is_some());
        }
        if self.compaction.is_none() {
            if self.waits(shared) {
                return Ok(false);
            }
            let Some(victim) = self.victim(shared)? else { return Ok(false) };
            self.compaction = Some(Compaction::start(shared, victim)?);
        }
        let Some(compaction) = &mut self.compaction else { return Ok(false) };
        let victim = compaction.victim;
        let step = compaction.step(shared, STEP_BYTES);
        self.copied = shared.journal.with_core(|core| core.position());
        match step {
            // What is dead need not be read to its end, and its file can be used again once nobody reads it.
            Ok(at_end) if at_end || shared.live_bytes(victim) == 0 => {
                self.compaction = None;
                self.finish(shared, victim);
            }
            Ok(_) => {}
            Err(error) => {
                compaction.rewind(shared)?;
                return Err(error);
            }
        }
        Ok(true)
    }

    fn victim(&mut self, shared: &Shared) -> Result<Option<u32>, StoreError> {
        let percent = shared.journal.options().compact_below_percent;
        let sparse = self.sparsest(shared, percent, false);
        if sparse.is_some() || !shared.wastes_space() || !self.is_idle(shared) {
            return Ok(sparse);
        }
        let victim = self.idle_victim(shared)?;
        if victim.is_none() {
            shared.give_back_prepared()?;
        }
        Ok(victim)
    }

    fn idle_victim(&mut self, shared: &Shared) -> Result<Option<u32>, StoreError> {
        let Some(left) = self.activity.idle_copies_left.checked_sub(1) else { return Ok(None) };
        shared.leave_segment()?;
        let victim = self.sparsest(shared, FULL_PERCENT, true);
        if victim.is_some() {
            self.activity.idle_copies_left = left;
        }
        Ok(victim)
    }

    /// The sparsest segment that is durable to its end: what still waits for a commit cannot be copied. On a full disk, if what
    /// it holds fits into what is left.
    fn sparsest(&self, shared: &Shared, percent: u8, known: bool) -> Option<u32> {
        let end = Location::from(shared.journal.durable()).segment;
        shared.journal.with_core(|core| {
            let victim = core.usage.sparsest(end, percent, known, &self.stuck)?;
            let live = core.usage.segment(victim)?.live;
            (!core.is_full() || live <= core.room_for_copies()).then_some(victim)
        })
    }

    /// Whether nothing was stored for a while. A store without threads is maintained when its owner has nothing else to do.
    fn is_idle(&mut self, shared: &Shared) -> bool {
        let pause = self.activity.paused_for(shared);
        !shared.journal.options().threads || pause >= IDLE_DELAY
    }

    fn finish(&mut self, shared: &Shared, victim: u32) {
        let left = shared.live_bytes(victim);
        if left == 0 {
            return;
        }
        // What is written anew with the next commit is live until then: the segment is looked at once more.
        let (waits, put_off) = shared.journal.with_core(|core| (core.has_pending(), core.deferred_lsn()));
        if waits {
            self.put_off = put_off;
        } else {
            log::warn!("journal: segment {victim} keeps {left} bytes that cannot be read");
            self.stuck.push(victim);
        }
    }

    /// Whether a commit must come before a segment can be said to have been copied forward.
    fn waits(&self, shared: &Shared) -> bool {
        shared.journal.written() < self.put_off
    }
}

/// When something was stored last, and what may be done until something is again.
#[derive(Default)]
struct Activity {
    /// What had been stored by then; `None` at the start, which counts as something.
    payload_bytes: Option<u64>,
    /// What was live then.
    live_bytes: u64,
    since: Option<Instant>,
    /// Segments that may still be copied forward until something happens: one pass over all of them at most.
    idle_copies_left: usize,
}

impl Activity {
    fn paused_for(&mut self, shared: &Shared) -> Duration {
        let payload_bytes = shared.journal.counters.payload_bytes.load(Ordering::Relaxed);
        let (live_bytes, segments) =
            shared.journal.with_core(|core| (core.usage.totals().1, core.usage.count()));
        let much = u64::from(shared.journal.options().segment_bytes) / LEAVE_SHARE;
        let stored = self.payload_bytes.replace(payload_bytes) != Some(payload_bytes);
        if stored {
            self.since = None;
        }
        if stored || self.live_bytes.abs_diff(live_bytes) > much {
            self.live_bytes = live_bytes;
            self.idle_copies_left = segments;
        }
        self.since.get_or_insert_with(Instant::now).elapsed()
    }
}

fn pause_between_steps(shared: &Shared) -> Duration {
    let (all, live) = shared.journal.with_core(|core| core.usage.totals());
    if all > live.saturating_mul(HURRY_FACTOR) { HURRIED_PAUSE } else { STEP_PAUSE }
}

impl Shared {
    fn live_bytes(&self, segment: u32) -> u64 {
        self.journal.with_core(|core| core.usage.segment(segment).map_or(0, |account| account.live))
    }

    /// Whether segments take more than they may while nothing is stored.
    fn wastes_space(&self) -> bool {
        let (all, live) = self.journal.with_core(|core| core.usage.totals());
        let segment = u64::from(self.journal.options().segment_bytes);
        all > live + live / 100 * IDLE_SPARE_PERCENT + segment
    }

    /// Ends the active segment if much of it is wanted no more; that is durable then, so that it can be copied forward.
    fn leave_segment(&self) -> Result<(), StoreError> {
        let dead_bytes_min = u64::from(self.journal.options().segment_bytes) / LEAVE_SHARE;
        if self.journal.with_core(|core| core.leave_segment(dead_bytes_min, FULL_PERCENT))? {
            self.journal.flush()?;
        }
        Ok(())
    }

    /// Gives back a segment that was made ready, if it is not needed soon.
    fn give_back_prepared(&self) -> Result<(), StoreError> {
        match self.journal.with_core(|core| core.take_prepared()) {
            Some(id) => self.journal.files.remove(id),
            None => Ok(()),
        }
    }

    /// Gives dead segments back, or makes one the next.
    pub fn reclaim(&self) -> Result<(), StoreError> {
        let safe = self.reclaimable_up_to();
        let durable = self.journal.durable();
        let dead = self.journal.with_core(|core| {
            let last = core.usage.last_with_records(durable);
            core.usage.dead(safe).into_iter().filter(|id| *id < last).collect::<Vec<_>>()
        });
        for id in &dead {
            Counters::add(&self.journal.counters.segments_reclaimed, 1);
            self.prepare_next(Some(*id))?;
            if self.journal.files.exists(*id) {
                self.journal.files.remove(*id)?;
            }
            self.journal.with_core(|core| core.segment_gone(*id));
        }
        if !dead.is_empty() {
            self.registry.lock().release_deletions(&self.journal);
        }
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

/// The running thread; dropping it stops it after its round.
pub struct JanitorThread {
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl JanitorThread {
    /// Starts the thread.
    pub fn start(shared: Arc<Shared>) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (held, stopped) = (Arc::clone(&shared), Arc::clone(&stop));
        let thread = thread::Builder::new().name("janitor".into()).spawn(move || run(&held, &stopped))?;
        Ok(Self { shared, stop, thread: Some(thread) })
    }
}

impl Drop for JanitorThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.shared.journal.chores.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, stop: &AtomicBool) {
    let mut janitor = Janitor::default();
    let mut last_error = String::new();
    while !stop.load(Ordering::Acquire) {
        let pause = match janitor.round(shared) {
            Ok(left) => until_next(left, shared.next_checkpoint_in()),
            Err(error) => {
                complain(&error, &mut last_error);
                Some(RETRY_PAUSE)
            }
        };
        if shared.journal.with_core(|core| core.failure().is_some()) {
            return;
        }
        shared.journal.chores.wait(pause);
    }
}

/// How long to sleep; `None`: until something happens.
fn until_next(left: Left, checkpoint_in: Option<Duration>) -> Option<Duration> {
    let due = checkpoint_in.map(|due| due.max(COMMIT_PAUSE));
    match left {
        Left::More(pause) => Some(due.map_or(pause, |due| due.min(pause))),
        Left::Nothing => due,
    }
}

/// Says each error once, not once per round.
fn complain(error: &StoreError, last: &mut String) {
    let text = error.to_string();
    if text != *last {
        log::error!("journal: housekeeping: {text}");
        *last = text;
    }
}
