//! Sends bad streams from several threads, a connection each, and sees to it that the broker ends every one of them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::streams::stream;

const THREADS: u64 = 4;
/// The client has said its last byte; the broker has this long to hang up.
const HANG_UP_TIME_MAX: Duration = Duration::from_secs(10);
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// When a flood has done enough.
#[derive(Clone, Copy)]
pub enum Until {
    Streams(u64),
    Elapsed(Duration),
}

/// A flood of streams, numbered from zero.
pub struct Flood {
    pub port: u16,
    pub seed: u64,
    pub until: Until,
}

impl Flood {
    /// Floods while `all_is_well`; returns how many streams were sent to their end.
    pub fn run(&self, all_is_well: impl Fn() -> bool + Sync) -> u64 {
        let (next, sent, broken) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        let begin = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let _alarm = Alarm(&broken);
                    while all_is_well() && !broken.load(Ordering::Relaxed) {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if self.is_over(number, begin) {
                            return;
                        }
                        self.send(number);
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        let (sent, next) = (sent.into_inner(), next.into_inner());
        assert!(all_is_well(), "an echo was lost around stream {next} of seed {}", self.seed);
        sent
    }

    fn is_over(&self, number: u64, begin: Instant) -> bool {
        match self.until {
            Until::Streams(streams) => number >= streams,
            Until::Elapsed(time) => begin.elapsed() >= time,
        }
    }

    fn send(&self, number: u64) {
        let bytes = stream(self.seed, number);
        let mut connection = self.connect(number);
        // A broker may hang up at the first bad byte, so neither writing nor half-closing has to succeed.
        let (early, late) = bytes.split_at(bytes.len() * (number % 4) as usize / 4);
        let _ = connection.write_all(early).and_then(|()| connection.write_all(late));
        let _ = connection.shutdown(Shutdown::Write);
        let ended = read_to_the_end(&mut connection);
        assert!(ended, "the broker holds on to the connection of stream {number} of seed {}", self.seed);
    }

    fn connect(&self, number: u64) -> TcpStream {
        let deadline = Instant::now() + CONNECT_TIME_MAX;
        loop {
            match TcpStream::connect(("127.0.0.1", self.port)) {
                Ok(connection) => return prepared(connection),
                // The ports of connections that just ended are not free at once.
                Err(error) if error.kind() == ErrorKind::AddrNotAvailable && Instant::now() < deadline => {
                    std::thread::yield_now();
                }
                Err(error) => panic!("no connection for stream {number} of seed {}: {error}", self.seed),
            }
        }
    }
}

fn prepared(connection: TcpStream) -> TcpStream {
    connection.set_nodelay(true).expect("no delay");
    connection.set_read_timeout(Some(HANG_UP_TIME_MAX)).expect("a read timeout");
    connection.set_write_timeout(Some(HANG_UP_TIME_MAX)).expect("a write timeout");
    connection
}

fn read_to_the_end(connection: &mut TcpStream) -> bool {
    let deadline = Instant::now() + HANG_UP_TIME_MAX;
    let mut scratch = [0; 4096];
    while Instant::now() < deadline {
        match connection.read(&mut scratch) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => {
                return !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            }
        }
    }
    false
}

/// Tells the other threads that this one panicked.
struct Alarm<'a>(&'a AtomicBool);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}
