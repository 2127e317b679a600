//! One connection's memory of where its subjects lead.

use std::sync::Arc;

use super::{Matches, SubjectHash, SubjectIndex};

/// Slots of a fresh cache.
const SLOTS_MIN: usize = 8;
/// Slots of a cache whose connection publishes to many subjects.
const SLOTS_MAX: usize = 256;

/// Maps a publish subject to the subscriptions it reaches. Direct-mapped and bounded.
///
/// An answer is stored when its subject comes a second time, so that replies to inboxes, which come once each, cost nothing.
#[derive(Default)]
pub struct RouteCache {
    /// Empty until the connection publishes; a power of two after that.
    slots: Vec<Slot>,
    /// Subjects that lost their slot to another one, since the cache last grew.
    displaced: usize,
}

#[derive(Default)]
struct Slot {
    /// Of the subject seen last.
    hash: u64,
    generation: u64,
    subject: Box<[u8]>,
    matches: Option<Arc<Matches>>,
}

/// The answer of a [`RouteCache`].
pub enum Lookup {
    /// The stored answer, still true.
    Known(Arc<Matches>),
    /// Not stored, and not worth storing yet.
    FirstSeen,
    /// Not stored; the caller should find out and [`store`](RouteCache::store) it.
    Wanted {
        /// To be handed back with the answer.
        generation: u64,
    },
}

impl RouteCache {
    /// What is known of `subject`.
    pub fn look_up(&mut self, index: &SubjectIndex, subject: &[u8]) -> Lookup {
        let hash = SubjectHash::of(subject);
        let generation = index.generation(subject);
        let Some(slot) = self.slot(hash) else {
            self.slots.resize_with(SLOTS_MIN, Slot::default);
            return self.note(hash);
        };
        if slot.hash != hash {
            return self.note(hash);
        }
        match &slot.matches {
            Some(matches) if slot.generation == generation && *slot.subject == *subject => {
                Lookup::Known(matches.clone())
            }
            _ => Lookup::Wanted { generation },
        }
    }

    /// Remembers the answer for `subject`, found after `generation` was asked for.
    pub fn store(&mut self, subject: &[u8], generation: u64, matches: Arc<Matches>) {
        if let Some(slot) = self.slot(SubjectHash::of(subject)) {
            slot.generation = generation;
            slot.subject = subject.into();
            slot.matches = Some(matches);
        }
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
    fn note(&mut self, hash: u64) -> Lookup {
        self.grow_if_crowded();
        let displaced = self.slot(hash).is_some_and(|slot| {
            slot.matches = None;
            std::mem::replace(&mut slot.hash, hash) != 0
        });
        self.displaced += usize::from(displaced);
        Lookup::FirstSeen
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
