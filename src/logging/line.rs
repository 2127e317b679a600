//! What a line looks like: process id, time, level, text; or the same as JSON, or as log daemons want it.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use log::Level;

use super::FATAL;
use crate::clock::UnixNanos;
use crate::config::{LogFormat, Logging};

/// What a line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// As nats-server writes it, in colours or without.
    Plain { colours: bool },
    /// An object per line.
    Json,
    /// Priority and text; the daemon adds the rest.
    Syslog,
}

/// Writes the lines of a log.
pub(super) struct Lines {
    shape: Shape,
    pid: u32,
    with_time: bool,
    zone: TimeZone,
    /// The second rendered last, and its text: most lines share it with the one before.
    second: i64,
    rendered: String,
}

impl Lines {
    pub(super) fn new(settings: &Logging, shape: Shape) -> Self {
        let shape = match settings.format {
            LogFormat::Json if shape != Shape::Syslog => Shape::Json,
            _ => shape,
        };
        let zone = if settings.time_utc { TimeZone::UTC } else { TimeZone::system() };
        Self {
            shape,
            pid: std::process::id(),
            with_time: settings.time,
            zone,
            second: i64::MIN,
            rendered: String::new(),
        }
    }

    /// Appends a line logged at `now`, with its end.
    pub(super) fn write(&mut self, out: &mut String, now: UnixNanos, label: Label, text: &str) {
        match self.shape {
            Shape::Plain { colours } => {
                self.write_prefix(out, now, label, colours);
                out.push_str(text);
            }
            Shape::Json => self.write_object(out, now, label, text),
            Shape::Syslog => {
                // Writing to a String cannot fail.
                let _ = write!(out, "<{}>", label.priority());
                out.extend(text.chars().map(|c| if c == '\n' { ' ' } else { c }));
            }
        }
        out.push('\n');
    }

    fn write_object(&self, out: &mut String, now: UnixNanos, label: Label, text: &str) {
        let micros = Timestamp::from_microsecond(now.div_euclid(1_000)).unwrap_or(Timestamp::UNIX_EPOCH);
        let text = serde_json::to_string(text).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(out, "{{");
        if self.with_time {
            let _ = write!(out, "\"time\":\"{micros:.6}\",");
        }
        let _ = write!(out, "\"level\":\"{}\",\"pid\":{},\"message\":{text}}}", label.word(), self.pid);
    }

    fn write_prefix(&mut self, out: &mut String, now: UnixNanos, label: Label, colours: bool) {
        // Writing to a String cannot fail.
        let _ = write!(out, "[{}] ", self.pid);
        if self.with_time {
            self.render_second(now.div_euclid(1_000_000_000));
            let micros = now.rem_euclid(1_000_000_000) / 1_000;
            let _ = write!(out, "{}.{micros:06} ", self.rendered);
        }
        let _ = match (colours, label.name()) {
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

    /// In JSON.
    fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    /// Of a daemon, and with the severity that nats-server gives it.
    fn priority(self) -> u8 {
        const DAEMON: u8 = 3 << 3;
        DAEMON
            | match self {
                Self::Fatal => 2,
                Self::Error => 3,
                Self::Warn => 4,
                Self::Info | Self::Trace => 5,
                Self::Debug => 7,
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
