//! Which messages limits refuse and which they remove (behaviour §15), against the simplest stream that could be.

use headwater_protocol::jetstream::stream_config::{Discard, StreamConfig};
use proptest::prelude::*;

use super::{Rig, config};
use crate::jetstream::stream::turn::Answer;
use crate::store::MessageLog;

/// What a message counts in memory besides its content.
const OVERHEAD: usize = 16;

/// A stream as a list.
#[derive(Debug)]
struct Model {
    config: StreamConfig,
    messages: Vec<Held>,
    last_seq: u64,
}

#[derive(Debug)]
struct Held {
    seq: u64,
    subject: String,
    bytes: u64,
}

/// Why the model refuses a message.
#[derive(Debug, PartialEq)]
enum Full {
    Messages,
    Bytes,
    Subject,
}

#[derive(Debug, Clone)]
enum Step {
    Publish { subject: &'static str, size: usize, rollup: bool },
    Delete { nth: usize },
    Limit { max_msgs: i64 },
}

impl Model {
    fn publish(&mut self, subject: &str, bytes: u64, rollup: bool) -> Result<u64, Full> {
        if self.config.discard == Discard::New {
            self.check(subject, bytes, rollup)?;
        }
        self.last_seq += 1;
        let seq = self.last_seq;
        self.messages.push(Held { seq, subject: subject.into(), bytes });
        if rollup {
            self.messages.retain(|held| held.subject != subject || held.seq == seq);
        }
        while positive(self.config.max_msgs_per_subject).is_some_and(|max| self.on(subject).count() > max) {
            let oldest = self.on(subject).next().unwrap().seq;
            self.messages.retain(|held| held.seq != oldest);
        }
        self.evict();
        Ok(seq)
    }

    fn check(&self, subject: &str, bytes: u64, rollup: bool) -> Result<(), Full> {
        let full =
            positive(self.config.max_msgs_per_subject).is_some_and(|max| self.on(subject).count() >= max);
        if full && self.config.discard_new_per_subject && !rollup {
            return Err(Full::Subject);
        }
        if positive(self.config.max_msgs).is_some_and(|max| self.messages.len() >= max) && !full {
            return Err(Full::Messages);
        }
        let replaced = self.on(subject).next().filter(|_| full).map_or(0, |held| held.bytes);
        let over = positive(self.config.max_bytes).is_some_and(|max| self.bytes() + bytes > max as u64);
        if over && replaced < bytes { Err(Full::Bytes) } else { Ok(()) }
    }

    fn evict(&mut self) {
        let over = |model: &Self| {
            let messages = positive(model.config.max_msgs).is_some_and(|max| model.messages.len() > max);
            messages || positive(model.config.max_bytes).is_some_and(|max| model.bytes() > max as u64)
        };
        while self.config.discard == Discard::Old && over(self) {
            self.messages.remove(0);
        }
    }

    fn on<'a>(&'a self, subject: &'a str) -> impl Iterator<Item = &'a Held> {
        self.messages.iter().filter(move |held| held.subject == subject)
    }

    fn bytes(&self) -> u64 {
        self.messages.iter().map(|held| held.bytes).sum()
    }

    fn seqs(&self) -> Vec<u64> {
        self.messages.iter().map(|held| held.seq).collect()
    }
}

fn positive(limit: i64) -> Option<usize> {
    usize::try_from(limit).ok().filter(|limit| *limit > 0)
}

fn configs() -> impl Strategy<Value = StreamConfig> {
    let limits = (limit(12), prop_oneof![Just(-1), 60i64..400], limit(4));
    (limits, any::<bool>(), any::<bool>()).prop_map(
        |((max_msgs, max_bytes, per_subject), new, new_per_subject)| {
            let discard = if new { Discard::New } else { Discard::Old };
            StreamConfig {
                max_msgs,
                max_bytes,
                max_msgs_per_subject: per_subject,
                discard,
                discard_new_per_subject: new && new_per_subject && per_subject > 0,
                allow_rollup_hdrs: true,
                ..config()
            }
        },
    )
}

fn limit(most: i64) -> impl Strategy<Value = i64> {
    prop_oneof![Just(-1), 1..=most]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let publish = (prop::sample::select(vec!["s.a", "s.b", "s.c"]), 0usize..80, prop::bool::weighted(0.1))
        .prop_map(|(subject, size, rollup)| Step::Publish { subject, size, rollup });
    let delete = (0usize..20).prop_map(|nth| Step::Delete { nth });
    let limit = limit(12).prop_map(|max_msgs| Step::Limit { max_msgs });
    prop::collection::vec(prop_oneof![8 => publish, 1 => delete, 1 => limit], 1..60)
}

/// Publishes to both; they must agree on what becomes of it.
fn publish_to_both(rig: &mut Rig, model: &mut Model, subject: &str, size: usize, rollup: bool) {
    let headers: &[(&str, &str)] = if rollup { &[("Nats-Rollup", "sub")] } else { &[] };
    let bytes = subject.len() + super::block(headers).len() + size + OVERHEAD;
    let told = rig.publish(subject, headers, &"x".repeat(size));
    let expected = model.publish(subject, bytes as u64, rollup);
    match (told, expected) {
        (Answer::Stored { seq }, expected) => assert_eq!(Ok(seq), expected),
        (Answer::Refused(error), Err(full)) => {
            let text = match full {
                Full::Messages => "maximum messages exceeded",
                Full::Bytes => "maximum bytes exceeded",
                Full::Subject => "maximum messages per subject exceeded",
            };
            assert_eq!((error.err_code, &*error.description), (10077, text));
        }
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn limits_refuse_and_remove_what_the_model_does(config in configs(), steps in steps()) {
        let mut rig = Rig::new(config.clone());
        let mut model = Model { config, messages: Vec::new(), last_seq: 0 };
        for step in steps {
            match step {
                Step::Publish { subject, size, rollup } => {
                    publish_to_both(&mut rig, &mut model, subject, size, rollup);
                }
                Step::Delete { nth } => {
                    if let Some(seq) = model.seqs().get(nth).copied() {
                        model.messages.retain(|held| held.seq != seq);
                        rig.machine.delete(&mut rig.log, seq).unwrap();
                    }
                }
                Step::Limit { max_msgs } => {
                    model.config.max_msgs = max_msgs;
                    model.evict();
                    let now = rig.now;
                    rig.machine.reconfigure(model.config.clone(), &mut rig.log, now).unwrap();
                }
            }
            prop_assert_eq!(rig.live(), model.seqs());
            prop_assert_eq!(rig.log.state().bytes, model.bytes());
        }
    }
}

#[test]
fn a_message_larger_than_the_stream_is_taken_and_gone() {
    let mut rig = Rig::new(StreamConfig { max_bytes: 50, ..config() });
    rig.store("s.a", &[]);
    assert_eq!(rig.publish("s.a", &[], &"x".repeat(100)), Answer::Stored { seq: 2 });
    assert_eq!(rig.live(), [0u64; 0]);
}

#[test]
fn a_stream_that_does_not_acknowledge_says_nothing() {
    let mut rig = Rig::new(StreamConfig { no_ack: true, sealed: true, ..config() });
    let message = crate::jetstream::stream::Ingest { subject: b"s.a", headers: b"", payload: b"x" };
    rig.turn(|machine, turn| machine.publish(turn, &message, b"inbox"));
    assert_eq!(rig.effects, []);
}
