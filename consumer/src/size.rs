//! How large a message is on its way to the client.

use headwater_store::{MessageLog, StoreError};

use super::deliver::Candidate;
use super::machine::ConsumerMachine;

/// What a header block of our own making costs when the message has none: `NATS/1.0␍␊␍␊`.
const EMPTY_HEADERS_BYTES: u64 = 12;
const MSG_SIZE_HEADER_BYTES: u64 = "Nats-Msg-Size: \r\n".len() as u64;
/// Digits of the nanoseconds since 1970 between 2001 and 2286, which spares a look at the message.
const TIME_DIGITS: u64 = 19;
const ACK_PREFIX_BYTES: u64 = "$JS.ACK.".len() as u64;

/// Sizes of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MessageSize {
    /// Subject, reply subject, headers and payload as delivered.
    pub(super) wire_bytes: u64,
}

impl ConsumerMachine {
    /// The sizes of the next delivery.
    pub(super) fn measure(
        &self,
        log: &dyn MessageLog,
        candidate: Candidate,
    ) -> Result<MessageSize, StoreError> {
        let delivered_bytes = if self.settings.headers_only {
            headers_only_bytes(log, candidate.seq)?
        } else {
            candidate.content_bytes
        };
        let wire_bytes = delivered_bytes + self.ack_reply_bytes(candidate);
        Ok(MessageSize { wire_bytes })
    }

    /// The length of the reply subject, which is a part of the message as far as `max_bytes` is concerned.
    fn ack_reply_bytes(&self, candidate: Candidate) -> u64 {
        let names = self.stream.name.len() + self.identity.name.len();
        let pending = self.pending_now().saturating_sub(u64::from(candidate.is_new));
        let numbers = [u64::from(candidate.delivered) + 1, candidate.seq, self.next_consumer_seq(), pending];
        let dots = 6;
        let digits: u64 = numbers.into_iter().map(digits).sum();
        ACK_PREFIX_BYTES + u64::try_from(names).unwrap_or(0) + dots + digits + TIME_DIGITS
    }
}

fn headers_only_bytes(log: &dyn MessageLog, seq: u64) -> Result<u64, StoreError> {
    let Some(message) = log.load(seq)? else {
        return Ok(0);
    };
    let length = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let headers = if message.headers().is_empty() { EMPTY_HEADERS_BYTES } else { length(message.headers()) };
    Ok(length(message.subject()) + headers + MSG_SIZE_HEADER_BYTES + digits(length(message.payload())))
}

fn digits(number: u64) -> u64 {
    u64::from(number.checked_ilog10().unwrap_or(0)) + 1
}

#[cfg(test)]
mod tests {
    use super::digits;

    #[test]
    fn digits_are_counted_as_written() {
        for number in [0, 1, 9, 10, 99, 100, u64::MAX] {
            assert_eq!(digits(number), number.to_string().len() as u64);
        }
    }
}
