//! After a crash: what is there, against what was promised.

use std::collections::{BTreeMap, BTreeSet};

use headwater::jetstream::host::StreamState;
use headwater_protocol::headers::{self, names};
use headwater_protocol::jetstream::stream_config::{Discard, Storage};

use super::consumer::ConsumerModel;
use super::legal::Reasons;
use super::message::{Content, Presence, Stored};
use super::stream::{StreamModel, content_of};
use super::{Deletion, Model};
use crate::broken::{Broken, Checked, check};
use crate::world::World;

/// How the broker ended, and what happened to its files since.
#[derive(Debug, Clone, Copy)]
pub struct Crash {
    /// Only the store began anew: what is in memory alone is still there.
    pub reopened: bool,
    /// It stopped in good order: nothing at all may be missing.
    pub orderly: bool,
    /// Bits that have flipped since the beginning; each may cost a message.
    pub flips: u64,
}

impl Model {
    /// The broker is gone: nobody answers any more.
    pub fn broker_died(&mut self) {
        self.requests.clear();
        self.sent.attempts.clear();
    }

    /// Looks at a broker that was started again.
    pub fn check_restart(&mut self, world: &World, crash: Crash) -> Checked {
        let unserved = world.unserved();
        check(unserved.is_empty(), || "every stream is served".to_owned(), || format!("{unserved:?}"))?;
        self.streams.retain(|_, stream| stream.is_file() || crash.reopened);
        let mut found = BTreeSet::new();
        for host in world.hosts() {
            let state = host.lock();
            found.insert(host.id.0);
            if crash.reopened && state.machine.config().storage == Storage::Memory {
                continue;
            }
            let known = self.streams.get_mut(&host.id.0);
            let name = &state.machine.config().name;
            let stream = known.ok_or_else(|| {
                Broken::new("a stream that nobody made is not there", format!("{name}, number {}", host.id.0))
            })?;
            stream.check_restart(&state, crash, world.now())?;
            // What is beyond the limits goes when there is room to write that down.
            if !world.disk_is_full() {
                stream.check_limits()?;
            }
        }
        for stream in self.streams.values() {
            let must = stream.deletion == Deletion::None
                && (stream.promised || (crash.orderly && stream.in_service));
            let promised = || format!("stream {} (number {}) is there", stream.name, stream.id);
            check(!must || found.contains(&stream.id), promised, || "it is not".to_owned())?;
        }
        self.streams.retain(|id, _| found.contains(id));
        Ok(())
    }
}

impl StreamModel {
    fn check_restart(&mut self, state: &StreamState, crash: Crash, now: i64) -> Checked {
        let name = self.name.clone();
        let gone = self.deletion != Deletion::Promised && (self.in_service || !crash.orderly);
        check(gone, || format!("stream {name} is deleted"), || "it is there".to_owned())?;
        self.deletion = Deletion::None;
        self.check_config(state)?;
        // First: who is there decides what may have gone at the start, delivered to those who acknowledge nothing.
        self.check_consumers(state, crash)?;
        self.check_messages(state, crash, now)?;
        self.former_consumers.clear();
        self.check_confirmations(state)?;
        self.resume(state.log.as_ref());
        if !crash.orderly || self.makes_markers() {
            self.last_ts = state.log.state().last_ts;
        }
        let log = state.log.as_ref();
        self.check_totals(log, &log.state())
    }

    fn check_config(&mut self, state: &StreamState) -> Checked {
        let found = state.machine.config();
        let promised = || format!("{}: configured as one of {:?}", self.name, self.configs);
        let is_one = self.configs.values().any(|config| config == found);
        check(is_one, promised, || format!("{found:?}"))?;
        self.config = found.clone();
        self.revision += 1;
        self.configs = BTreeMap::from([(self.revision, found.clone())]);
        Ok(())
    }

    fn check_messages(&mut self, state: &StreamState, crash: Crash, now: i64) -> Checked {
        let log = state.log.as_ref();
        let found = log.state();
        let least = if crash.orderly { self.last_seq } else { self.promised_seq };
        let promised = || format!("{}: the last sequence is {least} to {}", self.name, self.last_seq);
        let most = if self.makes_markers() { u64::MAX } else { self.last_seq };
        let last_seq_fits = (least..=most).contains(&found.last_seq);
        check(last_seq_fits || crash.flips > 0, promised, || format!("it is {}", found.last_seq))?;
        let present: BTreeSet<u64> =
            (found.first_seq..=found.last_seq).filter(|seq| log.meta(*seq).is_some()).collect();
        for seq in &present {
            self.check_present(state, *seq, crash, now)?;
        }
        self.check_absent(&present, crash, now)
    }

