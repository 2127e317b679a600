//! Damaged bytes are set aside before anything is written over them.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

use super::record::Location;
use super::segment::Segment;
use crate::store::disk::Disk;

/// Where damaged bytes go.
pub const QUARANTINE_DIR: &str = "quarantine";

/// Regions remembered so that none is set aside twice.
const REGIONS_MAX: usize = 1024;

/// The file that a region is copied to.
pub fn name(at: Location) -> String {
    format!("{QUARANTINE_DIR}/{:010}-{:010}.bin", at.segment, at.offset)
}

/// Sets damaged regions aside as files of their own, up to a limit.
pub struct Quarantine {
    disk: Arc<dyn Disk>,
    bytes_max: u64,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    bytes: u64,
    regions: HashSet<Location>,
}

impl Quarantine {
    /// A quarantine that takes in at most `bytes_max` bytes per run.
    pub fn new(disk: Arc<dyn Disk>, bytes_max: u64) -> Self {
        Self { disk, bytes_max, held: Mutex::default() }
    }

    /// Copies `len` bytes at `offset` to a file. True when the region was not seen before.
    pub fn take_in(&self, segment: &Segment, offset: u32, len: u32) -> bool {
        let at = Location { segment: segment.id, offset };
        let mut held = self.held.lock();
        if held.regions.len() >= REGIONS_MAX || !held.regions.insert(at) {
            return false;
        }
        let fits = held.bytes + u64::from(len) <= self.bytes_max;
        held.bytes += if fits { u64::from(len) } else { 0 };
        drop(held);
        let name = name(at);
        log::error!(
            "journal: {len} damaged bytes in segment {} at {offset}, set aside as {name}",
            segment.id
        );
        let copied = if fits { self.copy(segment, offset, len, &name) } else { Ok(()) };
        if let Err(error) = copied {
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
