//! What must be true, in plain maps.
//!
//! The model watches two things: what happens in the broker's memory after every step – which must be legal – and what clients
//! are told – which must stay true. After a crash it compares what is there with what clients were told, and what is there
//! besides with what was under way.

pub mod consumer;
pub mod legal;
pub mod message;
pub mod replies;
pub mod restart;
pub mod stream;

use std::collections::{BTreeMap, BTreeSet};

use headwater_protocol::jetstream::ack_token::{ACK_PREFIX, AckToken};

use crate::broken::{Broken, Checked, check};
use crate::world::{Received, World};
use message::{Attempt, Content};
use stream::{Step, StreamModel};

/// Whether somebody wants something gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// Nobody does.
    None,
    /// Somebody has asked for it, or for something that implies it.
    Asked,
    /// A client was told that it is gone.
    Promised,
}

/// A request that was sent and may be answered.
#[derive(Debug, Clone)]
pub enum Request {
    /// Messages for a stream: one, or a batch that this commits. `given` is what the first of them got in memory.
    Publish {
        stream: u32,
        attempts: Vec<u64>,
        given: Option<u64>,
    },
    /// `revision` is that of the configuration it left in memory.
    CreateStream {
        stream: u32,
        revision: u64,
    },
    UpdateStream {
        stream: u32,
        revision: u64,
    },
    DeleteStream {
        stream: u32,
    },
    DeleteMessage {
        stream: u32,
        seq: u64,
    },
    Purge {
        stream: u32,
        seqs: Vec<u64>,
    },
    /// `created` tells the consumer that has the name after the request from others that had it; `revision` is that of the
    /// configuration it has then.
    CreateConsumer {
        stream: u32,
        name: String,
        created: i64,
        revision: u64,
    },
    DeleteConsumer {
        stream: u32,
        name: String,
        created: i64,
    },
    /// An acknowledgement that wants to be confirmed.
    Acknowledge {
        stream: u32,
        consumer: String,
        created: i64,
        seq: u64,
    },
    GetMessage {
        stream: u32,
    },
}

/// A delivered message, as a client holds it.
#[derive(Debug, Clone)]
pub struct Delivered {
    pub stream: String,
    pub consumer: String,
    /// When that was made; tells it from others that had its name.
    pub created: i64,
    pub seq: u64,
    /// Where the acknowledgement goes.
    pub ack_to: String,
}

/// Messages that one step had stored, one after the other.
#[derive(Debug, Default)]
pub struct Sent {
    /// Where.
    pub stream: u32,
    /// The sequence that the first of them was given.
    pub first_seq: u64,
    /// Which they are, by number.
    pub attempts: Vec<u64>,
}

impl Sent {
    /// Which of them was given a sequence.
    fn given(&self, stream: u32, seq: u64) -> Option<u64> {
        let index = seq.checked_sub(self.first_seq).filter(|_| self.stream == stream)?;
        self.attempts.get(usize::try_from(index).ok()?).copied()
    }
}

/// Everything that was sent and promised.
#[derive(Debug, Default)]
pub struct Model {
    /// By the number the store knows them by.
    pub streams: BTreeMap<u32, StreamModel>,
    /// What was sent to be stored.
    pub attempts: BTreeMap<u64, Attempt>,
    /// What may be answered yet.
    pub requests: BTreeMap<u64, Request>,
    /// Deliveries that clients have not acknowledged.
    pub in_hand: Vec<Delivered>,
    /// Names of streams that somebody wanted to exist.
    pub wanted: BTreeSet<String>,
    /// What this step had stored.
    pub sent: Sent,
    /// The power went during this step, so that nobody looked at the broker's memory after it.
    pub in_the_dark: bool,
    last_number: u64,
}

/// What the replies to requests are sent to, before the request's number.
pub const REPLY_PREFIX: &str = "_INBOX.r.";

impl Model {
    /// A number for a request or an attempt.
    pub fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Expects an answer; returns where it is to go.
    pub fn expect(&mut self, request: Request) -> String {
        let number = self.number();
        self.requests.insert(number, request);
        format!("{REPLY_PREFIX}{number}")
    }

