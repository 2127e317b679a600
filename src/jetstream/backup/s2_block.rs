//! One compressed block of S2, of which Snappy is a part: literals and copies of what came before.
//!
//! ```text
//! length of the block, decompressed: varint
//! tag, its lowest two bits: 0 literal, 1 copy from less than 2 KiB back or from as far back as the last time,
//!   2 copy from less than 64 KiB back, 3 copy from anywhere
//! ```

use std::fmt;

/// The longest block that is taken, decompressed.
pub const BLOCK_BYTES_MAX: usize = 4 << 20;

/// The block is not what a compressor writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadBlock;

impl fmt::Display for BadBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("compressed data is corrupt")
    }
}

/// The longest block that [`compress`] takes: offsets into it have 16 bits.
pub const COMPRESS_BYTES_MAX: usize = 1 << 16;
const HASH_BITS: u32 = 13;
const MATCH_BYTES_MIN: usize = 4;
/// The longest copy with an offset of 16 bits.
const COPY_BYTES_MAX: usize = 64;

/// Who has to understand a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Whoever reads S2.
    S2,
    /// Whoever reads Snappy: there are no copies from as far back as the last time.
    Snappy,
}

/// Compresses up to [`COMPRESS_BYTES_MAX`] bytes; `out` is emptied first.
pub fn compress(plain: &[u8], dialect: Dialect, out: &mut Vec<u8>) {
    let put_copy = match dialect {
        Dialect::S2 => put_copy,
        Dialect::Snappy => put_plain_copies,
    };
    out.clear();
    put_varint(out, plain.len());
    let mut last_seen = vec![0u16; 1 << HASH_BITS];
    let (mut at, mut copied_up_to) = (1, 0);
    while let Some(word) = word_at(plain, at) {
        let slot = &mut last_seen[(word.wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS)) as usize];
        let candidate = usize::from(std::mem::replace(slot, at as u16));
        if candidate >= at || word_at(plain, candidate) != Some(word) {
            // The longer nothing matches, the larger the steps.
            at += 1 + ((at - copied_up_to) >> 5);
            continue;
        }
        let length = common_length(plain, candidate, at);
        put_literal(out, plain.get(copied_up_to..at).unwrap_or_default());
        put_copy(out, at - candidate, length);
        at += length;
        copied_up_to = at;
    }
    put_literal(out, plain.get(copied_up_to..).unwrap_or_default());
}

fn word_at(plain: &[u8], at: usize) -> Option<u32> {
    plain.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn common_length(plain: &[u8], earlier: usize, later: usize) -> usize {
    let pairs = plain.iter().skip(earlier).zip(plain.iter().skip(later));
    pairs.take_while(|(a, b)| a == b).count()
}

fn put_varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_literal(out: &mut Vec<u8>, literal: &[u8]) {
    match literal.len() {
        0 => return,
        length @ ..=60 => out.push(((length - 1) << 2) as u8),
        length @ ..=256 => out.extend([60 << 2, (length - 1) as u8]),
        length => {
            out.push(61 << 2);
            out.extend(((length - 1) as u16).to_le_bytes());
        }
    }
    out.extend_from_slice(literal);
}

/// A long copy is as many short ones as it takes.
fn put_plain_copies(out: &mut Vec<u8>, offset: usize, mut length: usize) {
    while length > 0 {
        let now = length.min(COPY_BYTES_MAX);
        out.push(((now - 1) << 2) as u8 | 2);
        out.extend((offset as u16).to_le_bytes());
        length -= now;
    }
}

/// A long copy is a short one and then another from as far back.
fn put_copy(out: &mut Vec<u8>, offset: usize, length: usize) {
    let first = if length <= COPY_BYTES_MAX { length } else { COPY_BYTES_MAX - MATCH_BYTES_MIN };
    out.push(((first - 1) << 2) as u8 | 2);
    out.extend((offset as u16).to_le_bytes());
    match length - first {
        0 => {}
        rest @ ..8 => out.extend([((rest - 4) << 2) as u8 | 1, 0]),
        rest @ ..264 => out.extend([5 << 2 | 1, 0, (rest - 8) as u8]),
        rest => {
            out.extend([6 << 2 | 1, 0]);
            out.extend(((rest - 260) as u16).to_le_bytes());
        }
    }
}

/// Decompresses a block into `out`, which is emptied first.
pub fn decompress(block: &[u8], out: &mut Vec<u8>) -> Result<(), BadBlock> {
    let mut input = Input(block);
    let length = input.varint()?;
    if length > BLOCK_BYTES_MAX {
        return Err(BadBlock);
    }
    out.clear();
    out.reserve(length);
    let mut offset = 0;
    while !input.0.is_empty() {
        let tag = input.byte()?;
        match tag & 3 {
            0 => input.literal(tag, length, out)?,
            kind => {
                let count = input.copy(kind, tag, &mut offset)?;
                copy(offset, count, length, out)?;
            }
        }
    }
    if out.len() == length { Ok(()) } else { Err(BadBlock) }
}

/// What is left of a block.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Result<u8, BadBlock> {
        self.bytes(1)?.first().copied().ok_or(BadBlock)
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], BadBlock> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(BadBlock)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// A little-endian number of up to four bytes.
    fn number(&mut self, bytes: usize) -> Result<usize, BadBlock> {
        Ok(self.bytes(bytes)?.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    fn varint(&mut self) -> Result<usize, BadBlock> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(BadBlock)
    }

    fn literal(&mut self, tag: u8, length_max: usize, out: &mut Vec<u8>) -> Result<(), BadBlock> {
        let count = match usize::from(tag >> 2) {
            short @ ..60 => short,
            long => self.number(long - 59)?,
        } + 1;
        if count > length_max - out.len() {
            return Err(BadBlock);
        }
        out.extend_from_slice(self.bytes(count)?);
        Ok(())
    }

    /// How many bytes are copied; from how far back goes to `offset`, unless it is from as far as the last time.
    fn copy(&mut self, kind: u8, tag: u8, offset: &mut usize) -> Result<usize, BadBlock> {
        let high = usize::from(tag >> 2);
        match kind {
            1 => {
                let near = usize::from(tag & 0xe0) << 3 | self.number(1)?;
                if near == 0 {
                    return self.repeat(high & 7);
                }
                *offset = near;
                Ok(4 + (high & 7))
            }
            2 => {
                *offset = self.number(2)?;
                Ok(1 + high)
            }
            _ => {
                *offset = self.number(4)?;
                Ok(1 + high)
            }
        }
    }

    /// S2 only.
    fn repeat(&mut self, code: usize) -> Result<usize, BadBlock> {
        let length = match code {
            5 => self.number(1)? + 4,
            6 => self.number(2)? + (1 << 8),
            7 => self.number(3)? + (1 << 16),
            short => short,
        };
        Ok(length + 4)
    }
}

