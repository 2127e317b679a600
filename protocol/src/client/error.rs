//! Why a stream of client bytes cannot be read on.

use std::fmt;

/// What is wrong with the bytes. Every one of these ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseError {
    /// No such verb, or a payload that does not end in CR LF.
    UnknownOperation,
    /// Wrong number of arguments, a bad size, or headers longer than the whole.
    BadArguments,
    /// The arguments of an operation are longer than `control_line_bytes_max`.
    ControlLineTooLong,
    /// The size on a publish is over `payload_bytes_max`.
    PayloadTooLarge,
    /// `HPUB` from a client that did not ask for headers in `CONNECT`.
    HeadersNotNegotiated,
    /// `INFO` without a JSON object.
    BadInfo,
}

impl ParseError {
    /// The text for `-ERR` before the connection is closed; `None` if it is closed without a word.
    pub fn reply(&self) -> Option<&'static str> {
        match self {
            ParseError::UnknownOperation => Some("Unknown Protocol Operation"),
            ParseError::ControlLineTooLong => Some("maximum control line exceeded"),
            ParseError::PayloadTooLarge => Some("Maximum Payload Violation"),
            ParseError::BadArguments | ParseError::HeadersNotNegotiated | ParseError::BadInfo => None,
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ParseError::UnknownOperation => "unknown protocol operation",
            ParseError::BadArguments => "bad arguments",
            ParseError::ControlLineTooLong => "maximum control line exceeded",
            ParseError::PayloadTooLarge => "maximum payload exceeded",
            ParseError::HeadersNotNegotiated => "message headers not supported",
            ParseError::BadInfo => "bad INFO",
        })
    }
}

impl std::error::Error for ParseError {}
