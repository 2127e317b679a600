//! What waits for all connections together, against one bound for the process.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::router::Gate;

/// What outbound queues of all connections hold. There is one memory, so there is one meter.
pub static OUTBOUND: Meter = Meter::new();

/// Counts bytes that come and go; over the bound, whoever brings more has to wait until a quarter is free again.
#[derive(Debug)]
pub struct Meter {
    held: AtomicUsize,
    bytes_max: AtomicUsize,
    /// One connection's part of it.
    one_bytes_max: AtomicUsize,
    gate: Gate,
}

impl Meter {
    /// A meter without a bound.
    pub const fn new() -> Self {
        Self {
            held: AtomicUsize::new(0),
            bytes_max: AtomicUsize::new(usize::MAX),
            one_bytes_max: AtomicUsize::new(usize::MAX),
            gate: Gate::new(),
        }
    }

    /// Sets the bound, in bytes. A connection that holds more than half of it has whoever sends to it wait.
    pub fn set_bytes_max(&self, bytes_max: usize) {
        self.bytes_max.store(bytes_max, Ordering::SeqCst);
        self.one_bytes_max.store(bytes_max / 2, Ordering::SeqCst);
    }

    /// Whether so much is more than one connection may hold.
    #[inline]
    pub fn is_too_much_for_one(&self, bytes: usize) -> bool {
        bytes > self.one_bytes_max.load(Ordering::Relaxed)
    }

    /// Bytes held now.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Whether whoever brings more has to wait.
    #[inline]
    pub fn is_over(&self) -> bool {
        !self.gate.is_open()
    }

    /// Returns once there is room again.
    pub async fn wait(&self) {
        self.gate.wait().await;
    }

    pub(super) fn add(&self, bytes: usize) {
        let held = self.held.fetch_add(bytes, Ordering::SeqCst) + bytes;
        if held > self.bytes_max.load(Ordering::Relaxed) && self.gate.is_open() {
            self.gate.close();
            // What was held may have gone while the gate was being closed.
            self.open_if_low(self.held.load(Ordering::SeqCst));
        }
    }

    pub(super) fn sub(&self, bytes: usize) {
        let held = self.held.fetch_sub(bytes, Ordering::SeqCst) - bytes;
        if !self.gate.is_open() {
            self.open_if_low(held);
        }
    }

    fn open_if_low(&self, held: usize) {
        if held <= self.bytes_max.load(Ordering::Relaxed) / 4 * 3 {
            self.gate.open();
        }
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_the_bound_there_is_no_room_until_a_quarter_is_free() {
        let meter = Meter::new();
        meter.set_bytes_max(1000);
        meter.add(1000);
        assert!(!meter.is_over());
        meter.add(1);
        assert!(meter.is_over());
        meter.sub(250);
        assert!(meter.is_over());
        meter.sub(1);
        assert!(!meter.is_over());
        assert_eq!(meter.held(), 750);
    }

    #[test]
    fn what_comes_and_goes_on_several_threads_never_leaves_the_gate_closed() {
        let meter = Meter::new();
        meter.set_bytes_max(100);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        meter.add(60);
                        meter.sub(60);
                    }
                });
            }
        });
        assert!(!meter.is_over());
        assert_eq!(meter.held(), 0);
    }
}
