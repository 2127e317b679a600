//! What happened, as a hash of all of it and the text of the last of it.

use std::collections::VecDeque;

/// Events kept as text.
const KEPT_MAX: usize = 80;

/// The events of a run.
#[derive(Debug, Default)]
pub struct Trace {
    hash: u64,
    step: u64,
    kept: VecDeque<String>,
    aloud: bool,
}

impl Trace {
    /// With `aloud`, every event is printed as it happens.
    pub fn new(aloud: bool) -> Self {
        Self { aloud, ..Self::default() }
    }

    /// Another step begins.
    pub fn begin_step(&mut self, step: u64) {
        self.step = step;
    }

    /// Something happened.
    pub fn note(&mut self, event: &str) {
        let line = format!("{:>6}  {event}", self.step);
        if self.aloud {
            println!("{line}");
        }
        for byte in line.bytes() {
            // FNV-1a
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(line);
    }

    /// A number that two runs share only if the same things happened in both.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The last events.
    pub fn last(&self) -> impl Iterator<Item = &str> {
        self.kept.iter().map(String::as_str)
    }
}
