//! Why a transform is refused, in nats-server's words.

use std::fmt;

/// Why a transform is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransformError {
    /// Source or destination is no subject, or they do not end alike.
    InvalidSubject,
    /// Something is wrong in the destination.
    Destination {
        /// What.
        problem: DestinationProblem,
        /// Where; empty if it is about the whole.
        place: String,
    },
}

/// What is wrong in a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DestinationProblem {
    /// An empty token, blanks, or tokens behind a `>`.
    InvalidTransform,
    /// The source has wildcards that are not used.
    NotUsingAllWildcards,
    /// No such function.
    UnknownFunction,
    /// The source has fewer wildcards.
    IndexOutOfRange,
    /// Too few arguments.
    NotEnoughArgs,
    /// An argument is no number, or too large, or no usable delimiter.
    InvalidArg,
    /// Too many arguments.
    TooManyArgs,
    /// A function that cannot be undone.
    NotSupportedForImport,
}

impl DestinationProblem {
    /// The error, with the place where the problem is.
    pub(super) fn at(self, place: impl Into<String>) -> TransformError {
        TransformError::Destination { problem: self, place: place.into() }
    }

    fn text(self) -> &'static str {
        match self {
            Self::InvalidTransform => "invalid transform",
            Self::NotUsingAllWildcards => "not using all of the token wildcard(s)",
            Self::UnknownFunction => "unknown function",
            Self::IndexOutOfRange => "wildcard index out of range",
            Self::NotEnoughArgs => "not enough arguments passed to the function",
            Self::InvalidArg => "function argument is invalid or in the wrong format",
            Self::TooManyArgs => "too many arguments passed to the function",
            Self::NotSupportedForImport => {
                "the only mapping function allowed for import transforms is {{Wildcard()}}"
            }
        }
    }
}

impl fmt::Display for TransformError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransformError::InvalidSubject => f.write_str("invalid subject"),
            TransformError::Destination { problem, place } => {
                write!(f, "invalid mapping destination: {}", problem.text())?;
                if place.is_empty() { Ok(()) } else { write!(f, " in {place}") }
            }
        }
    }
}

impl std::error::Error for TransformError {}
