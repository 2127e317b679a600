//! Lines on their way from the threads that log to the thread that writes.

use std::cell::RefCell;
use std::fmt::Write;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use log::Level;
use parking_lot::{Condvar, Mutex};

use super::line::{Label, Lines};
use super::sink::Sink;
use crate::clock::Clock;
use crate::config::Logging;

/// Lines waiting to be written take at most this much; what comes on top is lost.
pub const BACKLOG_BYTES_MAX: usize = 1024 * 1024;
/// A buffer that grew beyond this is given back once it is empty.
const BUFFER_KEPT_BYTES_MAX: usize = 64 * 1024;
/// Lines of other crates are logged only if they are errors.
const OWN_TARGET: &str = "headwater";

/// Puts lines together and passes them on.
pub struct Logger {
    clock: Arc<dyn Clock>,
    debug: AtomicBool,
    trace: AtomicBool,
    backlog: Mutex<Backlog>,
    /// There is something to write.
    filled: Condvar,
    /// Everything is written.
    drained: Condvar,
}

struct Backlog {
    lines: String,
    shape: Lines,
    /// Lost since the last complaint about it.
    lost_unreported: u64,
    lost: u64,
    /// Where to write the lines from this byte on.
    new_sink: Option<(usize, Sink)>,
    /// The writer holds lines that it has not written yet.
    writing: bool,
}

thread_local! {
    /// Where a thread puts its line together; kept so that a line costs no allocation.
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
}

impl Logger {
    /// Starts the thread that writes to `sink`.
    pub fn start(settings: &Logging, sink: Sink, clock: Arc<dyn Clock>) -> io::Result<Arc<Self>> {
        let backlog = Backlog {
            lines: String::new(),
            shape: shape(settings, &sink),
            lost_unreported: 0,
            lost: 0,
            new_sink: None,
            writing: false,
        };
        let logger = Arc::new(Self {
            clock,
            debug: AtomicBool::new(settings.debug),
            trace: AtomicBool::new(settings.trace),
            backlog: Mutex::new(backlog),
            filled: Condvar::new(),
            drained: Condvar::new(),
        });
        let writer = logger.clone();
        std::thread::Builder::new().name("log".to_owned()).spawn(move || writer.write_for_ever(sink))?;
        Ok(logger)
    }

    /// Whether a line of this kind is wanted.
    pub fn takes(&self, metadata: &log::Metadata<'_>) -> bool {
        if !metadata.target().starts_with(OWN_TARGET) {
            return metadata.level() == Level::Error;
        }
        match metadata.level() {
            Level::Debug => self.debug.load(Ordering::Relaxed),
            Level::Trace => self.trace.load(Ordering::Relaxed),
            _ => true,
        }
    }

    /// Takes a line, or loses it if too much is waiting already.
    pub fn write(&self, record: &log::Record<'_>) {
        let label = Label::of(record.metadata());
        LINE.with(|line| match line.try_borrow_mut() {
            Ok(mut line) => self.put_together(record, label, &mut line),
            // Something logs while it is being logged.
            Err(_) => self.put_together(record, label, &mut String::new()),
        });
    }

    /// The message is rendered before the lock is taken: whatever renders it may be slow, or log itself.
    fn put_together(&self, record: &log::Record<'_>, label: Label, message: &mut String) {
        message.clear();
        // A message that fails to render is logged as far as it got.
        let _ = write!(message, "{}", record.args());
        self.append(label, message);
        if message.capacity() > BUFFER_KEPT_BYTES_MAX {
            *message = String::new();
        }
    }

    fn append(&self, label: Label, message: &str) {
        let now = self.clock.now();
        let mut guard = self.backlog.lock();
        let backlog = &mut *guard;
        if backlog.lines.len() + message.len() > BACKLOG_BYTES_MAX {
            backlog.lost += 1;
            backlog.lost_unreported += 1;
            return;
        }
        backlog.shape.write(&mut backlog.lines, now, label, message);
        drop(guard);
        self.filled.notify_one();
    }

    /// Changes levels and the look of lines at once, and where they go with the next line.
    pub fn reconfigure(&self, settings: &Logging, sink: Sink) {
        self.debug.store(settings.debug, Ordering::Relaxed);
        self.trace.store(settings.trace, Ordering::Relaxed);
        let mut backlog = self.backlog.lock();
        backlog.shape = shape(settings, &sink);
        backlog.new_sink = Some((backlog.lines.len(), sink));
        drop(backlog);
        self.filled.notify_one();
    }

    /// Waits at most `patience` until nothing is left to write.
    pub fn flush_for(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut backlog = self.backlog.lock();
        while backlog.writing || !backlog.lines.is_empty() || backlog.new_sink.is_some() {
            if self.drained.wait_until(&mut backlog, deadline).timed_out() {
                return;
            }
        }
    }

    /// Lines lost since the start.
    pub fn lost_lines(&self) -> u64 {
        self.backlog.lock().lost
    }

    fn write_for_ever(&self, mut sink: Sink) {
        let mut lines = String::new();
        loop {
            let new_sink = self.next(&mut lines);
            let boundary = new_sink.as_ref().map_or(lines.len(), |(boundary, _)| *boundary);
            let (before, after) = lines.split_at_checked(boundary).unwrap_or((&lines, ""));
            sink.write(before, self.clock.as_ref());
            if let Some((_, new_sink)) = new_sink {
                sink = new_sink;
                sink.write(after, self.clock.as_ref());
            }
            lines.clear();
            lines.shrink_to(BUFFER_KEPT_BYTES_MAX);
        }
    }

    /// Waits for lines and takes them, together with the sink for those after them.
    fn next(&self, lines: &mut String) -> Option<(usize, Sink)> {
        let mut guard = self.backlog.lock();
        guard.writing = false;
        while guard.lines.is_empty() && guard.new_sink.is_none() && guard.lost_unreported == 0 {
            self.drained.notify_all();
            self.filled.wait(&mut guard);
        }
        let backlog = &mut *guard;
        std::mem::swap(&mut backlog.lines, lines);
        if backlog.lost_unreported > 0 {
            let lost = backlog.lost_unreported;
            let text = format!("{lost} log lines were lost: the log was not taken in time");
            backlog.shape.write(lines, self.clock.now(), Label::Warn, &text);
            backlog.lost_unreported = 0;
        }
        backlog.writing = true;
        backlog.new_sink.take()
    }
}

fn shape(settings: &Logging, sink: &Sink) -> Lines {
    Lines::new(settings, sink.shape())
}
