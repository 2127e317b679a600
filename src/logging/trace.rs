//! Lines about what goes over the wire: `127.0.0.1:4321 - cid:5 - <<- [SUB foo 1]`.

use std::fmt::{self, Display};

/// Whether such lines are wanted; ask before putting their parts together.
pub fn is_on() -> bool {
    log::log_enabled!(log::Level::Trace)
}

/// An operation that `client` sent. `args` are those of the line; absent and empty look different, as in nats-server.
pub fn operation_in(client: &dyn Display, operation: &str, args: Option<&[u8]>) {
    log::trace!("{client} - <<- {}", Operation { operation, args });
}

/// An operation sent to `client`.
pub fn operation_out(client: &dyn Display, operation: &str, args: Option<&[u8]>) {
    log::trace!("{client} - ->> {}", Operation { operation, args });
}

/// A payload that `client` sent, at most `bytes_max` of it.
pub fn payload_in(client: &dyn Display, payload: &[u8], bytes_max: Option<usize>) {
    if !payload.is_empty() {
        log::trace!("{client} - <<- MSG_PAYLOAD: [{}]", Payload { payload, bytes_max });
    }
}

/// A payload sent to `client`, at most `bytes_max` of it.
pub fn payload_out(client: &dyn Display, payload: &[u8], bytes_max: Option<usize>) {
    if !payload.is_empty() {
        log::trace!("{client} - ->> MSG_PAYLOAD: [{}]", Payload { payload, bytes_max });
    }
}

struct Operation<'a> {
    operation: &'a str,
    args: Option<&'a [u8]>,
}

impl Display for Operation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.args {
            None => write!(f, "[{}]", self.operation),
            Some(args) => write!(f, "[{} {}]", self.operation, String::from_utf8_lossy(args)),
        }
    }
}

struct Payload<'a> {
    payload: &'a [u8],
    bytes_max: Option<usize>,
}

impl Display for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bytes_max.and_then(|max| self.payload.get(..max)) {
            Some(start) if start.len() < self.payload.len() => {
                let quoted = format!("{:?}", String::from_utf8_lossy(start));
                write!(f, "{}...\"", quoted.strip_suffix('"').unwrap_or(&quoted))
            }
            _ => write!(f, "{:?}", String::from_utf8_lossy(self.payload)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_looks_as_in_nats_server() {
        let shown = |args: Option<&[u8]>| Operation { operation: "UNSUB", args }.to_string();
        assert_eq!(shown(None), "[UNSUB]");
        assert_eq!(shown(Some(b"1 5")), "[UNSUB 1 5]");
        assert_eq!(shown(Some(b"\xff")), "[UNSUB \u{fffd}]");
    }

    #[test]
    fn a_payload_is_quoted_and_cut() {
        let shown = |payload: &[u8], bytes_max| Payload { payload, bytes_max }.to_string();
        assert_eq!(shown(b"hello\r\n", None), r#""hello\r\n""#);
        assert_eq!(shown(b"hello", Some(5)), r#""hello""#);
        assert_eq!(shown(b"hello", Some(2)), r#""he...""#);
        assert_eq!(shown(b"a\"b", Some(2)), r#""a\"...""#);
    }
}
