//! Several clients at work until the broker dies under them.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::ledger::{Ledger, Op};
use super::rng::Rng;
use super::wire::{Incoming, Wire};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Keys of the bucket; each belongs to the one client that writes them.
const KEYS: u64 = 20;

/// What stays of EVENTS when it is purged.
const KEPT_MESSAGES: u64 = 2000;

/// The clients' common ground, kept from round to round.
#[derive(Default)]
pub struct Load {
    pub ledger: Mutex<Ledger>,
    counter: AtomicU64,
    stop: AtomicBool,
}

const STREAMS: [(&str, &str); 3] = [
    (
        "EVENTS",
        r#"{"name":"EVENTS","subjects":["ev.*"],"storage":"file","allow_direct":true,"max_msgs":-1,"discard":"old","num_replicas":1,"retention":"limits"}"#,
    ),
    (
        "KV_B",
        r#"{"name":"KV_B","subjects":["$KV.B.>"],"storage":"file","allow_direct":true,"max_msgs_per_subject":1,"discard":"new","allow_rollup_hdrs":true,"num_replicas":1,"retention":"limits"}"#,
    ),
    (
        "WORK",
        r#"{"name":"WORK","subjects":["wk"],"storage":"file","allow_direct":true,"retention":"workqueue","num_replicas":1,"discard":"old"}"#,
    ),
];

const CONSUMERS: [(&str, char); 2] = [("EVENTS", 'E'), ("WORK", 'W')];

/// Creates streams, and consumers that wait so long for an ack.
pub fn set_up(port: u16, ack_wait_ms: u64) -> io::Result<()> {
    let mut wire = Wire::connect(port, "setup")?;
    for (name, config) in STREAMS {
        expect_ok(&wire.request(&format!("$JS.API.STREAM.CREATE.{name}"), config)?)?;
    }
    for (stream, consumer) in CONSUMERS {
        let config = format!(
            r#"{{"stream_name":"{stream}","config":{{"durable_name":"{consumer}","ack_policy":"explicit","ack_wait":{ack_wait_ms}000000,"max_ack_pending":2000}}}}"#
        );
        expect_ok(&wire.request(&format!("$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{consumer}"), &config)?)?;
    }
    Ok(())
}

fn expect_ok(answer: &Incoming) -> io::Result<()> {
    let text = String::from_utf8_lossy(&answer.payload);
    if text.contains("\"error\"") { Err(io::Error::other(text.into_owned())) } else { Ok(()) }
}

impl Load {
    /// Runs all clients while `meanwhile` does what it does; they end when the broker is gone, or are told to.
    pub fn run<T>(&self, port: u16, seed: u64, meanwhile: impl FnOnce() -> T) -> T {
        self.stop.store(false, Ordering::Relaxed);
        std::thread::scope(|scope| {
            let rng = |client: u64| Rng::new(seed * 16 + client);
            scope.spawn(move || self.client(|| self.events(port, 0, 64, rng(0))));
            scope.spawn(move || self.client(|| self.events(port, 1, 1, rng(1))));
            scope.spawn(move || self.client(|| self.keys(port, rng(2))));
            scope.spawn(move || self.client(|| self.work(port, rng(3))));
            for (number, (stream, consumer)) in CONSUMERS.into_iter().enumerate() {
                scope.spawn(move || {
                    self.client(|| self.consume(port, stream, consumer, rng(4 + number as u64)))
                });
            }
            scope.spawn(move || self.client(|| self.administer(port, rng(6))));
            let done = meanwhile();
            self.stop.store(true, Ordering::Relaxed);
            done
        })
    }

