//! The well-behaved client: it sends a message to itself, again and again, and must always get it back.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const ECHO_TIME_MAX: Duration = Duration::from_secs(10);
/// No dialogue of the flood knows this subject.
const SUBJECT: &str = "a-quiet-place.of-my-own";

/// A running echo client.
pub struct Echo {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Echo {
    /// Connects; panics if there is no first echo.
    pub fn start(port: u16) -> Echo {
        let mut client = Client::connect(port);
        client.echo(0);
        let stop = Arc::new(AtomicBool::new(false));
        let seen = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut echoes = 1;
            while !seen.load(Ordering::Relaxed) {
                client.echo(echoes);
                echoes += 1;
            }
            echoes
        });
        Echo { stop, thread }
    }

    /// Whether every echo has come so far.
    pub fn is_well(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Ends the client and returns how many echoes it got. Panics if one failed to come.
    pub fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the well-behaved client lost its echo")
    }
}

struct Client {
    input: BufReader<TcpStream>,
    output: TcpStream,
}

impl Client {
    fn connect(port: u16) -> Client {
        let output = TcpStream::connect(("127.0.0.1", port)).expect("the broker listens");
        output.set_read_timeout(Some(ECHO_TIME_MAX)).expect("a read timeout");
        output.set_nodelay(true).expect("no delay");
        let mut client =
            Client { input: BufReader::new(output.try_clone().expect("a second handle")), output };
        client.send(&format!("CONNECT {{\"verbose\":false}}\r\nSUB {SUBJECT} 1\r\n"));
        client
    }

    fn echo(&mut self, number: u64) {
        let payload = format!("echo {number}");
        self.send(&format!("PUB {SUBJECT} {}\r\n{payload}\r\n", payload.len()));
        let head = format!("MSG {SUBJECT} 1 {}\r\n", payload.len());
        assert_eq!(self.line_but_for_pings(), head);
        assert_eq!(self.line(), payload + "\r\n");
    }

    fn line_but_for_pings(&mut self) -> String {
        loop {
            let line = self.line();
            match line.split(' ').next() {
                Some("INFO") => {}
                Some("PING\r\n") => self.send("PONG\r\n"),
                _ => return line,
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.input.read_line(&mut line).expect("a line in time");
        line
    }

    fn send(&mut self, text: &str) {
        self.output.write_all(text.as_bytes()).expect("the broker reads");
    }
}
