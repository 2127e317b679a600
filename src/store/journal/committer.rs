//! The thread that commits: while one commit is on its way, the next gathers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::commit::Journal;
use crate::store::options::SyncPolicy;

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
        let thread = thread::Builder::new().name("committer".into()).spawn(move || run(&shared, &stopped))?;
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

fn run(journal: &Journal, stop: &AtomicBool) {
    let stopped = || stop.load(Ordering::Acquire);
    let mut last_sync = Instant::now();
    while !stopped() {
        journal.wait(until_sync(journal, last_sync), &stopped);
        gather(journal, stop);
        if !stopped() && commit(journal, &mut last_sync).is_err() {
            return;
        }
    }
}

fn commit(journal: &Journal, last_sync: &mut Instant) -> Result<(), ()> {
    journal.commit().map_err(drop)?;
    if let SyncPolicy::Interval(interval) = journal.options().sync {
        if last_sync.elapsed() >= interval {
            journal.sync().map_err(drop)?;
            *last_sync = Instant::now();
        }
    }
    Ok(())
}

/// With `sync_interval`, how long the thread may sleep; without, until something waits.
fn until_sync(journal: &Journal, last_sync: Instant) -> Option<Duration> {
    match journal.options().sync {
        SyncPolicy::Always => None,
        SyncPolicy::Interval(_) if journal.durable() == journal.written() => None,
        SyncPolicy::Interval(interval) => Some(interval.saturating_sub(last_sync.elapsed())),
    }
}

/// Lets more gather, if a commit window is set.
fn gather(journal: &Journal, stop: &AtomicBool) {
    let window = journal.options().commit_window;
    if !window.is_zero() && !stop.load(Ordering::Acquire) && !journal.pressure() {
        thread::sleep(window);
    }
}
