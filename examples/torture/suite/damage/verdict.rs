//! What a damaged store must still give back.

use std::collections::{BTreeSet, HashSet};

use headwater::store::journal::body;
use headwater::store::journal::record::{Kind, Location, Record};
use headwater::store::{RecoveredStream, StoreError};

use super::base::{Base, Consumer, Expected, Placed};
use super::strike::{Blow, Strike};

/// What may be wrong, because all that says so has been hit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Excuse {
    /// The message.
    Message(u32, u64),
    /// It was removed, and may be back.
    Back(u32, u64),
    /// Everything below was removed, and may be back.
    BackBelow(u32, u64),
    /// The stream's name and configuration.
    Names(u32),
    /// The stream was deleted, and may be back.
    Stream(u32),
    /// Anything of the consumer.
    Consumer(u32, String),
    /// The catalogue is lost and so is the journal's very end: that looks like a commit that was never finished.
    End,
}

/// What a case came to.
#[derive(Debug, Default, Clone)]
pub struct Losses {
    /// Messages that are gone.
    pub messages: BTreeSet<(u32, u64)>,
    /// The index could not be read: the store wants to be opened again.
    pub poisoned: bool,
}

/// What a strike excuses.
pub fn excuses(base: &Base, strike: &Strike) -> HashSet<Excuse> {
    let (from, to) = strike.range();
    let is_hit = |(at, len, _): &&Placed| {
        strike.segment() == Some(at.segment)
            && u64::from(at.offset) < to
            && from < u64::from(at.offset) + u64::from(*len)
    };
    let hit: Vec<&Placed> = base.records.iter().filter(is_hit).collect();
    let records = hit.iter().map(|(.., record)| record);
    if matches!(strike.blow, Blow::Flip(_)) {
        let messages = records.filter(|record| record.header.kind == Kind::Message);
        return messages.flat_map(excused).collect();
    }
    let mut excuses: HashSet<Excuse> = records.flat_map(excused).collect();
    let end_is_hit = hit.last().is_some_and(|(.., record)| record.header.kind == Kind::Closed);
    if end_is_hit && !strike.catalog {
        excuses.insert(Excuse::End);
        excuses.extend(last_commit(base, hit[0].0).flat_map(excused));
    }
    excuses
}

/// The records of the commit that `first` belongs to, and of those that follow.
fn last_commit(base: &Base, first: Location) -> impl Iterator<Item = &Record> {
    let begins = |(at, _, record): &Placed| *at <= first && record.header.is_synced();
    let start = base.records.iter().rposition(begins).unwrap_or(0);
    base.records[start..].iter().map(|(.., record)| record)
}

/// What is excused when whole segments are lost.
pub fn excuses_of_segments(base: &Base, lost: impl Fn(u32) -> bool) -> HashSet<Excuse> {
    let hit = base.records.iter().filter(|(at, ..)| lost(at.segment));
    hit.flat_map(|(.., record)| excused(record)).collect()
}

fn excused(record: &Record) -> Vec<Excuse> {
    let (stream, seq) = (record.header.stream, record.header.seq);
    let name = || String::from_utf8_lossy(&record.subject()).into_owned();
    match record.header.kind {
        Kind::Message => vec![Excuse::Message(stream, seq)],
        Kind::Tombstones => {
            let seqs = body::decode_seqs(&record.payload()).unwrap_or_default();
            seqs.into_iter().map(|seq| Excuse::Back(stream, seq)).collect()
        }
        Kind::StreamState => vec![Excuse::BackBelow(stream, seq)],
        Kind::StreamPut => vec![Excuse::Names(stream)],
        Kind::StreamDelete => vec![Excuse::Stream(stream)],
        Kind::ConsumerPut | Kind::ConsumerDelete | Kind::ConsumerState | Kind::ConsumerDelta => {
            vec![Excuse::Consumer(stream, name())]
        }
        _ => Vec::new(),
    }
}

/// Holds what was found against what must be there.
pub struct Judge<'a> {
    pub streams: &'a std::collections::BTreeMap<u32, Expected>,
    pub excuses: &'a HashSet<Excuse>,
}

