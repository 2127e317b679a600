//! The journal's writing end as a state machine: what is appended, where it will lie, what the next commit writes.
//!
//! No thread and no clock. The only disk access is making a segment ready when none was made ready in time.

mod room;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::body;
use super::deferred::{Deferred, Removal, TOMBSTONE_SEQS_MAX};
use super::files::SegmentFiles;
use super::pending::{Batch, Pending};
use super::record::{Draft, FLAG_GROUPED, FLAG_MORE, HEADER_LEN, Kind, Location};
use super::segment::{SEGMENT_HEADER_LEN, SEGMENT_TRAILER_LEN, Segment};
use super::usage::{Floor, Placed, Usage};
use crate::{Lsn, StoreError};

/// Room kept at the end of every segment: for the record that ends it, and for its header's copy.
const END_LEN: u64 = HEADER_LEN as u64 + SEGMENT_TRAILER_LEN as u64;

/// The next segment is made ready when one part in so many of the active one is used: well before messages are down to what
/// they leave to others, so that nobody has to wait for it.
const READY_SHARE: u32 = 8;

/// When one that was ready has been given back at rest, so many parts more of the active one are used before the next is made
/// ready; and only where messages have twice that to go until they are down to what they leave to others.
const REST_SHARE: u32 = 16;

/// What may use the last of the space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Messages: refused once only the reserves are left.
    Message,
    /// What is copied forward so that a segment can go: refused once only the reserve for deletes is left.
    Copy,
    /// Everything that a full disk must not stop.
    Housekeeping,
}

/// Where an append went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The record.
    pub placed: Placed,
    /// Durable once the durable position is not below this.
    pub lsn: Lsn,
}

/// The writing end.
pub struct JournalCore {
    files: Arc<SegmentFiles>,
    /// The flag of records that are to be sealed, 0 if none are.
    sealing: u8,
    reserves: Reserves,
    active: Arc<Segment>,
    /// Where the next record goes.
    offset: u32,
    prepared: BTreeMap<u32, Arc<Segment>>,
    /// The next segment is not made ready before here in the active one.
    ready_from: u32,
    next_id: u32,
    pending: Pending,
    deferred: Deferred,
    /// Ends that only damaged records tell; they are written as soon as there is room.
    owed: Vec<(u32, Floor)>,
    /// Which segment is how full.
    pub usage: Usage,
    /// No further segment can be had.
    full: bool,
    failure: Option<StoreError>,
    records: u64,
    /// A segment should be made ready, or one is in use that was.
    chore: bool,
}

/// What messages leave at the end of the last segment while no further one can be had. Bytes.
#[derive(Debug, Clone, Copy)]
pub struct Reserves {
    /// For deletes and configurations.
    pub deletes: u64,
    /// For copies out of the sparsest segment, so that a full disk can be compacted.
    pub copies: u64,
}

/// Where writing goes on.
pub struct Resume {
    /// The segment that takes the next record.
    pub active: Arc<Segment>,
    /// Where in it.
    pub offset: u32,
    /// Segments without a record, made ready earlier.
    pub prepared: Vec<Arc<Segment>>,
    /// Which segment is how full.
    pub usage: Usage,
    /// Streams whose ends are known only from damaged records.
    pub floors: Vec<(u32, Floor)>,
}

impl JournalCore {
    /// A journal that goes on where `resume` says.
    pub fn new(files: Arc<SegmentFiles>, resume: Resume, reserves: Reserves) -> Self {
        let prepared: BTreeMap<_, _> =
            resume.prepared.into_iter().map(|segment| (segment.id, segment)).collect();
        let next_id = files.next_id();
        Self {
            sealing: files.sealing_flag(),
            files,
            reserves,
            active: resume.active,
            offset: resume.offset.max(SEGMENT_HEADER_LEN),
            prepared,
            ready_from: 0,
            next_id,
            pending: Pending::default(),
            deferred: Deferred::default(),
            owed: resume.floors,
            usage: resume.usage,
            full: false,
            failure: None,
            records: 0,
            chore: true,
        }
    }

    /// The position of the next record.
    pub fn position(&self) -> Lsn {
        self.here().into()
    }

    /// The segment that takes records.
    pub fn active_segment(&self) -> u32 {
        self.active.id
    }

    /// Records appended so far.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Appends a record.
    pub fn append(&mut self, draft: &Draft<'_>, class: Class) -> Result<Appended, StoreError> {
        let draft = draft.to_be_sealed(self.sealing);
        self.write_ends_before(&draft);
        self.make_room(std::slice::from_ref(&draft), class)?;
        Ok(self.place(&draft))
    }

