//! Reading the journal from some position to its end, telling damage from a commit that was never finished.
//!
//! Bytes that are no record may be damage, or the hole of a commit that a power cut tore. What follows decides: the first
//! record of a commit vouches that all before it was durable, so a hole before it is damage. A hole that nothing vouches
//! for belongs to the last commit, of which nothing was acknowledged; of what lies behind it, messages are kept and
//! removals are not, so that no message is lost for the sake of one that never came.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::assure::{Blank, REPAIRS_MAX, Unsure};
use super::files::SegmentFiles;
use super::model::Model;
use super::quarantine::Quarantine;
use super::record::{Header, Kind, Location, Record};
use super::scan::{Found, Scanner};
use super::segment::{SEGMENT_HEADER_LEN, Segment};
use crate::report::{RecoveryReport, Region};
use crate::{InDoubt, Lsn, StoreError};

/// What the journal held.
pub struct Replayed {
    /// Streams and all.
    pub model: Model,
    /// Where the next record goes; `None` when there is no segment.
    pub resume: Option<Location>,
    /// The last commit was never finished.
    pub torn: bool,
    /// The record that says that the store was closed in order.
    pub closed: Option<Location>,
    /// What has to be made certain before anything is built on it.
    pub unsure: Unsure,
    /// What the last commit brought, by stream.
    pub in_doubt: BTreeMap<u32, InDoubt>,
}

/// Reads records in order and decides which count.
pub struct Replay<'a> {
    files: &'a SegmentFiles,
    quarantine: &'a Quarantine,
    report: &'a mut RecoveryReport,
    model: Model,
    /// Records of a group whose end has not come yet.
    group: Vec<(Location, Record)>,
    /// What came since bytes were found that are no record, until something vouches for it.
    doubtful: Vec<Doubtful>,
    /// Where the last segment with a record ends without saying so.
    open_end: Option<Location>,
    resume: Option<Location>,
    closed: Option<Location>,
    unsure: Unsure,
    in_doubt: BTreeMap<u32, InDoubt>,
    /// Where reading began: nothing behind it was given back.
    from: Lsn,
    /// The segment that must follow the one read last.
    next: Option<Next>,
}

/// What the record that ends a segment says.
struct Next {
    at: Location,
    id: u32,
    /// It says so; otherwise this is the least it can be.
    named: bool,
}

enum Doubtful {
    Hole {
        at: Location,
        len: u32,
        lost: Option<Header>,
    },
    /// What should have said that the segment ends, and that `next` follows.
    End {
        at: Location,
        len: u32,
        next: u32,
    },
    Record {
        at: Location,
        len: u32,
    },
}

impl<'a> Replay<'a> {
    /// A replay onto `model`, which is empty or what a checkpoint holds.
    pub fn new(
        files: &'a SegmentFiles,
        quarantine: &'a Quarantine,
        report: &'a mut RecoveryReport,
        model: Model,
    ) -> Self {
        Self {
            files,
            quarantine,
            report,
            model,
            group: Vec::new(),
            doubtful: Vec::new(),
            open_end: None,
            resume: None,
            closed: None,
            unsure: Unsure::default(),
            in_doubt: BTreeMap::new(),
            from: Lsn::ZERO,
            next: None,
        }
    }

    /// Reads everything from `from` on.
    pub fn run(mut self, from: Lsn) -> Result<Replayed, StoreError> {
        let start = Location::from(from);
        self.unsure.from = Some(start);
        self.from = from;
        if from > Lsn::ZERO && !self.files.exists(start.segment) {
            self.lost_segment(start.segment);
        }
        let mut read_up_to = start.segment;
        for id in self.files.ids().into_iter().filter(|id| *id >= start.segment) {
            let offset = if id == start.segment { start.offset } else { SEGMENT_HEADER_LEN };
            for unreadable in self.files.unreadable_in(read_up_to, id) {
                self.lost_segment(unreadable);
            }
            read_up_to = id;
            self.segment(id, offset)?;
            if self.resume.is_none() {
                self.resume = Some(Location { segment: id, offset });
            }
            if self.closed.is_some() {
                break;
            }
        }
        self.missing_end()?;
        let torn = !self.group.is_empty() || !self.doubtful.is_empty();
        self.discard(Self::salvage)?;
        self.model.settle();
        Ok(Replayed {
            model: self.model,
            resume: self.resume,
            torn,
            closed: self.closed,
            unsure: self.unsure,
            in_doubt: self.in_doubt,
        })
    }

