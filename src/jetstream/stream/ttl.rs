//! `Nats-TTL`: how long one message lives (ADR-43).

use std::borrow::Cow;

use headwater_protocol::decimal;
use headwater_protocol::headers::{self, names};
use headwater_protocol::jetstream::go_duration::{self, SECOND};

use super::StreamMachine;
use super::refusal::Refusal;
use crate::clock::UnixNanos;

/// The life of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// It outlives `max_age`.
    Never,
    /// It ends this many seconds after the message was received.
    Seconds(i64),
}

impl Ttl {
    /// Reads the header's value: whole seconds, a Go duration of at least a second, or `never`. Nothing and `00` are no
    /// TTL.
    pub fn parse(value: &[u8]) -> Result<Option<Self>, Refusal> {
        if value.is_empty() {
            return Ok(None);
        }
        if value.eq_ignore_ascii_case(b"never") {
            return Ok(Some(Self::Never));
        }
        let seconds = match std::str::from_utf8(value).ok().and_then(go_duration::parse) {
            Some(nanos) if nanos < SECOND => return Err(Refusal::TtlInvalid),
            Some(nanos) => nanos / SECOND,
            None => {
                decimal::parse_u64(value).and_then(|n| i64::try_from(n).ok()).ok_or(Refusal::TtlInvalid)?
            }
        };
        Ok(Some(Self::Seconds(seconds)).filter(|ttl| *ttl != Self::Seconds(0)))
    }

    /// When a message received at `ts` ends, if it does.
    pub fn end(self, ts: UnixNanos) -> Option<UnixNanos> {
        match self {
            Self::Never => None,
            Self::Seconds(seconds) => ts.checked_add(seconds.checked_mul(SECOND)?),
        }
    }
}

impl StreamMachine {
    /// Raises a TTL to that of delete markers: a message must not end before a marker on its subject does, or the next
    /// marker would be missed. Where a subject has one message only, there is no other marker.
    pub(super) fn raise_ttl(&self, ttl: Option<Ttl>, block: &mut Cow<'_, [u8]>) -> Option<Ttl> {
        let least = self.config.subject_delete_marker_ttl / SECOND;
        match ttl {
            Some(Ttl::Seconds(seconds)) if seconds < least && self.config.max_msgs_per_subject != 1 => {
                let mut raised = headers::remove(block, names::TTL);
                headers::append_u64(&mut raised, names::TTL, least.unsigned_abs());
                *block = Cow::Owned(raised);
                Some(Ttl::Seconds(least))
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(value: &str) -> Result<Option<Ttl>, ()> {
        Ttl::parse(value.as_bytes()).map_err(drop)
    }

    #[test]
    fn seconds_durations_and_never_are_read() {
        assert_eq!(parsed("5"), Ok(Some(Ttl::Seconds(5))));
        assert_eq!(parsed("1m30s"), Ok(Some(Ttl::Seconds(90))));
        assert_eq!(parsed("1.5s"), Ok(Some(Ttl::Seconds(1))));
        assert_eq!(parsed("Never"), Ok(Some(Ttl::Never)));
        assert_eq!(parsed("99999999999"), Ok(Some(Ttl::Seconds(99_999_999_999))));
        assert_eq!(parsed(""), Ok(None));
    }

    #[test]
    fn less_than_a_second_and_nonsense_are_refused() {
        for value in ["0", "0s", "500ms", "-1", "-5s", "1.5", "soon", "1 s", "18446744073709551615"] {
            assert_eq!(parsed(value), Err(()), "{value}");
        }
    }

    #[test]
    fn a_life_beyond_the_end_of_time_has_no_end() {
        assert_eq!(Ttl::Seconds(99_999_999_999).end(1), None);
        assert_eq!(Ttl::Seconds(2).end(1), Some(2_000_000_001));
        assert_eq!(Ttl::Never.end(1), None);
    }
}
