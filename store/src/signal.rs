//! Something happened; whoever waits for it wakes up once.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// A flag that can be waited for.
#[derive(Debug, Default)]
pub struct Signal {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    /// Raises the flag.
    pub fn wake(&self) {
        *self.raised.lock() = true;
        self.changed.notify_one();
    }

    /// Waits until the flag is raised, or for `timeout`; lowers it, and tells whether it was raised.
    pub fn wait(&self, timeout: Option<Duration>) -> bool {
        let mut raised = self.raised.lock();
        if !*raised {
            match timeout {
                Some(timeout) => drop(self.changed.wait_for(&mut raised, timeout)),
                None => self.changed.wait(&mut raised),
            }
        }
        std::mem::take(&mut raised)
    }
}
