//! Back-pressure from a service to the connections that feed it.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// A gate that connections wait at before they read on; see [`Dispatch::pause_on`](super::Dispatch::pause_on).
#[derive(Debug)]
pub struct Gate {
    closed: AtomicBool,
    opened: Notify,
}

impl Gate {
    /// An open gate.
    pub const fn new() -> Self {
        Self { closed: AtomicBool::new(false), opened: Notify::const_new() }
    }

    /// Makes whoever comes next wait.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Lets everyone through.
    pub fn open(&self) {
        self.closed.store(false, Ordering::SeqCst);
        self.opened.notify_waiters();
    }

    /// True if nobody has to wait.
    pub fn is_open(&self) -> bool {
        !self.closed.load(Ordering::SeqCst)
    }

    /// Returns once the gate is open.
    pub async fn wait(&self) {
        loop {
            // Made before the look at the gate, so that an opening in between is not missed.
            let opened = self.opened.notified();
            if self.is_open() {
                return;
            }
            opened.await;
        }
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn an_open_gate_holds_nobody() {
        Gate::new().wait().await;
    }

    #[tokio::test]
    async fn a_closed_gate_holds_until_it_is_opened() {
        let gate = Arc::new(Gate::new());
        gate.close();
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.wait().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        gate.open();
        waiting.await.unwrap();
    }
}