    /// Appends records of which all count or none. None is appended when one cannot be.
    pub fn append_group(&mut self, drafts: &[Draft<'_>], class: Class) -> Result<Vec<Appended>, StoreError> {
        let last = drafts.len().saturating_sub(1);
        let flags = |index| if index < last { FLAG_GROUPED | FLAG_MORE } else { FLAG_GROUPED };
        let grouped = drafts.iter().enumerate().map(|(index, draft)| Draft { flags: flags(index), ..*draft });
        let grouped: Vec<Draft<'_>> = grouped.map(|draft| draft.to_be_sealed(self.sealing)).collect();
        grouped.iter().for_each(|draft| self.write_ends_before(draft));
        self.make_room(&grouped, class)?;
        Ok(grouped.iter().map(|draft| self.place(draft)).collect())
    }

    /// Records a removal with the next commit.
    pub fn remove(&mut self, removal: &Removal<'_>) -> Result<Lsn, StoreError> {
        let floor = removal.floor.map_or(0, |_| self.deferred.floor_cost(removal.stream));
        let tombstone = removal.tombstone;
        let tombstone =
            tombstone.map_or(0, |(_, segment)| self.deferred.tombstone_cost(removal.stream, segment, 1));
        self.make_room_at_the_end(floor + tombstone)?;
        if let Some(floor) = removal.floor {
            self.owed.retain(|(stream, _)| *stream != removal.stream);
            self.deferred.put_floor(removal.stream, floor);
        }
        if let Some((seq, segment)) = removal.tombstone {
            self.deferred.put_tombstones(removal.stream, segment, &[seq]);
        }
        let lsn = self.deferred_lsn();
        for (segment, bytes) in removal.released {
            self.usage.release(*segment, *bytes, lsn);
        }
        Ok(lsn)
    }

    /// Frees what nothing refers to any more; what says so has been appended.
    pub fn release(&mut self, segment: u32, bytes: u64) {
        let lsn = self.deferred_lsn();
        self.usage.release(segment, bytes, lsn);
    }

    /// Writes a stream's ends anew with the next commit.
    pub fn rewrite_state(&mut self, stream: u32) -> Result<(), StoreError> {
        if let Some((floor, _)) =
            self.usage.state(stream).filter(|_| !self.deferred.floors.contains_key(&stream))
        {
            self.make_room_at_the_end(self.deferred.floor_cost(stream))?;
            self.deferred.put_floor(stream, floor);
        }
        Ok(())
    }

    /// Writes tombstones anew with the next commit.
    pub fn rewrite_tombstones(&mut self, stream: u32, named: u32, seqs: &[u64]) -> Result<(), StoreError> {
        self.make_room_at_the_end(self.deferred.tombstone_cost(stream, named, seqs.len()))?;
        self.deferred.put_tombstones(stream, named, seqs);
        Ok(())
    }

    /// Everything of a stream is void.
    pub fn forget_stream(&mut self, stream: u32) {
        self.deferred.forget_stream(stream);
        self.owed.retain(|(owed, _)| *owed != stream);
        let lsn = self.deferred_lsn();
        self.usage.forget_stream(stream, lsn);
    }

    /// A position that is reached when everything appended and removed so far is written. A commit ends with the removals,
    /// so that any position behind the present one will do for them.
    pub fn deferred_lsn(&self) -> Lsn {
        Lsn(self.position().0 + u64::from(!self.deferred.is_empty()))
    }

    /// Whether a commit has anything to do.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty() || !self.deferred.is_empty()
    }

    /// Bytes that wait for a commit.
    pub fn pending_bytes(&self) -> u64 {
        self.pending.bytes()
    }

    /// `len` bytes at `at`, if they wait for a commit.
    pub fn pending(&self, at: Location, len: usize) -> Option<Bytes> {
        self.pending.get(at, len)
    }

    /// Takes everything that waits. `synced`: all earlier commits are durable.
    pub fn take(&mut self, synced: bool) -> Result<Option<Batch>, StoreError> {
        self.check()?;
        self.put_owed();
        self.write_deferred();
        self.check()?;
        if self.pending.is_empty() {
            return Ok(None);
        }
        if synced {
            self.pending.vouch();
        }
        Ok(Some(self.pending.take(self.position())))
    }

