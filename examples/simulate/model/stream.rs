//! What must be true of one stream.

use std::collections::{BTreeMap, BTreeSet};

use headwater::jetstream::host::StreamState;
use headwater::store::{LogState, MessageLog, StoredMessage, SubjectState};
use headwater_protocol::headers::{self, names};
use headwater_protocol::jetstream::go_duration::SECOND;
use headwater_protocol::jetstream::stream_config::{Retention, Storage, StreamConfig};

use super::consumer::ConsumerModel;
use super::legal::Reasons;
use super::message::{Attempt, Content, Presence, Stored, attempt_of, ttl_seconds};
use super::{Deletion, Sent};
use crate::broken::{Broken, Checked, check};

/// A stream as its clients know it.
#[derive(Debug)]
pub struct StreamModel {
    /// What the store knows it by; never used again.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its configuration now.
    pub config: StreamConfig,
    /// How often its configuration has changed.
    pub revision: u64,
    /// The configurations that a crash may bring back, by revision: the last that was answered, and those since.
    pub configs: BTreeMap<u64, StreamConfig>,
    /// A client was told that it exists.
    pub promised: bool,
    /// Whether somebody wants it gone.
    pub deletion: Deletion,
    /// Whether it is there now.
    pub in_service: bool,
    /// The last sequence it has given.
    pub last_seq: u64,
    /// When the last message was stored; sequences that were passed over do not count.
    pub last_ts: i64,
    /// The last sequence that a client has heard of: none up to here is given again.
    pub promised_seq: u64,
    /// Its messages, and those that went since the broker was started.
    pub messages: BTreeMap<u64, Stored>,
    /// Messages that clients asked to be removed.
    pub unwanted: BTreeSet<u64>,
    /// Its consumers.
    pub consumers: BTreeMap<String, ConsumerModel>,
    /// Consumers that were deleted, or replaced by others of their name.
    pub former_consumers: Vec<ConsumerModel>,
    removals: u64,
    /// Message ids stored before may have been forgotten under another duplicate window.
    window_since: i64,
}

/// What one step brought to one stream.
pub struct Step<'a> {
    /// What clients have sent, by number.
    pub attempts: &'a BTreeMap<u64, Attempt>,
    /// Those of them that this step had stored.
    pub sent: &'a Sent,
    /// The time.
    pub now: i64,
}

impl StreamModel {
    /// A stream that has come into being.
    pub fn new(id: u32, config: StreamConfig) -> Self {
        Self {
            id,
            name: config.name.clone(),
            revision: 0,
            configs: BTreeMap::from([(0, config.clone())]),
            promised: false,
            deletion: Deletion::None,
            in_service: true,
            last_seq: config.first_seq.saturating_sub(1),
            last_ts: 0,
            promised_seq: 0,
            config,
            messages: BTreeMap::new(),
            unwanted: BTreeSet::new(),
            consumers: BTreeMap::new(),
            former_consumers: Vec::new(),
            removals: 0,
            window_since: 0,
        }
    }

    /// Whether it is on disk.
    pub fn is_file(&self) -> bool {
        self.config.storage == Storage::File
    }

    /// Whether a message that a client has heard of went with the power before anybody looked: all of a stream in memory did.
    pub fn went_unseen(&self, seq: u64) -> bool {
        !self.is_file() && seq > self.last_seq
    }

    /// Its live messages.
    pub fn live(&self) -> impl DoubleEndedIterator<Item = (u64, &Stored)> {
        self.messages.iter().filter(|(_, stored)| stored.is_live()).map(|(seq, stored)| (*seq, stored))
    }

    /// A client has heard that the stream is configured so. What was changed since has not been answered yet.
    pub fn promise_config(&mut self, revision: u64) {
        self.promised = true;
        self.configs.retain(|since, _| *since >= revision);
    }

    /// A client has heard of this message.
    pub fn promise(&mut self, seq: u64) {
        self.promised_seq = self.promised_seq.max(seq);
        if let Some(stored) = self.messages.get_mut(&seq) {
            stored.promised = true;
        }
    }

    /// Looks at the stream after a step: what came, what went, whether that was right.
    pub fn observe(&mut self, state: &StreamState, step: &Step<'_>) -> Checked {
        if *state.machine.config() != self.config {
            self.window_since = step.now;
            self.config = state.machine.config().clone();
            self.revision += 1;
            self.configs.insert(self.revision, self.config.clone());
        }
        self.observe_consumers(state);
        let log = state.log.as_ref();
        let now = log.state();
        let came = self.last_seq + 1..=now.last_seq;
        let changed = !came.is_empty() || log.removals() != self.removals;
        if !came.is_empty() {
            self.take_in(log, step, now.last_seq)?;
        }
        if log.removals() != self.removals {
            self.removals = log.removals();
            self.see_what_went(log, step.now, Some(*came.end()).filter(|_| !came.is_empty()))?;
        }
        if changed { self.check_totals(log, &now) } else { Ok(()) }
    }

