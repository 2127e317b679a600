//! A disk made of memory that fails in every way a real one may, and remembers what it owes.
//!
//! Everything it does follows from its seed and the calls that are made. It knows of each sector of 512 bytes whether it was
//! synced, and of each name whether its directory was. When the power goes, any sector that was not synced is as it was at
//! some moment since the last sync, and any change of names or lengths may be undone. Until then, calls may fail, in part or
//! whole, or be the last before the power goes.

mod content;
mod faults;
mod names;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use headwater::store::disk::{Disk, DiskFile, DiskLock, read_fully, write_fully};
use parking_lot::Mutex;

pub use content::{Mood, SECTOR_BYTES};
pub use faults::{Call, Faults, Lie};

use crate::rng::Rng;
use content::Content;
use faults::Fate;
use names::{Entry, Names};

/// The disk. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

struct State {
    rng: Rng,
    names: Names,
    files: BTreeMap<u64, Content>,
    last_file: u64,
    /// Counts processes: open files and locks of an earlier one are worth nothing.
    process: u64,
    locked: bool,
    powered: bool,
    faults: Faults,
    lie: Lie,
    capacity_bytes: u64,
    /// The simulator looks: nothing fails meanwhile.
    looked_at: bool,
}

impl SimDisk {
    /// An empty disk.
    pub fn new(rng: Rng, capacity_bytes: u64, lie: Lie) -> Self {
        Self(Arc::new(Mutex::new(State {
            rng,
            names: Names::default(),
            files: BTreeMap::new(),
            last_file: 0,
            process: 0,
            locked: false,
            powered: true,
            faults: Faults::default(),
            lie,
            capacity_bytes,
            looked_at: false,
        })))
    }

    /// How calls fail from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.0.lock().faults = faults;
    }

    /// Another capacity.
    pub fn set_capacity(&self, bytes: u64) {
        self.0.lock().capacity_bytes = bytes;
    }

    /// Whether the power went during a call.
    pub fn is_down(&self) -> bool {
        !self.0.lock().powered
    }

    /// Does something during which no call fails.
    pub fn undisturbed<T>(&self, look: impl FnOnce() -> T) -> T {
        self.0.lock().looked_at = true;
        let seen = look();
        self.0.lock().looked_at = false;
        seen
    }

    /// The process that uses the disk is no more; what it wrote can still be read.
    pub fn kill(&self) {
        self.0.lock().next_process();
    }

    /// The power goes and comes back.
    pub fn cut_power(&self, mood: Mood) {
        let mut state = self.0.lock();
        let State { rng, names, files, .. } = &mut *state;
        names.cut(mood, rng);
        files.values_mut().for_each(|content| content.cut(mood, rng));
        state.next_process();
        state.powered = true;
    }

    /// One bit of a segment's used part changes; tells which.
    pub fn flip_bit(&self) -> Option<String> {
        let mut state = self.0.lock();
        let State { rng, names, files, .. } = &mut *state;
        let segments: Vec<(&str, u64)> = names.files().filter(|(path, _)| path.ends_with(".seg")).collect();
        if segments.is_empty() {
            return None;
        }
        let (path, number) = *rng.pick(&segments);
        let content = files.get_mut(&number)?;
        let used = content.seen().iter().rposition(|byte| *byte != 0)? + 1;
        let (at, bit) = (rng.index(used), rng.below(8) as u8);
        content.flip(at, bit);
        Some(format!("{path} byte {at} bit {bit}"))
    }

    /// A file, for the simulator to look into.
    pub fn open_quietly(&self, path: &str) -> Arc<dyn DiskFile> {
        let number = self.0.lock().number(path).unwrap_or(0);
        self.file(number)
    }

    fn file(&self, number: u64) -> Arc<dyn DiskFile> {
        let process = self.0.lock().process;
        Arc::new(SimFile { disk: self.clone(), number, process })
    }

    /// A change of names: fails before or after it was done, or is done.
    fn change_names<T>(&self, call: Call, change: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.lock();
        let fate = state.call(call)?;
        if fate == Fate::Works || state.rng.percent(50) {
            let changed = change(&mut state)?;
            return fate.outcome(changed);
        }
        Err(eio())
    }
}

impl State {
    fn call(&mut self, call: Call) -> io::Result<Fate> {
        if !self.powered {
            return Err(off());
        }
        if self.looked_at {
            return Ok(Fate::Works);
        }
        let fate = self.faults.fate(call, &mut self.rng);
        self.powered = fate != Fate::PowerGoes;
        Ok(fate)
    }

    fn next_process(&mut self) {
        self.process += 1;
        self.locked = false;
        let names = &self.names;
        self.files.retain(|number, _| names.refer_to(*number));
    }

    fn used_bytes(&self) -> u64 {
        let len = |(_, number)| self.files.get(&number).map_or(0, |content| content.len() as u64);
        self.names.files().map(len).sum()
    }

    fn create(&mut self, path: &str) -> io::Result<u64> {
        let dir = names::parent(path);
        if !dir.is_empty() && self.names.get(dir).is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.last_file += 1;
        self.files.insert(self.last_file, Content::default());
        self.names.link(path, Entry::File(self.last_file));
        Ok(self.last_file)
    }