    /// A message that is there is one that was sent, byte by byte, and not one that was deleted.
    fn check_present(&mut self, state: &StreamState, seq: u64, crash: Crash, now: i64) -> Checked {
        let name = &self.name;
        let found = state.log.load(seq);
        if found.is_err() && crash.flips > 0 {
            return Ok(());
        }
        let found = found
            .map_err(|error| Broken::new(format!("{name}: message {seq} is readable"), error.to_string()))?;
        let found = found.map(|message| (content_of(&message), message.ts));
        let found = match found {
            Some((content, ts)) if self.is_new_marker(seq, &content, ts == now) => {
                self.messages.insert(seq, Stored::made_up(content, now));
                return Ok(());
            }
            other => other,
        };
        let Some(stored) = self.messages.get_mut(&seq) else {
            return Err(Broken::new(
                format!("{name}: there never was a message {seq}"),
                format!("{found:?}"),
            ));
        };
        let sent = stored.content.clone().map(|content| (content, stored.ts));
        check(found == sent, || format!("{name}: message {seq} is {sent:?}"), || format!("{found:?}"))?;
        let deleted = matches!(stored.presence, Presence::Gone { promised: true, .. });
        let back = deleted || (crash.orderly && !stored.is_live());
        check(!back, || format!("{name}: message {seq} is gone"), || "it is back".to_owned())?;
        stored.presence = Presence::Live;
        // What is on disk now stays there.
        stored.promised = true;
        Ok(())
    }

    fn makes_markers(&self) -> bool {
        self.config.subject_delete_marker_ttl > 0
    }

    /// Whether it is a marker that was put there at the start, in place of what came to its end meanwhile.
    fn is_new_marker(&self, seq: u64, content: &Content, is_new: bool) -> bool {
        let is_free = self.messages.get(&seq).is_none_or(|stored| !stored.promised);
        let is_marker = headers::get(&content.headers, names::MARKER_REASON).is_some();
        self.makes_markers() && is_new && is_free && is_marker
    }

    /// A message that is not there went rightly, or nobody was told of it.
    fn check_absent(&mut self, present: &BTreeSet<u64>, crash: Crash, now: i64) -> Checked {
        let name = self.name.clone();
        let absent: Vec<(u64, Stored)> = self
            .messages
            .iter()
            .filter(|(seq, _)| !present.contains(seq))
            .map(|(seq, stored)| (*seq, stored.clone()))
            .collect();
        let lost = self.find_lost(&absent, now);
        // What made room for a message may be lost while others that would have are there.
        let mut reasons = Reasons::among(self, now, &|seq| present.contains(&seq));
        let mut damaged = 0;
        for (seq, stored) in &absent {
            let survivor_from = |cause: u64| present.range(cause..).next().is_some();
            match stored.presence {
                Presence::Live if !lost.contains(seq) => {}
                Presence::Live if stored.promised || crash.orderly => damaged += 1,
                Presence::Gone { cause: Some(cause), promised: false }
                    if stored.promised && lost.contains(&cause) && !survivor_from(cause) =>
                {
                    let was_due = reasons.find(self, *seq).is_some();
                    // A cause that was on disk once and is lost counts by itself.
                    let was_right =
                        crash.orderly || self.messages.get(&cause).is_some_and(|cause| cause.promised);
                    damaged += u64::from(!was_due && !was_right);
                }
                _ => continue,
            }
            if damaged > crash.flips {
                let found = if stored.is_live() {
                    "it is lost"
                } else {
                    "it is gone, but what it made room for is lost"
                };
                return Err(Broken::new(format!("{name}: message {seq} stays: {stored:?}"), found));
            }
        }
        self.check_batches(&lost, present, crash)?;
        self.messages.retain(|seq, _| !lost.contains(seq));
        for (_, stored) in self.messages.iter_mut().filter(|(seq, _)| !present.contains(seq)) {
            // What was gone before, and still is, is gone on disk; what goes at the start may come back.
            let promised = !stored.is_live();
            stored.presence = Presence::Gone { cause: None, promised };
        }
        Ok(())
    }

    /// Of what was there before, the messages that are not, and had no reason to go.
    fn find_lost(&self, absent: &[(u64, Stored)], now: i64) -> BTreeSet<u64> {
        let mut reasons = Reasons::of(self, now);
        let live = absent.iter().filter(|(_, stored)| stored.is_live());
        live.map(|(seq, _)| *seq).filter(|seq| reasons.find(self, *seq).is_none()).collect()
    }

