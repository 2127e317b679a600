//! Where in which file something was written.

use std::fmt;
use std::sync::Arc;

/// A place in a configuration file, printed `file:line:column` as nats-server does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The file as it was named on the command line or by the include.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: u32,
    /// In bytes; counted from 1, but from 0 on the first line, as nats-server counts.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Turns byte offsets of one text into positions.
pub(super) struct Lines {
    file: Arc<str>,
    newlines: Vec<usize>,
    len: usize,
}

impl Lines {
    pub(super) fn new(file: &str, text: &str) -> Self {
        let newlines = memchr::memchr_iter(b'\n', text.as_bytes()).collect();
        Self { file: file.into(), newlines, len: text.len() }
    }

    /// The position from which `remaining` bytes are left to the end of the text.
    pub(super) fn position(&self, remaining: usize) -> Position {
        let offset = self.len.saturating_sub(remaining);
        let before = self.newlines.partition_point(|&newline| newline < offset);
        let line_start = before.checked_sub(1).and_then(|last| self.newlines.get(last)).copied().unwrap_or(0);
        Position { file: self.file.clone(), line: count(before) + 1, column: count(offset - line_start) }
    }

    pub(super) fn line(&self, remaining: usize) -> u32 {
        self.position(remaining).line
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