    fn number(&self, path: &str) -> io::Result<u64> {
        match self.names.get(path) {
            Some(Entry::File(number)) => Ok(number),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Disk for SimDisk {
    fn create_dir(&self, dir: &str) -> io::Result<()> {
        self.change_names(Call::CreateDir, |state| {
            if !dir.is_empty() && state.names.get(dir).is_none() {
                state.names.link(dir, Entry::Dir);
            }
            Ok(())
        })
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let number = self.change_names(Call::Create, |state| state.create(path))?;
        Ok(self.file(number))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let number = self.change_names(Call::Open, |state| state.number(path))?;
        Ok(self.file(number))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change_names(Call::Rename, |state| {
            state.number(from)?;
            state.names.rename(from, to);
            Ok(())
        })
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.change_names(Call::Remove, |state| {
            state.number(path)?;
            if state.lie == Lie::Resurrect {
                state.names.hide(path);
            } else {
                state.names.unlink(path);
            }
            Ok(())
        })
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let mut state = self.0.lock();
        match state.call(Call::List)? {
            Fate::Works => Ok(state.names.list(dir)),
            _ => Err(eio()),
        }
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        let fate = state.call(Call::SyncDir)?;
        if (fate == Fate::Works || state.rng.percent(50)) && state.lie != Lie::SyncDir {
            state.names.sync(dir);
        }
        fate.outcome(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = self.0.lock();
        Ok(state.capacity_bytes.saturating_sub(state.used_bytes()))
    }

    fn random(&self) -> io::Result<u64> {
        Ok(self.0.lock().rng.next_u64())
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn DiskLock>> {
        self.change_names(Call::Open, |state| {
            if state.names.get(path).is_none() {
                state.create(path)?;
            }
            if std::mem::replace(&mut state.locked, true) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(state.process)
        })
        .map(|process| Box::new(SimLock { disk: self.clone(), process }) as Box<dyn DiskLock>)
    }
}

struct SimLock {
    disk: SimDisk,
    process: u64,
}

impl DiskLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.0.lock();
        if state.process == self.process {
            state.locked = false;
        }
    }
}

/// A file opened by one process.
struct SimFile {
    disk: SimDisk,
    number: u64,
    process: u64,
}

impl SimFile {
    /// Lets one call through to the file, unless it fails altogether.
    fn call<T>(
        &self,
        call: Call,
        act: impl FnOnce(&mut Content, &mut Rng, Fate, Lie) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.disk.0.lock();
        if state.process != self.process {
            return Err(off());
        }
        let fate = state.call(call)?;
        let State { rng, files, lie, looked_at, .. } = &mut *state;
        let content = files.get_mut(&self.number).ok_or(io::ErrorKind::NotFound)?;
        match looked_at {
            true => act(content, &mut rng.clone(), fate, *lie),
            false => act(content, rng, fate, *lie),
        }
    }

    fn read_some(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.call(Call::Read, |content, rng, fate, _| {
            let short = if rng.one_in(8) { rng.index(buf.len()) + 1 } else { buf.len() };
            fate.outcome(content.read(&mut buf[..short], offset as usize))
        })
    }

    fn write_some(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.call(Call::Write, |content, rng, fate, lie| {
            let short = rng.one_in(8) || fate != Fate::Works;
            let len = if short { rng.index(buf.len() + 1).max(1) } else { buf.len() };
            let misplaced = lie == Lie::Misplace && rng.one_in(20);
            content.write(&buf[..len], offset as usize + if misplaced { SECTOR_BYTES } else { 0 });
            fate.outcome(len)
        })
    }

    fn check_room(&self, len: u64) -> io::Result<()> {
        let state = self.disk.0.lock();
        let had = state.files.get(&self.number).map_or(0, |content| content.len() as u64);
        match state.used_bytes() + len.saturating_sub(had) <= state.capacity_bytes {
            true => Ok(()),
            false => Err(io::ErrorKind::StorageFull.into()),
        }
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        read_fully(buf, offset, &mut |buf, at| self.read_some(buf, at))
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.check_room(offset + buf.len() as u64)?;
        write_fully(buf, offset, &mut |buf, at| self.write_some(buf, at))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.call(Call::Sync, |content, rng, fate, lie| {
            match fate {
                Fate::Works if lie == Lie::SyncData => {}
                Fate::Works if lie == Lie::SyncLate => content.sync_late(),
                Fate::Works => content.sync(),
                Fate::Fails => content.fail_sync(rng),
                // The cut decides what of it got through.
                Fate::PowerGoes => {}
            }
            fate.outcome(())
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.call(Call::Read, |content, _, fate, _| fate.outcome(content.len() as u64))
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        self.check_room(len)?;
        self.call(Call::Write, |content, _, fate, _| {
            if fate == Fate::Works {
                content.grow(len as usize);
            }
            fate.outcome(())
        })
    }
}

fn eio() -> io::Error {
    io::Error::other("simulated EIO")
}

fn off() -> io::Error {
    io::Error::other("the power is off")
}
