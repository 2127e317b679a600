//! One connection's memory of where its subjects lead.

use super::{Matches, Route, SubjectHash, SubjectIndex};

/// Slots of a fresh cache.
const SLOTS_MIN: usize = 8;
/// Slots of a cache whose connection publishes to many subjects.
const SLOTS_MAX: usize = 256;

/// Maps a publish subject to the subscriptions it reaches. Direct-mapped and bounded.
///
/// An answer is stored when its subject comes a second time. Replies to inboxes, which come once each, go where the last new
/// subject went.
#[derive(Default)]
pub struct RouteCache {
    /// Empty until the connection publishes; a power of two after that.
    slots: Vec<Slot>,
    /// Subjects that lost their slot to another one, since the cache last grew.
    displaced: usize,
    /// Where the last new subject leads.
    newest: Route,
}

#[derive(Default)]
struct Slot {
    /// Of the subject seen last.
    hash: u64,
    route: Route,
}

impl RouteCache {
    /// Calls `deliver` with whom `subject` reaches.
    pub fn with_matches<T>(
        &mut self,
        index: &SubjectIndex,
        subject: &[u8],
        deliver: impl FnOnce(&Matches) -> T,
    ) -> T {
        if self.newest.covers(subject) {
            let delivered = deliver(self.newest.renewed(index, subject));
            self.newest.clear_if_wide();
            return delivered;
        }
        let hash = SubjectHash::of(subject);
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS_MIN, Slot::default);
        }
        if let Some(slot) = self.slot(hash).filter(|slot| slot.hash == hash) {
            return deliver(slot.route.find(index, subject));
        }
        self.note(hash);
        let delivered = deliver(self.newest.find(index, subject));
        self.newest.clear_if_wide();
        delivered
    }

    /// Forgets everything and gives the memory back.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn slot(&mut self, hash: u64) -> Option<&mut Slot> {
        let mask = self.slots.len().wrapping_sub(1);
        self.slots.get_mut(hash as usize & mask)
    }

    /// Makes the slot wait for a second message to the subject of this hash.
    fn note(&mut self, hash: u64) {
        self.grow_if_crowded();
        if let Some(slot) = self.slot(hash) {
            let displaced = std::mem::replace(slot, Slot { hash, ..Slot::default() });
            self.displaced += usize::from(displaced.hash != 0);
        }
    }

    fn grow_if_crowded(&mut self) {
        let slots = self.slots.len();
        if self.displaced > slots && slots < SLOTS_MAX {
            self.displaced = 0;
            let old = std::mem::take(&mut self.slots);
            self.slots.resize_with(slots * 2, Slot::default);
            for entry in old {
                if let Some(slot) = self.slot(entry.hash) {
                    *slot = entry;
                }
            }
        }
    }
}
