//! What must be true of one consumer.

use std::collections::{BTreeMap, BTreeSet};

use headwater_protocol::jetstream::consumer_config::{AckPolicy, ConsumerConfig, DeliverPolicy};
use headwater_protocol::subject;

use super::{Deletion, Model};
use crate::broken::{Broken, Checked};

/// A consumer as its clients know it.
#[derive(Debug, Clone)]
pub struct ConsumerModel {
    /// Its name.
    pub name: String,
    /// When it was made; tells it from others that had its name.
    pub created: i64,
    /// Its configuration.
    pub config: ConsumerConfig,
    /// How often that has changed.
    pub revision: u64,
    /// The configurations that a crash may bring back, by revision: the last that was answered, and those since.
    pub configs: BTreeMap<u64, ConsumerConfig>,
    /// A client was told that it exists.
    pub promised: bool,
    /// Whether somebody wants it gone.
    pub deletion: Deletion,
    /// The stream's last sequence when it was made.
    pub stream_seq: u64,
    /// Messages up to here may have been passed over under other filters: a change of them does not go back.
    pub passed_over: u64,
    /// What was sent to acknowledge messages.
    pub acked: Acked,
    /// What clients were told of that.
    pub confirmed: Acked,
    /// Messages delivered at least once.
    pub delivered: BTreeSet<u64>,
}

/// A set of acknowledged messages.
#[derive(Debug, Clone, Default)]
pub struct Acked {
    /// All up to here.
    pub through: u64,
    /// These besides.
    pub seqs: BTreeSet<u64>,
}

impl Acked {
    /// Whether a message is among them.
    pub fn contains(&self, seq: u64) -> bool {
        seq <= self.through || self.seqs.contains(&seq)
    }

    fn add(&mut self, policy: AckPolicy, seq: u64) {
        if policy == AckPolicy::All {
            self.through = self.through.max(seq);
        } else {
            self.seqs.insert(seq);
        }
    }
}

impl ConsumerModel {
    /// A consumer that has come into being.
    pub fn new(name: &str, created: i64, config: ConsumerConfig, stream_seq: u64) -> Self {
        Self {
            name: name.to_owned(),
            created,
            revision: 0,
            configs: BTreeMap::from([(0, config.clone())]),
            config,
            promised: false,
            deletion: Deletion::None,
            stream_seq,
            passed_over: 0,
            acked: Acked::default(),
            confirmed: Acked::default(),
            delivered: BTreeSet::new(),
        }
    }

    /// Its configuration is another from now on, in a stream that has come to `last_seq`.
    pub fn reconfigure(&mut self, config: ConsumerConfig, last_seq: u64) {
        let filters =
            |config: &ConsumerConfig| (config.filter_subject.clone(), config.filter_subjects.clone());
        if filters(&self.config) != filters(&config) {
            self.passed_over = last_seq;
        }
        if self.config != config {
            self.revision += 1;
            self.configs.insert(self.revision, config.clone());
            self.config = config;
        }
    }

    /// A client has heard that it is configured so. What was changed since has not been answered yet.
    pub fn promise_config(&mut self, revision: u64) {
        self.promised = true;
        self.configs.retain(|since, _| *since >= revision);
    }

    /// Whether its filters let a subject through.
    pub fn matches(&self, subject: &str) -> bool {
        let one = Some(&self.config.filter_subject).filter(|filter| !filter.is_empty());
        let mut filters = one.into_iter().chain(&self.config.filter_subjects).peekable();
        filters.peek().is_none()
            || filters.any(|filter| subject::matches(filter.as_bytes(), subject.as_bytes()))
    }

    /// The first sequence that is surely its business; `None` where that is not easily said.
    pub fn starts_at(&self) -> Option<u64> {
        let start = match self.config.deliver_policy {
            DeliverPolicy::All => 1,
            DeliverPolicy::New => self.stream_seq + 1,
            DeliverPolicy::ByStartSequence => self.config.opt_start_seq,
            _ => return None,
        };
        Some(start.max(self.passed_over + 1))
    }

    /// Whether it may still want a message: nobody has acknowledged that for it.
    pub fn may_need(&self, seq: u64, subject: &str) -> bool {
        let its_business = self.starts_at().is_some_and(|start| start <= seq) && self.matches(subject);
        its_business && self.awaits_acks() && !self.acked.contains(seq)
    }

    /// Whether it may vanish by itself.
    pub fn is_fleeting(&self) -> bool {
        self.config.inactive_threshold > 0
    }

    /// Whether deliveries have to be acknowledged.
    pub fn awaits_acks(&self) -> bool {
        matches!(self.config.ack_policy, AckPolicy::Explicit | AckPolicy::All)
    }

    /// An acknowledgement was sent.
    pub fn note_ack(&mut self, seq: u64) {
        self.acked.add(self.config.ack_policy, seq);
    }

    /// An acknowledgement was confirmed.
    pub fn note_confirmation(&mut self, seq: u64) {
        self.confirmed.add(self.config.ack_policy, seq);
    }

    /// A message was delivered.
    pub fn note_delivery(&mut self, stream: &str, seq: u64, deliveries: u64) -> Checked {
        self.delivered.insert(seq);
        if self.confirmed.contains(seq) {
            let promised = format!(
                "message {seq} of {stream} was acknowledged to consumer {}, and that was confirmed",
                self.name
            );
            return Err(Broken::new(promised, format!("it is delivered again (delivery {deliveries})")));
        }
        Ok(())
    }
}

impl Model {
    /// The consumer that has this name now.
    pub fn consumer(&mut self, stream: u32, name: &str) -> Option<&mut ConsumerModel> {
        self.streams.get_mut(&stream)?.consumers.get_mut(name)
    }

    /// The consumer of this name that was made then, even if it is gone.
    pub fn consumer_made(&mut self, stream: u32, name: &str, created: i64) -> Option<&mut ConsumerModel> {
        let stream = self.streams.get_mut(&stream)?;
        let all = stream.consumers.values_mut().chain(&mut stream.former_consumers);
        all.into_iter().find(|consumer| consumer.name == name && consumer.created == created)
    }
}
