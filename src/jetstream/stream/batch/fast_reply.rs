//! The reply subject of a message of a fast batch: `<inbox>.<batch id>.<flow>.<gap>.<sequence>.<operation>.$FI`.

use headwater_protocol::decimal;

const SUFFIX: &[u8] = b".$FI";
/// What a publisher gets that says nothing sensible of how often it wants to hear.
const FLOW_DEFAULT: u16 = 10;

/// What a message says of its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FastReply<'a> {
    pub(super) id: &'a [u8],
    /// The most messages between two acknowledgements.
    pub(super) flow: u16,
    /// Whether the batch goes on when messages are missing or refused.
    pub(super) gap_ok: bool,
    /// The message's place in the batch, from 1.
    pub(super) seq: u64,
    pub(super) operation: Operation,
}

/// What the message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// One of the batch, the first or another.
    Append,
    /// The last of the batch.
    Commit,
    /// Not part of the batch: the message before was the last.
    End,
    /// Not part of the batch: asks how far it has come.
    Ping,
}

/// Whether a reply subject is that of a message of a fast batch.
pub(in crate::jetstream::stream) fn is_fast(reply: &[u8]) -> bool {
    reply.len() > SUFFIX.len() && reply.ends_with(SUFFIX)
}

impl<'a> FastReply<'a> {
    /// Reads a reply subject for which [`is_fast`] holds; `None` if it is not of the form.
    pub(super) fn parse(reply: &'a [u8]) -> Option<Self> {
        let mut tokens = reply.strip_suffix(SUFFIX)?.rsplitn(6, |byte| *byte == b'.');
        let operation = decimal::parse_u64(tokens.next()?)?;
        let seq = decimal::parse_u64(tokens.next()?).filter(|seq| (1..u64::MAX).contains(seq))?;
        let operation = match (operation, seq) {
            (0, 1) => Operation::Append,
            (1, 2..) => Operation::Append,
            (2, _) => Operation::Commit,
            (3, 2..) => Operation::End,
            (4, _) => Operation::Ping,
            _ => return None,
        };
        let gap_ok = match tokens.next()? {
            b"ok" => true,
            b"fail" => false,
            _ => return None,
        };
        let flow = match decimal::parse_u64(tokens.next()?) {
            None | Some(0) => FLOW_DEFAULT,
            Some(flow) => u16::try_from(flow).unwrap_or(u16::MAX),
        };
        let id = tokens.next()?;
        // There is an inbox before all that.
        tokens.next()?;
        Some(Self { id, flow, gap_ok, seq, operation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_read_from_its_end() {
        let reply = FastReply::parse(b"_INBOX.a.b.id.20.ok.7.1.$FI");
        let expected = FastReply { id: b"id", flow: 20, gap_ok: true, seq: 7, operation: Operation::Append };
        assert_eq!(reply, Some(expected));
    }

    #[test]
    fn how_often_to_hear_is_bounded() {
        for (flow, read) in [("0", 10), ("-3", 10), ("x", 10), ("70000", u16::MAX), ("500", 500)] {
            let reply = format!("i.id.{flow}.fail.1.0.$FI");
            assert_eq!(FastReply::parse(reply.as_bytes()).map(|reply| reply.flow), Some(read), "{flow}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for reply in [
            "id.10.ok.1.0.$FI",
            "i.id.10.maybe.1.0.$FI",
            "i.id.10.ok.1.9.$FI",
            "i.id.10.ok.1.x.$FI",
            "i.id.10.ok.0.0.$FI",
            "i.id.10.ok.18446744073709551615.1.$FI",
            "i.id.10.ok.2.0.$FI",
            "i.id.10.ok.1.1.$FI",
            "i.id.10.ok.1.3.$FI",
            "x.$FI",
        ] {
            assert_eq!(FastReply::parse(reply.as_bytes()), None, "{reply}");
        }
        assert!(is_fast(b"x.$FI") && !is_fast(b".$FI") && !is_fast(b"x.$FIX"));
    }
}
