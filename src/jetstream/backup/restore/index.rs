//! `index.db`: which messages of the blocks are deleted.
//!
//! ```text
//! 11, version 1–4
//! messages, bytes, first sequence, time*, last sequence, time*
//! number of subjects, then for each: length, name, messages, first block, last block (version 4, or more than one message)
//! number of blocks, then for each: number, bytes, first sequence, time*, last sequence, time*, number of deleted,
//!   messages with a life of their own (version 2), schedules (version 3), the set of deleted sequences if any
//! ```
//!
//! Numbers are varints, those with * zigzag. A set is 22, version 1 or 2, number of nodes (4), number of members (4), then
//! nodes: the first sequence (8), 64 or 32 words of 8 bytes with a bit for each sequence, height (2).
//!
//! Everything in it could be learnt from the blocks, but for deletions in some cases; so what cannot be read of it is done
//! without, as nats-server does.

use super::super::RestoreError;
use super::super::entry::{signed, take};
use super::super::gather::Gather;
use super::building::Building;

const MAGIC: u8 = 11;
const VERSIONS: std::ops::RangeInclusive<u8> = 1..=4;
const SET_MAGIC: u8 = 22;
/// The most nodes of a set: a block has no more messages than that.
const NODES_MAX: u32 = 1 << 16;
/// The longest subject.
const SUBJECT_BYTES_MAX: u64 = 1 << 16;

/// Reads an index.
#[derive(Debug, Default)]
pub struct Index {
    items: Gather,
    expected: Expected,
    version: u8,
    first_seq: u64,
    last_seq: u64,
    last_ts: i64,
    /// Nodes of the sets: the first sequence, and a bit for each of those that are deleted.
    deleted: Vec<(u64, Vec<u64>)>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Expected {
    #[default]
    State,
    Subjects(u64),
    BlockCount,
    Blocks(u64),
    Nothing,
}

/// Something in it makes no sense.
struct Malformed;

impl Index {
    /// Takes a piece.
    pub fn feed(&mut self, piece: &[u8]) {
        let mut items = std::mem::take(&mut self.items);
        if items.feed(piece, |bytes| self.take(bytes)).is_err() {
            log::warn!("the index of a backup cannot be read");
            self.expected = Expected::Nothing;
        }
        self.items = items;
    }

    /// Removes what is deleted.
    pub fn apply(self, building: &mut Building) -> Result<(), RestoreError> {
        if self.last_seq == 0 {
            return Ok(());
        }
        let known = building.last_seq();
        if known == 0 || known == self.last_seq {
            building.end_at(self.last_seq, self.last_ts);
        }
        let end = building.last_seq().saturating_add(1);
        building.begin_at(self.first_seq.min(end), self.last_ts)?;
        for (base, words) in self.deleted {
            for (at, word) in words.into_iter().enumerate() {
                let first = base.saturating_add(64 * at as u64);
                for bit in (0..64).filter(|bit| word & (1 << bit) != 0) {
                    building.remove(first.saturating_add(bit))?;
                }
            }
        }
        Ok(())
    }

    /// Takes the next item from the front; how long it was, or `None` if it is not whole.
    fn take(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        let mut rest = bytes;
        let taken = match self.expected {
            Expected::State => self.take_state(&mut rest),
            Expected::Subjects(left) => self.take_subject(&mut rest, left),
            Expected::BlockCount => number(&mut rest).map(|count| self.expected = Expected::blocks(count)),
            Expected::Blocks(left) => self.take_block(&mut rest, left),
            Expected::Nothing => return Ok(Some(bytes.len())),
        };
        match taken {
            Ok(()) => Ok(Some(bytes.len() - rest.len())),
            Err(Missing::More) => Ok(None),
            Err(Missing::Sense) => Err(Malformed),
        }
    }

    fn take_state(&mut self, rest: &mut &[u8]) -> Result<(), Missing> {
        let Some((&[magic, version], numbers)) = rest.split_first_chunk::<2>() else {
            return Err(Missing::More);
        };
        if magic != MAGIC || !VERSIONS.contains(&version) {
            return Err(Missing::Sense);
        }
        *rest = numbers;
        let (_messages, _bytes) = (number(rest)?, number(rest)?);
        let (first_seq, _first_ts) = (number(rest)?, number(rest)?);
        let (last_seq, last_ts) = (number(rest)?, number(rest)?);
        let subjects = number(rest)?;
        (self.version, self.first_seq, self.last_seq) = (version, first_seq, last_seq);
        self.last_ts = signed(last_ts);
        self.expected = Expected::subjects(subjects);
        Ok(())
    }

    fn take_subject(&mut self, rest: &mut &[u8], left: u64) -> Result<(), Missing> {
        let bytes = number(rest)?;
        if bytes > SUBJECT_BYTES_MAX {
            return Err(Missing::Sense);
        }
        if bytes > 0 {
            *rest = rest.get(bytes as usize..).ok_or(Missing::More)?;
            let (messages, _first_block) = (number(rest)?, number(rest)?);
            if messages > 1 || self.version >= 4 {
                number(rest)?;
            }
        }
        self.expected = Expected::subjects(left.saturating_sub(1));
        Ok(())
    }

    fn take_block(&mut self, rest: &mut &[u8], left: u64) -> Result<(), Missing> {
        for _ in ["number", "bytes", "first sequence", "time", "last sequence", "time"] {
            number(rest)?;
        }
        let deleted = number(rest)?;
        for _ in 2..=self.version.min(3) {
            number(rest)?;
        }
        if deleted > 0 {
            let nodes = set(rest)?;
            self.deleted.extend(nodes);
        }
        self.expected = Expected::blocks(left.saturating_sub(1));
        Ok(())
    }
}

impl Expected {
    fn subjects(left: u64) -> Self {
        if left == 0 { Self::BlockCount } else { Self::Subjects(left) }
    }

    fn blocks(left: u64) -> Self {
        if left == 0 { Self::Nothing } else { Self::Blocks(left) }
    }
}

/// What an item lacks.
enum Missing {
    /// Bytes that are still to come.
    More,
    Sense,
}

fn number(rest: &mut &[u8]) -> Result<u64, Missing> {
    take(rest).map_err(|_| Missing::Sense)?.ok_or(Missing::More)
}

fn set(rest: &mut &[u8]) -> Result<Vec<(u64, Vec<u64>)>, Missing> {
    let (head, nodes) = rest.split_first_chunk::<10>().ok_or(Missing::More)?;
    let [magic, version, a, b, c, d, ..] = *head;
    let count = u32::from_le_bytes([a, b, c, d]);
    let words = match version {
        1 => 64,
        2 => 32,
        _ => return Err(Missing::Sense),
    };
    if magic != SET_MAGIC || count > NODES_MAX {
        return Err(Missing::Sense);
    }
    let node_bytes = 8 * (1 + words) + 2;
    let bytes = node_bytes * count as usize;
    *rest = nodes.get(bytes..).ok_or(Missing::More)?;
    let word = |bytes: &[u8]| bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let node = |node: &[u8]| {
        let (base, bits) = node.split_at_checked(8).unwrap_or_default();
        (word(base), bits.chunks_exact(8).take(words).map(word).collect())
    };
    Ok(nodes.get(..bytes).unwrap_or_default().chunks_exact(node_bytes).map(node).collect())
}