    /// Takes back a buffer of a batch that was committed.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        self.pending.recycle(buffer);
    }

    /// Nothing is accepted from now on.
    pub fn fail(&mut self, error: StoreError) {
        self.failure.get_or_insert(error);
        self.pending.clear();
        self.deferred = Deferred::default();
    }

    /// Why nothing is accepted any more.
    pub fn failure(&self) -> Option<&StoreError> {
        self.failure.as_ref()
    }

    /// Whether housekeeping has got something to do since this was asked last.
    pub fn take_chore(&mut self) -> bool {
        let chore = std::mem::take(&mut self.chore);
        self.usage.take_died() || chore
    }

    /// A dead segment's file is no more, or another segment's by now.
    pub fn segment_gone(&mut self, id: u32) {
        self.usage.forget_segment(id);
    }

    /// Goes on in another segment when at least so many bytes of this one are wanted no more, and so little of it is wanted
    /// that it will be copied forward: what is unused of it would be lost otherwise.
    pub fn leave_segment(&mut self, dead_bytes_min: u64, full_percent: u8) -> Result<bool, StoreError> {
        let live = self.usage.segment(self.active.id).map_or(0, |account| account.live);
        let filled = u64::from(self.offset.saturating_sub(SEGMENT_HEADER_LEN));
        let is_full = live * 100 >= filled * u64::from(full_percent);
        if is_full || filled < live + dead_bytes_min || self.failure.is_some() {
            return Ok(false);
        }
        if self.prepared.is_empty() {
            self.prepare_now()?;
        }
        Ok(self.roll())
    }

    fn check(&self) -> Result<(), StoreError> {
        match &self.failure {
            None => Ok(()),
            Some(error @ StoreError::Poisoned(_)) => Err(error.clone()),
            Some(error) => Err(StoreError::Poisoned(error.to_string())),
        }
    }

    fn here(&self) -> Location {
        Location { segment: self.active.id, offset: self.offset }
    }

    /// Puts a record for which there is room in this segment or the next.
    fn place(&mut self, draft: &Draft<'_>) -> Appended {
        while draft.record_len() > self.room() && self.roll() {}
        let placed = self.put(draft);
        self.usage.add(placed.at.segment, u64::from(placed.len));
        Appended { placed, lsn: self.position() }
    }

    /// Ends the active segment and goes on in the next; false when there is none.
    fn roll(&mut self) -> bool {
        let Some((_, next)) = self.prepared.pop_first() else { return false };
        self.put_unchecked(&Draft { seq: u64::from(next.id), ..Draft::new(Kind::SegmentEnd, 0) });
        let sealed = std::mem::replace(&mut self.active, next);
        let filled = self.offset.saturating_sub(SEGMENT_HEADER_LEN + END_LEN as u32);
        self.offset = SEGMENT_HEADER_LEN;
        self.ready_from = 0;
        let lsn = self.deferred_lsn();
        self.usage.seal(sealed.id, Some(filled), lsn);
        self.chore = true;
        true
    }

    /// Puts a record for which there is room.
    fn put(&mut self, draft: &Draft<'_>) -> Placed {
        self.records += 1;
        self.put_unchecked(draft)
    }

    fn put_unchecked(&mut self, draft: &Draft<'_>) -> Placed {
        let placed = self.pending.put(&self.active, self.offset, draft);
        self.offset += placed.len;
        self.chore |= self.prepared.is_empty() && self.is_well_filled();
        placed
    }

    /// Has what is owed written with this commit, as far as there is room.
    fn put_owed(&mut self) {
        while let Some((stream, floor)) = self.owed.pop() {
            if self.make_room_at_the_end(self.deferred.floor_cost(stream)).is_err() {
                return self.owed.push((stream, floor));
            }
            self.deferred.put_floor(stream, floor);
        }
    }

    /// Appends what was put off. There is room: it was seen to when each removal was accepted.
    fn write_deferred(&mut self) {
        let Deferred { floors, tombstones, .. } = std::mem::take(&mut self.deferred);
        for ((stream, named), mut seqs) in tombstones {
            seqs.sort_unstable();
            seqs.dedup();
            for seqs in seqs.chunks(TOMBSTONE_SEQS_MAX) {
                self.write_tombstones(stream, named, seqs);
            }
        }
        for (stream, floor) in floors {
            self.write_floor(stream, floor);
        }
    }

    /// A consumer may begin behind the end of its stream as it is now. Of a commit that is never finished its record might
    /// count and the end might not, and what is stored next would be none of its messages.
    fn write_ends_before(&mut self, draft: &Draft<'_>) {
        if draft.kind == Kind::ConsumerPut {
            if let Some(floor) = self.deferred.take_floor(draft.stream) {
                self.write_floor(draft.stream, floor);
            }
        }
    }

    fn write_floor(&mut self, stream: u32, floor: Floor) {
        let payload = floor.last_ts.to_le_bytes();
        let draft = Draft {
            seq: floor.first_seq,
            ts: floor.last_seq as i64,
            payload: &payload,
            ..Draft::new(Kind::StreamState, stream)
        };
        if let Some(placed) = self.put_deferred(&draft) {
            let lsn = self.deferred_lsn();
            self.usage.state_written(stream, floor, placed, lsn);
        }
    }

    fn write_tombstones(&mut self, stream: u32, named: u32, seqs: &[u64]) {
        if self.usage.segment(named).is_none() {
            return;
        }
        let payload = body::encode_seqs(seqs);
        let draft =
            Draft { seq: u64::from(named), payload: &payload, ..Draft::new(Kind::Tombstones, stream) };
        if let Some(placed) = self.put_deferred(&draft) {
            self.usage.add_tombstones(placed.at.segment, named, u64::from(placed.len));
        }
    }

    fn put_deferred(&mut self, draft: &Draft<'_>) -> Option<Placed> {
        if draft.record_len() > self.room() && !self.roll() {
            self.fail(StoreError::DiskFull);
            return None;
        }
        Some(self.put(draft))
    }
}
