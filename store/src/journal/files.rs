//! The journal's directory: which segments there are, and their open files.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use parking_lot::RwLock;

use super::record::{HEADER_LEN, Header, Location, Seeds, sealing_flag};
use super::segment::{
    FORMAT_VERSION, NotASegment, SEALED_VERSION, SEGMENT_TRAILER_LEN, Segment, SegmentHeader, find_header,
};
use super::{RecordReader, SUBJECT_READ_BYTES};
use crate::StoreError;
use crate::disk::{Disk, DiskFile};
use crate::error::io_error;
use crate::sealing::{Encryption, Vault};

/// The journal's directory.
pub const JOURNAL_DIR: &str = "journal";

/// What the names of files end in that are being made ready.
const PREPARING: &str = ".tmp";

/// Segment files open at a time; others are opened when read.
const OPEN_SEGMENTS_MAX: usize = 128;

/// With room for so many segments, the disk is not short of it.
const AMPLE_SEGMENTS: u64 = 16;

/// The segments on disk.
pub struct SegmentFiles {
    disk: Arc<dyn Disk>,
    segment_bytes: u32,
    vault: Option<Arc<Vault>>,
    known: RwLock<BTreeMap<u32, Known>>,
    uses: AtomicU64,
    /// The highest id that is not to be given to a new segment, whether a segment has it or not.
    last_id: AtomicU32,
    /// Ids of files that cannot be read as segments.
    unreadable: RwLock<BTreeSet<u32>>,
    /// Ids of segments that are given up and may still, or again, be on disk.
    lingering: RwLock<BTreeSet<u32>>,
}

/// What the journal's directory holds besides segments that are whole.
#[derive(Debug, Default)]
pub struct Oddities {
    /// Files named like segments that cannot be read as such; they are left as they are.
    pub unreadable: Vec<String>,
    /// Segments whose header was damaged and has been made good.
    pub repaired: u64,
}

/// What a file of the journal's directory is.
enum Adopted {
    Whole,
    Repaired,
    Unreadable,
    Foreign,
}

struct Known {
    header: SegmentHeader,
    open: Option<Arc<Segment>>,
    /// The open file as long as anybody reads it: there is never a second one of the same segment.
    in_use: Weak<Segment>,
    last_use: AtomicU64,
}

impl SegmentFiles {
    /// Finds the segments in the journal's directory, which is created when missing.
    pub fn open(disk: Arc<dyn Disk>, segment_bytes: u32) -> Result<(Self, Oddities), StoreError> {
        Self::open_with(disk, segment_bytes, None)
    }

    /// Like [`SegmentFiles::open`], of a store that may be encrypted.
    pub fn open_encrypted(
        disk: Arc<dyn Disk>,
        segment_bytes: u32,
        encryption: Option<&Encryption>,
    ) -> Result<(Self, Oddities), StoreError> {
        let vault = Vault::open(&*disk, encryption)?.map(Arc::new);
        Self::open_with(disk, segment_bytes, vault)
    }

    /// Like [`SegmentFiles::open`], with the keys of an encrypted store.
    pub(crate) fn open_with(
        disk: Arc<dyn Disk>,
        segment_bytes: u32,
        vault: Option<Arc<Vault>>,
    ) -> Result<(Self, Oddities), StoreError> {
        disk.create_dir(JOURNAL_DIR).map_err(|error| io_error("create the journal's directory", &error))?;
        let (known, uses, last_id) = (RwLock::default(), AtomicU64::new(0), AtomicU32::new(0));
        let files = Self {
            disk,
            segment_bytes,
            vault,
            known,
            uses,
            last_id,
            unreadable: RwLock::default(),
            lingering: RwLock::default(),
        };
        let names = files.disk.list(JOURNAL_DIR).map_err(|error| io_error("list the journal", &error))?;
        let mut oddities = Oddities::default();
        for name in names {
            match files.adopt(&name)? {
                Adopted::Whole | Adopted::Foreign => {}
                Adopted::Repaired => oddities.repaired += 1,
                Adopted::Unreadable => {
                    files.unreadable.write().extend(id_of(&name));
                    oddities.unreadable.push(name);
                }
            }
        }
        let sync =
            |dir| files.disk.sync_dir(dir).map_err(|error| io_error("sync the store's directory", &error));
        if files.known.read().is_empty() {
            // The directory may be new, and what will be in it lasts no longer than its own name does.
            sync("")?;
        }
        // The process before may have died, or failed, between naming a segment and syncing its name.
        sync(JOURNAL_DIR)?;
        Ok((files, oddities))
    }

