//! The thread that commits: while one commit is on its way, the next gathers.
//!
//! A commit starts as soon as something waits, except that the thread looks twice: as long as more keeps coming it lets that
//! gather, for a time in proportion to what the disk took last. A lone record so waits a sixteenth of a commit longer than it
//! must, and a burst goes out in one commit instead of several.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Journal;
use crate::Lsn;
use crate::options::SyncPolicy;

/// Looks per duration of a commit.
const LOOKS: u32 = 16;

/// Shortest time between two looks.
const LOOK_MIN: Duration = Duration::from_micros(5);

/// Longest time between two looks.
const LOOK_MAX: Duration = Duration::from_micros(500);

/// From here on the thread sleeps instead of giving way.
const SLEEP_MIN: Duration = Duration::from_micros(200);

/// In a commit window, longest time between two looks at whether it has to end early.
const WINDOW_STEP: Duration = Duration::from_millis(5);

/// Longest time a burst is let gather.
const GATHER_MAX: Duration = Duration::from_millis(5);

/// While those who append commit too, longest time until the thread looks after what they may have left.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// Shortest time a burst is let gather.
const GATHER_MIN: Duration = Duration::from_micros(500);

/// A running committer; dropping it stops the thread after the commit that is on its way.
pub struct Committer {
    journal: Arc<Journal>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    /// Starts the thread.
    pub fn start(journal: Arc<Journal>) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopped) = (Arc::clone(&journal), Arc::clone(&stop));
        let thread = thread::Builder::new().name("committer".into()).spawn(move || {
            Run::new(&shared, &stopped).run();
        })?;
        Ok(Self { journal, stop, thread: Some(thread) })
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.journal.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Run<'a> {
    journal: &'a Journal,
    stop: &'a AtomicBool,
    last_sync: Instant,
    /// How long the last commit took.
    commit_time: Duration,
    /// How far the journal had come at the last look.
    written: Lsn,
}

impl<'a> Run<'a> {
    fn new(journal: &'a Journal, stop: &'a AtomicBool) -> Self {
        let written = journal.written();
        Self { journal, stop, last_sync: Instant::now(), commit_time: Duration::ZERO, written }
    }

    fn run(mut self) {
        if self.journal.unclose().is_err() {
            return;
        }
        while !self.stopped() {
            self.journal.wait(self.until_sync(), &|| self.stopped());
            self.gather();
            if !self.stopped() && self.commit().is_err() {
                return;
            }
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn commit(&mut self) -> Result<(), ()> {
        match self.journal.commit_timed().map_err(drop)? {
            Some(took) => self.commit_time = took,
            None if self.journal.written() == self.written => self.journal.leave_to_committer(),
            None => {}
        }
        self.written = self.journal.written();
        if let SyncPolicy::Interval(interval) = self.journal.options().sync {
            if self.last_sync.elapsed() >= interval {
                self.journal.sync().map_err(drop)?;
                self.last_sync = Instant::now();
            }
        }
        Ok(())
    }

    /// With `sync_interval`, how long the thread may sleep; without, until something waits. While others commit it looks from
    /// time to time whether that is still so.
    fn until_sync(&self) -> Option<Duration> {
        match self.journal.options().sync {
            SyncPolicy::Always => None,
            SyncPolicy::Interval(interval) if self.journal.commits_in_place() => {
                Some(interval.saturating_sub(self.last_sync.elapsed()).min(LOOK_AFTER))
            }
            SyncPolicy::Interval(_) if self.journal.durable() == self.journal.written() => None,
            SyncPolicy::Interval(interval) => Some(interval.saturating_sub(self.last_sync.elapsed())),
        }
    }

    /// Lets more gather: for the commit window if one is set, and while more keeps coming.
    fn gather(&self) {
        self.keep_window_open();
        let look = (self.commit_time / LOOKS).clamp(LOOK_MIN, LOOK_MAX);
        let most = self.commit_time.clamp(GATHER_MIN, GATHER_MAX);
        let start = Instant::now();
        while !self.stopped() && start.elapsed() < most {
            let before = self.journal.waiting_bytes();
            give_way(look);
            if self.journal.waiting_bytes() == before || self.journal.pressure() {
                break;
            }
        }
    }

    /// The commit window ends early when memory for more runs out.
    fn keep_window_open(&self) {
        let mut left = self.journal.options().commit_window;
        while !left.is_zero() && !self.stopped() && !self.journal.pressure() {
            let step = left.min(WINDOW_STEP);
            thread::sleep(step);
            left -= step;
        }
    }
}

/// Lets others run for about `time`.
fn give_way(time: Duration) {
    if time >= SLEEP_MIN {
        return thread::sleep(time);
    }
    let start = Instant::now();
    while start.elapsed() < time {
        thread::yield_now();
    }
}
