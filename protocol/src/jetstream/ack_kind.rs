//! What an acknowledgement says: the payload sent to a delivered message's reply subject (ADR-15).

use super::from_json::{decode, json_object};
use super::go_duration;

/// An acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckKind<'a> {
    /// Done.
    Ack,
    /// Not done, deliver again.
    Nak {
        /// After this many nanoseconds; at once if `None`.
        delay_ns: Option<i64>,
    },
    /// Still working on it.
    Progress,
    /// Done, and the next please; the rest is a pull request.
    Next(&'a [u8]),
    /// Do not deliver it again.
    Term {
        /// Why, for people; may be empty.
        reason: &'a [u8],
    },
    /// Not understood. It changes nothing, but is answered if it asks for an answer.
    Unknown,
}

impl<'a> AckKind<'a> {
    /// Reads the payload of an acknowledgement.
    pub fn parse(payload: &'a [u8]) -> Self {
        match payload {
            b"" | b"+ACK" | b"+OK" => AckKind::Ack,
            b"+WPI" => AckKind::Progress,
            [b'+', b'N', b'X', b'T', request @ ..] => AckKind::Next(request),
            [b'-', b'N', b'A', b'K', delay @ ..] => {
                AckKind::Nak { delay_ns: parse_delay(delay.trim_ascii()) }
            }
            [b'+', b'T', b'E', b'R', b'M', reason @ ..] => AckKind::Term { reason: reason.trim_ascii() },
            _ => AckKind::Unknown,
        }
    }
}

/// `{"delay": <nanoseconds>}`.
#[derive(Debug, Default)]
struct NakOptions {
    delay: i64,
}

json_object! { NakOptions as "ConsumerNakOptions" { delay } }

/// A delay nobody understands is none, as in nats-server.
fn parse_delay(text: &[u8]) -> Option<i64> {
    match text.first()? {
        b'{' => decode::<NakOptions>(text, false).ok().map(|options| options.delay),
        _ => go_duration::parse(std::str::from_utf8(text).ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delay(payload: &[u8]) -> Option<i64> {
        match AckKind::parse(payload) {
            AckKind::Nak { delay_ns } => delay_ns,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_verb_is_understood() {
        for payload in [&b""[..], b"+ACK", b"+OK"] {
            assert_eq!(AckKind::parse(payload), AckKind::Ack);
        }
        assert_eq!(AckKind::parse(b"+WPI"), AckKind::Progress);
        assert_eq!(AckKind::parse(b"+NXT"), AckKind::Next(b""));
        assert_eq!(AckKind::parse(b"+NXT {\"batch\":2}"), AckKind::Next(b" {\"batch\":2}"));
        assert_eq!(AckKind::parse(b"+TERM"), AckKind::Term { reason: b"" });
        assert_eq!(AckKind::parse(b"+TERM no good "), AckKind::Term { reason: b"no good" });
    }

    #[test]
    fn a_nak_may_carry_a_delay_in_two_notations() {
        assert_eq!(delay(b"-NAK"), None);
        assert_eq!(delay(b"-NAK 300ms"), Some(300 * go_duration::MILLISECOND));
        assert_eq!(delay(b"-NAK {\"delay\": 400000000}"), Some(400 * go_duration::MILLISECOND));
    }

    #[test]
    fn a_delay_nobody_understands_is_none() {
        for payload in [&b"-NAK soon"[..], b"-NAK {", b"-NAK {\"delay\":\"1s\"}", b"-NAK 5", b"-NAK \xff"] {
            assert_eq!(delay(payload), None);
        }
    }

    #[test]
    fn other_payloads_are_unknown() {
        for payload in [&b"+ack"[..], b"+ACK\r\n", b"ACK", b"+WPI ", b"hello", b"-NA"] {
            assert_eq!(AckKind::parse(payload), AckKind::Unknown);
        }
    }
}
