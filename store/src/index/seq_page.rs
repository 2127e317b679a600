//! One page of the sequence index: where 512 consecutive messages lie.
//!
//! A page in use is a plain vector of entries. A cold one is packed: most records follow each other in the journal, so
//! that an entry is its size, its tag and a zero – about five bytes. Packed pages are also what the catalogue stores
//! (docs/FORMAT.md).

use super::varint::{self, Reader};
use crate::journal::record::{Location, record_len};
use crate::sealing::OVERHEAD_BYTES;

/// Sequences per page.
pub const PAGE_SEQS: u64 = 512;

/// Where one message lies and what can be said of it without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its record; segment 0 marks a sequence without a live message.
    pub at: Location,
    /// `subject + headers + payload`, in bytes.
    pub content_bytes: u32,
    /// [`super::tags::subject_tag`] of its subject.
    pub tag: u16,
    /// Whether it has a header block.
    pub has_headers: bool,
    /// Whether its content is sealed, which takes [`OVERHEAD_BYTES`] more.
    pub sealed: bool,
}

impl Entry {
    /// The entry of a sequence without a live message.
    pub const DEAD: Entry = Entry {
        at: Location { segment: 0, offset: 0 },
        content_bytes: 0,
        tag: 0,
        has_headers: false,
        sealed: false,
    };

    /// Whether a message lies here.
    pub fn is_live(&self) -> bool {
        self.at.segment != 0
    }

    /// Bytes its record takes in the journal.
    pub fn record_len(&self) -> u32 {
        let overhead = if self.sealed { OVERHEAD_BYTES as u64 } else { 0 };
        record_len(u64::from(self.content_bytes) + overhead) as u32
    }
}

/// A run of no dead sequences says that from here on records are sealed, or are not any more.
const SEALING_CHANGES: [u8; 2] = [0, 0];

/// Packs the entries of a page; trailing dead ones are left out.
pub fn pack(entries: &[Entry]) -> Box<[u8]> {
    let mut out = Vec::with_capacity(entries.len() * 5);
    let mut expected = Location { segment: 0, offset: 0 };
    let mut dead_run = 0u64;
    let mut sealed = false;
    for entry in entries {
        if !entry.is_live() {
            dead_run += 1;
            continue;
        }
        put_dead_run(&mut out, &mut dead_run);
        if entry.sealed != sealed {
            sealed = entry.sealed;
            out.extend_from_slice(&SEALING_CHANGES);
        }
        put_live(&mut out, entry, expected);
        expected = after(entry);
    }
    out.into_boxed_slice()
}

fn put_dead_run(out: &mut Vec<u8>, run: &mut u64) {
    if *run > 0 {
        varint::put(out, 0);
        varint::put(out, *run);
        *run = 0;
    }
}

fn put_live(out: &mut Vec<u8>, entry: &Entry, expected: Location) {
    varint::put(out, ((u64::from(entry.content_bytes) << 1) | u64::from(entry.has_headers)) + 1);
    out.extend_from_slice(&entry.tag.to_le_bytes());
    if entry.at == expected {
        varint::put(out, 0);
    } else if entry.at.segment == expected.segment {
        let gap = (i64::from(entry.at.offset) - i64::from(expected.offset)) / 8;
        varint::put(out, (varint::zigzag(gap) << 1) | 1);
    } else {
        let step = i64::from(entry.at.segment) - i64::from(expected.segment);
        varint::put(out, (varint::zigzag(step) + 1) << 1);
        varint::put(out, u64::from(entry.at.offset / 8));
    }
}

fn after(entry: &Entry) -> Location {
    Location { segment: entry.at.segment, offset: entry.at.offset.saturating_add(entry.record_len()) }
}

/// Walks over the live entries of a packed page: (slot, entry), slots ascending.
#[derive(Debug, Clone)]
pub struct Unpacker<'a> {
    reader: Reader<'a>,
    slot: usize,
    expected: Location,
    sealed: bool,
}

impl<'a> Unpacker<'a> {
    /// Starts at slot 0.
    pub fn new(packed: &'a [u8]) -> Self {
        Self {
            reader: Reader::new(packed),
            slot: 0,
            expected: Location { segment: 0, offset: 0 },
            sealed: false,
        }
    }

    /// Whether the whole page has been read; false after the end means that it was damaged.
    pub fn is_complete(&self) -> bool {
        self.reader.is_empty()
    }

    /// Passes over messages before `slot` as long as each lies right behind the one before, as nearly all do.
    fn skip_to(&mut self, slot: usize) {
        while self.slot < slot {
            let (head, rest) = match self.reader.rest() {
                [head @ 1..=0x7f, _, _, 0, rest @ ..] => (u64::from(*head), rest),
                [low @ 0x80..=0xff, high @ 1..=0x7f, _, _, 0, rest @ ..] => {
                    (u64::from(low & 0x7f) | u64::from(*high) << 7, rest)
                }
                _ => return,
            };
            let sealed = if self.sealed { OVERHEAD_BYTES as u64 } else { 0 };
            let len = record_len(((head - 1) >> 1) + sealed) as u32;
            self.expected.offset = self.expected.offset.saturating_add(len);
            self.reader = Reader::new(rest);
            self.slot += 1;
        }
    }

    #[inline]
    fn location(&mut self) -> Option<Location> {
        let code = self.reader.number()?;
        if code == 0 {
            return Some(self.expected);
        }
        if code & 1 == 1 {
            let offset = i64::from(self.expected.offset) + varint::unzigzag(code >> 1).checked_mul(8)?;
            return Some(Location { segment: self.expected.segment, offset: offset.try_into().ok()? });
        }
        let step = varint::unzigzag((code >> 1) - 1);
        let segment = i64::from(self.expected.segment).checked_add(step)?;
        let offset = self.reader.small()?.checked_mul(8)?;
        Some(Location { segment: segment.try_into().ok()?, offset })
    }
}