    /// Begins to look at a stream that was recovered.
    pub fn resume(&mut self, log: &dyn MessageLog) {
        self.removals = log.removals();
        self.last_seq = log.state().last_seq;
        self.in_service = true;
    }

    fn take_in(&mut self, log: &dyn MessageLog, step: &Step<'_>, last_seq: u64) -> Checked {
        let first_seq = self.last_seq + 1;
        check(
            first_seq > self.promised_seq,
            || format!("{}: sequences up to {} were given", self.name, self.promised_seq),
            || format!("sequence {first_seq} is given again"),
        )?;
        for seq in first_seq..=last_seq {
            let found =
                log.load(seq).map_err(|error| Broken::new("new messages can be read", error.to_string()))?;
            let attempt = match &found {
                Some(found) => attempt_of(found.headers()),
                None => step.sent.given(self.id, seq),
            };
            let stored = self.learn(seq, attempt, found, step)?;
            self.last_ts = stored.ts;
            self.messages.insert(seq, stored);
        }
        self.last_seq = last_seq;
        Ok(())
    }

    fn learn(
        &self,
        seq: u64,
        attempt: Option<u64>,
        found: Option<StoredMessage>,
        step: &Step<'_>,
    ) -> Checked<Stored> {
        let sent = attempt.and_then(|attempt| step.attempts.get(&attempt));
        let present = found.is_some();
        let found = found.map(|message| content_of(&message));
        let exact = sent.is_some_and(|sent| sent.exact);
        let meant = sent.map(|sent| self.as_stored(sent.content()));
        if let (Some(found), Some(meant)) = (&found, meant.as_ref().filter(|_| exact)) {
            check(
                found == meant,
                || format!("{}: message {seq} is {meant:?}", self.name),
                || format!("{found:?}"),
            )?;
        }
        // Of a message that had to go at once, nothing is seen; interest streams do not store what nobody wants.
        let subject = sent.map_or("", |sent| &sent.subject);
        let is_wanted = self.consumers.values().any(|consumer| consumer.matches(subject));
        let unwanted = !present && self.config.retention == Retention::Interest && !is_wanted;
        let stored = Stored {
            attempt,
            content: found.or_else(|| self.counted(sent)).or(meant),
            ts: step.now,
            batch: sent.and_then(|sent| sent.batch),
            promised: false,
            presence: if unwanted { Presence::Gone { cause: None, promised: false } } else { Presence::Live },
        };
        self.check_id_is_new(seq, &stored)?;
        self.check_count(seq, &stored, sent)?;
        Ok(stored)
    }

    /// A message must not end before a delete marker of its subject does.
    fn as_stored(&self, mut content: Content) -> Content {
        let least = self.config.subject_delete_marker_ttl / SECOND;
        if ttl_seconds(&content.headers).is_some_and(|ttl| ttl < least)
            && self.config.max_msgs_per_subject != 1
        {
            content.headers = headers::remove(&content.headers, names::TTL);
            headers::append_u64(&mut content.headers, names::TTL, least.unsigned_abs());
        }
        content
    }

    /// What a counter makes of a message.
    fn counted(&self, sent: Option<&Attempt>) -> Option<Content> {
        let sent = sent?;
        let total = self.count_of(&sent.subject) + sent.increment?;
        let payload = format!("{{\"val\":\"{total}\"}}").into_bytes();
        Some(Content { subject: sent.subject.clone(), headers: sent.headers.clone(), payload })
    }

    fn count_of(&self, subject: &str) -> i64 {
        let last = self.live().rev().find(|(_, stored)| stored.subject() == subject);
        last.and_then(|(_, last)| last.count()).unwrap_or(0)
    }

    /// Within the duplicate window a message id is stored once.
    fn check_id_is_new(&self, seq: u64, stored: &Stored) -> Checked {
        let Some(id) = stored.header(b"Nats-Msg-Id") else { return Ok(()) };
        let window = self.config.duplicate_window;
        let recent = |other: &Stored| other.ts >= self.window_since && stored.ts - other.ts < window;
        let same = |other: &Stored| other.header(b"Nats-Msg-Id") == Some(id) && recent(other);
        match self.live().find(|(_, other)| same(other)) {
            None => Ok(()),
            Some((before, _)) => {
                let id = String::from_utf8_lossy(id).into_owned();
                let promised = format!("{}: message id {id} is stored once within {window} ns", self.name);
                Err(Broken::new(promised, format!("it is message {before} and message {seq}")))
            }
        }
    }

