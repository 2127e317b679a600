//! What clients asked for, what they were promised, and what must therefore be true.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::thread::{self, ThreadId};

use super::rng::Rng;
use super::wire::number_in;

/// Something a client asks for. Its token is part of the reply subject, so that whoever sees the answer knows the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// Message `n` of a publisher, stored in EVENTS.
    Event { who: u8, n: u64 },
    /// Version `n` of a key of the bucket.
    Key { key: u8, n: u64 },
    /// Item `n` of the work queue.
    Work { n: u64 },
    /// A confirmed ack of a stream sequence; consumer `E` reads EVENTS, `W` the work queue.
    Ack { consumer: char, seq: u64 },
    /// A message of EVENTS is deleted.
    Delete { seq: u64 },
    /// All of EVENTS below is purged.
    Purge { below: u64 },
}

impl Op {
    /// As it stands in the reply subject.
    pub fn token(&self) -> String {
        match self {
            Op::Event { who, n } => format!("e.{who}.{n}"),
            Op::Key { key, n } => format!("k.{key}.{n}"),
            Op::Work { n } => format!("w.{n}"),
            Op::Ack { consumer, seq } => format!("a.{consumer}.{seq}"),
            Op::Delete { seq } => format!("d.{seq}"),
            Op::Purge { below } => format!("p.{below}"),
        }
    }

    /// Reads a token, or the end of a reply subject.
    pub fn parse(subject: &str) -> Option<Self> {
        let token =
            subject.strip_prefix("_R.").and_then(|rest| rest.split_once('.')).map_or(subject, |(_, t)| t);
        let words: Vec<&str> = token.split('.').collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
        Some(match (words[0], words.len()) {
            ("e", 3) => Op::Event { who: number(1)? as u8, n: number(2)? },
            ("k", 3) => Op::Key { key: number(1)? as u8, n: number(2)? },
            ("w", 2) => Op::Work { n: number(1)? },
            ("a", 3) => Op::Ack { consumer: words[1].chars().next()?, seq: number(2)? },
            ("d", 2) => Op::Delete { seq: number(1)? },
            ("p", 2) => Op::Purge { below: number(1)? },
            _ => return None,
        })
    }

    /// What a publish carries: the same bytes for the same operation, always.
    pub fn payload(&self) -> Vec<u8> {
        if self.is_marker() {
            return Vec::new();
        }
        let token = self.token();
        let seed = token.bytes().fold(0u64, |seed, byte| seed.wrapping_mul(131).wrapping_add(byte.into()));
        let mut rng = Rng::new(seed);
        let len = match rng.below(50) {
            0 => rng.below(20_000),
            1..=5 => 0,
            _ => rng.below(600),
        };
        let mut payload = token.into_bytes();
        payload.push(b' ');
        payload.extend(rng.bytes(len as usize));
        payload
    }

    /// Every seventh version of a key is a delete marker or a purge.
    pub fn is_marker(&self) -> bool {
        matches!(self, Op::Key { n, .. } if n % 7 == 0)
    }

    /// What a publish carries besides.
    pub fn headers(&self) -> String {
        match self {
            Op::Key { n, .. } if n % 14 == 0 => {
                format!("NATS/1.0\r\nKV-Operation: PURGE\r\nNats-Rollup: sub\r\nOp: {}\r\n\r\n", self.token())
            }
            Op::Key { n, .. } if n % 7 == 0 => {
                format!("NATS/1.0\r\nKV-Operation: DEL\r\nOp: {}\r\n\r\n", self.token())
            }
            Op::Key { .. } => format!("NATS/1.0\r\nOp: {}\r\n\r\n", self.token()),
            _ => String::new(),
        }
    }
}

/// A line of a client's own log.
#[derive(Debug, Clone)]
pub enum Step {
    Intend(Op),
    Confirm(Op, Vec<u8>),
}

/// The books.
#[derive(Debug, Default, Clone)]
pub struct Ledger {
    /// What every client did, in order; kept on request.
    pub log: Option<Vec<(ThreadId, Step)>>,
    intended: HashSet<Op>,
    /// The last version of each key that was sent.
    keys_sent: BTreeMap<u8, u64>,
    purge_sent: u64,
    /// Acknowledged messages of EVENTS by sequence.
    pub events: BTreeMap<u64, Op>,
    /// The last acknowledged version of each key.
    pub keys: BTreeMap<u8, u64>,
    /// The last sequence acknowledged by the bucket.
    pub keys_last_seq: u64,
    /// Acknowledged items by sequence.
    pub work: BTreeMap<u64, Op>,
    pub acked: BTreeSet<(char, u64)>,
    pub deleted: BTreeSet<u64>,
    pub purged_below: u64,
    /// What was not as promised.
    pub broken: Vec<String>,
    pub confirmations: u64,
}

/// What may be found under a sequence.
#[derive(Debug, PartialEq, Eq)]
pub enum Must {
    Stay,
    Gone,
    Either,
}

impl Ledger {
    /// A client is about to ask.
    pub fn intend(&mut self, op: Op) {
        if let Some(log) = &mut self.log {
            log.push((thread::current().id(), Step::Intend(op)));
        }
        match op {
            Op::Key { key, n } => drop(self.keys_sent.insert(key, n)),
            Op::Purge { below } => self.purge_sent = self.purge_sent.max(below),
            _ => {}
        }
        self.intended.insert(op);
    }

