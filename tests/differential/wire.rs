//! A client that waits for every answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const CONNECT: &str =
    r#"{"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":1,"lang":"test"}"#;
const ANSWERS: &str = "_ANSWER.";
/// What is not answered by then is not answered.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

pub struct Wire {
    reader: BufReader<TcpStream>,
    /// Requests so far; each has a subscription of its own, of this number.
    requests: u64,
    /// Those whose subscriptions have ended.
    forgotten: u64,
    /// What is not answered by then after the broker has read the request is not answered either.
    afterwards: Duration,
}

/// What came.
pub struct Received {
    /// Where it was published, unless that was for the request alone.
    pub subject: String,
    pub reply: String,
    pub headers: String,
    pub payload: Vec<u8>,
}

impl Received {
    /// The status of a message that has one.
    pub fn status(&self) -> Option<u16> {
        self.headers.strip_prefix("NATS/1.0 ")?.get(..3)?.parse().ok()
    }
}

impl Wire {
    pub fn dial(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the broker listens");
        stream.set_nodelay(true).expect("a socket");
        let mut wire =
            Self { reader: BufReader::new(stream), requests: 0, forgotten: 0, afterwards: ANSWER_TIME_MAX };
        wire.line().expect("INFO");
        wire.send(format!("CONNECT {CONNECT}\r\n").as_bytes());
        wire
    }

    /// How long a request may stay unanswered that the broker has read.
    pub fn wait_afterwards(&mut self, most: Duration) {
        self.afterwards = most;
    }

    /// Sends a request; returns what comes, up to and including the first message that is the last.
    pub fn request(
        &mut self,
        subject: &str,
        headers: &str,
        body: &[u8],
        mut is_last: impl FnMut(&Received) -> bool,
    ) -> Vec<Received> {
        self.requests += 1;
        let sid = self.requests.to_string();
        let answer_to = format!("{ANSWERS}{sid}");
        let head = match headers.len() {
            0 => format!("PUB {subject} {answer_to} {}\r\n", body.len()),
            length => format!("HPUB {subject} {answer_to} {length} {}\r\n{headers}", length + body.len()),
        };
        let subscribe = format!("SUB {answer_to} {sid}\r\n");
        self.send(&[subscribe.as_bytes(), head.as_bytes(), body, b"\r\nPING\r\n"].concat());
        self.wait(ANSWER_TIME_MAX);
        let mut received = Vec::new();
        // Answers to earlier requests that came too late are passed over.
        while let Some((to, message)) = self.next() {
            if to == sid {
                let last = is_last(&message);
                received.push(message);
                if last {
                    break;
                }
            }
        }
        received
    }

    fn wait(&self, most: Duration) {
        self.reader.get_ref().set_read_timeout(Some(most)).expect("a socket");
    }

    fn send(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).expect("the broker reads");
    }

    /// Nobody listens any longer for answers to the requests so far.
    pub fn forget_requests(&mut self) {
        let unsubscribe: String =
            (self.forgotten + 1..=self.requests).map(|sid| format!("UNSUB {sid}\r\n")).collect();
        self.send(unsubscribe.as_bytes());
        self.forgotten = self.requests;
    }

    /// A message and the subscription it came for; `None` if nothing comes in time.
    fn next(&mut self) -> Option<(String, Received)> {
        loop {
            let line = self.line()?;
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["MSG", subject, sid, rest @ ..] => {
                    return Some((sid.to_string(), self.message(subject, rest, 1)));
                }
                ["HMSG", subject, sid, rest @ ..] => {
                    return Some((sid.to_string(), self.message(subject, rest, 2)));
                }
                ["PING"] => self.send(b"PONG\r\n"),
                ["PONG"] => self.wait(self.afterwards),
                ["-ERR", ..] => panic!("{line}"),
                _ => {}
            }
        }
    }

    /// `rest` is the reply subject, if there is one, and one or two sizes.
    fn message(&mut self, subject: &str, rest: &[&str], sizes: usize) -> Received {
        let number = |at: usize| -> usize { rest[rest.len() - at].parse().expect("a size") };
        let (total, header_bytes) = (number(1), if sizes == 2 { number(2) } else { 0 });
        let mut payload = vec![0; total + 2];
        self.reader.read_exact(&mut payload).expect("a whole message");
        payload.truncate(total);
        let body = payload.split_off(header_bytes);
        let reply = if rest.len() > sizes { rest[0].to_owned() } else { String::new() };
        let headers = String::from_utf8_lossy(&payload).into_owned();
        let subject = if subject.starts_with(ANSWERS) { String::new() } else { subject.to_owned() };
        Received { subject, reply, headers, payload: body }
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.reader.read_line(&mut line).ok()?;
        assert!(!line.is_empty(), "the broker hung up");
        Some(line.trim_end().to_owned())
    }
}
