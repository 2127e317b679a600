//! The reply subject of a delivered message, which is where its acknowledgement goes (ADR-15).
//!
//! ```text
//! v1  $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>
//! v2  $JS.ACK.<domain>.<account hash>.<stream>.<consumer>.<delivered>.<…>.<pending>[.<random>]
//! ```

use crate::decimal::{DIGITS_MAX, parse_i64, parse_u64, write_before};

/// What all acknowledgement subjects begin with.
pub const ACK_PREFIX: &[u8] = b"$JS.ACK.";
/// Stands for the domain where there is none.
const NO_DOMAIN: &[u8] = b"_";
const V1_TOKENS: usize = 7;
const V2_TOKENS_MIN: usize = 9;
/// More tokens than this are not looked at; clients may add one of their own to v2.
const TOKENS_MAX: usize = 16;
/// What the five numbers of a delivery take at most, with a sign and the dots between them.
const NUMBERS_BYTES_MAX: usize = 5 * DIGITS_MAX + 1 + 4;

/// What one delivery was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// How many times the message was delivered, this one included.
    pub delivered: u64,
    /// The message's sequence.
    pub stream_seq: u64,
    /// The delivery's sequence.
    pub consumer_seq: u64,
    /// When the message was stored, in nanoseconds since 1970.
    pub timestamp: i64,
    /// Messages that follow.
    pub pending: u64,
}

/// A parsed acknowledgement subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckToken<'a> {
    /// The domain; only v2 names one.
    pub domain: Option<&'a [u8]>,
    /// The hash of the account; only in v2.
    pub account_hash: Option<&'a [u8]>,
    /// The stream.
    pub stream: &'a [u8],
    /// The consumer.
    pub consumer: &'a [u8],
    /// Which delivery.
    pub delivery: Delivery,
}

impl<'a> AckToken<'a> {
    /// Reads either form; `None` if `subject` is neither.
    pub fn parse(subject: &'a [u8]) -> Option<Self> {
        let mut found = [&subject[..0]; TOKENS_MAX];
        let mut count = 0;
        let tokens = subject.strip_prefix(ACK_PREFIX)?.split(|byte| *byte == b'.');
        for (slot, token) in found.iter_mut().zip(tokens) {
            *slot = token;
            count += 1;
        }
        match found.get(..count)? {
            v1 if count == V1_TOKENS => Self::from_tokens(None, None, v1),
            [domain, hash, v2 @ ..] if count >= V2_TOKENS_MIN => {
                let domain = Some(*domain).filter(|domain| *domain != NO_DOMAIN);
                Self::from_tokens(domain, Some(*hash), v2)
            }
            _ => None,
        }
    }

    fn from_tokens(
        domain: Option<&'a [u8]>,
        account_hash: Option<&'a [u8]>,
        tokens: &[&'a [u8]],
    ) -> Option<Self> {
        let [stream, consumer, delivered, stream_seq, consumer_seq, timestamp, pending, ..] = tokens else {
            return None;
        };
        let delivery = Delivery {
            delivered: parse_u64(delivered)?,
            stream_seq: parse_u64(stream_seq)?,
            consumer_seq: parse_u64(consumer_seq)?,
            timestamp: parse_i64(timestamp)?,
            pending: parse_u64(pending)?,
        };
        Some(Self { domain, account_hash, stream, consumer, delivery })
    }
}

/// The part of the reply subject that is the same for all deliveries of a consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AckReplies {
    prefix: Box<[u8]>,
}

impl AckReplies {
    /// Replies in the first form.
    pub fn v1(stream: &str, consumer: &str) -> Self {
        Self { prefix: format!("$JS.ACK.{stream}.{consumer}.").into_bytes().into() }
    }

    /// Replies in the second form.
    pub fn v2(domain: Option<&str>, account_hash: &str, stream: &str, consumer: &str) -> Self {
        let domain = domain.unwrap_or("_");
        Self { prefix: format!("$JS.ACK.{domain}.{account_hash}.{stream}.{consumer}.").into_bytes().into() }
    }