    fn segment(&mut self, id: u32, offset: u32) -> Result<(), StoreError> {
        let mut scanner = Scanner::new(self.files.get(id)?, offset);
        self.report.segments += 1;
        let mut last = None;
        while let Some(found) = scanner.step()? {
            match found {
                Found::Record(at, record) => {
                    self.segment_has_records(id)?;
                    last = Some(self.record(at, record)?);
                }
                Found::DamagedBody(at, header) => {
                    self.segment_has_records(id)?;
                    let len = header.record_len() as u32;
                    self.doubtful.push(Doubtful::Hole { at, len, lost: Some(header) });
                    last = Some(Location { segment: id, offset: at.offset + len });
                }
                Found::Gap { at, end } => {
                    self.segment_has_records(id)?;
                    self.doubtful.push(Doubtful::Hole { at, len: end - at.offset, lost: None });
                }
                Found::End(at) if last.is_some() || self.should_hold_records(id) => self.open_end = Some(at),
                Found::End(_) => {}
            }
        }
        let repairs = scanner.into_repairs();
        self.report.repaired_records += repairs.len() as u64;
        let room = REPAIRS_MAX.saturating_sub(self.unsure.repairs.len());
        self.unsure.repairs.extend(repairs.into_iter().take(room));
        self.resume = last.or(self.resume);
        if let Some(last) = last {
            let end = self.unsure.ends.entry(id).or_default();
            *end = last.offset.max(*end);
        }
        Ok(())
    }

    /// Whether an empty segment is suspect: the one before says that it follows, or it has been cut off.
    fn should_hold_records(&self, id: u32) -> bool {
        let named = self.next.as_ref().is_some_and(|next| next.named && next.id == id);
        let is_cut = |segment: Arc<Segment>| segment.file.len().is_ok_and(|len| len < u64::from(segment.len));
        named || self.files.get(id).is_ok_and(is_cut)
    }

    /// The segment before should have said that it ends; what it should have said is lost.
    fn segment_has_records(&mut self, id: u32) -> Result<(), StoreError> {
        let skipped = self.next.take_if(|next| next.id <= id).filter(|next| next.named);
        if let Some(next) = skipped.filter(|next| !self.files.exists(next.id)) {
            self.segment_went(next.id)?;
        }
        match self.open_end.take() {
            Some(at) if at.segment < id => {
                let len = self.files.len_of(at.segment).saturating_sub(at.offset);
                self.doubtful.push(Doubtful::End { at, len, next: id });
            }
            other => self.open_end = other,
        }
        Ok(())
    }

    /// Records came after a segment that is not there: it was given back, or is lost. All of it was durable before either,
    /// and with it all before; the end of a group may have gone with it.
    fn segment_went(&mut self, id: u32) -> Result<(), StoreError> {
        if self.from > Lsn::ZERO {
            self.lost_segment(id);
        }
        self.vouch()?;
        self.accept_group()
    }

    /// Takes a record in; returns where the next one begins.
    fn record(&mut self, at: Location, record: Record) -> Result<Location, StoreError> {
        let len = record.header.record_len() as u32;
        self.report.records += 1;
        self.report.bytes_replayed += u64::from(len);
        self.closed = (record.header.kind == Kind::Closed).then_some(at);
        if record.header.is_synced() {
            self.unsure.from = Some(at);
            self.in_doubt.clear();
            self.vouch()?;
        }
        if record.header.kind == Kind::Torn {
            self.discard(Self::keep)?;
            self.model.apply(at, &record, self.files)?;
        } else if record.header.kind == Kind::SegmentEnd {
            return Ok(self.ended(at, &record.header));
        } else if self.doubtful.is_empty() {
            self.accept(at, record)?;
        } else {
            self.doubtful.push(Doubtful::Record { at, len });
        }
        Ok(Location { segment: at.segment, offset: at.offset + len })
    }

    /// A segment ended, and no record follows. If the next segment is gone, too, that is damage, and no unfinished commit:
    /// segments are made ready before they are needed.
    fn missing_end(&mut self) -> Result<(), StoreError> {
        let Some(next) = self.next.take() else { return Ok(()) };
        let missing =
            if next.named { !self.files.exists(next.id) } else { !self.files.any_in(next.id, u32::MAX) };
        if missing {
            self.vouch()?;
            self.accept_group()?;
            self.lost_segment(next.id);
        } else if self.resume == Some(next.at) {
            self.unsure.old_end = Some(next.at);
        }
        Ok(())
    }

    fn lost_segment(&mut self, id: u32) {
        if self.report.lost_segments.contains(&id) {
            return;
        }
        self.files.note_id(id);
        self.report.lost_segments.push(id);
        self.model.doubt(u64::from(self.files.segment_bytes()));
    }

    /// A segment ends. If no record follows, the next one is written over the one that says so: nothing behind it counts.
    fn ended(&mut self, at: Location, header: &Header) -> Location {
        let named = header.seq != 0;
        let id = if named { header.seq as u32 } else { at.segment.saturating_add(1) };
        self.next = Some(Next { at, id, named });
        self.unsure.ends.insert(at.segment, at.offset + header.record_len() as u32);
        at
    }

    fn accept(&mut self, at: Location, record: Record) -> Result<(), StoreError> {
        if record.header.has_more() {
            self.group.push((at, record));
            return Ok(());
        }
        self.accept_group()?;
        self.apply(at, &record)
    }