    /// Whether a message is too old, or its own time is over.
    pub fn is_due(&self, stored: &Stored, now: i64) -> bool {
        let max_age = self.config.max_age;
        (max_age > 0 && now - stored.ts >= max_age) || stored.end().is_some_and(|end| end <= now)
    }

    fn check_count(&self, seq: u64, stored: &Stored, sent: Option<&Attempt>) -> Checked {
        let Some(increment) = sent.and_then(|sent| sent.increment) else { return Ok(()) };
        let before = self.count_of(stored.subject());
        // What is due may have gone by then.
        let lasting =
            self.live().rev().map(|(_, stored)| stored).filter(|other| !self.is_due(other, stored.ts));
        let mut lasting = lasting.filter(|other| other.subject() == stored.subject());
        let afresh = lasting.next().and_then(Stored::count).unwrap_or(0);
        check(
            [before, afresh].iter().any(|before| stored.count() == Some(before + increment)),
            || format!("{}: message {seq} counts from {before} by {increment}", self.name),
            || format!("it counts to {:?}", stored.count()),
        )
    }

    fn see_what_went(&mut self, log: &dyn MessageLog, now: i64, newest: Option<u64>) -> Checked {
        let gone: Vec<u64> = self.live().map(|(seq, _)| seq).filter(|seq| log.meta(*seq).is_none()).collect();
        let mut reasons = Reasons::of(self, now);
        for seq in gone {
            let reason = reasons.find(self, seq);
            let promised = || format!("{}: message {seq} stays", self.name);
            check(reason.is_some(), promised, || "it was removed for no reason".to_owned())?;
            let cause = newest.filter(|_| reason.is_some_and(|reason| reason.makes_room()));
            if let Some(stored) = self.messages.get_mut(&seq) {
                stored.presence = Presence::Gone { cause, promised: false };
            }
        }
        Ok(())
    }

    /// The log's own sums are those of what is in it.
    pub fn check_totals(&self, log: &dyn MessageLog, found: &LogState) -> Checked {
        let mut subjects: BTreeMap<&str, SubjectState> = BTreeMap::new();
        let mut bytes = Some(0);
        for (seq, stored) in self.live() {
            let fresh = SubjectState { count: 0, first_seq: seq, last_seq: seq };
            let subject = subjects.entry(stored.subject()).or_insert(fresh);
            subject.count += 1;
            subject.last_seq = seq;
            bytes = bytes.zip(stored.accounted_bytes(self.is_file())).map(|(sum, own)| sum + own);
        }
        let first_seq = self.live().next().map_or(self.last_seq + 1, |(seq, _)| seq);
        let promised = LogState {
            messages: self.live().count() as u64,
            bytes: bytes.unwrap_or(found.bytes),
            first_seq: if found.messages == 0 { found.first_seq } else { first_seq },
            last_seq: self.last_seq,
            last_ts: self.last_ts,
            subjects: subjects.len() as u64,
            ..*found
        };
        check(*found == promised, || format!("{}: {promised:?}", self.name), || format!("{found:?}"))?;
        for (subject, promised) in subjects {
            let found = log.subject(subject.as_bytes());
            let promise = || format!("{}: subject {subject} {promised:?}", self.name);
            check(found == Some(promised), promise, || format!("{found:?}"))?;
        }
        Ok(())
    }

    fn observe_consumers(&mut self, state: &StreamState) {
        let mut former = std::mem::take(&mut self.consumers);
        for hosted in state.consumers.iter() {
            let (name, created) = (hosted.machine.name(), hosted.machine.created());
            let known = if former.get(name).is_some_and(|known| known.created == created) {
                former.remove(name)
            } else {
                None
            };
            let known = known.or_else(|| {
                let at = self.former_consumers.iter().position(|f| f.name == name && f.created == created)?;
                Some(self.former_consumers.swap_remove(at))
            });
            let config = hosted.machine.config().clone();
            let fresh = || ConsumerModel::new(name, created, config.clone(), self.last_seq);
            let mut consumer = known.unwrap_or_else(fresh);
            consumer.reconfigure(config.clone(), self.last_seq);
            self.consumers.insert(name.to_owned(), consumer);
        }
        self.former_consumers.extend(former.into_values());
    }
}

/// The bytes of a message that was read.
pub fn content_of(message: &StoredMessage) -> Content {
    Content {
        subject: String::from_utf8_lossy(message.subject()).into_owned(),
        headers: message.headers().to_vec(),
        payload: message.payload().to_vec(),
    }
}