impl Iterator for Unpacker<'_> {
    type Item = (usize, Entry);

    #[inline]
    fn next(&mut self) -> Option<(usize, Entry)> {
        let mut head = self.reader.number()?;
        while head == 0 {
            let run = usize::try_from(self.reader.number()?).ok()?;
            self.sealed ^= run == 0;
            self.slot = self.slot.checked_add(run)?;
            head = self.reader.number()?;
        }
        let head = head.checked_sub(1)?;
        let content_bytes = u32::try_from(head >> 1).ok()?;
        let tag = self.reader.u16()?;
        let (at, sealed) = (self.location()?, self.sealed);
        let entry = Entry { at, content_bytes, tag, has_headers: head & 1 == 1, sealed };
        self.expected = after(&entry);
        let slot = self.slot;
        self.slot += 1;
        Some((slot, entry))
    }
}

/// Replaces `entries` by all entries of a packed page, dead ones included; `None` when the page is damaged.
pub fn unpack(packed: &[u8], entries: &mut Vec<Entry>) -> Option<()> {
    entries.clear();
    let mut unpacker = Unpacker::new(packed);
    for (slot, entry) in unpacker.by_ref() {
        if slot >= PAGE_SEQS as usize {
            return None;
        }
        if slot > entries.len() {
            entries.resize(slot, Entry::DEAD);
        }
        entries.push(entry);
    }
    unpacker.is_complete().then_some(())
}

/// A packed page without the message at `slot`, which must be live, and what it was; `None` when the page is damaged.
pub fn without(packed: &[u8], slot: usize) -> Option<(Box<[u8]>, Entry)> {
    let mut unpacker = Unpacker::new(packed);
    loop {
        unpacker.skip_to(slot);
        let before = unpacker.clone();
        let (at, removed) = unpacker.next()?;
        if at < slot {
            continue;
        }
        let mut out = packed.get(..packed.len() - before.reader.remaining())?.to_vec();
        if let Some((at, next)) = unpacker.next() {
            put_dead_run(&mut out, &mut (at.checked_sub(before.slot)? as u64));
            if next.sealed != before.sealed {
                out.extend_from_slice(&SEALING_CHANGES);
            }
            put_live(&mut out, &next, before.expected);
            out.extend_from_slice(packed.get(packed.len() - unpacker.reader.remaining()..)?);
        }
        return (at == slot).then(|| (out.into_boxed_slice(), removed));
    }
}

/// The live message at `slot` of a packed page, if there is one; `None` when the page is damaged before it.
pub fn find(packed: &[u8], slot: usize) -> Option<Option<Entry>> {
    let mut unpacker = Unpacker::new(packed);
    loop {
        unpacker.skip_to(slot);
        match unpacker.next() {
            Some((at, _)) if at < slot => {}
            Some((at, entry)) => return Some((at == slot).then_some(entry)),
            None => return unpacker.is_complete().then_some(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let one = (0u32..4, 0u32..1 << 20, 0u32..100_000, any::<u16>(), any::<[bool; 2]>()).prop_map(
            |(segment, offset, content_bytes, tag, [has_headers, sealed])| match segment {
                0 => Entry::DEAD,
                _ => Entry {
                    at: Location { segment, offset: offset * 8 },
                    content_bytes,
                    tag,
                    has_headers,
                    sealed,
                },
            },
        );
        let scattered = proptest::collection::vec((one, any::<bool>(), any::<bool>()), 0..512);
        scattered.prop_map(|entries| {
            let mut page: Vec<Entry> = Vec::new();
            for (mut entry, follows, is_small) in entries {
                let before = page.iter().rev().find(|entry| entry.is_live()).filter(|_| follows);
                if let Some(before) = before.filter(|_| entry.is_live()) {
                    (entry.at, entry.sealed) = (after(before), before.sealed);
                }
                entry.content_bytes >>= if is_small && entry.is_live() { 11 } else { 0 };
                page.push(entry);
            }
            page
        })
    }

    proptest! {
        #[test]
        fn a_page_survives_packing(mut page in entries()) {
            let packed = pack(&page);
            while page.last().is_some_and(|entry| !entry.is_live()) {
                page.pop();
            }
            let mut unpacked = Vec::new();
            prop_assert_eq!(unpack(&packed, &mut unpacked), Some(()));
            prop_assert_eq!(&unpacked, &page);
            for slot in 0..PAGE_SEQS as usize {
                let live = page.get(slot).copied().filter(Entry::is_live);
                prop_assert_eq!(find(&packed, slot), Some(live));
                let mut left = page.clone();
                let removed = live.map(|live| (std::mem::replace(&mut left[slot], Entry::DEAD), live));
                let expected = removed.map(|(removed, _)| (pack(&left), removed));
                prop_assert_eq!(without(&packed, slot), expected);
            }
        }

        #[test]
        fn a_damaged_page_never_panics(bytes: Vec<u8>) {
            let _ = unpack(&bytes, &mut Vec::new());
            let _ = find(&bytes, 100);
            let _ = without(&bytes, 100);
        }
    }

    #[test]
    fn records_that_follow_each_other_take_about_five_bytes() {
        let mut at = Location { segment: 7, offset: 64 };
        let page: Vec<Entry> = (0..512u16)
            .map(|n| {
                let entry = Entry { at, content_bytes: 150, tag: n, has_headers: false, sealed: false };
                at = after(&entry);
                entry
            })
            .collect();
        assert!(pack(&page).len() <= 512 * 5 + 8);
    }
}