    /// The id for the next new segment: above all that are or were in use, as far as anybody knows.
    pub fn next_id(&self) -> u32 {
        self.last_id.load(Ordering::Relaxed).saturating_add(1)
    }

    /// Files in `from..below` that cannot be read as segments.
    pub fn unreadable_in(&self, from: u32, below: u32) -> Vec<u32> {
        if from < below { self.unreadable.read().range(from..below).copied().collect() } else { Vec::new() }
    }

    /// Something refers to a segment of this id: no new one may get it.
    pub fn note_id(&self, id: u32) {
        self.last_id.fetch_max(id, Ordering::Relaxed);
    }

    /// Length of new segments.
    pub fn segment_bytes(&self) -> u32 {
        self.segment_bytes
    }

    /// The flag of records that are to be sealed, 0 if none are.
    pub fn sealing_flag(&self) -> u8 {
        sealing_flag(self.vault.as_ref().map(|vault| vault.cipher()))
    }

    fn segment(
        &self,
        id: u32,
        header: SegmentHeader,
        file: Arc<dyn DiskFile>,
    ) -> Result<Segment, StoreError> {
        let keys = self.vault.as_ref().map(|vault| vault.segment(id, header.salt)).transpose()?;
        Ok(Segment { id, seeds: Seeds::from_salt(header.salt), len: header.len, file, keys })
    }

    /// Whether the disk has so little room left that a segment is better had in advance.
    pub fn is_disk_short(&self) -> bool {
        let ample = u64::from(self.segment_bytes).saturating_mul(AMPLE_SEGMENTS);
        self.disk.free_bytes().is_ok_and(|free| free < ample)
    }

    /// The ids of all segments, ascending.
    pub fn ids(&self) -> Vec<u32> {
        self.known.read().keys().copied().collect()
    }

    /// Whether a segment exists.
    pub fn exists(&self, id: u32) -> bool {
        self.known.read().contains_key(&id) || self.lingering.read().contains(&id)
    }

    /// Length of a segment's file, 0 when there is no such segment.
    pub fn len_of(&self, id: u32) -> u32 {
        self.known.read().get(&id).map_or(0, |known| known.header.len)
    }

    /// Whether any segment exists in `from..below`.
    pub fn any_in(&self, from: u32, below: u32) -> bool {
        from < below
            && (self.known.read().range(from..below).next().is_some()
                || self.lingering.read().range(from..below).next().is_some())
    }

    /// Opens a segment, or hands out the open file.
    pub fn get(&self, id: u32) -> Result<Arc<Segment>, StoreError> {
        if let Some(known) = self.known.read().get(&id) {
            known.last_use.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
            if let Some(segment) = &known.open {
                return Ok(Arc::clone(segment));
            }
        }
        let mut known = self.known.write();
        close_the_idlest(&mut known);
        let held =
            known.get_mut(&id).ok_or_else(|| StoreError::Io(format!("journal segment {id} is gone")))?;
        if let Some(segment) = held.in_use.upgrade() {
            held.open = Some(Arc::clone(&segment));
            return Ok(segment);
        }
        let file =
            self.disk.open(&path(id)).map_err(|error| io_error(&format!("open segment {id}"), &error))?;
        let segment = Arc::new(self.segment(id, held.header, file)?);
        held.in_use = Arc::downgrade(&segment);
        held.open = Some(Arc::clone(&segment));
        Ok(segment)
    }

    /// Makes a segment ready: allocated, with its header, under its name, all of it durable.
    ///
    /// The file of `recycled` is used when it is of the right length and version and nobody reads it any more; that segment is
    /// gone in any case.
    pub fn prepare(&self, id: u32, recycled: Option<u32>) -> Result<Arc<Segment>, StoreError> {
        let reused = match recycled {
            Some(old) => self.take_file(old, id)?,
            None => false,
        };
        let made = self.make(id, reused).map_err(|error| io_error(&format!("prepare segment {id}"), &error));
        match (&made, recycled) {
            (Ok(_), Some(old)) if reused => drop(self.lingering.write().remove(&old)),
            (Err(_), _) => drop(self.disk.remove(&preparing(id))),
            _ => {}
        }
        made
    }

    /// The version of the segments that are made.
    fn version(&self) -> u32 {
        if self.vault.is_some() { SEALED_VERSION } else { FORMAT_VERSION }
    }

