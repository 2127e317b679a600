//! How a line begins: process id, time, level.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use log::Level;

use super::FATAL;
use crate::clock::UnixNanos;

/// What stands in front of every line of a log.
pub(super) struct Prefix {
    pid: u32,
    with_time: bool,
    with_colours: bool,
    zone: TimeZone,
    /// The second rendered last, and its text: most lines share it with the one before.
    second: i64,
    rendered: String,
}

impl Prefix {
    pub(super) fn new(with_time: bool, utc: bool, with_colours: bool) -> Self {
        let zone = if utc { TimeZone::UTC } else { TimeZone::system() };
        Self {
            pid: std::process::id(),
            with_time,
            with_colours,
            zone,
            second: i64::MIN,
            rendered: String::new(),
        }
    }

    /// Appends the prefix of a line logged at `now`.
    pub(super) fn write(&mut self, out: &mut String, now: UnixNanos, label: Label) {
        // Writing to a String cannot fail.
        let _ = write!(out, "[{}] ", self.pid);
        if self.with_time {
            self.render_second(now.div_euclid(1_000_000_000));
            let micros = now.rem_euclid(1_000_000_000) / 1_000;
            let _ = write!(out, "{}.{micros:06} ", self.rendered);
        }
        let _ = match (self.with_colours, label.name()) {
            (true, name) => write!(out, "[\x1b[{}m{name}\x1b[0m] ", label.colour()),
            (false, name) => write!(out, "[{name}] "),
        };
    }

    fn render_second(&mut self, second: i64) {
        if self.second != second {
            let time = local(&self.zone, second);
            self.rendered.clear();
            let (year, month, day) = (time.year(), time.month(), time.day());
            let (hour, minute, second) = (time.hour(), time.minute(), time.second());
            let _ = write!(self.rendered, "{year:04}/{month:02}/{day:02} {hour:02}:{minute:02}:{second:02}");
        }
        self.second = second;
    }

    /// The time in the name of a file set aside: `2006.01.02.15.04.05.000000000`.
    pub(super) fn file_stamp(&self, now: UnixNanos) -> String {
        let time = local(&self.zone, now.div_euclid(1_000_000_000));
        let nanos = now.rem_euclid(1_000_000_000);
        let (year, month, day) = (time.year(), time.month(), time.day());
        let (hour, minute, second) = (time.hour(), time.minute(), time.second());
        format!("{year:04}.{month:02}.{day:02}.{hour:02}.{minute:02}.{second:02}.{nanos:09}")
    }
}

fn local(zone: &TimeZone, second: i64) -> DateTime {
    let moment = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
    zone.to_datetime(moment)
}

/// What kind of line it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    Info,
    Debug,
    Trace,
    Warn,
    Error,
    Fatal,
}

impl Label {
    pub(super) fn of(metadata: &log::Metadata<'_>) -> Self {
        match metadata.level() {
            Level::Error if metadata.target() == FATAL => Self::Fatal,
            Level::Error => Self::Error,
            Level::Warn => Self::Warn,
            Level::Info => Self::Info,
            Level::Debug => Self::Debug,
            Level::Trace => Self::Trace,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Info => "INF",
            Self::Debug => "DBG",
            Self::Trace => "TRC",
            Self::Warn => "WRN",
            Self::Error => "ERR",
            Self::Fatal => "FTL",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Self::Info => "32",
            Self::Debug => "36",
            Self::Trace => "33",
            Self::Warn => "0;93",
            Self::Error | Self::Fatal => "31",
        }
    }
}