    fn accept_group(&mut self) -> Result<(), StoreError> {
        for (at, record) in std::mem::take(&mut self.group) {
            self.apply(at, &record)?;
        }
        Ok(())
    }

    fn apply(&mut self, at: Location, record: &Record) -> Result<(), StoreError> {
        let header = &record.header;
        match header.kind {
            Kind::Message => self.in_doubt.entry(header.stream).or_default().note(header.seq),
            Kind::StreamPut => drop(self.in_doubt.insert(header.stream, InDoubt::All)),
            _ => {}
        }
        self.model.apply(at, record, self.files)
    }

    /// Everything so far was durable: holes are damage, the rest counts.
    fn vouch(&mut self) -> Result<(), StoreError> {
        for doubtful in std::mem::take(&mut self.doubtful) {
            match doubtful {
                Doubtful::Hole { at, len, lost } => self.damaged(at, len, lost)?,
                Doubtful::End { at, len, .. } => self.damaged(at, len, None)?,
                Doubtful::Record { at, len } => {
                    if let Some(record) = self.reread(at, len)? {
                        self.accept(at, record)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The last commit was never finished: a group without its end does not count, and `judge` decides about what lies
    /// behind a hole.
    fn discard(
        &mut self,
        judge: fn(&mut Self, Location, u32) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for (at, record) in std::mem::take(&mut self.group) {
            self.forget(at, record.header.record_len() as u32);
        }
        for doubtful in std::mem::take(&mut self.doubtful) {
            match doubtful {
                Doubtful::Hole { at, len, lost } => {
                    self.unsure.holes.push(Blank::new(at, len, lost));
                    self.torn(at, len, lost)?;
                }
                Doubtful::End { at, len, next } => {
                    self.unsure.holes.push(Blank::end(at, next));
                    self.torn(at, len, None)?;
                }
                Doubtful::Record { at, len } => judge(self, at, len)?,
            }
        }
        Ok(())
    }

    /// An earlier start has judged: it has erased what does not count, so the rest does, whatever has gone meanwhile of
    /// what spoke for it.
    fn keep(&mut self, at: Location, len: u32) -> Result<(), StoreError> {
        match self.reread(at, len)? {
            Some(record) => self.apply(at, &record),
            None => Ok(()),
        }
    }

    /// A message counts if its stream is there, a stream's configuration if no other stream has its name; nothing else does.
    /// Removals and deletions do not, and a consumer may have been deleted before it was configured.
    fn salvage(&mut self, at: Location, len: u32) -> Result<(), StoreError> {
        let Some(record) = self.reread(at, len)? else { return Ok(()) };
        let counts = match record.header.kind {
            Kind::SegmentEnd => return Ok(()),
            Kind::StreamPut => !self.model.has_namesake(&record),
            Kind::Message => self.model.knows_stream(record.header.stream),
            _ => false,
        };
        if counts && !record.header.is_grouped() {
            return self.apply(at, &record);
        }
        self.forget(at, len);
        Ok(())
    }

    /// A record does not count, and must not at any later start.
    fn forget(&mut self, at: Location, len: u32) {
        self.report.records_discarded += 1;
        self.unsure.void.push(Blank::new(at, len, None));
    }

    fn damaged(&mut self, at: Location, len: u32, lost: Option<Header>) -> Result<(), StoreError> {
        if lost.is_none() {
            self.model.doubt(u64::from(len));
        }
        self.report.damaged_regions += 1;
        self.report.damaged_bytes += u64::from(len);
        let segment = self.files.get(at.segment)?;
        let message = lost.filter(|header| header.kind == Kind::Message);
        self.quarantine.damaged(&segment, at.offset, len, message.map(|header| (header.stream, header.seq)));
        self.lose(at, len, true, lost);
        Ok(())
    }

    fn torn(&mut self, at: Location, len: u32, lost: Option<Header>) -> Result<(), StoreError> {
        self.report.torn_bytes += u64::from(len);
        // The number of a stream that never came to be is not given again: what is left of it may still be read.
        lost.iter().for_each(|header| self.model.note_number(header.stream));
        let lost = lost.filter(|header| self.model.knows_stream(header.stream));
        let segment = self.files.get(at.segment)?;
        self.quarantine.torn(&segment, at.offset, len);
        self.lose(at, len, false, lost);
        Ok(())
    }

    /// What the header says is taken in; what it was about is not there.
    fn lose(&mut self, at: Location, len: u32, durable: bool, lost: Option<Header>) {
        let said = lost.map(|header| (header.kind, header.stream, header.seq));
        self.report.note_region(Region { at, len, durable, lost: said });
        let Some(header) = lost else { return };
        self.model.lose(at, &header);
        if header.kind == Kind::Message {
            self.report.note_lost(header.stream, header.seq);
        }
    }

    fn reread(&self, at: Location, len: u32) -> Result<Option<Record>, StoreError> {
        let segment = self.files.get(at.segment)?;
        let bytes = segment.read(at.offset, len as usize)?;
        Ok(segment.record(bytes))
    }
}
