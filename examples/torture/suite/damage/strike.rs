//! Where a store is hit, and with what.

use std::collections::BTreeMap;

use headwater::store::journal::record::Location;

use super::base::Base;
use crate::suite::rng::Rng;
use crate::suite::scratch::Image;

/// Flash and file systems lose this much at once.
const SECTORS: [u64; 2] = [512, 4096];

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// One bit is flipped.
    Flip(u8),
    /// A sector of this many bytes is zeros.
    Zero(u64),
}

/// One hit.
#[derive(Debug, Clone)]
pub struct Strike {
    pub file: String,
    pub at: u64,
    pub blow: Blow,
    /// Whether the catalogue is there, too, or lost besides.
    pub catalog: bool,
}

impl Strike {
    /// The hit of a number: the files take turns, and every kind of blow comes equally often to each.
    pub fn new(base: &Base, number: u64, rng: &mut Rng) -> Self {
        let catalog = number % 3 != 0;
        let journal = !catalog || number % 2 == 0;
        let prefix = if journal { "journal/" } else { "catalog/" };
        let files: Vec<(&String, &Vec<u8>)> =
            base.image.iter().filter(|(path, bytes)| path.starts_with(prefix) && !bytes.is_empty()).collect();
        let (file, bytes) = rng.pick(&files);
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(bytes.len(), |last| last + 1) as u64;
        let at = match rng.below(20) {
            0 => rng.below(used.min(64)),
            1 => rng.below(bytes.len() as u64),
            _ => rng.below(used),
        };
        let blow = match rng.below(3) {
            0 => Blow::Zero(*rng.pick(&SECTORS)),
            _ => Blow::Flip(rng.below(8) as u8),
        };
        Self { file: (*file).clone(), at, blow, catalog }
    }

    /// The store with this damage.
    pub fn apply(&self, image: &Image) -> Image {
        let kept = image.iter().filter(|(path, _)| self.catalog || !path.starts_with("catalog/"));
        let mut struck: Image = kept.map(|(path, bytes)| (path.clone(), bytes.clone())).collect();
        let bytes = struck.get_mut(&self.file).expect("the file that is struck");
        let (from, to) = self.range();
        let to = (to as usize).min(bytes.len());
        match self.blow {
            Blow::Flip(bit) => bytes[from as usize] ^= 1 << bit,
            Blow::Zero(_) => bytes[from as usize..to].fill(0),
        }
        struck
    }

    /// The bytes that are hit.
    pub fn range(&self) -> (u64, u64) {
        match self.blow {
            Blow::Flip(_) => (self.at, self.at + 1),
            Blow::Zero(len) => (self.at / len * len, self.at / len * len + len),
        }
    }

    /// The segment that is hit.
    pub fn segment(&self) -> Option<u32> {
        self.file.strip_prefix("journal/")?.strip_suffix(".seg")?.parse().ok()
    }
}

/// Records by where they lie, to find those a strike has hit.
pub type Places = BTreeMap<Location, usize>;
