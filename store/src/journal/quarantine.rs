//! Damaged bytes are set aside before anything is written over them, and what is damaged and lost is counted.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;

use super::record::Location;
use super::segment::Segment;
use crate::disk::Disk;

/// Where damaged bytes go.
pub const QUARANTINE_DIR: &str = "quarantine";

/// Regions remembered so that none is set aside or counted twice; beyond them neither happens.
const REGIONS_MAX: usize = 1 << 14;

/// The file that a region is copied to.
pub fn name(at: Location) -> String {
    format!("{QUARANTINE_DIR}/{:010}-{:010}.bin", at.segment, at.offset)
}

/// Sets damaged regions aside as files of their own, up to a limit.
pub struct Quarantine {
    disk: Arc<dyn Disk>,
    bytes_max: u64,
    held: Arc<Mutex<Held>>,
}

/// What was set aside since the process started. It outlives a store that is opened anew.
#[derive(Default)]
pub struct Held {
    bytes: u64,
    regions: HashSet<Location>,
    damage: Damage,
}

/// What of the journal was on disk once and cannot be read any more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Damage {
    /// Places.
    pub regions: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Messages known to be lost with them, by stream number. Of a region without any header left it is not known.
    pub lost: BTreeMap<u32, u64>,
}

impl Held {
    /// What was found damaged since the process started.
    pub fn damage(&self) -> &Damage {
        &self.damage
    }
}

impl Quarantine {
    /// A quarantine that takes in at most `bytes_max` bytes in a process's life, `held` of them already.
    pub fn new(disk: Arc<dyn Disk>, bytes_max: u64, held: Arc<Mutex<Held>>) -> Self {
        Self { disk, bytes_max, held }
    }

    /// Sets `len` bytes at `offset` aside and counts them as damaged. `lost` is the stream and sequence of the message they
    /// were, if that is known. True when the region was not seen before.
    pub fn damaged(&self, segment: &Segment, offset: u32, len: u32, lost: Option<(u32, u64)>) -> bool {
        if !self.take_in(segment, offset, len, "damaged") {
            return false;
        }
        if let Some((stream, seq)) = lost {
            log::error!("journal: message {seq} of stream number {stream} is lost");
        }
        let damage = &mut self.held.lock().damage;
        damage.regions += 1;
        damage.bytes += u64::from(len);
        if let Some((stream, _)) = lost {
            *damage.lost.entry(stream).or_default() += 1;
        }
        true
    }

    /// Messages of a stream are lost of which nothing is left to set aside.
    pub fn count_lost(&self, stream: u32, messages: u64) {
        if messages > 0 {
            log::error!("journal: {messages} messages of stream number {stream} are lost");
            *self.held.lock().damage.lost.entry(stream).or_default() += messages;
        }
    }

    /// Sets bytes of a commit aside that was never finished: nothing that anybody was promised.
    pub fn torn(&self, segment: &Segment, offset: u32, len: u32) {
        self.take_in(segment, offset, len, "unfinished");
    }

    /// Copies a region to a file. True when it was not seen before.
    fn take_in(&self, segment: &Segment, offset: u32, len: u32, what: &str) -> bool {
        let at = Location { segment: segment.id, offset };
        let mut held = self.held.lock();
        if held.regions.len() >= REGIONS_MAX || !held.regions.insert(at) {
            return false;
        }
        let fits = held.bytes + u64::from(len) <= self.bytes_max;
        held.bytes += if fits { u64::from(len) } else { 0 };
        drop(held);
        let name = name(at);
        if !fits {
            log::error!(
                "journal: {len} {what} bytes in segment {} at {offset}; the quarantine is full",
                segment.id
            );
            return true;
        }
        log::error!("journal: {len} {what} bytes in segment {} at {offset}, set aside as {name}", segment.id);
        if let Err(error) = self.copy(segment, offset, len, &name) {
            log::error!("journal: could not set aside {name}: {error}");
        }
        true
    }

    fn copy(
        &self,
        segment: &Segment,
        offset: u32,
        len: u32,
        name: &str,
    ) -> Result<(), Box<dyn std::error::Error>> {
        self.disk.create_dir(QUARANTINE_DIR)?;
        let bytes = segment.read(offset, len as usize)?;
        let file = self.disk.create(name)?;
        file.write_at(&bytes, 0)?;
        Ok(file.sync_data()?)
    }
}
