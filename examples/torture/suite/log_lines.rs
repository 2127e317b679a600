//! Whether the store says what it finds: counts its warnings and errors, thread by thread.

use std::cell::Cell;

thread_local! {
    static COMPLAINTS: Cell<u64> = const { Cell::new(0) };
}

struct Counter;

impl log::Log for Counter {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn && metadata.target().starts_with("headwater")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            COMPLAINTS.with(|complaints| complaints.set(complaints.get() + 1));
            if std::env::var_os("TORTURE_LOG").is_some() {
                eprintln!("[{}] {}", record.level(), record.args());
            }
        }
    }

    fn flush(&self) {}
}

/// Counts from now on.
pub fn watch() {
    if log::set_logger(&Counter).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
}

/// Warnings and errors of this thread so far.
pub fn complaints() -> u64 {
    COMPLAINTS.with(Cell::get)
}
