//! What recovery sees to before anything is built on what it has read.

use std::collections::{BTreeMap, BTreeSet};

use super::files::SegmentFiles;
use super::record::{Draft, HEADER_LEN, Header, Kind, Location};
use super::segment::SEGMENT_HEADER_LEN;
use crate::StoreError;

/// Bytes written anew at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Records that one start makes good on disk; it reads the others as well, and the next makes them good.
pub const REPAIRS_MAX: usize = 4096;

/// What of the journal is not certain to be on disk as it was read.
#[derive(Debug, Default)]
pub struct Unsure {
    /// What makes records good that have a flipped bit; a second one could not be told from the first.
    pub repairs: Vec<(Location, u8)>,
    /// From here on nothing vouches for what was read: it may be in the system's cache only.
    pub from: Option<Location>,
    /// Where the records of each segment end.
    pub ends: BTreeMap<u32, u32>,
    /// Records of a commit that was never finished, which do not count.
    pub void: Vec<Blank>,
    /// The holes of such a commit.
    pub holes: Vec<Blank>,
    /// What says that a segment ends, where the next record goes: if that were lost with the power, what lies in the next segment
    /// would count without it.
    pub old_end: Option<Location>,
}

/// A place of which nothing counts, and the record that is to say so.
#[derive(Debug, Clone, Copy)]
pub struct Blank {
    at: Location,
    len: u32,
    says: Draft<'static>,
}

impl Blank {
    /// A place of `len` bytes. Of a record that is lost there, the sequence it gave is remembered.
    pub fn new(at: Location, len: u32, lost: Option<Header>) -> Self {
        let torn = Draft::new(Kind::Torn, 0);
        let says = match lost {
            Some(header) if header.kind == Kind::Message => {
                Draft { stream: header.stream, seq: header.seq, ts: header.ts, ..torn }
            }
            Some(header) if header.kind == Kind::StreamState => {
                Draft { stream: header.stream, seq: header.ts as u64, ..torn }
            }
            _ => torn,
        };
        Self { at, len, says }
    }

    /// The end of a segment that does not say that `next` follows.
    pub fn end(at: Location, next: u32) -> Self {
        let says = Draft { seq: u64::from(next), ..Draft::new(Kind::SegmentEnd, 0) };
        Self { at, len: HEADER_LEN as u32, says }
    }

    fn fill(&self, files: &SegmentFiles) -> Result<(), StoreError> {
        let segment = files.get(self.at.segment)?;
        let (mut offset, mut left, mut says) = (self.at.offset, self.len as usize, self.says);
        while left >= HEADER_LEN {
            let len = if left < 2 * PIECE_BYTES { left } else { PIECE_BYTES };
            let zeros = vec![0; len - HEADER_LEN];
            let mut bytes = Vec::with_capacity(len);
            Draft { payload: &zeros, ..says }.encode(segment.seeds, None, &mut bytes);
            segment.write(offset, &bytes)?;
            offset += len as u32;
            left -= len;
            says = Draft::new(Kind::Torn, 0);
        }
        Ok(())
    }
}

impl Unsure {
    /// Makes it certain. With `rewrite`, what nothing vouches for is written once more: where an earlier sync has failed,
    /// the system may believe that it is on disk, and syncing it does nothing.
    pub fn settle(&self, files: &SegmentFiles, rewrite: bool) -> Result<(), StoreError> {
        let repaired = self.repair(files);
        if let Err(error) = &repaired {
            log::warn!("journal: flipped bits stay: {error}");
        }
        self.erase_void(files)?;
        self.assure(files, rewrite || repaired.is_err())?;
        self.fill_blanks(files)
    }

    fn repair(&self, files: &SegmentFiles) -> Result<(), StoreError> {
        for (at, byte) in &self.repairs {
            files.get(at.segment)?.write(at.offset, &[*byte])?;
        }
        sync(files, self.repairs.iter().map(|(at, _)| at.segment).collect())
    }

    fn assure(&self, files: &SegmentFiles, rewrite: bool) -> Result<(), StoreError> {
        let Some(from) = self.from else { return Ok(()) };
        for (id, end) in self.ends.range(from.segment..) {
            let start = if *id == from.segment { from.offset } else { SEGMENT_HEADER_LEN };
            if rewrite {
                write_anew(files, *id, start, *end)?;
            }
            files.get(*id)?.sync()?;
        }
        Ok(())
    }

    /// Overwrites the headers of records that do not count: nothing tells so but the hole before them, or that nothing follows.
    fn erase_void(&self, files: &SegmentFiles) -> Result<(), StoreError> {
        let mut erased = BTreeSet::new();
        for at in self.void.iter().map(|blank| blank.at).chain(self.old_end) {
            files.get(at.segment)?.write(at.offset, &[0; HEADER_LEN])?;
            erased.insert(at.segment);
        }
        sync(files, erased)
    }

    /// Puts records where nothing counts, when all else is as it is to stay: whoever finds one of them takes what is there
    /// before it for judged.
    fn fill_blanks(&self, files: &SegmentFiles) -> Result<(), StoreError> {
        let blanks = || self.void.iter().chain(&self.holes);
        blanks().try_for_each(|blank| blank.fill(files))?;
        sync(files, blanks().map(|blank| blank.at.segment).collect())
    }
}

fn sync(files: &SegmentFiles, segments: BTreeSet<u32>) -> Result<(), StoreError> {
    segments.into_iter().try_for_each(|id| files.get(id)?.sync())
}

fn write_anew(files: &SegmentFiles, id: u32, from: u32, to: u32) -> Result<(), StoreError> {
    let segment = files.get(id)?;
    let mut offset = from;
    while offset < to {
        let bytes = segment.read(offset, ((to - offset) as usize).min(PIECE_BYTES))?;
        if bytes.is_empty() {
            break;
        }
        segment.write(offset, &bytes)?;
        offset = offset.saturating_add(bytes.len() as u32);
    }
    Ok(())
}
