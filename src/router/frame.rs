//! A message as clients receive it, encoded once for all of them.

use super::Message;
use super::dispatch::SizeTexts;

/// The parts of `MSG` and `HMSG` that are the same for every receiver; only the sid differs.
///
/// `MSG <subject> <sid> [reply] <size>` CR LF payload CR LF,
/// `HMSG <subject> <sid> [reply] <header size> <total size>` CR LF headers payload CR LF.
#[derive(Debug, Default)]
pub struct Frame {
    /// From the size or reply to the end of the control line: with headers, then without.
    tails: Vec<u8>,
    plain_tail_at: usize,
}

impl Frame {
    /// Encodes what is common. Reuses the frame's memory.
    pub(super) fn prepare(&mut self, message: &Message<'_>, sizes: Option<&SizeTexts>) {
        self.tails.clear();
        if !message.headers.is_empty() {
            self.push_reply(message.reply);
            self.push_size(message.headers.len(), sizes.map(|sizes| &*sizes.headers));
            self.tails.push(b' ');
            self.push_size(message.content_bytes(), sizes.map(|sizes| &*sizes.total));
            self.tails.extend_from_slice(b"\r\n");
        }
        self.plain_tail_at = self.tails.len();
        self.push_reply(message.reply);
        let stripped = !message.headers.is_empty();
        self.push_size(message.payload.len(), sizes.filter(|_| !stripped).map(|sizes| &*sizes.total));
        self.tails.extend_from_slice(b"\r\n");
    }

    /// Gives memory back that an unusual subject needed.
    pub fn shrink(&mut self) {
        self.tails.clear();
        self.tails.shrink_to(TAILS_KEPT_BYTES);
    }

    /// About how many bytes the message takes on the wire.
    pub fn bytes_hint(&self, message: &Message<'_>, sid: &[u8]) -> usize {
        5 + message.subject.len() + sid.len() + 2 + self.tails.len() + message.content_bytes() + 2
    }

    /// Appends the message for one receiver. `with_headers` only if the receiver understands them.
    pub fn encode(&self, out: &mut Vec<u8>, message: &Message<'_>, sid: &[u8], with_headers: bool) {
        let with_headers = with_headers && !message.headers.is_empty();
        let (with, without) = self.tails.split_at(self.plain_tail_at);
        out.extend_from_slice(if with_headers { b"HMSG " } else { b"MSG " });
        out.extend_from_slice(message.subject);
        out.push(b' ');
        out.extend_from_slice(sid);
        out.push(b' ');
        if with_headers {
            out.extend_from_slice(with);
            out.extend_from_slice(message.headers);
        } else {
            out.extend_from_slice(without);
        }
        out.extend_from_slice(message.payload);
        out.extend_from_slice(b"\r\n");
    }

    fn push_reply(&mut self, reply: &[u8]) {
        if !reply.is_empty() {
            self.tails.extend_from_slice(reply);
            self.tails.push(b' ');
        }
    }

    fn push_size(&mut self, bytes: usize, text: Option<&[u8]>) {
        match text {
            Some(text) => self.tails.extend_from_slice(text),
            None => self.push_number(bytes),
        }
    }

    fn push_number(&mut self, number: usize) {
        let mut digits = [0u8; 20];
        let mut at = digits.len();
        let mut rest = number;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.tails.extend_from_slice(&digits[at..]);
    }
}

/// What an unused frame keeps.
const TAILS_KEPT_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(message: &Message<'_>, with_headers: bool) -> String {
        let mut frame = Frame::default();
        frame.prepare(message, None);
        let mut out = Vec::new();
        frame.encode(&mut out, message, b"7", with_headers);
        assert!(out.len() <= frame.bytes_hint(message, b"7"));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn without_headers_it_is_a_msg() {
        let message = Message { subject: b"a.b", payload: b"hello", ..Message::default() };
        assert_eq!(encoded(&message, true), "MSG a.b 7 5\r\nhello\r\n");
    }

    #[test]
    fn the_reply_stands_before_the_size() {
        let message = Message { subject: b"a", reply: b"r", ..Message::default() };
        assert_eq!(encoded(&message, true), "MSG a 7 r 0\r\n\r\n");
    }

    #[test]
    fn sizes_are_echoed_as_the_publisher_wrote_them() {
        let mut frame = Frame::default();
        let message = Message { subject: b"a", payload: b"hi", ..Message::default() };
        frame.prepare(&message, Some(&SizeTexts { headers: Vec::new(), total: b"002".to_vec() }));
        let mut out = Vec::new();
        frame.encode(&mut out, &message, b"7", true);
        assert_eq!(out, b"MSG a 7 002\r\nhi\r\n");
    }

    #[test]
    fn headers_make_it_an_hmsg() {
        let message = Message { subject: b"a", reply: b"r", headers: b"NATS/1.0\r\n\r\n", payload: b"x" };
        assert_eq!(encoded(&message, true), "HMSG a 7 r 12 13\r\nNATS/1.0\r\n\r\nx\r\n");
    }

    #[test]
    fn a_receiver_without_headers_gets_the_payload_alone() {
        let message = Message { subject: b"a", reply: b"", headers: b"NATS/1.0\r\n\r\n", payload: b"x" };
        assert_eq!(encoded(&message, false), "MSG a 7 1\r\nx\r\n");
    }
}
