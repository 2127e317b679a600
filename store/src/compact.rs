//! Copying what is still wanted out of a segment that holds little of it.
//!
//! A record is copied under the lock of whatever knows where it lies, so that nobody ever finds it in two places or none.
//! Steps are small: neither appends nor commits wait for more than one record.

use super::facade::Shared;
use super::journal::body;
use super::journal::core::{Appended, Class};
use super::journal::model::NO_STATE;
use super::journal::record::{Draft, Header, Kind, Location, Record};
use super::journal::scan::{Found, Scanner};
use super::journal::usage::Placed;
use super::registry::{ConsumerEntry, release};
use super::stats::Counters;
use super::{StoreError, StreamId};

/// A segment on its way out.
pub struct Compaction {
    /// The segment.
    pub victim: u32,
    scanner: Scanner,
    /// Unreadable records that nobody wants, until what follows tells whether they were ever durable. No more than fit
    /// into a segment.
    doubtful: Vec<(Location, Header)>,
}

impl Compaction {
    /// Starts with the first record of `victim`, noting in the journal that copies of its records are to come.
    pub fn start(shared: &Shared, victim: u32) -> Result<Self, StoreError> {
        let journal = &shared.journal;
        journal.with_core(|core| {
            let draft = Draft { seq: u64::from(victim), ..Draft::new(Kind::Compaction, 0) };
            let appended = core.append(&draft, Class::Housekeeping)?;
            core.release(appended.placed.at.segment, u64::from(appended.placed.len));
            core.usage.compaction_started(victim, appended.placed.at.segment);
            Ok::<_, StoreError>(())
        })?;
        let scanner = Scanner::new(journal.files.get(victim)?, 0);
        Ok(Self { victim, scanner, doubtful: Vec::new() })
    }

    /// Goes back to the segment's first record: something could not be copied.
    pub fn rewind(&mut self, shared: &Shared) -> Result<(), StoreError> {
        self.scanner = Scanner::new(shared.journal.files.get(self.victim)?, 0);
        self.doubtful.clear();
        Ok(())
    }

    /// Looks at about `bytes_max` bytes of records and copies the wanted ones. True at the end of the segment.
    pub fn step(&mut self, shared: &Shared, bytes_max: u64) -> Result<bool, StoreError> {
        let mut bytes = 0;
        while bytes < bytes_max {
            match self.scanner.step()? {
                None => return Ok(true),
                Some(Found::Record(at, record)) => {
                    bytes += record.header.record_len();
                    self.judge_doubtful(shared, &record.header)?;
                    shared.carry(at, &record)?;
                }
                Some(Found::DamagedBody(at, header)) if shared.is_live(at, &header)? => {
                    shared.set_damaged_aside(at, &header, Some((header.stream, header.seq)))?;
                }
                Some(Found::DamagedBody(at, header)) => self.doubtful.push((at, header)),
                Some(Found::Gap { .. } | Found::End(_)) => {}
            }
        }
        Ok(false)
    }

    /// The next commit says whether the one before was finished. One that was not leaves holes, which are no damage.
    fn judge_doubtful(&mut self, shared: &Shared, next: &Header) -> Result<(), StoreError> {
        if next.kind == Kind::Torn {
            self.doubtful.clear();
        } else if next.is_synced() {
            for (at, header) in self.doubtful.drain(..) {
                shared.set_damaged_aside(at, &header, None)?;
            }
        }
        Ok(())
    }
}

impl Shared {
    /// Copies a record forward if it is still wanted.
    fn carry(&self, at: Location, record: &Record) -> Result<(), StoreError> {
        let placed = Placed { at, len: record.header.record_len() as u32 };
        match record.header.kind {
            Kind::Message => self.carry_message(placed, record),
            Kind::Tombstones => self.carry_tombstones(placed, record),
            Kind::StreamState => self.carry_state(at, record.header.stream),
            Kind::StreamPut => self.carry_stream(at, record),
            Kind::ConsumerPut => self.carry_consumer(at, record),
            Kind::ConsumerState | Kind::ConsumerDelta => self.carry_consumer_state(at, record),
            Kind::StreamDelete | Kind::ConsumerDelete => self.carry_deletion(at, record),
            Kind::Checkpoint => self.carry_checkpoint(record),
            Kind::SegmentEnd | Kind::Torn | Kind::Compaction | Kind::Closed | Kind::Opened => Ok(()),
        }
    }

    fn set_damaged_aside(
        &self,
        at: Location,
        header: &Header,
        lost: Option<(u32, u64)>,
    ) -> Result<(), StoreError> {
        let segment = self.journal.files.get(at.segment)?;
        self.quarantine.damaged(&segment, at.offset, header.record_len() as u32, lost);
        Ok(())
    }