impl Judge<'_> {
    /// Every stream; what is lost, or what is wrong.
    pub fn streams(&self, found: &[RecoveredStream]) -> Result<Losses, String> {
        let mut losses = Losses::default();
        for id in self.streams.keys() {
            if !found.iter().any(|stream| stream.id.0 == *id) {
                return Err(format!("stream {id} is gone"));
            }
        }
        for stream in found {
            let id = stream.id.0;
            match self.streams.get(&id) {
                Some(expected) => self.stream(stream, expected, &mut losses)?,
                None if self.has(Excuse::Stream(id)) => {}
                None => return Err(format!("stream {id} is back")),
            }
        }
        Ok(losses)
    }

    fn has(&self, excuse: Excuse) -> bool {
        self.excuses.contains(&excuse)
    }

    fn stream(
        &self,
        found: &RecoveredStream,
        expected: &Expected,
        losses: &mut Losses,
    ) -> Result<(), String> {
        let id = found.id.0;
        let named = found.name == expected.name && found.account == "ACC" && found.meta == expected.meta;
        if !named && !self.has(Excuse::Names(id)) {
            return Err(format!("stream {id} has become {:?}", found.name));
        }
        let state = found.log.state();
        if state.last_seq < expected.last_seq && !self.has(Excuse::End) {
            return Err(format!("stream {id} ends at {} instead of {}", state.last_seq, expected.last_seq));
        }
        for seq in 1..=expected.last_seq {
            self.message(found, expected, seq, losses)?;
            if losses.poisoned {
                return Ok(());
            }
        }
        for (name, consumer) in &expected.consumers {
            self.consumer(found, name, consumer)?;
        }
        let strangers = found.consumers.iter().map(|consumer| consumer.name.clone());
        let mut strangers = strangers.filter(|name| !expected.consumers.contains_key(name));
        match strangers.find(|name| !self.has(Excuse::Consumer(id, name.clone()))) {
            Some(name) => Err(format!("consumer {name} of stream {id} is back")),
            None => Ok(()),
        }
    }

    fn message(
        &self,
        found: &RecoveredStream,
        expected: &Expected,
        seq: u64,
        losses: &mut Losses,
    ) -> Result<(), String> {
        let id = found.id.0;
        let loaded = match found.log.load(seq) {
            Ok(loaded) => loaded,
            Err(StoreError::Damaged { .. }) => None,
            Err(StoreError::Poisoned(_)) => {
                losses.poisoned = true;
                return Ok(());
            }
            Err(error) => return Err(format!("message {seq} of stream {id}: {error}")),
        };
        let loaded =
            loaded.map(|held| (held.subject().to_vec(), held.headers().to_vec(), held.payload().to_vec()));
        match (loaded, expected.messages.get(&seq)) {
            (Some(held), Some(expected)) if held == *expected => Ok(()),
            (Some(_), Some(_)) => Err(format!("message {seq} of stream {id} has changed")),
            (None, None) => Ok(()),
            (None, Some(_)) => {
                losses.messages.insert((id, seq));
                if self.has(Excuse::Message(id, seq)) {
                    return Ok(());
                }
                Err(format!("message {seq} of stream {id} is lost"))
            }
            (Some(_), None) if self.may_be_back(id, seq) => Ok(()),
            (Some(_), None) => Err(format!("message {seq} of stream {id} is back")),
        }
    }

    fn may_be_back(&self, id: u32, seq: u64) -> bool {
        let below =
            |excuse: &Excuse| matches!(excuse, Excuse::BackBelow(of, first) if *of == id && seq < *first);
        self.has(Excuse::Back(id, seq)) || self.excuses.iter().any(below)
    }

    fn consumer(&self, found: &RecoveredStream, name: &str, expected: &Consumer) -> Result<(), String> {
        let id = found.id.0;
        let held = found.consumers.iter().find(|consumer| consumer.name == name).map(|held| Consumer {
            config: held.config.clone(),
            state: held.state.clone(),
            deltas: held.deltas.clone(),
        });
        if held.as_ref() == Some(expected) || self.has(Excuse::Consumer(id, name.to_owned())) {
            return Ok(());
        }
        Err(format!("consumer {name} of stream {id} has changed"))
    }
}
