//! Memory has a ceiling: what waits for receivers is bounded over all connections, publishers slow down, nobody is killed.

mod kit;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kit::{Peer, QUIET};

const MIB: u64 = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// The broker as a process of its own, because memory is a process's.
struct Process {
    child: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Process {
    fn start(ceiling: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_headwater"))
            .args(["-a", "127.0.0.1", "-p", "-1", "-js", "--memory_ceiling", ceiling, "-sd"])
            .arg(dir.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let port = port_in_log(BufReader::new(child.stderr.take().unwrap()));
        Self { child, port, _dir: dir }
    }

    fn client(&self) -> Peer {
        let mut peer = Peer::dial(([127, 0, 0, 1], self.port).into());
        peer.read_info();
        peer.send(&format!("CONNECT {QUIET}\r\n"));
        peer.fence();
        peer
    }

    /// Bytes of memory that is not a file's: the most there ever was, code aside, is what a ceiling is about.
    fn anonymous_bytes(&self) -> u64 {
        let status =
            std::fs::read_to_string(Path::new("/proc").join(self.child.id().to_string()).join("status"));
        let line = status.unwrap().lines().find(|line| line.starts_with("RssAnon")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the log up to the line that names the port; somebody has to go on reading it.
fn port_in_log(mut log: impl BufRead + Send + 'static) -> u16 {
    let mut line = String::new();
    while log.read_line(&mut line).unwrap() > 0 {
        if let Some((_, address)) = line.split_once("Listening for client connections on ") {
            let port = address.trim().rsplit(':').next().unwrap().parse().unwrap();
            std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
            return port;
        }
        line.clear();
    }
    panic!("the broker did not start");
}

/// A client that publishes and reads nothing.
struct Flood {
    stream: TcpStream,
    batch: Vec<u8>,
    /// How much of the batch has been sent.
    sent: usize,
}

impl Flood {
    fn new(broker: &Process) -> Self {
        let batch = format!("PUB x 1000\r\n{}\r\n", "x".repeat(1000)).repeat(64).into_bytes();
        Self { stream: broker.client().into_stream(), batch, sent: 0 }
    }

    /// Publishes until `bytes` have been taken, or until nothing more is for `patience`. Returns what was taken.
    fn publish(&mut self, bytes: u64, patience: Duration) -> u64 {
        self.stream.set_write_timeout(Some(patience)).unwrap();
        let mut taken = 0;
        while taken < bytes {
            let Ok(written) = self.stream.write(&self.batch[self.sent..]) else { break };
            self.sent = (self.sent + written) % self.batch.len();
            taken += written as u64;
        }
        taken
    }
}

#[test]
fn receivers_that_take_nothing_slow_publishers_down_and_do_not_fill_the_memory() {
    let broker = Process::start("64MB");
    let idle = broker.anonymous_bytes();
    let stuck: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut peer = broker.client();
            peer.send("SUB x 1\r\n");
            peer.fence();
            peer.into_stream()
        })
        .collect();
    let mut publisher = Flood::new(&broker);
    let taken = publisher.publish(400 * MIB, Duration::from_secs(1));
    assert!(taken > MIB, "publishes were taken at first");
    assert!(taken < 100 * MIB, "{taken} bytes were taken with nowhere to go");
    assert!(broker.anonymous_bytes() < idle + 20 * MIB, "{} bytes", broker.anonymous_bytes());
    drop(stuck);
    assert!(
        publisher.publish(20 * MIB, PATIENCE) >= 20 * MIB,
        "with the receivers gone the publisher goes on"
    );
    let mut late = broker.client();
    late.send("SUB x 1\r\n");
    late.fence();
    publisher.publish(1, PATIENCE);
    late.expect("MSG x 1 1000\r\n");
}

#[test]
fn what_a_burst_needed_is_given_back() {
    let broker = Process::start("1GB");
    let idle = broker.anonymous_bytes();
    let mut receiver = broker.client();
    receiver.send("SUB x 1\r\n");
    receiver.fence();
    let mut receiver = receiver.into_stream();
    assert!(Flood::new(&broker).publish(40 * MIB, PATIENCE) >= 40 * MIB);
    assert!(broker.anonymous_bytes() > idle + 20 * MIB);
    let deadline = Instant::now() + PATIENCE;
    receiver.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut chunk = vec![0; 1 << 20];
    while receiver.read(&mut chunk).is_ok_and(|read| read > 0) {
        assert!(Instant::now() < deadline);
    }
    assert!(broker.anonymous_bytes() < idle + 8 * MIB, "{} then {}", idle, broker.anonymous_bytes());
}

/// Hundred clients that send most of a large message each, and then nothing for a while; with how much they could send.
fn senders_that_stop(broker: &Process, head: &[u8]) -> (Vec<TcpStream>, Vec<usize>) {
    let mut senders: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = broker.client().into_stream();
            stream.set_nonblocking(true).unwrap();
            let _ = stream.write(b"PUB big 1000000\r\n").unwrap();
            stream
        })
        .collect();
    let mut sent = vec![0; senders.len()];
    for _ in 0..20 {
        for (stream, sent) in senders.iter_mut().zip(&mut sent) {
            *sent += stream.write(&head[*sent..]).unwrap_or(0);
        }
        std::thread::yield_now();
    }
    (senders, sent)
}

#[test]
fn large_messages_on_their_way_in_wait_for_memory_instead_of_taking_it() {
    let broker = Process::start("64MB");
    let idle = broker.anonymous_bytes();
    let mut receiver = broker.client();
    receiver.send("SUB big 1\r\n");
    receiver.fence();
    let payload = vec![b'x'; 1_000_000];
    let (head, rest) = payload.split_at(900_000);
    let (senders, sent) = senders_that_stop(&broker, head);
    assert!(broker.anonymous_bytes() < idle + 24 * MIB, "{} bytes", broker.anonymous_bytes());
    // All of them arrive nevertheless.
    let sending = std::thread::spawn({
        let (head, rest) = (head.to_vec(), rest.to_vec());
        move || {
            let threads: Vec<_> = senders
                .into_iter()
                .zip(sent)
                .map(|(mut stream, sent)| {
                    let (head, rest) = (head[sent..].to_vec(), rest.clone());
                    std::thread::spawn(move || {
                        stream.set_nonblocking(false).unwrap();
                        stream.write_all(&head).unwrap();
                        stream.write_all(&rest).unwrap();
                        stream.write_all(b"\r\n").unwrap();
                        stream
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        }
    });
    let mut receiver = receiver.into_stream();
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut left = 100 * ("MSG big 1 1000000\r\n".len() + payload.len() + 2);
    let mut chunk = vec![0; 1 << 16];
    while left > 0 {
        let read = receiver.read(&mut chunk).unwrap();
        assert!(read > 0, "{left} bytes are missing");
        left -= read.min(left);
    }
    drop(sending.join().unwrap());
}
