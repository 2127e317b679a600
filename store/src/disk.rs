//! What the store needs of a disk, and the real one.
//!
//! Everything below the store reads and writes through [`Disk`] and [`DiskFile`], so that a test or the simulator can
//! lose un-synced writes, fill up or fail at will. Paths are relative to the store's directory and use `/`.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::journal::files::JOURNAL_DIR;
use rustix::fs::{FallocateFlags, FlockOperation};
use rustix::io::Errno;

/// Zeros are written in pieces of this size where the file system cannot preallocate.
const ZERO_FILL_BYTES: usize = 256 * 1024;

/// Bytes that the journal of the store in `dir` has on disk, 0 if there is none.
pub fn journal_bytes(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir.join(JOURNAL_DIR)).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
}

/// A directory on some disk.
pub trait Disk: Send + Sync {
    /// Creates a directory and its parents; fine when it exists.
    fn create_dir(&self, dir: &str) -> io::Result<()>;

    /// Creates a file, or empties the one that is there.
    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens an existing file for reading and writing.
    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Renames a file, replacing `to`. Durable after [`Disk::sync_dir`].
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. Durable after [`Disk::sync_dir`].
    fn remove(&self, path: &str) -> io::Result<()>;

    /// The names of the files and directories in `dir`, in no order.
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;

    /// Makes creations, renames and removals in `dir` durable.
    fn sync_dir(&self, dir: &str) -> io::Result<()>;

    /// Bytes a process without privileges can still allocate.
    fn free_bytes(&self) -> io::Result<u64>;

    /// Where the catalogue may keep its files, which do not go through this trait; `None` to have none.
    fn catalog_dir(&self) -> Option<PathBuf> {
        None
    }

    /// A random number; segments get their salt from it.
    fn random(&self) -> io::Result<u64>;

    /// Takes an exclusive lock that ends with the returned guard; `WouldBlock` when another process holds it.
    fn lock(&self, path: &str) -> io::Result<Box<dyn DiskLock>>;
}

/// An open file. Offsets and lengths are bytes.
pub trait DiskFile: Send + Sync {
    /// Reads at most `buf.len()` bytes at `offset`; fewer only at the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `buf` at `offset`.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;

    /// Makes what was written durable (`fdatasync`).
    fn sync_data(&self) -> io::Result<()>;

    /// Length of the file.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Makes the file `len` bytes long with all its blocks allocated, so that later writes need no space.
    fn preallocate(&self, len: u64) -> io::Result<()>;
}

/// A held lock; dropping it lets go.
pub trait DiskLock: Send + Sync {}

/// Reads until `buf` is full or the file ends, with reads that may each return less than they were asked for.
pub fn read_fully(
    buf: &mut [u8],
    offset: u64,
    read_some: &mut dyn FnMut(&mut [u8], u64) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        let at = offset.saturating_add(filled as u64);
        match read_some(buf.get_mut(filled..).unwrap_or_default(), at) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Writes all of `buf`, with writes that may each take less than they were given.
pub fn write_fully(
    buf: &[u8],
    offset: u64,
    write_some: &mut dyn FnMut(&[u8], u64) -> io::Result<usize>,
) -> io::Result<()> {
    let mut written = 0;
    while written < buf.len() {
        let at = offset.saturating_add(written as u64);
        match write_some(buf.get(written..).unwrap_or_default(), at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(wrote) => written += wrote,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A directory of the machine's own file system.
#[derive(Debug, Clone)]
pub struct RealDisk {
    root: PathBuf,
}

impl RealDisk {
    /// The directory `root`, created when missing.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        if !root.is_dir() {
            fs::create_dir_all(&root)?;
            sync_ancestors(&root)?;
        }
        Ok(Self { root })
    }

    /// Where the directory is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }
}

impl Disk for RealDisk {
    fn create_dir(&self, dir: &str) -> io::Result<()> {
        fs::create_dir_all(self.path(dir))
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(self.path(path))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.path(path))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.path(path))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path(dir))? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        File::open(self.path(dir))?.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.root)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn catalog_dir(&self) -> Option<PathBuf> {
        Some(self.path("catalog"))
    }

    fn random(&self) -> io::Result<u64> {
        getrandom::u64().map_err(io::Error::other)
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn DiskLock>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(self.path(path))?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(RealLock { _file: file }))
    }
}

/// Makes the names on the way to a new directory durable, as far as we may read the directories they are in.
fn sync_ancestors(dir: &Path) -> io::Result<()> {
    for ancestor in fs::canonicalize(dir)?.ancestors().skip(1) {
        match File::open(ancestor) {
            Ok(held) => held.sync_all()?,
            Err(_) => break,
        }
    }
    Ok(())
}

/// A file of the machine's own file system.
struct RealFile(File);

impl DiskFile for RealFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        read_fully(buf, offset, &mut |buf, at| self.0.read_at(buf, at))
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        write_fully(buf, offset, &mut |buf, at| self.0.write_at(buf, at))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.0, FallocateFlags::empty(), 0, len) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => self.fill_with_zeros(len),
            Err(error) => Err(error.into()),
        }
    }
}

impl RealFile {
    fn fill_with_zeros(&self, len: u64) -> io::Result<()> {
        let zeros = vec![0; ZERO_FILL_BYTES];
        let mut at = self.len()?;
        while at < len {
            let piece = usize::try_from(len - at).unwrap_or(ZERO_FILL_BYTES).min(ZERO_FILL_BYTES);
            self.0.write_all_at(zeros.get(..piece).unwrap_or_default(), at)?;
            at += piece as u64;
        }
        Ok(())
    }
}

/// An `flock` held by an open file.
struct RealLock {
    _file: File,
}

impl DiskLock for RealLock {}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> (tempfile::TempDir, RealDisk) {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(dir.path()).unwrap();
        (dir, disk)
    }

    #[test]
    fn a_preallocated_file_has_its_length_and_reads_as_zeros() {
        let (_dir, disk) = disk();
        let file = disk.create("a").unwrap();
        file.preallocate(8192).unwrap();
        file.write_at(b"xyz", 100).unwrap();
        let mut buf = [1; 5];
        assert_eq!(file.len().unwrap(), 8192);
        assert_eq!(file.read_at(&mut buf, 99).unwrap(), 5);
        assert_eq!(&buf, b"\0xyz\0");
        assert_eq!(file.read_at(&mut buf, 8190).unwrap(), 2);
    }

    #[test]
    fn a_locked_directory_refuses_a_second_lock_until_the_first_is_dropped() {
        let (_dir, disk) = disk();
        let lock = disk.lock("LOCK").unwrap();
        assert_eq!(disk.lock("LOCK").err().unwrap().kind(), io::ErrorKind::WouldBlock);
        drop(lock);
        assert!(disk.lock("LOCK").is_ok());
    }

    #[test]
    fn files_are_listed_renamed_and_removed() {
        let (_dir, disk) = disk();
        disk.create_dir("j").unwrap();
        disk.create("j/a").unwrap();
        disk.rename("j/a", "j/b").unwrap();
        disk.sync_dir("j").unwrap();
        assert_eq!(disk.list("j").unwrap(), ["b"]);
        disk.remove("j/b").unwrap();
        assert!(disk.list("j").unwrap().is_empty());
        assert!(disk.free_bytes().unwrap() > 0);
    }
}
