//! What can be wrong with a configuration file before its directives are looked at.

use std::fmt;

use super::position::Position;

/// A configuration that could not be read as nats.conf; the texts are nats-server's where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrammarError {
    /// The file itself could not be read.
    Unreadable { path: String, reason: String },
    /// The text breaks the grammar.
    Syntax { line: u32, reason: String },
    /// The text ends after a key.
    KeyWithoutValue { at: Position },
    /// A number that looks like one and is none, or does not fit.
    Number { reason: String },
    /// A variable that is defined neither in scope nor in the environment.
    VariableNotFound { name: String, line: u32 },
    /// A variable of the environment that does not hold a value.
    VariableUnreadable { name: String, line: u32, reason: String },
    /// An included file could not be read.
    Include { path: String, cause: Box<GrammarError> },
    /// Includes nested too deep, or too much text or too many values in all.
    TooLarge { reason: &'static str },
}

impl fmt::Display for GrammarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, reason } => write!(f, "open {path}: {reason}"),
            Self::Syntax { line, reason } => write!(f, "Parse error on line {line}: '{reason}'"),
            Self::KeyWithoutValue { at } => write!(f, "config is invalid ({at})"),
            Self::Number { reason } => f.write_str(reason),
            Self::VariableNotFound { name, line } => {
                write!(f, "variable reference for '{name}' on line {line} can not be found")
            }
            Self::VariableUnreadable { name, line, reason } => {
                write!(f, "variable reference for '{name}' on line {line} could not be parsed: {reason}")
            }
            Self::Include { path, cause } => {
                write!(f, "error parsing include file '{path}', {cause}")
            }
            Self::TooLarge { reason } => f.write_str(reason),
        }
    }
}

impl std::error::Error for GrammarError {}
