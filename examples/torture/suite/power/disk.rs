//! A disk whose power may go at any moment: what it holds then for certain, and what it may hold.
//!
//! Only what a sync of the file has covered is certain, and only names that a sync of their directory has covered.
//! `sync_file_range` counts for nothing. Everything else may have reached the disk or not, sector by sector.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::rc::Rc;

use super::trace::{Call, Event};
use crate::suite::rng::Rng;

const SECTOR: usize = 512;
const PAGE: usize = 4096;

type Pages = BTreeMap<u64, Box<[u8; PAGE]>>;

/// How generous the disk is with what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Nothing of it is there.
    Nothing,
    /// All of it is there.
    Everything,
    /// Some calls are there, some are not.
    Calls,
    /// Some sectors are there, some are not.
    Sectors,
}

const MOODS: [Mood; 4] = [Mood::Nothing, Mood::Everything, Mood::Calls, Mood::Sectors];

/// The disk as calls come in.
#[derive(Default)]
pub struct PowerDisk {
    inodes: Vec<Inode>,
    /// As the running system sees them.
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending_names: Vec<NameChange>,
    /// Below this directory.
    root: String,
}

#[derive(Default)]
struct Inode {
    is_dir: bool,
    durable: Pages,
    durable_len: u64,
    pending: Vec<Change>,
    len: u64,
    /// Where the next write without an offset goes.
    position: u64,
}

/// A change of a file that no sync has covered yet.
struct Change {
    end: usize,
    what: What,
}

enum What {
    Write(u64, Rc<Vec<u8>>),
    Len(u64),
}

struct NameChange {
    end: usize,
    dir: String,
    what: Naming,
}

enum Naming {
    Link(String, usize),
    Unlink(String),
    Rename(String, String, usize),
}

impl PowerDisk {
    /// An empty disk; what lies outside of `root`, which exists, is not looked at.
    pub fn new(root: &str) -> Self {
        let mut disk = Self { root: root.to_owned(), ..Self::default() };
        disk.inodes.push(Inode { is_dir: true, ..Inode::default() });
        disk.names.insert(root.to_owned(), 0);
        disk.durable_names.insert(root.to_owned(), 0);
        disk
    }

    /// A call begins: what it writes may be on the disk from now on.
    pub fn begin(&mut self, event: &Event) {
        match &event.call {
            Call::Write { path, offset, data } => self.write(path, *offset, data, event.end),
            Call::Extend { path, len } => self.resize(path, event.end, |old| old.max(*len)),
            Call::Resize { path, len } => self.resize(path, event.end, |_| *len),
            Call::Create { path, truncate } => self.create(path, *truncate, event.end),
            Call::MakeDir(path) => self.link(path, Inode { is_dir: true, ..Inode::default() }, event.end),
            Call::Rename(from, to) => self.rename(from, to, event.end),
            Call::Remove(path) => self.unlink(path, event.end),
            Call::Sync(_) | Call::Send { .. } => {}
        }
    }

    /// A call has ended: if it was a sync, what ended before it began is certain.
    pub fn end(&mut self, event: &Event) {
        let Call::Sync(path) = &event.call else { return };
        let Some(&inode) = self.names.get(path) else { return };
        if self.inodes[inode].is_dir {
            self.sync_names(path, event.begin);
        } else {
            self.inodes[inode].sync(event.begin);
        }
    }

    fn write(&mut self, path: &str, offset: Option<u64>, data: &[u8], end: usize) {
        let Some(&inode) = self.names.get(path) else { return };
        let inode = &mut self.inodes[inode];
        let at = offset.unwrap_or(inode.position);
        if offset.is_none() {
            inode.position = at + data.len() as u64;
        }
        inode.len = inode.len.max(at + data.len() as u64);
        inode.pending.push(Change { end, what: What::Write(at, Rc::new(data.to_vec())) });
    }

    fn resize(&mut self, path: &str, end: usize, len: impl FnOnce(u64) -> u64) {
        let Some(&inode) = self.names.get(path) else { return };
        let inode = &mut self.inodes[inode];
        inode.len = len(inode.len);
        inode.pending.push(Change { end, what: What::Len(inode.len) });
    }

    fn create(&mut self, path: &str, truncate: bool, end: usize) {
        match self.names.get(path) {
            None => self.link(path, Inode::default(), end),
            Some(&inode) => {
                self.inodes[inode].position = 0;
                if truncate {
                    self.resize(path, end, |_| 0);
                }
            }
        }
    }

    fn link(&mut self, path: &str, inode: Inode, end: usize) {
        if !path.starts_with(&self.root) || self.names.contains_key(path) {
            return;
        }
        let path = path.trim_end_matches('/').to_owned();
        self.inodes.push(inode);
        let inode = self.inodes.len() - 1;
        self.names.insert(path.clone(), inode);
        self.pending_names.push(NameChange { end, dir: parent(&path), what: Naming::Link(path, inode) });
    }

    fn rename(&mut self, from: &str, to: &str, end: usize) {
        let Some(inode) = self.names.remove(from) else { return };
        self.names.insert(to.to_owned(), inode);
        let below: Vec<String> =
            self.names.keys().filter(|path| path.starts_with(&format!("{from}/"))).cloned().collect();
        for path in below {
            if let Some(inode) = self.names.remove(&path) {
                self.names.insert(format!("{to}{}", &path[from.len()..]), inode);
            }
        }
        let what = Naming::Rename(from.to_owned(), to.to_owned(), inode);
        self.pending_names.push(NameChange { end, dir: parent(to), what });
    }

