//! Reading messages that are wanted together: a stretch of the journal at a time.

use super::index::Entry;
use super::journal::record::Record;
use super::journal::stretch::Stretch;
use super::journal_log::{StreamAccess, message};
use super::{StoreError, StoredMessage};

impl StreamAccess {
    /// Reads messages, each as [`Self::load`] does.
    pub(super) fn load_each(
        &self,
        seqs: &[u64],
        take: &mut dyn FnMut(Result<Option<StoredMessage>, StoreError>),
    ) {
        match seqs {
            [] => return,
            // Who reads one at a time is served better by what was read ahead.
            [seq] => return take(self.load(*seq)),
            _ => {}
        }
        let (stream, entries) = self.entries_of(seqs);
        let mut stretch: Option<Stretch> = None;
        for (place, seq) in seqs.iter().enumerate() {
            let wanted = entries.get(place..).unwrap_or_default();
            let read = self.record_of(wanted, &mut stretch);
            match read.filter(|read| (read.header.stream, read.header.seq) == (stream, *seq)) {
                Some(record) => take(Ok(Some(message(record)))),
                // Alone, and with all that is done for one that cannot be read.
                None => take(self.load(*seq)),
            }
        }
    }

    /// The stream's number, and where the messages lie; those that cannot be found count as dead.
    fn entries_of(&self, seqs: &[u64]) -> (u32, Vec<Entry>) {
        let mut index = self.index.lock();
        let mut entry = |seq: &u64| index.entry(*seq).ok().flatten().unwrap_or(Entry::DEAD);
        let entries = seqs.iter().map(&mut entry).collect();
        (index.stream, entries)
    }

    /// The first of the `wanted` messages, out of the stretch that was read last or the next.
    fn record_of(&self, wanted: &[Entry], stretch: &mut Option<Stretch>) -> Option<Record> {
        let entry = wanted.first().filter(|entry| entry.is_live())?;
        let find = |stretch: &Stretch| stretch.record(entry.at, entry.record_len());
        stretch.as_ref().and_then(find).or_else(|| {
            let places = wanted.iter().map(|entry| (entry.at, entry.record_len()));
            *stretch = Stretch::read(&self.journal, places);
            stretch.as_ref().and_then(find)
        })
    }
}
