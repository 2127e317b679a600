//! What recovery sees to before anything is built on what it has read.

use std::collections::BTreeMap;

use super::files::SegmentFiles;
use super::record::{HEADER_LEN, Location};
use super::segment::SEGMENT_HEADER_LEN;
use crate::store::StoreError;

/// Bytes written anew at a time.
const PIECE_BYTES: usize = 1 << 20;

/// What of the journal is not certain to be on disk as it was read.
#[derive(Debug, Default)]
pub struct Unsure {
    /// From here on nothing vouches for what was read: it may be in the system's cache only.
    pub from: Option<Location>,
    /// Where the records of each segment end.
    pub ends: BTreeMap<u32, u32>,
    /// Records of a commit that was never finished, which do not count.
    pub void: Vec<Location>,
}

impl Unsure {
    /// Makes it certain. With `rewrite`, what nothing vouches for is written once more: where an earlier sync has failed,
    /// the system may believe that it is on disk, and syncing it does nothing.
    pub fn settle(&self, files: &SegmentFiles, rewrite: bool) -> Result<(), StoreError> {
        self.erase_void(files)?;
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

    /// Overwrites the headers of records that do not count. What shows that they do not is the hole before them, and that
    /// may go with its segment.
    fn erase_void(&self, files: &SegmentFiles) -> Result<(), StoreError> {
        for at in &self.void {
            files.get(at.segment)?.write(at.offset, &[0; HEADER_LEN])?;
        }
        let mut segments: Vec<u32> = self.void.iter().map(|at| at.segment).collect();
        segments.dedup();
        segments.into_iter().try_for_each(|id| files.get(id)?.sync())
    }
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