    /// A batch is there whole or not at all.
    fn check_batches(&self, lost: &BTreeSet<u64>, present: &BTreeSet<u64>, crash: Crash) -> Checked {
        let mut batches: BTreeMap<u64, (Vec<u64>, Vec<u64>)> = BTreeMap::new();
        for (seq, stored) in &self.messages {
            let Some(batch) = stored.batch else { continue };
            let (lost_ones, kept) = batches.entry(batch).or_default();
            if lost.contains(seq) {
                lost_ones.push(*seq);
            } else if present.contains(seq) {
                kept.push(*seq);
            }
        }
        for (batch, (lost, kept)) in batches {
            let whole = lost.is_empty() || kept.is_empty() || crash.flips > 0;
            let promised = || format!("{}: batch {batch} is there whole or not at all", self.name);
            check(whole, promised, || format!("messages {kept:?} are there, {lost:?} are not"))?;
        }
        Ok(())
    }

    fn check_consumers(&mut self, state: &StreamState, crash: Crash) -> Checked {
        let stream = self.name.clone();
        let mut known: Vec<ConsumerModel> = std::mem::take(&mut self.former_consumers);
        let orderly = |consumer: &ConsumerModel| crash.orderly && !consumer.is_fleeting();
        for (name, consumer) in std::mem::take(&mut self.consumers) {
            let must = consumer.deletion == Deletion::None && !consumer.is_fleeting();
            let there =
                state.consumers.find(&name).is_some_and(|found| found.machine.created() == consumer.created);
            let promised = || format!("{stream}: consumer {name} is there");
            let owed = must && (consumer.promised || orderly(&consumer));
            check(there || !owed, promised, || "it is not, or another in its place".to_owned())?;
            known.push(consumer);
        }
        for hosted in state.consumers.iter() {
            let machine = &hosted.machine;
            let is_it = |consumer: &ConsumerModel| {
                consumer.name == machine.name() && consumer.created == machine.created()
            };
            let Some(at) = known.iter().position(is_it) else {
                return Err(Broken::new(
                    "a consumer that nobody made is not there",
                    format!("{stream}: {} of {}", machine.name(), machine.created()),
                ));
            };
            let mut consumer = known.swap_remove(at);
            let promised = || format!("{stream}: consumer {} is deleted", consumer.name);
            check(consumer.deletion != Deletion::Promised, promised, || "it is there".to_owned())?;
            consumer.deletion = Deletion::None;
            let promised = || {
                format!("{stream}: consumer {} is configured as one of {:?}", consumer.name, consumer.configs)
            };
            let is_one = consumer.configs.values().any(|config| config == machine.config());
            check(is_one, promised, || format!("{:?}", machine.config()))?;
            consumer.reconfigure(machine.config().clone(), self.last_seq);
            consumer.promise_config(consumer.revision);
            self.consumers.insert(consumer.name.clone(), consumer);
        }
        // What these had acknowledged may be gone.
        self.former_consumers = known;
        Ok(())
    }

    fn check_confirmations(&self, state: &StreamState) -> Checked {
        let hosted = |consumer: &ConsumerModel| state.consumers.find(&consumer.name);
        let mut both = self.consumers.values().filter_map(|consumer| Some((consumer, hosted(consumer)?)));
        both.try_for_each(|(consumer, hosted)| {
            self.check_confirmed(consumer, &|seq, subject| hosted.machine.needs(seq, subject))
        })
    }

    fn check_confirmed(&self, consumer: &ConsumerModel, needs: &dyn Fn(u64, &[u8]) -> bool) -> Checked {
        for (seq, stored) in self.live().filter(|(seq, _)| consumer.confirmed.contains(*seq)) {
            let promised = || {
                format!(
                    "{}: consumer {} is done with message {seq}, as was confirmed",
                    self.name, consumer.name
                )
            };
            check(!needs(seq, stored.subject().as_bytes()), promised, || "it wants it once more".to_owned())?;
        }
        Ok(())
    }

    /// What a crash brought back must not exceed the limits.
    fn check_limits(&self) -> Checked {
        let (mut messages, mut bytes) = (0, 0);
        let mut subjects: BTreeMap<&str, i64> = BTreeMap::new();
        for (_, stored) in self.live() {
            messages += 1;
            bytes += stored.accounted_bytes(self.is_file()).unwrap_or(0) as i64;
            *subjects.entry(stored.subject()).or_default() += 1;
        }
        let within = |used: i64, max: i64| max <= 0 || used <= max;
        let config = &self.config;
        let refuses = config.discard == Discard::New;
        let fits = (refuses || within(messages, config.max_msgs) && within(bytes, config.max_bytes))
            && subjects.values().all(|count| within(*count, config.max_msgs_per_subject));
        let promised = || {
            let (msgs, bytes, each) = (config.max_msgs, config.max_bytes, config.max_msgs_per_subject);
            format!("{}: at most {msgs} messages, {bytes} bytes, {each} of a subject", self.name)
        };
        check(fits, promised, || format!("{messages} messages, {bytes} bytes, {subjects:?}"))
    }
}
