//! Disks that make you wait: one whose reads can be held up, one whose syncs take long.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::wrapped::Device;

/// Holds up reads of at least so many bytes once there have been so many.
#[derive(Default)]
pub struct Brake {
    held: Mutex<Held>,
    changed: Condvar,
}

#[derive(Default)]
struct Held {
    /// Bytes of the reads that count, and how many of them go through; `None` to hold up nothing.
    after: Option<(usize, u32)>,
    holding: bool,
}

impl Brake {
    /// Holds up nothing yet.
    pub fn released() -> Arc<Self> {
        Arc::default()
    }

    /// Lets `reads` more reads of at least `bytes` through, and holds up the next.
    pub fn hold_after_reads_of(&self, bytes: usize, reads: u32) {
        self.held.lock().after = Some((bytes, reads));
    }

    /// Lets everything go on.
    pub fn release(&self) {
        self.held.lock().after = None;
        self.changed.notify_all();
    }

    /// Whether a read is held up.
    pub fn is_holding(&self) -> bool {
        self.held.lock().holding
    }

    fn pass(&self, bytes: usize) {
        let mut held = self.held.lock();
        while let Some((least, left)) = held.after.filter(|(least, _)| bytes >= *least) {
            if left > 0 {
                held.after = Some((least, left - 1));
                return;
            }
            held.holding = true;
            self.changed.wait(&mut held);
        }
    }
}

impl Device for Brake {
    fn read(&self, bytes: usize) -> io::Result<()> {
        self.pass(bytes);
        Ok(())
    }
}

/// A card, which takes its time to make things durable.
pub struct Card {
    pub sync_takes: Duration,
}

impl Device for Card {
    fn sync(&self) -> io::Result<()> {
        std::thread::sleep(self.sync_takes);
        Ok(())
    }
}