    /// The stream in service that has this name.
    pub fn named(&self, name: &str) -> Option<u32> {
        let mut all = self.streams.values();
        all.find(|stream| stream.in_service && stream.name == name).map(|stream| stream.id)
    }

    /// Streams in service.
    pub fn in_service(&self) -> Vec<u32> {
        self.streams.values().filter(|stream| stream.in_service).map(|stream| stream.id).collect()
    }

    /// Looks at the broker's memory after a step.
    pub fn observe(&mut self, world: &World) -> Checked {
        let hosts = world.hosts();
        let now = world.now();
        for host in &hosts {
            let state = host.lock();
            let config = state.machine.config();
            if !self.streams.contains_key(&host.id.0) {
                let wanted = || format!("stream {} was wanted", config.name);
                check(self.wanted.contains(&config.name), wanted, || "it came unasked".to_owned())?;
                self.streams.insert(host.id.0, StreamModel::new(host.id.0, config.clone()));
            }
            let step = Step { attempts: &self.attempts, sent: &self.sent, now };
            let Some(stream) = self.streams.get_mut(&host.id.0) else { continue };
            stream.observe(&state, &step)?;
        }
        self.sent.attempts.clear();
        for stream in self.streams.values_mut().filter(|stream| stream.in_service) {
            stream.in_service = hosts.iter().any(|host| host.id.0 == stream.id);
            let asked = stream.in_service || stream.deletion != Deletion::None;
            check(asked, || format!("stream {} stays", stream.name), || "it went unasked".to_owned())?;
        }
        Ok(())
    }

    /// A client receives a message.
    pub fn receive(&mut self, received: &Received) -> Checked {
        if received.reply.starts_with(ACK_PREFIX) {
            return self.receive_delivery(received);
        }
        let subject = std::str::from_utf8(&received.subject).unwrap_or_default();
        let number = subject.strip_prefix(REPLY_PREFIX).and_then(|number| number.parse().ok());
        match number.and_then(|number: u64| self.requests.get(&number).cloned()) {
            Some(request) => self.receive_reply(request, received),
            None => Ok(()),
        }
    }

    fn receive_delivery(&mut self, received: &Received) -> Checked {
        let token = AckToken::parse(&received.reply)
            .ok_or_else(|| Broken::new("ack subjects can be read", format!("{received:?}")))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stream, consumer, seq) = (text(token.stream), text(token.consumer), token.delivery.stream_seq);
        let Some(id) = self.named(&stream) else { return Ok(()) };
        self.check_seen(id, seq, token.delivery.timestamp, received)?;
        let mut created = 0;
        if let Some(consumer) = self.consumer(id, &consumer) {
            created = consumer.created;
            consumer.note_delivery(&stream, seq, token.delivery.delivered)?;
        }
        self.in_hand.push(Delivered { stream, consumer, created, seq, ack_to: text(&received.reply) });
        Ok(())
    }

    /// A client has seen a message: it must be what is stored, and must not be taken back.
    pub fn check_seen(&mut self, stream: u32, seq: u64, ts: i64, received: &Received) -> Checked {
        let Some(stream) = self.streams.get_mut(&stream) else { return Ok(()) };
        if stream.went_unseen(seq) {
            return Ok(());
        }
        let seen = Content {
            subject: String::from_utf8_lossy(&received.subject).into_owned(),
            headers: received.headers.clone(),
            payload: received.payload.clone(),
        };
        let stored = stream.messages.get(&seq);
        let known = stored.and_then(|stored| Some((stored.content.clone()?, stored.ts)));
        let promised = || format!("{}: message {seq} is {known:?}", stream.name);
        check(known == Some((seen.clone(), ts)), promised, || format!("a client sees {seen:?} of {ts}"))?;
        stream.promise(seq);
        Ok(())
    }
}

/// The header by which messages are told apart.
pub const SIM_ID: &[u8] = b"Sim-Id";
