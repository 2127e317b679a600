//! Room for records: what is left of the active segment and of those made ready, what of it is left to whom, and further
//! segments.

use std::sync::Arc;

use super::{Class, END_LEN, JournalCore, READY_SHARE, REST_SHARE};
use crate::StoreError;
use crate::journal::deferred;
use crate::journal::record::Draft;
use crate::journal::segment::{SEGMENT_HEADER_LEN, Segment};
use crate::journal::usage::SegmentUse;

impl JournalCore {
    /// Whether messages are refused for lack of space.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// The id the next segment should have; `None` while one is ready or none is needed yet.
    pub fn wants_segment(&mut self) -> Option<u32> {
        let needed = self.is_well_filled() || self.full || self.files.is_disk_short();
        if !self.prepared.is_empty() || !needed || self.failure.is_some() {
            return None;
        }
        let id = self.next_id;
        self.next_id += 1;
        Some(id)
    }

    /// Hands over a segment that was made ready; `false` when it comes too late and must be removed.
    pub fn offer(&mut self, segment: Arc<Segment>) -> bool {
        self.full = false;
        let fits = segment.id > self.active.id;
        if fits {
            let account = SegmentUse { len: segment.len, ..SegmentUse::default() };
            self.usage.add_segment(segment.id, account);
            self.prepared.insert(segment.id, segment);
        }
        fits
    }

    /// A segment could not be made ready.
    pub fn segment_denied(&mut self, error: &StoreError) {
        self.full = matches!(error, StoreError::DiskFull);
    }

    /// Takes back a segment that was made ready, if the active one has room enough without: the next is made ready when more
    /// of that is used.
    pub fn take_prepared(&mut self) -> Option<u32> {
        let step = self.active.len / REST_SHARE;
        let kept = self.deferred.bytes() + self.reserves.deletes + self.reserves.copies + 2 * u64::from(step);
        if self.room() < kept || self.full || self.files.is_disk_short() {
            return None;
        }
        let (id, _) = self.prepared.pop_last()?;
        self.ready_from = self.offset + step;
        self.usage.forget_segment(id);
        Some(id)
    }

    /// Whether so much of the active segment is used that the next should be ready.
    pub(super) fn is_well_filled(&self) -> bool {
        self.offset > self.ready_from.max(self.active.len / READY_SHARE)
    }

    /// Bytes left in the active segment.
    pub(super) fn room(&self) -> u64 {
        u64::from(self.active.len).saturating_sub(u64::from(self.offset) + END_LEN)
    }

    /// Bytes the segments made ready take at least.
    pub(super) fn spare(&self) -> u64 {
        self.prepared.values().map(|segment| usable(segment.len).saturating_sub(deferred::WASTE_BYTES)).sum()
    }

    /// Bytes that can be copied forward without another segment, and without taking from what is left to deletes.
    pub fn room_for_copies(&self) -> u64 {
        (self.room() + self.spare()).saturating_sub(self.deferred.bytes() + self.reserves.deletes)
    }

    /// Sees to it that so much more can be put off to the end of the commit.
    pub(super) fn make_room_at_the_end(&mut self, bytes: u64) -> Result<(), StoreError> {
        self.check()?;
        while self.room() + self.spare() < self.deferred.bytes() + bytes {
            self.prepare_now()?;
        }
        Ok(())
    }

    /// Sees to it that there is room for the records, for what was put off, and for what the class leaves to others.
    pub(super) fn make_room(&mut self, drafts: &[Draft<'_>], class: Class) -> Result<(), StoreError> {
        self.check()?;
        let longest = usable(self.files.segment_bytes());
        if drafts.iter().any(|draft| !draft.fits() || draft.record_len() > longest) {
            return Err(StoreError::TooLarge);
        }
        let left_to_others = match class {
            Class::Message => self.reserves.deletes + self.reserves.copies,
            Class::Copy => self.reserves.deletes,
            Class::Housekeeping => 0,
        };
        while self.left_after(drafts).is_none_or(|left| left < self.deferred.bytes() + left_to_others) {
            self.prepare_now()?;
        }
        Ok(())
    }

    /// Bytes left in the active segment and those made ready once the records are placed; `None` when they do not fit.
    fn left_after(&self, drafts: &[Draft<'_>]) -> Option<u64> {
        let mut room = self.room();
        let mut ready = self.prepared.values();
        for draft in drafts {
            while draft.record_len() > room {
                room = usable(ready.next()?.len);
            }
            room -= draft.record_len();
        }
        Some(
            room + ready
                .map(|segment| usable(segment.len).saturating_sub(deferred::WASTE_BYTES))
                .sum::<u64>(),
        )
    }

    /// Makes a segment ready on the spot: the janitor was not quick enough.
    pub(super) fn prepare_now(&mut self) -> Result<(), StoreError> {
        if self.full {
            return Err(StoreError::DiskFull);
        }
        let id = self.next_id;
        self.next_id += 1;
        match self.files.prepare(id, None) {
            Ok(segment) => {
                self.offer(segment);
                Ok(())
            }
            Err(error) => {
                self.segment_denied(&error);
                Err(error)
            }
        }
    }
}

/// Bytes of records a segment of this length takes.
fn usable(len: u32) -> u64 {
    u64::from(len).saturating_sub(u64::from(SEGMENT_HEADER_LEN) + END_LEN)
}
