//! Bodies of the records that are not messages.

use crate::index::varint::{self, Reader};

/// Encodes ascending sequences: their count, the first, then differences.
pub fn encode_seqs(seqs: &[u64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + seqs.len() * 2);
    varint::put(&mut out, seqs.len() as u64);
    let mut before = 0;
    for seq in seqs {
        varint::put(&mut out, seq.wrapping_sub(before));
        before = *seq;
    }
    out
}

/// Decodes what [`encode_seqs`] wrote.
pub fn decode_seqs(bytes: &[u8]) -> Option<Vec<u64>> {
    let mut reader = Reader::new(bytes);
    let count = usize::try_from(reader.number()?).ok().filter(|count| *count <= bytes.len())?;
    let mut seqs = Vec::with_capacity(count);
    let mut seq = 0u64;
    for _ in 0..count {
        seq = seq.checked_add(reader.number()?)?;
        seqs.push(seq);
    }
    Some(seqs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sequences_survive_the_round_trip(mut seqs: Vec<u64>) {
            seqs.sort_unstable();
            prop_assert_eq!(decode_seqs(&encode_seqs(&seqs)), Some(seqs));
        }
    }
}
