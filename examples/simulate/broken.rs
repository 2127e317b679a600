//! A promise that was broken.

use std::fmt;

/// What was promised, and what was found instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// What must be true.
    pub promised: String,
    /// What is.
    pub found: String,
}

/// What a check comes to.
pub type Checked<T = ()> = Result<T, Broken>;

impl Broken {
    /// A broken promise.
    pub fn new(promised: impl Into<String>, found: impl Into<String>) -> Self {
        Self { promised: promised.into(), found: found.into() }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "promised: {}\n   found: {}", self.promised, self.found)
    }
}

/// Fails with a broken promise unless `holds`.
pub fn check(holds: bool, promised: impl FnOnce() -> String, found: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Broken::new(promised(), found())) }
}
