//! What readers in sequence will want next, read together with what they want now.
//!
//! A piece is a copy of bytes that were written, which do not change while their segment exists; ids of segments are not
//! given twice. So nothing here is ever taken back, and who finds a record damaged in a piece reads it from the disk.

use bytes::Bytes;
use parking_lot::Mutex;

use super::record::Location;

/// Bytes of a piece.
pub const PIECE_BYTES: usize = 32 << 10;

/// Readers that are followed at a time: their pieces are half a MiB together.
const READERS_MAX: usize = 16;

/// A record so many bytes behind the one before is still in sequence: those of other streams lie between.
const GAP_BYTES_MAX: u32 = PIECE_BYTES as u32 / 2;

/// Larger records are read alone.
const RECORD_BYTES_MAX: usize = PIECE_BYTES / 4;

/// Where a record is to be had.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Here.
    Piece(Bytes),
    /// Next in some reader's sequence: worth reading a piece for, see [`ReadAhead::put`].
    Next,
    /// On the disk, alone.
    Apart,
}

/// Readers in sequence, and a piece of what lies before each.
#[derive(Debug, Default)]
pub struct ReadAhead {
    readers: Mutex<Readers>,
}

#[derive(Debug, Default)]
struct Readers {
    places: [Reader; READERS_MAX],
    uses: u64,
}

#[derive(Debug, Default)]
struct Reader {
    segment: u32,
    start: u32,
    piece: Bytes,
    /// Where the record ends that was read last.
    read_to: u32,
    last_use: u64,
}

impl ReadAhead {
    /// Looks for the record of `len` bytes at `at`, and notes that it is read.
    pub fn find(&self, at: Location, len: usize) -> Found {
        if len > RECORD_BYTES_MAX {
            return Found::Apart;
        }
        let mut readers = self.readers.lock();
        let now = readers.next_use();
        if let Some(bytes) = readers.places.iter_mut().find_map(|reader| reader.read(at, len, now)) {
            return Found::Piece(bytes);
        }
        if readers.places.iter().any(|reader| reader.is_before(at)) {
            return Found::Next;
        }
        if let Some(idlest) = readers.places.iter_mut().min_by_key(|reader| reader.last_use) {
            *idlest = Reader::new(at, len, now, Bytes::new());
        }
        Found::Apart
    }

    /// Takes in the piece at `at`, whose first `len` bytes are the record that was looked for.
    pub fn put(&self, at: Location, len: usize, piece: Bytes) {
        let mut readers = self.readers.lock();
        let now = readers.next_use();
        if let Some(reader) = readers.places.iter_mut().find(|reader| reader.is_before(at)) {
            *reader = Reader::new(at, len, now, piece);
        }
    }
}

impl Readers {
    fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }
}

impl Reader {
    fn new(at: Location, len: usize, now: u64, piece: Bytes) -> Self {
        let read_to = at.offset.saturating_add(len as u32);
        Self { segment: at.segment, start: at.offset, piece, read_to, last_use: now }
    }

    fn read(&mut self, at: Location, len: usize, now: u64) -> Option<Bytes> {
        if at.segment != self.segment {
            return None;
        }
        let from = at.offset.checked_sub(self.start)? as usize;
        let to = from.checked_add(len).filter(|to| *to <= self.piece.len())?;
        self.read_to = at.offset.saturating_add(len as u32);
        self.last_use = now;
        Some(self.piece.slice(from..to))
    }

    fn is_before(&self, at: Location) -> bool {
        let gap = at.offset.checked_sub(self.read_to);
        self.segment == at.segment && gap.is_some_and(|gap| gap <= GAP_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(segment: u32, offset: u32) -> Location {
        Location { segment, offset }
    }

    fn piece() -> Bytes {
        (0..=255).cycle().take(PIECE_BYTES).collect::<Vec<u8>>().into()
    }

    #[test]
    fn the_second_record_of_a_sequence_is_worth_a_piece_and_the_rest_is_in_it() {
        let ahead = ReadAhead::default();
        assert_eq!(ahead.find(at(3, 64), 100), Found::Apart);
        assert_eq!(ahead.find(at(3, 164), 100), Found::Next);
        ahead.put(at(3, 164), 100, piece());
        assert_eq!(ahead.find(at(3, 264), 100), Found::Piece(piece().slice(100..200)));
        assert_eq!(ahead.find(at(4, 364), 100), Found::Apart);
    }

    #[test]
    fn a_record_that_is_not_whole_in_a_piece_is_the_first_of_the_next() {
        let ahead = ReadAhead::default();
        ahead.find(at(3, 64), 100);
        ahead.put(at(3, 164), 100, piece().slice(..250));
        assert_eq!(ahead.find(at(3, 264), 100), Found::Piece(piece().slice(100..200)));
        assert_eq!(ahead.find(at(3, 364), 100), Found::Next);
    }

    #[test]
    fn readers_here_and_there_do_not_push_out_the_one_in_sequence() {
        let ahead = ReadAhead::default();
        ahead.find(at(3, 64), 100);
        ahead.put(at(3, 164), 100, piece());
        for n in 1..200 {
            assert!(matches!(ahead.find(at(3, 164 + n * 100), 100), Found::Piece(_)));
            assert_eq!(ahead.find(at(10 + n, 64), 100), Found::Apart);
        }
    }

    #[test]
    fn large_records_are_read_alone() {
        let ahead = ReadAhead::default();
        assert_eq!(ahead.find(at(3, 64), RECORD_BYTES_MAX + 8), Found::Apart);
        assert_eq!(ahead.find(at(3, 64 + RECORD_BYTES_MAX as u32 + 8), 100), Found::Apart);
    }
}
