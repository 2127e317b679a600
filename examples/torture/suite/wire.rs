//! A NATS client of our own, so small that nothing is hidden: it sends bytes and reads messages.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const CONNECT: &str = "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\"protocol\":1,\"lang\":\"torture\"}\r\n";

/// A message that came in.
#[derive(Debug, Clone)]
pub struct Incoming {
    pub subject: String,
    pub reply: String,
    /// The header block, or nothing.
    pub headers: Vec<u8>,
    pub payload: Vec<u8>,
}

/// A connection with one subscription: everything below its inbox.
pub struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
    /// Its inbox, without the last dot.
    pub inbox: String,
    out: Vec<u8>,
}

impl Wire {
    /// Connects and subscribes; `name` makes the inbox.
    pub fn connect(port: u16, name: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        let inbox = format!("_R.{name}");
        let out = format!("{CONNECT}SUB {inbox}.> 1\r\nPING\r\n").into_bytes();
        let mut wire = Self { stream, unread: Vec::new(), inbox, out };
        wire.flush()?;
        let deadline = Instant::now() + Duration::from_secs(20);
        while wire.line(deadline)? != "PONG" {}
        Ok(wire)
    }

    /// Queues a publish with `reply` below the inbox.
    pub fn publish(&mut self, subject: &str, reply: &str, headers: &str, payload: &[u8]) {
        let inbox = &self.inbox;
        let line = if headers.is_empty() {
            format!("PUB {subject} {inbox}.{reply} {}\r\n", payload.len())
        } else {
            let total = headers.len() + payload.len();
            format!("HPUB {subject} {inbox}.{reply} {} {total}\r\n{headers}", headers.len())
        };
        self.out.extend_from_slice(line.as_bytes());
        self.out.extend_from_slice(payload);
        self.out.extend_from_slice(b"\r\n");
    }

    /// Sends what is queued.
    pub fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&std::mem::take(&mut self.out))
    }

    /// The next message, or nothing within the time.
    pub fn next(&mut self, within: Duration) -> io::Result<Option<Incoming>> {
        let deadline = Instant::now() + within;
        loop {
            match self.line(deadline) {
                Ok(line) => {
                    if let Some(message) = self.message(&line)? {
                        return Ok(Some(message));
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// A request and its answer.
    pub fn request(&mut self, subject: &str, payload: &str) -> io::Result<Incoming> {
        self.publish(subject, "q", "", payload.as_bytes());
        self.flush()?;
        let silent = || io::Error::other(format!("no answer to {subject} {payload}"));
        self.next(Duration::from_secs(20))?.ok_or_else(silent)
    }

    fn message(&mut self, line: &str) -> io::Result<Option<Incoming>> {
        if line == "PING" {
            self.stream.write_all(b"PONG\r\n")?;
        }
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse::<usize>().ok()).unwrap_or(0);
        let last = words.len() - 1;
        let (headers, lengths) = match words[0] {
            "MSG" => (0, 1),
            "HMSG" => (number(last - 1), 2),
            _ => return Ok(None),
        };
        let reply = if words.len() - lengths == 4 { words[3].to_owned() } else { String::new() };
        let subject = words[1].to_owned();
        let mut headers_block = self.exactly(number(last) + 2)?;
        let mut payload = headers_block.split_off(headers);
        payload.truncate(payload.len() - 2);
        Ok(Some(Incoming { subject, reply, headers: headers_block, payload }))
    }

    fn line(&mut self, deadline: Instant) -> io::Result<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.unread[..end]).into_owned();
                self.unread.drain(..end + 2);
                return Ok(line);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(Some(left))?;
            self.read_more()?;
        }
    }

    fn exactly(&mut self, len: usize) -> io::Result<Vec<u8>> {
        self.stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        while self.unread.len() < len {
            self.read_more()?;
        }
        let rest = self.unread.split_off(len);
        Ok(std::mem::replace(&mut self.unread, rest))
    }

    fn read_more(&mut self) -> io::Result<()> {
        let mut chunk = [0; 64 << 10];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                self.unread.extend_from_slice(&chunk[..read]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The number behind `"name":` in a JSON text, the first time it occurs.
pub fn number_in(json: &[u8], name: &str) -> Option<u64> {
    let text = String::from_utf8_lossy(json);
    let at = text.find(&format!("\"{name}\":"))? + name.len() + 3;
    let digits: String = text[at..].trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// A header's value.
pub fn header<'a>(block: &'a [u8], name: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(block).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}
