//! Log lines as nats-server writes them, which test harnesses and log shippers read:
//! `[pid] 2006/01/02 15:04:05.000000 [INF] text`.
//!
//! The `log` macros are the way in. A line is put together on the calling thread and handed to a bounded [`queue`]; a
//! thread writes it to standard error or a file ([`sink`]). If whoever takes the lines stalls, lines are lost and
//! counted: the broker never waits for its log.

mod line;
mod queue;
mod sink;
mod syslog;
pub mod trace;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use log::LevelFilter;

use crate::clock::{Clock, SystemClock};
use crate::config::Logging;

pub use queue::{BACKLOG_BYTES_MAX, Logger};
pub use sink::Sink;

/// The `log` target whose errors end the process; they are labelled `FTL`.
pub const FATAL: &str = "headwater::fatal";

/// Logs an error after which the process ends.
#[macro_export]
macro_rules! fatal {
    ($($message:tt)+) => {
        ::log::error!(target: $crate::logging::FATAL, $($message)+)
    };
}

/// How long the end of the process waits for the last lines to be written.
const FLUSH_MAX: Duration = Duration::from_secs(2);

/// The running log of this process.
#[derive(Clone)]
pub struct LogHandle(Arc<Logger>);

/// Opens the log and makes it the one that the `log` macros write to. Fails if the file cannot be opened, or if the
/// process has a log already.
pub fn start(settings: &Logging) -> io::Result<LogHandle> {
    let sink = Sink::open(settings)?;
    let logger = Logger::start(settings, sink, Arc::new(SystemClock) as Arc<dyn Clock>)?;
    let handle = LogHandle(logger);
    log::set_boxed_logger(Box::new(handle.clone())).map_err(io::Error::other)?;
    handle.apply_levels(settings);
    Ok(handle)
}

impl LogHandle {
    /// Takes new settings over: levels at once, another file with the next line.
    pub fn reconfigure(&self, settings: &Logging) -> io::Result<()> {
        let sink = Sink::open(settings)?;
        self.0.reconfigure(settings, sink);
        self.apply_levels(settings);
        Ok(())
    }

    /// Opens the log file anew, after someone moved it away.
    pub fn reopen(&self, settings: &Logging) -> io::Result<()> {
        if settings.file.is_none() {
            log::info!("File log re-open ignored, not a file logger");
            return Ok(());
        }
        self.reconfigure(settings)?;
        log::info!("File log re-opened");
        Ok(())
    }

    /// Waits, not for ever, until everything logged so far is written.
    pub fn flush(&self) {
        self.0.flush_for(FLUSH_MAX);
    }

    /// Lines that nobody took in time.
    pub fn lost_lines(&self) -> u64 {
        self.0.lost_lines()
    }

    fn apply_levels(&self, settings: &Logging) {
        log::set_max_level(match settings {
            Logging { trace: true, .. } => LevelFilter::Trace,
            Logging { debug: true, .. } => LevelFilter::Debug,
            _ => LevelFilter::Info,
        });
    }
}

impl log::Log for LogHandle {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        self.0.takes(metadata)
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.0.takes(record.metadata()) {
            self.0.write(record);
        }
    }

    fn flush(&self) {
        self.0.flush_for(FLUSH_MAX);
    }
}