    /// A client ends with its connection; anything but that is a broken promise.
    fn client(&self, work: impl FnOnce() -> io::Result<()>) {
        if let Err(error) = work() {
            if error.kind() == io::ErrorKind::Other {
                self.ledger.lock().broken.push(error.to_string());
            }
        }
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn number(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn events(&self, port: u16, who: u8, burst_max: u64, mut rng: Rng) -> io::Result<()> {
        let mut wire = Wire::connect(port, &format!("events{who}"))?;
        while self.goes_on() {
            let burst = 1 + rng.below(burst_max);
            let ops: Vec<Op> = (0..burst).map(|_| Op::Event { who, n: self.number() }).collect();
            self.ask(&mut wire, &ops, |_| format!("ev.{who}"))?;
        }
        Ok(())
    }

    fn work(&self, port: u16, mut rng: Rng) -> io::Result<()> {
        let mut wire = Wire::connect(port, "work")?;
        while self.goes_on() {
            let ops: Vec<Op> = (0..1 + rng.below(8)).map(|_| Op::Work { n: self.number() }).collect();
            self.ask(&mut wire, &ops, |_| "wk".into())?;
        }
        Ok(())
    }

    fn keys(&self, port: u16, mut rng: Rng) -> io::Result<()> {
        let mut wire = Wire::connect(port, "keys")?;
        while self.goes_on() {
            let n = self.number();
            let ops: Vec<Op> =
                (0..1 + rng.below(4)).map(|at| Op::Key { key: rng.below(KEYS) as u8, n: n + at }).collect();
            self.counter.fetch_add(8, Ordering::Relaxed);
            self.ask(&mut wire, &ops, |op| match op {
                Op::Key { key, .. } => format!("$KV.B.{key}"),
                _ => String::new(),
            })?;
        }
        Ok(())
    }

    /// Publishes all at once and waits for every answer.
    fn ask(&self, wire: &mut Wire, ops: &[Op], subject: impl Fn(&Op) -> String) -> io::Result<()> {
        for op in ops {
            self.ledger.lock().intend(*op);
            wire.publish(&subject(op), &op.token(), &op.headers(), &op.payload());
        }
        wire.flush()?;
        self.answers(wire, ops.len())
    }

    fn answers(&self, wire: &mut Wire, count: usize) -> io::Result<()> {
        for _ in 0..count {
            let Some(answer) = wire.next(PATIENCE)? else {
                return Err(io::Error::other("a request was not answered"));
            };
            if let Some(op) = Op::parse(&answer.subject) {
                self.ledger.lock().confirm(op, &answer.payload);
            }
        }
        Ok(())
    }

    fn consume(&self, port: u16, stream: &str, consumer: char, mut rng: Rng) -> io::Result<()> {
        let mut wire = Wire::connect(port, &format!("consume{consumer}"))?;
        while self.goes_on() {
            let batch = fetch(&mut wire, stream, consumer, 1 + rng.below(40), 50)?;
            let mut acks = 0;
            for message in batch {
                if let Some(op) = self.received(consumer, &message).filter(|_| !rng.percent(5)) {
                    self.ledger.lock().intend(op);
                    wire.publish(&message.reply, &op.token(), "", b"+ACK");
                    acks += 1;
                }
            }
            wire.flush()?;
            self.answers(&mut wire, acks)?;
        }
        Ok(())
    }

    /// Holds a delivery against the books; returns the ack it wants.
    pub fn received(&self, consumer: char, message: &Incoming) -> Option<Op> {
        let seq = stream_seq(&message.reply)?;
        let mut ledger = self.ledger.lock();
        if ledger.acked.contains(&(consumer, seq)) {
            let came = format!("{consumer} got message {seq} again after its ack was confirmed");
            ledger.broken.push(came);
        }
        let expected = if consumer == 'E' { ledger.events.get(&seq) } else { ledger.work.get(&seq) };
        if expected.is_some_and(|op| op.payload() != message.payload) {
            ledger.broken.push(format!("{consumer} got message {seq} changed"));
        }
        Some(Op::Ack { consumer, seq })
    }

    fn administer(&self, port: u16, mut rng: Rng) -> io::Result<()> {
        let mut wire = Wire::connect(port, "admin")?;
        while self.goes_on() {
            std::thread::sleep(Duration::from_millis(1 + rng.below(10)));
            let Some(op) = self.removal(&mut rng) else { continue };
            self.ledger.lock().intend(op);
            let (subject, payload) = match op {
                Op::Purge { below } => ("$JS.API.STREAM.PURGE.EVENTS", format!("{{\"seq\":{below}}}")),
                Op::Delete { seq } => ("$JS.API.STREAM.MSG.DELETE.EVENTS", format!("{{\"seq\":{seq}}}")),
                _ => continue,
            };
            wire.publish(subject, &op.token(), "", payload.as_bytes());
            wire.flush()?;
            self.answers(&mut wire, 1)?;
        }
        Ok(())
    }

    fn removal(&self, rng: &mut Rng) -> Option<Op> {
        let ledger = self.ledger.lock();
        let (first, last) = (*ledger.events.first_key_value()?.0, *ledger.events.last_key_value()?.0);
        if rng.percent(3) && last - first > KEPT_MESSAGES {
            return Some(Op::Purge { below: last - KEPT_MESSAGES });
        }
        let (seq, _) = ledger.events.range(first + rng.below(last - first + 1)..).next()?;
        Some(Op::Delete { seq: *seq })
    }
}

/// Fetches up to so many messages.
pub fn fetch(
    wire: &mut Wire,
    stream: &str,
    consumer: char,
    count: u64,
    expires_ms: u64,
) -> io::Result<Vec<Incoming>> {
    let request = format!("{{\"batch\":{count},\"expires\":{}}}", expires_ms * 1_000_000);
    wire.publish(&format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"), "m", "", request.as_bytes());
    wire.flush()?;
    let mut messages = Vec::new();
    while (messages.len() as u64) < count {
        match wire.next(PATIENCE)? {
            Some(message) if !message.reply.is_empty() => messages.push(message),
            Some(_) => break,
            None => return Err(io::Error::other("a pull request was not answered")),
        }
    }
    Ok(messages)
}

/// The stream sequence in `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.…`.
fn stream_seq(reply: &str) -> Option<u64> {
    reply.strip_prefix("$JS.ACK.")?.split('.').nth(3)?.parse().ok()
}