    /// Whether the record at `at` is a message that is not gone.
    fn is_live(&self, at: Location, header: &Header) -> Result<bool, StoreError> {
        let access = match self.registry.lock().streams.get(&header.stream) {
            Some(stream) if header.kind == Kind::Message => stream.access.clone(),
            _ => return Ok(false),
        };
        let entry = access.index.lock().entry(header.seq)?;
        Ok(entry.is_some_and(|entry| entry.at == at))
    }

    fn carry_message(&self, placed: Placed, record: &Record) -> Result<(), StoreError> {
        let header = &record.header;
        let access = match self.registry.lock().streams.get(&header.stream) {
            Some(stream) => stream.access.clone(),
            None => return Ok(()),
        };
        let mut index = access.index.lock();
        if index.deleted || index.entry(header.seq)?.is_none_or(|entry| entry.at != placed.at) {
            return Ok(());
        }
        let appended = self.copy(record)?;
        index.relocate(header.seq, placed.at, appended.placed.at, self.journal.seals())?;
        release(&self.journal, Some(placed));
        Ok(())
    }

    fn carry_tombstones(&self, placed: Placed, record: &Record) -> Result<(), StoreError> {
        let header = &record.header;
        let named = header.seq as u32;
        let wanted = named != placed.at.segment
            && self.journal.files.exists(named)
            && self.registry.lock().streams.contains_key(&header.stream);
        let seqs = body::decode_seqs(&record.payload()).filter(|_| wanted).unwrap_or_default();
        self.journal.with_core(|core| {
            if !seqs.is_empty() {
                core.rewrite_tombstones(header.stream, named, &seqs)?;
            }
            let lsn = core.deferred_lsn();
            core.usage.release_tombstones(placed.at.segment, named, u64::from(placed.len), lsn);
            Ok(())
        })
    }

    fn carry_state(&self, at: Location, stream: u32) -> Result<(), StoreError> {
        self.journal.with_core(|core| match core.usage.state(stream) {
            Some((_, Some(placed))) if placed.at == at => core.rewrite_state(stream),
            _ => Ok(()),
        })
    }

    fn carry_stream(&self, at: Location, record: &Record) -> Result<(), StoreError> {
        let mut registry = self.registry.lock();
        let stream = registry.streams.get_mut(&record.header.stream);
        let Some(stream) = stream.filter(|stream| is_at(stream.put, at)) else { return Ok(()) };
        let appended = self.copy(record)?;
        stream.changed = true;
        release(&self.journal, stream.put.replace(appended.placed));
        Ok(())
    }

    fn carry_consumer(&self, at: Location, record: &Record) -> Result<(), StoreError> {
        self.with_consumer(record, |consumer| {
            if is_at(consumer.config, at) {
                let appended = self.copy(record)?;
                release(&self.journal, consumer.config.replace(appended.placed));
            }
            Ok(())
        })
    }

    /// A consumer's state and deltas go together, in order: a state alone would void deltas that came after it.
    fn carry_consumer_state(&self, at: Location, record: &Record) -> Result<(), StoreError> {
        self.with_consumer(record, |consumer| {
            let wanted = is_at(consumer.state, at) || consumer.deltas.iter().any(|delta| delta.at == at);
            if wanted { self.rewrite_consumer_state(consumer, record) } else { Ok(()) }
        })
    }

    fn rewrite_consumer_state(
        &self,
        consumer: &mut ConsumerEntry,
        record: &Record,
    ) -> Result<(), StoreError> {
        let name = record.subject();
        let blank = Draft { subject: &name, ..Draft::new(Kind::ConsumerState, record.header.stream) };
        self.rewrite_consumer(consumer, &blank, &mut Vec::new(), Vec::new())
    }

    /// Copies a consumer's deletion, and behind it the consumer of that name that there is by now.
    fn carry_deletion_before(
        &self,
        consumer: &mut ConsumerEntry,
        deletion: &Draft<'_>,
    ) -> Result<Placed, StoreError> {
        let config = consumer.config.map(|placed| self.readable(placed)).transpose()?.flatten();
        let payload = config.as_ref().map(Record::payload);
        let put =
            |payload| Draft { payload, ..Draft { kind: Kind::ConsumerPut, seq: 0, ts: 0, ..*deletion } };
        let mut drafts = vec![*deletion];
        drafts.extend(payload.as_ref().map(|payload| put(payload)));
        let mut places = Vec::new();
        let blank = Draft { kind: Kind::ConsumerState, seq: 0, ts: 0, ..*deletion };
        self.rewrite_consumer(consumer, &blank, &mut places, drafts)?;
        if let (Some(placed), Some(_)) = (places.get(1), &config) {
            release(&self.journal, consumer.config.replace(*placed));
        }
        places.first().copied().ok_or_else(|| StoreError::Io("nothing was copied".into()))
    }

