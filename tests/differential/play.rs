//! Playing a sequence to one broker.

use std::time::Duration;

use serde_json::Value;

use crate::mask;
use crate::script::Step;
use crate::wire::{Received, Wire};

/// How often a broker is asked for its streams before a sequence begins.
const ASKED_MAX: u32 = 20;

/// How long to wait after each step for what a broker does later than it says.
#[derive(Debug, Clone, Copy)]
pub enum Patience {
    None,
    Some,
    Much,
}

impl Patience {
    pub const ALL: [Self; 3] = [Self::None, Self::Some, Self::Much];

    fn pause(self) {
        let millis = match self {
            Self::None => return,
            Self::Some => 3,
            Self::Much => 15,
        };
        std::thread::sleep(Duration::from_millis(millis));
    }

    /// How long to wait for an answer that may never come. Half of a long run is such waiting, so at first it is short.
    fn for_answers(self) -> Duration {
        Duration::from_millis(match self {
            Self::None => 60,
            Self::Some | Self::Much => 500,
        })
    }
}

/// One broker.
pub struct Player {
    wire: Wire,
    /// Reply subjects of what was delivered in this sequence.
    deliveries: Vec<String>,
    /// How often sequences were played. Streams have other names every time: nats-server may find files of a stream that
    /// was deleted a moment ago.
    plays: u64,
}

impl Player {
    pub fn new(port: u16) -> Self {
        Self { wire: Wire::dial(port), deliveries: Vec::new(), plays: 0 }
    }

    /// Plays a sequence from the beginning; what came back, step by step.
    pub fn play(&mut self, steps: &[Step], patience: Patience) -> Vec<String> {
        self.wire.wait_afterwards(Patience::Much.for_answers());
        self.clean_up();
        self.wire.wait_afterwards(patience.for_answers());
        self.plays += 1;
        let mut told = Vec::new();
        let (mut purged, mut goes_ahead) = (false, false);
        for step in steps {
            purged |= step.purges_some();
            goes_ahead |= step.goes_ahead();
            let mut received = self.step(&step.with_streams_named(&self.mark())).replace(&self.mark(), "");
            if purged {
                received = mask::without_positions(&received);
            }
            if goes_ahead {
                received = mask::without_pending(&received);
            }
            told.push(received);
            patience.pause();
        }
        told
    }

    fn mark(&self) -> String {
        format!("-{}-", self.plays)
    }

    fn step(&mut self, step: &Step) -> String {
        let received = match step {
            Step::Call { subject, body } => {
                self.wire.request(&format!("$JS.API.{subject}"), "", body.as_bytes(), |_| true)
            }
            Step::Get { subject, body } => {
                let ends = |message: &Received| message.status().is_some() || !body.contains("batch");
                self.wire.request(&format!("$JS.API.DIRECT.GET.{subject}"), "", body.as_bytes(), ends)
            }
            Step::Publish { subject, headers, body } => {
                self.wire.request(subject, &block(headers), body.as_bytes(), |_| true)
            }
            Step::Pull { stream, consumer, batch, more } => self.pull(stream, consumer, *batch, more),
            Step::Ack { nth, word } => match self.deliveries.len() {
                0 => return "nothing was delivered".to_owned(),
                count => {
                    let to = self.deliveries[nth % count].clone();
                    self.wire.request(&to, "", word.as_bytes(), |_| true)
                }
            },
        };
        received.iter().map(told).collect::<Vec<_>>().join("\n                 ")
    }

    fn pull(&mut self, stream: &str, consumer: &str, batch: u64, more: &str) -> Vec<Received> {
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
        let body = format!(r#"{{"batch":{batch},"no_wait":true{more}}}"#);
        let mut left = batch;
        let received = self.wire.request(&subject, "", body.as_bytes(), |message| {
            left = left.saturating_sub(1);
            message.status().is_some() || left == 0
        });
        let acks = received.iter().map(|message| &message.reply).filter(|reply| !reply.is_empty());
        self.deliveries.extend(acks.cloned());
        received
    }

    fn clean_up(&mut self) {
        self.deliveries.clear();
        self.wire.forget_requests();
        let names = self.names();
        for name in names["streams"].as_array().into_iter().flatten() {
            let subject = format!("$JS.API.STREAM.DELETE.{}", name.as_str().expect("a name"));
            self.wire.request(&subject, "", b"", |_| true);
        }
    }

    /// What `STREAM.NAMES` answers; asked for again where a busy machine answers late.
    fn names(&mut self) -> Value {
        let mut answers =
            (0..ASKED_MAX).flat_map(|_| self.wire.request("$JS.API.STREAM.NAMES", "", b"", |_| true));
        let answer = answers.next().expect("the broker answers");
        serde_json::from_slice(&answer.payload).expect("an answer")
    }
}

fn block(headers: &[(String, String)]) -> String {
    if headers.is_empty() {
        return String::new();
    }
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("NATS/1.0\r\n{lines}\r\n")
}

fn told(message: &Received) -> String {
    let reply = mask::reply(&message.reply);
    let (headers, body) = (mask::headers(&message.headers), mask::body(&message.payload));
    [message.subject.clone(), reply, headers, body]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}
