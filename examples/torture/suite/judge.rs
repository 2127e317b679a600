//! Asks a broker that has come back for everything that it promised.

use std::io;
use std::time::{Duration, Instant};

use super::ledger::{Ledger, Must, Op};
use super::load::{Load, fetch};
use super::wire::{Incoming, Wire, header, number_in};

/// Gets on their way at a time.
const GETS_AT_ONCE: usize = 256;

/// How long streams may take to come back.
const RECOVERY_TIME_MAX: Duration = Duration::from_secs(60);

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The newest messages.
    Newest(usize),
    /// All of them.
    All,
}

/// Everything that is not as promised.
pub fn judge(port: u16, ledger: &Ledger, depth: Depth) -> io::Result<Vec<String>> {
    let mut wire = Wire::connect(port, "judge")?;
    let deadline = Instant::now() + RECOVERY_TIME_MAX;
    loop {
        wait_until_recovered(&mut wire, deadline)?;
        let mut judge = Judge { wire, ledger, broken: ledger.broken.clone(), refused: false };
        judge.look_at_all(depth)?;
        // A read may find the index damaged: then the broker opens its store anew, by itself, and refuses meanwhile.
        if !judge.refused || Instant::now() > deadline {
            return Ok(judge.broken);
        }
        wire = judge.wire;
    }
}

/// Clients are served while streams are still recovered; what is asked of those is refused for now.
fn wait_until_recovered(wire: &mut Wire, deadline: Instant) -> io::Result<()> {
    for stream in ["EVENTS", "WORK", "KV_B"] {
        while is_refused_for_now(&wire.request(&format!("$JS.API.STREAM.INFO.{stream}"), "")?) {
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("{stream} is not recovered")));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}

fn is_refused_for_now(answer: &Incoming) -> bool {
    number_in(&answer.payload, "code") == Some(503) || answer.headers.starts_with(b"NATS/1.0 503")
}

/// One look at everything.
struct Judge<'a> {
    wire: Wire,
    ledger: &'a Ledger,
    broken: Vec<String>,
    /// Whether something could not be told for now.
    refused: bool,
}

impl Judge<'_> {
    fn look_at_all(&mut self, depth: Depth) -> io::Result<()> {
        let count = match depth {
            Depth::All => usize::MAX,
            Depth::Newest(count) => count,
        };
        let ledger = self.ledger;
        let events: Vec<(u64, Op, Must)> =
            ledger.events.iter().rev().take(count).map(|(seq, op)| (*seq, *op, ledger.event(*seq))).collect();
        self.messages("EVENTS", &events)?;
        let items: Vec<(u64, Op, Must)> =
            ledger.work.iter().rev().take(count).map(|(seq, op)| (*seq, *op, ledger.item(*seq))).collect();
        self.messages("WORK", &items)?;
        ledger.written_keys().into_iter().try_for_each(|key| self.key(key))?;
        self.end("EVENTS", ledger.events.last_key_value().map_or(0, |(seq, _)| *seq))?;
        self.end("WORK", ledger.work.last_key_value().map_or(0, |(seq, _)| *seq))?;
        self.end("KV_B", ledger.keys_last_seq)?;
        self.position("EVENTS", 'E')?;
        self.position("WORK", 'W')
    }

    fn messages(&mut self, stream: &str, wanted: &[(u64, Op, Must)]) -> io::Result<()> {
        for chunk in wanted.chunks(GETS_AT_ONCE) {
            for (at, (seq, ..)) in chunk.iter().enumerate() {
                let request = format!("{{\"seq\":{seq}}}");
                let subject = format!("$JS.API.DIRECT.GET.{stream}");
                self.wire.publish(&subject, &format!("g.{at}"), "", request.as_bytes());
            }
            self.wire.flush()?;
            for _ in chunk {
                let answer = answer(&mut self.wire)?;
                self.refused |= is_refused_for_now(&answer);
                let at = answer.subject.rsplit('.').next().and_then(|word| word.parse::<usize>().ok());
                let Some((seq, op, must)) = at.and_then(|at| chunk.get(at)) else { continue };
                let fault = fault(&answer, *op, must);
                self.broken.extend(fault.map(|what| format!("{stream} {seq} ({op:?}): {what}")));
            }
        }
        Ok(())
    }

    fn key(&mut self, key: u8) -> io::Result<()> {
        let (acked, sent) = self.ledger.versions(key);
        let last = format!("{{\"last_by_subj\":\"$KV.B.{key}\"}}");
        let answer = self.ask("$JS.API.DIRECT.GET.KV_B", &last)?;
        match header(&answer.headers, "Op").and_then(Op::parse) {
            None if acked == 0 => {}
            None => self.broken.push(format!("key {key} is lost, version {acked} was acknowledged")),
            Some(op @ Op::Key { n, .. }) if n >= acked && n <= sent => {
                if op.payload() != answer.payload {
                    self.broken.push(format!("key {key} has changed"));
                }
            }
            Some(op) => {
                self.broken.push(format!("key {key} is {op:?}, {acked} was acknowledged, {sent} sent"));
            }
        }
        Ok(())
    }

    fn end(&mut self, stream: &str, acked: u64) -> io::Result<()> {
        let info = self.ask(&format!("$JS.API.STREAM.INFO.{stream}"), "")?;
        let last = number_in(&info.payload, "last_seq").unwrap_or(0);
        if last < acked {
            self.broken.push(format!("{stream} ends at {last}, {acked} was given"));
        }
        Ok(())
    }

    fn position(&mut self, stream: &str, consumer: char) -> io::Result<()> {
        let acked = self.ledger.last_acked(consumer);
        let info = self.ask(&format!("$JS.API.CONSUMER.INFO.{stream}.{consumer}"), "")?;
        let delivered = number_in(&info.payload, "stream_seq").unwrap_or(0);
        if delivered < acked {
            let what = format!("consumer {consumer} is at {delivered}, though {acked} was acknowledged");
            self.broken.push(what);
        }
        Ok(())
    }

    fn ask(&mut self, subject: &str, payload: &str) -> io::Result<Incoming> {
        let answer = self.wire.request(subject, payload)?;
        self.refused |= is_refused_for_now(&answer);
        Ok(answer)
    }
}

