//! One file: what readers see, what is on the platter, and the sectors in between.

use std::collections::BTreeMap;

use crate::rng::Rng;

/// What the disk writes whole or not at all, in bytes.
pub const SECTOR_BYTES: usize = 512;

/// States of one sector between two syncs that are remembered.
const VERSIONS_MAX: usize = 4;

/// What a power cut does to what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// All of it is gone.
    Forgetful,
    /// All of it is there.
    Kind,
    /// Each sector is as it was at some moment since the last sync; names and lengths as well.
    Random,
}

impl Mood {
    /// Any of them.
    pub fn any(rng: &mut Rng) -> Self {
        match rng.below(10) {
            0 | 1 => Self::Forgetful,
            2 => Self::Kind,
            _ => Self::Random,
        }
    }
}

/// The bytes of a file.
#[derive(Debug, Default)]
pub struct Content {
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors written since the last sync, each with the states it has been in.
    dirty: BTreeMap<usize, Vec<Vec<u8>>>,
    /// The last of them.
    last_written: usize,
}

impl Content {
    /// Bytes of the file.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// What readers see.
    pub fn seen(&self) -> &[u8] {
        &self.seen
    }

    /// Fills `buf` from `offset`; returns how much of it.
    pub fn read(&self, buf: &mut [u8], offset: usize) -> usize {
        let rest = self.seen.get(offset..).unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        len
    }

    /// Writes, for readers to see; the platter hears of it at the next sync.
    pub fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if end > self.seen.len() {
            self.seen.resize(end, 0);
        }
        self.seen[offset..end].copy_from_slice(bytes);
        for sector in offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES) {
            let state = self.sector(sector).to_vec();
            let states = self.dirty.entry(sector).or_default();
            if states.len() == VERSIONS_MAX {
                states.remove(0);
            }
            states.push(state);
            self.last_written = sector;
        }
    }

    /// Makes the file longer, with zeros.
    pub fn grow(&mut self, len: usize) {
        if len > self.seen.len() {
            self.seen.resize(len, 0);
        }
    }

    /// What readers see becomes durable, but for what an earlier failed sync has forgotten.
    pub fn sync(&mut self) {
        self.durable.resize(self.seen.len(), 0);
        for sector in std::mem::take(&mut self.dirty).into_keys() {
            let range = range_of(sector, self.seen.len());
            self.durable[range.clone()].copy_from_slice(&self.seen[range]);
        }
    }

    /// A sync that leaves out the sector that was written last.
    pub fn sync_late(&mut self) {
        let last = self.dirty.remove_entry(&self.last_written);
        self.sync();
        self.dirty.extend(last);
    }

    /// A sync that fails: some sectors were written. The others count as clean from now on, so that no later sync writes
    /// them; some can still be seen, some not any more.
    pub fn fail_sync(&mut self, rng: &mut Rng) {
        self.durable.resize(self.seen.len(), 0);
        for sector in std::mem::take(&mut self.dirty).into_keys() {
            let range = range_of(sector, self.seen.len());
            match rng.below(3) {
                0 => self.durable[range.clone()].copy_from_slice(&self.seen[range]),
                1 => self.seen[range.clone()].copy_from_slice(&self.durable[range]),
                _ => {}
            }
        }
    }

    /// The power goes.
    pub fn cut(&mut self, mood: Mood, rng: &mut Rng) {
        let len = self.len_after_cut(mood, rng);
        self.durable.resize(len, 0);
        for (sector, states) in std::mem::take(&mut self.dirty) {
            let range = range_of(sector, len);
            let state = match mood {
                Mood::Forgetful => continue,
                Mood::Kind => &states[states.len() - 1],
                Mood::Random if rng.percent(50) => continue,
                Mood::Random => rng.pick(&states),
            };
            let held = state.len().min(range.len());
            self.durable[range][..held].copy_from_slice(&state[..held]);
        }
        self.seen.clone_from(&self.durable);
    }

    /// The disk itself loses one bit, for good.
    pub fn flip(&mut self, at: usize, bit: u8) {
        for bytes in [&mut self.seen, &mut self.durable] {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
        }
    }

    fn len_after_cut(&self, mood: Mood, rng: &mut Rng) -> usize {
        let (durable, seen) = (self.durable.len(), self.seen.len());
        match mood {
            Mood::Forgetful => durable,
            Mood::Kind => seen,
            Mood::Random if durable < seen && rng.percent(30) => {
                let sectors = (seen - durable).div_ceil(SECTOR_BYTES);
                seen.min(durable + rng.index(sectors + 1) * SECTOR_BYTES)
            }
            Mood::Random => *rng.pick(&[durable, seen]),
        }
    }

    fn sector(&self, sector: usize) -> &[u8] {
        &self.seen[range_of(sector, self.seen.len())]
    }
}

fn range_of(sector: usize, len: usize) -> std::ops::Range<usize> {
    (sector * SECTOR_BYTES).min(len)..((sector + 1) * SECTOR_BYTES).min(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(synced: &[u8], then: &[u8]) -> Content {
        let mut content = Content::default();
        content.write(synced, 0);
        content.sync();
        content.write(then, 0);
        content
    }

    #[test]
    fn what_was_synced_survives_whatever_happens() {
        for seed in 0..50 {
            let mut content = Content::default();
            content.write(&[7; 2000], 0);
            content.sync();
            content.write(&[8; 700], 3000);
            content.cut(Mood::any(&mut Rng::new(seed)), &mut Rng::new(seed));
            assert_eq!(&content.seen()[..2000], &[7; 2000]);
        }
    }

    #[test]
    fn what_was_not_synced_is_torn_at_sectors_and_nowhere_else() {
        let mut torn = 0;
        for seed in 0..50 {
            let mut content = written(&[1; 2048], &[2; 2048]);
            content.cut(Mood::Random, &mut Rng::new(seed));
            let sectors: Vec<u8> = content.seen().chunks(SECTOR_BYTES).map(|sector| sector[0]).collect();
            assert!(content.seen().chunks(SECTOR_BYTES).all(|sector| sector.iter().all(|b| *b == sector[0])));
            torn += u32::from(sectors.contains(&1) && sectors.contains(&2));
        }
        assert!(torn > 20);
    }

    #[test]
    fn a_failed_sync_loses_sectors_that_no_later_sync_writes() {
        let lost = (0..50).filter(|seed| {
            let mut content = written(&[1; 512], &[2; 512]);
            content.fail_sync(&mut Rng::new(*seed));
            content.sync();
            content.cut(Mood::Kind, &mut Rng::new(0));
            content.seen()[0] == 1
        });
        assert!((10..50).contains(&lost.count()));
    }
}
