//! The load generator's own client: a blocking socket, frames encoded once and parsed with as little work as possible,
//! so that what is measured is the server.

use std::io;

use crate::front::{Door, Incoming, Outgoing};

/// Bytes read from the socket at once.
const READ_BYTES: usize = 256 * 1024;

/// Bytes gathered before a flood is written.
pub const BURST_BYTES: usize = 64 * 1024;

/// A connected client; reading and writing may be done by different threads, see [`Client::split`].
pub struct Client {
    writer: Writer,
    reader: Reader,
}

/// The half that sends.
pub struct Writer(Outgoing);

/// The half that receives.
pub struct Reader {
    stream: Incoming,
    /// For answers to the server's pings.
    outgoing: Outgoing,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// A message as received.
pub struct Delivery<'a> {
    /// Where it was published.
    pub subject: &'a [u8],
    /// Where an answer or an ack goes; empty for nowhere.
    pub reply: &'a [u8],
    /// Its header block, empty without.
    pub headers: &'a [u8],
    /// Its body.
    pub payload: &'a [u8],
}

impl Client {
    /// Connects and waits until the server has answered a PING.
    pub fn connect(door: &Door) -> io::Result<Self> {
        let (outgoing, stream) = door.enter()?;
        let mut client = Self { writer: Writer(outgoing.clone()), reader: Reader::new(stream, outgoing) };
        let options =
            r#"{"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":1}"#;
        client.writer.send(format!("CONNECT {options}\r\n").as_bytes())?;
        client.flush()?;
        Ok(client)
    }

    /// Waits until the server has seen everything sent so far.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.send(b"PING\r\n")?;
        self.reader.pong()
    }

    /// Sends bytes that are operations already.
    pub fn send(&mut self, operations: &[u8]) -> io::Result<()> {
        self.writer.send(operations)
    }

    /// Subscribes, in a queue group if one is named.
    pub fn subscribe(&mut self, subject: &str, queue: &str, sid: u64) -> io::Result<()> {
        self.send(format!("SUB {subject} {queue} {sid}\r\n").as_bytes())
    }

    /// Asks and waits for the one answer; `inbox` must be subscribed.
    pub fn request(&mut self, subject: &str, inbox: &str, body: &[u8]) -> io::Result<Vec<u8>> {
        self.send(&publish(subject, inbox, body))?;
        Ok(self.reader.next()?.payload.to_vec())
    }

    /// The receiving half, borrowed.
    pub fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    /// Both halves, for two threads.
    pub fn split(self) -> (Writer, Reader) {
        (self.writer, self.reader)
    }
}

impl Writer {
    /// Sends bytes that are operations already.
    pub fn send(&mut self, operations: &[u8]) -> io::Result<()> {
        self.0.send(operations)
    }

    /// Sends `operation` so many times, in bursts.
    pub fn flood(&mut self, operation: &[u8], times: u64) -> io::Result<()> {
        let per_burst = (BURST_BYTES / operation.len()).max(1) as u64;
        let burst = operation.repeat(usize::try_from(per_burst.min(times)).unwrap_or(1));
        let mut left = times;
        while left > 0 {
            let now = left.min(per_burst);
            self.send(&burst[..operation.len() * usize::try_from(now).unwrap_or(0)])?;
            left -= now;
        }
        Ok(())
    }
}

impl Reader {
    fn new(stream: Incoming, outgoing: Outgoing) -> Self {
        Self { stream, outgoing, buffer: vec![0; READ_BYTES], start: 0, end: 0 }
    }

