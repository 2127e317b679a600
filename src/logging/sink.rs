//! Where lines end up: standard error, or a file that is set aside when it has grown enough.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::line::{Label, Lines, Shape};
use super::syslog::Syslog;
use crate::clock::{Clock, UnixNanos};
use crate::config::Logging;

/// An open log.
pub enum Sink {
    /// Standard error, in colour if a person looks at it.
    Stderr {
        colours: bool,
    },
    File(RotatedFile),
    /// The system's log daemon, or another machine's.
    Syslog(Syslog),
    /// Anything else that takes bytes.
    Other(Box<dyn Write + Send>),
}

impl Sink {
    /// What `settings` name.
    pub fn open(settings: &Logging) -> io::Result<Self> {
        match &settings.file {
            Some(path) => RotatedFile::open(path, settings).map(Self::File),
            None if settings.syslog || settings.remote_syslog.is_some() => {
                Syslog::open(settings.remote_syslog.as_deref()).map(Self::Syslog)
            }
            None => Ok(Self::Stderr { colours: io::stderr().is_terminal() }),
        }
    }

    pub(super) fn shape(&self) -> Shape {
        match self {
            Self::Stderr { colours } => Shape::Plain { colours: *colours },
            Self::Syslog(_) => Shape::Syslog,
            Self::File(_) | Self::Other(_) => Shape::Plain { colours: false },
        }
    }

    /// Writes whole lines. There is nobody to tell if that fails.
    pub(super) fn write(&mut self, lines: &str, clock: &dyn Clock) {
        let _ = match self {
            Self::Stderr { .. } => io::stderr().write_all(lines.as_bytes()),
            Self::Other(other) => other.write_all(lines.as_bytes()),
            Self::File(file) => file.write(lines, clock),
            Self::Syslog(daemon) => daemon.write(lines, clock),
        };
    }
}

/// A log file with a limit to its size.
pub struct RotatedFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    /// Absent: it grows without end.
    bytes_max: Option<u64>,
    /// What the limit was before attempts to keep it failed.
    bytes_max_configured: Option<u64>,
    /// Files kept, this one included; absent: all.
    files_max: Option<u64>,
    shape: Lines,
}

impl RotatedFile {
    fn open(path: &Path, settings: &Logging) -> io::Result<Self> {
        let file = create(path)?;
        Ok(Self {
            path: path.to_owned(),
            bytes: file.metadata()?.len(),
            file,
            bytes_max: settings.file_bytes_max,
            bytes_max_configured: settings.file_bytes_max,
            files_max: settings.files_max,
            shape: Lines::new(settings, Shape::Plain { colours: false }),
        })
    }

    fn write(&mut self, lines: &str, clock: &dyn Clock) -> io::Result<()> {
        let mut rest = lines;
        while !rest.is_empty() {
            let (now_fits, later) = rest.split_at(self.fitting(rest));
            self.append(now_fits)?;
            rest = later;
            if self.bytes_max.is_some_and(|limit| self.bytes > limit) {
                self.rotate(clock.now());
            }
        }
        Ok(())
    }

    /// How much of `lines` to write before the limit is crossed: whole lines, the one that crosses it included.
    fn fitting(&self, lines: &str) -> usize {
        let Some(limit) = self.bytes_max else { return lines.len() };
        let left = usize::try_from(limit.saturating_sub(self.bytes)).unwrap_or(usize::MAX);
        let crossing = lines.as_bytes().get(left..).and_then(|rest| memchr::memchr(b'\n', rest));
        crossing.map_or(lines.len(), |end| left + end + 1)
    }

    fn append(&mut self, lines: &str) -> io::Result<()> {
        self.file.write_all(lines.as_bytes())?;
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// Sets the file aside as `<path>.<time>` and goes on with a fresh one.
    fn rotate(&mut self, now: UnixNanos) {
        let mut backup = self.path.clone().into_os_string();
        backup.push(format!(".{}", self.shape.file_stamp(now)));
        match fs::rename(&self.path, &backup).and_then(|()| create(&self.path)) {
            Ok(file) => {
                (self.file, self.bytes, self.bytes_max) = (file, 0, self.bytes_max_configured);
                self.note(now, Label::Info, &format!("Rotated log, backup saved as {backup:?}"));
                self.purge(now);
            }
            Err(error) => {
                self.bytes_max = self.bytes_max.map(|limit| limit.saturating_mul(2));
                let next = self.bytes_max.unwrap_or_default();
                let complaint = "Unable to set logfile aside for rotation";
                self.note(
                    now,
                    Label::Error,
                    &format!("{complaint} ({error}), will attempt next rotation at size {next}"),
                );
            }
        }
    }

    /// Removes the oldest files that were set aside, so that no more than `files_max` are left.
    fn purge(&mut self, now: UnixNanos) {
        let Some(backups_max) =
            self.files_max.and_then(|files| usize::try_from(files.saturating_sub(1)).ok())
        else {
            return;
        };
        let mut backups = self.backups();
        // The names end in the time, so their order is their age.
        backups.sort_unstable();
        let surplus = backups.len().saturating_sub(backups_max);
        for backup in backups.iter().take(surplus) {
            let name = backup.file_name().unwrap_or_default();
            if let Err(error) = fs::remove_file(backup) {
                let reason = format!(
                    "Unable to remove backup log file {name:?} ({error}), will attempt next rotation"
                );
                return self.note(now, Label::Error, &reason);
            }
            self.note(now, Label::Info, &format!("Purged log file {name:?}"));
        }
    }

    fn backups(&self) -> Vec<PathBuf> {
        let directory =
            self.path.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let own = format!("{}.", self.path.file_name().unwrap_or_default().to_string_lossy());
        let is_backup = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.strip_prefix(&own).is_some_and(is_file_stamp)
        };
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(is_backup).collect()
    }

    fn note(&mut self, now: UnixNanos, label: Label, text: &str) {
        let mut line = String::new();
        self.shape.write(&mut line, now, label, text);
        // There is nobody to tell if that fails.
        let _ = self.append(&line);
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

/// Whether `text` looks like `2006.01.02.15.04.05.000000000`.
fn is_file_stamp(text: &str) -> bool {
    let lengths =
        text.split('.').map(|part| if part.bytes().all(|b| b.is_ascii_digit()) { part.len() } else { 0 });
    lengths.eq([4, 2, 2, 2, 2, 2, 9])
}