    /// Writes a consumer's state and deltas anew, in one group with what goes `before`, the places of which are noted.
    fn rewrite_consumer<'a>(
        &self,
        consumer: &mut ConsumerEntry,
        blank: &Draft<'a>,
        noted: &mut Vec<Placed>,
        before: Vec<Draft<'a>>,
    ) -> Result<(), StoreError> {
        let state = consumer.state.map(|placed| self.readable(placed)).transpose()?.flatten();
        let has_state = state.is_some();
        let mut records = Vec::with_capacity(consumer.deltas.len() + 1);
        records.extend(state);
        for placed in &consumer.deltas {
            records.extend(self.readable(*placed)?);
        }
        let payloads: Vec<_> = records.iter().map(|record| (record, record.payload())).collect();
        let ahead = before.len();
        let mut drafts: Vec<Draft<'_>> = before;
        if !has_state {
            drafts.push(Draft { seq: NO_STATE, ..*blank });
        }
        for (held, payload) in &payloads {
            drafts.push(Draft { kind: held.header.kind, seq: held.header.seq, payload, ..*blank });
        }
        let appended = self.journal.append_group(&drafts, Class::Copy)?;
        self.count_copied(&appended);
        let mut places = appended.into_iter().map(|appended| appended.placed);
        noted.extend(places.by_ref().take(ahead));
        release(&self.journal, std::mem::replace(&mut consumer.state, places.next()));
        let old = std::mem::replace(&mut consumer.deltas, places.collect());
        old.into_iter().for_each(|placed| release(&self.journal, Some(placed)));
        Ok(())
    }

    /// A record, or nothing when it is damaged; that is set aside.
    fn readable(&self, placed: Placed) -> Result<Option<Record>, StoreError> {
        let record = self.journal.read(placed.at, placed.len as usize)?;
        if record.is_none() {
            let segment = self.journal.files.get(placed.at.segment)?;
            self.quarantine.damaged(&segment, placed.at.offset, placed.len, None);
        }
        Ok(record)
    }

    fn carry_deletion(&self, at: Location, record: &Record) -> Result<(), StoreError> {
        let mut registry = self.registry.lock();
        let Some(index) = registry.deletions.iter().position(|deletion| deletion.placed.at == at) else {
            return Ok(());
        };
        let Some(deletion) = registry.deletions.get(index).copied() else { return Ok(()) };
        let old = deletion.placed;
        if deletion.is_wanted(&self.journal.files) {
            let name = record.subject();
            let draft = Draft {
                seq: u64::from(deletion.oldest),
                ts: i64::from(deletion.newest),
                subject: &name,
                ..Draft::new(record.header.kind, record.header.stream)
            };
            let id = StreamId(record.header.stream);
            // A consumer that was made since must not come before the deletion of its predecessor.
            let successor = std::str::from_utf8(&name).ok().and_then(|name| registry.consumer_mut(id, name));
            let placed = match successor.filter(|_| record.header.kind == Kind::ConsumerDelete) {
                Some(consumer) => self.carry_deletion_before(consumer, &draft)?,
                None => self.journal.append(&draft, Class::Copy)?.placed,
            };
            if let Some(deletion) = registry.deletions.get_mut(index) {
                deletion.placed = placed;
            }
        } else {
            registry.deletions.swap_remove(index);
        }
        release(&self.journal, Some(old));
        Ok(())
    }

    fn carry_checkpoint(&self, record: &Record) -> Result<(), StoreError> {
        if record.header.seq == u64::from(self.last_checkpoint()) {
            let appended = self.copy(record)?;
            release(&self.journal, Some(appended.placed));
        }
        Ok(())
    }

    fn with_consumer(
        &self,
        record: &Record,
        change: impl FnOnce(&mut ConsumerEntry) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut registry = self.registry.lock();
        let name = record.subject();
        let Ok(name) = std::str::from_utf8(&name) else { return Ok(()) };
        match registry.consumer_mut(StreamId(record.header.stream), name) {
            Some(consumer) => change(consumer),
            None => Ok(()),
        }
    }

    fn copy(&self, record: &Record) -> Result<Appended, StoreError> {
        let (subject, headers, payload) = (record.subject(), record.headers(), record.payload());
        let draft = Draft {
            seq: record.header.seq,
            ts: record.header.ts,
            subject: &subject,
            headers: &headers,
            payload: &payload,
            ..Draft::new(record.header.kind, record.header.stream)
        };
        let appended = self.journal.append(&draft, Class::Copy)?;
        self.count_copied(&[appended]);
        Ok(appended)
    }

    fn count_copied(&self, appended: &[Appended]) {
        let bytes = appended.iter().map(|appended| u64::from(appended.placed.len)).sum();
        Counters::add(&self.journal.counters.bytes_compacted, bytes);
    }
}

fn is_at(placed: Option<Placed>, at: Location) -> bool {
    placed.is_some_and(|placed| placed.at == at)
}
