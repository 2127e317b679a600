//! The names of files and directories: durable once their directory was synced.

use std::collections::BTreeMap;

use super::content::Mood;
use crate::rng::Rng;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// A directory.
    Dir,
    /// The file of this number.
    File(u64),
}

/// A change that a power cut may undo.
#[derive(Debug, Clone)]
enum Change {
    Link(String, Entry),
    Unlink(String),
    Rename(String, String),
}

/// All names, by path.
#[derive(Debug, Default)]
pub struct Names {
    seen: BTreeMap<String, Entry>,
    durable: BTreeMap<String, Entry>,
    changes: Vec<Change>,
}

impl Names {
    /// What a path stands for.
    pub fn get(&self, path: &str) -> Option<Entry> {
        self.seen.get(path).copied()
    }

    /// Names of everything in a directory.
    pub fn list(&self, dir: &str) -> Vec<String> {
        let inside = self.seen.keys().filter(|path| parent(path) == dir);
        inside.filter_map(|path| path.rsplit('/').next()).map(str::to_owned).collect()
    }

    /// All files that can be seen.
    pub fn files(&self) -> impl Iterator<Item = (&str, u64)> {
        self.seen.iter().filter_map(|(path, entry)| match entry {
            Entry::File(number) => Some((path.as_str(), *number)),
            Entry::Dir => None,
        })
    }

    /// Whether any name, durable or seen, or one that may come back, stands for this file.
    pub fn refer_to(&self, number: u64) -> bool {
        let is_it = |entry: &Entry| *entry == Entry::File(number);
        let linked = |change: &Change| matches!(change, Change::Link(_, entry) if is_it(entry));
        self.seen.values().chain(self.durable.values()).any(is_it) || self.changes.iter().any(linked)
    }

    /// Gives a name, in place of what had it.
    pub fn link(&mut self, path: &str, entry: Entry) {
        self.change(Change::Link(path.to_owned(), entry));
    }

    /// Takes a name away.
    pub fn unlink(&mut self, path: &str) {
        self.change(Change::Unlink(path.to_owned()));
    }

    /// Takes a name away, but not for good.
    pub fn hide(&mut self, path: &str) {
        self.seen.remove(path);
    }

    /// Renames, in place of what had the name.
    pub fn rename(&mut self, from: &str, to: &str) {
        self.change(Change::Rename(from.to_owned(), to.to_owned()));
    }

    /// Makes the names in a directory durable.
    pub fn sync(&mut self, dir: &str) {
        let changes = std::mem::take(&mut self.changes);
        let (synced, left) = changes.into_iter().partition(|change| parent(change.path()) == dir);
        self.changes = left;
        let synced: Vec<Change> = synced;
        synced.iter().for_each(|change| apply(&mut self.durable, change));
    }

    /// The power goes: of the changes since the last sync some are lost.
    pub fn cut(&mut self, mood: Mood, rng: &mut Rng) {
        let changes = std::mem::take(&mut self.changes);
        // A journaling file system keeps the first few; others keep any.
        let (kept, in_order) = (rng.index(changes.len() + 1), rng.percent(80));
        for (index, change) in changes.iter().enumerate() {
            let survives = match mood {
                Mood::Forgetful => false,
                Mood::Kind => true,
                Mood::Random if in_order => index < kept,
                Mood::Random => rng.percent(50),
            };
            if survives {
                apply(&mut self.durable, change);
            }
        }
        let dirs = self.durable.clone();
        let reachable = |path: &str| parent(path).is_empty() || dirs.contains_key(parent(path));
        self.durable.retain(|path, _| reachable(path));
        self.seen.clone_from(&self.durable);
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.seen, &change);
        self.changes.push(change);
    }
}

impl Change {
    fn path(&self) -> &str {
        match self {
            Change::Link(path, _) | Change::Unlink(path) | Change::Rename(_, path) => path,
        }
    }
}

fn apply(names: &mut BTreeMap<String, Entry>, change: &Change) {
    match change {
        Change::Link(path, entry) => drop(names.insert(path.clone(), *entry)),
        Change::Unlink(path) => drop(names.remove(path)),
        Change::Rename(from, to) => {
            if let Some(entry) = names.remove(from) {
                names.insert(to.clone(), entry);
            }
        }
    }
}

/// The directory a path is in; the root is the empty path.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed() -> Names {
        let mut names = Names::default();
        names.link("j", Entry::Dir);
        names.sync("");
        names.link("j/a", Entry::File(1));
        names.sync("j");
        names.rename("j/a", "j/b");
        names
    }

    #[test]
    fn a_rename_that_was_not_synced_happened_or_not_but_never_half() {
        let mut seen = BTreeMap::new();
        for seed in 0..50 {
            let mut names = renamed();
            names.cut(Mood::Random, &mut Rng::new(seed));
            *seen.entry(names.list("j")).or_insert(0) += 1;
        }
        assert_eq!(seen.keys().collect::<Vec<_>>(), [&["a"], &["b"]]);
    }

    #[test]
    fn a_synced_rename_stays() {
        let mut names = renamed();
        names.sync("j");
        names.cut(Mood::Forgetful, &mut Rng::new(1));
        assert_eq!(names.list("j"), ["b"]);
    }

    #[test]
    fn what_lies_in_a_directory_that_was_never_synced_is_gone_with_it() {
        let mut names = Names::default();
        names.link("j", Entry::Dir);
        names.link("j/a", Entry::File(1));
        names.sync("j");
        names.cut(Mood::Forgetful, &mut Rng::new(1));
        assert!(names.list("").is_empty() && names.list("j").is_empty());
    }
}