    /// A client was answered.
    pub fn confirm(&mut self, op: Op, answer: &[u8]) {
        if let Some(log) = &mut self.log {
            log.push((thread::current().id(), Step::Confirm(op, answer.to_vec())));
        }
        self.confirmations += 1;
        let text = String::from_utf8_lossy(answer);
        if text.contains("\"error\"") {
            let harmless = matches!(op, Op::Delete { .. } | Op::Purge { .. });
            if !harmless {
                self.broken.push(format!("{op:?} was refused: {text}"));
            }
            return;
        }
        let seq = number_in(answer, "seq");
        match (op, seq) {
            (Op::Event { .. }, Some(seq)) => self.note_seq(seq, op, |ledger| &mut ledger.events),
            (Op::Work { .. }, Some(seq)) => self.note_seq(seq, op, |ledger| &mut ledger.work),
            (Op::Key { key, n }, Some(seq)) => {
                if seq <= self.keys_last_seq {
                    self.broken.push(format!("{op:?}: sequence {seq} after {}", self.keys_last_seq));
                }
                self.keys_last_seq = seq;
                self.keys.insert(key, n);
            }
            (Op::Ack { consumer, seq }, _) => drop(self.acked.insert((consumer, seq))),
            (Op::Delete { seq }, _) => drop(self.deleted.insert(seq)),
            (Op::Purge { below }, _) => self.purged_below = self.purged_below.max(below),
            _ => self.broken.push(format!("{op:?} was answered with {text}")),
        }
    }

    fn note_seq(&mut self, seq: u64, op: Op, of: fn(&mut Self) -> &mut BTreeMap<u64, Op>) {
        if let Some(first) = of(self).insert(seq, op) {
            self.broken.push(format!("sequence {seq} was given to {first:?} and to {op:?}"));
        }
    }

    /// What must be true of a message of EVENTS that was acknowledged.
    pub fn event(&self, seq: u64) -> Must {
        if seq < self.purged_below || self.deleted.contains(&seq) {
            Must::Gone
        } else if seq < self.purge_sent || self.intended.contains(&Op::Delete { seq }) {
            Must::Either
        } else {
            Must::Stay
        }
    }

    /// What must be true of an item that was acknowledged.
    pub fn item(&self, seq: u64) -> Must {
        if self.acked.contains(&('W', seq)) {
            Must::Gone
        } else if self.intended.contains(&Op::Ack { consumer: 'W', seq }) {
            Must::Either
        } else {
            Must::Stay
        }
    }

    /// Whether an ack of a message was asked for, confirmed or not.
    pub fn may_be_acked(&self, consumer: char, seq: u64) -> bool {
        self.intended.contains(&Op::Ack { consumer, seq })
    }

    /// The versions of a key that may be found: the first and the last.
    pub fn versions(&self, key: u8) -> (u64, u64) {
        (self.keys.get(&key).copied().unwrap_or(0), self.keys_sent.get(&key).copied().unwrap_or(0))
    }

    /// The keys that were ever written.
    pub fn written_keys(&self) -> Vec<u8> {
        self.keys_sent.keys().copied().collect()
    }

    /// The last sequence that a consumer's position must not be behind.
    pub fn last_acked(&self, consumer: char) -> u64 {
        let of = self.acked.range((consumer, 0)..=(consumer, u64::MAX));
        of.map(|(_, seq)| *seq).next_back().unwrap_or(0)
    }

    /// Messages that are gone for good need not be looked at any more.
    pub fn forget_gone(&mut self) {
        let below = self.purged_below;
        self.events = self.events.split_off(&below);
        self.deleted = self.deleted.split_off(&below);
    }
}

/// The books as time goes by: what clients did, replayed up to what had been confirmed at some moment.
pub struct Replay<'a> {
    clients: Vec<Vec<&'a Step>>,
    /// How far each client has come.
    positions: Vec<usize>,
    pub ledger: Ledger,
}

impl<'a> Replay<'a> {
    /// Nothing has happened yet.
    pub fn new(log: &'a [(ThreadId, Step)]) -> Self {
        let mut clients: HashMap<ThreadId, Vec<&Step>> = HashMap::new();
        for (client, step) in log {
            clients.entry(*client).or_default().push(step);
        }
        let clients: Vec<_> = clients.into_values().collect();
        Self { positions: vec![0; clients.len()], clients, ledger: Ledger::default() }
    }

    /// Every client goes on until it waits for an answer that has not been given: it has asked for nothing more by then.
    pub fn advance(&mut self, confirmed: impl Fn(&Op) -> bool) {
        for (steps, position) in self.clients.iter().zip(&mut self.positions) {
            while let Some(step) = steps.get(*position) {
                match step {
                    Step::Intend(op) => self.ledger.intend(*op),
                    Step::Confirm(op, answer) if confirmed(op) => self.ledger.confirm(*op, answer),
                    Step::Confirm(..) => break,
                }
                *position += 1;
            }
        }
    }
}
