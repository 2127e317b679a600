//! A real directory on a device that a test makes up.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use headwater::store::disk::{Disk, DiskFile, DiskLock, RealDisk};

/// What a device does before the real one is asked. A call that fails here does not get that far.
pub trait Device: Send + Sync + 'static {
    fn read(&self, bytes: usize) -> io::Result<()> {
        let _ = bytes;
        Ok(())
    }

    fn write(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn preallocate(&self) -> io::Result<()> {
        Ok(())
    }

    /// Free bytes, where the real device's do not count.
    fn free_bytes(&self) -> Option<u64> {
        None
    }

    /// A file that was opened, as the store sees it.
    fn file(self: &Arc<Self>, path: &str, inner: Arc<dyn DiskFile>) -> Arc<dyn DiskFile>
    where
        Self: Sized,
    {
        let _ = path;
        Arc::new(WrappedFile { inner, device: Arc::clone(self) })
    }

    /// A file has another name, or none any more.
    fn renamed(&self, from: &str, to: Option<&str>) {
        let _ = (from, to);
    }
}

/// A real directory behind a [`Device`].
pub struct WrappedDisk<D> {
    inner: RealDisk,
    device: Arc<D>,
}

struct WrappedFile<D> {
    inner: Arc<dyn DiskFile>,
    device: Arc<D>,
}

impl<D: Device> WrappedDisk<D> {
    pub fn new(dir: &Path, device: &Arc<D>) -> Self {
        Self { inner: RealDisk::new(dir).unwrap(), device: Arc::clone(device) }
    }
}

impl<D: Device> Disk for WrappedDisk<D> {
    fn create_dir(&self, dir: &str) -> io::Result<()> {
        self.inner.create_dir(dir)
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.device.renamed(path, None);
        self.inner.create(path).map(|file| self.device.file(path, file))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.inner.open(path).map(|file| self.device.file(path, file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)?;
        self.device.renamed(from, Some(to));
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.device.renamed(path, None);
        self.inner.remove(path)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.device.free_bytes().map_or_else(|| self.inner.free_bytes(), Ok)
    }

    fn catalog_dir(&self) -> Option<PathBuf> {
        self.inner.catalog_dir()
    }

    fn random(&self) -> io::Result<u64> {
        self.inner.random()
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn DiskLock>> {
        self.inner.lock(path)
    }
}

impl<D: Device> DiskFile for WrappedFile<D> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.device.read(buf.len())?;
        self.inner.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.device.write()?;
        self.inner.write_at(buf, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.device.sync()?;
        self.inner.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        self.device.preallocate()?;
        self.inner.preallocate(len)
    }
}
