//! sled 0.34 may panic on damaged files.
//!
//! In the broker a panic makes the process begin anew: whoever sees to that asks [`is_this`], and tells the next process to
//! [`distrust`] the catalogue. Where nobody does and panics unwind, the call fails.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// What sled calls its own threads, at the beginning.
const THREADS: &str = "sled-";

thread_local! {
    static CALLING: Cell<bool> = const { Cell::new(false) };
}

static DISTRUSTED: AtomicBool = AtomicBool::new(false);

/// It panicked.
pub struct Panicked;

/// Calls into sled.
pub fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    CALLING.set(true);
    let done = catch_unwind(AssertUnwindSafe(call));
    CALLING.set(false);
    done.map_err(|_| Panicked)
}

/// Whether a panic of this thread is sled's.
pub fn is_this() -> bool {
    CALLING.get() || thread::current().name().is_some_and(|name| name.starts_with(THREADS))
}

/// The catalogue as it is now made sled panic.
pub fn distrust() {
    DISTRUSTED.store(true, Ordering::Relaxed);
}

/// Whether [`distrust`] was called; once, because the next catalogue is another one.
pub fn take_distrust() -> bool {
    DISTRUSTED.swap(false, Ordering::Relaxed)
}
