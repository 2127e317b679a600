//! What is wrong with a configuration: all of it, not just the first thing.

use std::fmt;

use super::grammar::{GrammarError, Position};

/// One complaint about one directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it was written, unless it is about the configuration as a whole.
    pub at: Option<Position>,
    /// What is wrong, in nats-server's words where it has some.
    pub reason: String,
}

impl Problem {
    /// A complaint about what stands at `at`.
    pub fn at(at: &Position, reason: impl Into<String>) -> Self {
        Self { at: Some(at.clone()), reason: reason.into() }
    }

    /// A complaint that belongs to no single place.
    pub fn general(reason: impl Into<String>) -> Self {
        Self { at: None, reason: reason.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(at) => write!(f, "{at}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

/// Everything found while reading a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The server does not start with any of these.
    pub errors: Vec<Problem>,
    /// The server starts, but `-t` does not call the file valid.
    pub warnings: Vec<Problem>,
}

impl Report {
    pub(super) fn error(&mut self, problem: Problem) {
        self.errors.push(problem);
    }

    pub(super) fn warn(&mut self, problem: Problem) {
        self.warnings.push(problem);
    }
}

impl fmt::Display for Report {
    /// Warnings first, each on its line, as nats-server prints them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.warnings.iter().chain(&self.errors).try_for_each(|problem| writeln!(f, "{problem}"))
    }
}

/// Why there is no configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// The text is no nats.conf.
    Grammar(GrammarError),
    /// Directives that cannot be taken.
    Directives(Report),
    /// Directives or flags that do not go together.
    Invalid(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grammar(error) => error.fmt(f),
            Self::Directives(report) => report.fmt(f),
            Self::Invalid(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for ConfigError {}

impl From<GrammarError> for ConfigError {
    fn from(error: GrammarError) -> Self {
        Self::Grammar(error)
    }
}
