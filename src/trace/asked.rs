//! What the headers of a message ask for.

use std::collections::BTreeMap;

use headwater_protocol::headers::{self, names};

use super::encoding::Encoding;
use super::{DISABLED, text};

/// The header of W3C Trace Context; its name is taken in any case.
const TRACE_PARENT: &[u8] = b"traceparent";

/// Set by servers of long ago; traces of such messages are refused.
const ORIGIN_ACCOUNT: &[u8] = b"Nats-Trace-Origin-Account";

const ACCEPT_ENCODING: &[u8] = b"Accept-Encoding";

/// All headers of a message, by name, names and values as they were sent.
type Headers = BTreeMap<String, Vec<String>>;

/// A wish to have a message traced.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// All headers of the message.
    pub(super) headers: Headers,
    /// Where the trace goes; `None` leaves that to the account, because only `traceparent` asks.
    pub destination: Option<String>,
    /// Whether the message is only traced.
    pub only: bool,
    /// The value of a header that forbids the trace.
    pub origin_account: Option<String>,
    /// How the trace is sent.
    pub encoding: Encoding,
}

/// Whether a header block may ask for a trace: quick, and never wrong when it says no.
#[inline]
pub fn may_ask(block: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', block).any(|end| {
        let line = block.get(end + 1..).unwrap_or_default();
        line.starts_with(names::TRACE_DEST) || is_trace_parent(line)
    })
}

#[inline]
fn is_trace_parent(line: &[u8]) -> bool {
    matches!(line.first(), Some(b't' | b'T'))
        && line.get(..TRACE_PARENT.len()).is_some_and(|name| name.eq_ignore_ascii_case(TRACE_PARENT))
}

impl Asked {
    /// What a header block asks for; `None` if nothing.
    pub fn read(block: &[u8]) -> Option<Self> {
        if !block.strip_prefix(headers::VERSION).is_some_and(|rest| rest.starts_with(b"\r\n")) {
            return None;
        }
        let mut sampled = false;
        let mut all = Headers::new();
        for (name, value) in headers::iter(block) {
            let value = value.trim_ascii();
            if name.is_empty() || value.is_empty() {
                continue;
            }
            if name == names::TRACE_DEST && value == DISABLED && !all.contains_key(&text(name)) {
                return None;
            }
            sampled |= name.eq_ignore_ascii_case(TRACE_PARENT) && is_sampled(value);
            all.entry(text(name)).or_default().push(text(value));
        }
        let first = |name: &[u8]| all.get(&text(name)).and_then(|values| values.first()).cloned();
        let destination = first(names::TRACE_DEST);
        if destination.is_none() && !sampled {
            return None;
        }
        Some(Self {
            only: destination.is_some() && first(names::TRACE_ONLY).is_some_and(|value| is_true(&value)),
            origin_account: first(ORIGIN_ACCOUNT),
            encoding: first(ACCEPT_ENCODING).map_or(Encoding::Plain, |value| Encoding::accepted(&value)),
            destination,
            headers: all,
        })
    }
}

/// `version-id-parent-flags`, the flags in two hexadecimal digits: the lowest bit says that somebody records it. As with
/// nats-server, flags above 7f are no number.
fn is_sampled(value: &[u8]) -> bool {
    let mut parts = value.split(|byte| *byte == b'-');
    let (Some(flags), None) = (parts.nth(3), parts.next()) else { return false };
    let flags = std::str::from_utf8(flags).ok().filter(|flags| flags.len() == 2);
    flags.and_then(|flags| i8::from_str_radix(flags, 16).ok()).is_some_and(|flags| flags & 1 == 1)
}

fn is_true(value: &str) -> bool {
    ["1", "true", "on"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";

    fn asked(lines: &str) -> Option<Asked> {
        let block = format!("NATS/1.0\r\n{lines}\r\n");
        let asked = Asked::read(block.as_bytes());
        assert!(asked.is_none() || may_ask(block.as_bytes()), "the quick look says no: {block:?}");
        asked
    }

    fn destination(lines: &str) -> Option<String> {
        asked(lines)?.destination
    }

    #[test]
    fn a_destination_asks_for_a_trace() {
        assert_eq!(destination("Nats-Trace-Dest: t.d \r\n").as_deref(), Some("t.d"));
        assert_eq!(
            destination("X: y\r\nNats-Trace-Dest:t.d\r\nNats-Trace-Dest: u\r\n").as_deref(),
            Some("t.d")
        );
        assert_eq!(asked("X: Nats-Trace-Dest: t\r\nnats-trace-dest: t\r\nNats-Trace-Dest: \r\n"), None);
    }

    #[test]
    fn a_disabled_trace_is_not_asked_for() {
        let parent = format!("traceparent: {PARENT}-01\r\n");
        assert_eq!(asked(&format!("{parent}Nats-Trace-Dest: trace disabled\r\n")), None);
    }

    #[test]
    fn a_trace_parent_that_is_sampled_leaves_the_destination_to_the_account() {
        for name in ["traceparent", "Traceparent", "TRACEPARENT"] {
            let asked = asked(&format!("{name}: {PARENT}-01\r\nNats-Trace-Only: true\r\n")).unwrap();
            assert_eq!((asked.destination, asked.only), (None, false));
        }
        for flags in ["00", "1", "02", "81", "zz", "01-01"] {
            assert_eq!(asked(&format!("traceparent: {PARENT}-{flags}\r\n")), None, "{flags}");
        }
    }

    #[test]
    fn only_is_said_in_several_ways() {
        let only =
            |value| asked(&format!("Nats-Trace-Dest: d\r\nNats-Trace-Only: {value}\r\n")).unwrap().only;
        assert!(only("true") && only("TRUE") && only("1") && only("on"));
        assert!(!only("false") && !only("yes") && !only(""));
    }

    #[test]
    fn a_status_or_no_headers_ask_for_nothing() {
        assert_eq!(Asked::read(b"NATS/1.0 100\r\nNats-Trace-Dest: d\r\n\r\n"), None);
        assert_eq!(Asked::read(b""), None);
        assert!(!may_ask(b"NATS/1.0\r\nX: Nats-Trace-Dest\r\n\r\n"));
    }
}
