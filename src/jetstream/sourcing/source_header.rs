//! `Nats-Stream-Source`: where a sourced message came from.
//!
//! ```text
//! 2.15   <stream[:hash]> <seq> <filters> <destinations> <subject> <identity>
//! 2.11   the same without the identity, 2.10 without the subject as well
//! older  <stream> <seq>, or the acknowledgement subject of the delivery
//! ```

use headwater_protocol::jetstream::ack_token::AckToken;

use super::origin::Origin;

/// What the header of a stored message tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CameFrom<'a> {
    /// The origin, with the hash of its API prefix if it has one.
    pub stream: &'a str,
    /// Filters and destinations of the source, as in its index name; `None` before 2.10.
    pub selection: Option<(&'a str, &'a str)>,
    /// The message's sequence there.
    pub seq: u64,
    /// The origin's identity, empty if it is not told.
    pub identity: &'a str,
}

impl<'a> CameFrom<'a> {
    /// Reads the value of the header; `None` if it is none.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        if let Some(token) = AckToken::parse(value) {
            let stream = std::str::from_utf8(token.stream).ok()?;
            return Some(Self { stream, selection: None, seq: token.delivery.stream_seq, identity: "" });
        }
        let fields: Vec<&str> = std::str::from_utf8(value).ok()?.split(' ').collect();
        let (stream, seq, selection) = match fields.as_slice() {
            [stream, seq] => (*stream, *seq, None),
            [stream, seq, filters, destinations, ..] => (*stream, *seq, Some((*filters, *destinations))),
            _ => return None,
        };
        let identity = fields.get(5).copied().unwrap_or_default();
        Some(Self { stream, selection, seq: seq.parse().ok()?, identity })
    }

    /// Whether a message with this header came by way of `origin`.
    pub fn is_of(&self, origin: &Origin) -> bool {
        match self.selection {
            Some((filters, destinations)) => {
                &**origin.label() == self.stream
                    && origin.filters() == filters
                    && origin.destinations() == destinations
            }
            None => &**origin.label() == self.stream || origin.config().name == self.stream,
        }
    }
}

/// The value of the header for message `seq` of `origin`, which has `subject` there.
pub fn compose(origin: &Origin, seq: u64, subject: &[u8], identity: &str) -> Vec<u8> {
    let start = format!("{} {seq} {} {} ", origin.label(), origin.filters(), origin.destinations());
    let mut value = start.into_bytes();
    value.extend_from_slice(subject);
    if !identity.is_empty() {
        value.push(b' ');
        value.extend_from_slice(identity.as_bytes());
    }
    value
}