    fn make(&self, id: u32, reused: bool) -> std::io::Result<Arc<Segment>> {
        let preparing = preparing(id);
        let file = if reused { self.disk.open(&preparing)? } else { self.disk.create(&preparing)? };
        if !reused {
            file.preallocate(u64::from(self.segment_bytes))?;
        }
        let (len, version) = (self.segment_bytes, self.version());
        let header = SegmentHeader { id, salt: self.disk.random()?, len, version };
        file.write_at(&header.encode(), 0)?;
        file.write_at(&header.encode(), u64::from(header.len.saturating_sub(SEGMENT_TRAILER_LEN)))?;
        file.sync_data()?;
        self.disk.rename(&preparing, &path(id))?;
        self.disk.sync_dir(JOURNAL_DIR)?;
        let segment = Arc::new(self.segment(id, header, file).map_err(std::io::Error::other)?);
        self.note_id(id);
        let mut known = self.known.write();
        close_the_idlest(&mut known);
        let open = Some(Arc::clone(&segment));
        let in_use = Arc::downgrade(&segment);
        known.insert(id, Known { header, open, in_use, last_use: AtomicU64::new(u64::MAX) });
        Ok(segment)
    }

    /// Removes a segment and gives its space back. It is gone for good: what kept its dead records dead may go next.
    pub fn remove(&self, id: u32) -> Result<(), StoreError> {
        self.lingering.write().insert(id);
        self.known.write().remove(&id);
        self.unlink(id).map_err(|error| io_error(&format!("remove segment {id}"), &error))
    }

    fn unlink(&self, id: u32) -> std::io::Result<()> {
        match self.disk.remove(&path(id)) {
            // An attempt before has come so far.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            removed => removed?,
        }
        self.disk.sync_dir(JOURNAL_DIR)?;
        self.lingering.write().remove(&id);
        Ok(())
    }

    /// Takes a dead segment's file for segment `next`; false when it had to be removed instead.
    fn take_file(&self, id: u32, next: u32) -> Result<bool, StoreError> {
        self.lingering.write().insert(id);
        let Some(mut known) = self.known.write().remove(&id) else {
            return self
                .unlink(id)
                .map(|()| false)
                .map_err(|error| io_error(&format!("remove segment {id}"), &error));
        };
        known.open = None;
        let unread = known.in_use.strong_count() == 0;
        // What is sealed from now on must not share a file with what was not.
        let fits = known.header.len == self.segment_bytes && known.header.version == self.version();
        let moved = if unread && fits {
            self.disk.rename(&path(id), &preparing(next)).map(|()| true)
        } else {
            self.unlink(id).map(|()| false)
        };
        moved.map_err(|error| io_error(&format!("recycle segment {id}"), &error))
    }

    /// Takes a file of the directory in.
    fn adopt(&self, name: &str) -> Result<Adopted, StoreError> {
        let Some(id) = id_of(name) else {
            if id_before(name, PREPARING).is_some() {
                let _ = self.disk.remove(&format!("{JOURNAL_DIR}/{name}"));
            }
            return Ok(Adopted::Foreign);
        };
        self.note_id(id);
        let file = match self.disk.open(&path(id)) {
            Err(error) if error.kind() == ErrorKind::IsADirectory => return Ok(Adopted::Unreadable),
            opened => opened.map_err(|error| io_error(&format!("open segment {id}"), &error))?,
        };
        let (header, repaired) = match find_header(&*file, id) {
            Ok(found) => found,
            Err(NotASegment::Unreadable) => return Ok(Adopted::Unreadable),
            Err(NotASegment::NotRead(kind)) => {
                return Err(io_error(&format!("read the header of journal segment {id}"), &kind.into()));
            }
            Err(NotASegment::Newer(version)) => {
                return Err(StoreError::Io(format!(
                    "journal segment {id} has format version {version}, newer than this program"
                )));
            }
        };
        let known = Known { header, open: None, in_use: Weak::new(), last_use: AtomicU64::new(0) };
        self.known.write().insert(id, known);
        if !repaired {
            return Ok(Adopted::Whole);
        }
        log::warn!("journal: the header of segment {id} is damaged, its copy is not");
        if let Err(error) = file.write_at(&header.encode(), 0).and_then(|()| file.sync_data()) {
            log::warn!("journal: the header of segment {id} cannot be made good: {error}");
        }
        Ok(Adopted::Repaired)
    }
}

