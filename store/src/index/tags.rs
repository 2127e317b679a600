//! Sixteen bits of a subject, kept beside every message so that most messages need not be read to be passed over.

/// Tags as a sorted list up to here, as a bitmap beyond.
const LIST_TAGS_MAX: usize = 64;

const BITMAP_WORDS: usize = 65_536 / 64;

/// The tag of a subject. Part of the catalogue's format: it must never change.
pub fn subject_tag(subject: &[u8]) -> u16 {
    let hash = crc32c::crc32c(subject);
    (hash ^ (hash >> 16)) as u16
}

/// A set of tags.
#[derive(Debug, Clone)]
pub enum TagSet {
    /// Few tags, sorted.
    List(Vec<u16>),
    /// Many tags, one bit each.
    Bitmap(Box<[u64]>),
}

impl Default for TagSet {
    fn default() -> Self {
        TagSet::List(Vec::new())
    }
}

impl TagSet {
    /// The set of one tag.
    pub fn one(tag: u16) -> Self {
        TagSet::List(vec![tag])
    }

    /// Whether `tag` is in the set.
    #[inline]
    pub fn contains(&self, tag: u16) -> bool {
        match self {
            TagSet::List(tags) => match tags.as_slice() {
                [only] => *only == tag,
                several => several.binary_search(&tag).is_ok(),
            },
            TagSet::Bitmap(words) => {
                words.get(usize::from(tag) / 64).is_some_and(|word| word >> (tag % 64) & 1 == 1)
            }
        }
    }

    /// Adds `tag`.
    pub fn insert(&mut self, tag: u16) {
        match self {
            TagSet::List(tags) => {
                if let Err(at) = tags.binary_search(&tag) {
                    tags.insert(at, tag);
                }
                if tags.len() > LIST_TAGS_MAX {
                    *self = TagSet::bitmap(tags);
                }
            }
            TagSet::Bitmap(words) => set_bit(words, tag),
        }
    }

    fn bitmap(tags: &[u16]) -> Self {
        let mut words = vec![0; BITMAP_WORDS].into_boxed_slice();
        tags.iter().for_each(|tag| set_bit(&mut words, *tag));
        TagSet::Bitmap(words)
    }
}

fn set_bit(words: &mut [u64], tag: u16) {
    if let Some(word) = words.get_mut(usize::from(tag) / 64) {
        *word |= 1 << (tag % 64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_exactly_what_was_inserted_as_a_list_and_as_a_bitmap() {
        for size in [1u16, 64, 65, 5000] {
            let mut set = TagSet::default();
            for n in 0..size {
                set.insert(n.wrapping_mul(13));
            }
            let held = (0..=u16::MAX).filter(|tag| set.contains(*tag)).count();
            assert_eq!(held, usize::from(size));
        }
    }

    #[test]
    fn the_tag_of_a_subject_is_part_of_the_format() {
        assert_eq!(subject_tag(b"orders.new"), subject_tag(b"orders.new"));
        assert_eq!(subject_tag(b""), 0);
    }
}