    fn unlink(&mut self, path: &str, end: usize) {
        if self.names.remove(path).is_some() {
            let what = Naming::Unlink(path.to_owned());
            self.pending_names.push(NameChange { end, dir: parent(path), what });
        }
    }

    fn sync_names(&mut self, dir: &str, begin: usize) {
        let pending = std::mem::take(&mut self.pending_names);
        for change in pending {
            if change.dir == dir && change.end < begin {
                change.what.apply(&mut self.durable_names);
            } else {
                self.pending_names.push(change);
            }
        }
    }

    /// Writes one of the states that a power cut could leave now below `to`, in place of the root.
    pub fn leave(&self, rng: &mut Rng, to: &Path) -> io::Result<Mood> {
        let mood = *rng.pick(&MOODS);
        let _ = fs::remove_dir_all(to);
        fs::create_dir_all(to)?;
        let names = self.names_left(mood, rng);
        let dirs: HashSet<&String> =
            names.iter().filter(|(_, inode)| self.inodes[**inode].is_dir).map(|(path, _)| path).collect();
        for (path, inode) in &names {
            let reachable = ancestors(path, &self.root).all(|dir| dirs.contains(&dir));
            if !reachable || *path == self.root {
                continue;
            }
            let place = to.join(path[self.root.len()..].trim_start_matches('/'));
            let inode = &self.inodes[*inode];
            if inode.is_dir { fs::create_dir(&place)? } else { inode.leave(mood, rng, &place)? }
        }
        Ok(mood)
    }

    fn names_left(&self, mood: Mood, rng: &mut Rng) -> BTreeMap<String, usize> {
        let mut names = self.durable_names.clone();
        for change in &self.pending_names {
            if mood == Mood::Everything || (mood != Mood::Nothing && rng.percent(50)) {
                change.what.apply(&mut names);
            }
        }
        names
    }
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Naming::Link(path, inode) => drop(names.insert(path.clone(), *inode)),
            Naming::Unlink(path) => drop(names.remove(path)),
            Naming::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
                let below: Vec<String> =
                    names.keys().filter(|path| path.starts_with(&format!("{from}/"))).cloned().collect();
                for path in below {
                    if let Some(inode) = names.remove(&path) {
                        names.insert(format!("{to}{}", &path[from.len()..]), inode);
                    }
                }
            }
        }
    }
}

impl Inode {
    fn sync(&mut self, begin: usize) {
        let pending = std::mem::take(&mut self.pending);
        for change in pending {
            if change.end >= begin {
                self.pending.push(change);
                continue;
            }
            match change.what {
                What::Write(at, data) => {
                    put(&mut self.durable, at, &data);
                    self.durable_len = self.durable_len.max(at + data.len() as u64);
                }
                What::Len(len) => self.durable_len = len,
            }
        }
    }

    fn leave(&self, mood: Mood, rng: &mut Rng, place: &Path) -> io::Result<()> {
        let file = File::create(place)?;
        file.set_len(self.durable_len)?;
        for (page, bytes) in &self.durable {
            let at = page * PAGE as u64;
            let len = self.durable_len.saturating_sub(at).min(PAGE as u64) as usize;
            file.write_all_at(&bytes[..len], at)?;
        }
        for change in &self.pending {
            match &change.what {
                What::Len(len) if mood == Mood::Everything || rng.percent(50) && mood != Mood::Nothing => {
                    file.set_len(*len)?;
                }
                What::Len(_) => {}
                What::Write(at, data) => leave_write(&file, *at, data, mood, rng)?,
            }
        }
        Ok(())
    }
}

fn leave_write(file: &File, at: u64, data: &[u8], mood: Mood, rng: &mut Rng) -> io::Result<()> {
    match mood {
        Mood::Nothing => Ok(()),
        Mood::Everything => file.write_all_at(data, at),
        Mood::Calls if rng.percent(50) => file.write_all_at(data, at),
        Mood::Calls => Ok(()),
        Mood::Sectors => {
            let mut from = 0;
            while from < data.len() {
                let sector_end = SECTOR - (at as usize + from) % SECTOR;
                let to = (from + sector_end).min(data.len());
                if rng.percent(50) {
                    file.write_all_at(&data[from..to], at + from as u64)?;
                }
                from = to;
            }
            Ok(())
        }
    }
}

fn put(pages: &mut Pages, at: u64, data: &[u8]) {
    let mut done = 0;
    while done < data.len() {
        let place = at + done as u64;
        let within = (place % PAGE as u64) as usize;
        let len = (PAGE - within).min(data.len() - done);
        let page = pages.entry(place / PAGE as u64).or_insert_with(|| Box::new([0; PAGE]));
        page[within..within + len].copy_from_slice(&data[done..done + len]);
        done += len;
    }
}

fn parent(path: &str) -> String {
    path.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned()
}

fn ancestors<'a>(path: &'a str, root: &'a str) -> impl Iterator<Item = String> + 'a {
    let inside = move |dir: &String| dir.len() >= root.len();
    std::iter::successors(Some(parent(path)), |dir| Some(parent(dir))).take_while(inside)
}
