//! Reading the journal from some position to its end, telling damage from a commit that was never finished.
//!
//! Bytes that are no record may be damage, or the hole of a commit that a power cut tore. What follows decides: the first
//! record of a commit vouches that all before it was durable, so a hole before it is damage. A hole that nothing vouches
//! for belongs to the last commit, of which nothing was acknowledged; of what lies behind it, messages are kept and
//! removals are not, so that no message is lost for the sake of one that never came.

use std::sync::Arc;

use super::files::SegmentFiles;
use super::model::Model;
use super::quarantine::Quarantine;
use super::record::{Header, Kind, Location, Record};
use super::scan::{Found, Scanner};
use super::segment::SEGMENT_HEADER_LEN;
use crate::store::report::RecoveryReport;
use crate::store::{Lsn, StoreError};

/// What the journal held.
pub struct Replayed {
    /// Streams and all.
    pub model: Model,
    /// Where the next record goes; `None` when there is no segment.
    pub resume: Option<Location>,
    /// The last commit was never finished: the next one must say so.
    pub torn: bool,
    /// The record that says that the store was closed in order.
    pub closed: Option<Location>,
    /// Up to here everything was on disk when it was read; what follows may be in the system's cache only.
    pub synced: Location,
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
    synced: Location,
}

enum Doubtful {
    Hole { at: Location, len: u32, lost: Option<Header> },
    Record { at: Location, len: u32 },
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
            synced: Location::from(Lsn::ZERO),
        }
    }

    /// Reads everything from `from` on.
    pub fn run(mut self, from: Lsn) -> Result<Replayed, StoreError> {
        let start = Location::from(from);
        self.synced = start;
        for id in self.files.ids().into_iter().filter(|id| *id >= start.segment) {
            let offset = if id == start.segment { start.offset } else { SEGMENT_HEADER_LEN };
            self.segment(id, offset)?;
            if self.resume.is_none() {
                self.resume = Some(Location { segment: id, offset });
            }
            if self.closed.is_some() {
                break;
            }
        }
        let torn = !self.group.is_empty() || !self.doubtful.is_empty();
        self.discard()?;
        Ok(Replayed {
            model: self.model,
            resume: self.resume,
            torn,
            closed: self.closed,
            synced: self.synced,
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
                Found::End(at) => self.open_end = last.map(|_| at).or(self.open_end),
            }
        }
        self.report.repaired_records += scanner.repairs();
        self.resume = last.or(self.resume);
        Ok(())
    }

    /// The segment before should have said that it ends; what it should have said is lost.
    fn segment_has_records(&mut self, id: u32) -> Result<(), StoreError> {
        match self.open_end.take() {
            Some(at) if at.segment < id => {
                let len = self.files.len_of(at.segment).saturating_sub(at.offset);
                self.doubtful.push(Doubtful::Hole { at, len, lost: None });
            }
            other => self.open_end = other,
        }
        Ok(())
    }

    /// Takes a record in; returns where the next one begins.
    fn record(&mut self, at: Location, record: Record) -> Result<Location, StoreError> {
        let len = record.header.record_len() as u32;
        self.report.records += 1;
        self.report.bytes_replayed += u64::from(len);
        self.closed = (record.header.kind == Kind::Closed).then_some(at);
        if record.header.is_synced() {
            self.synced = at;
            self.vouch()?;
        }
        if record.header.kind == Kind::Torn {
            self.discard()?;
        } else if self.doubtful.is_empty() {
            self.accept(at, record)?;
        } else {
            self.doubtful.push(Doubtful::Record { at, len });
        }
        Ok(Location { segment: at.segment, offset: at.offset + len })
    }

    fn accept(&mut self, at: Location, record: Record) -> Result<(), StoreError> {
        if record.header.kind == Kind::SegmentEnd {
            return Ok(());
        }
        if record.header.has_more() {
            self.group.push((at, record));
            return Ok(());
        }
        for (at, record) in std::mem::take(&mut self.group) {
            self.model.apply(at, &record, self.files)?;
        }
        self.model.apply(at, &record, self.files)
    }

    /// Everything so far was durable: holes are damage, the rest counts.
    fn vouch(&mut self) -> Result<(), StoreError> {
        for doubtful in std::mem::take(&mut self.doubtful) {
            match doubtful {
                Doubtful::Hole { at, len, lost } => self.damaged(at, len, lost)?,
                Doubtful::Record { at, len } => {
                    if let Some(record) = self.reread(at, len)? {
                        self.accept(at, record)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The last commit was never finished: a group without its end does not count, nor do removals behind a hole.
    fn discard(&mut self) -> Result<(), StoreError> {
        self.report.records_discarded += self.group.len() as u64;
        self.group.clear();
        for doubtful in std::mem::take(&mut self.doubtful) {
            match doubtful {
                Doubtful::Hole { at, len, lost } => self.torn(at, len, lost)?,
                Doubtful::Record { at, len } => self.salvage(at, len)?,
            }
        }
        Ok(())
    }

    fn salvage(&mut self, at: Location, len: u32) -> Result<(), StoreError> {
        let Some(record) = self.reread(at, len)? else { return Ok(()) };
        match record.header.kind {
            Kind::Message | Kind::StreamPut | Kind::ConsumerPut if !record.header.is_grouped() => {
                self.model.apply(at, &record, self.files)
            }
            Kind::SegmentEnd => Ok(()),
            _ => {
                self.report.records_discarded += 1;
                Ok(())
            }
        }
    }

    fn damaged(&mut self, at: Location, len: u32, lost: Option<Header>) -> Result<(), StoreError> {
        self.report.damaged_regions += 1;
        self.report.damaged_bytes += u64::from(len);
        let segment = self.files.get(at.segment)?;
        let message = lost.filter(|header| header.kind == Kind::Message);
        self.quarantine.damaged(&segment, at.offset, len, message.map(|header| (header.stream, header.seq)));
        self.lose(at, lost);
        Ok(())
    }

    fn torn(&mut self, at: Location, len: u32, lost: Option<Header>) -> Result<(), StoreError> {
        self.report.torn_bytes += u64::from(len);
        let segment = self.files.get(at.segment)?;
        self.quarantine.torn(&segment, at.offset, len);
        self.lose(at, lost);
        Ok(())
    }

    /// What the header says is taken in; what it was about is not there.
    fn lose(&mut self, at: Location, lost: Option<Header>) {
        let Some(header) = lost else { return };
        self.model.lose(at, &header);
        if header.kind == Kind::Message {
            self.report.note_lost(header.stream, header.seq);
        }
    }

    fn reread(&self, at: Location, len: u32) -> Result<Option<Record>, StoreError> {
        let segment = self.files.get(at.segment)?;
        let bytes = segment.read(at.offset, len as usize)?;
        Ok(Record::decode(bytes, Arc::clone(&segment).seeds))
    }
}