    /// What every reply subject begins with, the last dot included.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// Appends the reply subject of `delivery`. Allocates only if `out` has no room.
    pub fn write(&self, out: &mut Vec<u8>, delivery: &Delivery) {
        let Delivery { delivered, stream_seq, consumer_seq, timestamp, pending } = *delivery;
        let mut tokens = [b'.'; NUMBERS_BYTES_MAX];
        let mut start = write_before(&mut tokens, pending) - 1;
        start = write_before(&mut tokens[..start], timestamp.unsigned_abs());
        if timestamp < 0 {
            start -= 1;
            tokens[start] = b'-';
        }
        for number in [consumer_seq, stream_seq, delivered] {
            start = write_before(&mut tokens[..start - 1], number);
        }
        out.reserve(self.prefix.len() + NUMBERS_BYTES_MAX - start);
        out.extend_from_slice(&self.prefix);
        out.extend_from_slice(&tokens[start..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DELIVERY: Delivery = Delivery {
        delivered: 1,
        stream_seq: 22,
        consumer_seq: 3,
        timestamp: 1_700_000_000_000_000_000,
        pending: 4,
    };

    #[test]
    fn the_first_form_is_read_and_written() {
        let mut reply = Vec::new();
        AckReplies::v1("S", "C").write(&mut reply, &DELIVERY);
        assert_eq!(reply, b"$JS.ACK.S.C.1.22.3.1700000000000000000.4");
        let token = AckToken::parse(&reply).unwrap();
        assert_eq!((token.domain, token.account_hash), (None, None));
        assert_eq!((token.stream, token.consumer, token.delivery), (&b"S"[..], &b"C"[..], DELIVERY));
    }

    #[test]
    fn the_second_form_is_read_with_and_without_the_random_token() {
        for subject in
            ["$JS.ACK.hub.abcdefgh.S.C.1.22.3.1700000000000000000.4", "$JS.ACK._.h.S.C.1.22.3.4.5.xyz"]
        {
            let token = AckToken::parse(subject.as_bytes()).unwrap();
            assert_eq!((token.stream, token.consumer), (&b"S"[..], &b"C"[..]));
            assert_eq!(token.delivery.stream_seq, 22);
        }
        assert_eq!(AckToken::parse(b"$JS.ACK._.h.S.C.1.2.3.4.5").unwrap().domain, None);
        assert_eq!(AckToken::parse(b"$JS.ACK.hub.h.S.C.1.2.3.4.5").unwrap().domain, Some(&b"hub"[..]));
    }

    #[test]
    fn other_subjects_are_no_acknowledgements() {
        for subject in [
            "",
            "$JS.ACK",
            "$JS.ACK.",
            "$JS.ACK.S.C.1.2.3.4",
            "$JS.ACK.S.C.1.2.3.4.5.6",
            "$JS.ACK.S.C.x.2.3.4.5",
            "$JS.ACK.S.C.1.2..4.5",
            "$JS.ACK.S.C.1.2.-3.4.5",
            "$JS.FC.S.C.1.2.3.4.5",
            "$JS.ACK.S.C.99999999999999999999.2.3.4.5",
        ] {
            assert_eq!(AckToken::parse(subject.as_bytes()), None, "{subject}");
        }
    }

    proptest! {
        #[test]
        fn every_delivery_survives_its_reply_subject(
            delivered: u64, stream_seq: u64, consumer_seq: u64, timestamp: i64, pending: u64, second_form: bool
        ) {
            let delivery = Delivery { delivered, stream_seq, consumer_seq, timestamp, pending };
            let replies = match second_form {
                true => AckReplies::v2(None, "12345678", "ORDERS", "new-1"),
                false => AckReplies::v1("ORDERS", "new-1"),
            };
            let mut reply = Vec::new();
            replies.write(&mut reply, &delivery);
            let token = AckToken::parse(&reply).unwrap();
            prop_assert_eq!(token.delivery, delivery);
            prop_assert_eq!(token.consumer, b"new-1");
        }

        #[test]
        fn no_subject_makes_the_parser_fall(subject in "(\\$JS\\.ACK\\.)?[a-z0-9.]{0,60}") {
            let _ = AckToken::parse(subject.as_bytes());
        }
    }
}
