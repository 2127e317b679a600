//! Positions that outlive the messages they were read from.
//!
//! How far a source has come stands in the header of the last message that came by way of it. When that message is removed
//! the position would go with it, and after a restart everything would be taken over once more. So whoever removes it
//! writes the positions down first; see [`KeptLog`](super::kept_log::KeptLog). A record costs nothing while the last
//! messages stay where they are.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::store::{Lsn, StoreError};

/// Messages that a restart reads back at most to find positions, if all went well.
const UNSAVED_MAX: u64 = 10_000;

/// Writes a record down; it has to be durable before what is written after it.
pub type Save = Box<dyn Fn(&[u8]) -> Result<Lsn, StoreError> + Send + Sync>;

/// How far one source has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The source, by its index name.
    pub source: String,
    /// The last of the origin's sequences that was taken over.
    pub seq: u64,
    /// The origin's identity then, empty if unknown.
    pub identity: String,
}

/// What is written down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The stream's last sequence then: later messages may tell of later positions.
    pub through: u64,
    /// Where every source was.
    pub places: Vec<Place>,
}

impl Record {
    /// Whether a source is in it.
    pub fn knows(&self, source: &str) -> bool {
        self.places.iter().any(|place| place.source == source)
    }

    /// Reads a record back; one that makes no sense is none.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// The positions of a stream's sources.
pub struct Ledger {
    save: Save,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// By index name.
    entries: BTreeMap<String, Entry>,
    /// The stream's last sequence when they were saved last.
    saved_through: u64,
}

struct Entry {
    seq: u64,
    identity: String,
    /// The message that tells of the position; 0 if there is none.
    told_by: u64,
    saved: bool,
}

impl Entry {
    fn is_unsaved(&self) -> bool {
        !self.saved && self.seq > 0
    }
}

impl Ledger {
    /// A ledger that has last been written down with `saved_through` as the stream's last sequence.
    pub fn new(save: Save, saved_through: u64) -> Self {
        Self { save, inner: Mutex::new(Inner { entries: BTreeMap::new(), saved_through }) }
    }

    /// A source is where it was found to be, as the ledger or stored messages told.
    pub fn open(&self, place: Place) {
        // Which message tells of it is not known: any removal counts.
        let entry = Entry { seq: place.seq, identity: place.identity, told_by: 0, saved: false };
        self.inner.lock().entries.insert(place.source, entry);
    }

    /// A source is gone.
    pub fn close(&self, source: &str) {
        self.inner.lock().entries.remove(source);
    }

    /// A source has come to `seq`; message `told_by` of the stream tells so.
    pub fn moved(&self, source: &str, seq: u64, identity: &str, told_by: u64) {
        let mut inner = self.inner.lock();
        let Some(entry) = inner.entries.get_mut(source) else { return };
        entry.seq = seq;
        if entry.identity != identity {
            identity.clone_into(&mut entry.identity);
        }
        (entry.told_by, entry.saved) = (told_by, false);
        if told_by.saturating_sub(inner.saved_through) > UNSAVED_MAX {
            self.save(&mut inner, told_by);
        }
    }

    /// The messages for which `goes` holds are about to be removed; `last_seq` is the stream's last sequence.
    pub fn before_removal(&self, last_seq: u64, goes: impl Fn(u64) -> bool) {
        let mut inner = self.inner.lock();
        let tells = |entry: &Entry| entry.is_unsaved() && (entry.told_by == 0 || goes(entry.told_by));
        if inner.entries.values().any(tells) {
            self.save(&mut inner, last_seq);
        }
    }

    /// Writes everything down: the sources have changed.
    pub fn save_changed(&self, last_seq: u64) {
        self.save(&mut self.inner.lock(), last_seq);
    }

    /// Writes down what has not been.
    pub fn save_all(&self, last_seq: u64) {
        let mut inner = self.inner.lock();
        if inner.entries.values().any(Entry::is_unsaved) {
            self.save(&mut inner, last_seq);
        }
    }

    fn save(&self, inner: &mut Inner, last_seq: u64) {
        let place = |(source, entry): (&String, &Entry)| Place {
            source: source.clone(),
            seq: entry.seq,
            identity: entry.identity.clone(),
        };
        let record = Record { through: last_seq, places: inner.entries.iter().map(place).collect() };
        // Strings and numbers: writing them does not fail.
        match (self.save)(&serde_json::to_vec(&record).unwrap_or_default()) {
            Ok(_) => {
                inner.saved_through = last_seq;
                inner.entries.values_mut().for_each(|entry| entry.saved = true);
            }
            Err(error) => log::error!("positions of sources were not written: {error}"),
        }
    }
}
