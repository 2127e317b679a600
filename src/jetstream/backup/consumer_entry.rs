//! A consumer as an archive holds it: `{"config": …, "state": …}`, as nats-server writes it.

use std::collections::BTreeMap;
use std::io;

use headwater_protocol::jetstream::consumer_config::{ConsumerConfig, DeliverPolicy};
use headwater_protocol::jetstream::from_json::decode;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::jetstream::consumer::pending::PendingAck;
use crate::jetstream::consumer::state::{ConsumerState, SequencePair};
use crate::jetstream::consumer::{Settings, snapshot};

/// Where a consumer stands, in a form that servers exchange.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// The last delivery.
    pub delivered: Position,
    /// Everything up to here has been acknowledged.
    pub ack_floor: Position,
    /// What awaits acknowledgement, by stream sequence.
    pub pending: BTreeMap<u64, Pending>,
    /// How often messages were delivered again; also those that never will be any more.
    pub redelivered: BTreeMap<u64, u64>,
}

/// A position, in the consumer's and the stream's counting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Position {
    /// Counts deliveries.
    pub consumer_seq: u64,
    /// The message.
    pub stream_seq: u64,
}

/// One message that awaits acknowledgement. The names are those of Go's struct.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pending {
    /// The consumer sequence of its first delivery.
    #[serde(rename = "Sequence")]
    pub consumer_seq: u64,
    /// From when its ack wait counts, in nanoseconds since 1970.
    #[serde(rename = "Timestamp")]
    pub since: i64,
}

/// A consumer on its way into an archive; written without a second copy of its state.
#[derive(Serialize)]
struct Written<'a> {
    config: &'a ConsumerConfig,
    state: WrittenState<'a>,
}

#[derive(Serialize)]
struct WrittenState<'a> {
    delivered: Position,
    ack_floor: Position,
    #[serde(serialize_with = "write_pending")]
    pending: Through<'a>,
    #[serde(serialize_with = "write_redelivered")]
    redelivered: Through<'a>,
}

/// A state, without what concerns messages after a sequence.
#[derive(Clone, Copy)]
struct Through<'a> {
    state: &'a ConsumerState,
    last_seq: u64,
}

/// What an archive's entry says.
#[derive(Deserialize)]
struct Read {
    config: Option<serde_json::Value>,
    state: Option<Standing>,
}

/// Writes a consumer of a stream that goes up to `last_seq`.
pub fn write(
    config: &ConsumerConfig,
    state: &ConsumerState,
    last_seq: u64,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let position =
        |pair: SequencePair| Position { consumer_seq: pair.consumer, stream_seq: pair.stream.min(last_seq) };
    let through = Through { state, last_seq };
    let state = WrittenState {
        delivered: position(state.delivered),
        ack_floor: position(state.ack_floor),
        pending: through,
        redelivered: through,
    };
    serde_json::to_writer(out, &Written { config, state }).map_err(io::Error::from)
}

/// Reads a consumer; the reason if it makes no sense.
pub fn read(json: &[u8]) -> Result<(ConsumerConfig, Standing), String> {
    let read: Read = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let config = read.config.ok_or("its config is missing")?;
    let state = read.state.ok_or("its state is missing")?;
    Ok((read_config(&config.to_string())?, state))
}

/// Reads a consumer's configuration; what this version does not know is left out.
pub fn read_config(json: &str) -> Result<ConsumerConfig, String> {
    decode(json.as_bytes(), false).map_err(|error| error.to_string())
}

impl Standing {
    /// The state of a consumer of this configuration as [`snapshot`] encodes it, on a stream that goes up to `last_seq`.
    pub fn encode(&self, config: &ConsumerConfig, last_seq: u64) -> Vec<u8> {
        let settings = Settings::of(config);
        let next_seq = self.delivered.stream_seq.saturating_add(1);
        let mut state =
            ConsumerState::starting_at(next_seq, settings.awaits_acks(), settings.ack_wait.clone());
        let pair = |position: Position| SequencePair {
            consumer: position.consumer_seq,
            stream: position.stream_seq,
        };
        state.delivered = pair(self.delivered);
        state.ack_floor = pair(self.ack_floor);
        for (seq, pending) in self.pending.range(1..=last_seq) {
            let entry = PendingAck::new(*seq, pending.consumer_seq, pending.since);
            state.acks.restore(entry.delivered(self.deliveries(*seq)));
        }
        state.acks.restored();
        let given_up =
            self.redelivered.range(1..=last_seq).filter(|(seq, _)| !self.pending.contains_key(seq));
        state.given_up = given_up.map(|(seq, _)| (*seq, self.deliveries(*seq))).collect();
        let untouched = self.delivered.consumer_seq == 0;
        if untouched && config.deliver_policy == DeliverPolicy::LastPerSubject {
            state.last_per_subject_through = Some(last_seq);
        }
        snapshot::encode(&state)
    }

