//! Errors as the JetStream API reports them: `{"code":404,"err_code":10059,"description":"stream not found"}`.

use std::borrow::Cow;
use std::fmt::{self, Display, Write};

use serde::Serialize;

pub use super::error_table::ErrorCode;
use super::error_table::{CODES, ROWS};
use super::from_json::json_object;

/// An error body. Fixed texts cost no allocation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ApiError {
    /// Status in the manner of HTTP: 400, 404, 500, 503 …
    pub code: u16,
    /// The number clients match on, see [`ErrorCode`].
    #[serde(skip_serializing_if = "is_zero")]
    pub err_code: u16,
    /// The text people read.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub description: Cow<'static, str>,
}

json_object! { ApiError as "ApiError" { code, err_code, description } }

impl ApiError {
    /// Whether this is the error `code` stands for, whatever its text.
    pub fn is(&self, code: ErrorCode) -> bool {
        self.err_code == code.number()
    }
}

impl Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.description, self.err_code)
    }
}

impl std::error::Error for ApiError {}

impl From<ErrorCode> for ApiError {
    fn from(code: ErrorCode) -> Self {
        code.error()
    }
}

impl ErrorCode {
    /// The number on the wire.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The code with this number.
    pub fn from_number(number: u16) -> Option<Self> {
        CODES.get(usize::from(number.checked_sub(Self::FIRST)?)).copied()
    }

    /// The HTTP-like status.
    pub fn status(self) -> u16 {
        self.row().0
    }

    /// The description; `{…}` marks what [`with`](Self::with) fills in.
    pub fn text(self) -> &'static str {
        self.row().1
    }

    /// The error with its fixed text.
    pub fn error(self) -> ApiError {
        self.described(Cow::Borrowed(self.text()))
    }

    /// The error with the first placeholder of its text replaced.
    pub fn with(self, value: impl Display) -> ApiError {
        self.described(Cow::Owned(fill(self.text(), &[&value])))
    }

    /// The error with both placeholders of its text replaced, in the order they stand there.
    pub fn with_both(self, first: impl Display, second: impl Display) -> ApiError {
        self.described(Cow::Owned(fill(self.text(), &[&first, &second])))
    }

    /// The error with a fixed text of its own: for codes whose whole text is a placeholder.
    pub fn saying(self, description: &'static str) -> ApiError {
        self.described(Cow::Borrowed(description))
    }

    fn described(self, description: Cow<'static, str>) -> ApiError {
        ApiError { code: self.status(), err_code: self.number(), description }
    }

    fn row(self) -> super::error_table::Row {
        ROWS.get(usize::from(self.number() - Self::FIRST)).copied().unwrap_or((500, ""))
    }
}

/// Replaces the `{…}` of `text` by `values` in turn; one too many on either side changes nothing.
fn fill(text: &str, values: &[&dyn Display]) -> String {
    let mut filled = String::with_capacity(text.len() + 32);
    let mut rest = text;
    for value in values {
        let Some((before, after)) = split_placeholder(rest) else {
            break;
        };
        filled.push_str(before);
        // Writing to a String does not fail.
        let _ = write!(filled, "{value}");
        rest = after;
    }
    filled.push_str(rest);
    filled
}

fn split_placeholder(text: &str) -> Option<(&str, &str)> {
    let (before, tail) = text.split_once('{')?;
    let (_, after) = tail.split_once('}')?;
    Some((before, after))
}

fn is_zero(number: &u16) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_the_row_of_its_number() {
        assert_eq!(CODES.len(), ROWS.len());
        for (i, code) in CODES.iter().enumerate() {
            assert_eq!(usize::from(code.number()), usize::from(ErrorCode::FIRST) + i);
            assert_eq!(ErrorCode::from_number(code.number()), Some(*code));
        }
        assert_eq!(ErrorCode::from_number(10001), None);
        assert_eq!(ErrorCode::from_number(10228), None);
    }

    #[test]
    fn an_error_is_written_in_the_order_go_writes_it() {
        let json = serde_json::to_string(&ErrorCode::StreamNotFound.error()).unwrap();
        assert_eq!(json, r#"{"code":404,"err_code":10059,"description":"stream not found"}"#);
    }

    #[test]
    fn placeholders_are_filled_in_order() {
        let wrong = ErrorCode::StreamWrongLastSequence.with(7);
        assert_eq!(wrong.description, "wrong last sequence: 7");
        let overlap = ErrorCode::StreamExternalApiOverlap.with_both("a", "b.{x}");
        assert_eq!(overlap.description, "stream external api prefix a must not overlap with b.{x}");
        assert_eq!(ErrorCode::BadRequest.with("x").description, "bad request");
        assert_eq!(ErrorCode::StreamStoreFailed.saying("maximum bytes exceeded").code, 503);
    }

    #[test]
    fn an_error_from_another_server_is_read_back() {
        let sent = ErrorCode::RequiredApiLevel.error();
        let read: ApiError = serde_json::from_slice(&serde_json::to_vec(&sent).unwrap()).unwrap();
        assert_eq!(read, sent);
        assert!(read.is(ErrorCode::RequiredApiLevel));
    }
}