    /// The next message; pings are answered on the way.
    pub fn next(&mut self) -> io::Result<Delivery<'_>> {
        loop {
            let line = self.line()?;
            match self.buffer[line.0] {
                b'M' | b'H' => return self.delivery(line),
                b'P' if self.buffer[line.0 + 1] == b'I' => self.outgoing.send(b"PONG\r\n")?,
                b'-' => return Err(self.refusal(line)),
                _ => {}
            }
        }
    }

    /// Receives so many messages and forgets them.
    pub fn drain(&mut self, messages: u64) -> io::Result<()> {
        for _ in 0..messages {
            self.next()?;
        }
        Ok(())
    }

    /// Whether the next message would have to be waited for, as far as one can tell: behind a ping there may be nothing more.
    pub fn is_drained(&self) -> bool {
        self.start == self.end || self.buffer[self.start] == b'P'
    }

    /// Waits for the answer to a PING.
    pub fn pong(&mut self) -> io::Result<()> {
        loop {
            let line = self.line()?;
            match &self.buffer[line.0..line.1] {
                b"PONG" => return Ok(()),
                b"PING" => self.outgoing.send(b"PONG\r\n")?,
                [b'-', ..] => return Err(self.refusal(line)),
                _ => {}
            }
        }
    }

    fn refusal(&self, (from, to): (usize, usize)) -> io::Error {
        io::Error::other(String::from_utf8_lossy(&self.buffer[from..to]).into_owned())
    }

    fn delivery(&mut self, line: (usize, usize)) -> io::Result<Delivery<'_>> {
        let has_headers = self.buffer[line.0] == b'H';
        let shape = Shape::of(&self.buffer[line.0..line.1], has_headers)
            .ok_or_else(|| io::Error::other("a message line this client does not understand"))?;
        let line_len = line.1 - line.0;
        let line_at = self.hold(line.0, line_len + 2 + shape.total + 2)?;
        let body = line_at + line_len + 2;
        let frame = &self.buffer[..];
        Ok(Delivery {
            subject: &frame[line_at + shape.subject.0..line_at + shape.subject.1],
            reply: &frame[line_at + shape.reply.0..line_at + shape.reply.1],
            headers: &frame[body..body + shape.headers],
            payload: &frame[body + shape.headers..body + shape.total],
        })
    }

    /// Makes sure `len` bytes from `at` are in the buffer and consumes them; answers where they lie now.
    fn hold(&mut self, at: usize, len: usize) -> io::Result<usize> {
        self.start = at;
        while self.end - self.start < len {
            self.fill(len)?;
        }
        let at = self.start;
        self.start += len;
        Ok(at)
    }

    /// The next line without its end, consumed, as a range of the buffer.
    fn line(&mut self) -> io::Result<(usize, usize)> {
        let mut searched = 0;
        loop {
            let unread = &self.buffer[self.start + searched..self.end];
            if let Some(at) = memchr::memchr(b'\n', unread) {
                let from = self.start;
                let to = from + searched + at;
                self.start = to + 1;
                return Ok((from, to - 1));
            }
            searched = self.end - self.start;
            self.fill(searched + 1)?;
        }
    }

    /// Reads more, after making room for `needed` bytes from the first unread one on.
    fn fill(&mut self, needed: usize) -> io::Result<()> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.end == self.buffer.len() || self.start + needed > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if needed > self.buffer.len() {
            self.buffer.resize(needed.next_power_of_two(), 0);
        }
        match self.stream.read(&mut self.buffer[self.end..])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.end += read;
                Ok(())
            }
        }
    }
}

/// Where the parts of a message line lie in it, and how long what follows is.
struct Shape {
    subject: (usize, usize),
    reply: (usize, usize),
    headers: usize,
    total: usize,
}

impl Shape {
    fn of(line: &[u8], has_headers: bool) -> Option<Self> {
        let mut fields = [(0, 0); 6];
        let mut count = 0;
        let mut from = 0;
        for to in memchr::memchr_iter(b' ', line).chain([line.len()]) {
            *fields.get_mut(count)? = (from, to);
            count += 1;
            from = to + 1;
        }
        let numbers = if has_headers { 2 } else { 1 };
        let has_reply = count.checked_sub(3 + numbers)? == 1;
        let number = |at: usize| decimal(&line[fields[at].0..fields[at].1]);
        Some(Self {
            subject: fields[1],
            reply: if has_reply { fields[3] } else { (0, 0) },
            headers: if has_headers { number(count - 2) } else { 0 },
            total: number(count - 1),
        })
    }
}

fn decimal(digits: &[u8]) -> usize {
    digits.iter().fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'))
}

/// One PUB operation.
pub fn publish(subject: &str, reply: &str, body: &[u8]) -> Vec<u8> {
    let mut operation = format!("PUB {subject} {reply} {}\r\n", body.len()).into_bytes();
    operation.extend_from_slice(body);
    operation.extend_from_slice(b"\r\n");
    operation
}