fn answer(wire: &mut Wire) -> io::Result<Incoming> {
    let silent = || io::Error::other("a get was not answered");
    wire.next(Duration::from_secs(20))?.ok_or_else(silent)
}

fn fault(answer: &Incoming, op: Op, must: &Must) -> Option<String> {
    let found = header(&answer.headers, "Nats-Sequence").is_some();
    match (found, must) {
        (true, Must::Gone) => Some("is back".into()),
        (false, Must::Stay) => {
            Some(format!("is lost: {}", String::from_utf8_lossy(&answer.headers).trim_end()))
        }
        (true, _) if answer.payload != op.payload() => {
            Some(format!("has changed: {:?}", String::from_utf8_lossy(&answer.payload)))
        }
        _ => None,
    }
}

/// Reads on until nothing is left: whatever was acknowledged for good must not come again, everything else must come.
pub fn drain(port: u16, load: &Load) -> io::Result<Vec<String>> {
    let mut wire = Wire::connect(port, "drain")?;
    for (stream, consumer) in [("EVENTS", 'E'), ("WORK", 'W')] {
        while drain_some(&mut wire, stream, consumer, load)? > 0 {}
    }
    let ledger = load.ledger.lock();
    let events = ledger.events.keys().map(|seq| ('E', *seq, ledger.event(*seq)));
    let items = ledger.work.keys().map(|seq| ('W', *seq, ledger.item(*seq)));
    let missed = events.chain(items).filter(|(.., must)| *must == Must::Stay);
    let missed = missed.filter(|(consumer, seq, _)| !ledger.may_be_acked(*consumer, *seq));
    Ok(missed.map(|(consumer, seq, _)| format!("{consumer} never got message {seq}")).collect())
}

/// What consumers are offered within some time though its ack was confirmed.
pub fn redelivered(port: u16, ledger: &Ledger, expires_ms: u64) -> io::Result<Vec<String>> {
    let load = Load::default();
    *load.ledger.lock() = ledger.clone();
    load.ledger.lock().broken.clear();
    let mut wire = Wire::connect(port, "offered")?;
    for (stream, consumer) in [("EVENTS", 'E'), ("WORK", 'W')] {
        for message in fetch(&mut wire, stream, consumer, 5000, expires_ms)? {
            load.received(consumer, &message);
        }
    }
    Ok(load.ledger.into_inner().broken)
}

fn drain_some(wire: &mut Wire, stream: &str, consumer: char, load: &Load) -> io::Result<usize> {
    let batch = fetch(wire, stream, consumer, 500, 1000)?;
    for message in &batch {
        if let Some(op) = load.received(consumer, message) {
            load.ledger.lock().intend(op);
            wire.publish(&message.reply, &op.token(), "", b"+ACK");
        }
    }
    wire.flush()?;
    for _ in &batch {
        let answer = answer(wire)?;
        if let Some(op) = Op::parse(&answer.subject) {
            load.ledger.lock().confirm(op, &answer.payload);
        }
    }
    Ok(batch.len())
}