impl RecordReader for SegmentFiles {
    fn read_subject(&self, at: Location, len: usize) -> Result<Option<(Header, Bytes)>, StoreError> {
        if !self.exists(at.segment) {
            return Ok(None);
        }
        let segment = self.get(at.segment)?;
        let bytes = segment.read(at.offset, len.min(SUBJECT_READ_BYTES))?;
        let Some(header) = Header::decode(&bytes, segment.seeds) else {
            return whole_subject(&segment, at, len);
        };
        if header.is_sealed() {
            return whole_subject(&segment, at, len);
        }
        let subject_len = usize::from(header.subject_len);
        let end = HEADER_LEN + subject_len;
        if end <= bytes.len() {
            return Ok(Some((header, bytes.slice(HEADER_LEN..end))));
        }
        let subject = segment.read(at.offset.saturating_add(HEADER_LEN as u32), subject_len)?;
        Ok((subject.len() == subject_len).then_some((header, subject)))
    }
}

/// The subject of a record that has to be read whole for it.
fn whole_subject(segment: &Segment, at: Location, len: usize) -> Result<Option<(Header, Bytes)>, StoreError> {
    let record = segment.record(segment.read(at.offset, len)?);
    Ok(record.map(|record| (record.header, record.subject())))
}

/// The file of a segment.
pub fn path(id: u32) -> String {
    format!("{JOURNAL_DIR}/{id:010}.seg")
}

/// The file of a segment that is being made ready.
fn preparing(id: u32) -> String {
    format!("{JOURNAL_DIR}/{id:010}{PREPARING}")
}

/// The id in a segment's file name.
pub fn id_of(name: &str) -> Option<u32> {
    id_before(name, ".seg")
}

fn id_before(name: &str, suffix: &str) -> Option<u32> {
    let digits = name.strip_suffix(suffix).filter(|digits| digits.len() == 10)?;
    digits.parse().ok().filter(|id| *id > 0)
}

fn close_the_idlest(known: &mut BTreeMap<u32, Known>) {
    let open = known.values().filter(|known| known.open.is_some());
    if open.clone().count() < OPEN_SEGMENTS_MAX {
        return;
    }
    let idlest = known
        .iter_mut()
        .filter(|(_, known)| known.open.is_some())
        .min_by_key(|(_, known)| known.last_use.load(Ordering::Relaxed));
    if let Some((_, known)) = idlest {
        known.open = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    fn files() -> (tempfile::TempDir, Arc<dyn Disk>, SegmentFiles) {
        let dir = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(dir.path()).unwrap());
        let files = SegmentFiles::open(Arc::clone(&disk), 8192).unwrap().0;
        (dir, disk, files)
    }

    #[test]
    fn prepared_segments_are_found_again_with_their_salt() {
        let (_dir, disk, files) = files();
        let seeds = files.prepare(1, None).unwrap().seeds;
        let again = SegmentFiles::open(disk, 8192).unwrap().0;
        assert_eq!(again.ids(), [1]);
        assert_eq!(again.get(1).unwrap().seeds, seeds);
    }

    #[test]
    fn a_recycled_file_gets_a_new_salt_and_name() {
        let (_dir, disk, files) = files();
        let old = files.prepare(1, None).unwrap().seeds;
        let new = files.prepare(2, Some(1)).unwrap();
        assert_ne!(new.seeds, old);
        assert_eq!(files.ids(), [2]);
        assert_eq!(disk.list(JOURNAL_DIR).unwrap(), ["0000000002.seg"]);
    }

    #[test]
    fn a_file_that_is_still_read_is_not_written_over() {
        let (_dir, _disk, files) = files();
        let reader = files.prepare(1, None).unwrap();
        reader.write(100, b"still here").unwrap();
        files.prepare(2, Some(1)).unwrap().write(100, b"other").unwrap();
        assert_eq!(&*reader.read(100, 10).unwrap(), b"still here");
    }

    #[test]
    fn many_segments_do_not_keep_as_many_files_open() {
        let (_dir, disk, files) = files();
        for id in 1..=OPEN_SEGMENTS_MAX as u32 + 20 {
            files.prepare(id, None).unwrap();
        }
        let again = SegmentFiles::open(disk, 8192).unwrap().0;
        again.ids().into_iter().for_each(|id| drop(again.get(id).unwrap()));
        assert_eq!(
            again.known.read().values().filter(|known| known.open.is_some()).count(),
            OPEN_SEGMENTS_MAX
        );
    }
}