    fn deliveries(&self, seq: u64) -> u32 {
        let again = self.redelivered.get(&seq).copied().unwrap_or(0);
        u32::try_from(again).unwrap_or(u32::MAX).saturating_add(1)
    }
}

fn write_pending<S: Serializer>(through: &Through<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let all = through.state.acks.pending().iter();
    let within = all.filter(|entry| entry.seq <= through.last_seq);
    serializer.collect_map(
        within.map(|entry| (entry.seq, Pending { consumer_seq: entry.consumer_seq, since: entry.since })),
    )
}

fn write_redelivered<S: Serializer>(through: &Through<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let again = |deliveries: u32| deliveries.saturating_sub(1);
    let pending = through.state.acks.pending().iter();
    let pending =
        pending.filter(|entry| entry.deliveries > 1).map(|entry| (entry.seq, again(entry.deliveries)));
    let given_up = through.state.given_up.iter().map(|(seq, deliveries)| (*seq, again(*deliveries).max(1)));
    serializer.collect_map(pending.chain(given_up).filter(|(seq, _)| *seq <= through.last_seq))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jetstream::consumer::ack_timer::AckWait;

    const CONFIG: &str = r#"{"durable_name":"C","name":"C","ack_policy":"explicit","ack_wait":1000}"#;

    /// As nats-server 2.15 writes one.
    const ENTRY: &str = r#"{"config":{"durable_name":"C","name":"C","deliver_policy":"all","ack_policy":"explicit",
        "ack_wait":1000,"replay_policy":"instant","num_replicas":0},"state":{"delivered":{"consumer_seq":4,"stream_seq":7},
        "ack_floor":{"consumer_seq":1,"stream_seq":1},"pending":{"3":{"Sequence":2,"Timestamp":1000},
        "7":{"Sequence":4,"Timestamp":3000}},"redelivered":{"3":2,"5":1}}}"#;

    fn state(encoded: &[u8]) -> ConsumerState {
        let config = read_config(CONFIG).unwrap();
        let wait: AckWait = Settings::of(&config).ack_wait;
        snapshot::decode(encoded, true, wait).unwrap()
    }

    #[test]
    fn where_a_consumer_stands_is_taken_over() {
        let (config, standing) = read(ENTRY.as_bytes()).unwrap();
        let state = state(&standing.encode(&config, 10));
        assert_eq!((state.delivered, state.next_seq), (SequencePair { consumer: 4, stream: 7 }, 8));
        assert_eq!(state.ack_floor, SequencePair { consumer: 1, stream: 1 });
        let pending: Vec<_> =
            state.acks.pending().iter().map(|p| (p.seq, p.consumer_seq, p.deliveries)).collect();
        assert_eq!(pending, [(3, 2, 3), (7, 4, 1)]);
        assert_eq!(state.given_up.into_iter().collect::<Vec<_>>(), [(5, 2)]);
    }

    #[test]
    fn what_was_taken_over_is_written_again_as_it_came() {
        let (config, standing) = read(ENTRY.as_bytes()).unwrap();
        let mut out = Vec::new();
        write(&config, &state(&standing.encode(&config, 10)), 10, &mut out).unwrap();
        assert_eq!(read(&out).unwrap(), (config, standing));
    }

    #[test]
    fn nothing_is_said_of_messages_beyond_the_end_of_the_backup() {
        let (config, standing) = read(ENTRY.as_bytes()).unwrap();
        let mut out = Vec::new();
        write(&config, &state(&standing.encode(&config, 10)), 4, &mut out).unwrap();
        let (_, cut) = read(&out).unwrap();
        assert_eq!((cut.delivered.stream_seq, cut.pending.len(), cut.redelivered.len()), (4, 1, 1));
    }

    #[test]
    fn an_entry_that_makes_no_sense_has_a_reason() {
        assert_eq!(read(b"{}").unwrap_err(), "its config is missing");
        assert_eq!(read(br#"{"config":{}}"#).unwrap_err(), "its state is missing");
        assert!(read(b"no JSON").is_err());
    }
}