fn copy(offset: usize, count: usize, length_max: usize, out: &mut Vec<u8>) -> Result<(), BadBlock> {
    if offset == 0 || offset > out.len() || count > length_max - out.len() {
        return Err(BadBlock);
    }
    let mut left = count;
    // What is copied may overlap with what it is copied to: then it repeats itself.
    while left > 0 {
        let from = out.len() - offset;
        let step = left.min(offset);
        out.extend_from_within(from..from + step);
        left -= step;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decompressed(block: &[u8]) -> Result<Vec<u8>, BadBlock> {
        let mut out = Vec::new();
        decompress(block, &mut out).map(|()| out)
    }

    #[test]
    fn a_copy_may_overlap_with_itself() {
        assert_eq!(decompressed(b"\x0a\x04ab\x11\x02").unwrap(), b"ababababab");
    }

    #[test]
    fn s2_copies_from_as_far_back_as_the_last_time() {
        // Literal "abcd", a copy of four from four back, a repeat of four, a repeat of 4 + 4 + 1.
        let block = b"\x15\x0cabcd\x01\x04\x01\x00\x15\x00\x01";
        assert_eq!(decompressed(block).unwrap(), b"abcdabcdabcdabcdabcda");
    }

    #[test]
    fn runs_of_any_length_come_back_and_cost_little() {
        for run in 1..1000 {
            let mut block = Vec::new();
            compress(&vec![b'x'; run], Dialect::S2, &mut block);
            assert!(block.len() <= 12, "{run}: {}", block.len());
            assert_eq!(decompressed(&block).unwrap(), vec![b'x'; run]);
            compress(&vec![b'x'; run], Dialect::Snappy, &mut block);
            assert_eq!(decompressed(&block).unwrap(), vec![b'x'; run]);
        }
    }

    #[test]
    fn what_no_compressor_writes_is_an_error() {
        for block in [&b""[..], b"\x05", b"\x01\x01\x00", b"\x02\x04ab\x01\x09", b"\xff\xff\xff\x7f\x00a"] {
            assert_eq!(decompressed(block), Err(BadBlock), "{block:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_block_or_an_error(block in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decompressed(&block);
        }

        #[test]
        fn what_was_compressed_comes_back(data in proptest::collection::vec(0u8..4, 0..5000), run in 0usize..60_000) {
            let data = [vec![7; run], data].concat();
            let mut block = Vec::new();
            for dialect in [Dialect::S2, Dialect::Snappy] {
                compress(&data, dialect, &mut block);
                prop_assert!(block.len() <= data.len() + data.len() / 6 + 32);
                prop_assert_eq!(&decompressed(&block).unwrap(), &data);
            }
        }
    }
}
