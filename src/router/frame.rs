//! A message as clients receive it.

use headwater_protocol::decimal;

use super::Message;
use super::dispatch::SizeTexts;

/// What a control line takes at most beside subject, sid and reply: the verb, two sizes, blanks and the line's end.
const LINE_BYTES_MAX: usize = 2 * decimal::DIGITS_MAX + 12;

/// What an unused frame keeps.
const TAILS_KEPT_BYTES: usize = 256;

/// Appends the message for one receiver. `with_headers` only if the receiver understands them.
///
/// `MSG <subject> <sid> [reply] <size>` CR LF payload CR LF,
/// `HMSG <subject> <sid> [reply] <header size> <total size>` CR LF headers payload CR LF.
pub(super) fn encode(
    out: &mut Vec<u8>,
    message: &Message<'_>,
    sid: &[u8],
    with_headers: bool,
    sizes: Option<&SizeTexts>,
) {
    let with_headers = with_headers && !message.headers.is_empty();
    put_head(out, message, sid, with_headers);
    put_tail(out, message, with_headers, sizes);
    put_content(out, message, with_headers);
}

/// At most how many bytes the message takes on the wire.
pub(super) fn bytes_hint(message: &Message<'_>, sid: &[u8]) -> usize {
    LINE_BYTES_MAX + message.subject.len() + sid.len() + message.reply.len() + message.content_bytes() + 2
}

/// The parts of `MSG` and `HMSG` that are the same for every receiver, encoded once for all of them; only the sid differs.
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
            put_tail(&mut self.tails, message, true, sizes);
        }
        self.plain_tail_at = self.tails.len();
        put_tail(&mut self.tails, message, false, sizes);
    }

    /// Gives memory back that an unusual subject needed.
    pub fn shrink(&mut self) {
        self.tails.clear();
        self.tails.shrink_to(TAILS_KEPT_BYTES);
    }

    /// Appends the message for one receiver, as [`encode`] does.
    pub(super) fn encode(&self, out: &mut Vec<u8>, message: &Message<'_>, sid: &[u8], with_headers: bool) {
        let with_headers = with_headers && !message.headers.is_empty();
        let (with, without) = self.tails.split_at(self.plain_tail_at);
        put_head(out, message, sid, with_headers);
        out.extend_from_slice(if with_headers { with } else { without });
        put_content(out, message, with_headers);
    }
}

fn put_head(out: &mut Vec<u8>, message: &Message<'_>, sid: &[u8], with_headers: bool) {
    out.extend_from_slice(if with_headers { b"HMSG " } else { b"MSG " });
    out.extend_from_slice(message.subject);
    out.push(b' ');
    out.extend_from_slice(sid);
    out.push(b' ');
}

fn put_tail(out: &mut Vec<u8>, message: &Message<'_>, with_headers: bool, sizes: Option<&SizeTexts>) {
    if !message.reply.is_empty() {
        out.extend_from_slice(message.reply);
        out.push(b' ');
    }
    if with_headers {
        put_size(out, message.headers.len(), sizes.map(|sizes| &*sizes.headers));
        out.push(b' ');
        put_size(out, message.content_bytes(), sizes.map(|sizes| &*sizes.total));
    } else {
        let stripped = !message.headers.is_empty();
        put_size(out, message.payload.len(), sizes.filter(|_| !stripped).map(|sizes| &*sizes.total));
    }
    out.extend_from_slice(b"\r\n");
}

fn put_size(out: &mut Vec<u8>, bytes: usize, text: Option<&[u8]>) {
    match text {
        Some(text) => out.extend_from_slice(text),
        None => decimal::push_u64(out, bytes as u64),
    }
}

fn put_content(out: &mut Vec<u8>, message: &Message<'_>, with_headers: bool) {
    if with_headers {
        out.extend_from_slice(message.headers);
    }
    out.extend_from_slice(message.payload);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message for the only receiver, which is the same as for the second of many.
    fn encoded(message: &Message<'_>, with_headers: bool, sizes: Option<&SizeTexts>) -> String {
        let mut alone = Vec::new();
        encode(&mut alone, message, b"7", with_headers, sizes);
        assert!(alone.len() <= bytes_hint(message, b"7"));
        let mut frame = Frame::default();
        frame.prepare(message, sizes);
        let mut among_others = Vec::new();
        frame.encode(&mut among_others, message, b"7", with_headers);
        assert_eq!(among_others, alone);
        String::from_utf8(alone).unwrap()
    }

    #[test]
    fn without_headers_it_is_a_msg() {
        let message = Message { subject: b"a.b", payload: b"hello", ..Message::default() };
        assert_eq!(encoded(&message, true, None), "MSG a.b 7 5\r\nhello\r\n");
    }

    #[test]
    fn the_reply_stands_before_the_size() {
        let message = Message { subject: b"a", reply: b"r", ..Message::default() };
        assert_eq!(encoded(&message, true, None), "MSG a 7 r 0\r\n\r\n");
    }

    #[test]
    fn sizes_are_echoed_as_the_publisher_wrote_them() {
        let message = Message { subject: b"a", payload: b"hi", ..Message::default() };
        let sizes = SizeTexts { headers: Vec::new(), total: b"002".to_vec() };
        assert_eq!(encoded(&message, true, Some(&sizes)), "MSG a 7 002\r\nhi\r\n");
    }

    #[test]
    fn headers_make_it_an_hmsg() {
        let message = Message { subject: b"a", reply: b"r", headers: b"NATS/1.0\r\n\r\n", payload: b"x" };
        assert_eq!(encoded(&message, true, None), "HMSG a 7 r 12 13\r\nNATS/1.0\r\n\r\nx\r\n");
    }

    #[test]
    fn a_receiver_without_headers_gets_the_payload_alone() {
        let message = Message { subject: b"a", reply: b"", headers: b"NATS/1.0\r\n\r\n", payload: b"x" };
        assert_eq!(encoded(&message, false, None), "MSG a 7 1\r\nx\r\n");
    }
}
